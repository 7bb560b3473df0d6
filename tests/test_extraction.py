"""Each kind of mess of the design on a few literal lines, with the fields worked out by hand."""

import pandas as pd
import pytest

from helpers import KitError
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.marks import FULL, LADDER, Patterns

FOUR = "A.甲\nB.乙\nC.丙\nD.丁"


def parse(options, answers, subject="语文", patterns=FULL, timeout=None):
    rows = pd.DataFrame({"subject": [subject], "row": [3], "阅读文本": ["略"], "选项": [options], "答案": [answers]})
    return extract(clean(rows), patterns, timeout=timeout)


def choices(extraction):
    return [list(line) for line in extraction.questions[["number", "stem", *"ABCD", "answer"]].to_numpy()]


def short(extraction):
    return [list(line) for line in extraction.short_answers[["number", "stem", "reference"]].to_numpy()]


ONE = [1, "下列正确的一项是", "甲", "乙", "丙", "丁", "B"]


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        pytest.param(f"1.下列正确的一项是\n{FOUR}", "1.B", id="clean"),
        pytest.param("１．下列正确的一项是（３分）\nＡ．甲\nＢ．乙\nＣ．丙\nＤ．丁", "１．Ｂ", id="full width"),
        pytest.param(f"（1）下列正确的一项是\n{FOUR}", "（1）B", id="number in brackets"),
        pytest.param(f"1、下列正确的一项是\n{FOUR}", "1、B", id="number with a comma"),
        pytest.param(f"1 .下列正确的一项是\n{FOUR}", "1 .B", id="number, space, dot"),
        pytest.param(f"第1题 下列正确的一项是\n{FOUR}", "第1题 B", id="第1题"),
        pytest.param(f"1)下列正确的一项是\n{FOUR}", "1)B", id="number with a bracket"),
        pytest.param("1.下列正确的一项是\nА.甲\nВ.乙\nС.丙\nD.丁", "1.В", id="Cyrillic"),
        pytest.param("1.\u00a0下列正\u200b确的一项是\u3000\nA.\t甲\nB.  乙\nC.丙 \nD.丁", "1.\u3000B", id="odd spaces"),
        pytest.param("1.下列正确\n的一项是\nA.甲\nB.乙\nC.丙\nD.丁", "1.B", id="broken line"),
        pytest.param("1.下列正确的一项是\nA.甲 B.乙 C.丙 D.丁", "1.B", id="options on one line"),
        pytest.param("1.下列正确的一项是\nA.甲      B.乙\nC.丙      D.丁", "1.B", id="two a line"),
        pytest.param("1.下列正确的一项是\nA.甲B.乙C.丙D.丁", "1.B", id="nothing between"),
        pytest.param("1.下列正确的一项是\nA.甲\nB乙\nC  丙\nD.丁", "1.B", id="letter without its dot"),
        pytest.param("1.下列正确的一项是\nA.甲 C.丙 B.乙 D.丁", "1.B", id="ACBD"),
        pytest.param("1.下列正确的一项是\nA.甲\nD.丁\nC.丙\nB.乙", "1.B", id="ADCB"),
        pytest.param(f"（每题3分，共3分）\n1.下列正确的一项是（3分）\n{FOUR}", "1.B", id="score marks"),
        pytest.param(f"1.下列正确的一项是\n{FOUR}", "1.B 乙", id="answer with the option's text"),
        pytest.param(
            f"1.下列正确的一项是\n{FOUR}", "【答案】1.B\n【解析】\n【1题详解】\nA项错误。故选B。", id="explained"
        ),
        pytest.param(f"1.下列正确的一项是\n{FOUR}", "1题详解：A项错误，曲解文意。故选B。", id="conclusion only"),
        pytest.param(f"1.下列正确的一项是\n{FOUR}", "B", id="letter alone"),
    ],
)
def test_one_question(options, answers):
    extraction = parse(options, answers)
    assert choices(extraction) == [ONE]
    assert extraction.problems.empty


@pytest.mark.parametrize(
    "answers",
    [
        "1.B 2.C",
        "1.B2.C",
        "1B2C",
        "1-2 BC",
        "1~2：BC",
        "1—2.B C",
        "题号\t1\t2\n答案\tB\tC",
        "2.C\n1.B",
        "21.B\n22.C",
        "BC",
    ],
)
def test_two_answers(answers):
    extraction = parse(f"1.一\n{FOUR}\n2.二\n{FOUR}", answers)
    assert [line[-1] for line in choices(extraction)] == ["B", "C"]


@pytest.mark.parametrize("numbers", [(21, 22), (1, 3), (2, 2), (7, 8)])
def test_numbers_that_start_late_jump_or_repeat(numbers):
    first, second = numbers
    extraction = parse(f"{first}.一\n{FOUR}\n{second}.二\n{FOUR}", f"{first}.B\n{second}.C")
    assert [(line[0], line[-1]) for line in choices(extraction)] == [(first, "B"), (second, "C")]


def test_different_numberings_are_matched_by_order_and_told():
    extraction = parse(f"21.一\n{FOUR}\n22.二\n{FOUR}", "1.B\n2.C")
    assert [(line[0], line[-1]) for line in choices(extraction)] == [(21, "B"), (22, "C")]
    assert extraction.notices["code"].tolist() == ["matched_by_order"]


def test_short_answers_in_between_are_kept():
    extraction = parse(f"1.一\n{FOUR}\n2.请概括“它”（第二段）的特点。（4分）\n3.三\n{FOUR}", "1.B\n2.①小；②轻。\n3.D")
    assert [line[0] for line in choices(extraction)] == [1, 3]
    assert short(extraction) == [[2, "请概括“它”（第二段）的特点。", "①小；②轻。"]]


def test_a_short_answer_that_begins_like_a_choice():
    extraction = parse(f"1.一\n{FOUR}\n2.请分析原因。", "1.B\n2.AI时代的读者更忙。")
    assert short(extraction) == [[2, "请分析原因。", "AI时代的读者更忙。"]]


@pytest.mark.parametrize("text", ["3.5亿年前的海", "AI技术", "DNA的结构", "维生素C与D", "1.2米（约）"])
def test_traps_in_options(text):
    extraction = parse(f"1.一\nA.{text}\nB.乙\nC.丙\nD.丁", "1.A")
    assert choices(extraction) == [[1, "一", text, "乙", "丙", "丁", "A"]]


@pytest.mark.parametrize(
    "text", ["It opened in 2019.", "At 9:20 a.m.", "C. D. Roosevelt", "A Class B ticket.", "Vitamin D."]
)
def test_traps_in_english_options(text):
    options = f"21. What is said of it?\nA. {text}\nB. One\nC. Two\nD. Three\n22. Why?\nA. x\nB. y\nC. z\nD. w"
    extraction = parse(options, "21. A    22. B", "英语")
    assert [line[2] for line in choices(extraction)] == [text, "x"]


def test_latin_words_are_joined_with_a_space_and_chinese_with_nothing():
    assert choices(parse("1. What did\nhe do?\nA. a\nB. b\nC. c\nD. d", "1. A", "英语"))[0][1] == "What did he do?"
    assert choices(parse(f"1.使用\nAI技术的\n人\n{FOUR}", "1.A"))[0][1] == "使用AI技术的人"


@pytest.mark.parametrize(
    ("options", "answers", "code"),
    [
        (f"1.一\n{FOUR}", "1.AC", "multiple_answers"),
        (f"1.一\n{FOUR}\nE.戊", "1.A", "extra_option"),
        ("1.一\nA.甲\nB.乙\nD.丁", "1.A", "missing_options"),
        (f"1.一\n{FOUR}\nD.戊", "1.A", "ambiguous_options"),
        ("1.一\nA.甲\nB.甲\nC.丙\nD.丁", "1.A", "same_options"),
        (f"1.{FOUR}", "1.A", "empty_stem"),
        (f"1.一\n{FOUR}", "1.B\n【解析】A项对。故选A。", "conflicting_answers"),
        (f"1.一\n{FOUR}", "1.E", "answer_not_an_option"),
        (f"1.一\n{FOUR}", "1.略", "no_answer_letter"),
        (f"1.一\n{FOUR}\n2.二\n{FOUR}", "1.A", "no_answer"),
        (f"1.一\n{FOUR}", "1.A\n2.B", "surplus_answers"),
        (FOUR, "1.A", "no_question"),
        (f"1.一\n{FOUR}", None, "empty_cell"),
        (None, "1.A", "empty_cell"),
        (f"1.一\n{FOUR}", 3, "not_text"),
        ("=SUM(A1)", "1.A", "formula"),
        ("1.请概括。", "1.小。", "no_choice_question"),
    ],
)
def test_what_is_not_sure_is_a_problem_with_its_line(options, answers, code):
    extraction = parse(options, answers)
    assert code in set(extraction.problems["code"])
    assert extraction.problems["message"].str.contains("第 5 行").all()  # row 3 is line 5 in Excel


def test_both_engines_read_the_same(root):
    """With a time limit the package regex searches, without one re does."""
    from helpers.workbook import read_rows

    rows = clean(read_rows(root / "data" / "sample"))
    for patterns in LADDER.values():
        for fast, safe in zip(extract(rows, patterns), extract(rows, patterns, timeout=60), strict=True):
            pd.testing.assert_frame_equal(fast, safe)


def test_patterns_without_groups_work():
    extraction = parse(f"1.一\n{FOUR}", "1.B", patterns=Patterns(r"^\d+\.", r"^[A-D]\.", r"^\d+\."))
    assert choices(extraction) == [[1, "一", "甲", "乙", "丙", "丁", "B"]]


@pytest.mark.parametrize(("pattern", "said"), [("(", "括号"), ("[", "方括号"), ("*", "重复")])
def test_a_broken_pattern_is_a_sentence(pattern, said):
    with pytest.raises(KitError, match=f"题号的正则表达式写错了.*{said}"):
        parse(f"1.一\n{FOUR}", "1.B", patterns=Patterns(pattern, FULL.option, FULL.answer))


def test_a_runaway_pattern_is_a_sentence():
    with pytest.raises(KitError, match="太慢"):
        parse("a" * 5000 + "!", "1.B", patterns=Patterns("(a+)+$", FULL.option, FULL.answer), timeout=0.2)


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\t", "\u2003"])
def test_cells_that_were_not_cleaned_are_read_as_well_as_can_be(space):
    """Notebook 01 compares extraction with and without cleaning: that must not end in an error."""
    options = f"1.{space}Who?\nA.{space}x\nB. y\nC. z\nD. w\n2.{space}{space}Why?\nA. x\nB. y\nC. z\nD. w"
    rows = pd.DataFrame([["英语", 0, "Text.", options, f"1.{space}A{space}2.{space}B"]])
    rows.columns = ["subject", "row", "阅读文本", "选项", "答案"]
    found = extract(rows)
    assert len(found.questions) + len(found.problems) >= 1
