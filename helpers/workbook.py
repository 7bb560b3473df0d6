"""Find, read and check the contest's two Excel sheets (notebook 00)."""

import contextlib
import difflib
import json
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from helpers import COLUMNS, SUBJECTS, KitError

# JupyterLab would set what stands between two dollar signs of a table as a formula; and where pyarrow is
# installed, pandas would keep text in its strings, which cannot hold half a character
pd.set_option("display.html.use_mathjax", False, "mode.string_storage", "python")

ROWS_COLUMNS = ["subject", "row", *COLUMNS]
FIRST_LINE = 2
"""Excel line of row 0: line 1 holds the column names."""
SIZE_LIMIT = 300 * 2**20
"""Unpacked bytes above which a workbook is refused (a zip bomb, not a sheet of exam questions)."""
RATIO_LIMIT, RATIO_FROM = 100, 10 * 2**20
"""How many times smaller than its contents a workbook may be; and from how many unpacked bytes on that counts."""
TAG_LIMIT = 3_000_000
"""XML tags above which a workbook is refused: 100,000 rows of three cells have fewer."""
_LINE_NUMBER = re.compile(rb"<(?:\w+:)?row\s(?:[^<>]*?\s)?r=[\"'](\d{1,9})[\"']")
LINE_LIMIT = 2**20
"""Lines of a sheet in Excel; a file that says it has more would be read for hours."""


def sheet_name(subject: str) -> str:
    """Return the file name the contest uses for a subject's training sheet.

    Examples
    --------
    >>> sheet_name("语文")
    '训练集-语文.xlsx'
    """
    return f"训练集-{subject}.xlsx"


def find_sheets(folder: str | Path) -> dict[str, Path]:
    """Find the training sheets in a folder.

    Parameters
    ----------
    folder : str or Path
        The folder that holds ``训练集-语文.xlsx`` and/or ``训练集-英语.xlsx``.

    Returns
    -------
    dict of str to Path
        Subject to file, for the sheets that are there, 语文 first.

    Raises
    ------
    KitError
        If there is no such folder, or neither sheet is in it.
    """
    if not isinstance(folder, str | Path) or not str(folder).strip():
        raise KitError(f'FOLDER 要写一个文件夹，如 "../data/sample"。现在是：{folder!r}。')
    folder = Path(folder)
    if folder.is_file():
        raise KitError(f"“{folder}”是一个文件，不是文件夹。FOLDER 请写“{folder.parent.as_posix()}”。")
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
        sheets = {s: folder / sheet_name(s) for s in SUBJECTS if os.path.lexists(folder / sheet_name(s))}
    except PermissionError as error:
        raise KitError(f"没有权限读取文件夹“{folder}”。请换一个文件夹，或检查它的权限。") from error
    except OSError as error:
        raise KitError(f"找不到文件夹“{folder}”。请检查 FOLDER 的拼写；当前在“{Path.cwd().name}”里。") from error
    if other := [path.name for path in sheets.values() if not path.is_file()]:
        raise KitError(f"“{other[0]}”是文件夹或失效的快捷方式，不是文件。请删掉它，放上真正的 .xlsx 文件。")
    if not sheets:
        raise KitError(f"文件夹“{folder}”里没有 {' 或 '.join(map(sheet_name, SUBJECTS))}。{_advise(folder, names)}")
    return sheets


def _advise(folder: Path, names: list[str]) -> str:
    """Say what to do in a folder that has neither sheet."""
    double = [name for name in names if name.lower().endswith(".xlsx.xlsx")]
    if double:
        return f"“{double[0]}”的名字里多了一个 .xlsx（Windows 可能隐藏了扩展名），请删掉一个。"
    below = sorted(path.parent.name for s in SUBJECTS for path in folder.glob(f"*/{sheet_name(s)}"))
    if below:
        return f"表格在子文件夹“{below[0]}”里，请把 FOLDER 改成“{(folder / below[0]).as_posix()}”。"
    locked = "以 ~$ 开头的是 Excel 打开文件时的临时文件，不是表格。" if any(n.startswith("~$") for n in names) else ""
    tables = [n for n in names if n.lower().endswith((".xlsx", ".xls", ".csv")) and not n.startswith("~$")]
    if not tables:
        return f"里面没有 Excel 表格。{locked}请把表格放进这个文件夹，并改成上面的名字。"
    shown = "、".join(tables[:5])
    if not any(name.lower().endswith(".xlsx") for name in tables):
        return f"里面的表格有：{shown}。{locked}请在 Excel 里另存为 .xlsx，文件名用上面的名字。"
    return f"里面的表格有：{shown}。{locked}请把其中的训练集改成上面的名字。"


def read_rows(folder: str | Path) -> pd.DataFrame:
    """Read every row of the training sheets in a folder.

    Blank lines are kept out, but the positions of the others do not change, so ``row + 2`` is
    always the line number that Excel shows. Hidden rows are read. A merged cell belongs to its
    top row. Numbers, dates and formulas are kept as they are, for ``extraction`` to report.

    Parameters
    ----------
    folder : str or Path
        The folder that holds ``训练集-语文.xlsx`` and/or ``训练集-英语.xlsx``.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject``, ``row`` (0-based position in its sheet), ``阅读文本``, ``选项``, ``答案``;
        one line a row of the sheets, 语文 before 英语. Empty cells are ``None``.

    Raises
    ------
    KitError
        If the folder or both sheets are missing, or a sheet that is there cannot be used.

    Examples
    --------
    >>> read_rows("data/sample").columns.tolist()
    ['subject', 'row', '阅读文本', '选项', '答案']
    """
    return pd.concat([read_sheet(path, subject) for subject, path in find_sheets(folder).items()], ignore_index=True)


def read_sheet(path: str | Path, subject: str) -> pd.DataFrame:
    """Read one sheet; see `read_rows` for the columns and the errors."""
    path = Path(path)
    records = _read_records(path, subject)
    if not records:
        raise KitError(f"“{path.name}”只有列名，没有题目。请确认放进来的是完整的训练集文件。")
    passages = "".join(record[2] for record in records[:50] if isinstance(record[2], str))
    foreign = len(re.findall(r"[A-Za-z]+", passages)) - len(re.findall(r"[\u4e00-\u9fff]", passages))
    if (foreign if subject == "语文" else -foreign) > 0:
        warnings.warn(f"“{path.name}”里的文章不像{subject}。请检查两份表格的文件名是否写反了。", stacklevel=2)
    # object, not str: a cell that holds a number or a date must stay one until extraction reports it
    return pd.DataFrame(records, columns=ROWS_COLUMNS, dtype=object).astype({"subject": str, "row": int})


def read_gold(folder: str | Path, split: str = "train") -> list[dict[str, Any]] | None:
    """Read the truth about the rows of a folder, where it is known.

    Parameters
    ----------
    folder : str or Path
        The folder; its file ``gold.jsonl`` holds one JSON object a row.
    split : {"train", "test"}
        Which rows.

    Returns
    -------
    list of dict or None
        Objects with the keys ``subject row split kinds status problem_codes questions
        short_answers``; None if there is no such file, as with the contest's own sheets.
    """
    path = Path(folder) / "gold.jsonl"
    if not path.is_file():
        return None
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if line["split"] == split]
    except (ValueError, KeyError, TypeError) as error:
        raise KitError("“gold.jsonl”坏了。请删掉它（没有标准答案也能用），或重新下载。") from error


def write_whole(path: str | Path, text: str, *, encoding: str = "utf-8") -> Path:
    """Write a text file whole or not at all: if anything interrupts, the old file stays.

    Parameters
    ----------
    path : str or Path
        The file; its folder is made where missing.
    text : str
        What to write; line ends stay as they are.
    encoding : str
        ``utf-8``, or ``utf-8-sig`` for Excel.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    KitError
        If the disk is full or the folder cannot be written to.
    """
    write_together({Path(path): text.encode(encoding)})
    return Path(path)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all are on disk before the first takes its old one's place.

    What is promised is one file: each is the old whole or the new whole, whatever happens. A program that
    is killed in the instant in which they take their places leaves new files beside old ones; the order is
    that of ``files``, so where the last is new, all are. The next run removes what a killed one left.

    Parameters
    ----------
    files : mapping of Path to bytes
        The files and what to write into them; folders are made where missing.

    Raises
    ------
    KitError
        If the disk is full or a folder cannot be written to; no file has changed then.
    """
    written: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            for stale in path.parent.glob(f".{path.name}.*.tmp"):  # of a run that was killed
                stale.unlink(missing_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            with temporary.open("wb") as file:
                written[path] = temporary
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in filter(Path.exists, files):
            path.open("r+b").close()  # held by Excel, or a folder: told before the first is replaced
        for path, temporary in written.items():
            temporary.replace(path)
    except BaseException as error:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        if path.parent.is_file():
            raise KitError(f"输出位置“{path.parent.name}”是一个文件。请换一个文件夹。") from error
        raise KitError(f"写不了“{path.name}”。请检查磁盘空间和文件夹权限，或关闭正打开它的程序。") from error


def _read_records(path: Path, subject: str) -> list[list[Any]]:
    """Return subject, position and cells of every line that is not blank, of the sheet that has the columns."""
    try:
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="openpyxl")  # styles and validations: no learner asked about them
            with contextlib.closing(openpyxl.load_workbook(path, read_only=True, keep_links=False)) as book:
                sheet, places = _choose_sheet(book, path)
                lines = sheet.iter_rows(min_row=2, max_col=max(places) + 1, values_only=True)
                numbered = enumerate(islice(lines, LINE_LIMIT))
                every = ([subject, row, *(line[at] for at in places)] for row, line in numbered)
                records = [one for one in every if any(cell is not None and str(cell).strip() for cell in one[2:])]
                if any(lines):
                    raise ValueError("more lines than Excel has")
                return records
    except KitError:
        raise
    except PermissionError as error:
        raise KitError(f"打不开“{path.name}”：没有读取权限，或者它正被 Excel 占用。请关闭 Excel 后再试。") from error
    except Exception as error:  # openpyxl raises a dozen different types on damaged files
        raise KitError(f"打不开“{path.name}”：{_damage(path)}") from error


def _check_archive(path: Path) -> None:
    """Refuse what is small on the disk and would fill the memory."""
    with zipfile.ZipFile(path) as archive:
        size = sum(item.file_size for item in archive.infolist())
        bomb = size > SIZE_LIMIT or RATIO_LIMIT * path.stat().st_size < size > RATIO_FROM
        parts = [] if bomb else [item for item in archive.infolist() if item.filename.endswith(".xml")]
        counts = [(xml.count(b"<"), [int(n) for n in _LINE_NUMBER.findall(xml)]) for xml in map(archive.read, parts)]
        if bomb or sum(tags for tags, _ in counts) > TAG_LIMIT:
            raise KitError(f"“{path.name}”解压后有 {size >> 20} MB，不像一份题目表。请删掉多余的行和列再另存。")
        if any(after <= line for _, lines in counts for line, after in pairwise(lines)):
            raise ValueError("openpyxl would pass over lines that are out of order")


def _choose_sheet(book: openpyxl.Workbook, path: Path) -> tuple[Any, list[int]]:
    """Return the sheet that has the columns, and where they stand."""
    if not (sheets := book.worksheets):
        raise KitError(f"“{path.name}”里没有能读的工作表。请在 Excel 里打开它，另存为“Excel 工作簿 (*.xlsx)”。")
    heads = [_read_head(sheet) for sheet in sheets]
    known = [max(len(set(COLUMNS) & set(line)) for line in head) for head in heads]
    ranks = list(zip(known, (s.sheet_state == "visible" for s in sheets), (len(h) > 1 for h in heads), strict=True))
    best = ranks.index(max(ranks))
    if ranks.count((len(COLUMNS), True, True)) > 1:
        warnings.warn(f"“{path.name}”有几个工作表都有这三列，只读了 {sheets[best].title!r}。", stacklevel=2)
    return sheets[best], _column_places(heads[best], path)


def _read_head(sheet: Any) -> list[list[str]]:
    """Return how the cells of the first lines begin, without spaces, a BOM or zero-width characters around them."""
    sheet.reset_dimensions()  # some programs store a wrong range, and openpyxl would stop at it
    lines = islice(sheet.iter_rows(values_only=True), 10)
    edge = "\ufeff\u200b\u200d \t\n\u00a0\u3000"
    return [["" if cell is None else str(cell).strip(edge)[:30] for cell in line] for line in lines] or [[]]


def _damage(path: Path) -> str:
    """Say what is wrong with a file that does not open as a workbook."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        return f"磁盘读取出错（{error.strerror}）。请把文件复制到别的位置再试。"
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return "它加了密码，或者是旧的 .xls 格式。请在 Excel 里去掉密码，另存为 .xlsx。"
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:
        start = start if "xl/workbook.xml" in archive.namelist() else b""
    if not start.startswith(b"PK"):
        return "它不是 .xlsx 文件（可能只是改了扩展名）。请在 Excel 里打开原文件，另存为 .xlsx。"
    return "文件已损坏或没有下载完整。请重新下载；如果 Excel 能打开它，就在 Excel 里另存一份 .xlsx。"


def _column_places(head: list[list[str]], path: Path) -> list[int]:
    """Return where the three columns stand, in the order of ``COLUMNS``."""
    header = head[0]
    below = [number for number, line in enumerate(head, 1) if set(COLUMNS) <= set(line)]
    if below and below[0] > 1:
        raise KitError(f"“{path.name}”的列名在第 {below[0]} 行，应当在第 1 行。请删掉它上面的行。")
    for name in COLUMNS:
        if header.count(name) > 1:
            raise KitError(f"“{path.name}”的第 1 行有 {header.count(name)} 个“{name}”列。请只保留一个。")
        if name not in header:
            if not any(header):
                raise KitError(f"“{path.name}”的第 1 行是空的。请在第 1 行写上三个列名：{'、'.join(COLUMNS)}。")
            others = [h for h in header if h and h not in COLUMNS]
            near = difflib.get_close_matches(name, others, n=1, cutoff=0.4)
            hint = f"最接近的是“{near[0]}”。" if near else f"现有的列：{'、'.join(filter(None, header)) or '无'}。"
            raise KitError(f"“{path.name}”的第 1 行缺少“{name}”列。{hint}请把列名改成“{name}”。")
    return [header.index(name) for name in COLUMNS]
