r"""Turn cleaned rows into questions, short answers and problems (notebook 02).

Both subjects go the same way. In 选项, find what may be a question mark (``1.``) and choose the run
of them that makes sense; inside each question, find what may be an option mark (``A.``) and choose
the complete set; in 答案, find the run of answers and match them by number, or by order where the
numberings differ. Whatever stays doubtful becomes a line of ``problems``, never a guess.
"""

import re
from bisect import bisect_left
from typing import Any, NamedTuple

import pandas as pd

from helpers import answers as answering
from helpers.marks import (
    FULL,
    GLUED,
    HAN,
    LINE,
    PLAIN,
    Mark,
    Matcher,
    Patterns,
    choose_options,
    choose_run,
    have_between,
)
from helpers.workbook import FIRST_LINE, sheet_name

QUESTION_COLUMNS = ["subject", "row", "position", "number", "stem", "A", "B", "C", "D", "answer"]
SHORT_ANSWER_COLUMNS = ["subject", "row", "position", "number", "stem", "reference"]
PROBLEM_COLUMNS = ["subject", "row", "position", "number", "column", "code", "message"]
NOTICE_COLUMNS = ["subject", "row", "code", "message"]


_SCORE_PART = r"(?:本|每|共|计|满|小|大|题|空|点|合|一)*(?:分值)? ?\d+(?:\.\d+)? ?(?:分|points?|marks?)"
_SCORE = re.compile(rf" ?[(（【\[] ?{_SCORE_PART}(?: ?[,，;；、] ?{_SCORE_PART}| each)* ?[)）】\]]")
FORMAT_MARK = re.compile(r"(?:答案|Answer)\s*[:：]|\d+\. ")
"""What a field must not begin with: in the training text it would read like another part."""
_FORMULA = re.compile(r"=|#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)$")
_WIDE = re.compile(rf"[{HAN}\u2014\u2026\u2018-\u201d\u2460-\u24ff\u3000-\u303f\uff01-\uff65]")


class Extraction(NamedTuple):
    """What `extract` returns: four frames.

    ``(subject, row, position)`` is the key over ``questions``, ``short_answers`` and ``problems``
    together; ``notices`` says what was repaired without a doubt.
    """

    questions: pd.DataFrame
    short_answers: pd.DataFrame
    problems: pd.DataFrame
    notices: pd.DataFrame


class Parsed(NamedTuple):
    """One row, parsed: lists of field values, in the order of the column constants."""

    questions: list[list[Any]]
    short_answers: list[list[Any]]
    problems: list[list[Any]]
    notices: list[list[Any]]


def extract(rows: pd.DataFrame, patterns: Patterns = FULL, *, timeout: float | None = None) -> Extraction:
    r"""Extract every question of every row.

    Parameters
    ----------
    rows : pandas.DataFrame
        Cleaned rows: ``subject``, ``row``, ``阅读文本``, ``选项``, ``答案``.
    patterns : Patterns
        The regular expressions to use.
    timeout : float, optional
        Seconds that all searches together may take (for patterns that a learner typed).

    Returns
    -------
    Extraction
        Four frames. Every question of 选项 is in exactly one of ``questions``, ``short_answers``
        and ``problems``, and every row is in at least one of them.

    Raises
    ------
    KitError
        If a pattern is not valid, or the time is used up.

    Examples
    --------
    >>> rows = pd.DataFrame({"subject": ["语文"], "row": [0], "阅读文本": ["略"],
    ...     "选项": ["1.下列正确的一项是（3分）\nA.甲 B.乙 C.丙 D.丁"], "答案": ["1.B"]})
    >>> extract(rows).questions.loc[0, ["stem", "D", "answer"]].tolist()
    ['下列正确的一项是', '丁', 'B']
    """
    matcher = Matcher(patterns, timeout)
    parsed = [
        parse_row(*cells, matcher)
        for cells in zip(rows["subject"], rows["row"], rows["阅读文本"], rows["选项"], rows["答案"], strict=True)
    ]
    columns = (QUESTION_COLUMNS, SHORT_ANSWER_COLUMNS, PROBLEM_COLUMNS, NOTICE_COLUMNS)
    frames = [
        pd.DataFrame([line for row in parsed for line in row[part]], columns=names)
        for part, names in enumerate(columns)
    ]
    frames[2] = frames[2].astype({"position": "Int64", "number": "Int64"})  # whole-row faults have neither
    return Extraction(*frames)


def compare(rows: pd.DataFrame, extraction: Extraction, gold: list[dict[str, Any]] | None) -> pd.DataFrame:
    """Say of each row whether it is kept and whether it is right.

    Parameters
    ----------
    rows : pandas.DataFrame
        The rows that were parsed.
    extraction : Extraction
        What came of them.
    gold : list of dict or None
        As `workbook.read_gold` returns it.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject``, ``row``, ``kept`` (it has choice questions and no problem) and
        ``right``: an ok row equal to gold field by field, a problem row with exactly gold's codes.
        Without gold, ``right`` is ``<NA>``.
    """
    truth = {(line["subject"], line["row"]): line for line in gold or []}
    questions = _by_row(extraction.questions, QUESTION_COLUMNS[2:])
    shorts = _by_row(extraction.short_answers, SHORT_ANSWER_COLUMNS[2:])
    codes = _by_row(extraction.problems, ["code"])
    lines = []
    for key in zip(rows["subject"], rows["row"], strict=True):
        kept = key in questions and key not in codes
        right = pd.NA
        if (line := truth.get(key)) is not None:
            if line["status"] == "ok":
                right = kept and questions[key] == line["questions"]
                right = right and shorts.get(key, []) == line["short_answers"]
            else:
                right = {c["code"] for c in codes.get(key, [])} == set(line["problem_codes"])
        lines.append([*key, kept, right])
    frame = pd.DataFrame(lines, columns=["subject", "row", "kept", "right"])
    return frame.astype({"right": "boolean"})


def _by_row(frame: pd.DataFrame, columns: list[str]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the lines of a frame as dictionaries, by subject and row."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for subject, row, record in zip(frame["subject"], frame["row"], frame[columns].to_dict("records"), strict=True):
        grouped.setdefault((subject, row), []).append(record)
    return grouped


def parse_row(subject: str, row: int, passage: Any, options: Any, answers: Any, matcher: Matcher) -> Parsed:
    """Parse one row; `extract` without the frames.

    Parameters
    ----------
    subject, row
        Which row this is.
    passage, options, answers
        The three cells, cleaned.
    matcher : Matcher
        The compiled patterns.

    Returns
    -------
    Parsed
        Lists of field values, in the order of the frames' columns.
    """
    parsed = Parsed([], [], [], [])
    where = f"{sheet_name(subject)} 第 {row + FIRST_LINE} 行"

    def problem(position: int | None, number: int | None, column: str, code: str, advice: str) -> None:
        which = "" if position is None else f"第 {position + 1} 题"
        which += "" if number is None else f"（题号 {number}）"
        message = f"{where}“{column}”列{which}：{advice}"
        parsed.problems.append([subject, row, position, number, column, code, message])

    def notice(code: str, text: str) -> None:
        parsed.notices.append([subject, row, code, f"{where}：{text}"])

    if fault := _cell_fault(passage):
        problem(None, None, "阅读文本", *fault)
    if fault := _cell_fault(options):
        problem(None, None, "选项", *fault)
        return parsed
    options = _SCORE.sub("", options)
    answers_fault = _cell_fault(answers)
    answers = "" if answers_fault else answering.spread(answers, matcher)

    answer_marks = matcher.marks("answer", answers)
    option_marks = matcher.marks("option", options)
    question_marks = matcher.marks("question", options)
    printed = {int(mark.label) for mark in answer_marks if mark.place == LINE}
    first_options = [m.start for m in option_marks if m.label == "A" and (m.style != PLAIN or m.place != GLUED)]
    options_follow = have_between(question_marks, first_options)
    run = choose_run(question_marks, options_follow, printed, choices_only=subject == "英语")
    if not run:
        problem(None, None, "选项", "no_question", "找不到题号（如 1.）。请在每道题前面补上题号。")
        return parsed

    places = [mark.start for mark in option_marks]
    preamble = _one_line(options[: run[0].start], subject)
    before = option_marks[: bisect_left(places, run[0].start)]
    unnumbered = any(choose_options(options, run[0].start, before))
    if unnumbered:
        problem(0, None, "选项", "no_number", "第一题前面没有题号。请补上题号，如 1.。")
    elif preamble:
        notice("preamble", f"第一个题号前面的文字没有用到：{preamble[:30]}")
    found = []
    for mark, following in zip(run, [*run[1:], None], strict=True):
        end = following.start if following else len(options)
        inside = option_marks[bisect_left(places, mark.end) : bisect_left(places, end)]
        found.append((mark, *_split_question(options, mark.end, end, inside, subject)))

    numbers = [int(mark.label) for mark in run]
    replies, how = answering.match(answers, answer_marks, numbers, [kind for _, kind, _ in found])
    if how:
        notice(*how)
    for position, ((_, kind, part), number, reply) in enumerate(
        zip(found, numbers, replies, strict=True), int(unnumbered)
    ):
        key = [subject, row, position, number]
        letters, conflict = ([], False) if reply is None else answering.read_letters(reply, part, matcher)
        if kind == "short" and (subject == "英语" or (letters and reply is not None and len(reply.text) < 4)):
            kind, part = "missing_options", "没有找到 A–D 四个选项。请补上选项。"
        if kind not in ("choice", "short"):
            problem(position, number, "选项", kind, part)
        elif any(FORMAT_MARK.match(field) for field in part.values()):
            advice = "题干或选项的开头又是一个题号或“答案”。请核对这一题，把多出来的部分删掉。"
            problem(position, number, "选项", "format_mark", advice)
        elif answers_fault:
            problem(position, number, "答案", *answers_fault)
        elif reply is None:
            code = "no_reference" if kind == "short" else "no_answer"
            problem(position, number, "答案", code, f"没有第 {number} 题的答案。请在“答案”列补上。")
        elif kind == "short":
            parsed.short_answers.append([*key, part["stem"], _one_line(reply.text, subject)])
        elif conflict:
            problem(
                position,
                number,
                "答案",
                "conflicting_answers",
                "同一道题写了不同的答案。请只保留正确的一个。",
            )
        elif not letters:
            problem(
                position,
                number,
                "答案",
                "no_answer_letter",
                f"看不出选哪一项：{reply.text[:20]}。请写成 {number}.A 这样。",
            )
        elif len(letters) > 1:
            problem(
                position,
                number,
                "答案",
                "multiple_answers",
                f"有 {len(letters)} 个答案（{''.join(letters)}）。单选题请只留一个。",
            )
        elif letters[0] not in "ABCD":
            problem(
                position,
                number,
                "答案",
                "answer_not_an_option",
                f"答案是 {letters[0]}，但选项只有 A–D。请核对。",
            )
        else:
            parsed.questions.append([*key, part["stem"], *(part[x] for x in "ABCD"), letters[0]])
    if parsed.short_answers and not parsed.questions and not parsed.problems:
        problem(
            None,
            None,
            "选项",
            "no_choice_question",
            "只有简答题，没有选择题，不能做成训练样本。简答题已单独保存。",
        )
    return parsed


def _cell_fault(cell: Any) -> tuple[str, str] | None:
    """Return code and advice for a cell that holds no text, or None."""
    if isinstance(cell, str) and _FORMULA.match(cell) or type(cell).__module__.startswith("openpyxl"):
        return "formula", "这一格是公式，不是文字。请在 Excel 里“粘贴为数值”。"
    if isinstance(cell, str) and cell.strip():
        return None
    if isinstance(cell, str) or cell is None or pd.isna(cell):
        return "empty_cell", "这一格是空的。请补上内容。"
    return "not_text", f"这一格是数字或日期（{cell}），不是文字。请把单元格格式改成“文本”后重新输入。"


def _one_line(text: str, subject: str) -> str:
    """Return the text on one line: broken lines joined, no spaces at the ends."""
    if "\n" not in text:
        return text.strip()
    lines = [line for piece in text.split("\n") if (line := piece.strip())]
    joined = lines[0] if lines else ""
    for line in lines[1:]:
        joined += _glue(joined[-2:], line[0], subject) + line
    return joined


def _glue(before: str, after: str, subject: str) -> str:
    """Return what joins a broken line: a space between Latin words, nothing in Chinese text."""
    last = before[-1]
    if _WIDE.match(last) or _WIDE.match(after):
        return ""
    if last == "-" and before[:-1].isalpha():  # well-|known
        return ""
    if subject == "语文" and not (last.isalpha() or last in ",.;:!?)\"'"):
        return ""
    return " "


def _split_question(text: str, start: int, end: int, marks: list[Mark], subject: str) -> tuple[str, Any]:
    """Split a question into its stem and options.

    Returns
    -------
    tuple of str and object
        ``"choice"`` and the fields ``stem``, ``A`` … ``D``; or ``"short"`` and the field ``stem``;
        or a problem code and its advice.
    """
    chosen, fault = choose_options(text, end, marks)
    if fault:
        return fault
    ends = [mark.start for mark in chosen[1:]] + [end]
    part = {"stem": _one_line(text[start : chosen[0].start if chosen else end], subject)}
    for mark, stop in zip(chosen, ends, strict=False):
        part[mark.label] = _one_line(text[mark.end : stop], subject)
    empty = [name for name, field in part.items() if not field]
    if "stem" in empty:
        return "empty_stem", "题号后面没有题干。请补上题干。"
    if empty:
        return "missing_options", f"选项 {'、'.join(sorted(empty))} 是空的。请补上。"
    return ("choice" if chosen else "short"), part
