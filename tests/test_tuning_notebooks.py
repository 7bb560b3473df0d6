"""Notebooks 05 and 06: without the extra they run and say what to install; with it, nbval compares them."""

import json
import shutil
import statistics
import subprocess
import sys

import pytest
from test_notebooks import (
    cells,
    code,
    copy,  # noqa: F401
    test_hygiene,
    test_no_output_is_longer_than_a_screen,
    with_folder,
)

from helpers.__main__ import execute
from helpers.client import EXTRA, INSTALL, find_missing

NAMES = ("05_finetuning", "06_evaluation")
HIDE = f"""
import importlib.util, sys
names, found = {EXTRA!r}, importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in names else found(name, package)

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hide())
"""
"""Python runs this at its start: the kernel sees a machine without the extra, whatever is installed here."""


@pytest.fixture
def without_extra(tmp_path, monkeypatch):
    if not find_missing():
        (tmp_path / "hide").mkdir()
        (tmp_path / "hide" / "sitecustomize.py").write_text(HIDE, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hide"))


def printed(text):
    """Return the lines that the cells of a notebook printed."""
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]
    return [line for output in outputs for line in output.get("text", [])]


@pytest.mark.parametrize("name", NAMES)
def test_without_the_extra_it_runs_and_says_what_to_install(copy, without_extra, name):  # noqa: F811
    text, error = execute(copy / "notebooks" / f"{name}.ipynb")
    assert error is None
    assert sum(INSTALL in line for line in printed(text)) == 1
    assert text.count('"image/png"') >= 2  # the stored results, drawn


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_a_folder_with_the_chinese_sheet_only(copy, without_extra, name):  # noqa: F811
    (copy / "data" / "contest").mkdir()
    shutil.copy(copy / "data" / "sample" / "训练集-语文.xlsx", copy / "data" / "contest")
    with_folder(copy / "notebooks" / f"{name}.ipynb", "../data/contest")
    text, error = execute(copy / "notebooks" / f"{name}.ipynb")
    assert error is None
    assert any("没有英语表" in line for line in printed(text)) == (name == "05_finetuning")


@pytest.mark.finetune
@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_are_reproduced(copy, name):  # noqa: F811
    if missing := find_missing():
        pytest.skip(f"the extra `finetune` is not installed ({missing[0]})")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=600", "-q"]
    done = subprocess.run([*command, "-p", "no:cacheprovider", "-c", "/dev/null" if sys.platform != "win32" else "NUL",
                           f"notebooks/{name}.ipynb"], cwd=copy, capture_output=True, text=True, encoding="utf-8",
                          errors="replace")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("name", NAMES)
def test_clean(root, name):
    test_hygiene(root, name)
    test_no_output_is_longer_than_a_screen(root, name)


@pytest.mark.parametrize(("name", "most", "median"), [("05_finetuning", 50, 7), ("06_evaluation", 37, 5)])
def test_form(root, name, most, median):
    """As for 00 to 04, but 05 is longer: each concept of the course has its cell."""
    lesson = [cell for cell in cells(root, name) if "exercise" not in cell.metadata.get("tags", [])]
    lengths = sorted(len(cell.source.splitlines()) for cell in code(root, name))
    assert len(lesson) <= most
    assert statistics.median(lengths) <= median
    assert lengths[int(len(lengths) * 0.9) - 1] <= 12


def test_the_results_are_those_of_the_runs(root):
    """Every run of data/make_results.py is in the file, and the table that README shows comes from it."""
    results = json.loads((root / "data" / "results.json").read_text(encoding="utf-8"))
    listed = subprocess.run(
        [sys.executable, "data/make_results.py", "--list"], cwd=root, capture_output=True, text=True, check=True
    )
    assert list(results) == listed.stdout.split()
