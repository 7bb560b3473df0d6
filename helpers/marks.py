"""Patterns as data, the marks they find, and the choice of those that make sense (notebook 02).

A mark is a place that may start a question (``1.``), an option (``A.``) or an answer. Patterns find
more marks than there are; `choose_run` and `choose_options` choose among them.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, fields, replace
from itertools import pairwise, product
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

_INITIALS = re.compile(
    r"(?:(?<![A-Za-z°])|(?<=[\n ][A-D])(?=[A-D]))(?<!U\.)(?!U\.[SKN]\. )(?:[A-Z]\. ?){2,4}(?=[A-Z][a-z])"
)
_INITIAL = re.compile(r"[A-Z]\.")
_NAME_BEFORE = re.compile(
    r"(?i)(?:\b|(?<=[A-G]))(?:vitamin|group|class|plan|team|type|level|grade|part|section|room|gate|pier|block|building"
    r"|platform|point|line|zone|figure|option|party|company|student)s? $"
)
"""Words that a single capital letter behind them belongs to: “Class B.” is no option B."""
_SENTENCE_END = re.compile(r"[^A-G][。！？；.!?]")
_LIST = re.compile("[A-G][、和与或][A-G]")  # “A、B两组”
_LETTER = re.compile("[A-G]")
_OPTION_LETTERS = frozenset("ABCD")
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
            if name == "answer" and before in _OPTION_LETTERS:
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


# The scores of choose_run and choose_options were set by hand on the sample's kinds of mess and checked
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


def choose_options(text: str, end: int, marks: list[Mark]) -> tuple[list[Mark], tuple[str, dict[str, str]] | None]:
    """Choose the complete set of option marks of one question, in the order of the text.

    Returns
    -------
    tuple
        Four marks and None; or no marks and None, if this is no choice question; or no marks and
        the fault: a problem code and what its message names.
    """
    if not marks:
        return [], None
    firm = [m for m in marks if m.place == LINE and m.style != PLAIN]
    if len(marks) < 8 and sorted(m.label for m in firm) == ["A", "B", "C", "D"]:
        return firm, None
    if len(marks) == 4 and _stand_alone(text, end, marks):
        return marks, None
    weights = _option_weights(text, marks)
    strong = Counter(m.label for m in marks if weights[m.start] >= 3)
    if all(strong[letter] > 1 for letter in "ABCD"):  # the options of two questions
        return [], ("ambiguous_options", {})
    by_letter: dict[str, list[Mark]] = {letter: [] for letter in "ABCDEFG"}
    for mark in sorted(marks, key=lambda m: -weights[m.start]):
        own = by_letter[mark.label]
        if not own or len(own) < 4 and weights[mark.start] > weights[own[0].start] - 6:  # no bonus makes up for more
            own.append(mark)
    present = {m.label for m in marks if weights[m.start] >= 4 and m.label in "ABCD"}
    absent = [letter for letter in "ABCD" if letter not in present] or list("ABCD")
    nothing = ([], ("missing_options", {"letters": "、".join(absent)}) if len(present) > 1 else None)
    starts = {m.start for m in marks if m.style != PLAIN and weights[m.start] > 1.5}
    sets = [sorted(combination) for combination in product(*(by_letter[letter] for letter in "ABCD"))]
    scored = [(_score_set(chosen, text, end, starts, weights), chosen) for chosen in sets]
    ranked = sorted(((score, chosen) for score, chosen in scored if score is not None), key=lambda pair: -pair[0])
    if not ranked or ranked[0][0] < 8:
        return nothing
    chosen = ranked[0][1]
    own = {m.label: weights[m.start] for m in chosen}
    rival = ranked[1] if len(ranked) > 1 else (-99.0, [])
    only_in_order = sum(weights[m.start] for m in rival[1]) > sum(own.values())
    unused = any(m not in chosen and weights[m.start] >= own.get(m.label, 99) for m in firm)
    if unused or ranked[0][0] - rival[0] < 1.0 + 0.5 * only_in_order:
        return [], ("ambiguous_options", {})
    least, second, *_ = sorted(weights[m.start] for m in chosen)
    in_order = all(a.label < b.label for a, b in pairwise(chosen))
    if least <= 1 and second >= 4 and (least < 1 or second >= 8 or not in_order):  # three options and a “Vitamin C”
        return [], ("missing_options", {"letters": next(m.label for m in chosen if weights[m.start] == least)})
    fifth = [m for m in by_letter["E"] if weights[m.start] >= least and m.start > chosen[0].start]
    if fifth and text[fifth[0].end : end].strip():
        return [], ("extra_option", {})
    return chosen, None


def _stand_alone(text: str, end: int, marks: list[Mark]) -> bool:
    """Return whether four marks are the options without a doubt, so that nothing has to be weighed."""
    if {mark.label for mark in marks} != _OPTION_LETTERS or not text[marks[-1].end : end].strip():
        return False
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        if mark.place == GLUED or _LIST.match(text, mark.start) or after and after.start <= mark.end:
            return False
        if mark.place == SPACE:
            if text[mark.start - 2].isascii() and _NAME_BEFORE.search(text, max(0, mark.start - 12), mark.start):
                return False
            if mark.style != PLAIN and (_INITIAL.match(text, mark.start - 3) or _INITIAL.match(text, mark.end)):
                return False
    return True


def _option_weights(text: str, marks: list[Mark]) -> dict[int, float]:
    """Return how much each mark looks like an option mark, by its start."""
    weights: dict[int, float] = {}
    commas = sum(text[mark.end - 1] == "、" for mark in marks)
    glued = sum(mark.place == GLUED and mark.style != PLAIN for mark in marks)
    labels = Counter(mark.label for mark in marks)
    for mark in marks:
        if mark.style == PLAIN:
            spaced = text[mark.end - 1] == " " and not text[mark.end : mark.end + 1].islower()  # an article
            apart = spaced or _SENTENCE_END.match(text, mark.start - 2)
            weight = {LINE: 5.0, SPACE: 2.0 + spaced, GLUED: 1.0 + 0.5 * bool(apart) + 0.5 * spaced}[mark.place]
            weight -= 0.5 * text[mark.start - 1].isupper()
        elif mark.place == GLUED:
            before = text[mark.start - 1]
            weight = 1.0 if before.isupper() else 3.0 if before.isascii() else 4.0
        else:
            weight = {LINE: 8.0, SPACE: 5.0}[mark.place]
        if _LIST.match(text, mark.start) and mark.label != text[mark.start + 2]:
            alone = labels[mark.label] == 1 and (mark.place != GLUED or glued > 1)
            weight -= 0.0 if commas > 3 - (mark.place == LINE) and (mark.place == LINE or alone) else 4.5
        weights[mark.start] = weight
    named = {m.start for m in marks if m.place == SPACE and _NAME_BEFORE.search(text, max(0, m.start - 12), m.start)}
    for mark in (m for m in marks if m.start in named):
        weights[mark.start] = -2.0 if mark.style == PLAIN else min(weights[mark.start], 1.5)
    starts = [mark.start for mark in marks]
    strong = Counter(mark.label for mark in marks if weights[mark.start] >= 2)
    at = max(0, starts[0] - 3)
    while initials := _INITIALS.search(text, at, marks[-1].end + 12):
        at = initials.end()
        if initials.start() in named:  # “Vitamin C. B. Drinking …”
            at = initials.start() + 1
            continue
        first, second, *others = re.findall(r"([A-Z]\.)( ?)", initials[0])
        option = others and (first[0] == second[0] or first[1] != second[1])  # “C. C. D. Roosevelt”, “C.J. D. Salinger”
        for mark in marks[bisect_left(starts, initials.start()) : bisect_left(starts, initials.end())]:
            if mark.place != LINE and mark.start > initials.start():
                weights[mark.start] -= 5.0
            elif mark.place != LINE and not option:  # in “B. C. D. Roosevelt” only B may be an option
                rival = strong[mark.label] - (weights[mark.start] >= 2) > 0
                weights[mark.start] = min(weights[mark.start], 2.0 if others else -1.0 if rival else 1.0)
    return weights


def _score_set(chosen: list[Mark], text: str, end: int, firm: set[int], weights: dict[int, float]) -> float | None:
    """Return how well four marks go together, or None if an option between them would be empty."""
    if any(after.start <= mark.end for mark, after in pairwise(chosen)) or not text[chosen[-1].end : end].strip():
        return None
    score = sum(weights[mark.start] for mark in chosen)
    score += 2.0 * all(a.label < b.label for a, b in pairwise(chosen))
    score += 2.0 * (len({mark.place for mark in chosen if mark.place != LINE}) <= 1)
    score += 1.0 * (len({mark.style for mark in chosen}) == 1)
    # an option whose text begins with another firm mark was probably cut in the wrong place
    return score - 3.0 * sum(mark.end in firm for mark in chosen)
