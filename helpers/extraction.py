r"""Turn cleaned rows into questions, short answers and problems (notebook 02).

Both subjects go the same way. In 选项, find what may be a question mark (``1.``) and choose the run
of them that makes sense; inside each question, find what may be an option mark (``A.``) and choose
the complete set; in 答案, find the run of answers and match them by number, or by order where the
numberings differ. Whatever stays doubtful becomes a line of ``problems``, never a guess.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from helpers import COLUMNS, KitError, textbook
from helpers import answers as answering
from helpers.answers import OPTION_LETTERS, Reply
from helpers.marks import FULL, LINE, PLAIN, Mark, Matcher, Patterns, choose_run, have_between
from helpers.options import choose_options
from helpers.textbook import one_line
from helpers.workbook import FIRST_LINE, sheet_name

QUESTION_COLUMNS = ["subject", "row", "position", "number", "stem", "A", "B", "C", "D", "answer"]
SHORT_ANSWER_COLUMNS = ["subject", "row", "position", "number", "stem", "reference"]
PROBLEM_COLUMNS = ["subject", "row", "position", "number", "column", "code", "message"]
NOTICE_COLUMNS = ["subject", "row", "code", "message"]


_SCORE_PART = r"(?:本|每|共|计|满|小|大|题|空|点|合|一)*(?:分值)? ?\d+(?:\.\d+)? ?(?:分|points?|marks?)"
_SCORE = re.compile(rf" ?[(（【\[] ?{_SCORE_PART}(?: ?[,，;；、] ?{_SCORE_PART}| each)* ?[)）】\]]")
_SCORE_HINT = re.compile(r"\d ?(?:分|point|mark)")
FORMAT_MARK = {
    "stem": re.compile(r"(?:答案|Answer)\s*[:：]|\d+\. "),
    **dict.fromkeys("ABCD", re.compile(r"(?:答案|Answer)\s*[:：]")),
}
_FORMAT_START = frozenset("答A0123456789")
"""What a field must not begin with: in the training text it would read like another part."""
_FORMULA = re.compile(r"=|#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)$")


PROBLEMS = {
    "empty_cell": "这一格是空的。请补上内容。",
    "not_text": "这一格是数字或日期（{cell}），不是文字。请把单元格格式改成“文本”后重新输入。",
    "formula": "这一格是公式，不是文字。请在 Excel 里“粘贴为数值”。",
    "no_question": "找不到题号（如 1.）。请在每道题前面补上题号。",
    "no_number": "第一题前面没有题号。请补上题号，如 1.。",
    "no_choice_question": "只有简答题，没有选择题，不能做成训练样本。这些简答题会单独放在一张表里。",
    "empty_stem": "题号后面没有题干。请补上题干。",
    "missing_options": "找不到选项 {letters}。请补上，或检查选项字母。",
    "extra_option": "选项多于四个（有 E）。单选题只能有 A–D，请核对这一题。",
    "ambiguous_options": "选项标记有不止一种读法（可能有字母重复，或漏了题号）。请核对 A–D 各出现一次。",
    "same_options": "有两个选项完全相同。请核对这一题的选项。",
    "format_mark": "题干或选项的开头又是一个题号或“答案”。请核对这一题，把多出来的部分删掉。",
    "no_answer": "没有第 {number} 题的答案。请在“答案”列补上。",
    "no_reference": "简答题没有参考答案。请在“答案”列补上第 {number} 题。",
    "no_answer_letter": "看不出选哪一项：{text}。请写成 {number}.A 这样。",
    "multiple_answers": "有 {count} 个答案（{letters}）。单选题请只留一个。",
    "conflicting_answers": "同一道题写了不同的答案。请只保留正确的一个。",
    "surplus_answers": "有第 {numbers} 题的答案，“选项”列里却找不到这道题。请核对题号。",
    "answer_not_an_option": "答案是 {letters}，但选项只有 A–D。请核对。",
}
"""Every problem code, with what the message says: what is wrong and what to do."""


class Extraction(NamedTuple):
    """What `extract` returns: four frames.

    ``(subject, row, position)`` is the key over ``questions``, ``short_answers`` and ``problems``
    together; ``notices`` says what was repaired without a doubt.
    """

    questions: pd.DataFrame
    short_answers: pd.DataFrame
    problems: pd.DataFrame
    notices: pd.DataFrame


class Span(NamedTuple):
    """A mark that was chosen, or only found, in a text."""

    start: int
    end: int
    role: str  # "number", "option", "answer"; "unused" if it was found but not chosen


def segments(text: str, spans: Iterable[Span]) -> list[tuple[str, str]]:
    """Cut a text at its marks: the role of each piece (empty between marks), and the piece.

    Where marks overlap, one that was chosen wins over one that was only found.
    """
    owner: list[Span | None] = [None] * len(text)
    for span in sorted(spans, key=lambda span: span.role != "unused"):
        owner[span.start : span.end] = [span] * (span.end - span.start)
    ends = [i for i in range(1, len(text)) if owner[i] is not owner[i - 1]] + [len(text)]
    starts = [0, *ends[:-1]] if text else []
    return [(span.role if (span := owner[i]) else "", text[i:end]) for i, end in zip(starts, ends, strict=False)]


class Parsed(NamedTuple):
    """One row, parsed: lists of field values, in the order of the column constants."""

    questions: list[list[Any]]
    short_answers: list[list[Any]]
    problems: list[list[Any]]
    notices: list[list[Any]]
    texts: dict[str, tuple[str, list[Span]]]
    """选项 and 答案 as they were searched, with the marks in them; only from a search with a time limit."""


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
    return collect(parse_rows(rows, patterns, timeout=timeout))


def parse_rows(rows: pd.DataFrame, patterns: Patterns = FULL, *, timeout: float | None = None) -> Iterator[Parsed]:
    """Parse row after row; the first half of `extract`, which with a time limit also tells where the marks are."""
    if not isinstance(rows, pd.DataFrame) or not set(COLUMNS) <= set(rows.columns):
        raise KitError("extract 要的是整张表：先 workbook.read_rows，再 cleaning.clean。")
    matcher = Matcher(patterns, timeout)
    columns = (rows[name] for name in ("subject", "row", "阅读文本", "选项", "答案"))
    return (parse_row(*cells, matcher) for cells in zip(*columns, strict=True))


def collect(parsed: Iterable[Parsed]) -> Extraction:
    """Put parsed rows together into the four frames; the second half of `extract`."""
    columns = (QUESTION_COLUMNS, SHORT_ANSWER_COLUMNS, PROBLEM_COLUMNS, NOTICE_COLUMNS)
    lines: tuple[list[list[Any]], ...] = ([], [], [], [])
    for row in parsed:
        for own, part in zip(lines, row, strict=False):
            own += part
    frames = [pd.DataFrame(own, columns=names) for own, names in zip(lines, columns, strict=True)]
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


OUTCOMES = {
    (True, True): "right",
    (True, False): "wrong",
    (False, True): "told",
    (False, False): "lost",
    (True, None): "kept",
    (False, None): "out",
}
"""Kept and right, in one word: ``told`` is a row rightly reported, ``lost`` one that should not have gone."""
OUTCOME_WORDS = {
    "right": "✓ 保留且正确",
    "wrong": "✗ 保留了却不对",
    "told": "○ 没有保留，该报告的都报告了",
    "lost": "– 没有保留，和标准答案不符",
    "kept": "✓ 保留（无标准答案）",
    "out": "– 没有保留",
}
"""What the outcomes are called: a sign, a space, words."""


def name_outcomes(table: pd.DataFrame) -> dict[tuple[str, int], str]:
    """Return what became of each row, a value of ``OUTCOMES`` by subject and row, from what `compare` returned."""
    columns = (table[name] for name in ("subject", "row", "kept", "right"))
    return {
        (subject, row): OUTCOMES[bool(kept), None if right is pd.NA else bool(right)]
        for subject, row, kept, right in zip(*columns, strict=True)
    }


def count_outcomes(outcomes: Mapping[tuple[str, int], str]) -> tuple[int, int | None]:
    """Return how many rows are kept, and how many of them are right (None without gold)."""
    n = Counter(outcomes.values())
    return n["right"] + n["wrong"] + n["kept"], None if n["kept"] + n["out"] else n["right"]


def find_changes(
    before: Mapping[tuple[str, int], str], after: Mapping[tuple[str, int], str]
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the rows that are won and those that are lost from one version to another."""
    good = {"right", "kept"}
    changed = [key for key in after if key in before and (before[key] in good) != (after[key] in good)]
    return [key for key in changed if after[key] in good], [key for key in changed if after[key] not in good]


def first_difference(questions: list[list[Any]], truth: dict[str, Any]) -> str:
    """Say where the questions of a kept row first differ from gold's line about it, in Chinese."""
    if truth["status"] != "ok":
        return "这一行没法判断，不该保留。"
    if len(questions) != len(truth["questions"]):
        return f"读出 {len(questions)} 道选择题，标准答案有 {len(truth['questions'])} 道。"
    words = {"stem": "题干", **{letter: f"选项 {letter}" for letter in "ABCD"}, "answer": "答案", "number": "题号"}
    for i, (found, wanted) in enumerate(zip(questions, truth["questions"], strict=True), 1):
        own = dict(zip(QUESTION_COLUMNS, found, strict=True))
        for name, word in words.items():
            if own[name] != wanted[name]:
                return f"第 {i} 题的{word}读成“{own[name]}”，应当是“{wanted[name]}”。"
    return "选择题都对，简答题和标准答案不同。"


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
        Lists of field values, in the order of the frames' columns, and the marks in the texts.
    """
    return _RowParser(subject, row, matcher).parse(passage, options, answers)


class _RowParser:
    """The parsing of one row, step by step."""

    def __init__(self, subject: str, row: int, matcher: Matcher):
        self.subject, self.row, self.matcher = subject, row, matcher
        self.parsed = Parsed([], [], [], [], {})

    def parse(self, passage: Any, options: Any, answers: Any) -> Parsed:
        if code := _cell_fault(passage):
            self.problem(code, "阅读文本", cell=passage)
        if code := _cell_fault(options):
            self.problem(code, "选项", cell=options)
            return self.parsed
        options = _SCORE.sub("", options) if _SCORE_HINT.search(options) else options
        fault = _cell_fault(answers)
        found = textbook.split_questions(options) if self.matcher.whole else None
        replies = textbook.split_answers(answers, *found) if found and not fault else None
        numbers, parts = (found[0], [_fields(texts, self.subject) for texts in found[1]]) if found else ([], [])
        unnumbered = False
        if replies is None:
            text = "" if fault else answering.spread(answers, self.matcher)
            marks = self.matcher.marks("answer", text)
            if not found:
                printed = {int(m.label) for m in marks if m.place == LINE or text[m.end : m.end + 1] in OPTION_LETTERS}
                numbers, parts = self.split(options, printed)
            if not numbers:
                return self.parsed
            replies, repaired = answering.match(text, marks, numbers, [kind for kind, _ in parts])
            unnumbered = any(line[5] == "no_number" for line in self.parsed.problems)
            if repaired and repaired[0] == "surplus_answers":
                if not unnumbered:
                    self.problem("surplus_answers", "答案", numbers=repaired[1])
            elif repaired:
                self.notice(*repaired)
            if not self.matcher.whole:
                chosen = {reply.start for reply in replies if reply}
                self.parsed.texts["答案"] = (text, [_span(m, "answer", m.start in chosen) for m in marks])
        for position, (number, part, reply) in enumerate(zip(numbers, parts, replies, strict=True), int(unnumbered)):
            if fault and part[0] in ("choice", "short"):
                self.problem(fault, "答案", position, number, cell=answers)
            else:
                self.judge(position, number, *part, reply)
        if self.parsed.short_answers and not self.parsed.questions and not self.parsed.problems:
            self.problem("no_choice_question", "选项")
        return self.parsed

    def split(self, options: str, printed: set[int]) -> tuple[list[int], list[tuple[str, dict[str, str]]]]:
        """Find the questions of 选项; return their numbers and, for each, its kind and fields."""
        option_marks = self.matcher.marks("option", options)
        question_marks = self.matcher.marks("question", options)
        first_options = [
            m.start
            for m in option_marks
            if m.label == "A" and (m.place == LINE or m.style != PLAIN and options[m.start - 1] != ".")
        ]
        options_follow = have_between(question_marks, first_options)
        run = choose_run(question_marks, options_follow, printed, choices_only=self.subject == "英语")
        chosen = {mark.start for mark in run}
        places = [mark.start for mark in option_marks]
        starts = [*(mark.start for mark in run), len(options)]
        before = option_marks[: bisect_left(places, starts[0])]
        if not run:
            self.problem("no_question", "选项")
        elif before and any(choose_options(options, starts[0], before)):
            self.problem("no_number", "选项", 0)
        elif preamble := one_line(options[: starts[0]], self.subject):
            self.notice("preamble", f"第一个题号前面的文字没有用到：{preamble[:30]}")
        parts, used = [], set()
        for mark, end in zip(run, starts[1:], strict=True):
            inside = option_marks[bisect_left(places, mark.end) : bisect_left(places, end)]
            letters, fault = choose_options(options, end, inside)
            used.update(letter.start for letter in letters)
            ends = [letter.start for letter in letters[1:]] + [end]
            texts = {"stem": options[mark.end : letters[0].start if letters else end]}
            texts |= {own.label: options[own.end : stop] for own, stop in zip(letters, ends, strict=False)}
            parts.append(fault or _fields(texts, self.subject))
        if not self.matcher.whole:
            spans = [_span(mark, "number", mark.start in chosen) for mark in question_marks]
            spans += [_span(mark, "option", mark.start in used) for mark in option_marks]
            self.parsed.texts["选项"] = (options, sorted(spans))
        return [int(mark.label) for mark in run], parts

    def judge(self, position: int, number: int, kind: str, fields: dict[str, str], reply: Reply | None) -> None:
        """Put one question where it belongs: questions, short answers or problems."""
        letters, conflict = ([], False) if reply is None else answering.read_letters(reply, fields, self.matcher)
        if kind == "short" and (self.subject == "英语" or (letters and answering.LETTER_FIRST.match(reply.text))):
            kind, fields = "missing_options", {"letters": "A、B、C、D"}
        text = reply.text if reply else ""
        if kind not in ("choice", "short"):
            self.problem(kind, "选项", position, number, **fields)
        elif any(FORMAT_MARK[name].match(field) for name, field in fields.items() if field[0] in _FORMAT_START):
            self.problem("format_mark", "选项", position, number)
        elif kind == "choice" and len({fields["A"], fields["B"], fields["C"], fields["D"]}) < 4:
            self.problem("same_options", "选项", position, number)
        elif kind == "short" and reply:
            reference = one_line(text, self.subject)
            self.parsed.short_answers.append([self.subject, self.row, position, number, fields["stem"], reference])
        elif kind == "choice" and len(letters) == 1 and letters[0] in "ABCD" and not conflict:
            texts = [fields["stem"], fields["A"], fields["B"], fields["C"], fields["D"]]
            self.parsed.questions.append([self.subject, self.row, position, number, *texts, letters[0]])
        else:
            code = (
                "no_reference" if kind == "short"
                else "no_answer" if reply is None
                else "conflicting_answers" if conflict
                else "no_answer_letter" if not letters
                else "multiple_answers" if len(letters) > 1
                else "answer_not_an_option"
            )  # fmt: skip
            named = {"text": text[:20], "letters": "".join(letters), "count": len(letters)}
            self.problem(code, "答案", position, number, **named)

    def problem(self, code: str, column: str, position: int | None = None, number: int | None = None, **named) -> None:
        """Note a problem; its message names the file, the line, the column and the question."""
        which = "" if position is None else f"第 {position + 1} 题"
        which += "" if number is None else f"（题号 {number}）"
        message = f"{self.where()}“{column}”列{which}：{PROBLEMS[code].format(number=number, **named)}"
        self.parsed.problems.append([self.subject, self.row, position, number, column, code, message])

    def where(self) -> str:
        """Return which row this is, as Excel counts."""
        return f"{sheet_name(self.subject)} 第 {self.row + FIRST_LINE} 行"

    def notice(self, code: str, text: str) -> None:
        """Note something that was repaired without a doubt."""
        self.parsed.notices.append([self.subject, self.row, code, f"{self.where()}：{text}"])


def _span(mark: Mark, role: str, chosen: bool) -> Span:
    return Span(mark.start, mark.end, role if chosen else "unused")


def _cell_fault(cell: Any) -> str | None:
    """Return the problem code of a cell that holds no text, or None."""
    if isinstance(cell, str) and _FORMULA.match(cell) or type(cell).__module__.startswith("openpyxl"):
        return "formula"
    if isinstance(cell, str) and cell.strip():
        return None
    return "empty_cell" if isinstance(cell, str) or cell is None or pd.isna(cell) else "not_text"


def _fields(texts: dict[str, str], subject: str) -> tuple[str, dict[str, str]]:
    """Put the texts of a question on one line each.

    Returns
    -------
    tuple of str and dict
        ``"choice"`` and the fields ``stem``, ``A`` … ``D``; or ``"short"`` and the field ``stem``;
        or a problem code and what its message names.
    """
    fields = {name: one_line(text, subject) for name, text in texts.items()}
    if not fields["stem"]:
        return "empty_stem", {}
    if not all(fields.values()):
        empty = sorted(name for name, field in fields.items() if not field)
        return "missing_options", {"letters": "、".join(empty)}
    return ("choice" if "A" in fields else "short"), fields
