"""The shipped sample: its size, its truth, its mess, and that it can be made again byte for byte."""

import json
import re
from collections import Counter, defaultdict

import pytest

from helpers import baseline
from helpers.cleaning import clean
from helpers.extraction import compare, extract
from helpers.workbook import read_gold, read_rows

KINDS = {
    "fullwidth",
    "number_marks",
    "lookalikes",
    "odd_spaces",
    "broken_lines",
    "option_layout",
    "dotless_options",
    "option_order",
    "numbering",
    "scores",
    "short_answers",
    "answer_gaps",
    "answer_tables",
    "decimals",
    "capitals",
    "brackets",
    "choice_like_short",
    "undecidable",
    "odd_cells",
}
LEAST_ROWS = 4


@pytest.fixture(scope="module")
def parsed(root):
    rows = read_rows(root / "data" / "sample")
    gold = read_gold(root / "data" / "sample")
    extraction = extract(clean(rows))
    return rows, gold, extraction, compare(rows, extraction, gold)


@pytest.fixture(scope="module")
def sources(sample):
    return sample.load_sources()


def test_every_row_is_right_against_gold(parsed):
    rows, _, _, outcome = parsed
    assert len(rows) == 128
    assert outcome.loc[~outcome["right"], ["subject", "row"]].to_numpy().tolist() == []


def test_only_the_deliberate_rows_are_problems(parsed):
    _, gold, extraction, _ = parsed
    expected = {(g["subject"], g["row"]) for g in gold if g["status"] == "problem"}
    assert set(zip(extraction.problems["subject"], extraction.problems["row"], strict=True)) == expected
    assert sum(g["status"] == "ok" for g in gold) >= 120


def test_table_of_kinds(parsed, capsys):
    rows, gold, _, outcome = parsed
    theirs = baseline.compare(rows, baseline.extract(rows), gold)
    table: dict[str, Counter] = defaultdict(Counter)
    for g, (_, _, kept, right), (_, _, _, ours) in zip(
        gold, theirs.itertuples(index=False), outcome.itertuples(index=False), strict=True
    ):
        for kind in g["kinds"] or ["(none)"]:
            table[kind].update(rows=1, kept=int(kept), right=int(right), ours=int(ours))
    with capsys.disabled():
        print(f"\n{'kind of mess':<20}{'rows':>6}{'baseline kept':>15}{'right':>7}{'ours right':>12}")
        for kind, n in sorted(table.items()):
            print(f"{kind:<20}{n['rows']:>6}{n['kept']:>15}{n['right']:>7}{n['ours']:>12}")
    assert set(table) - {"(none)"} == KINDS
    assert [k for k, n in table.items() if n["rows"] < LEAST_ROWS] == []
    assert [k for k, n in table.items() if n["ours"] < n["rows"]] == []
    assert 0.60 <= theirs["kept"].mean() <= 0.85


def test_rows_carry_at_most_four_kinds_and_a_fifth_none(parsed):
    _, gold, _, _ = parsed
    assert max(len(g["kinds"]) for g in gold) <= 4
    assert 0.15 <= sum(not g["kinds"] for g in gold) / len(gold) <= 0.25


def test_sample_is_made_again_byte_for_byte(sample, root, tmp_path):
    sample.main(tmp_path)
    for path in sorted((root / "data" / "sample").iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_writes_gold_imports_nothing_of_helpers(root):
    assert not re.search(r"^\s*(?:import|from) helpers", (root / "data" / "make_sample.py").read_text("utf-8"), re.M)


def test_sizes(sources):
    counts = Counter((s["subject"], s["split"]) for s in sources)
    assert counts == {("语文", "train"): 64, ("英语", "train"): 64, ("语文", "test"): 8, ("英语", "test"): 8}


def test_lengths_and_fields(sources):
    for source in sources:
        text = source["text"].strip()
        chinese = source["subject"] == "语文"
        length = len(re.sub(r"\s", "", text)) if chinese else len(text.split())
        assert (500 if chinese else 220) <= length <= (1000 if chinese else 350), (source["id"], length)
        for question in source["questions"]:
            if "answer" in question:
                assert len({question[x] for x in "ABCD"}) == 4, source["id"]
                assert set(question["why"]) == set("ABCD"), source["id"]
            else:
                assert chinese and question["reference"], source["id"]


def test_no_two_passages_share_a_run(sources):
    """12 characters in Chinese, 7 words in English."""
    owner: dict[object, str] = {}
    for source in sources:
        if source["subject"] == "语文":
            text = re.sub(r"\s", "", source["text"])
            runs = {text[i : i + 12] for i in range(len(text) - 11)}
        else:
            words = source["text"].lower().split()
            runs = {tuple(words[i : i + 7]) for i in range(len(words) - 6)}
        shared = [(owner[run], run) for run in runs if run in owner]
        assert not shared, (source["id"], shared[:1])
        owner.update(dict.fromkeys(runs, source["id"]))


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_answer_letters_are_balanced(sources, subject):
    keys = Counter(q["answer"] for s in sources if s["subject"] == subject for q in s["questions"] if "answer" in q)
    assert all(0.20 <= keys[letter] / keys.total() <= 0.30 for letter in "ABCD"), keys


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_right_option_is_not_the_longest_too_often(sources, subject):
    questions = [q for s in sources if s["subject"] == subject for q in s["questions"] if "answer" in q]
    longest = sum(len(q[q["answer"]]) > max(len(q[x]) for x in "ABCD" if x != q["answer"]) for q in questions)
    assert longest / len(questions) <= 0.35


def test_second_reading_covers_every_question(root, sources):
    lines = (root / "data" / "source" / "review.jsonl").read_text("utf-8").splitlines()
    reviewed = {(r["id"], r["question"]) for r in map(json.loads, lines)}
    wanted = {(s["id"], number) for s in sources for number, q in enumerate(s["questions"], 1) if "answer" in q}
    assert wanted <= reviewed
