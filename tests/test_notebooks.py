"""The notebooks: nbval against their stored outputs, their form, and runs on other data."""

import json
import re
import shutil
import statistics
import subprocess
import sys

import nbformat
import pytest

from helpers.__main__ import execute

NAMES = ("00_start_here", "01_cleaning", "02_extraction", "03_prompts", "04_merging")
STORED = (*NAMES, "solutions")


@pytest.fixture
def copy(root, tmp_path):
    """A copy of the notebooks and the sample, with an empty processed/: what learners do to theirs cannot matter."""
    for folder in ("notebooks", "data/sample"):
        shutil.copytree(root / folder, tmp_path / folder, ignore=shutil.ignore_patterns(".*", "~$*"))
    shutil.copy(root / "data" / "results.json", tmp_path / "data")
    return tmp_path


def cells(root, name):
    return nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4).cells


def code(root, name):
    return [cell for cell in cells(root, name) if cell.cell_type == "code" and cell.source.strip()]


@pytest.mark.parametrize("name", STORED)
def test_stored_outputs_are_reproduced(copy, name):
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    path = f"notebooks/{name}.ipynb"
    done = subprocess.run([*command, "-c", "/dev/null" if sys.platform != "win32" else "NUL", path], cwd=copy,
                          capture_output=True, text=True, encoding="utf-8", errors="replace")  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def with_folder(path, folder):
    """Change the one cell FOLDER = … of a notebook."""
    text = path.read_text(encoding="utf-8")
    changed = text.replace('FOLDER = \\"../data/sample\\"', f'FOLDER = \\"{folder}\\"')
    assert changed != text, "no cell FOLDER ="
    path.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_runs_on_a_folder_without_gold(copy, name):
    (copy / "data" / "contest").mkdir()
    for path in (copy / "data" / "sample").glob("训练集-*.xlsx"):
        shutil.copy(path, copy / "data" / "contest")
    with_folder(copy / "notebooks" / f"{name}.ipynb", "../data/contest")
    text, error = execute(copy / "notebooks" / f"{name}.ipynb")
    assert error is None
    assert name != "02_extraction" or "无标准答案" in text


@pytest.mark.parametrize(("name", "sheet"), [("02_extraction", "英语"), ("03_prompts", "语文"), ("04_merging", "英语")])
def test_runs_with_one_sheet_only(copy, name, sheet):
    (copy / "data" / "contest").mkdir()
    shutil.copy(copy / "data" / "sample" / f"训练集-{sheet}.xlsx", copy / "data" / "contest")
    with_folder(copy / "notebooks" / f"{name}.ipynb", "../data/contest")
    assert execute(copy / "notebooks" / f"{name}.ipynb")[1] is None


def test_a_learners_files_do_not_change_the_verdict(root, copy):
    """A file saved into processed/ and an edited FOLDER in a copy leave the repository's notebooks as they are."""
    before = (root / "notebooks" / "03_prompts.ipynb").read_bytes()
    (copy / "data" / "processed").mkdir()
    (copy / "data" / "processed" / "train.jsonl").write_text("x", encoding="utf-8")
    with_folder(copy / "notebooks" / "03_prompts.ipynb", "../data/other")
    assert (root / "notebooks" / "03_prompts.ipynb").read_bytes() == before


@pytest.mark.parametrize("name", STORED)
def test_hygiene(root, name):
    path = root / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    run = code(root, name)
    assert [cell.execution_count for cell in run] == list(range(1, len(run) + 1)), "not run in order"
    for cell in run:
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
    text = "\n".join(json.dumps([cell.source, cell.outputs], ensure_ascii=False) for cell in run)
    assert not re.search(r"/(?:home|root|tmp|work|Users)/|[A-Z]:\\\\", text), "a machine's path"
    assert not re.search(r"\d+(?:\.\d+)? ?(?:ms|µs)\b|at 0x[0-9a-f]{6}|CPU times", text), "a timing or an address"
    assert not any("execution" in cell.metadata for cell in notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_form(root, name):
    every = cells(root, name)
    lengths = sorted(len(cell.source.splitlines()) for cell in code(root, name))
    lesson = [cell for cell in every if "exercise" not in cell.metadata.get("tags", [])]
    assert 18 <= len(lesson) <= 36
    assert 2 <= len(every) - len(lesson) <= 12
    assert statistics.median(lengths) <= 5
    assert lengths[int(len(lengths) * 0.9) - 1] <= 12
    markdown = "\n".join(cell.source for cell in every if cell.cell_type == "markdown")
    assert every[0].cell_type == "markdown" and every[0].source.startswith("# ")
    assert "## 小结" in markdown and "## 练习" in markdown
    assert sum("FOLDER = " in cell.source for cell in code(root, name)) == 1


@pytest.mark.parametrize("name", STORED)
def test_no_output_is_longer_than_a_screen(root, name):
    for cell in code(root, name):
        for output in cell.outputs:
            text = output.get("text") or json.dumps(output.get("data", {}).get("text/plain", ""))
            assert len(text.splitlines()) <= 45, cell.source
