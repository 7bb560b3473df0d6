r"""The yardstick: the method of the course's tutorial, in our own code.

It exists to be measured against, so its mistakes are kept: replacements with ``regex=True``, where
``.`` stands for any character; questions cut at every ``digits + dot``; options cut at every capital
A–D; and, as its only check, two list lengths that must agree. Its author says nothing about the
rows that it drops.
"""

import re
from typing import Any

import pandas as pd

_QUESTION = re.compile(r"\d+\..*?(?=\d+\.|$)", re.DOTALL)
_OPTION = re.compile(r"([A-D])\s*(.*?)(?=[A-D]|$|\n)", re.DOTALL)
_ANSWER = re.compile(r"(\d+)\.([A-Z]+)")
_ENGLISH_QUESTION = re.compile(r"(\d+\..*?)(A\..*?\s{2})([B-D]\..*?\s{2})([B-D]\..*?\s{2})(D\..*?\s{2})", re.DOTALL)
_ENGLISH_ANSWER = re.compile(r"(\d)\s*([A-D])")


def extract(rows: pd.DataFrame) -> pd.DataFrame:
    """Extract questions the tutorial's way.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `workbook.read_rows` returns it, not cleaned.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject row position number stem A B C D answer``, for the rows that are kept:
        those where as many questions as answers were found. Missing options are empty strings.
    """
    lines = []
    for subject, parse, repair in (
        ("语文", _parse_chinese, _repair_chinese),
        ("英语", _parse_english, _repair_english),
    ):
        sheet = repair(rows[rows["subject"] == subject].dropna(subset=["选项", "答案"]))
        for _, record in sheet.iterrows():
            questions, answers = parse(str(record["选项"]), str(record["答案"]))
            if questions and len(questions) == len(answers):
                for position, (question, answer) in enumerate(zip(questions, answers, strict=True)):
                    lines.append([subject, record["row"], position, position + 1, *question, answer])
    return pd.DataFrame(lines, columns=["subject", "row", "position", "number", "stem", *"ABCD", "answer"])


def compare(rows: pd.DataFrame, questions: pd.DataFrame, gold: list[dict[str, Any]] | None) -> pd.DataFrame:
    """Say of each row whether the tutorial's method keeps it and whether it is right.

    Parameters
    ----------
    rows : pandas.DataFrame
        The rows that were parsed.
    questions : pandas.DataFrame
        What `extract` returned for them.
    gold : list of dict or None
        As `workbook.read_gold` returns it.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject row kept right``. Right: all stems, options and letters equal gold's;
        numbers and short answers, which the method does not give, are not asked for.
    """
    names = ["stem", *"ABCD", "answer"]
    truth = {
        (line["subject"], line["row"]): [[q[name] for name in names] for q in line["questions"]]
        for line in gold or []
        if line["status"] == "ok"
    }
    found: dict[tuple[str, int], list[list[str]]] = {}
    for subject, row, *fields in questions[["subject", "row", *names]].itertuples(index=False):
        found.setdefault((subject, row), []).append(fields)
    lines = [
        [*key, key in found, pd.NA if gold is None else key in found and found[key] == truth.get(key)]
        for key in zip(rows["subject"], rows["row"], strict=True)
    ]
    frame = pd.DataFrame(lines, columns=["subject", "row", "kept", "right"])
    return frame.astype({"right": "boolean"})


def _repair_chinese(sheet: pd.DataFrame) -> pd.DataFrame:
    return sheet.replace("．", ".", regex=True).replace("（", "(", regex=True)


def _repair_english(sheet: pd.DataFrame) -> pd.DataFrame:
    sheet = sheet.replace("．", ".", regex=True)
    for cyrillic, latin in (("А.", "A."), ("В.", "B."), ("С.", "C."), ("D.", "D.")):
        sheet = sheet.replace(cyrillic, latin, regex=True)  # “.” takes any character: “During” → “D.ring”
    return sheet


def _parse_chinese(options: str, answers: str) -> tuple[list[list[str]], list[str]]:
    questions = []
    for chunk in _QUESTION.findall(options):
        if re.search("[A-D]", chunk):
            texts = dict(_OPTION.findall(chunk))
            stem = re.sub(r"^\d+\.", "", chunk.split("(")[0]).split("\n")[0].strip()
            questions.append([stem, *(texts.get(letter, "").strip().lstrip(".") for letter in "ABCD")])
    found = _ANSWER.findall(answers.replace(" ", "").replace("\n", ""))
    return questions, [letters for _, letters in sorted(found, key=lambda pair: int(pair[0]))]


def _parse_english(options: str, answers: str) -> tuple[list[list[str]], list[str]]:
    questions = []
    for stem, *marked in _ENGLISH_QUESTION.findall(options.replace("\n", "  ") + "  "):
        texts = {text[0]: text[2:].strip() for text in marked}
        questions.append([re.sub(r"^\d+\.", "", stem).strip(), *(texts.get(letter, "") for letter in "ABCD")])
    squeezed = answers.replace(" ", "").replace("\n", "").replace(".", "")
    return questions, [letter for _, letter in _ENGLISH_ANSWER.findall(squeezed)]
