"""What the tests share: the repository, small workbooks, and the command line as a black box."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pytest
from lab import CHROMIUM, FLAGS, serve

from helpers import cleaning, extraction, workbook

ROOT = Path(__file__).resolve().parent.parent
HEADER = ("阅读文本", "选项", "答案")
GOOD_ROWS = {
    "语文": (
        "春天来了，河边的柳树发了芽，孩子们在草地上放风筝。",
        "1．下列对原文的理解，正确的一项是（3分）\nA．柳树在春天发芽。\nB．柳树在冬天发芽。\nC．孩子们在河里游泳。\nD．草地上没有人。\n"
        "2．孩子们为什么高兴？（4分）",
        "1．A\n2．因为春天来了，可以放风筝。",
    ),
    "英语": (
        "Tom has a red kite. He flies it near the river every Sunday.",
        "21. What does Tom have?\nA. A kite.\nB. A boat.\nC. A dog.\nD. A map.\n"
        "22. Where does he go?\nA. To the hill.\nB. To the school.\nC. To the river.\nD. To the shop.",
        "21. A 22. C",
    ),
}


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def root():
    """Return the folder of the repository."""
    return ROOT


@pytest.fixture(scope="module")
def source(root):
    """Return the rows of the sample's sheets, as they are."""
    return workbook.read_rows(root / "data" / "sample")


@pytest.fixture(scope="module")
def rows(source):
    """Return the cleaned rows of the sample."""
    return cleaning.clean(source)


@pytest.fixture(scope="module")
def gold(root):
    """Return the truth about the sample's rows."""
    return workbook.read_gold(root / "data" / "sample")


@pytest.fixture(scope="module")
def found(rows):
    """Return what is extracted from the sample."""
    return extraction.extract(rows)


@pytest.fixture(scope="session")
def sample(root):
    """Return the script that makes the sample, as a module."""
    spec = importlib.util.spec_from_file_location("make_sample", root / "data" / "make_sample.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def good_rows():
    """Return one good row of each subject: one choice question and one short answer; two choice questions."""
    return GOOD_ROWS


@pytest.fixture(scope="session")
def write_workbook():
    """Return a function that writes rows of cells into a folder under the contest's file name."""

    def write(folder, subject, rows, header=HEADER):
        folder.mkdir(parents=True, exist_ok=True)
        book = openpyxl.Workbook()
        for line in (header, *rows):
            book.active.append(line)
        path = folder / f"训练集-{subject}.xlsx"
        book.save(path)
        return path

    return write


@pytest.fixture(scope="session")
def edit_workbook():
    """Return a function that replaces text in one part of a workbook: what openpyxl itself would not write."""

    def edit(path, old, new, part="xl/worksheets/sheet1.xml"):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name).decode() for name in archive.namelist()}
        assert old in parts[part]
        parts[part] = parts[part].replace(old, new)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in parts.items():
                archive.writestr(name, text)

    return edit


@pytest.fixture(scope="session")
def command():
    """Return a function that gives the command line of ``python -m helpers`` and its environment."""

    def make(*arguments, root=ROOT, encoding="utf-8"):
        environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": encoding, "PYTHONHASHSEED": "random"}
        return {"args": [sys.executable, "-m", "helpers", *map(str, arguments)], "env": environment}

    return make


@pytest.fixture(scope="session")
def run_helpers(command, tmp_path_factory):
    """Return a function that runs ``python -m helpers`` in another process, from a folder of no importance."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*arguments, root=ROOT, encoding="utf-8", timeout=60, **options):
        line = command(*arguments, root=root, encoding=encoding)
        done = subprocess.run(**line, **options, cwd=elsewhere, capture_output=True, timeout=timeout)
        return Outcome(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding))

    return run


@pytest.fixture(scope="session")
def browser():
    """Return Debian's Chromium under Playwright, or skip with the reason."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra: pip install -e .[browser]")
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """Return a page of the size of a projector."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def lab(root, tmp_path_factory):
    """Return the address of a JupyterLab that serves a copy of the notebooks and the sample."""
    folder, settings = tmp_path_factory.mktemp("kit"), tmp_path_factory.mktemp("jupyter")
    for name in ("notebooks", "data/sample"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns(".*", "~$*"))
    with serve(folder, settings) as address:
        yield address
