"""What people wait for: importing the kit, running the notebooks, building from large sheets. Printed.

python -m pytest -s tests/benchmarks/test_whole.py
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from itertools import islice

from mill import cells, compose

from helpers.__main__ import build_files, execute
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.prompts import make_pairs
from helpers.workbook import read_rows


def python(code, root):
    """Return the shortest processor time of five new interpreters that run this, in seconds."""
    times = []
    for _ in range(5):
        before = sum(os.times()[2:4])
        subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
        times.append(sum(os.times()[2:4]) - before)
    return min(times)


def test_import(root):
    pandas = python("import pandas", root)
    package = python("import pandas, helpers", root)
    everything = python("import pandas; from helpers import cleaning, extraction, figures, merging, widgets", root)
    print(f"\nbeyond pandas: import helpers {package - pandas:.2f} s, all that notebooks 00-04 import", end=" ")
    print(f"{everything - pandas:.2f} s (pandas {pandas:.2f} s)")


def test_notebooks_from_restart_to_end(root, tmp_path):
    """Each of 00-04 as `python -m helpers run` executes it: kernel start, all cells, kernel end."""
    for name in ("notebooks", "data/sample"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns(".*", "~$*"))
    seconds = {}
    for path in sorted((tmp_path / "notebooks").glob("0[0-4]*.ipynb")):
        start = time.perf_counter()
        assert execute(path)[1] is None
        seconds[path.stem] = time.perf_counter() - start
    each = ", ".join(f"{name[:2]} {own:.1f}" for name, own in seconds.items())
    print(f"\nnotebooks 00-04 from restart to end: {sum(seconds.values()):.1f} s ({each})")


def test_memory_of_build(tmp_path, write_workbook):
    """Peak of the memory that Python objects take in a build, against the frames that a build must hold."""
    lines = []
    for size in (500, 1000, 2000):
        papers = (compose(seed) for seed in range(10**6, 10**6 + 4 * size))
        papers = (paper for paper in papers if paper.subject == "英语" and not paper.fault and not paper.odd_spaces)
        folder = tmp_path / str(size)
        write_workbook(folder, "英语", [cells(paper) for paper in islice(papers, size)])
        tracemalloc.start()
        with contextlib.redirect_stdout(None):
            build_files(folder, folder / "out", "input,target")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        read = read_rows(folder)
        cleaned = clean(read)
        found = extract(cleaned)
        frames = [read, cleaned, *found, make_pairs(cleaned, found)]
        held = sum(int(frame.memory_usage(deep=True).sum()) for frame in frames)
        lines.append(f"{size:,} rows: peak {peak / 2**20:.1f} MiB, frames {held / 2**20:.1f}, ratio {peak / held:.2f}")
    print("\nbuild,", "\nbuild, ".join(lines))
