"""Speed as ratios within one run, printed; see the README of the repository for what they were.

python -m pytest tests/benchmarks -s
"""

import time

import pandas as pd

from helpers import baseline
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.workbook import read_rows


def best(function, rounds=7):
    """Return the shortest of several times, in seconds: the one least disturbed by other programs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def test_extraction_against_the_yardstick(root):
    rows = read_rows(root / "data" / "sample")
    theirs = best(lambda: baseline.extract(rows))
    ours = best(lambda: extract(clean(rows)))
    print(f"\nclean + extract / baseline, {len(rows)} rows: {ours / theirs:.2f}")


def test_growth_is_linear(root):
    rows = read_rows(root / "data" / "sample")
    once = best(lambda: extract(clean(rows)))
    many = pd.concat([rows] * 16, ignore_index=True).assign(row=range(len(rows) * 16))
    growth = best(lambda: extract(clean(many)), rounds=3) / once / 16
    print(f"\ntime a row, 2,048 rows against 128: {growth:.2f}")
