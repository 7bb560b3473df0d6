"""The notebooks in a real browser, on real servers: what a learner types and clicks, and what the panels say.

With KIT_SCREENSHOTS set, the pictures of the panels in docs/ are taken, too.
"""

import os
import re

import pytest
from lab import run_all, serve

from helpers import cleaning, extraction, marks, merging, prompts, workbook

pytestmark = pytest.mark.browser
SIZE = {"width": 1280, "height": 720}
NUMBERS = re.compile(r"\d+")


@pytest.fixture(scope="module")
def rows(root):
    return workbook.read_rows(root / "data" / "sample")


@pytest.fixture(scope="module")
def gold(root):
    return workbook.read_gold(root / "data" / "sample")


@pytest.fixture(scope="module")
def open_panel(browser):
    """Return a function that runs a notebook in a page that stays open, and returns its panel."""
    context = browser.new_context(viewport=SIZE, locale="zh-CN")

    def run(address, name):
        page = context.new_page()
        page.set_default_timeout(20_000)
        run_all(page, address)
        return find_panel(page, name)

    yield run
    context.close()


@pytest.fixture(scope="module")
def regex_lab(lab, open_panel):
    return open_panel(f"{lab}/lab/tree/notebooks/02_extraction.ipynb?reset", "regex-lab")


@pytest.fixture(scope="module")
def prompt_studio(lab, open_panel):
    return open_panel(f"{lab}/lab/tree/notebooks/03_prompts.ipynb?reset", "prompt-studio")


@pytest.fixture(scope="module")
def mix_desk(lab, open_panel):
    return open_panel(f"{lab}/lab/tree/notebooks/04_merging.ipynb?reset", "mix-desk")


@pytest.fixture
def folder(root, tmp_path):
    """Return a copy of what the notebooks need, and a folder for settings beside it."""
