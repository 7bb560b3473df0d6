"""What is fuzzed: one function a part of the kit, each given bytes, each with the promises it must keep.

A target raises if a promise is broken, and lets through only what the part's docstring names. The same
functions run under coverage guidance (``python tests/fuzz``) and, for a moment, in ``tests/test_fuzz.py``.
"""

import functools
import io
import re
import tempfile
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd

from helpers import COLUMNS, SUBJECTS, KitError
from helpers.cleaning import clean, clean_text
from helpers.evaluation import RUBRIC_TOTAL, read_total
from helpers.extraction import extract
from helpers.prompts import OUTPUT_COLUMNS, check_template, format_questions, make_pairs, parse_output, render
from helpers.workbook import read_rows, sheet_name

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample"
LONG = 100_000
"""Bytes up to which a good input is repeated afterwards, so that what grows faster than its input is seen."""
ODD = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u3000\ufeff\ud800-\udfff]")


def read_text(data, fields):
    """Return the subject and the fields in some bytes; the first byte says which subject."""
    texts = data[1:].decode("utf-8", "surrogateescape").split("\0", fields - 1)
    return SUBJECTS[data[:1] == b"\1"], texts + [""] * (fields - len(texts))


def write_text(subject, *texts):
    """Return the bytes that `read_text` reads."""
    return bytes([SUBJECTS.index(subject)]) + "\0".join(texts).encode("utf-8", "surrogateescape")


def lengthen(data, tail=0):
    """Repeat every field of an input, or its last bytes, until the whole has about ``LONG`` bytes."""
    fields = data[1:].split(b"\0")
    ends = [field[-tail:] for field in fields]
    times = LONG // max(sum(map(len, ends)), 1)
    return data[:1] + b"\0".join(f[: len(f) - len(end)] + end * times for f, end in zip(fields, ends, strict=True))


def output(data):
    """`parse_output`: never raises; what has no fault can be written and read again."""
    subject, (text,) = read_text(data, 1)
    questions, faults = parse_output(text, subject)
    assert list(questions) == OUTPUT_COLUMNS
    assert len(questions) or faults
    fields = questions[["stem", *"ABCD", "answer"]].to_numpy().tolist()
    assert all(field == field.strip() and field for question in fields for field in question)
    assert set(questions["answer"]) <= set("ABCD")
    if faults:
        return
    try:
        again = format_questions(fields, subject)
    except ValueError:  # documented: a field that begins like another part of the format
        return
    second, faults = parse_output(again, subject)
    assert not faults
    assert second[["stem", *"ABCD", "answer"]].to_numpy().tolist() == fields


def judge(data):
    """`read_total` never raises, and names nothing but a total that the rubric can give."""
    _, (text,) = read_text(data, 1)
    total = read_total(text)
    assert total is None or 0 <= total <= RUBRIC_TOTAL


def prompt(data):
    """`check_template` raises KitError only; a template it accepts is filled in as `str.format` does it."""
    _, (template, text) = read_text(data, 2)
    text = text[: 10 * LONG // (template.count("{text}") + 1)]  # what is put in a thousand times may take its time
    try:
        used = check_template(template)
    except KitError:
        return
    assert "text" in used
    assert render(template, text, 4) == template.format(text=text, count=4)


def cleaning(data):
    """`clean_text` never raises, leaves nothing that it promises to take out, and has nothing to do a second time."""
    _, (text,) = read_text(data, 1)
    for marks in (True, False):
        once = clean_text(text, marks=marks)
        assert not ODD.search(once)
        assert clean_text(once, marks=marks) == once


def extraction(data):
    """`extract` takes every row, accounts for every question once, and what it parses makes a faultless pair."""
    subject, cells = read_text(data, 3)
    rows = clean(pd.DataFrame([[subject, 0, *cells]], columns=["subject", "row", *COLUMNS], dtype=object))
    found = extract(rows)
    places = [place for frame in found[:3] for place in frame["position"]]
    assert places
    known = [int(place) for place in places if not pd.isna(place)]
    assert len(known) == len(set(known))
    for pair in make_pairs(rows, found)["output"]:
        questions, faults = parse_output(pair, subject)
        assert len(questions) == len(found.questions)
        assert {fault.code for fault in faults} <= {"wrong_language"}


@functools.cache
def good_parts():
    """Return the parts of a small workbook with shared strings, as Excel writes them: name and bytes."""
    book = openpyxl.Workbook()
    book.active.append(COLUMNS)
    book.active.append(["Tom has a kite.", "1. What?\nA. a\nB. b\nC. c\nD. d", "1. A"])
    book.active.append([1, True, "=A1"])
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    parts["xl/sharedStrings.xml"] = b'<sst xmlns="%b"><si><t>a</t></si><si><r><t>b</t></r></si></sst>' % main
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%b"/></Types>' % kind
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", override)
    sheet = parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b"</row><row", b'<c r="D1" t="s"><v>1</v></c></row><row', 1)
    return parts


@functools.cache
def folder():
    """Return a folder for the file under test, in memory where there is such a place."""
    shared = Path("/dev/shm")
    kept = tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)
    folder.kept = kept  # it is removed when the program ends
    return Path(kept.name)


def workbook(data):
    """`read_rows` gives a frame or raises KitError, whatever stands in the file or in one part of it."""
    names = sorted(good_parts())
    which, body = (data[0] if data else 255), data[1:]
    if which < len(names):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, part in good_parts().items():
                archive.writestr(name, body if name == names[which] else part)
        body = file.getvalue()
    (folder() / sheet_name("英语")).write_bytes(body)
    try:
        rows = read_rows(folder())
    except KitError as error:
        assert "\n" not in str(error)
        assert str(error).endswith("。")
        return
    assert list(rows) == ["subject", "row", *COLUMNS]
    assert len(rows) > 0


def sample_cells():
    """Return the first rows of the shipped sheets."""
    rows = read_rows(SAMPLE)
    rows = pd.concat([rows[rows["subject"] == subject].head(12) for subject in SUBJECTS])
    return rows[["subject", *COLUMNS]].to_numpy().tolist()


def seeds(name):
    """Return good inputs of a target to start from."""
    if name == "workbook":
        parts = good_parts()
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            for part, content in parts.items():
                archive.writestr(part, content)
        return [bytes([i]) + parts[part] for i, part in enumerate(sorted(parts))] + [b"\xff" + whole.getvalue()]
    if name == "prompt":
        texts = ["{count}{text}", "请出 {count} 道题：\n\n{{例}}\n{text}\0集合 {1}", "{ text }", "{text", "}{text}"]
        return [write_text("语文", text) for text in texts]
    if name == "output":
        one = "1. 它指什么\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:B"
        two = "2. What is it?\nA. a\nB. b\nC. c\nD. d\n\nAnswer: C"
        return [write_text("语文", one), write_text("英语", f"{two}\n\n{two}"), write_text("语文", "A. 1.\n答案：甲")]
    if name == "judge":
        replies = ["总分：38", "**总分**：**38.5** / 44", "总分（满分44分）：20 + 9.5 = 29.5", "Total score: 31/44"]
        return [write_text("语文", reply) for reply in replies]
    if name == "cleaning":
        cells = {cell[:400] for _, *line in sample_cells() for cell in line if isinstance(cell, str)}
        return [write_text("语文", cell) for cell in sorted(cells)]
    lines = [[cell if isinstance(cell, str) else "" for cell in line] for line in sample_cells()]
    papers = [write_text(subject, "略", options, answers) for subject, _, options, answers in lines]
    return papers + [write_text("英语", "略", f"1. What?\n{word}", f"1. {word}") for word in WORDS]


TARGETS = {target.__name__: target for target in (output, prompt, judge, cleaning, workbook, extraction)}
"""By name, the cheapest first. A new one is a function above, its name here, and its `seeds`."""

WORDS = (
    *("{text}", "{count}", "{{", "}}", "{", "}", "\0", "\n", "\n\n", " ", "  ", "\u3000", "\u200b", "\xa0"),
    *("1.", "1．", "（1）", "第1题", "21-23 BAC", "A.", "B．", "Ｃ.", "D、", "А.", "(A)", "答案:", "Answer: "),
    *("【答案】", "（3分）", "故选B", "_x000D_", "１２％", "Ａ", "ＤＮА", "\u0410", "=SUM(", "A1", "<v>", "<t>"),
    *('<c r="A2">', "</c>", 't="s"', 't="inlineStr"', 't="n"', 't="e"', 't="d"', "<!ENTITY", "&#27;", "<f>"),
    *("1048576", "XFD1", "</row>", "C. D. Roosevelt ", "A.B.C.D.", "Class B "),
    *("总分", "（满分44分）", "total score", "**", "1 + ", "= ", "38.5"),
)
"""What a fuzzer would be slow to find by itself."""
