"""The targets of ``tests/fuzz``, for a moment: good inputs with random pieces cut and put in, always the same."""

import pytest
from fuzz.targets import LONG, TARGETS, WORDS, lengthen, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

words = st.sampled_from([word.encode("utf-8", "surrogateescape") for word in WORDS]) | st.binary(max_size=3)


@st.composite
def damaged(draw, good):
    """Return one of some good inputs after a few edits."""
    data = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(0, 4))):
        start, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 0, 1, 2, 40]))
        data = data[:start] + draw(words) + data[start + length :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_its_promises(name):
    @given(damaged(seeds(name)))
    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    def keep(data):
        TARGETS[name](data)

    keep()


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_of_100_kb_breaks_nothing(name):
    for good, tail in zip(seeds(name), (0, 15, 60), strict=False):
        data = lengthen(good, tail)
        assert len(data) > LONG * 0.5
        TARGETS[name](data)
