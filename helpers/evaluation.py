"""Judge what a model writes: its form, its quality, and what it understands (notebook 06)."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.client import Endpoint, ask_all, require
from helpers.finetuning import chat
from helpers.merging import passage_keys
from helpers.prompts import parse_output

LETTERS = list("ABCD")
RUBRIC_TOTAL = 44
RUBRIC = """你是高考命题的审题专家。请根据下面的阅读文本，给后面的四道单项选择题打分。

评分标准（满分 44 分）：
1. 答案正确：每道题的答案正确且唯一，5 分，共 20 分。
2. 贴合文章：每道题能从文中找到依据，3 分，共 12 分。
3. 水平合适：每道题达到高考的难度和规范，3 分，共 12 分。
缺一道题扣 10 分，缺一个答案扣 5 分。

先逐题写出得分和一句理由，最后单独写一行“总分：”和数字。

阅读文本：
{passage}

题目：
{output}"""
"""The course's rubric: 5×4 + 3×4 + 3×4 = 44 points."""

# Possessive quantifiers (*+): a long reply that matches almost must not take quadratic time.
_TOTAL = re.compile(
    r"(?:总分|总得分|合计|total(?: score)?)[\s*_`#\"']*+(?:\([^()\n]{0,20}\))?+[\s*_`#\"':=为是]*+"
    r"(?:(?:\d[\d.]*+\s*+\+\s*+)++\d[\d.]*+\s*+=\s*+)?+(-?\d+(?:\.\d+)?)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]{4,}|[\u4e00-\u9fff]{2}", re.IGNORECASE)


def check_format(texts: Sequence[str], passages: Sequence[str], subject: str = "英语", wanted: int = 4) -> pd.DataFrame:
    """Check generated texts with the kit's one format checker, `prompts.parse_output`.

    Parameters
    ----------
    texts : sequence of str
        What a model wrote.
    passages : sequence of str
        The passages it was asked about, in the same order.
    subject : str
        语文 or 英语.
    wanted : int
        Questions that were asked for.

    Returns
    -------
    pandas.DataFrame
        One line a text: ``questions`` (well-formed ones: a stem, four distinct options, one letter), ``whole``
        (exactly the wanted number, and no fault), ``letters`` (of the answers), ``from_passage`` (share of the
        words in stems and options that occur in the passage; NaN if there are none) and ``reasons`` (Chinese).

    Examples
    --------
    >>> check_format(["no question at all"], ["A passage."])["questions"].tolist()
    [0]
    """
    lines = []
    for text, passage in zip(texts, passages, strict=True):
        questions, faults = parse_output(text, subject)
        good = questions[~questions["number"].isin({fault.number for fault in faults})]
        words = [w for row in good[["stem", *LETTERS]].to_numpy() for w in _WORD.findall(" ".join(row).lower())]
        known = set(_WORD.findall(passage.lower()))
        reasons = [f"第 {fault.number} 题：{fault.message}" if fault.number else fault.message for fault in faults]
        if len(questions) != wanted:
            reasons.append(f"要 {wanted} 道题，得到 {len(questions)} 道")
        shared = sum(word in known for word in words) / len(words) if words else float("nan")
        lines.append([len(good), not reasons, "".join(good["answer"]), shared, "；".join(reasons)])
    return pd.DataFrame(lines, columns=["questions", "whole", "letters", "from_passage", "reasons"])


def summarize_format(checked: pd.DataFrame, wanted: int = 4) -> dict[str, float]:
    """Return the figures of `check_format` in one line.

    Returns
    -------
    dict of str to float
        ``whole`` and ``questions`` (shares of the texts, and of the questions asked for, from 0 to 1),
        ``top_letter`` (share of the commonest answer letter) and ``from_passage`` (mean over the texts).
    """
    letters = pd.Series(list("".join(checked["letters"])), dtype=str)
    return {
        "whole": float(checked["whole"].mean()),
        "questions": float(checked["questions"].clip(upper=wanted).sum() / (wanted * len(checked))),
        "top_letter": float(letters.value_counts(normalize=True).max()) if len(letters) else float("nan"),
        "from_passage": float(checked["from_passage"].mean()),
    }


def read_total(reply: str) -> float | None:
    """Read the total out of a judge's reply, however it is written.

    Parameters
    ----------
    reply : str
        What the judge wrote: the colon may be half or full width, the number bold or a decimal.

    Returns
    -------
    float or None
        The last total named; None if there is none, or it is not between 0 and 44.

    Examples
    --------
    >>> read_total("**总分：38.5**"), read_total("Total score: 40/44"), read_total("很好")
    (38.5, 40.0, None)
    """
    found = _TOTAL.findall(unicodedata.normalize("NFKC", reply))
    total = float(found[-1]) if found else None
    return total if total is not None and 0 <= total <= RUBRIC_TOTAL else None


def judge(
    endpoint: Endpoint, passages: Sequence[str], outputs: Sequence[str], path: str | Path, **how: Any
) -> pd.DataFrame:
    """Let a model mark generated questions by the course's rubric.

    Parameters
    ----------
    endpoint : Endpoint
        The judge; a strong general model, not the one that wrote the questions.
    passages, outputs : sequence of str
        What the questions are about, and the questions.
    path : str or Path
        File of the answers, as for `client.ask_all`.
    **how
        Further arguments of `client.ask_all`.

    Returns
    -------
    pandas.DataFrame
        Columns ``total`` (0 to 44; NaN where the reply names none), ``reply`` and ``fault``.
    """
    prompts = [RUBRIC.format(passage=p, output=o) for p, o in zip(passages, outputs, strict=True)]
    asked = ask_all(endpoint, prompts, path, **how)
    totals = [read_total(reply) for reply in asked["text"]]
    faults = [
        fault or ("" if total is not None else "回答里没有读到总分")
        for fault, total in zip(asked["fault"], totals, strict=True)
    ]
    return pd.DataFrame({"total": pd.Series(totals, dtype=float), "reply": asked["text"], "fault": faults})


def answer_letters(model: Any, tokenizer: Any, questions: pd.DataFrame, passages: Sequence[str]) -> np.ndarray:
    """Let a model choose answers: how likely is each letter as its next token.

    Parameters
    ----------
    model, tokenizer
        From `finetuning.load_model`.
    questions : pandas.DataFrame
        Columns ``stem A B C D``.
    passages : sequence of str
        The passage of each question.

    Returns
    -------
    numpy.ndarray
        Shape (questions, 4): probabilities of A, B, C, D among the four.
    """
    torch = require("torch")
    tokens = [tokenizer.encode(f" {letter}", add_special_tokens=False)[-1] for letter in LETTERS]
    model.eval()
    lines = []
    for question, passage in zip(questions.to_dict("records"), passages, strict=True):
        options = "\n".join(f"{letter}. {question[letter]}" for letter in LETTERS)
        asked = f"Read the passage and choose the right answer.\n\n{passage}\n\n{question['stem']}\n{options}"
        prompt = tokenizer(chat(tokenizer, asked) + "Answer:", return_tensors="pt", add_special_tokens=False)
        with torch.inference_mode():
            logits = model(**prompt.to(model.device), logits_to_keep=1).logits[0, -1, tokens]
        lines.append(logits.float().softmax(-1).cpu().numpy())
    return np.array(lines)


def score_answers(
    truth: Sequence[str], probabilities: np.ndarray, *, draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Score chosen letters with scikit-learn's metrics.

    Parameters
    ----------
    truth : sequence of str
        The right letters.
    probabilities : numpy.ndarray
        Shape (questions, 4), as from `answer_letters`; the letter with the largest is the choice.
    draws : int
        Bootstrap samples for the interval of the accuracy.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict
        ``accuracy``, ``low`` and ``high`` (95 % percentile bootstrap interval of the accuracy), ``precision``,
        ``recall``, ``f1`` (macro averages), ``auc`` (one-vs-rest ROC, macro; NaN unless every letter is right at
        least once) and ``confusion`` (4×4, rows: right letter, columns: chosen letter).

    Examples
    --------
    >>> score_answers(list("ABCD"), np.eye(4))["accuracy"]
    1.0
    """
    metrics = require("sklearn.metrics")
    right = np.array(list(truth))
    # scikit-learn wants sums of 1; rounded, so that what was equal stays equal
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).round(9)
    chosen = np.array(LETTERS)[probabilities.argmax(axis=1)]
    hits = (right == chosen).astype(float)
    rng = np.random.default_rng(seed)
    low, high = np.percentile(rng.choice(hits, (draws, len(hits))).mean(axis=1), [2.5, 97.5])
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        right, chosen, labels=LETTERS, average="macro", zero_division=0
    )
    whole = set(right) == set(LETTERS)
    auc = metrics.roc_auc_score(right, probabilities, labels=LETTERS, multi_class="ovr") if whole else float("nan")
    return {
        "accuracy": float(metrics.accuracy_score(right, chosen)),
        "low": float(low),
        "high": float(high),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "auc": float(auc),
        "confusion": metrics.confusion_matrix(right, chosen, labels=LETTERS),
    }


def split_folds(pairs: pd.DataFrame, folds: int = 5, seed: int = 0) -> pd.Series:
    """Deal pairs into folds by passage, so that no passage is learned from and tested on.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Pairs or a data set.
    folds : int
        How many.
    seed : int
        Seed of the dealing.

    Returns
    -------
    pandas.Series of int
        The fold of each row, from 0, with the frame's index.
    """
    splitter = require("sklearn.model_selection").GroupKFold(folds, shuffle=True, random_state=seed)
    fold = pd.Series(0, index=pairs.index, name="fold")
    for number, (_, held_out) in enumerate(splitter.split(pairs, groups=passage_keys(pairs))):
        fold.iloc[held_out] = number
    return fold
