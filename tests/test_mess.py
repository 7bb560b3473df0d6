"""Every kind of mess of the design, by name: alone, and in random combination.

The rows are the sample's own passages with the mess put in anew by ``data/make_sample.py``, which
shares no code with the extraction and writes the truth down before it starts.
"""

import random

import pandas as pd
import pytest

from helpers.cleaning import clean
from helpers.extraction import compare, extract

SEEDS = (1, 2, 3)


def parse(sample, kinds_of, seed):
    """Write every training passage with the kinds that `kinds_of` gives it; return what is not right."""
    written, gold = [], []
    for position, source in enumerate(s for s in sample.load_sources() if s["split"] == "train"):
        row = sample.Row(source, kinds_of(source), seed=seed)
        written.append([source["subject"], position, row.passage(), row.options(), row.answers()])
        gold.append(sample.gold_line(row, source["subject"], position))
    rows = pd.DataFrame(written, columns=["subject", "row", "阅读文本", "选项", "答案"])
    extraction = extract(clean(rows))
    outcome = compare(rows, extraction, gold)
    wrong = outcome[~outcome["right"]]
    told = set(extraction.problems["row"])
    return [(gold[r]["kinds"], rows.loc[r, "选项"][:300], rows.loc[r, "答案"][:200], r in told) for r in wrong["row"]]


@pytest.fixture(scope="module")
def kinds(sample):
    return sample.ARTIFICIAL


@pytest.mark.parametrize("place", range(12))
def test_one_kind_alone_is_parsed_exactly(sample, kinds, place):
    assert len(kinds) == 12
    for seed in SEEDS:
        assert parse(sample, lambda source: [kinds[place]], seed) == []


@pytest.mark.parametrize("seed", range(10, 16))
def test_random_combinations_are_parsed_or_reported(sample, kinds, seed):
    rng = random.Random(seed)
    wrong = parse(sample, lambda source: rng.sample(kinds, rng.randint(2, 5)), seed)
    silent = [case for case in wrong if not case[-1]]
    assert silent == [], "a row was parsed wrongly without a word"
    assert len(wrong) <= 1, wrong  # 128 rows; at most one that even a careful reader would ask about
