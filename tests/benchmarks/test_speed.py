"""Speed as ratios within one run, printed; see the README of the repository for what they were.

python -m pytest tests/benchmarks/test_speed.py -s
"""

import time
import timeit

import pandas as pd
import pytest
from mill import compose, frame

from helpers import baseline
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.workbook import read_rows

LIMIT = 1.0  # seconds for any cell of 100 kB
SIZES = [12_500, 25_000, 50_000, 100_000]
HOSTILE = {
    "digits": "1",
    "letters": "A",
    "spaces": " ",
    "odd spaces": "\u3000\u200b",
    "lines": "\n ",
    "brackets": "（",
    "ascii brackets": "([",
    "closed brackets": "（1）",
    "A.": "A.",
    "A.B.C.D.": "A.B.C.D.",
    "A.甲 B.乙 C.丙 D.丁": "A.甲 B.乙 C.丙 D.丁 ",
    "A a": "A a",
    "1.": "1.",
    "1. a": "1. a\n",
    "1、": "1、",
    "1、2、3": "1、2、3、",
    "numbers": "12 ",
    "1A": "1A",
    "letters and commas": "A、",
    "scores": "（3分",
    "score parts": "（共3分，",
    "initials": "J. D. ",
    "full width": "１：Ａ（",
    "Cyrillic": "АВ",
    "Cyrillic words": "В Москве ",
    "escapes": "_x000D_",
    "ranges": "1-2 AB ",
    "half ranges": "1-",
    "conclusions": "故选A",
    "headings": "【答案】",
    "tables": "题号 1 2\n答案 A B\n",
    "questions": "1.问\nA.甲\nB.乙\nC.丙\nD.丁\n",
}


def best(function, rounds=7):
    """Return the shortest of several processor times, in seconds, taken by `timeit`: without collecting garbage."""
    return min(timeit.repeat(function, timer=time.process_time, number=1, repeat=rounds))


@pytest.mark.parametrize("source", ["sample", "milled"])
def test_extraction_against_the_yardstick(root, source):
    rows = read_rows(root / "data" / "sample") if source == "sample" else frame(map(compose, range(1000)))
    theirs = best(lambda: baseline.extract(rows))
    cleaned = clean(rows)
    cleaning, extraction = best(lambda: clean(rows)), best(lambda: extract(cleaned))
    ratio = (cleaning + extraction) / theirs
    print(f"\n{source}, {len(rows)} rows: clean + extract / baseline = {ratio:.2f} (clean {cleaning / theirs:.2f})")


def test_growth_is_linear():
    few = frame(map(compose, range(1000)))
    many = pd.concat([few] * 100, ignore_index=True).assign(row=range(100_000))
    growth = best(lambda: extract(clean(many)), rounds=1) / best(lambda: extract(clean(few))) / 100
    print(f"\ntime a row, 100,000 rows against 1,000: {growth:.2f}")


def test_as_many_answers_as_questions():
    """Questions and answers that all have one number were matched in quadratic time once."""
    times = []
    for size in SIZES:
        lines = {"阅读文本": ["略"], "选项": ["1. What?\n\n\n" * (size // 12)], "答案": ["1. \n\n" * (size // 12)]}
        rows = pd.DataFrame({"subject": ["英语"], "row": [0], **lines})
        times.append(best(lambda rows=rows: extract(clean(rows)), rounds=1))
    print(
        "\n1. What? / 1.", *(f"{time:.3f}" for time in times), f"s for {', '.join(f'{s:,}' for s in SIZES)} characters"
    )
    assert times[-1] < LIMIT


@pytest.mark.parametrize("name", HOSTILE)
def test_no_long_cell_takes_long(name):
    """Time against length, doubling: each hostile text in 选项, in 答案, and behind a question."""
    unit, line, slowest = HOSTILE[name], [], 0.0
    for size in SIZES:
        text = (unit * size)[:size]
        for options, answers in ((text, "1.A"), ("1.问\nA.甲\nB.乙\nC.丙\nD.丁", f"1.{text}"), (f"1.问\n{text}", text)):
            cells_of_row = {"阅读文本": [text], "选项": [options], "答案": [answers]}
            for subject in ("语文", "英语"):
                rows = pd.DataFrame({"subject": [subject], "row": [0], **cells_of_row})
                slowest = max(slowest, best(lambda rows=rows: extract(clean(rows)), rounds=1))
        line.append(f"{slowest:.3f}")
    print(f"\n{name:22} {' '.join(line)} s for {', '.join(f'{size:,}' for size in SIZES)} characters")
    assert slowest < LIMIT
