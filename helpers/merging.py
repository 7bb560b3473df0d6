"""Merge pairs into a data set: split, reach the minimum, export (notebook 04)."""

import json
import math
import random
import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import SUBJECTS, KitError
from helpers.extraction import Extraction
from helpers.prompts import format_questions, read_questions
from helpers.workbook import write_together

DATASET_COLUMNS = ["subject", "row", "input", "output", "split", "origin"]
METHODS = {
    "none": "不补",
    "course": "教程的做法：重复语文和英语的前几行",
    "repeat": "随机重复",
    "shuffled": "打乱选项顺序，答案字母跟着变",
}
"""Ways to reach the minimum, with their Chinese names."""
MINIMUM = 150
"""Training rows that the contest's platform asks for."""
EXPORTED = {
    "train.jsonl": "train",
    "val.jsonl": "val",
    "train.csv": "train",
    "alpaca.json": "train",
    "messages.jsonl": "train",
}
"""The files that hold the data set, and which part of it."""
DATASET_INFO = {
    "gaokao_alpaca": {
        "file_name": "alpaca.json",
        "columns": {"prompt": "instruction", "query": "input", "response": "output"},
    },
    "gaokao_messages": {
        "file_name": "messages.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    },
}
"""How LLaMA-Factory finds its way in the files (every key it may read must be listed)."""

_OPEN_QUESTION = "\n\n问题："
_DIGITS = re.compile(r"\d+")
_ANSWER_LINE = re.compile(r"^(?:答案|Answer)\s*[:：]", re.MULTILINE)
_NAMES_OTHERS = re.compile(
    r"以上|[A-D](?:项|[和与、及][A-D])|\b(?:all|none|both|neither) of the above\b|\b(?:[Bb]oth|[Nn]either) [A-D]\b"
)
_NEW_ORDERS = list(permutations(range(4)))[1:]
_HARMLESS_FAULTS = frozenset({"same_options", "wrong_language", "wrong_number"})


def make_dataset(
    pairs: pd.DataFrame,
    *,
    minimum: int = MINIMUM,
    method: str = "shuffled",
    val_share: float = 0.1,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Split by passage, then fill the training part up to the minimum.

    The split comes first: what is added afterwards is made from training rows only, so no passage
    is ever in both parts.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns ``subject row input output``.
    minimum : int
        Training rows wanted.
    method : {"none", "course", "repeat", "shuffled"}
        How to reach the minimum; see ``METHODS``.
    val_share : float
        Share of the passages, 0 to below 1, that is set aside for validation, of each subject alike.
    seed : int
        Seed of every random choice: the same seed gives the same data set.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject row input output``, ``split`` (train or val) and ``origin`` (source,
        repeat or shuffled), training rows first.

    Raises
    ------
    KitError
        If there are no pairs, the method is not known, or the share leaves nothing to train on.

    Examples
    --------
    >>> pairs = pd.DataFrame([["语文", i, f"文章{i}", "1. 问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:B"]
    ...     for i in range(10)], columns=["subject", "row", "input", "output"])
    >>> make_dataset(pairs, minimum=12).groupby(["split", "origin"]).size().to_dict()
    {('train', 'shuffled'): 3, ('train', 'source'): 9, ('val', 'source'): 1}
    """
    if not isinstance(pairs, pd.DataFrame) or not {"subject", "row", "input", "output"} <= set(pairs.columns):
        raise KitError("make_dataset 要的是 prompts.make_pairs 的结果。")
    if any(isinstance(value, str) or value is None for value in (minimum, val_share)):
        raise KitError("minimum 和 val_share 要写数字，不加引号。")
    if method not in METHODS:
        raise KitError(f"不认识的方法“{method}”。可以用的有：{'、'.join(METHODS)}。")
    if not 0 <= val_share < 1:
        raise KitError(f"验证集比例要在 0 和 1 之间，现在是 {val_share}。")
    if pairs.empty:
        raise KitError("没有可用的样本，做不成数据集。请确认表格里有这类题目，并看一看 problems 里的原因。")
    unique = pairs.drop_duplicates(["input", "output"]).reset_index(drop=True)
    rng = random.Random(seed)
    held_out = _choose_validation(unique, val_share, rng)
    parts = [
        unique[~held_out].assign(split="train", origin="source"),
        unique[held_out].assign(split="val", origin="source"),
    ]
    train = parts[0]
    missing = minimum - len(train)
    if method != "none" and missing > 0:
        if train.empty:
            raise KitError("留作验证之后没有训练样本了。请把验证集比例调小。")
        parts.insert(1, _fill(train, missing, method, rng))
    return pd.concat(parts, ignore_index=True)[DATASET_COLUMNS]


def passage_keys(pairs: pd.DataFrame) -> pd.Series:
    """Return what tells passages apart, whatever the prompt around them says.

    Two rows have the same passage if their inputs are equal but for the number of questions, which
    the prompt names, or if they come from the same row of the sheet.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Pairs or a data set.

    Returns
    -------
    pandas.Series of int
        One key a row, with the frame's index: equal keys, equal passages.
    """
    first: dict[tuple[str, int], int] = {}  # row of the sheet → key
    alike: dict[tuple[str, str], list[tuple[list[str], str, int]]] = {}  # input without digits → those seen
    same: dict[int, int] = {}  # key → smaller key of the same passage
    keys = []

    def root(key: int) -> int:
        while same.get(key, key) != key:
            key = same[key]
        return key

    columns = zip(pairs["subject"], pairs["row"], pairs["input"], pairs["output"], strict=True)
    for key, (subject, row, text, output) in enumerate(columns):
        text = text.split(_OPEN_QUESTION, 1)[0]
        numbers, count = _DIGITS.findall(text), str(len(_ANSWER_LINE.findall(output)))
        seen = alike.setdefault((subject, _DIGITS.sub("#", text)), [])
        found = first.setdefault((subject, row), key)
        for others, other_count, other in seen:
            if all(a == b or (a, b) == (count, other_count) for a, b in zip(numbers, others, strict=True)):
                found, other = root(found), root(other)
                same[max(found, other)] = min(found, other)
                break
        else:
            seen.append((numbers, count, found))
        keys.append(found)
    return pd.Series([root(key) for key in keys], index=pairs.index, dtype=int)


def _choose_validation(pairs: pd.DataFrame, share: float, rng: random.Random) -> pd.Series:
    """Return which rows are held out: a share of each subject's passages, at least one if any."""
    keys = passage_keys(pairs)
    chosen: set[int] = set()
    for _, own in keys.groupby(pairs["subject"], sort=False):
        passages = list(dict.fromkeys(own))
        wanted = max(1, round(share * len(passages))) if share and len(passages) > 1 else 0
        chosen.update(rng.sample(passages, min(wanted, len(passages) - 1)))
    return keys.isin(chosen)


def _fill(train: pd.DataFrame, missing: int, method: str, rng: random.Random) -> pd.DataFrame:
    """Make the missing rows from the training rows."""
    if method == "course":  # 30 rows of 语文 for every 20 of 英语, from the top
        heads = {s: train[train["subject"] == s].index.tolist() for s in SUBJECTS}
        wanted = {"语文": math.ceil(missing * 0.6), "英语": missing - math.ceil(missing * 0.6)}
        others = {"语文": "英语", "英语": "语文"}
        order = []
        for subject, number in wanted.items():
            rows = heads[subject] or heads[others[subject]]
            order += [rows[i % len(rows)] for i in range(number)]
    else:  # no row a second time before every row was taken once
        usable = train.index.tolist()
        if method == "shuffled":
            usable = [i for i in usable if _shuffles(train.loc[i, "output"], train.loc[i, "subject"])]
        if not usable:
            raise KitError("没有一个样本的选项可以打乱（输出不是选择题的格式）。请换一种补行的办法，如 repeat。")
        order = []
        while len(order) < missing:
            order += rng.sample(usable, len(usable))
        order = order[:missing]
    added = train.loc[order].reset_index(drop=True)
    if method == "shuffled":
        added["output"] = [
            shuffle_options(output, subject, rng)
            for output, subject in zip(added["output"], added["subject"], strict=True)
        ]
    return added.assign(origin="shuffled" if method == "shuffled" else "repeat")


def _shuffles(output: str, subject: str) -> bool:
    questions, faults = read_questions(output, subject)
    return bool(questions) and all(fault.code in _HARMLESS_FAULTS for fault in faults)


def shuffle_options(output: str, subject: str, rng: random.Random) -> str:
    r"""Give every question's options a new order; the answer's letter moves along.

    Four questions in a row get four different letters, so that a model cannot learn to prefer one.

    Parameters
    ----------
    output : str
        A text that `prompts.parse_output` reads without fault.
    subject : str
        语文 or 英语.
    rng : random.Random
        Where the orders come from.

    Returns
    -------
    str
        The same questions, never in the old order; a question whose options name other options
        (“以上都对”, “Both A and B”) is left as it is.

    Raises
    ------
    KitError
        If the text is not in the contest's form.

    Examples
    --------
    >>> new = shuffle_options("1. 问\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:B", "语文", random.Random(2))
    >>> new.splitlines()[3], new.splitlines()[-1]
    ('C. 丁', '答案:A')
    """
    questions, faults = read_questions(output, subject)
    grave = [fault for fault in faults if fault.code not in _HARMLESS_FAULTS]
    if grave or not questions:
        raise KitError(f"打乱选项之前先要能读懂输出：{grave[0].message if grave else '没有题目'}。")
    letters = rng.sample("ABCD", 4)
    shuffled = []
    for position, (_, _, stem, *options, answer) in enumerate(questions):
        if not any(_NAMES_OTHERS.search(option) for option in options):
            right, answer = "ABCD".index(answer), letters[position % 4]
            fits = [order for order in _NEW_ORDERS if order["ABCD".index(answer)] == right]
            options = [options[i] for i in rng.choice(fits)]
        shuffled.append([stem, *options, answer])
    return format_questions(shuffled, subject)


def make_open_dataset(rows: pd.DataFrame, extraction: Extraction) -> pd.DataFrame:
    """Make pairs of open questions from the short answers: the course's question left open.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject row input output``: passage and question in, reference answer out. Empty
        answers are left out.
    """
    faults = extraction.problems
    faults = faults[faults["position"].isna() & (faults["column"] == "阅读文本")]
    without = set(zip(faults["subject"], faults["row"], strict=True))
    passages = {(s, r): text for s, r, text in zip(rows["subject"], rows["row"], rows["阅读文本"], strict=True)}
    pairs = [
        [s, r, f"请阅读下面的文字，回答问题。\n\n{passages[s, r]}{_OPEN_QUESTION}{stem}", reference]
        for s, r, stem, reference in extraction.short_answers[["subject", "row", "stem", "reference"]].itertuples(
            index=False
        )
        if reference and (s, r) not in without
    ]
    return pd.DataFrame(pairs, columns=["subject", "row", "input", "output"])


def choose_rows(pairs: pd.DataFrame, counts: Mapping[str, int], seed: int = 0) -> pd.DataFrame:
    """Choose some pairs of each subject at random.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns ``subject row input output``.
    counts : mapping of str to int
        Subject to how many rows are wanted; all there are, if there are fewer.
    seed : int
        Seed of the choice: the same seed, the same rows.

    Returns
    -------
    pandas.DataFrame
        The chosen pairs, in their old order.
    """
    chosen: list[int] = []
    for subject, own in pairs.groupby("subject", sort=False):
        wanted = min(len(own), max(0, counts.get(subject, 0)))
        chosen += random.Random(f"{seed} {subject}").sample(own.index.tolist(), wanted)
    return pairs.loc[sorted(chosen)].reset_index(drop=True)


def check_leak(dataset: pd.DataFrame) -> int:
    """Return how many passages are in train and val both (it should be 0)."""
    keys = passage_keys(dataset)
    val = dataset["split"] == "val"
    return len(set(keys[val]) & set(keys[~val]))


def check_dataset(dataset: pd.DataFrame, minimum: int = MINIMUM) -> list[tuple[bool, str]]:
    """Check size, leaks and the balance of the answers' letters: whether it is well, and a Chinese sentence."""
    train = dataset[dataset["split"] == "train"]
    leak, letters = check_leak(dataset), count_letters(train).sum()
    shares = letters / max(letters.sum(), 1) * 100
    named = "，".join(f"{letter} {share:.0f}%" for letter, share in shares.items())
    return [
        (len(train) >= minimum, f"训练集 {len(train)} 行，最少要 {minimum} 行。"),
        (leak == 0, f"{leak} 篇文章既在训练集里、又在验证集里（应当是 0）。"),
        (bool(shares.between(20, 30).all()), f"答案字母：{named}（每个 20%–30% 算均匀）。"),
    ]


def count_letters(dataset: pd.DataFrame) -> pd.DataFrame:
    """Count the answer letters.

    Parameters
    ----------
    dataset : pandas.DataFrame
        Pairs or a data set in the contest's form.

    Returns
    -------
    pandas.DataFrame
        Index: subject; columns A, B, C, D: how many questions have that answer.
    """
    lines = [
        (subject, letter)
        for subject, output in zip(dataset["subject"], dataset["output"], strict=True)
        for *_, letter in read_questions(output, subject)[0]
    ]
    found = pd.DataFrame(lines, columns=["subject", "answer"])
    counts = pd.crosstab(found["subject"], found["answer"])
    return counts.reindex(
        index=[s for s in SUBJECTS if s in counts.index], columns=list("ABCD"), fill_value=0
    ).rename_axis(index="subject", columns=None)


def export(
    dataset: pd.DataFrame, folder: str | Path, *, fields: tuple[str, str] = ("input", "output")
) -> dict[str, int]:
    """Write the data set in every form that platforms take.

    Every file holds the texts as they are. That goes for ``train.csv``, too, since a platform trains on it: pairs
    begin with the prompt and with ``1. ``, but a text of your own that begins with ``=`` is a formula to Excel.

    Parameters
    ----------
    dataset : pandas.DataFrame
        What `make_dataset` returned.
    folder : str or Path
        Where to write; made where missing.
    fields : tuple of str
        Names of the two fields in the JSON lines: the course exports ``input`` and ``output``, the
        contest's text says ``input`` and ``target``.

    Returns
    -------
    dict of str to int
        File name to number of rows in it.

    Raises
    ------
    KitError
        If a file cannot be written.
    """
    write_together({Path(folder) / name: content for name, content in _export_files(dataset, fields).items()})
    return {name: int((dataset["split"] == split).sum()) for name, split in EXPORTED.items()}


def _export_files(dataset: pd.DataFrame, fields: tuple[str, str]) -> dict[str, bytes]:
    """Return the names and contents of the files of `export`."""
    if isinstance(fields, str) or len(fields) != 2 or len(set(fields)) != 2 or not all(fields):
        raise KitError(f"两个字段要有两个不同的名字，如 input 和 target。现在是：{fields!r}。")
    named = dict(zip(("input", "output"), fields, strict=True))
    train, val = (dataset.loc[dataset["split"] == split, ["input", "output"]] for split in ("train", "val"))
    pairs = list(train.itertuples(index=False))
    messages = [{"messages": [{"role": "user", "content": i}, {"role": "assistant", "content": o}]} for i, o in pairs]
    return {
        "train.jsonl": _json_lines(train.rename(columns=named).to_dict("records")),
        "val.jsonl": _json_lines(val.rename(columns=named).to_dict("records")),
        "train.csv": _csv(train.rename(columns=named)),
        "alpaca.json": _json([{"instruction": i, "input": "", "output": o} for i, o in pairs]),
        "messages.jsonl": _json_lines(messages),
        "dataset_info.json": _json(DATASET_INFO),
    }


def _json_lines(records: list[dict[str, Any]]) -> bytes:
    """Return one JSON object a line, UTF-8 without a BOM (json.loads refuses one)."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def _csv(frame: pd.DataFrame) -> bytes:
    """Return a table for Excel, which reads UTF-8 only behind a BOM."""
    return frame.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def build(
    rows: pd.DataFrame,
    extraction: Extraction,
    pairs: pd.DataFrame,
    dataset: pd.DataFrame,
    folder: str | Path,
    *,
    fields: tuple[str, str] = ("input", "output"),
) -> dict[str, Any]:
    """Write everything that the pipeline gives, with a report of the counts at each step.

    Parameters
    ----------
    rows, extraction, pairs, dataset
        What the four steps returned.
    folder : str or Path
        Where to write.
    fields : tuple of str
        As for `export`.

    Returns
    -------
    dict
        The report, as written to ``report.json``.
    """
    report = {
        "rows": _count(rows),
        "questions": _count(extraction.questions),
        "short_answers": _count(extraction.short_answers),
        "problems": extraction.problems["code"].value_counts().sort_index().to_dict(),
        "pairs": _count(pairs),
        "dataset": {f"{s} {o}": n for (s, o), n in dataset.groupby(["split", "origin"]).size().items()},
        "train": int((dataset["split"] == "train").sum()),
        "val": int((dataset["split"] == "val").sum()),
        "passages_in_both": check_leak(dataset),
        "notices": extraction.notices.to_dict("records"),
    }
    files = {
        **_export_files(dataset, fields),
        "questions.jsonl": _json_lines(extraction.questions.to_dict("records")),
        "short_answers.jsonl": _json_lines(extraction.short_answers.to_dict("records")),
        "problems.csv": _csv(extraction.problems),
        "report.json": _json(report),
    }
    write_together({Path(folder) / name: content for name, content in files.items()})
    return report


def _count(frame: pd.DataFrame) -> dict[str, int]:
    return {subject: int((frame["subject"] == subject).sum()) for subject in SUBJECTS}
