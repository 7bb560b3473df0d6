"""Judging: form, rubric, answers, folds. Expected values are counted by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import evaluation

GOOD = "\n\n".join(
    f"{n}. Why do whales sing {n}?\nA. For food.\nB. For a mate {n}.\nC. For sleep.\nD. For fun.\n\nAnswer: {letter}"
    for n, letter in enumerate("BDAC", 1)
)
SAME = GOOD.replace("For sleep.", "For food.", 1)
PASSAGE = "Whales sing for a mate in spring. Nobody knows why they sleep upright."


def test_form_is_counted_text_by_text():
    checked = evaluation.check_format([GOOD, SAME, GOOD.split("\n\n3.")[0], "Whales sing."], [PASSAGE] * 4)
    assert checked["whole"].tolist() == [True, False, False, False]
    assert checked["questions"].tolist() == [4, 3, 2, 0]
    assert checked["letters"].tolist() == ["BDAC", "DAC", "BD", ""]
    assert checked["reasons"].iloc[0] == ""
    assert checked["reasons"].iloc[1] == "第 1 题：有两个选项完全相同"
    assert checked["reasons"].iloc[2] == "要 4 道题，得到 2 道"
    assert "没有找到题号" in checked["reasons"].iloc[3]


def test_words_from_the_passage_are_a_share_of_those_with_four_letters_or_more():
    text = "1. Whales sing?\nA. They sleep.\nB. Lions.\nC. x\nD. y\n\nAnswer: A"
    # whales, sing, they, sleep are in the passage; lions is not
    assert evaluation.check_format([text], [PASSAGE], wanted=1)["from_passage"].iloc[0] == pytest.approx(4 / 5)
    assert math.isnan(evaluation.check_format(["nothing"], [PASSAGE])["from_passage"].iloc[0])


def test_the_summary_is_over_what_was_asked_for():
    checked = evaluation.check_format([GOOD, GOOD.split("\n\n3.")[0]], [PASSAGE] * 2)
    summary = evaluation.summarize_format(checked)
    assert summary["whole"] == 0.5 and summary["questions"] == 6 / 8
    assert summary["top_letter"] == pytest.approx(2 / 6)  # B D A C B D
    nothing = evaluation.summarize_format(evaluation.check_format(["x"], [PASSAGE]))
    assert nothing["whole"] == 0 and nothing["questions"] == 0 and math.isnan(nothing["top_letter"])


@pytest.mark.parametrize(
    ("reply", "total"),
    [
        ("总分：38", 38),
        ("总分: 38", 38),
        ("**总分：38.5**", 38.5),
        ("**总分**：**38.5** / 44", 38.5),
        ("总分（满分44分）：４０分", 40),
        ("总分(满分 44)= 12", 12),
        ("总得分为 31 分", 31),
        ("合计：20+12+9=41", 41),
        ("总分：20 + 12 + 9.5 = 41.5", 41.5),
        ("Total score: 31/44", 31),
        ("Total: **29**", 29),
        ("先看总分：不好说。\n总分：30", 30),
        ("第 1 题 5 分。总分：44", 44),
        ("总分：0", 0),
        ("总分：－5", None),
        ("总分：-5", None),
        ("总分：100", None),
        ("总分是很高的", None),
        ("得分：38", None),
        ("", None),
    ],
)
def test_the_total_is_read_however_it_is_written(reply, total):
    assert evaluation.read_total(reply) == total


@given(st.text(max_size=200))
def test_any_reply_is_read_without_an_error(reply):
    total = evaluation.read_total(reply)
    assert total is None or 0 <= total <= 44


@pytest.mark.finetune
def test_scores_are_those_counted_by_hand():
    pytest.importorskip("sklearn", reason="the extra `finetune` is not installed")
    truth = list("AABBCCDD")
    chosen = list("AABACCDA")  # six right; A: 2 of 4 guesses right, all found
    probabilities = np.array([[0.7 if letter == c else 0.1 for letter in "ABCD"] for c in chosen])
    scores = evaluation.score_answers(truth, probabilities)
    assert scores["accuracy"] == 6 / 8
    assert scores["precision"] == pytest.approx((2 / 4 + 1 + 1 + 1) / 4)
    assert scores["recall"] == pytest.approx((1 + 0.5 + 1 + 0.5) / 4)
    assert scores["f1"] == pytest.approx((2 / 3 + 2 / 3 + 1 + 2 / 3) / 4)
    assert scores["confusion"].tolist() == [[2, 0, 0, 0], [1, 1, 0, 0], [0, 0, 2, 0], [1, 0, 0, 1]]
    # pairs of one right and one wrong row, ties count a half: A 2×6 with 2 ties a row; B and D 6 of 6 + 3 of 6
    assert scores["auc"] == pytest.approx((10 / 12 + 9 / 12 + 1 + 9 / 12) / 4)
    assert scores["low"] <= 0.75 <= scores["high"] and 0.3 < scores["high"] - scores["low"] < 0.8
    assert math.isnan(evaluation.score_answers(["A", "B"], np.eye(4)[:2])["auc"])


@pytest.mark.finetune
def test_no_passage_is_in_two_folds():
    pytest.importorskip("sklearn", reason="the extra `finetune` is not installed")
    lines = [("英语", i // 3, f"Passage {chr(97 + i // 3)}", f"Answer: {'ABC'[i % 3]}") for i in range(36)]
    pairs = pd.DataFrame(lines, columns=["subject", "row", "input", "output"], index=range(100, 136))
    fold = evaluation.split_folds(pairs, 4)
    assert fold.index.tolist() == pairs.index.tolist()
    assert fold.groupby(pairs["row"]).nunique().eq(1).all()
    assert fold.value_counts().to_dict() == {0: 9, 1: 9, 2: 9, 3: 9}
    assert fold.equals(evaluation.split_folds(pairs, 4))


@pytest.mark.finetune
def test_a_judge_without_a_total_is_a_fault_not_a_guess(tmp_path):
    pytest.importorskip("openai", reason="the extra `finetune` is not installed")
    from test_client import Server

    def answer(prompt, times):
        text = "我看不错。" if "Snow" in prompt else "第 1 题：5 分。\n**总分：41.5**"
        return 200, {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}

    server = Server(answer)
    marks = evaluation.judge(server.endpoint, ["Bees.", "Snow."], [GOOD, GOOD], tmp_path / "judge.jsonl")
    server.http.shutdown()
    assert marks["total"].iloc[0] == 41.5 and math.isnan(marks["total"].iloc[1])
    assert marks["fault"].tolist() == ["", "回答里没有读到总分"]


@pytest.mark.finetune
def test_a_model_that_can_see_the_answer_chooses_it():
    """The passage ends with the very question, answered: copying is what a small model does well."""
    pytest.importorskip("torch", reason="the extra `finetune` is not installed")
    from helpers import finetuning

    model, tokenizer = finetuning.load_model()
    questions = pd.DataFrame([["Which?", "x", "y", "z", "w"]] * 2, columns=["stem", *"ABCD"])
    passages = [f"Answer: {letter}\n" * 30 for letter in "BD"]
    probabilities = evaluation.answer_letters(model, tokenizer, questions, passages)
    assert probabilities.shape == (2, 4)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert [("ABCD")[i] for i in probabilities.argmax(axis=1)] == ["B", "D"]
