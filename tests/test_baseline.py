"""The yardstick makes the tutorial's mistakes, each of them on purpose."""

import pandas as pd
import pytest

from helpers.baseline import compare, extract

FIELDS = ["stem", "A", "B", "C", "D", "answer"]


def sheet(*cells, subject="语文"):
    rows = [(subject, row, "文章", *own) for row, own in enumerate(cells)]
    return pd.DataFrame(rows, columns=["subject", "row", "阅读文本", "选项", "答案"], dtype=object)


def fields(*cells, subject="语文"):
    return extract(sheet(*cells, subject=subject))[FIELDS].to_numpy().tolist()


def english(options, answers):
    return fields((options, answers), subject="英语")


def gold(*questions, subject="语文", row=0, status="ok"):
    own = [dict(zip(FIELDS, question, strict=True)) for question in questions]
    return {"subject": subject, "row": row, "status": status, "questions": own}


CHINESE = "1．下列正确的一项是（3分）\nA．甲\nB．乙\nC．丙\nD．丁"
ENGLISH = "21. What is it?\nA. A hat\nB. A map\nC. A cup\nD. A key"


# What it can do


def test_a_plain_chinese_row_is_read():
    assert fields((CHINESE, "1．B")) == [["下列正确的一项是", "甲", "乙", "丙", "丁", "B"]]


def test_a_plain_english_row_is_read():
    assert english(ENGLISH, "21. C") == [["What is it?", "A hat", "A map", "A cup", "A key", "C"]]


def test_the_columns_are_those_of_the_questions():
    found = extract(sheet((CHINESE, "1．B")))
    assert found.columns.tolist() == ["subject", "row", "position", "number", *FIELDS]


def test_questions_are_renumbered_by_position():
    second = CHINESE.replace("1．", "5．")
    found = extract(sheet((CHINESE.replace("1．", "4．") + "\n" + second, "4．B\n5．C")))
    assert found[["position", "number"]].to_numpy().tolist() == [[0, 1], [1, 2]]


def test_cyrillic_option_letters_are_repaired_in_english():
    assert english(ENGLISH.replace("A.", "А.").replace("B.", "В.").replace("C.", "С."), "21. C")[0][1:] == [
        "A hat",
        "A map",
        "A cup",
        "A key",
        "C",
    ]


# The replacements take any character for the dot


@pytest.mark.parametrize(
    ("text", "damaged"),
    [("During the war", "D.ring the war"), ("Dogs bark", "D.gs bark"), ("In December", "In D.cember")],
)
def test_the_letter_after_a_capital_d_is_swallowed(text, damaged):
    assert english(ENGLISH.replace("A hat", text), "21. C")[0][1] == damaged


def test_a_cyrillic_letter_swallows_its_neighbour():
    assert english(ENGLISH.replace("A hat", "Сhoose a hat"), "21. C")[0][1] == "C.oose a hat"


# Cut at every number with a dot, at every capital A to D, at every bracket: kept and wrong


def test_a_decimal_starts_a_question():
    assert fields((CHINESE.replace("下列", "3.5亿年前"), "1．B"))[0][0] == "5亿年前正确的一项是"


def test_a_capital_inside_an_option_cuts_it():
    assert fields((CHINESE.replace("甲", "AI技术"), "1．B"))[0][1] == "I技术"


def test_a_capital_inside_an_option_overwrites_another():
    assert fields((CHINESE.replace("丁", "维生素C的作用"), "1．B"))[0][3:5] == ["的作用", "维生素"]


def test_a_bracket_cuts_the_stem():
    assert fields((CHINESE.replace("下列", "“它”（第二段）指"), "1．B"))[0][0] == "“它”"


def test_a_broken_line_cuts_the_stem():
    assert fields((CHINESE.replace("下列", "下列\n"), "1．B"))[0][0] == "下列"


def test_cyrillic_option_letters_are_lost_in_chinese():
    assert fields((CHINESE.replace("B．", "В．"), "1．B"))[0][1:5] == ["甲", "", "丙", "丁"]


# Two list lengths are its only check


def test_answers_to_other_numbers_are_taken():
    assert fields((CHINESE, "7．C"))[0][5] == "C"


def test_answers_are_matched_by_order():
    two = CHINESE + "\n" + CHINESE.replace("1．", "2．")
    assert [own[5] for own in fields((two, "9．C\n4．A"))] == ["A", "C"]


def test_several_letters_are_taken_for_an_answer():
    assert fields((CHINESE, "1．AC"))[0][5] == "AC"


def test_a_missing_option_is_not_noticed():
    assert fields((CHINESE.replace("\nD．丁", ""), "1．B"))[0][4] == ""


def test_a_capital_makes_a_choice_question_of_a_short_one():
    assert fields(("1．谈谈你对DNA的看法。", "1．B"))[0][5] == "B"


# Dropped without a word


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (CHINESE, ""),
        (CHINESE, "B"),
        (CHINESE, "1、B"),
        (CHINESE.replace("1．", "（1）"), "1．B"),
        (CHINESE.replace("1．", "1、"), "1．B"),
        (CHINESE + "\n2．请简要概括。", "1．B\n2．AI时代的……"),
        (CHINESE, "1．B\n2．A"),
        (CHINESE, None),
        (None, "1．B"),
    ],
)
def test_these_chinese_rows_are_dropped(options, answers):
    assert fields((options, answers)) == []


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (ENGLISH.replace("\n", " "), "21. C"),
        (ENGLISH.replace("A. ", "A "), "21. C"),
        (ENGLISH, "21-21 C".replace("1 C", "1: C")),
        (ENGLISH, "CB"),
        (ENGLISH, float("nan")),
    ],
)
def test_these_english_rows_are_dropped(options, answers):
    assert english(options, answers) == []


def test_a_dropped_row_does_not_take_the_others_along():
    assert extract(sheet((CHINESE, ""), (CHINESE, "1．B")))["row"].tolist() == [1]


def test_nothing_kept_still_has_its_columns():
    assert extract(sheet((CHINESE, ""))).columns.tolist() == ["subject", "row", "position", "number", *FIELDS]


def test_the_rows_themselves_are_not_changed():
    rows = sheet((CHINESE, "1．B"))
    extract(rows)
    pd.testing.assert_frame_equal(rows, sheet((CHINESE, "1．B")))


# Measured against gold

TRUTH = ["下列正确的一项是", "甲", "乙", "丙", "丁", "B"]


@pytest.mark.parametrize(
    ("options", "answers", "truth", "kept", "right"),
    [
        (CHINESE, "1．B", gold(TRUTH), True, True),
        (CHINESE.replace("甲", "AI技术"), "1．B", gold([TRUTH[0], "AI技术", *TRUTH[2:]]), True, False),
        (CHINESE, "1、B", gold(TRUTH), False, False),
        (CHINESE, "1．AC", gold(status="problem"), True, False),
    ],
    ids=["kept and right", "kept and wrong", "dropped", "a problem that it did not see"],
)
def test_a_row_is_kept_or_right(options, answers, truth, kept, right):
    rows = sheet((options, answers))
    outcome = compare(rows, extract(rows), [truth])
    assert outcome.to_dict("list") == {"subject": ["语文"], "row": [0], "kept": [kept], "right": [right]}


def test_without_gold_nothing_is_said_about_right():
    rows = sheet((CHINESE, "1．B"))
    assert compare(rows, extract(rows), None)["right"].isna().all()
