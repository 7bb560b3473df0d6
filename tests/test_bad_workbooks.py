"""What a summer camp puts into the folder, one case after another: the exact sentence, or the exact counts.

Every case goes through ``python -m helpers build``. Refused: exit 2, one sentence on stderr, and the folder of
results as it was. Taken: exit 0, nothing on stderr, and the counts of the report. ``pytest -s`` prints the list.
"""

import contextlib
import csv
import datetime
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pytest
from openpyxl.chart import BarChart
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from openpyxl.worksheet.formula import ArrayFormula

from helpers.__main__ import main

CHINESE, ENGLISH = "训练集-语文.xlsx", "训练集-英语.xlsx"
COLUMNS = ["阅读文本", "选项", "答案"]
SHEET, STRINGS, BOOK = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

NOT_XLSX = f"打不开“{ENGLISH}”：它不是 .xlsx 文件（可能只是改了扩展名）。请在 Excel 里打开原文件，另存为 .xlsx。"
LOCKED = f"打不开“{ENGLISH}”：它加了密码，或者是旧的 .xls 格式。请在 Excel 里去掉密码，另存为 .xlsx。"
DAMAGED = f"打不开“{ENGLISH}”：文件已损坏或没有下载完整。请重新下载；如果 Excel 能打开它，就在 Excel 里另存一份 .xlsx。"
NO_SHEET = f"“{ENGLISH}”里没有能读的工作表。请在 Excel 里打开它，另存为“Excel 工作簿 (*.xlsx)”。"
NO_FILE = f"“{ENGLISH}”是文件夹或失效的快捷方式，不是文件。请删掉它，放上真正的 .xlsx 文件。"
NO_PERMISSION = f"打不开“{ENGLISH}”：没有读取权限，或者它正被 Excel 占用。请关闭 Excel 后再试。"
ONLY_NAMES = f"“{ENGLISH}”只有列名，没有题目。请确认放进来的是完整的训练集文件。"
NEITHER = f"文件夹“{{folder}}”里没有 {CHINESE} 或 {ENGLISH}。"
TOO_MUCH = f"“{ENGLISH}”解压后有 {{size}} MB，不像一份题目表。请删掉多余的行和列再另存。"
SWAPPED = "“{}”里的文章不像{}。请检查两份表格的文件名是否写反了。"


def say(number):
    """Return an English row of one question, its passage told from others by the number."""
    question = f"1. What is in bag {number}?\nA. A kite.\nB. A boat.\nC. A dog.\nD. A map."
    return [f"Tom has {number} bags. Nobody knows what is in bag number {number}.", question, "1. A"]


def speak(number):
    """Return a Chinese row of one question."""
    return [f"小明有{number}个书包。", f"1．书包里有什么？\nA．风筝{number}\nB．小船\nC．小狗\nD．地图", "1．A"]


GOOD = [COLUMNS, say(1), say(2)]


class Refused(NamedTuple):
    """Exit 2 with this sentence."""

    sentence: str


class Taken(NamedTuple):
    """Exit 0 with so many rows and questions, these problems (code and number), these remarks, and messages."""

    rows: int = 2
    questions: int = 2
    problems: dict = {}
    remarks: tuple = ()
    messages: tuple = ()  # how they begin


CASES = {}


def case(name, expected):
    """Note a case: a function that makes what stands in the folder, and what must come of it."""

    def note(make):
        assert name not in CASES
        CASES[name] = (make, expected)
        return make

    return note


# How workbooks are made


def write(folder, lines, name=ENGLISH, change=None):
    """Write lines of cells with openpyxl; `change` gets the workbook before it is saved."""
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    if change:
        change(book)
    book.save(folder / name)
    return folder / name


def read_parts(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path, parts, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def edit(folder, old, new, part=SHEET, lines=None):
    """Write a workbook, then put other bytes in one of its parts: what openpyxl itself would not write."""
    path = write(folder, lines or GOOD)
    parts = read_parts(path)
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new if isinstance(new, bytes) else new.encode(), 1)
    write_parts(path, parts)


def with_strings(folder, items):
    """Write a workbook whose row 2 takes its cells from a table of strings, as Excel does it."""
    path = write(folder, [COLUMNS, ["P", "O", "A"], say(2)])
    parts = read_parts(path)
    for place, cell in enumerate("POA"):
        old = f' t="inlineStr"><is><t>{cell}</t></is></c>'.encode()
        assert old in parts[SHEET]
        parts[SHEET] = parts[SHEET].replace(old, f' t="s"><v>{place}</v></c>'.encode())
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/{STRINGS}" ContentType="{kind}"/></Types>'
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(b"</Types>", override.encode())
    if items is not None:
        parts[STRINGS] = f'<sst xmlns="{MAIN}">{items}</sst>'.encode()
    write_parts(path, parts)


def container(streams):
    """Return the bytes of an OLE2 compound file, which old and encrypted Office files are."""

    def padded(data):
        return data + bytes(-len(data) % 512)

    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    directory, fat, data = [("Root Entry", 5, free, 1, end, 0)], [fat_mark, end], b""
    for place, (name, content) in enumerate(streams.items(), 1):
        right = place + 1 if place < len(streams) else free
        directory.append((name, 2, right, free, len(fat), len(content)))
        sectors = len(padded(content)) // 512
        fat += [*range(len(fat) + 1, len(fat) + sectors), end]
        data += padded(content)
    entries = b""
    for name, kind, right, child, start, size in directory:
        text = name.encode("utf-16-le") + b"\0\0"
        entries += struct.pack("<64sHBBIII36sIQ", text, len(text), kind, 1, free, right, child, bytes(36), start, size)
    header = struct.pack("<8s16sHHHHH6sIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16), 0x3E, 3, 0xFFFE,
        9, 6, bytes(6), 0, 1, 1, 0, 4096, end, 0, end, 0)  # fmt: skip
    header += struct.pack("<109I", 0, *[free] * 108)
    table = struct.pack(f"<{len(fat)}I", *fat) + b"\xff" * (512 - 4 * len(fat))
    return header + table + padded(entries)[:512] + data


# Files that are no workbooks


BYTES = {
    "zero bytes": (b"", NOT_XLSX),
    "a CSV table of another name": ("阅读文本,选项,答案\n甲,乙,丙\n".encode(), NOT_XLSX),
    "a GBK text": ("阅读文本\t选项\t答案\n".encode("gbk"), NOT_XLSX),
    "a web page saved as .xlsx": (b"<html><table><tr><td>1</td></tr></table></html>", NOT_XLSX),
    "a spreadsheet in XML of 2003": (b'<?xml version="1.0"?><Workbook xmlns="urn:x"/>', NOT_XLSX),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), NOT_XLSX),
    "a PDF": (b"%PDF-1.7\n", NOT_XLSX),
    "zeros where the download broke off": (bytes(4096), NOT_XLSX),
    "an old .xls renamed": (container({"Workbook": b"\x09\x08\x10\x00".ljust(4096, b"\0")}), LOCKED),
    "encrypted with a password": (
        container({
            "EncryptionInfo": b"\4\0\4\0\x40\0\0\0<encryption/>".ljust(4096, b"\0"),
            "EncryptedPackage": random.Random(0).randbytes(8192),
        }),
        LOCKED,
    ),
}  # fmt: skip
for title, (content, sentence) in BYTES.items():
    case(title, Refused(sentence))(lambda folder, content=content: (folder / ENGLISH).write_bytes(content))


@case("a truncated download", Refused(DAMAGED))
def _(folder):
    path = write(folder, GOOD)
    path.write_bytes(path.read_bytes()[:-300])


@case("damaged in the middle", Refused(DAMAGED))
def _(folder):
    path = write(folder, GOOD)
    good = path.read_bytes()
    at = good.index(SHEET.encode())
    path.write_bytes(good[: at + 60] + bytes(100) + good[at + 160 :])


@case("a Word document renamed", Refused(NOT_XLSX))
def _(folder):
    write_parts(folder / ENGLISH, {"[Content_Types].xml": "<Types/>", "word/document.xml": "<document/>"})


@case("a binary workbook (.xlsb) renamed", Refused(NOT_XLSX))
def _(folder):
    parts = read_parts(write(folder, GOOD))
    write_parts(folder / ENGLISH, {name.replace("workbook.xml", "workbook.bin"): parts[name] for name in parts})


@case("a zip that holds the workbook", Refused(NOT_XLSX))
def _(folder):
    good = write(folder, GOOD).read_bytes()
    write_parts(folder / ENGLISH, {ENGLISH: good})


@case("a zip locked with a password", Refused(DAMAGED))
def _(folder):
    good = bytearray(write(folder, GOOD).read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := good.find(signature, place + 1)) >= 0:
            good[place + at] |= 1
    (folder / ENGLISH).write_bytes(good)


@case("a compression nobody knows", Refused(DAMAGED))
def _(folder):
    good = bytearray(write(folder, GOOD).read_bytes())
    place = good.rindex(b"PK\1\2")
    good[place + 10] = 99
    (folder / ENGLISH).write_bytes(good)


# Names and places


@case("no such folder", Refused("找不到文件夹“{folder}”。请检查 FOLDER 的拼写；当前在“{here}”里。"))
def _(folder):
    folder.rmdir()


@case("a file in place of the folder", Refused("“{folder}”是一个文件，不是文件夹。FOLDER 请写“{parent}”。"))
def _(folder):
    folder.rmdir()
    folder.write_text("x", encoding="utf-8")


@case("an empty folder", Refused(NEITHER + "里面没有 Excel 表格。请把表格放进这个文件夹，并改成上面的名字。"))
def _(folder):
    pass


@case(
    "only the lock file of Excel",
    Refused(
        NEITHER + "里面没有 Excel 表格。以 ~$ 开头的是 Excel 打开文件时的临时文件，不是表格。"
        "请把表格放进这个文件夹，并改成上面的名字。"
    ),
)
def _(folder):
    (folder / f"~${ENGLISH}").write_bytes(b"\x05owner")


@case("a lock file of Excel beside the workbook", Taken())
def _(folder):
    write(folder, GOOD)
    (folder / f"~${ENGLISH}").write_bytes(b"\x05owner")


@case(
    "the extension .xls",
    Refused(NEITHER + "里面的表格有：训练集-英语.xls。请在 Excel 里另存为 .xlsx，文件名用上面的名字。"),
)
def _(folder):
    write(folder, GOOD).rename(folder / "训练集-英语.xls")


@case(
    "the extension .csv",
    Refused(NEITHER + "里面的表格有：训练集-英语.csv。请在 Excel 里另存为 .xlsx，文件名用上面的名字。"),
)
def _(folder):
    (folder / "训练集-英语.csv").write_text("阅读文本,选项,答案\n", encoding="gbk")


@case(
    "the extension twice",
    Refused(NEITHER + "“训练集-英语.xlsx.xlsx”的名字里多了一个 .xlsx（Windows 可能隐藏了扩展名），请删掉一个。"),
)
def _(folder):
    write(folder, GOOD, "训练集-英语.xlsx.xlsx")


@case("another name", Refused(NEITHER + "里面的表格有：训练集英语(1).xlsx。请把其中的训练集改成上面的名字。"))
def _(folder):
    write(folder, GOOD, "训练集英语(1).xlsx")


@case(
    "a name that would colour the terminal",
    Refused(NEITHER + "里面的表格有： [31m .xlsx。请把其中的训练集改成上面的名字。"),
)
def _(folder):
    write(folder, GOOD, "\x1b[31m\n.xlsx")


@case("in a folder below", Refused(NEITHER + "表格在子文件夹“数据”里，请把 FOLDER 改成“{folder}/数据”。"))
def _(folder):
    (folder / "数据").mkdir()
    write(folder / "数据", GOOD)


@case("a folder with the name of a workbook", Refused(NO_FILE))
def _(folder):
    (folder / ENGLISH).mkdir()


@case("a folder with the name of a workbook, beside a good one", Refused(NO_FILE))
def _(folder):
    write(folder, [COLUMNS, speak(1)], CHINESE)
    (folder / ENGLISH).mkdir()


@case("a link to itself", Refused(NO_FILE))
def _(folder):
    (folder / ENGLISH).symlink_to(folder / ENGLISH)


@case("a link to nothing", Refused(NO_FILE))
def _(folder):
    (folder / ENGLISH).symlink_to(folder / "gone.xlsx")


@case("a pipe", Refused(NO_FILE))
def _(folder):
    os.mkfifo(folder / ENGLISH)


@case("a broken workbook beside a good one", Refused(DAMAGED))
def _(folder):
    write(folder, [COLUMNS, speak(1)], CHINESE)
    path = write(folder, GOOD)
    path.write_bytes(path.read_bytes()[:3000])


# Parts of the package


@case("no worksheet part", Refused(NO_SHEET))
def _(folder):
    parts = read_parts(write(folder, GOOD))
    write_parts(folder / ENGLISH, {name: parts[name] for name in parts if name != SHEET})


@case("a chart and no worksheet", Refused(NO_SHEET))
def _(folder):
    def chart_only(book):
        book.create_chartsheet().add_chart(BarChart())
        book.remove(book.active)

    write(folder, [], change=chart_only)


@case("Strict Open XML", Refused(NO_SHEET))
def _(folder):
    names = {
        MAIN: "http://purl.oclc.org/ooxml/spreadsheetml/main",
        "http://schemas.openxmlformats.org/officeDocument/2006/relationships":
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
    }  # fmt: skip
    parts = read_parts(write(folder, GOOD))
    for old, new in names.items():
        parts = {name: part.replace(old.encode(), new.encode()) for name, part in parts.items()}
    write_parts(folder / ENGLISH, parts)


@case("an empty list of sheets", Refused(DAMAGED))
def _(folder):
    parts = read_parts(write(folder, GOOD))
    write_parts(folder / ENGLISH, parts | {BOOK: b""})


@case("the table of strings missing", Refused(DAMAGED))
def _(folder):
    with_strings(folder, None)


@case("a string that the table does not have", Refused(DAMAGED))
def _(folder):
    with_strings(folder, "<si><t>Tom</t></si>")


@case("styles that openpyxl cannot read", Refused(DAMAGED))
def _(folder):
    edit(folder, "<fonts", "<fonts><font><sz val='big'/></font></fonts><fonts", part="xl/styles.xml")


@case("XML that says it is GBK", Refused(DAMAGED))
def _(folder):
    edit(folder, "<worksheet", '<?xml version="1.0" encoding="GBK"?><worksheet')


@case("half of a surrogate pair", Refused(DAMAGED))
def _(folder):
    edit(folder, "bag number 1", "bag &#xD800;")


@case("a zero character", Refused(DAMAGED))
def _(folder):
    edit(folder, "bag number 1", b"bag \0")


@case("a cell beyond the last column", Refused(DAMAGED))
def _(folder):
    edit(folder, '<row r="2">', '<row r="2"><c r="ABCD2"><v>1</v></c>')


@case("a row beyond the last line", Refused(DAMAGED))
def _(folder):
    edit(folder, '<row r="3">', '<row r="1500000">')


@case("a line number twice", Refused(DAMAGED))
def _(folder):
    edit(folder, '<row r="3">', '<row r="2">')


@case("lines out of order", Refused(DAMAGED))
def _(folder):
    edit(folder, '<row r="2">', '<row spans="1:3" r="7">')


@case("XML in UTF-16", Taken())
def _(folder):
    parts = read_parts(write(folder, GOOD))
    text = '<?xml version="1.0" encoding="UTF-16"?>' + parts[SHEET].decode()
    write_parts(folder / ENGLISH, parts | {SHEET: text.encode("utf-16")})


@case("XML behind a byte order mark", Taken())
def _(folder):
    parts = read_parts(write(folder, GOOD))
    write_parts(folder / ENGLISH, {name: b"\xef\xbb\xbf" + part for name, part in parts.items()})


@case("a hundred thousand elements inside each other", Taken())
def _(folder):
    edit(folder, "</sheetData>", "</sheetData>" + "<a>" * 100_000 + "</a>" * 100_000)


@case("text in a table of strings, with formatting and readings", Taken())
def _(folder):
    passage, options, answers = say(1)
    runs = f"<r><t>{passage[:9]}</t></r><r><rPr><b/></rPr><t>{passage[9:]}</t></r>"
    reading = '<rPh sb="0" eb="1"><t>tɒm</t></rPh><phoneticPr fontId="1"/>'
    with_strings(folder, f"<si>{runs}{reading}</si><si><t>{options}</t></si><si><t>{answers}</t></si>")


@case("a macro workbook (.xlsm) renamed", Taken())
def _(folder):
    parts = read_parts(write(folder, GOOD))
    parts["[Content_Types].xml"] = parts["[Content_Types].xml"].replace(
        b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        b"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    )
    write_parts(folder / ENGLISH, parts | {"xl/vbaProject.bin": container({"VBA": bytes(4096)})})


@case("links to other workbooks, broken", Taken())
def _(folder):
    parts = read_parts(write(folder, GOOD))
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/externalLink"
    relation = f'<Relationship Id="rId99" Type="{kind}" Target="/xl/externalLinks/externalLink1.xml"/></Relationships>'
    rels = "xl/_rels/workbook.xml.rels"
    parts[rels] = parts[rels].replace(b"</Relationships>", relation.encode())
    references = b'</sheets><externalReferences><externalReference r:id="rId99"/></externalReferences>'
    parts[BOOK] = parts[BOOK].replace(b"</sheets>", references)
    write_parts(folder / ENGLISH, parts | {"xl/externalLinks/externalLink1.xml": b"<nonsense"})


@case("a picture, a chart, a comment, a table, a filter", Taken())
def _(folder):
    def decorate(book):
        sheet = book.active
        sheet.add_image(Image(Path(__file__).parents[1] / "docs" / "ladder.png"), "E2")
        sheet.add_chart(BarChart(), "F2")
        sheet["A2"].comment = Comment("老师说这一题不好", "me")
        sheet.add_table(openpyxl.worksheet.table.Table(displayName="T", ref="A1:C3"))
        sheet.auto_filter.ref = "A1:C3"

    write(folder, GOOD, change=decorate)


@case("sheet and workbook protected, not encrypted", Taken())
def _(folder):
    def protect(book):
        book.active.protection.set_password("1234")
        book.security = openpyxl.workbook.protection.WorkbookProtection(lockStructure=True)

    write(folder, GOOD, change=protect)


# Bombs


@case("a zip bomb: 31 MB in 30 kB", Refused(TOO_MUCH.format(size=31)))
def _(folder):
    edit(folder, "bag number 1", b"bag " + bytes(31).replace(b"\0", b"a") * 2**20)


@case("a zip bomb: 320 MB, little by little", Refused(TOO_MUCH.format(size=320)))
def _(folder):
    path = write(folder, GOOD)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(20):
            archive.writestr(f"xl/worksheets/more{number}.xml", bytes(16 * 2**20))


@case("three million cells", Refused(TOO_MUCH.format(size=11)))
def _(folder):
    noise = random.Random(0).randbytes(120_000).hex()  # keeps the whole below a hundredfold compression
    edit(folder, '<row r="2">', f'<row r="1"><!--{noise}-->' + "<c/>" * 3_000_000 + '</row><row r="2">')


LAUGHS = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))


@case("an entity bomb: a billion laughs", Refused(DAMAGED))
def _(folder):
    edit(folder, "<worksheet", f'<!DOCTYPE w [<!ENTITY b0 "ha">{LAUGHS}]><worksheet')
    parts = read_parts(folder / ENGLISH)
    write_parts(folder / ENGLISH, parts | {SHEET: parts[SHEET].replace(b"bag number 1", b"&b9;")})


@case("an entity bomb: one long entity many times", Refused(DAMAGED))
def _(folder):
    edit(folder, "<worksheet", f'<!DOCTYPE w [<!ENTITY b "{"ha" * 50_000}">]><worksheet')
    parts = read_parts(folder / ENGLISH)
    write_parts(folder / ENGLISH, parts | {SHEET: parts[SHEET].replace(b"bag number 1", b"&b;" * 20_000)})


@case("an entity that would fetch a file", Refused(DAMAGED))
def _(folder):
    edit(folder, "<worksheet", '<!DOCTYPE w [<!ENTITY b SYSTEM "file:///etc/hostname">]><worksheet')
    parts = read_parts(folder / ENGLISH)
    write_parts(folder / ENGLISH, parts | {SHEET: parts[SHEET].replace(b"bag number 1", b"&b;")})


# Column names


@case("no cell at all", Refused(f"“{ENGLISH}”的第 1 行是空的。请在第 1 行写上三个列名：阅读文本、选项、答案。"))
def _(folder):
    write(folder, [])


@case("column names only", Refused(ONLY_NAMES))
def _(folder):
    write(folder, [COLUMNS])


@case("column names and blank lines", Refused(ONLY_NAMES))
def _(folder):
    write(folder, [COLUMNS, *[[None, " ", "\u3000\n"]] * 3])


@case("a title above the column names", Refused(f"“{ENGLISH}”的列名在第 2 行，应当在第 1 行。请删掉它上面的行。"))
def _(folder):
    write(folder, [["2024 夏令营训练集"], *GOOD])


@case(
    "two empty lines above the column names", Refused(f"“{ENGLISH}”的列名在第 3 行，应当在第 1 行。请删掉它上面的行。")
)
def _(folder):
    write(folder, [[], [], *GOOD])


@case(
    "no column names", Refused(f"“{ENGLISH}”的第 1 行缺少“阅读文本”列。现有的列：甲、乙、丙。请把列名改成“阅读文本”。")
)
def _(folder):
    write(folder, [["甲", "乙", "丙"], say(1)])


@case(
    "a row in place of the column names",
    Refused(
        f"“{ENGLISH}”的第 1 行缺少“阅读文本”列。"
        "现有的列：Tom has 1 bags. Nobody knows w、1. What is in bag 1? A. A kite、1. A。请把列名改成“阅读文本”。"
    ),
)
def _(folder):
    write(folder, [say(1), say(2)])


@case(
    "a misspelt column",
    Refused(f"“{ENGLISH}”的第 1 行缺少“阅读文本”列。最接近的是“阅读文章”。请把列名改成“阅读文本”。"),
)
def _(folder):
    write(folder, [["阅读文章", "选项", "答案"], say(1)])


@case(
    "a space inside a column's name",
    Refused(f"“{ENGLISH}”的第 1 行缺少“答案”列。最接近的是“答　案”。请把列名改成“答案”。"),
)
def _(folder):
    write(folder, [["阅读文本", "选项", "答　案"], say(1)])


@case(
    "a missing column", Refused(f"“{ENGLISH}”的第 1 行缺少“答案”列。现有的列：阅读文本、选项、id。请把列名改成“答案”。")
)
def _(folder):
    write(folder, [["阅读文本", "选项", "id"], say(1)])


@case("a column twice", Refused(f"“{ENGLISH}”的第 1 行有 2 个“答案”列。请只保留一个。"))
def _(folder):
    write(folder, [[*COLUMNS, "答案"], [*say(1), "1. A"]])


@case(
    "a column's name that would colour the terminal",
    Refused(f"“{ENGLISH}”的第 1 行缺少“答案”列。现有的列：阅读文本、选项、 [31mid。请把列名改成“答案”。"),
)
def _(folder):
    edit(folder, "<t>id", "<t>\x9b[31mid", lines=[["阅读文本", "选项", "id"], say(1)])


@case("odd spaces and marks around the names, extra columns, another order", Taken())
def _(folder):
    lines = [["序号", " 答案\u3000", "\ufeff阅读文本", "来源", "\xa0选项\n\u200b"]]
    write(folder, [*lines, *([1, answers, passage, "x", options] for passage, options, answers in (say(1), say(2)))])


# What the sheet says of itself


@case("a range from A1 to XFD1048576", Taken())
def _(folder):
    edit(folder, '<dimension ref="A1:C3"', '<dimension ref="A1:XFD1048576"')


@case("a range that is too small", Taken())
def _(folder):
    edit(folder, '<dimension ref="A1:C3"', '<dimension ref="B2:B2"')


@case("the last line of Excel formatted", Taken())
def _(folder):
    edit(folder, "</sheetData>", '<row r="1048576"><c r="A1048576" s="0"/></row></sheetData>')


@case("the last column of Excel filled", Taken())
def _(folder):
    edit(folder, "</row></sheetData>", '<c r="XFD3"><v>1</v></c></row></sheetData>')


@case("1,000 formatted blank lines", Taken())
def _(folder):
    write(folder, [*GOOD, *[["", None, " "]] * 1000])


@case("hidden rows and columns", Taken())
def _(folder):
    def hide(book):
        book.active.row_dimensions[2].hidden = True
        book.active.column_dimensions["C"].hidden = True

    write(folder, GOOD, change=hide)


@case("merged cells: the value belongs to the top row", Taken(2, 2, {"empty_cell": 1}))
def _(folder):
    write(folder, [COLUMNS, say(1), [None, *say(2)[1:]]], change=lambda book: book.active.merge_cells("A2:A3"))


@case("a sheet of notes before the data", Taken())
def _(folder):
    write(folder, GOOD, change=lambda book: book.create_sheet("说明", 0).append(["请先读这里"]))


@case("a hidden old copy before the data", Taken())
def _(folder):
    def hide(book):
        old = book.create_sheet("备份", 0)
        for line in (COLUMNS, say(7), say(8), say(9)):
            old.append(line)
        old.sheet_state = "veryHidden"
        book.active = 1

    write(folder, GOOD, change=hide)


@case("two sheets with data", Taken(remarks=(f"“{ENGLISH}”有几个工作表都有这三列，只读了 'Sheet'。",)))
def _(folder):
    def add(book):
        more = book.create_sheet("第二批")
        more.append(COLUMNS)
        more.append(say(3))

    write(folder, GOOD, change=add)


@case(
    "the two files swapped",
    Taken(4, 4, {}, (SWAPPED.format(CHINESE, "语文"), SWAPPED.format(ENGLISH, "英语"))),
)
def _(folder):
    write(folder, GOOD, CHINESE)
    write(folder, [COLUMNS, speak(1), speak(2)], ENGLISH)


@case("English text in the Chinese file", Taken(remarks=(SWAPPED.format(CHINESE, "语文"),)))
def _(folder):
    write(folder, GOOD, CHINESE)


# Cells


def odd_row(column, cell):
    """Return three lines: the names, a good row, and one whose cell in a column is another."""
    row = say(2)
    row[column] = cell
    return [COLUMNS, say(1), row]


CELLS = {
    "a number as answers": (2, 5, "not_text"),
    "a decimal as options": (1, 1.5, "not_text"),
    "a truth value as answers": (2, True, "not_text"),
    "a date as passage": (0, datetime.datetime(2024, 6, 7), "not_text"),
    "a time as answers": (2, datetime.time(9, 20), "not_text"),
    "a length of time as answers": (2, datetime.timedelta(hours=30), "not_text"),
    "an empty passage": (0, None, "empty_cell"),
    "an empty cell of options": (1, None, "empty_cell"),
    "answers of spaces": (2, " \u3000\n", "empty_cell"),
    "a formula as passage": (0, "=Sheet2!A1", "formula"),
    "a link as answers": (2, '=HYPERLINK("http://example.com","1. A")', "formula"),
    "an array formula as options": (1, ArrayFormula("B3", "=B2"), "formula"),
    "the error #REF! as answers": (2, "#REF!", "formula"),
    "the error #N/A as passage": (0, "#N/A", "formula"),
    "a command for an old Excel": (2, "=cmd|' /C calc'!A0", "formula"),
}
for title, (column, cell, code) in CELLS.items():
    expected = Taken(2, 1 if column else 2, {code: 1}, messages=(f"{ENGLISH} 第 3 行“{COLUMNS[column]}”列",))
    case(title, expected)(lambda folder, column=column, cell=cell: write(folder, odd_row(column, cell)))


@case("a formula with the value Excel worked out", Taken(2, 1, {"formula": 1}))
def _(folder):
    edit(folder, 't="inlineStr"><is><t>ANSWERS</t></is>', 't="str"><f>C2</f><v>1. A</v>', lines=odd_row(2, "ANSWERS"))


@case("a date that no calendar has", Taken(2, 1, {"not_text": 1}))
def _(folder):
    edit(folder, "<v>45450</v>", "<v>-5</v>", lines=odd_row(2, datetime.datetime(2024, 6, 7)))


@case("32,767 characters in a cell", Taken())
def _(folder):
    write(folder, odd_row(0, ("word " * 6554)[:32767]))


@case("a megabyte in each cell", Taken(2, 1, {"no_question": 1}))
def _(folder):
    row = ["PASSAGE", "OPTIONS", "ANSWERS"]
    parts = read_parts(write(folder, [COLUMNS, say(1), row]))
    for cell in row:
        parts[SHEET] = parts[SHEET].replace(f"<t>{cell}".encode(), b"<t>" + b"word " * 200_000)
    write_parts(folder / ENGLISH, parts)


@case("control characters, as Excel spells them", Taken())
def _(folder):
    write(folder, odd_row(0, "Tom_x0007__x001B_[31m has_x000D_ a kite."))


@case("a script", Taken())
def _(folder):
    write(folder, odd_row(0, "<script>alert(1)</script><img src=x onerror=alert(1)> ${7*7} {{7*7}} {text}"))


@case(
    "no usable row",
    Refused(
        f"没有一行能做成样本，没有写出任何文件。第一处问题：{ENGLISH} 第 2 行“答案”列第 1 题（题号 1）：这一格是空的。"
        "请补上内容。"
    ),
)
def _(folder):
    write(folder, [COLUMNS, [*say(1)[:2], None]])


# The cases


OLD = {"train.jsonl": b"old", "report.json": b"old", "my notes.txt": b"mine"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def place(tmp_path):
    """Return a folder for the sheets and one with old results."""
    folder, out = tmp_path / "数据", tmp_path / "结果"
    for path in (folder, out):
        path.mkdir()
    for name, data in OLD.items():
        (out / name).write_bytes(data)
    return folder, out


def check(name, folder, out, code, said, complained):
    """Compare what a build did with what the case expects; return what happened in a few words."""
    expected = CASES[name][1]
    if isinstance(expected, Refused):
        sentence = expected.sentence.format(
            folder=folder.as_posix(), parent=folder.parent.as_posix(), here=Path.cwd().name
        )
        assert (code, complained) == (2, f"✗ {sentence}\n")
        assert contents(out) == OLD
        return f"2  {sentence}"
    assert (code, complained) == (0, "")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert sum(report["rows"].values()) == expected.rows
    assert sum(report["questions"].values()) == expected.questions
    assert report["problems"] == expected.problems
    remarks = tuple(line.removeprefix("注意：") for line in said.splitlines() if line.startswith("注意："))
    assert remarks == expected.remarks
    with (out / "problems.csv").open(encoding="utf-8-sig", newline="") as file:
        messages = [line["message"] for line in csv.DictReader(file)]
    assert all(one.startswith(start) for one, start in zip(messages, expected.messages, strict=False))
    told = "".join(f", {number} {code}" for code, number in expected.problems.items())
    return f"0  {expected.rows} rows, {expected.questions} questions{told}" + "".join(f"; {one}" for one in remarks)


@pytest.mark.parametrize("name", CASES)
def test_a_bad_workbook_gets_its_sentence_or_its_counts(name, place, capsys, request):
    folder, out = place
    CASES[name][0](folder)
    code = main(["build", str(folder), "--out", str(out)])
    result = check(name, folder, out, code, *capsys.readouterr())
    if request.config.getoption("capture") == "no":
        with capsys.disabled():
            print(f"\n✓ {name}: {result}", end="")


def test_there_are_sixty():
    assert len(CASES) >= 60


@pytest.mark.parametrize(
    "name", ["encrypted with a password", "the two files swapped", "a link to itself", "a truncated download"]
)
def test_the_command_itself_says_the_same(name, place, run_helpers):
    folder, out = place
    CASES[name][0](folder)
    done = run_helpers("build", folder, "--out", out)
    if name != "the two files swapped":
        check(name, folder, out, *done[:1], done.out, done.err)
    else:
        assert (done.code, done.err) == (0, "")
        assert done.out.count("文件名是否写反了。") == 2


# What stands in the way of reading and writing


@pytest.fixture
def nobody():
    """Return a way to be somebody with no rights, and a folder that everyone may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)

        @contextlib.contextmanager
        def be():
            user = os.geteuid()
            if user == 0:
                os.seteuid(65534)
            try:
                yield
            finally:
                os.seteuid(user)

        yield Path(name), be


def locked(what, folder, out):
    """Take the rights from a part of the way; return it and the sentence that is due."""
    return {
        "the workbook": (folder / ENGLISH, 0, NO_PERMISSION),
        "the folder": (folder, 0, f"没有权限读取文件夹“{folder}”。请换一个文件夹，或检查它的权限。"),
        "the folder of results": (out, 0o555, WRITE.format("train.jsonl")),
    }[what]


WRITE = "写不了“{}”。请检查磁盘空间和文件夹权限，或关闭正打开它的程序。"


@pytest.mark.skipif(os.name == "nt", reason="file modes of POSIX")
@pytest.mark.parametrize("what", ["the workbook", "the folder", "the folder of results"])
def test_a_lack_of_rights_is_told(what, nobody, capsys):
    (_, be), (folder, out) = nobody, (nobody[0] / "数据", nobody[0] / "结果")
    for path in (folder, out):
        path.mkdir()
    (out / "train.jsonl").write_bytes(b"old")
    write(folder, GOOD)
    path, mode, sentence = locked(what, folder, out)
    usual = path.stat().st_mode
    path.chmod(mode)
    try:
        with be():
            code = main(["build", str(folder), "--out", str(out)])
    finally:
        path.chmod(usual)
    assert (code, capsys.readouterr().err) == (2, f"✗ {sentence}\n")
    assert contents(out) == {"train.jsonl": b"old"}


@pytest.fixture
def small_disk(tmp_path):
    """Return a disk of 64 kB, where the system lets us mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root on Linux")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_leaves_the_old_files(small_disk, tmp_path, capsys):
    for name, data in OLD.items():
        (small_disk / name).write_bytes(data)
    (tmp_path / "数据").mkdir()
    write(tmp_path / "数据", GOOD)
    code = main(["build", str(tmp_path / "数据"), "--out", str(small_disk)])
    assert (code, capsys.readouterr().err) == (2, f"✗ {WRITE.format('train.jsonl')}\n")
    assert contents(small_disk) == OLD


def test_results_in_place_of_a_folder_are_told(place, capsys):
    folder, out = place
    write(folder, GOOD)
    code = main(["build", str(folder), "--out", str(out / "my notes.txt")])
    assert (code, capsys.readouterr().err) == (2, "✗ 输出位置“my notes.txt”是一个文件。请换一个文件夹。\n")
    assert contents(out) == OLD


def test_a_result_that_cannot_be_replaced_keeps_all_the_others_old(place, capsys):
    """On Windows that is a table open in Excel; a folder of its name stands in the way in the same manner."""
    folder, out = place
    write(folder, GOOD)
    (out / "messages.jsonl").mkdir()
    code = main(["build", str(folder), "--out", str(out)])
    assert (code, capsys.readouterr().err) == (2, f"✗ {WRITE.format('messages.jsonl')}\n")
    (out / "messages.jsonl").rmdir()
    assert contents(out) == OLD


# Bombs cost little


BOMBS = [name for name in CASES if "bomb" in name or name in ("three million cells", "a row beyond the last line")]
READ = """
import pathlib, resource, sys, time
from openpyxl.xml import functions
import openpyxl
from helpers import KitError
from helpers.workbook import read_rows
openpyxl.DEFUSEDXML and not int(sys.argv[1]) and sys.exit("defusedxml is in use")
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
try:
    read_rows(sys.argv[2])
except KitError:
    pass
for folder in sys.argv[3:]:
    before, started = peak(), time.process_time()
    try:
        read_rows(folder)
        verdict = "read"
    except KitError:
        verdict = "refused"
    print(pathlib.Path(folder).name, verdict, round(time.process_time() - started, 2), round(peak() - before), sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory as Linux counts it")
@pytest.mark.parametrize("defused", [1, 0], ids=["defusedxml", "expat alone"])
def test_a_bomb_is_refused_quickly_and_in_little_memory(defused, tmp_path, root, request, capsys):
    """The parser of XML is the same for a learner without defusedxml; what it would not refuse is refused before."""
    for name in ("good", *BOMBS):
        (tmp_path / name).mkdir()
        CASES[name][0](tmp_path / name) if name in CASES else write(tmp_path / name, GOOD)
    environment = {**os.environ, "PYTHONPATH": str(root), "OPENPYXL_DEFUSEDXML": str(bool(defused))}
    folders = [str(tmp_path / name) for name in ("good", *BOMBS)]
    done = subprocess.run(
        [sys.executable, "-c", READ, str(defused), *folders],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    results = {name: line for name, *line in (line.split("|") for line in done.stdout.splitlines())}
    assert (list(results), done.stderr) == (BOMBS, "")
    for name, (verdict, seconds, megabytes) in results.items():
        assert verdict == "refused", name
        assert float(seconds) < 3, name
        assert float(megabytes) < 100, name
        if request.config.getoption("capture") == "no":
            with capsys.disabled():
                print(f"\n✓ {name}: refused after {seconds} s, {megabytes} MB", end="")
