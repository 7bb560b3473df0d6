"""``python -m helpers build`` and ``check`` as a black box: files in, files out, sentences, exit codes."""

import csv
import json
import os
import re
import shutil
from collections import Counter
from typing import NamedTuple

import pytest

CHINESE, ENGLISH = "训练集-语文.xlsx", "训练集-英语.xlsx"
FILES = {
    "questions.jsonl",
    "short_answers.jsonl",
    "problems.csv",
    "train.jsonl",
    "val.jsonl",
    "train.csv",
    "alpaca.json",
    "messages.jsonl",
    "dataset_info.json",
    "report.json",
}
QUESTION_KEYS = ["subject", "row", "position", "number", "stem", "A", "B", "C", "D", "answer"]
SHORT_ANSWER_KEYS = ["subject", "row", "position", "number", "stem", "reference"]
PROBLEM_KEYS = ["subject", "row", "position", "number", "column", "code", "message"]
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


class Built(NamedTuple):
    """What a build did, and where it wrote."""

    code: int
    out: str
    err: str
    folder: object


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def passage(prompt):
    """Return the passage at the end of a prompt, without spaces."""
    return re.sub(r"\s", "", re.split("阅读文本:\n|Passage:\n", prompt)[-1])


def say(number, answer="A"):
    """Return an English row of one question, its passage told from others by the number."""
    question = f"1. What is in bag {number}?\nA. A kite.\nB. A boat.\nC. A dog.\nD. A map."
    return [f"Tom has {number} bags. Nobody knows what is in bag number {number}.", question, f"1. {answer}"]


@pytest.fixture(scope="module")
def build(run_helpers, tmp_path_factory):
    """Return a function that builds into a new folder."""

    def run(*arguments, out=None, **options):
        out = out or tmp_path_factory.mktemp("build") / "out"
        return Built(*run_helpers("build", *arguments, "--out", out, **options), out)

    return run


@pytest.fixture(scope="module")
def built(build):
    """Return the build of the shipped sample."""
    return build()


@pytest.fixture
def copy(root, tmp_path):
    """Return a copy of what the commands need of the repository."""
    for part in ("helpers", "data/sample"):
        shutil.copytree(root / part, tmp_path / "copy" / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


# The shipped sample


def test_the_sample_builds_without_a_complaint(built):
    assert (built.code, built.err) == (0, "")


def test_exactly_the_promised_files_are_written(built):
    assert {path.name for path in built.folder.iterdir()} == FILES


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("questions.jsonl", QUESTION_KEYS),
        ("short_answers.jsonl", SHORT_ANSWER_KEYS),
        ("train.jsonl", ["input", "output"]),
        ("val.jsonl", ["input", "output"]),
        ("messages.jsonl", ["messages"]),
    ],
)
def test_every_json_line_has_the_promised_keys(built, name, keys):
    assert {tuple(line) for line in lines(built.folder / name)} == {tuple(keys)}


@pytest.mark.parametrize(("name", "keys"), [("train.csv", ["input", "output"]), ("problems.csv", PROBLEM_KEYS)])
def test_tables_have_the_promised_columns_and_a_mark_for_excel(built, name, keys):
    assert (built.folder / name).read_bytes().startswith(b"\xef\xbb\xbf")
    assert {tuple(line) for line in table(built.folder / name)} == {tuple(keys)}


@pytest.mark.parametrize("name", sorted(name for name in FILES if ".json" in name))
def test_json_is_plain_utf8_with_unix_line_ends(built, name):
    data = (built.folder / name).read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data
    assert data.endswith(b"\n")


def test_dataset_info_is_ascii_and_names_files_and_columns_that_exist(built):
    info = json.loads((built.folder / "dataset_info.json").read_bytes().decode("ascii"))
    assert {entry["file_name"] for entry in info.values()} == {"alpaca.json", "messages.jsonl"}
    for entry in info.values():
        text = (built.folder / entry["file_name"]).read_text(encoding="utf-8")
        first = json.loads(text)[0] if entry["file_name"].endswith(".json") else json.loads(text.split("\n")[0])
        assert set(entry["columns"].values()) <= set(first)


def test_every_format_holds_the_same_training_rows(built):
    train = [(line["input"], line["output"]) for line in lines(built.folder / "train.jsonl")]
    alpaca = json.loads((built.folder / "alpaca.json").read_text(encoding="utf-8"))
    turns = [line["messages"] for line in lines(built.folder / "messages.jsonl")]
    assert [(line["input"], line["output"]) for line in table(built.folder / "train.csv")] == train
    assert [(line["instruction"] + line["input"], line["output"]) for line in alpaca] == train
    assert [(user["content"], reply["content"]) for user, reply in turns] == train
    assert {(user["role"], reply["role"]) for user, reply in turns} == {("user", "assistant")}


def test_every_source_row_is_in_the_files(built):
    read = lines(built.folder / "questions.jsonl") + lines(built.folder / "short_answers.jsonl")
    found = {(line["subject"], int(line["row"])) for line in read + table(built.folder / "problems.csv")}
    assert Counter(subject for subject, _ in found) == {"语文": 64, "英语": 64}


def test_every_question_is_in_one_file_only(built):
    read = lines(built.folder / "questions.jsonl") + lines(built.folder / "short_answers.jsonl")
    told = [line for line in table(built.folder / "problems.csv") if line["position"]]
    keys = [(line["subject"], int(line["row"]), int(line["position"])) for line in read + told]
    assert len(set(keys)) == len(keys)


def test_the_report_adds_up(built):
    report = json.loads((built.folder / "report.json").read_text(encoding="utf-8"))
    assert report["rows"] == {"语文": 64, "英语": 64}
    for name in ("questions", "short_answers"):
        counts = Counter(line["subject"] for line in lines(built.folder / f"{name}.jsonl"))
        assert report[name] == {subject: counts[subject] for subject in ("语文", "英语")}
    assert report["problems"] == Counter(line["code"] for line in table(built.folder / "problems.csv"))
    by_part = report["dataset"]
    assert by_part["train source"] + by_part["val source"] == sum(report["pairs"].values())
    for part in ("train", "val"):
        rows = sum(number for name, number in by_part.items() if name.split()[0] == part)
        assert report[part] == rows == len(lines(built.folder / f"{part}.jsonl"))


def test_the_contest_gets_its_150_training_rows(built):
    assert len(lines(built.folder / "train.jsonl")) >= 150


def test_train_and_val_share_no_passage(built):
    train, val = ({passage(line["input"]) for line in lines(built.folder / f"{p}.jsonl")} for p in ("train", "val"))
    assert len(val) >= 2
    assert not train & val


def test_rows_with_one_passage_stay_on_one_side(build, write_workbook, tmp_path):
    """The number of questions, and so the prompt, differs; the passage does not."""
    same, questions, answers = say(1)[0], *say(1)[1:]
    longer = f"{questions}\n{questions.replace('1. ', '2. ')}"
    write_workbook(tmp_path, "英语", [[same, questions, answers], [same, longer, "1. A\n2. A"]])
    done = build(tmp_path)
    train, val = ({passage(line["input"]) for line in lines(done.folder / f"{p}.jsonl")} for p in ("train", "val"))
    assert not train & val


def test_outputs_have_the_contests_shape(built):
    shape = re.compile(
        r"(?:(?:^|\n\n)\d+\. .+\nA\. .+\nB\. .+\nC\. .+\nD\. .+\n\n(?:答案:|Answer: )[ABCD](?=\n\n|$))+", re.A
    )
    outputs = [line["output"] for part in ("train", "val") for line in lines(built.folder / f"{part}.jsonl")]
    assert [output for output in outputs if not shape.fullmatch(output)] == []


def test_a_second_build_without_arguments_writes_the_same_bytes_into_processed(built, copy, run_helpers):
    assert run_helpers("build", root=copy).code == 0
    assert contents(copy / "data" / "processed") == contents(built.folder)


def test_fields_are_renamed(build, write_workbook, good_rows, tmp_path):
    write_workbook(tmp_path, "英语", [good_rows["英语"], say(1)])
    done = build(tmp_path, "--fields", "input,target")
    for part in ("train", "val"):
        assert {tuple(line) for line in lines(done.folder / f"{part}.jsonl")} == {("input", "target")}


def test_unusable_field_names_are_told(build):
    done = build("--fields", "input,input")
    assert (done.code, done.err.count("\n"), done.folder.exists()) == (2, 1, False)
    assert "两个不同的名字" in done.err


# Sheets that differ from the contest's and are good


@pytest.mark.parametrize(("there", "absent"), [("语文", ENGLISH), ("英语", CHINESE)], ids=["Chinese", "English"])
def test_one_sheet_alone_says_so_and_builds(build, write_workbook, good_rows, tmp_path, there, absent):
    folder = tmp_path / "我的 数据"
    write_workbook(folder, there, [good_rows[there]])
    done = build(folder, out=folder / "输出 1")
    assert (done.code, done.err) == (0, "")
    assert absent in done.out
    assert len(lines(done.folder / "train.jsonl")) == 150


def test_another_column_order_and_200_blank_lines_build(build, write_workbook, good_rows, tmp_path):
    text, options, answers = good_rows["语文"]
    rows = [[1, answers, text, options]] + [[None, " ", "", None]] * 200
    write_workbook(tmp_path, "语文", rows, header=["序号", "答案", "阅读文本", "选项"])
    done = build(tmp_path)
    assert (done.code, done.err) == (0, "")
    assert lines(done.folder / "questions.jsonl") == [
        {
            "subject": "语文",
            "row": 0,
            "position": 0,
            "number": 1,
            "stem": "下列对原文的理解，正确的一项是",
            "A": "柳树在春天发芽。",
            "B": "柳树在冬天发芽。",
            "C": "孩子们在河里游泳。",
            "D": "草地上没有人。",
            "answer": "A",
        }
    ]


# Rows that cannot be used


ODD_CELLS = {
    "empty answers": (2, None),
    "link as passage": (0, '=HYPERLINK("http://example.com","text")'),
    "control characters alone": (1, "_x0001__x0002_"),
}
ODD_ROWS = {name: place for place, name in enumerate(ODD_CELLS, 10)}
SCRIPT_ROW, CONTROL_ROW, LAST_ROW = 5, 7, 100


@pytest.fixture(scope="module")
def odd(build, write_workbook, tmp_path_factory):
    """Return the build of a sheet with all kinds of odd rows, blank lines and good rows among them."""
    rows = [[] for _ in range(LAST_ROW + 1)]
    rows[0], rows[LAST_ROW] = say(0), say(LAST_ROW)
    rows[SCRIPT_ROW] = say(SCRIPT_ROW)
    rows[SCRIPT_ROW][1] = rows[SCRIPT_ROW][1].replace("What is", "<script>alert(1)</script> & What is")
    rows[CONTROL_ROW] = [cell.replace("What", "Wh\x7fat\x85").replace("Tom", "T_x0007_om") for cell in say(CONTROL_ROW)]
    for name, (column, cell) in ODD_CELLS.items():
        rows[ODD_ROWS[name]] = say(ODD_ROWS[name])
        rows[ODD_ROWS[name]][column] = cell
    folder = tmp_path_factory.mktemp("odd")
    write_workbook(folder, "英语", rows)
    return build(folder)


def test_odd_rows_do_not_stop_the_build(odd):
    assert (odd.code, odd.err) == (0, "")
    assert {0, LAST_ROW} <= {line["row"] for line in lines(odd.folder / "questions.jsonl")}


@pytest.mark.parametrize("name", ODD_CELLS)
def test_an_odd_row_is_a_problem_that_names_its_excel_line(odd, name):
    told = [line for line in table(odd.folder / "problems.csv") if int(line["row"]) == ODD_ROWS[name]]
    assert len(told) == 1
    assert f"{ENGLISH} 第 {ODD_ROWS[name] + 2} 行" in told[0]["message"]
    assert told[0]["column"] == ["阅读文本", "选项", "答案"][ODD_CELLS[name][0]]


def test_an_odd_row_gives_no_training_pair(odd):
    prompts = [line["input"] for part in ("train", "val") for line in lines(odd.folder / f"{part}.jsonl")]
    used = {int(number) for prompt in prompts for number in re.findall(r"bag number (\d+)", prompt)}
    assert used == {0, SCRIPT_ROW, CONTROL_ROW, LAST_ROW}


def test_script_is_text_like_any_other(odd):
    stems = {line["row"]: line["stem"] for line in lines(odd.folder / "questions.jsonl")}
    assert stems[SCRIPT_ROW] == "<script>alert(1)</script> & What is in bag 5?"


def test_control_characters_are_taken_out(odd):
    assert (odd.folder / "train.jsonl").read_text(encoding="utf-8").count("\\u00") == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", (odd.folder / "train.jsonl").read_text(encoding="utf-8"))


def test_control_characters_that_excel_spells_out_are_taken_out(odd):
    assert "_x0007_" not in (odd.folder / "train.jsonl").read_text(encoding="utf-8")


def test_no_cell_of_a_table_is_a_formula(odd):
    cells = [
        cell for name in ("train.csv", "problems.csv") for line in table(odd.folder / name) for cell in line.values()
    ]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("A boat.", "A kite."), ("What is in bag 1?", "一号包里有什么？"), ("A boat.", "Answer: a boat.")],
    ids=["two options alike", "stem in the other language", "option like an answer line"],
)
def test_one_row_that_cannot_be_written_does_not_stop_the_others(build, write_workbook, tmp_path, old, new):
    bad = [cell.replace(old, new) for cell in say(1)]
    write_workbook(tmp_path, "英语", [say(0), bad, say(2), say(3)])
    done = build(tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [line["row"] for line in lines(done.folder / "questions.jsonl") if line["row"] != 1] == [0, 2, 3]


# Rows that are too much


def test_a_megabyte_in_each_cell(build, write_workbook, edit_workbook, tmp_path):
    path = write_workbook(tmp_path, "英语", [say(0), ["PASSAGE", *say(1)[1:]], [say(2)[0], "OPTIONS", "ANSWERS"]])
    for cell, text in {"PASSAGE": "word ", "OPTIONS": "1.1.(1) A ", "ANSWERS": "1 A B "}.items():
        edit_workbook(path, cell, text * (1_000_000 // len(text)))
    done = build(tmp_path)
    assert (done.code, done.err) == (0, "")
    assert {0, 1} <= {line["row"] for line in lines(done.folder / "questions.jsonl")}


@pytest.mark.parametrize(
    ("column", "text"), [(1, "C. D. Roosevelt "), (2, "1-2 AB\n")], ids=["initials in options", "ranges in answers"]
)
def test_a_cell_full_of_marks_is_no_hang(build, write_workbook, edit_workbook, tmp_path, column, text):
    row = say(1)
    row[column] = "1. MANY"
    path = write_workbook(tmp_path, "英语", [say(0), row])
    edit_workbook(path, "MANY", text * (500_000 // len(text)))
    assert build(tmp_path, timeout=60).code == 0


def test_ten_thousand_questions_in_one_row(build, write_workbook, edit_workbook, tmp_path):
    path = write_workbook(tmp_path, "英语", [say(0), [say(1)[0], "OPTIONS", "ANSWERS"]])
    question = say(1)[1].removeprefix("1")
    edit_workbook(path, "OPTIONS", "\n".join(f"{number}{question}" for number in range(10_000)))
    edit_workbook(path, "ANSWERS", "\n".join(f"{number}. B" for number in range(10_000)))
    done = build(tmp_path, timeout=60)
    assert len([line for line in lines(done.folder / "questions.jsonl") if line["row"] == 1]) == 10_000


# A console that is not UTF-8


def test_a_build_on_a_gbk_console_is_readable(build, write_workbook, tmp_path):
    write_workbook(tmp_path / "😀", "英语", [say(0), [*say(1)[:2], None]])
    done = build(tmp_path / "😀", out=tmp_path / "😀" / "out", encoding="gbk")
    assert (done.code, done.err) == (0, "")
    assert CHINESE in done.out


def test_an_error_on_a_gbk_console_is_readable(build, tmp_path):
    done = build(tmp_path / "没有 😀", encoding="gbk")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "没有" in done.err


# The machine


def test_check_finds_this_machine_ready(run_helpers):
    done = run_helpers("check")
    assert (done.code, done.err) == (0, "")
    assert "✓" in done.out


def test_check_names_a_missing_sample(copy, run_helpers):
    (copy / "data" / "sample").rename(copy / "data" / "hidden")
    done = run_helpers("check", root=copy)
    assert done.code == 1
    assert "示例数据" in done.out
    assert "✓" not in done.out
