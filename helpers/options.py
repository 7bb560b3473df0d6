"""Choose which option marks of one question are its options (behind `extraction`, notebook 02).

Where the four letters stand at the starts of lines there is nothing to choose. Elsewhere every mark gets
a weight, by how much it looks like an option mark, and the best complete set wins, if none comes close.
"""

import re
from bisect import bisect_left
from collections import Counter
from itertools import pairwise, product

from helpers.marks import GLUED, LINE, PLAIN, SPACE, Mark

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
_LIST = re.compile(r"([A-G])(?:、[A-G](?![、和与或]\1)|[和与或][A-G])")  # “A、B两组”, but not “B、A和B”
_IN_LIST = re.compile("[A-G][、和与或]")


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
    # weigh every mark, and keep at most four candidates a letter
    weights = _option_weights(text, marks)
    strong = Counter(m.label for m in marks if weights[m.start] >= 3)
    if all(strong[letter] > 1 for letter in "ABCD"):  # the options of two questions
        return [], ("ambiguous_options", {})
    by_letter: dict[str, list[Mark]] = {letter: [] for letter in "ABCDEFG"}
    for mark in sorted(marks, key=lambda m: -weights[m.start]):
        own = by_letter[mark.label]
        if not own or len(own) < 4 and weights[mark.start] > weights[own[0].start] - 6:  # no bonus makes up for more
            own.append(mark)
    # score every set of four candidates, one a letter
    present = {m.label for m in marks if weights[m.start] >= 4 and m.label in "ABCD"}
    absent = [letter for letter in "ABCD" if letter not in present] or list("ABCD")
    starts = {m.start for m in marks if m.style != PLAIN and weights[m.start] > 1.5}
    sets = [sorted(combination) for combination in product(*(by_letter[letter] for letter in "ABCD"))]
    scored = [(_score_set(chosen, text, end, starts, weights), chosen) for chosen in sets]
    ranked = sorted(((score, chosen) for score, chosen in scored if score is not None), key=lambda pair: -pair[0])
    if not ranked or ranked[0][0] < 8:
        return [], ("missing_options", {"letters": "、".join(absent)}) if len(present) > 1 else None
    # the best set is doubtful if a firm mark is left over, or if another comes close: closer than a point,
    # or than a point and a half where the best owes it to the order of the letters alone
    chosen = ranked[0][1]
    own = {m.label: weights[m.start] for m in chosen}
    rival = ranked[1] if len(ranked) > 1 else (-99.0, [])
    only_in_order = sum(weights[m.start] for m in rival[1]) > sum(own.values())
    unused = any(m not in chosen and weights[m.start] >= own.get(m.label, 99) for m in firm)
    if unused or ranked[0][0] - rival[0] < 1.0 + 0.5 * only_in_order:
        return [], ("ambiguous_options", {})
    # and one letter that stands for nothing, beside three that are certain, is a missing option
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
    if {mark.label for mark in marks} != set("ABCD") or not text[marks[-1].end : end].strip():
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
    """Return how much each mark looks like an option mark, by its start.

    The scale: 8 for ``A.`` at the start of a line, 5 for ``A.`` behind a space or a bare ``A`` at the start
    of a line, 1 to 4 for a letter inside a line; below 1 it rather belongs to a word, a list or a name.
    """
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
            weight -= 1.0 * (mark.place == GLUED and mark.start > 1 and bool(_IN_LIST.match(text, mark.start - 2)))
        elif mark.place == GLUED:
            weight = 1.0 if text[mark.start - 1].isupper() else 3.0 if text[mark.start - 1].isascii() else 4.0
        else:
            weight = {LINE: 8.0, SPACE: 5.0}[mark.place]
        if _LIST.match(text, mark.start) and mark.label != text[mark.start + 2]:
            # “A、B两组”: a list, unless all options of the row are written with a “、”
            alone = labels[mark.label] == 1 and (mark.place != GLUED or glued > 1)
            written_so = commas > 2 if mark.place == LINE else commas > 3 and alone
            weight -= 0.0 if written_so else 4.5
        weights[mark.start] = weight
    named = {m.start for m in marks if m.place == SPACE and _NAME_BEFORE.search(text, max(0, m.start - 12), m.start)}
    for mark in (m for m in marks if m.start in named):
        weights[mark.start] = -2.0 if mark.style == PLAIN else min(weights[mark.start], 1.5 / labels[mark.label])
    starts = [mark.start for mark in marks]
    strong = Counter(mark.label for mark in marks if weights[mark.start] >= 1)
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
                rival = strong[mark.label] - (weights[mark.start] >= 1) > 0
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
