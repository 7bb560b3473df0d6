"""kill -9 at random moments: every file is the old whole or the new whole, and the next run is not confused.

``KILLS=200 python -m pytest -s tests/test_kill.py`` kills 200 builds and 200 notebook exports and prints the
count; without it, 12 of each. What is promised is one file: a run killed between two renames leaves some files
new and the others old. ``report.json`` takes its place last, so where it is new, everything is.
"""

import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import time

import pytest

from helpers import COLUMNS, merging, prompts
from helpers.__main__ import main
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.workbook import read_rows

KILLS = int(os.environ.get("KILLS", "12"))
TEMPORARY = re.compile(r"\..+\.\d+\.tmp")
REPORT = (
    "\nkilled {} of {} {}: every file whole; {} times old files beside new ones, {} times temporary files; "
    "none of either after the next run"
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and fork of POSIX")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def build(folder, out):
    """Run a whole build without a word, as a process of its own does it."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    assert main(["build", str(folder), "--out", str(out)]) == 0


def start(function, *arguments):
    """Start a process that needs not import anything first, so that most of its life is work."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def kill(process, out, longest, files, rng):
    """Kill at any moment of a run, of its writing, or of its renaming; return whether it was alive.

    Chance takes one of the three, since renaming takes a thousandth of the time and is where a set gets mixed.
    """
    written = rng.choice([0, 1, files, files])
    while process.is_alive() and len(list(out.glob(f".*.{process.pid}.tmp"))) < written:
        time.sleep(0.0002)
    process.join(rng.uniform(0, (0.003 if written == files else 0.05) if written else longest))
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def check(out, versions):
    """Assert that every file is whole; return how many of them come from each version, and what is left over."""
    left = contents(out)
    files = {name: data for name, data in left.items() if not TEMPORARY.fullmatch(name)}
    assert set(files) == set(versions[0])
    for name, data in files.items():
        assert data in [version[name] for version in versions], f"{name} is neither old nor new"
    return [sum(files[name] == version[name] for name in files) for version in versions], len(left) - len(files)


@pytest.fixture(scope="module")
def folders(root, write_workbook, tmp_path_factory):
    """Return two folders of a few rows whose results differ in every file but dataset_info.json."""
    rows, made = read_rows(root / "data" / "sample"), []
    for first in (0, 20):
        made.append(tmp_path_factory.mktemp("sheets"))
        for subject, own in rows.groupby("subject"):
            write_workbook(made[-1], subject, own[list(COLUMNS)].iloc[first : first + 12].to_numpy().tolist())
    return made


@pytest.fixture(scope="module")
def versions(folders, tmp_path_factory):
    """Return what the builds of the two folders write, and how long one takes."""
    made, longest = [], 0.0
    for folder in folders:
        out = tmp_path_factory.mktemp("made") / "out"
        started = time.perf_counter()
        process = start(build, folder, out)
        process.join()
        assert process.exitcode == 0
        made.append(contents(out))
        longest = max(longest, time.perf_counter() - started)
    different = {name for name in made[0] if made[0][name] != made[1][name]}
    assert set(made[0]) - different == {"dataset_info.json"}
    return made, longest


def test_a_killed_build_leaves_every_file_whole(folders, versions, tmp_path, capsys):
    made, longest = versions
    out, rng = tmp_path / "out", random.Random(0)
    start(build, folders[0], out).join()
    killed = mixed = leftovers = 0
    for attempt in range(KILLS):  # one after the other into the same folder, the leftovers of the last one in it
        new = (attempt + 1) % 2
        before, _ = check(out, made)
        dead = kill(start(build, folders[new], out), out, longest, len(made[0]), rng)
        after, left = check(out, made)
        killed, leftovers = killed + dead, leftovers + (left > 0)
        mixed += len(made[0]) not in after
        if len(made[0]) in before and contents(out)["report.json"] == made[new]["report.json"]:
            assert after[new] == len(made[0]), "report.json takes its place last"
    start(build, folders[0], out).join()
    assert contents(out) == made[0]
    assert killed
    with capsys.disabled():
        print(REPORT.format(killed, KILLS, "builds", mixed, leftovers), end="")


@pytest.fixture(scope="module")
def datasets(folders):
    """Return two data sets, as notebook 04 makes them."""
    made = []
    for folder in folders:
        rows = clean(read_rows(folder))
        made.append(merging.make_dataset(prompts.make_pairs(rows, extract(rows))))
    return made


TEMPLATES = [{"语文": "甲：{text}"}, {"语文": "乙乙：{text}", "英语": "B: {text}"}]


def export_for_ever(datasets, out):
    """Export and save prompts as notebooks 03 and 04 do, one version after the other."""
    for turn in range(1_000_000):
        merging.export(datasets[turn % 2], out)
        prompts.save_prompt("我的提示词", TEMPLATES[turn % 2], out)


def test_a_killed_export_leaves_every_file_whole(datasets, tmp_path, capsys):
    made = []
    for turn in (0, 1):
        merging.export(datasets[turn], tmp_path / str(turn))
        prompts.save_prompt("我的提示词", TEMPLATES[turn], tmp_path / str(turn))
        made.append(contents(tmp_path / str(turn)))
    out, rng = shutil.copytree(tmp_path / "0", tmp_path / "out"), random.Random(1)
    killed = mixed = leftovers = 0
    for _ in range(KILLS):
        killed += kill(start(export_for_ever, datasets, out), out, 0.3, len(merging.EXPORTED) + 1, rng)
        after, left = check(out, made)
        mixed, leftovers = mixed + (len(made[0]) not in after), leftovers + (left > 0)
    merging.export(datasets[1], out)
    prompts.save_prompt("我的提示词", TEMPLATES[1], out)
    assert contents(out) == made[1]
    assert killed == KILLS
    with capsys.disabled():
        print(REPORT.format(killed, KILLS, "exports", mixed, leftovers), end="")


def test_nobody_sees_half_a_file_while_a_build_goes_on(folders, versions, tmp_path):
    made, out = versions[0], tmp_path / "out"
    start(build, folders[0], out).join()
    whole = {(name, len(data)) for version in made for name, data in version.items()}
    process = start(build, folders[1], out)
    paths, seen, going_on = [out / name for name in made[0]], set(), True
    while going_on:
        going_on = process.is_alive()
        seen |= {(path.name, path.stat().st_size) for path in paths}
    assert process.exitcode == 0
    assert seen == whole
