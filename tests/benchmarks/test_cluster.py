"""The same call on one machine and on a Dask cluster: extraction is a pure function of a row.

    ROWS=1000000 python -m pytest -s tests/benchmarks/test_cluster.py

needs the extra `cluster`. The rows are made by the mill, inside the workers, before the clock starts; what is
timed is cleaning and extraction of all partitions until their results stand in the workers' memory.
"""

import logging
import os
import time

import pandas as pd
import pytest
from mill import compose, frame

from helpers.cleaning import clean
from helpers.extraction import extract

dask = pytest.importorskip("dask", reason='needs the extra "cluster": python -m pip install -e ".[cluster]"')
distributed = pytest.importorskip("distributed", reason='needs the extra "cluster"')
dd = pytest.importorskip("dask.dataframe", reason='needs the extra "cluster"')

ROWS = int(os.environ.get("ROWS", "20000"))
PARTITION = min(5000, ROWS // 4)


def make(first):
    """Return the rows of one partition; the cells hold numbers and dates, too."""
    return frame(map(compose, range(first, min(first + PARTITION, ROWS))), first)


def parse(rows):
    """Return all that `extract` finds in one frame, because a partition is one."""
    found = extract(clean(rows))
    return pd.concat(found._asdict(), names=["frame"]).reset_index(level="frame").astype(object)


def run(workers):
    """Parse all rows on so many processes; return rows per second and everything that was found."""
    cluster = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=0, silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster):
        rows = dd.from_map(make, range(0, ROWS, PARTITION), meta=make(0).iloc[:0]).persist()
        distributed.wait(rows)
        start = time.perf_counter()
        found = rows.map_partitions(parse, meta=parse(make(0)).iloc[:0]).persist()
        distributed.wait(found)
        seconds = time.perf_counter() - start
        return ROWS / seconds, found.compute()


def test_a_cluster_finds_what_pandas_finds():
    with dask.config.set({"dataframe.convert-string": False}):  # a cell that holds 7 must not become "7"
        one, found_by_one = run(1)
        two, found_by_two = run(2)
    rows = pd.concat(map(make, range(0, ROWS, PARTITION)), ignore_index=True)
    start = time.perf_counter()
    wanted = parse(rows)
    pandas = ROWS / (time.perf_counter() - start)
    for found in (found_by_one, found_by_two):
        for name, lines in wanted.groupby("frame"):
            own = found[found["frame"] == name]
            pd.testing.assert_frame_equal(own.reset_index(drop=True), lines.reset_index(drop=True))
    print(f"\n{ROWS:,} rows, {len(wanted):,} lines found; rows a second: pandas {pandas:,.0f}, ", end="")
    print(f"one worker {one:,.0f}, two workers {two:,.0f} ({two / one:.2f} times one)")
