"""Reading the contest's sheets, good and bad, and writing files whole."""

import contextlib
import datetime
import os
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from helpers import KitError
from helpers.workbook import find_sheets, read_gold, read_rows, write_whole

CHINESE, ENGLISH = "训练集-语文.xlsx", "训练集-英语.xlsx"
COLUMNS = ["阅读文本", "选项", "答案"]
posix = pytest.mark.skipif(os.name == "nt", reason="file modes and limits of POSIX")


@pytest.fixture
def sheet(tmp_path, write_workbook):
    """Write the English sheet."""
    return lambda rows, header=COLUMNS: write_workbook(tmp_path, "英语", rows, header)


def cells(frame):
    return frame[COLUMNS].to_numpy().tolist()


# Which files


def test_both_sheets_are_found_chinese_first(tmp_path, write_workbook, good_rows):
    for subject in ("英语", "语文"):
        write_workbook(tmp_path, subject, [good_rows[subject]])
    assert list(find_sheets(tmp_path).items()) == [("语文", tmp_path / CHINESE), ("英语", tmp_path / ENGLISH)]


@pytest.mark.parametrize("subject", ["语文", "英语"], ids=["Chinese", "English"])
def test_one_sheet_is_enough(tmp_path, write_workbook, good_rows, subject):
    path = write_workbook(tmp_path, subject, [good_rows[subject]])
    assert find_sheets(tmp_path) == {subject: path}


def test_chinese_and_spaces_in_the_path(tmp_path, write_workbook, good_rows):
    folder = tmp_path / "我的 夏令营" / "数据 (1)"
    write_workbook(folder, "语文", [good_rows["语文"]])
    assert len(read_rows(str(folder))) == 1


# What is read


def test_rows_carry_subject_position_and_cells(tmp_path, write_workbook, good_rows):
    write_workbook(tmp_path, "英语", [good_rows["英语"], ["p", "o", "a"]])
    write_workbook(tmp_path, "语文", [good_rows["语文"]])
    rows = read_rows(tmp_path)
    assert rows.columns.tolist() == ["subject", "row", *COLUMNS]
    assert rows.to_numpy().tolist() == [
        ["语文", 0, *good_rows["语文"]],
        ["英语", 0, *good_rows["英语"]],
        ["英语", 1, "p", "o", "a"],
    ]


def test_shipped_sample_has_64_rows_of_each_subject(root):
    assert read_rows(root / "data" / "sample")["subject"].value_counts().to_dict() == {"语文": 64, "英语": 64}


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (["答案", "阅读文本", "选项"], ["a", "p", "o"]),
        (["序号", "阅读文本", "来源", "选项", "答案", "备注"], [1, "p", "x", "o", "a", "y"]),
        ([" 阅读文本\u3000", "选项\n", "\xa0答案"], ["p", "o", "a"]),
    ],
    ids=["another order", "extra columns", "spaces around the names"],
)
def test_columns_are_found_by_name(tmp_path, sheet, header, line):
    sheet([line], header)
    rows = read_rows(tmp_path)
    assert rows.columns.tolist() == ["subject", "row", *COLUMNS]
    assert cells(rows) == [["p", "o", "a"]]


@pytest.mark.parametrize("blank", [[], [None, None, None], ["", " ", "\u3000\n"]], ids=["no cells", "empty", "spaces"])
def test_blank_rows_are_kept_out_and_positions_stay(tmp_path, sheet, good_rows, blank):
    sheet([good_rows["英语"], blank, blank, good_rows["英语"], blank, good_rows["英语"]])
    assert read_rows(tmp_path)["row"].tolist() == [0, 3, 5]


def test_an_empty_cell_is_none(tmp_path, sheet):
    sheet([["p", None, "a"], ["p", "o", "a"]])
    assert cells(read_rows(tmp_path))[0][1] is None


@pytest.mark.parametrize(
    "cell",
    [
        5,
        2.5,
        True,
        datetime.datetime(2024, 3, 5),
        datetime.time(9, 20),
        '=HYPERLINK("http://example.com","1.A")',
        "#N/A",
        "007",
    ],
    ids=["whole number", "decimal", "truth value", "date", "time", "formula", "error value", "digits as text"],
)
@pytest.mark.parametrize("other", [None, "1.A"], ids=["beside an empty cell", "beside text"])
def test_a_cell_stays_what_it_is(tmp_path, sheet, cell, other):
    sheet([["p", "o", cell], ["p", "o", other]])
    value = read_rows(tmp_path)["答案"].iloc[0]
    assert (type(value), value) == (type(cell), cell)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (
            "xl/worksheets/sheet1.xml",
            "</worksheet>",
            '<extLst><ext uri="{CCE6A557-97BC-4b89-ADB6-D9C93CAAB3DF}"/></extLst></worksheet>',
        ),
        ("xl/styles.xml", "cellStyles", "otherStyles"),
    ],
    ids=["data validation", "no default style"],
)
def test_what_openpyxl_warns_of_is_no_matter_for_the_learner(tmp_path, sheet, good_rows, edit_workbook, part, old, new):
    edit_workbook(sheet([good_rows["英语"]]), old, new, part=part)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_rows(tmp_path)) == 1


# What cannot be read


@pytest.mark.parametrize(
    ("header", "missing", "nearest"),
    [
        (["阅读文章", "选项", "答案"], "阅读文本", "阅读文章"),
        (["阅读文本", "题目选项", "答案"], "选项", "题目选项"),
        (["阅读文本", "选项", "参考答案", "答题时间"], "答案", "参考答案"),
    ],
    ids=["one character off", "longer", "the nearer of two"],
)
def test_a_misspelt_column_is_named_with_the_nearest_match(tmp_path, sheet, header, missing, nearest):
    sheet([["p", "o", "a"]], header)
    with pytest.raises(KitError, match=f"{ENGLISH}.*缺少“{missing}”.*最接近的是“{nearest}”"):
        read_rows(tmp_path)


@pytest.fixture
def locked():
    """Give a folder that everyone may enter, and a way to lock something in it against reading."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)

        @contextlib.contextmanager
        def lock(path):
            mode, user = path.stat().st_mode, os.geteuid()
            path.chmod(0)
            if user == 0:  # root may read everything: be nobody for a while
                os.seteuid(65534)
            try:
                yield
            finally:
                os.seteuid(user)
                path.chmod(mode)

        yield folder, lock


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that opens and cannot be read")
def test_a_file_on_a_failing_disk_is_named(tmp_path):
    (tmp_path / ENGLISH).symlink_to("/proc/self/mem")
    with pytest.raises(KitError, match=ENGLISH):
        read_rows(tmp_path)


# Gold


def test_no_gold_is_none(tmp_path):
    assert read_gold(tmp_path) is None


def test_gold_is_read_by_split(tmp_path):
    lines = ['{"split": "train", "row": 0}', '{"split": "test", "row": 0}', '{"split": "train", "row": 1}', ""]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert read_gold(tmp_path) == [{"split": "train", "row": 0}, {"split": "train", "row": 1}]
    assert read_gold(tmp_path, "test") == [{"split": "test", "row": 0}]


# Writing


def test_text_is_written_as_it_is_into_a_new_folder(tmp_path):
    path = tmp_path / "新 文件夹" / "a.csv"
    assert write_whole(path, "题\r\n答\n") == path
    assert path.read_bytes() == b"\xe9\xa2\x98\r\n\xe7\xad\x94\n"


def test_a_mark_for_excel_is_put_in_front(tmp_path):
    assert write_whole(tmp_path / "a.csv", "a", encoding="utf-8-sig").read_bytes() == b"\xef\xbb\xbfa"


def test_the_old_file_is_replaced_and_nothing_left_beside_it(tmp_path):
    (tmp_path / "a").write_bytes(b"a longer old text")
    write_whole(tmp_path / "a", "new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


@posix
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    import resource

    (tmp_path / "a").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        with pytest.raises(KitError, match="写不了“a”"):
            write_whole(tmp_path / "a", "x" * 3_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("cause", ["bad character", "interrupt"])
def test_what_breaks_off_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch, cause):
    (tmp_path / "a").write_bytes(b"old")
    if cause == "interrupt":
        monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises((ValueError, KeyboardInterrupt)):  # KitError is a ValueError
        write_whole(tmp_path / "a", "\ud800" if cause == "bad character" else "new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


@pytest.mark.parametrize("place", ["file/a", "folder"], ids=["below a file", "over a folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(KitError, match=f"写不了“{Path(place).name}”|输出位置“file”是一个文件"):
        write_whole(tmp_path / place, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@posix
def test_a_folder_closed_to_writing_is_an_error(locked):
    folder, lock = locked
    (folder / "closed").mkdir()
    with lock(folder / "closed"), pytest.raises(KitError, match="写不了“a”"):
        write_whole(folder / "closed" / "a", "new")
