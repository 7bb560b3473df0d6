"""Patterns as data, the marks they find, and the choice of the numbers among them (notebook 02).

A mark is a place that may start a question (``1.``), an option (``A.``) or an answer. Patterns find
more marks than there are; `choose_run` and `options.choose_options` choose among them.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from time import monotonic
from typing import Any, NamedTuple

import regex

from helpers import KitError


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


HAN = r"\u3400-\u9fff"
# “C B项错误” names one letter and goes on about another; “A4纸” names none
LETTERS = r"(?P<letters>[A-G](?: ?[、,，和与] ?[A-G]|[A-G]| [A-G](?!选?项))*)(?![A-Za-z]|\d+(?! ?[A-G.、:：)）\d]))"
# What may stand behind “1.” although it begins with a digit: 2019年, 20世纪, 30多年, 3.5, 9:20, 1/3
_DIGITS_AFTER = r"(?=(?:1\d|20)\d\d(?![\d.])|\d\d世纪|\d\d+多?年|\d+[.:/、]\d|\d+%)"
_NUMBER_MARK = (
    r"[(（【\[] ?(\d{1,4}) ?[)）】\]][.、]?|^(\d{1,4}) ?[、)）](?!\d+[两段节行])"
    rf"|(?<![\d.$¥￥£€第])(\d{{1,4}}) ?[.、)）:：](?:(?!\d)|{_DIGITS_AFTER})"
)
FULL = Patterns(
    question=rf"(?=[\d第(（【\[])(?:第 ?(\d{{1,4}}) ?题 ?[.、:：)）]?|{_NUMBER_MARK})\s*",
    option=r"(?=[A-G(（【\[])(?:[(（【\[] ?([A-G]) ?[)）】\]][.、:：]?"
    r"|(?<!°)([A-G]) ?[.、:：)）]"
    rf"|(?<![H-Z])([A-G])(?=[\s{HAN}“‘《]|[A-Z][a-z]|A [a-z]|[A-G][{HAN}、]))\s*",
    answer=r"(?=[\d第(（【\[])(?:(?:[(（【\[] ?)?(?:第 ?)?(\d{1,4}) ?题 ?(?:详解|解析|答案)? ?[)）】\]]?[.、:：]?"
    rf"|{_NUMBER_MARK}|(?<![\d.$¥￥£€第])(\d{{1,4}}) ?(?=[A-G](?![A-Za-z])))\s*",
    answer_range=r"(?<![\d.])(?P<first>\d{1,4}) ?(?:-+|–|—+|~|～|至|到) ?(?P<last>\d{1,4}) ?题?[.、:：]? ?"
    r"(?P<letters>[A-G](?:[ 、,，]?[A-G])+)(?![A-Za-z])",
    conclusion=r"(?:故本?题?(?:答案)?(?:应|要)?选择?|(?:因此|所以|应该?|本题)选择?|答案(?:应|是|为|选)+|答案[:：]"
    r"|[Aa]nswer(?: is|:))[:：]? ?" + LETTERS,
)
"""The patterns for everything that the sheets are known to hold."""

LINE, SPACE, GLUED = "line", "space", "glued"
PLAIN, DOT, BRACKET, WORD, NOTE = "plain", "dot", "bracket", "word", "note"


_DOTTED = Patterns(question=r"(\d+)\.", option=r"([A-D])\.", answer=r"(\d+)\.\s*([A-D])")
_AT_LINE_START = replace(_DOTTED, question=r"^(\d+)\.(?!\d)")
_SHORT_ANSWERS = replace(_AT_LINE_START, answer=r"^(\d+)\.\s*")
_ALL_NUMBERS = replace(_SHORT_ANSWERS, question=FULL.question, answer=FULL.answer)
_ALL_OPTIONS = replace(_ALL_NUMBERS, option=FULL.option)
LADDER = {
    "数字加点": _DOTTED,
    "题号在行首": _AT_LINE_START,
    "留下简答题": _SHORT_ANSWERS,
    "各种题号": _ALL_NUMBERS,
    "各种选项": _ALL_OPTIONS,
    "各种答案": FULL,
}
"""From the first idea to the full patterns: each rung takes one more kind of mess."""

_LETTER = re.compile("[A-G]")
_NUMBER = re.compile(r"(?<!\d)\d{1,9}(?!\d)")


class Mark(NamedTuple):
    """Something that may start a question, an option or an answer."""

    start: int
    end: int
    label: str  # the number or the letter
    place: str  # where it stands: at the start of a line, behind a space, glued to the text before
    style: str  # what comes with it: nothing, a dot (or comma, colon), a bracket, the word 题, 题详解
    letter: str | None  # the answer letter, where the pattern reads it


PATTERN_NAMES = {
    "question": "题号",
    "option": "选项标记",
    "answer": "答案标记",
    "answer_range": "答案区间",
    "conclusion": "结论句",
}


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
        if not isinstance(patterns, Patterns):
            raise KitError('正则要放进 marks.Patterns(question=…, option=…, answer=…)，或用 marks.LADDER["各种答案"]。')
        self.deadline = None if timeout is None else monotonic() + timeout
        self.whole = patterns == FULL and timeout is None  # everything, as fast as may be
        engine = re if timeout is None else regex
        self.compiled = {f.name: _compile(engine, f.name, getattr(patterns, f.name)) for f in fields(patterns)}

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
                f"{PATTERN_NAMES[name]}的正则表达式太慢：{pattern.pattern}。"
                "常见原因是括号里外都有 + 或 *，例如 (a+)+：请去掉其中一个。"
            ) from error

    def marks(self, name: str, text: str) -> list[Mark]:
        """Return all matches of a mark pattern that are not empty, in order."""
        form = _LETTER if name == "option" else _NUMBER
        found = []
        for match in self.find(name, text):
            start, end = match.span()
            matched = match[0]
            label, letter = matched, None
            if match.lastindex:
                label = match[match.lastindex]
                if name == "answer":
                    label, letter, *_ = (*filter(None, match.groups()), None, None)
            if not (label and (label.isdecimal() and len(label) < 10 if form is _NUMBER else len(label) == 1)):
                inner = form.search(label or "")  # a learner's group may hold the dot as well
                label = inner[0] if inner else ""
            if (
                start == end
                or not label
                or (")" in matched or "）" in matched)
                and _closes_bracket(matched, text, start)
            ):
                continue
            before = text[start - 1] if start else "\n"
            place = LINE if before == "\n" else SPACE if before == " " else GLUED
            if name == "answer" and before in "ABCD":
                place = LINE  # 1.B2.C: the letter before ends the last answer
            found.append(Mark(start, end, label, place, _style(matched, label), letter))
        return found


def _closes_bracket(matched: str, text: str, start: int) -> bool:
    """Return whether the mark’s bracket belongs to the text before: “(in Paragraph 2)” is no mark “2)”."""
    if matched.rstrip()[-1] not in ")）" or matched[0] in "(（":
        return False
    before = text[max(0, start - 80) : start]
    return max(before.rfind("("), before.rfind("（")) > max(before.rfind(")"), before.rfind("）"))


def _style(matched: str, label: str) -> str:
    if "题" in matched:
        return NOTE if "解" in matched else WORD
    return BRACKET if matched[0] != label[0] else PLAIN if matched.rstrip() == label else DOT


_REGEX_FAULTS = {
    "missing )": "左括号没有配上右括号 )",
    "unterminated subpattern": "左括号没有配上右括号 )",
    "unbalanced parenthesis": "多了一个右括号 )",
    "unterminated character set": "方括号 [ 没有配上 ]",
    "bad set": "方括号 [ ] 里的内容不对",
    "nothing to repeat": "* + ? 前面没有可以重复的内容",
    "multiple repeat": "* + ? 不能连着写",
    "bad escape": "反斜杠 \\ 后面的字符不对",
    "bad character range": "方括号里的范围写反了，如 [D-A] 应写 [A-D]",
    "min repeat greater": "花括号里前一个数比后一个大，如 {3,1}",
    "bad character in group name": "组名只能用字母、数字和下划线，不能以数字开头",
    "unknown extension": "(? 后面的写法不对",
}
"""What the engines' commonest complaints mean."""


def _compile(engine: Any, name: str, pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        return engine.compile(pattern, engine.MULTILINE)
    except engine.error as error:
        at_end = error.pos is None or error.pos >= len(pattern)
        place = "（写到末尾还没完）" if at_end else f"（第 {error.pos + 1} 个字符处）"
        reason = next((chinese for english, chinese in _REGEX_FAULTS.items() if english in error.msg), error.msg)
        raise KitError(f"{PATTERN_NAMES[name]}的正则表达式写错了{place}：{reason}。") from error


# The scores of choose_run, and those in options.py, were set by hand on the sample's kinds of mess and checked
# on thousands of rows of random mess (tests/test_mess.py); only their order of size matters.
STEP, SAME, JUMP, BACK, LEAP = 3.0, -1.0, -1.0, -4.0, -6.0
"""What a link of a run is worth: to the next number, the same, a little further, back, far away."""
MARK_WORTH = {LINE: 2.0, SPACE: -3.0, GLUED: -5.0}
"""What a number mark is worth by its place."""
LIKELY_WORTH = {LINE: 1.0, SPACE: 3.0, GLUED: 3.0}
"""What it is worth in addition that the mark is followed by what a true one would be followed by."""
PRINTED_WORTH = 2.0
STRANGER_WORTH = {LINE: -1.5, SPACE: -2.5, GLUED: -2.5}
"""That the other column prints the number too; that the mark looks unlike the others (``(1)`` among ``1.``)."""


def choose_run(
    marks: list[Mark],
    likely: list[bool],
    printed: set[int],
    *,
    choices_only: bool = False,
    inline: bool = False,
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
    inline : bool
        Whether true marks often stand within a line, as answers do.

    Returns
    -------
    list of Mark
        The run of highest score: marks at line starts, numbers that count up, numbers that the
        other column has. ``2019.`` in a sentence, ``(1)`` in a short answer cost more than they earn.
    """
    numbers = [int(mark.label) for mark in marks]
    if all(m.place == LINE for m in marks) and all(b == a + 1 for a, b in pairwise(numbers)):
        return marks
    usual = Counter([mark.style for mark in marks if mark.place == LINE] or [DOT]).most_common(1)[0][0]
    usual_numbers = {number for m, number in zip(marks, numbers, strict=True) if m.style == usual and m.place == LINE}
    window = 40 if len(marks) <= 1000 else 8
    scores: list[float] = []
    back: list[int] = []
    for i, (mark, number) in enumerate(zip(marks, numbers, strict=True)):
        stranger = mark.style != usual and BRACKET in (mark.style, usual) and mark.style not in (WORD, NOTE)
        worth = MARK_WORTH[mark.place] + (LIKELY_WORTH[mark.place] if likely[i] else 0.0)
        worth += STRANGER_WORTH[mark.place] if stranger else 0.0
        worth += PRINTED_WORTH if number in printed and not (stranger and number in usual_numbers) else 0.0
        if not inline and mark.place != LINE:
            if mark.style == BRACKET and (mark.place == GLUED or i and marks[i - 1].end == mark.start):
                worth -= 8.0  # “（2）处”
            elif not likely[i]:
                worth -= 5.0  # “in Chapter 3.”
        best, origin = 0.0, -1
        for j in range(max(0, i - window), i):
            step = number - numbers[j]
            link = STEP if step == 1 else SAME if step == 0 else JUMP if 0 < step <= 20 else LEAP
            if step == 0 and mark.place == LINE != marks[j].place or mark.place != LINE and step != 1 and not inline:
                link = LEAP
            if step < 0:  # explanations (【1题详解】) may follow a list of answers
                link = JUMP if mark.style in (WORD, NOTE) and mark.style != marks[j].style else BACK
            if link != STEP and choices_only and not likely[i] and number not in printed:
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


def have_between(marks: list[Mark], places: list[int]) -> list[bool]:
    """Return, for each mark, whether one of the sorted places lies before the next mark, behind some text.

    Behind a mark at the start of a line, it is the next such mark that counts.
    """
    ends, after, after_line = [], 10**12, 10**12
    for mark in reversed(marks):
        ends.append(after_line if mark.place == LINE else after)
        after, after_line = mark.start, mark.start if mark.place == LINE else after_line
    ends.reverse()
    return [bisect_right(places, m.end) < bisect_left(places, e) for m, e in zip(marks, ends, strict=True)]
