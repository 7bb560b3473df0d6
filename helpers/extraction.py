r"""Find questions, options and answers with patterns that are data (notebook 02).

Both subjects go the same way. In 选项, find what may be a question mark (``1.``) and choose the run
of them that makes sense; inside each question, find what may be an option mark (``A.``) and choose
the complete set; in 答案, find the run of answers and match them by number, or by order where the
numberings differ. Whatever stays doubtful becomes a line of ``problems``, never a guess.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, fields
from itertools import pairwise, product
from time import monotonic
from typing import Any, NamedTuple

import pandas as pd
import regex

from helpers import KitError
from helpers.workbook import FIRST_LINE, sheet_name

QUESTION_COLUMNS = ["subject", "row", "position", "number", "stem", "A", "B", "C", "D", "answer"]
SHORT_ANSWER_COLUMNS = ["subject", "row", "position", "number", "stem", "reference"]
PROBLEM_COLUMNS = ["subject", "row", "position", "number", "column", "code", "message"]
NOTICE_COLUMNS = ["subject", "row", "code", "message"]


@dataclass(frozen=True)
class Patterns:
    """The regular expressions of the extraction, as data.

    Parameters
    ----------
    question : str
        A question mark; the first group that takes part is its number.
    option : str
        An option mark; the first group that takes part is its letter.
    answer : str
        An answer mark; the first group that takes part is the number. A second one is the answer's
        letter; without it the letter is read from the text that follows.
    answer_range : str
        Answers given for several numbers at once (``21-23 BAC``): groups ``first``, ``last``,
        ``letters``. Empty: not used.
    conclusion : str
        How an explanation names its answer (``故选B``): group ``letters``. Empty: not used.
    """

    question: str
    option: str
    answer: str
    answer_range: str = ""
    conclusion: str = ""


_HAN = r"\u3400-\u9fff"
_LETTERS = r"(?P<letters>[A-G](?: ?[、,，和与]? ?[A-G])*)(?![A-Za-z])"
FULL = Patterns(
    question=r"(?:第 ?(\d{1,4}) ?题 ?[.、:：)）]?"
    r"|[(（【\[] ?(\d{1,4}) ?[)）】\]][.、]?"
    r"|(?<![\d.])(\d{1,4}) ?(?:[.、)）:：](?!\d)|\.(?=(?:1\d|20)\d\d年|\d\d世纪)))\s*",
    option=r"(?:[(（【\[] ?([A-G]) ?[)）】\]][.、:：]?"
    r"|([A-G]) ?[.、:：)）]"
    rf"|(?<![A-Za-z])([A-G])(?=[\s{_HAN}“‘《]|[A-Z][a-z]))\s*",
    answer=r"(?:[(（【\[]? ?第? ?(\d{1,4}) ?题 ?(?:详解|解析|答案)? ?[)）】\]]?[.、:：]?"
    r"|[(（【\[] ?(\d{1,4}) ?[)）】\]][.、]?"
    r"|(?<![\d.])(\d{1,4}) ?(?:[.、)）:：](?!\d)|(?=[A-G](?![A-Za-z]))))\s*",
    answer_range=r"(?<![\d.])(?P<first>\d{1,4}) ?(?:-|–|—+|~|～|至|到) ?(?P<last>\d{1,4}) ?题?[.、:：]? ?"
    r"(?P<letters>[A-G](?:[ 、,，]?[A-G])+)(?![A-Za-z])",
    conclusion=r"(?:故本?题?(?:答案)?(?:应|要)?选择?|(?:因此|所以|应该?|本题)选择?|答案(?:应|是|为|选)+|答案[:：]"
    r"|[Aa]nswer(?: is|:))[:：]? ?" + _LETTERS,
)
"""The patterns for everything that the sheets are known to hold."""

_SCORE_PART = r"(?:本|每|共|计|满|小|大|题|空|点|合|一)*(?:分值)? ?\d+(?:\.\d+)? ?(?:分|points?|marks?)"
_SCORE = re.compile(rf" ?[(（【\[] ?{_SCORE_PART}(?: ?[,，;；、] ?{_SCORE_PART}| each)* ?[)）】\]]")
_LEADING_LETTERS = re.compile(
    r"(?:【?(?:正确)?答案】?|[Aa]nswer|选)? ?[:：]? ?[(（【]? ?" + _LETTERS + r" ?[)）】]?"
)
_AS_SUBJECT = re.compile(r" ?(?:[两三]?[个]?选?项|[、，][^。\n]{0,20}项)")
_TABLE = re.compile(
    r"(?m)^(?:题号)?[ :：|]*(?P<numbers>\d+(?:[ |]+\d+)+)[ |]*\n(?:答案)?[ :：|]*(?P<letters>[A-G](?:[ |]*[A-G])+)[ |]*$"
)
_ANSWER_HEADING = re.compile(r"【?(?:参考)?答案】?[:：]?\s*")
_BARE_LETTERS = re.compile(r"[A-G](?:[\s,，、;；]*[A-G])*[\s.。]*")
_INITIALS = re.compile(r"(?:[A-Z]\. ?){2,}(?=[A-Z][a-z])")
_FORMULA = re.compile(r"= ?[A-Z][A-Z.]*\(")
_WIDE = re.compile(rf"[{_HAN}\u2014\u2026\u2018-\u201d\u2460-\u24ff\u3000-\u303f\uff01-\uff65]")

_LETTER = re.compile("[A-G]")
_NUMBER = re.compile(r"\d{1,9}")
_OPTION_LETTERS = frozenset("ABCDEFG")

LINE, SPACE, GLUED = "line", "space", "glued"
PLAIN, DOT, BRACKET, WORD = "plain", "dot", "bracket", "word"


class Mark(NamedTuple):
    """Something that may start a question, an option or an answer."""

    start: int
    end: int
    label: str  # the number or the letter
    place: str  # where it stands: at the start of a line, behind a space, glued to the text before
    style: str  # what comes with it: nothing, a dot (or comma, colon), a bracket, the word 题
    letter: str | None  # the answer letter, where the pattern reads it


class Reply(NamedTuple):
    """What 答案 says about one question."""

    text: str
    letter: str | None


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


class Matcher:
    """Patterns compiled once, with one time budget for all their searches.

    Parameters
    ----------
    patterns : Patterns
        The patterns to compile.
    timeout : float, optional
        Seconds that all searches together may take. With a limit, the package ``regex`` does the
        searching, because it can be stopped; without one, ``re`` does, because it is faster.

    Raises
    ------
    KitError
        If a pattern is not a valid regular expression; the message names the pattern and the place.
    """

    def __init__(self, patterns: Patterns, timeout: float | None = None):
        self.deadline = None if timeout is None else monotonic() + timeout
        engine = re if timeout is None else regex
        self.compiled = {
            f.name: _compile(engine, f.name, getattr(patterns, f.name)) for f in fields(patterns)
        }

    def find(self, name: str, text: str) -> list[re.Match[str]]:
        """Return all matches of one of the patterns; raise KitError when the time is used up."""
        pattern = self.compiled[name]
        if pattern is None:
            return []
        if self.deadline is None:
            return list(pattern.finditer(text))
        try:
            return list(pattern.finditer(text, timeout=max(self.deadline - monotonic(), 1e-6)))
        except TimeoutError as error:
            raise KitError(
                f"{PATTERN_NAMES[name]}的正则表达式太慢:{pattern.pattern}。"
                "常见原因是括号里外都有 + 或 *,例如 (a+)+。"
            ) from error

    def marks(self, name: str, text: str) -> list[Mark]:
        """Return all matches of a mark pattern that are not empty, in order."""
        form = _LETTER if name == "option" else _NUMBER
        found = []
        for match in self.find(name, text):
            start, end = match.span()
            if start == end:
                continue
            taken = [group for group in match.groups() if group]
            label = taken[0] if taken else match[0]
            if not (label.isdigit() if form is _NUMBER else len(label) == 1):
                inner = form.search(label)  # a learner's group may hold the dot as well
                if not inner:
                    continue
                label = inner[0]
            before = text[start - 1] if start else "\n"
            place = LINE if before == "\n" else SPACE if before == " " else GLUED
            letter = taken[1] if len(taken) > 1 and name == "answer" else None
            found.append(Mark(start, end, label, place, _style(match[0], label), letter))
        return found


def _style(matched: str, label: str) -> str:
    if matched[0] == label[0]:
        return PLAIN if matched.rstrip() == label else WORD if "题" in matched else DOT
    return WORD if "题" in matched else BRACKET


PATTERN_NAMES = {
    "question": "题号",
    "option": "选项标记",
    "answer": "答案标记",
    "answer_range": "答案区间",
    "conclusion": "结论句",
}


def _compile(engine: Any, name: str, pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        return engine.compile(pattern, engine.MULTILINE)
    except engine.error as error:
        place = "" if error.pos is None else f",第 {error.pos + 1} 个字符处"
        raise KitError(f"{PATTERN_NAMES[name]}的正则表达式写错了{place}:{error.msg}。") from error


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
        for cells in zip(
            rows["subject"], rows["row"], rows["阅读文本"], rows["选项"], rows["答案"], strict=True
        )
    ]
    columns = (QUESTION_COLUMNS, SHORT_ANSWER_COLUMNS, PROBLEM_COLUMNS, NOTICE_COLUMNS)
    frames = [
        pd.DataFrame([line for row in parsed for line in row[part]], columns=names)
        for part, names in enumerate(columns)
    ]
    frames[2] = frames[2].astype({"position": "Int64", "number": "Int64"})  # whole-row faults have neither
    return Extraction(*frames)


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
        which = (
            "" if position is None else f"第 {position + 1} 题(题号 {number})" if number is not None else ""
        )
        message = f"{where}“{column}”列{which}:{advice}"
        parsed.problems.append([subject, row, position, number, column, code, message])

    def notice(code: str, text: str) -> None:
        parsed.notices.append([subject, row, code, f"{where}:{text}"])

    if fault := _cell_fault(passage):
        problem(None, None, "阅读文本", *fault)
    if fault := _cell_fault(options):
        problem(None, None, "选项", *fault)
        return parsed
    answers_fault = _cell_fault(answers)
    answers = "" if answers_fault else _spread_answers(answers, matcher)

    answer_marks = matcher.marks("answer", answers)
    option_marks = matcher.marks("option", options)
    question_marks = matcher.marks("question", options)
    printed = {int(mark.label) for mark in answer_marks if mark.place == LINE}
    options_follow = _have_between(
        question_marks, [m.start for m in option_marks if m.label == "A" and m.style != PLAIN]
    )
    run = _choose_run(question_marks, options_follow, printed, choices_only=subject == "英语")
    if not run:
        problem(None, None, "选项", "no_question", "找不到题号(如 1.)。请在每道题前面补上题号。")
        return parsed

    preamble = _one_line(options[: run[0].start], subject)
    if preamble:
        notice("preamble", f"第一个题号前面的文字没有用到:{preamble[:30]}")
    places = [mark.start for mark in option_marks]
    found = []
    for mark, following in zip(run, [*run[1:], None], strict=True):
        end = following.start if following else len(options)
        inside = option_marks[bisect_left(places, mark.end) : bisect_left(places, end)]
        found.append((mark, *_split_question(options, mark.end, end, inside, subject)))

    numbers = [int(mark.label) for mark in run]
    replies, how = _match_answers(answers, answer_marks, numbers, [kind for _, kind, _ in found])
    if how:
        notice(*how)
    for position, ((_, kind, part), number, reply) in enumerate(zip(found, numbers, replies, strict=True)):
        key = [subject, row, position, number]
        letters, conflict = ([], False) if reply is None else _read_letters(reply, part, matcher)
        if kind == "short" and (subject == "英语" or (letters and reply is not None and len(reply.text) < 4)):
            kind, part = "missing_options", "没有找到 A–D 四个选项。请补上选项。"
        if kind not in ("choice", "short"):
            problem(position, number, "选项", kind, part)
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
                f"看不出选哪一项:{reply.text[:20]}。请写成 {number}.A 这样。",
            )
        elif len(letters) > 1:
            problem(
                position,
                number,
                "答案",
                "multiple_answers",
                f"有 {len(letters)} 个答案({''.join(letters)})。单选题请只留一个。",
            )
        elif letters[0] not in "ABCD":
            problem(
                position,
                number,
                "答案",
                "answer_not_an_option",
                f"答案是 {letters[0]},但选项只有 A–D。请核对。",
            )
        else:
            parsed.questions.append([*key, part["stem"], *(part[x] for x in "ABCD"), letters[0]])
    if parsed.short_answers and not parsed.questions and not parsed.problems:
        problem(
            None,
            None,
            "选项",
            "no_choice_question",
            "只有简答题,没有选择题,不能做成训练样本。简答题已单独保存。",
        )
    return parsed


def _cell_fault(cell: Any) -> tuple[str, str] | None:
    """Return code and advice for a cell that holds no text, or None."""
    if isinstance(cell, str):
        if not cell.strip():
            return "empty_cell", "这一格是空的。请补上内容。"
        if _FORMULA.match(cell):
            return "formula", "这一格是公式,不是文字。请在 Excel 里“粘贴为数值”。"
        return None
    if cell is None or pd.isna(cell):
        return "empty_cell", "这一格是空的。请补上内容。"
    return "not_text", f"这一格是数字或日期({cell}),不是文字。请把单元格格式改成“文本”后重新输入。"


def _one_line(text: str, subject: str) -> str:
    """Return the normal form: no score marks, broken lines joined, no spaces at the ends."""
    if "分" in text or "point" in text or "mark" in text:
        text = _SCORE.sub("", text)
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


STEP, SAME, JUMP, BACK, LEAP = 3.0, -1.0, -1.0, -4.0, -6.0
"""What a link of a run is worth: to the next number, the same, a little further, back, far away."""


def _choose_run(
    marks: list[Mark], likely: list[bool], printed: set[int], *, choices_only: bool = False
) -> list[Mark]:
    """Choose the run of number marks that makes most sense, by dynamic programming.

    Parameters
    ----------
    marks : list of Mark
        Every place that looks like a number mark, in order.
    likely : list of bool
        Whether a mark is followed by what a true one would be followed by: an option A, an
        answer letter.
    printed : set of int
        Numbers that the other column prints.
    choices_only : bool
        Whether a true mark must be ``likely`` (英语 has no short answers).

    Returns
    -------
    list of Mark
        The run of highest score: marks at line starts, numbers that count up, numbers that the
        other column has. ``2019.`` in a sentence, ``(1)`` in a short answer cost more than they earn.
    """
    numbers = [int(mark.label) for mark in marks]
    if all(m.place == LINE for m in marks) and all(b == a + 1 for a, b in pairwise(numbers)):
        return marks
    usual = next((mark.style for mark in marks if mark.place == LINE), DOT)
    scores: list[float] = []
    back: list[int] = []
    for i, (mark, number) in enumerate(zip(marks, numbers, strict=True)):
        stranger = mark.style != usual and BRACKET in (mark.style, usual) and mark.style != WORD
        worth = 2.0 if mark.place == LINE else -4.0 if mark.place == SPACE else -5.0
        if likely[i]:
            worth += 1.0 if mark.place == LINE else 3.0
        if stranger:
            worth -= 1.5
        elif number in printed:
            worth += 2.0
        best, origin = 0.0, -1
        for j in range(max(0, i - 40), i):
            step = number - numbers[j]
            link = STEP if step == 1 else SAME if step == 0 else JUMP if 0 < step <= 20 else LEAP
            if step < 0:  # explanations (【1题详解】) may follow a list of answers
                link = JUMP if mark.style == WORD != marks[j].style else BACK
            if link != STEP and choices_only and not likely[i]:
                link -= 4.0
            if stranger and step < 0:
                link *= 3
            if scores[j] + link > best:
                best, origin = scores[j] + link, j
        scores.append(best + worth)
        back.append(origin)
    at = max(range(len(marks)), key=scores.__getitem__, default=-1)
    if at < 0 or scores[at] <= 0:
        return []
    run = []
    while at >= 0:
        run.append(marks[at])
        at = back[at]
    return run[::-1]


def _have_between(marks: list[Mark], places: list[int]) -> list[bool]:
    """Return, for each mark, whether one of the sorted places lies before the next mark."""
    ends = [mark.start for mark in marks[1:]] + [10**12]
    return [bisect_left(places, m.end) < bisect_left(places, e) for m, e in zip(marks, ends, strict=True)]


def _split_question(text: str, start: int, end: int, marks: list[Mark], subject: str) -> tuple[str, Any]:
    """Split a question into its stem and options.

    Returns
    -------
    tuple of str and object
        ``"choice"`` and the fields ``stem``, ``A`` … ``D``; or ``"short"`` and the field ``stem``;
        or a problem code and its advice.
    """
    chosen, fault = _choose_options(text, end, marks)
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


_FIVE = ("extra_option", "选项多于四个(有 E)。单选题只能有 A–D,请核对这一题。")
_AMBIGUOUS = (
    "ambiguous_options",
    "选项标记有不止一种读法(可能有字母重复,或漏了题号)。请核对 A–D 各出现一次。",
)


def _choose_options(text: str, end: int, marks: list[Mark]) -> tuple[list[Mark], tuple[str, str] | None]:
    """Choose the complete set of option marks of one question, in the order of the text.

    Returns
    -------
    tuple
        Four marks and None; or no marks and None, if this is no choice question; or no marks and
        the fault.
    """
    firm = [m for m in marks if m.place == LINE and m.style != PLAIN]
    if sorted(m.label for m in firm) == ["A", "B", "C", "D"]:
        return firm, None
    weights = _option_weights(text, marks)
    by_letter = {
        letter: sorted((m for m in marks if m.label == letter), key=lambda m: -weights[m])[:4]
        for letter in "ABCDE"
    }
    missing = [letter for letter in "ABCD" if not by_letter[letter]]
    if missing:
        present = {m.label for m in marks if weights[m] >= 4 and m.label in "ABCD"}
        if len(present) < 2:
            return [], None
        return [], ("missing_options", f"找不到选项 {'、'.join(missing)}。请补上,或检查选项字母。")
    ranked = sorted(
        (
            (score, chosen)
            for combination in product(*(by_letter[letter] for letter in "ABCD"))
            if (score := _score_set(chosen := sorted(combination), text, end, marks, weights)) is not None
        ),
        key=lambda pair: -pair[0],
    )
    if not ranked or ranked[0][0] < 8:
        return [], None
    if len(ranked) > 1 and ranked[0][0] - ranked[1][0] < 1:
        return [], _AMBIGUOUS
    chosen = ranked[0][1]
    least = min(weights[m] for m in chosen)
    fifth = [m for m in by_letter["E"] if weights[m] >= least and m.start > chosen[0].start]
    if fifth and text[fifth[0].end : end].strip():
        return [], _FIVE
    return chosen, None


def _option_weights(text: str, marks: list[Mark]) -> dict[Mark, float]:
    """Return how much each mark looks like an option mark."""
    weights: dict[Mark, float] = {}
    for mark in marks:
        if mark.style == PLAIN:
            weight = {LINE: 5.0, SPACE: 2.0, GLUED: 1.0}[mark.place]
        elif mark.place == GLUED:
            before = text[mark.start - 1]
            weight = 1.0 if before.isupper() else 3.0 if before.isascii() else 4.0
        else:
            weight = {LINE: 8.0, SPACE: 5.0}[mark.place]
        if text[mark.start : mark.end].rstrip()[-1] in ")）" and mark.style == DOT:
            line = text[max(0, mark.start - 40) : mark.start].rsplit("\n", 1)[-1]
            if re.search(r"[(（][^()（）]*$", line):  # the bracket of “(Class B)”, not of “B)”
                weight -= 6.0
        weights[mark] = weight
    for initials in _INITIALS.finditer(text, marks[0].start if marks else 0, marks[-1].end if marks else 0):
        for mark in marks:  # in “B. C. D. Roosevelt” only B may be an option
            if initials.start() < mark.start < initials.end() and mark.place != LINE:
                weights[mark] -= 3.0
    return weights


def _score_set(
    chosen: list[Mark], text: str, end: int, marks: list[Mark], weights: dict[Mark, float]
) -> float | None:
    """Return how well four marks go together, or None if an option between them would be empty."""
    if (
        any(after.start <= mark.end for mark, after in pairwise(chosen))
        or not text[chosen[-1].end : end].strip()
    ):
        return None
    score = sum(weights[mark] for mark in chosen)
    score += 3.0 * all(a.label < b.label for a, b in pairwise(chosen))
    score += 2.0 * (len({mark.place for mark in chosen[1:]}) == 1)
    score += 1.0 * (len({mark.style for mark in chosen}) == 1)
    # an option whose text begins with another firm mark was probably cut in the wrong place
    others = {m.start for m in marks if m.style != PLAIN and m not in chosen}
    return score - 3.0 * sum(mark.end in others for mark in chosen)


def _spread_answers(text: str, matcher: Matcher) -> str:
    """Return 答案 with its heading cut off and tables and ranges written out, one answer a line."""
    heading = _ANSWER_HEADING.match(text)
    text = text[heading.end() :] if heading else text

    def one_a_line(match: re.Match, numbers: list[int]) -> str:
        letters = re.findall("[A-G]", match["letters"])
        if len(letters) != len(numbers):
            return match[0]
        return "\n" + "\n".join(f"{n}.{letter}" for n, letter in zip(numbers, letters, strict=True)) + "\n"

    text = _TABLE.sub(lambda m: one_a_line(m, [int(n) for n in m["numbers"].split() if n.isdigit()]), text)
    for match in reversed(matcher.find("answer_range", text)):
        numbers = list(range(int(match["first"]), min(int(match["last"]), int(match["first"]) + 99) + 1))
        text = text[: match.start()] + one_a_line(match, numbers) + text[match.end() :]
    return text


def _match_answers(
    text: str, marks: list[Mark], numbers: list[int], kinds: list[str]
) -> tuple[list[Reply | None], tuple[str, str] | None]:
    """Give each question its answer: by number, or by order where the numberings differ.

    Parameters
    ----------
    text : str
        答案, one answer a line where possible.
    marks : list of Mark
        The candidates for answer marks.
    numbers, kinds
        The printed number and the kind (``"short"`` or other) of every question.

    Returns
    -------
    list of Reply or None
        One for each question; None where there is no answer.
    tuple of str or None
        Code and text of a notice, if something was repaired.
    """
    answered = [bool(_LEADING_LETTERS.match(text, mark.end)) for mark in marks]
    run = _complete_run(_choose_run(marks, answered, set(numbers)), marks, answered, numbers)
    choices = [i for i, kind in enumerate(kinds) if kind != "short"]
    replies: list[Reply | None] = [None] * len(numbers)
    if not run:
        letters = re.findall("[A-G]", text) if _BARE_LETTERS.fullmatch(text.strip()) else []
        if letters and len(letters) == len(choices):
            for i, letter in zip(choices, letters, strict=True):
                replies[i] = Reply(letter, None)
            return replies, ("matched_by_order", "答案没有题号,已按先后顺序与题目对应。")
        return replies, None

    ends = [mark.start for mark in run[1:]] + [len(text)]
    given = [Reply(text[m.end : end].strip(), m.letter) for m, end in zip(run, ends, strict=True)]
    by_number: defaultdict[int, list[Reply]] = defaultdict(list)
    for mark, reply in zip(run, given, strict=True):
        by_number[int(mark.label)].append(reply)
    printed_once = len(set(numbers)) == len(numbers)
    complete = printed_once and set(numbers) <= by_number.keys()
    partial = printed_once and by_number.keys() < set(numbers) and len(by_number) == len(run)
    letters_only = [bool(_BARE_LETTERS.fullmatch(reply.text)) for reply in given]
    if (
        partial
        and len(run) == len(choices)
        and all(letters_only)
        and by_number.keys() != {numbers[i] for i in choices}
    ):
        partial = False  # the answers count the choice questions only
    if complete or partial:
        for i, (number, kind) in enumerate(zip(numbers, kinds, strict=True)):
            mine = by_number.get(number, [])
            if mine:  # an answer list and explanations after it both name the number
                replies[i] = Reply(
                    "\n".join(r.text for r in (mine[:1] if kind == "short" else mine)), mine[0].letter
                )
        surplus = sorted(by_number.keys() - set(numbers))
        if surplus:
            return replies, (
                "surplus_answers",
                f"答案里多出题号 {'、'.join(map(str, surplus))},没有对应的题目,已略过。",
            )
        return replies, None
    counted = [int(mark.label) for mark in run]
    if counted not in (numbers, sorted(counted)):
        return replies, None
    if len(run) == len(numbers):
        replies = list(given)
    elif len(run) == len(choices):
        for i, reply in zip(choices, given, strict=True):
            replies[i] = reply
    else:
        return replies, None
    return replies, None if counted == numbers else (
        "matched_by_order",
        "题目和答案的编号不一致,已按先后顺序对应。",
    )


def _complete_run(run: list[Mark], marks: list[Mark], likely: list[bool], numbers: list[int]) -> list[Mark]:
    """Add the answers that stand out of order: a number that the run lacks and that stands only once."""
    wanted = {str(n) for n in numbers} - {mark.label for mark in run}
    if not run or not wanted:
        return run
    firm = [
        m
        for m, letter in zip(marks, likely, strict=True)
        if m.label in wanted and (letter or m.place == LINE)
    ]
    times = Counter(mark.label for mark in firm)
    return sorted(run + [mark for mark in firm if times[mark.label] == 1])


def _read_letters(reply: Reply, part: Any, matcher: Matcher) -> tuple[list[str], bool]:
    """Return the letters that a reply names, and whether it contradicts itself."""
    if reply.letter or reply.text in _OPTION_LETTERS:
        return [reply.letter or reply.text], False
    readings: list[tuple[str, ...]] = []
    lead = _LEADING_LETTERS.match(reply.text)
    if lead and not _AS_SUBJECT.match(reply.text, lead.end()):
        letters = tuple(re.findall("[A-G]", lead["letters"]))
        rest = reply.text[lead.start("letters") + 1 :].lstrip(" .、:：)）")
        option = part.get(letters[0], "") if isinstance(part, dict) else ""
        if option and rest.replace("\n", " ").startswith(option[:10]):
            letters = letters[:1]  # the option's own text follows: “B. A small dog”
        elif letters == ("A",) and re.match(r" [a-z]", reply.text[lead.end() :]):
            letters = ()  # “A detail question …” is an explanation
        if letters:
            readings.append(letters)
    readings += [tuple(re.findall("[A-G]", m["letters"])) for m in matcher.find("conclusion", reply.text)]
    different = {frozenset(letters) for letters in readings}
    if not different:
        return [], False
    return sorted(set(readings[0])), len(different) > 1
