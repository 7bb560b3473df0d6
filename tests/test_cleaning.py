"""What cleaning repairs, and what it must leave alone."""

import string

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.cleaning import census, clean, clean_text

ODD_SPACES = "\t\u00a0\u2002\u2003\u2009\u202f\u205f\u3000"
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069"
CONTROLS = "\x00\x07\x08\x1b\x1f\x7f\x90\x9f"
LINE_ENDS = ["\r\n", "\r", "\n", "\x0b", "\x85", "\u2028", "\u2029", "_x000D_\n", "_x000D_"]
FULL_LETTERS = "ＡＢＣＤＺａｂｚ０１９"
FULL_MARKS = "．，：；？！（）［］－／＋＝＆＿＠％＇＂～＊＃＄｛｝＜＞｜＼＾｀"
CYRILLIC = "АВСЕНІЈКМОРЅТХаеорсухіјѕБЖЯбжя"
GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοΔΩαβλπ"
HAN = "汉字下列一项甲"
KEPT = "①②㈠…—“”‘’《》、。，：；？！（）℃½²µ№·"

odd = "".join([ODD_SPACES, ZERO_WIDTH, CONTROLS, "\r\n\x0b\x85\u2028\u2029", FULL_LETTERS, FULL_MARKS, CYRILLIC])
alphabet = odd + GREEK + HAN + KEPT + "ⅭⅮⅧ\ud800\udfff" + "AaBbCcDdEezZ0123456789 .:()-'\n"
messy = st.text(alphabet=alphabet, max_size=30)
either = pytest.mark.parametrize("marks", [True, False], ids=["选项", "阅读文本"])


# 1. Line ends, zero-width characters, control characters


@pytest.mark.parametrize("end", LINE_ENDS)
def test_every_line_end_becomes_one_newline(end):
    assert clean_text(f"甲{end}乙") == "甲\n乙"


def test_carriage_return_escape_is_repaired_in_ascii_text_too():
    assert clean_text("one_x000D_\ntwo") == "one\ntwo"


@pytest.mark.parametrize("char", ZERO_WIDTH, ids=ascii)
def test_zero_width_characters_go(char):
    assert clean_text(f"甲{char}乙 a{char}b") == "甲乙 ab"


@pytest.mark.parametrize("char", CONTROLS, ids=ascii)
@pytest.mark.parametrize(("before", "after"), [("甲", "乙"), ("a", "b")])
def test_control_characters_go(before, char, after):
    assert clean_text(before + char + after) == before + after


@pytest.mark.parametrize("text", ["\ud800", "甲\udfff乙", "a\udc80b"], ids=ascii)
def test_unpaired_surrogates_do_not_survive(text):
    clean_text(text).encode("utf-8")


# 2. Full-width letters, digits, full stop; other marks inside a run only


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ａ", "A"),
        ("ｚ", "z"),
        ("０１２３４５６７８９", "0123456789"),
        ("１．下列", "1.下列"),
        ("1．下列", "1.下列"),
        ("３．５亿年", "3.5亿年"),
        ("ＤＮＡ技术", "DNA技术"),
        ("９：２０", "9:20"),
        ("9：２０", "9:20"),
        ("９：20", "9:20"),
        ("３／４", "3/4"),
        ("Ｘ－ｒａｙ", "X-ray"),
        ("ａ＠ｂ", "a@b"),
        ("２０％", "20%"),
        ("（Ａ）", "(A)"),
        ("（１２）", "(12)"),
        ("ｄｏｎ＇ｔ", "don't"),
    ],
)
def test_full_width_runs_become_half_width(text, expected):
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("（３分）", "（3分）"),
        ("他说：Ａ", "他说：A"),
        ("Ａ：甲", "A：甲"),
        ("Ａ，乙", "A，乙"),
        ("为什么？Ｂ", "为什么？B"),
        ("（Ａ项）", "（A项）"),
    ],
)
def test_marks_of_the_chinese_sentence_around_a_run_stay(text, expected):
    assert clean_text(text) == expected


# 3. Look-alike letters


@either
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DNА", "DNA"),
        ("Сhina", "China"),
        ("thе саt", "the cat"),
        ("ΑTP", "ATP"),
        ("SΟS", "SOS"),
    ],
)
def test_look_alikes_in_a_latin_word_become_latin(text, expected, marks):
    assert clean_text(text, marks=marks) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("А.甲 В.乙 С.丙 D.丁", "A.甲 B.乙 C.丙 D.丁"),
        ("А. Мы were", "A. Мы were"),
        ("В优势在于", "B优势在于"),
        ("1.В 2.С", "1.B 2.C"),
        ("（А）甲", "（A）甲"),
        ("21-23 ВАС", "21-23 BAC"),
        ("Α．甲\nΒ．乙", "A.甲\nB.乙"),
        ("Ⅽ．丙\nⅮ．丁", "C.丙\nD.丁"),
        ("В. Москва", "B. Москва"),
    ],
)
def test_lone_look_alikes_are_option_marks_in_options_and_answers(text, expected):
    assert clean_text(text, marks=True) == expected


@pytest.mark.parametrize("text", ["А.甲", "В优势", "（С）", "Α与Β", "В. Москва"])
def test_lone_look_alikes_stay_in_the_passage(text):
    assert clean_text(text, marks=False) == text


@either
@pytest.mark.parametrize(
    "text",
    [
        "Москва",
        "“В Москве”",
        "В Москве",
        "он сказал: «А он?»",
        "Война и мир",
        "α粒子",
        "β射线与γ射线",
        "λόγος",
        "π≈3.14",
        "Δt",
        "Ω",
    ],
)
def test_russian_and_greek_words_stay(text, marks):
    assert clean_text(text, marks=marks) == text


# 4. Spaces and empty lines


@pytest.mark.parametrize("space", ODD_SPACES, ids=ascii)
def test_odd_spaces_become_one_plain_space(space):
    assert clean_text(f"甲{space}乙 a{space}{space}b") == "甲 乙 a b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  甲", "甲"),
        ("甲\u3000\u3000", "甲"),
        ("\n\n甲\n\n\n乙\n", "甲\n乙"),
        ("甲 \n 乙", "甲\n乙"),
        ("甲\n \u3000 \n乙", "甲\n乙"),
        ("a    b", "a b"),
        ("甲\u200b \u200b 乙", "甲 乙"),
        ("", ""),
        (" \u3000\n", ""),
    ],
)
def test_spaces_at_line_edges_and_empty_lines_go(text, expected):
    assert clean_text(text) == expected


# What must not change


@either
@pytest.mark.parametrize(
    "text",
    [
        "①②③",
        "㈠㈡",
        "等等……",
        "那年——",
        "“引号”与‘引号’",
        "甲，乙：丙；丁？戊！",
        "（第二段）",
        "《红楼梦》",
        "25℃",
        "½",
        "m²",
        "Ⅷ",
        "…",
        "9：20",
        "12％",
        "café",
        "naïve",
        "😀",
        "𠮷",
        "龍",
        "=HYPERLINK(1)",
        "<script>",
        "10^3 ~ {a}",
    ],
)
def test_everything_else_stays(text, marks):
    assert clean_text(text, marks=marks) == text


@given(st.text(alphabet=HAN + KEPT + string.ascii_letters + string.digits + ".:()-'", max_size=40), st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_text_without_odd_characters_stays(text, marks):
    assert clean_text(text, marks=marks) == text


# Properties


@given(messy, st.booleans())
@settings(max_examples=300, deadline=None)
@example("В\u200b Москве", True)
@example("（Ａ）％", False)
def test_cleaning_a_clean_text_changes_nothing(text, marks):
    once = clean_text(text, marks=marks)
    assert clean_text(once, marks=marks) == once


@pytest.mark.parametrize("text", ["甲_x00\u200b0D_乙", "甲_x０００D_乙", "a_x000\x07D_b"], ids=ascii)
def test_removed_characters_do_not_leave_a_carriage_return_escape(text):
    once = clean_text(text)
    assert clean_text(once) == once


@given(messy, st.booleans())
@settings(max_examples=300, deadline=None)
def test_letters_and_digits_are_never_lost(text, marks):
    kept = string.ascii_letters + string.digits
    left = iter(clean_text(text, marks=marks))
    assert all(char in left for char in text if char in kept)


@given(messy)
@settings(max_examples=200, deadline=None)
def test_a_clean_text_has_tidy_lines_and_no_odd_space(text):
    for line in clean_text(text).split("\n"):
        assert line == line.strip()
        assert "  " not in line
        assert len(line.splitlines()) <= 1


# The frame


def frame(passage, options, answers):
    return pd.DataFrame(
        {"subject": ["语文"], "row": [4], "阅读文本": [passage], "选项": [options], "答案": [answers]}, dtype=object
    )


def test_clean_treats_letters_in_the_passage_otherwise_than_in_the_options():
    cleaned = clean(frame("А.甲", "А.甲", "1.А"))
    assert cleaned[["阅读文本", "选项", "答案"]].to_numpy().tolist() == [["А.甲", "A.甲", "1.A"]]


def test_clean_returns_a_new_frame():
    rows = frame("Ａ", "Ａ", "Ａ")
    clean(rows)
    assert rows.loc[0, "选项"] == "Ａ"


def test_clean_keeps_the_other_columns_and_the_index():
    rows = frame("甲", "乙", "丙").set_index(pd.Index([17]))
    cleaned = clean(rows)
    assert (cleaned.index.tolist(), cleaned["subject"].tolist(), cleaned["row"].tolist()) == ([17], ["语文"], [4])


@pytest.mark.parametrize("cell", [3, 3.5, True, pd.Timestamp("2024-07-01"), None, float("nan"), pd.NaT], ids=repr)
def test_cells_that_are_not_text_stay_as_they_are(cell):
    assert clean(frame("甲", cell, "丙")).loc[0, "选项"] is cell


def test_clean_of_no_rows_is_no_rows():
    assert clean(frame("甲", "乙", "丙").iloc[:0]).columns.tolist() == ["subject", "row", "阅读文本", "选项", "答案"]


# The census


@pytest.mark.parametrize(
    ("char", "code", "kind"),
    [
        ("\u3000", "U+3000", "特殊空格"),
        ("\u00a0", "U+00A0", "特殊空格"),
        ("\u200b", "U+200B", "零宽字符"),
        ("Ａ", "U+FF21", "全角字母数字"),
        ("５", "U+FF15", "全角字母数字"),
        ("．", "U+FF0E", "全角符号"),
        ("А", "U+0410", "形近字母"),
        ("ο", "U+03BF", "形近字母"),
        ("\x07", "U+0007", "控制字符"),
        ("\ud800", "U+D800", "控制字符"),
    ],
    ids=ascii,
)
def test_census_names_the_kind(char, code, kind):
    assert census([char])[["char", "code", "kind", "count"]].to_numpy().tolist() == [[char, code, kind, 1]]


@pytest.mark.parametrize("text", ["甲，乙：丙", "（～）", "①……——“”", "abc 123.\n", "жЯ", "α"])
def test_census_passes_over_ordinary_characters(text):
    assert census([text]).empty


def test_census_counts_over_all_cells_most_frequent_first():
    counts = census(["ＡＢ", None, 3.5, "ＢＢ\u3000"])
    assert counts[["char", "count"]].to_numpy().tolist() == [["Ｂ", 3], ["\u3000", 1], ["Ａ", 1]]


def test_census_gives_the_standards_name():
    assert census(["А"]).loc[0, "name"] == "CYRILLIC CAPITAL LETTER A"


def test_census_of_a_clean_option_text_finds_nothing():
    assert census([clean_text("Ａ．甲\u3000\u200bВ．乙\tСhina")]).empty
