"""The notebooks in a real browser, on a real JupyterLab."""

import pytest
from lab import run_all

pytestmark = pytest.mark.browser


def test_the_start_notebook_runs_and_shows_its_picture(lab, page):
    run_all(page, f"{lab}/lab/tree/notebooks/00_start_here.ipynb?reset")
    page.locator(".jp-OutputArea img").first.wait_for(timeout=30_000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator(".jp-RenderedImage img").first.evaluate("image => image.naturalWidth") > 300
