"""The exercises: each known mistake gets its own hint, every solution passes, no answer can break a check."""

import re
import time
import tomllib
from fnmatch import fnmatch

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers import exercises

NUMBERS = sorted(set(exercises.catalogue()) - {"setup"})
MISTAKES = [(number, i) for number in NUMBERS for i in range(len(exercises.catalogue()[number]["mistakes"]))]
RIGHT, WRONG, UNTRIED = "right", "wrong", "untried"


def answer_of(code):
    """The answer that a known mistake of the data file defines."""
    space = {}
    exec(exercises.catalogue()["setup"]["code"], space)
    exec(code, space)
    return space["answer"]


def outputs(root, name):
    """What the check cells of a notebook printed, by number; None where a notebook is stored without outputs."""
    found = {}
    for cell in nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4).cells:
        for number in re.findall(r'exercises\.check\("(\d\d-\d)"', cell.source):
            text = "".join(output.get("text", "") for output in cell.outputs)
            found[number] = text if cell.execution_count else None
    return found


# The catalogue


def test_there_are_enough_exercises_and_known_mistakes(capsys):
    hints = {mistake["hint"] for n in NUMBERS for mistake in exercises.catalogue()[n]["mistakes"]}
    with capsys.disabled():
        print(f"\n{len(NUMBERS)} exercises, {len(MISTAKES)} recognised mistakes, {len(hints)} different hints")
    assert len(NUMBERS) >= 20
    for notebook in range(7):
        assert 3 <= sum(number.startswith(f"0{notebook}-") for number in NUMBERS) <= 4
    for number in NUMBERS:
        exercise = exercises.catalogue()[number]
        assert set(exercise) == {"title", "rows", "mistakes"}
        assert len({mistake["hint"] for mistake in exercise["mistakes"]}) >= 3, number


@pytest.mark.parametrize(("number", "index"), MISTAKES)
def test_a_known_mistake_gets_its_own_hint(number, index):
    mistake = exercises.catalogue()[number]["mistakes"][index]
    verdict = exercises.judge(number, answer_of(mistake["code"]))
    assert (verdict.state, verdict.mistake) == (WRONG, index), verdict.message
    assert mistake["hint"] in verdict.message
    assert verdict.message.startswith(f"✗ {number} ")
    assert re.search(r"例子：.+\n  应得：.+\n  (?:你的|报错)：.+", verdict.message)


def test_hints_are_chinese_sentences():
    for number, index in MISTAKES:
        hint = exercises.catalogue()[number]["mistakes"][index]["hint"]
        assert hint.endswith(("。", "？")), hint
        assert re.search(r"[\u4e00-\u9fff]", hint)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("answer", [..., None, lambda *given: ..., lambda *given: None])
def test_what_is_not_written_is_not_wrong(number, answer):
    verdict = exercises.judge(number, answer)
    assert verdict.state == UNTRIED
    assert verdict.message.startswith("○")


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("answer", ["", {1: 2}, float("nan"), object(), lambda: 1, lambda *given: given])
def test_nonsense_is_wrong_and_never_raises(number, answer):
    assert exercises.judge(number, answer).state == WRONG


# The notebooks


def test_every_exercise_is_in_its_notebook_and_untouched(root):
    asked = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        asked |= (found := outputs(root, path.stem))
        assert all(number.startswith(path.stem[:2]) for number in found)
        assert len(found) in (3, 4)
    assert all(text is None or text.startswith(f"○ {number} ") for number, text in asked.items())
    assert set(asked) == {number for number in NUMBERS if list((root / "notebooks").glob(f"{number[:2]}_*.ipynb"))}


def test_every_exercise_is_solved(root):
    solved = outputs(root, "solutions")
    assert sorted(solved) == NUMBERS
    assert all(text.startswith(f"✓ {number} ") and "对了" in text for number, text in solved.items())


def test_a_learners_notebook_needs_only_the_exercise_cells(root, tmp_path):
    """A learner alone at night opens the last section only: the solutions run on its import cell alone."""
    solutions = nbformat.read(root / "notebooks" / "solutions.ipynb", as_version=4).cells
    solved = {n: c.source for c in solutions for n in re.findall(r'exercises\.check\("(\d\d-\d)"', c.source)}
    for path in sorted((root / "notebooks").glob("0[0-4]_*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        section = [cell for cell in cells if "exercise" in cell.metadata.get("tags", []) and cell.cell_type == "code"]
        space = {}
        exec(section[0].source, space)
        for cell in section[1:]:
            exec(solved[re.search(r'"(\d\d-\d)"', cell.source)[1]], space)


# Other right answers


def swap(options):
    return options.map(lambda text: text.replace("D.", "D、"))


def last_passages(passages, share):
    names = sorted(set(passages))
    return ["val" if p in names[-max(1, round(len(names) * share)) :] else "train" for p in passages]


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        ("01-3", swap),
        ("02-1", r"([0-9]{1,3})[.](?=[^0-9])"),
        ("02-1", re.compile(r"(\d+)\.(?!\d)")),
        ("03-1", "Write {count} questions about this passage.\n{text}"),
        ("04-4", last_passages),
        ("06-2", r"总分\D*?[:：]\D*?(\d+\.?\d*)"),
    ],
)
def test_another_way_to_write_it_is_right_too(number, answer):
    verdict = exercises.judge(number, answer)
    assert verdict.state == RIGHT, verdict.message


def test_an_unknown_mistake_gets_the_first_hidden_row_that_differs():
    verdict = exercises.judge("00-1", lambda row: row + 2 if row < 40 else 0)
    assert (verdict.state, verdict.mistake) == (WRONG, None)
    assert "4 个隐藏的例子通过了 2 个" in verdict.message
    assert "例子：41\n  应得：43\n  你的：0" in verdict.message


def test_an_unknown_number_is_named():
    assert "99-9" in exercises.judge("99-9", 1).message


def test_an_answer_that_changes_what_it_is_given_changes_nothing_else():
    def spoil(passages, share):
        passages.clear()
        return []

    assert exercises.judge("04-4", spoil).state == WRONG
    assert exercises.judge("04-4", last_passages).state == RIGHT


# Answers that throw, print, or do not end


def throw(text):
    raise ValueError("坏了")


def leave(text):
    raise SystemExit(3)


def sink(text):
    return sink(text)


@pytest.mark.parametrize(
    ("answer", "name"), [(throw, "ValueError: 坏了"), (leave, "SystemExit"), (sink, "RecursionError")]
)
def test_an_answer_that_throws_is_explained(answer, name):
    verdict = exercises.judge("02-4", answer)
    assert verdict.state == WRONG
    assert "报错：" + name in verdict.message


def loop(text):
    while True:
        pass


def stubborn(text):
    while True:
        try:
            int("x")
        except Exception:
            continue


def chatty(text):
    while True:
        print(text)


def sleepy(text):
    time.sleep(5)


@pytest.mark.parametrize("answer", [loop, stubborn, chatty, sleepy])
def test_an_answer_that_does_not_end_is_stopped(answer, capsys):
    started = time.monotonic()
    verdict = exercises.judge("02-4", answer)
    assert time.monotonic() - started < exercises.LIMIT + 4
    assert verdict.state == WRONG
    assert "太慢" in verdict.message and "例子：'21-23 BAC'" in verdict.message
    assert capsys.readouterr() == ("", "")


def test_a_runaway_pattern_is_stopped():
    verdict = exercises.judge("02-2", r"(?:(?:.|.)+)+(?<=[a-b]甲)")
    assert verdict.state == WRONG
    assert "太慢" in verdict.message


def test_a_kernel_goes_on_after_an_answer_that_does_not_end(tmp_path):
    """In a real kernel: the check of an endless loop returns, and the next cell runs."""
    cells = [
        "from helpers import exercises\ndef loop(text):\n    while True:\n        pass\nexercises.check('02-4', loop)",
        "exercises.check('00-1', lambda row: row + 2)",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=tmp_path)
    texts = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]
    assert "太慢" in texts[0]
    assert texts[1].startswith("✓ 00-1")


def test_the_data_file_is_installed_with_the_package(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert any(fnmatch("exercises.toml", glob) for glob in settings["tool"]["setuptools"]["package-data"]["helpers"])


def test_no_address_is_shown():
    """The same wrong answer gives the same words at every run."""
    for number in NUMBERS:
        verdict = exercises.judge(number, lambda *given: "不会是这个")
        assert "0x" not in verdict.message
