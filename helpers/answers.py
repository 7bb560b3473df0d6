"""Read 答案: spread it out, match it with the questions, read the letters (notebook 02)."""

import re
from collections import Counter, deque
from typing import Any, NamedTuple

from helpers.marks import BRACKET, GLUED, LETTERS, LINE, SPACE, Mark, Matcher, choose_run

_LEADING_LETTERS = re.compile(r"(?:【?(?:正确)?答案】?|[Aa]nswer|选)? ?[:：]? ?[(（【]? ?" + LETTERS + r" ?[)）】]?")
_AS_SUBJECT = re.compile(r" ?(?:[两三]?[个]?选?项(?!。?$)|[、，][^。\n]{0,20}项)")
_TABLE = re.compile(
    r"(?m)^[ |]*(?:题号)?[ :：|]*(?P<numbers>\d{1,4}(?:[ |]+\d{1,4})+)[ |]*\n"
    r"[ |]*(?:答案)?[ :：|]*(?P<letters>[A-G](?:[ |]*[A-G])+)[ |]*$"
)
_ANSWER_HEADING = re.compile(r"【?(?:参考)?答案】?[:：]?\s*")
_HEADING_AFTER = re.compile(r"\s*【?(?:答案)?(?:解析|详解|分析)】?[:：]?$")
_HEADING_ENDS = tuple("析解】:：")
_NOTE = re.compile(r"[(（【\[] ?(?:第 ?)?\d+ ?题|(?:第 ?)?\d+ ?题 ?[详解]")
_IN_WORDS = re.compile(r"[A-Za-z] \d+ ?[.:)](?! ?[A-G](?![A-Za-z]))")  # “in Paragraph 3: it is …”
_CONCLUDES = re.compile("(?<!节)选|答案|nswer")
_LETTER_LINE = re.compile("[A-G](?=\n|$)")
LETTER_FIRST = re.compile(r".{0,3}$|[A-G][ \n.]")  # where letters were read: no answer in words
_EXPLAINS = re.compile(r"[(（【]?[A-G](?=[项\s.。,，、:：;；)）]|$)|.*(?:(?<!节)选|答案|nswer)")
_BARE_LETTERS = re.compile(r"[A-G](?:[\s,，、;；]*[A-G])*[\s.。]*")
OPTION_LETTERS = frozenset("ABCDEFG")


class Reply(NamedTuple):
    """What 答案 says about one question."""

    text: str
    letter: str | None
    start: int  # where its mark stands in 答案


def spread(text: str, matcher: Matcher) -> str:
    """Return 答案 with its heading cut off and tables and ranges written out, one answer a line."""
    heading = _ANSWER_HEADING.match(text)
    text = text[heading.end() :] if heading else text

    def one_a_line(match: re.Match, numbers: list[int]) -> str:
        letters = re.findall("[A-G]", match["letters"])
        if len(letters) != len(numbers):
            return match[0]
        return "\n" + "\n".join(f"{n}.{letter}" for n, letter in zip(numbers, letters, strict=True)) + "\n"

    text = _TABLE.sub(lambda m: one_a_line(m, [int(n) for n in re.findall(r"\d+", m["numbers"])]), text)
    pieces, done = [], 0
    for match in matcher.find("answer_range", text):
        first, last = int(match["first"]), int(match["last"])
        pieces += [text[done : match.start()], one_a_line(match, list(range(first, min(last, first + 99) + 1)))]
        done = match.end()
    return "".join([*pieces, text[done:]])


Matched = tuple[list[Reply | None], tuple[str, str] | None]
"""A reply (or None) for each question, and what was repaired, if anything."""


def match(text: str, marks: list[Mark], numbers: list[int], kinds: list[str]) -> Matched:
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
        Code and text of a notice, if something was repaired; or ``surplus_answers`` and the numbers
        that no question has.
    """
    marks = [m for m in marks if not (m.place == SPACE and _IN_WORDS.match(text, max(0, m.start - 2)))]
    answered = [bool(_LEADING_LETTERS.match(text, mark.end)) for mark in marks]
    likely = [letter or text[mark.end : mark.end + 1] == "①" for letter, mark in zip(answered, marks, strict=True)]
    run = choose_run(marks, likely, set(numbers), inline=True)
    in_words = {m.label for m, letter in zip(marks, likely, strict=True) if m.place == GLUED and not letter}
    if in_words:  # “（2）处” is no answer where a line begins with （2）
        at_line = {m.label: m for m in marks if m.place == LINE and m.label in in_words}
        run = sorted({at_line.get(m.label, m) if m.place == GLUED else m for m in run})
    if [int(mark.label) for mark in run] != numbers:
        run = _complete_run(run, marks, answered, numbers)
    choices = [i for i, kind in enumerate(kinds) if kind != "short"]
    if not run:
        return _match_bare(text, len(numbers), choices)

    ends = [mark.start for mark in run[1:]] + [len(text)]
    texts = [text[mark.end : end].strip() for mark, end in zip(run, ends, strict=True)]
    texts = [_HEADING_AFTER.sub("", own) if own.endswith(_HEADING_ENDS) else own for own in texts]
    given = [Reply(own, mark.letter, mark.start) for own, mark in zip(texts, run, strict=True)]
    counted = [int(mark.label) for mark in run]
    unique = len(set(numbers)) == len(numbers)
    lost = _find_lost(text, marks, run)
    if counted == numbers and unique and not lost:
        return list(given), None
    if Counter(counted) == Counter(numbers) and not lost:
        return _match_equal(numbers, kinds, counted, given), None

    complete = unique and set(numbers) <= set(counted)
    partial = unique and set(counted) < set(numbers) and len(set(counted)) == len(counted)
    if partial and len(run) == len(choices) and set(counted) != {numbers[i] for i in choices}:
        # answers 1, 2, 3 to choice questions 1, 3, 5: they count the choice questions only
        partial = not all(_BARE_LETTERS.fullmatch(reply.text) for reply in given)
    if complete or partial or lost:
        return _match_by_number(text, numbers, kinds, counted, given, lost)
    return _match_by_order(text, numbers, choices, counted, given)


def _find_lost(text: str, marks: list[Mark], run: list[Mark]) -> set[int]:
    """Return the numbers of answers that stand outside the run and belong to none of the questions, perhaps."""
    chosen, counted = {mark.start for mark in run}, {int(mark.label) for mark in run}
    beside = {min(counted) - 1, max(counted) + 1}
    brackets = run[0].style == BRACKET
    lost, behind_letter = set(), False
    for mark in marks:
        if mark.start in chosen:
            behind_letter = bool(_LEADING_LETTERS.match(text, mark.end))
        elif mark.place == LINE and len(mark.label) < 3:
            number = int(mark.label)
            if (mark.style == BRACKET) != brackets:  # points of a short answer, often
                stray = _LETTER_LINE.match(text, mark.end) or number in beside or text[mark.start] == "【"
            else:  # a number that is there already may count such points, too, or explain a letter
                stray = number not in counted or behind_letter and not _EXPLAINS.match(text, mark.end)
            if stray:
                lost.add(number)
    return lost


def _match_bare(text: str, questions: int, choices: list[int]) -> Matched:
    """Match letters without numbers, one for each choice question."""
    replies: list[Reply | None] = [None] * questions
    letters = re.findall("[A-G]", text) if _BARE_LETTERS.fullmatch(text.strip()) else []
    if not letters or len(letters) != len(choices):
        return replies, None
    for i, letter in zip(choices, letters, strict=True):
        replies[i] = Reply(letter, None, -1)
    return replies, ("matched_by_order", "答案没有题号，已按先后顺序与题目对应。")


def _match_by_number(
    text: str, numbers: list[int], kinds: list[str], counted: list[int], given: list[Reply], lost: set[int]
) -> Matched:
    """Match by number; explanations behind a list of answers may name a number again."""
    by_number, lost = _group(counted, given), set(lost)
    replies: list[Reply | None] = []
    for number, kind in zip(numbers, kinds, strict=True):
        mine = by_number.get(number, [])
        replies.append(_join(mine[:1] if kind == "short" else mine) if mine else None)
        if kind != "short" and mine and len(_explanations(text, mine)) + 1 < len(mine):
            lost.add(number)
    surplus = sorted(set(counted) - set(numbers) | lost)
    if surplus:  # a question that was missed, perhaps
        return replies, ("surplus_answers", "、".join(map(str, surplus)))
    return replies, None


def _explanations(text: str, replies: list[Reply]) -> list[Reply]:
    """Return those replies to one question that explain the first; what is left over is a second answer."""
    first, *others = replies
    if not (first.letter or _EXPLAINS.match(first.text) or _CONCLUDES.search(first.text)):
        return []
    # what concludes a second time is a second answer
    return [r for r in others if _NOTE.match(text, r.start) or "选" not in first.text and _CONCLUDES.search(r.text)]


def _group(counted: list[int], given: list[Reply]) -> dict[int, list[Reply]]:
    by_number: dict[int, list[Reply]] = {}
    for number, reply in zip(counted, given, strict=True):
        by_number.setdefault(number, []).append(reply)
    return by_number


def _join(replies: list[Reply]) -> Reply:
    return replies[0]._replace(text="\n".join(reply.text for reply in replies))


def _match_by_order(
    text: str, numbers: list[int], choices: list[int], counted: list[int], given: list[Reply]
) -> Matched:
    """Match by order: as many answers as questions, or as choice questions."""
    replies: list[Reply | None] = [None] * len(numbers)
    if counted != sorted(counted) or len(given) not in (len(numbers), len(choices)):
        # a table of letters may stand before the references, explanations behind
        by_number = _group(counted, given)
        if len(by_number) < len(counted) and counted[: len(by_number)] != list(by_number):
            return replies, None
        if any(len(_explanations(text, own)) + 1 < len(own) for own in by_number.values()):
            return replies, None
        given = [_join(by_number[number]) for number in sorted(by_number)]
    if len(given) == len(numbers):
        replies = list(given)
    elif len(given) == len(choices):
        for i, reply in zip(choices, given, strict=True):
            replies[i] = reply
    else:
        return replies, None
    return replies, ("matched_by_order", "题目和答案的编号不一致，已按先后顺序对应。")


def _match_equal(numbers: list[int], kinds: list[str], counted: list[int], given: list[Reply]) -> list[Reply | None]:
    """Match where both sides print the same numbers; a number may repeat."""
    waiting: dict[int, tuple[deque[Reply], deque[Reply]]] = {number: (deque(), deque()) for number in numbers}
    for number, reply in zip(counted, given, strict=True):
        waiting[number][bool(_BARE_LETTERS.fullmatch(reply.text))].append(reply)
    choices = Counter(number for number, kind in zip(numbers, kinds, strict=True) if kind != "short")
    found: list[Reply | None] = []
    for number, kind in zip(numbers, kinds, strict=True):
        texts, letters = waiting[number]
        if not (texts and letters):
            queue = texts or letters
        elif len(letters) == choices[number]:  # two questions 2., one of them short: the letter belongs to the other
            queue = texts if kind == "short" else letters
        else:
            queue = min(texts, letters, key=lambda queue: queue[0].start)
        choices[number] -= kind != "short"
        found.append(queue.popleft())
    return found


def _complete_run(run: list[Mark], marks: list[Mark], likely: list[bool], numbers: list[int]) -> list[Mark]:
    """Add the answers that stand out of order: numbers that the run lacks, found as often as they are missing."""
    if not run:
        return run
    have = Counter(int(mark.label) for mark in run)
    first, last = min(have), max(have)
    wanted = Counter(numbers) - have
    if have.keys().isdisjoint(numbers):  # the answers count for themselves
        first, last = max(1, last - len(numbers) + 1), first + len(numbers)
    wanted += Counter(
        n for n in range(first, min(max(last, *numbers), first + 100) + 2) if n not in have and n not in wanted
    )
    chosen = set(run)
    firm = [m for m, letter in zip(marks, likely, strict=True) if (letter or m.place == LINE) and m not in chosen]
    times = Counter(int(mark.label) for mark in firm)
    return sorted(run + [m for m in firm if 0 < times[int(m.label)] == wanted[int(m.label)]])


def read_letters(reply: Reply, part: Any, matcher: Matcher) -> tuple[list[str], bool]:
    """Return the letters that a reply names, and whether it contradicts itself."""
    if reply.letter or reply.text in OPTION_LETTERS:
        return [reply.letter or reply.text], False
    readings: list[tuple[str, ...]] = []
    lead = _LEADING_LETTERS.match(reply.text)
    if lead and not _AS_SUBJECT.match(reply.text, lead.end()):
        letters = tuple(re.findall("[A-G]", lead["letters"]))
        rest = reply.text[lead.start("letters") + 1 :].lstrip(" .、:：)）")
        option = part.get(letters[0], "") if isinstance(part, dict) else ""
        if option and rest.replace("\n", " ").startswith(option[:10]):
            letters = letters[:1]  # the option's own text follows: “B. A small dog”
        elif re.match(r" [a-z0-9]", reply.text[lead.end("letters") :]):
            # “A detail question …” is an explanation, and so is “C A 16-year-old …” behind its C
            letters = letters[:1] if letters != ("A",) else ()
        if letters:
            readings.append(letters)
    readings += [tuple(re.findall("[A-G]", m["letters"])) for m in matcher.find("conclusion", reply.text)]
    different = {frozenset(letters) for letters in readings}
    if not different:
        return [], False
    return sorted(set(readings[0])), len(different) > 1
