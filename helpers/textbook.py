"""The short way through cells that are written as in a textbook (behind `extraction`; no notebook needs it).

One search finds everything that might be a mark. Where each of them stands in its place — numbers at the
starts of lines and counting up, four letters behind each, no bracket, no ``2019.`` between — there is
nothing to choose, and the text between the marks is the fields. Everywhere else both functions return
None, and `extraction` goes the long way. On such cells the long way comes to the same result.
"""

import re

from helpers.answers import Reply
from helpers.marks import HAN

# What may be a mark: the last lines are there so that what they find sends the cell the long way.
_NUMBER = r"(?<=\d)(?<![\d.$¥￥£€第].)\d{0,2} ?[.、)）:：](?!\d)\s*|(?<=\n\d)\d{0,3} ?[.、)）:：]"
_OTHER_NUMBER = r"(?<=[(（【\[]) ?(?:第 ?)?(?:\d{1,4}|[A-G]) ?题?|(?<=第) ?\d{1,4} ?题"
_QUESTION_MARK = re.compile(
    r"([\dA-Z第(（【\[](?:"
    r"(?![a-z])(?:"  # most capitals only begin a word
    r"(?<=[A-Z])(?=\. ?[A-Z]\.)|(?<=[A-G])(?=、[A-G])"  # initials, a list
    rf"|(?<=[ \n.。][A-G])(?=[{HAN}“‘《])|(?<=[ \n][B-G])(?=\s)"  # no dot
    r"|(?<=[A-G])(?<![A-Za-z].)(?=[A-Z][a-z]|A [a-z])"
    r"|(?<=[A-G])(?<![A-Z°].) ?[.、:：)）]\s*"
    rf"|{_NUMBER}|{_OTHER_NUMBER})|(?<=\n[A-G])))"
)
_ANSWER_MARK = re.compile(
    rf"([\d第(（【\[](?:{_NUMBER}|{_OTHER_NUMBER}"
    r"|(?<=\d)(?<!\d.)\d{0,3} ?(?=[A-G](?![A-Za-z]))|(?<=\d)\d{0,3} ?题))"
)
_SHAPE = re.compile(r"(?:\d(?:(?=[B-D]*A)(?=[ACD]*B)(?=[ABD]*C)(?=[A-C]*D)[A-D]{4})?)+")
_MARK_END = " \n.、)）:："
_ODD_SPACE = re.compile(r"[^\S \n]")  # of a cell that was not cleaned
_LETTER = re.compile("[A-G]")
_WIDE = re.compile(rf"[{HAN}\u2014\u2026\u2018-\u201d\u2460-\u24ff\u3000-\u303f\uff01-\uff65]")
_CHOICES = frozenset("ABCD")
_BECOMES_HEADING = tuple("析解】:：")


def split_questions(text: str) -> tuple[list[int], list[dict[str, str]]] | None:
    r"""Cut 选项 at its marks, if nothing is in doubt.

    Parameters
    ----------
    text : str
        The cell, cleaned and without score marks.

    Returns
    -------
    tuple of list, or None
        The printed numbers, and for each question its texts: ``stem`` and, if it is a choice, ``A`` to ``D``.

    Examples
    --------
    >>> split_questions("1.哪一项正确\nA.甲 B.乙 C.丙 D.丁\n2.请概括。")
    ([1, 2], [{'stem': '哪一项正确\n', 'A': '甲 ', 'B': '乙 ', 'C': '丙 ', 'D': '丁\n'}, {'stem': '请概括。'}])
    """
    if _ODD_SPACE.search(text):
        return None
    before, *pieces = _QUESTION_MARK.split(text)
    marks, texts = pieces[::2], pieces[1::2]
    if before.strip() or not _SHAPE.fullmatch("".join([mark[0] for mark in marks])):
        return None
    if len({mark[1:].strip() for mark in marks if mark[0] in _CHOICES} | {""}) > 2 or min(map(len, marks)) < 2:
        return None
    numbers: list[int] = []
    questions: list[dict[str, str]] = []
    last, end = 0, "\n"
    for mark, own in zip(marks, texts, strict=True):
        if mark[0] in _CHOICES:
            questions[-1][mark[0]] = own
        else:
            number = int(mark.rstrip(_MARK_END))
            if end != "\n" or numbers and not last < number <= last + 20 or own[:1].isdigit():
                return None
            numbers.append(number)
            questions.append({"stem": own})
            last = number
        end = own[-1:]
        if not end or own.isspace():
            return None
    if any("A" not in own and _LETTER.search(own["stem"]) for own in questions):  # options without dots, perhaps
        return None
    return numbers, questions


def split_answers(text: str, numbers: list[int], questions: list[dict[str, str]]) -> list[Reply] | None:
    """Cut 答案 at its marks, if it has one letter for each choice and some words for each other question.

    Parameters
    ----------
    text : str
        The cell, cleaned.
    numbers, questions
        As `split_questions` returns them.

    Returns
    -------
    list of Reply, or None
        One for each question.

    Examples
    --------
    >>> [reply.text for reply in split_answers("1.B 2.C", [1, 2], [{"stem": "", "A": ""}] * 2)]
    ['B', 'C']
    """
    before, *pieces = _ANSWER_MARK.split(text)
    if before or [mark.rstrip(_MARK_END) for mark in pieces[::2]] != [str(number) for number in numbers]:
        return None
    replies = []
    for own, question in zip(pieces[1::2], questions, strict=True):
        if "A" in question:
            own = own.strip(" \n.。")
            if own not in _CHOICES:
                return None
        else:
            own = own.strip()
            if len(own) < 4 or own.endswith(_BECOMES_HEADING):
                return None
        replies.append(Reply(own, None, -1))
    return replies


def one_line(text: str, subject: str) -> str:
    r"""Return the text on one line: broken lines joined, no spaces at the ends.

    Examples
    --------
    >>> one_line("他 \n说", "语文"), one_line("he\nsaid", "英语")
    ('他说', 'he said')
    """
    text = text.strip()
    if "\n" not in text:
        return text
    lines = [line for piece in text.split("\n") if (line := piece.strip())]
    joined = lines[0]
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
