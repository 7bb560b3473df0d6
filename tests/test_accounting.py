"""Whatever stands in the sheet, every row and every question is accounted for."""

import datetime

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.formula import ArrayFormula

from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.marks import LADDER
from helpers.prompts import make_pairs

COLUMNS = ["subject", "row", "阅读文本", "选项", "答案"]
TEXTS = ["stem", "A", "B", "C", "D"]

NUMBERS = ["1.", "2．", "3、", "4 .", "（1）", "(2)", "第3题", "21.", "2019.", "3.5", "9:20", "5题详解", "٣.", "99999."]
OPTIONS = ["A.", "B．", "C、", "D.", "E.", "А.", "В．", "Ｃ.", "(D)", "A", "B", "C", "D", "A.B.C.D."]
ANSWERS = [
    "1.B",
    "2.C3.D",
    "21-23 BAC",
    "21~24：ABDC",
    "【答案】",
    "答案:",
    "故选B",
    "选AC",
    "Answer: D",
    "题号 1 2\n答案 A B\n",
]
WORDS = [
    "下列正确的一项是",
    "甲",
    "乙丙",
    "the cat ",
    "During",
    "DNA",
    "（3分）",
    "，每题2分）",
    "=SUM(A1)",
    "①",
    "……",
    "？",
]
SPACES = ["\n", "\n", "\n", " ", "  ", "\u3000", "\u200b", "\t", "\r\n", "\x07", "\u2028", "_x000D_", "\ud800"]
CELLS = [
    None,
    float("nan"),
    pd.NA,
    pd.NaT,
    "",
    "  \n",
    7,
    3.5,
    True,
    datetime.datetime(2024, 6, 7),
    datetime.time(9, 20),
]

piece = st.sampled_from([*NUMBERS, *OPTIONS, *ANSWERS, *WORDS, *SPACES]) | st.text(max_size=4)
chaos = st.lists(piece, max_size=25).map("".join)
not_text = st.sampled_from(CELLS)
subjects = st.sampled_from(["语文", "英语"])


@st.composite
def paper(draw):
    """Return 选项 and 答案 as a paper has them, some of whose pieces may be anything."""
    mark = draw(st.sampled_from(["{}.", "{}．", "（{}）", "第{}题 "]))
    dot = draw(st.sampled_from([".", ".", "．", "、", " "]))
    gap = draw(st.sampled_from(["\n", "\n", "    ", " "]))
    asked, given = [], []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        stem, *texts = draw(st.tuples(*[st.sampled_from(WORDS) | st.builds("甲{}乙".format, piece)] * 5))
        letters = draw(st.sampled_from(["ABCD"] * 5 + ["ACBD", "АВСD", "", "", "ABC", "ABBD"]))
        lines = gap.join(f"{letter}{dot}{text}" for letter, text in zip(letters, texts, strict=False))
        asked.append(f"{mark.format(number)}{stem}\n{lines}")
        reply = draw(st.sampled_from([*"AABBCCDD", "E", "AC", "B。解析", ""]) if letters else piece)
        given.append(f"{mark.format(number)}{reply}")
    return "\n".join(asked), draw(st.sampled_from(["\n", "\n", "  "])).join(given)


passages = st.just("文章") | chaos | not_text
papers = st.tuples(chaos | not_text, chaos | not_text) | paper() | paper()
lines_of_a_sheet = st.tuples(subjects, passages, papers).map(lambda line: (*line[:2], *line[2]))
sheets = st.lists(lines_of_a_sheet, min_size=1, max_size=2)


def frame(lines):
    lines = [(subject, row, *cells) for row, (subject, *cells) in enumerate(lines)]
    return pd.DataFrame(lines, columns=COLUMNS, dtype=object).astype({"row": int})


def one(options, answers, passage="文章", subject="语文"):
    return frame([(subject, passage, options, answers)])


def keys_of(found):
    """Return (subject, row, position) of every line of the three frames."""
    return [
        (subject, row, None if pd.isna(position) else int(position))
        for part in (found.questions, found.short_answers, found.problems)
        for subject, row, position in zip(part["subject"], part["row"], part["position"], strict=True)
    ]


# Properties of any sheet


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_any_cells_at_all_are_taken(lines):
    extract(frame(lines))


@given(sheets)
@settings(max_examples=150, deadline=None)
def test_every_question_is_in_one_frame_and_every_row_in_at_least_one(lines):
    rows = clean(frame(lines))
    keys = keys_of(extract(rows))
    positions = [key for key in keys if key[2] is not None]
    assert len(set(positions)) == len(positions)
    assert {key[:2] for key in keys} == set(zip(rows["subject"], rows["row"], strict=True))


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_the_positions_of_a_row_have_no_gap(lines):
    by_row = {}
    for subject, row, position in keys_of(extract(clean(frame(lines)))):
        if position is not None:
            by_row.setdefault((subject, row), []).append(position)
    assert all(sorted(own) == list(range(len(own))) for own in by_row.values())


@given(sheets)
@settings(max_examples=150, deadline=None)
def test_a_question_has_five_one_line_texts_and_one_letter(lines):
    for record in extract(clean(frame(lines))).questions.to_dict("records"):
        assert record["answer"] in ("A", "B", "C", "D")
        for text in (record[name] for name in TEXTS):
            assert text
            assert text == text.strip()
            assert len(text.splitlines()) == 1


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_a_short_answer_has_a_stem_of_one_line_and_a_reference(lines):
    found = extract(clean(frame(lines))).short_answers
    assert all(text and text == text.strip() and len(text.splitlines()) == 1 for text in found["stem"])
    assert all(isinstance(text, str) for text in found["reference"])


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_a_problem_has_a_code_a_column_and_the_excel_line(lines):
    for record in extract(clean(frame(lines))).problems.to_dict("records"):
        assert record["code"].isidentifier()
        assert record["column"] in COLUMNS[2:]
        assert f"训练集-{record['subject']}.xlsx 第 {record['row'] + 2} 行" in record["message"]


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_the_same_sheet_gives_the_same_frames(lines):
    once, again = (extract(clean(frame(lines))) for _ in range(2))
    for part, other in zip(once, again, strict=True):
        pd.testing.assert_frame_equal(part, other)


@given(sheets)
@settings(max_examples=100, deadline=None)
def test_a_row_does_not_depend_on_its_neighbours(lines):
    rows = clean(frame(lines))
    alone = [key for at in range(len(rows)) for key in keys_of(extract(rows.iloc[[at]]))]
    assert sorted(alone, key=str) == sorted(keys_of(extract(rows)), key=str)


def test_the_rows_are_not_changed():
    rows = one(f" １．问题{OPTION_LINES}", "１．А")
    before = rows.copy()
    extract(clean(rows))
    pd.testing.assert_frame_equal(rows, before)


@given(sheets, st.booleans())
@settings(max_examples=100, deadline=None)
def test_pairs_can_be_made_of_whatever_was_found(lines, keep_partial):
    rows = clean(frame(lines))
    found = extract(rows)
    pairs = make_pairs(rows, found, keep_partial=keep_partial)
    asked = set(zip(found.questions["subject"], found.questions["row"], strict=True))
    assert set(zip(pairs["subject"], pairs["row"], strict=True)) <= asked


@pytest.mark.parametrize("rung", LADDER)
@given(lines=sheets)
@settings(max_examples=20, deadline=None)
def test_the_accounting_holds_on_every_rung_of_the_ladder(rung, lines):
    rows = clean(frame(lines))
    keys = keys_of(extract(rows, LADDER[rung]))
    positions = [key for key in keys if key[2] is not None]
    assert len(set(positions)) == len(positions)
    assert {key[:2] for key in keys} == set(zip(rows["subject"], rows["row"], strict=True))


# Single cells

OPTION_LINES = "\nA.甲\nB.乙\nC.丙\nD.丁"
TWO = f"1.问题一{OPTION_LINES}\n2.问题二{OPTION_LINES}"


def outcome(options, answers, **cells):
    """Return (position, code or answer) of every line of the row."""
    found = extract(clean(one(options, answers, **cells)))
    lines = [*found.questions[["position", "answer"]].itertuples(index=False, name=None)]
    lines += [*found.short_answers[["position", "reference"]].itertuples(index=False, name=None)]
    lines += [*found.problems[["position", "code"]].itertuples(index=False, name=None)]
    return [(None if pd.isna(position) else position, what) for position, what in lines]


@pytest.mark.parametrize("cell", CELLS[:6], ids=repr)
def test_empty_options_are_one_problem_of_the_row(cell):
    assert outcome(cell, "1.A") == [(None, "empty_cell")]


@pytest.mark.parametrize("cell", CELLS[6:], ids=repr)
def test_options_that_are_not_text_are_one_problem_of_the_row(cell):
    assert outcome(cell, "1.A") == [(None, "not_text")]


@pytest.mark.parametrize("cell", CELLS[:6], ids=repr)
def test_empty_answers_are_a_problem_of_each_question(cell):
    assert outcome(TWO, cell) == [(0, "empty_cell"), (1, "empty_cell")]


@pytest.mark.parametrize("cell", CELLS[6:], ids=repr)
def test_answers_that_are_not_text_are_a_problem_of_each_question(cell):
    assert outcome(TWO, cell) == [(0, "not_text"), (1, "not_text")]


@pytest.mark.parametrize("cell", CELLS[:6], ids=repr)
def test_an_empty_passage_is_a_problem_beside_the_questions(cell):
    assert outcome(TWO, "1.A\n2.B", passage=cell) == [(0, "A"), (1, "B"), (None, "empty_cell")]


@pytest.mark.parametrize("formula", ["=SUM(A1:A3)", '=HYPERLINK("http://a.b")'])
def test_a_formula_is_named_as_one(formula):
    assert outcome(formula, "1.A") == [(None, "formula")]


def test_a_message_never_shows_an_object():
    rows = one(ArrayFormula("B2", "=SUM(A1:A3)"), "1.A")
    assert " object at " not in extract(clean(rows)).problems.loc[0, "message"]


@pytest.mark.parametrize(
    ("options", "answers", "expected"),
    [
        (TWO, "1.A", [(0, "A"), (1, "no_answer")]),
        (TWO, "1.A\n2.BC", [(0, "A"), (1, "multiple_answers")]),
        (TWO, "1.A\n2.E", [(0, "A"), (1, "answer_not_an_option")]),
        (TWO + "\n3.请概括。", "1.A\n2.B\n3.写山。", [(0, "A"), (1, "B"), (2, "写山。")]),
        (TWO + "\n3.请概括。", "1.A\n2.B", [(0, "A"), (1, "B"), (2, "no_reference")]),
        ("1.请概括。", "1.写山。", [(0, "写山。"), (None, "no_choice_question")]),
        ("没有题号", "1.A", [(None, "no_question")]),
    ],
)
def test_each_question_is_in_the_frame_it_belongs_to(options, answers, expected):
    assert outcome(options, answers) == expected


@pytest.mark.parametrize(
    "first",
    ["1.3.5亿年前的海洋", "1.9.11事件后", "1.30多年前", "一、问题一", "问题一", "Q1 问题一"],
)
def test_a_question_before_the_first_number_is_not_lost(first):
    assert len(outcome(f"{first}{OPTION_LINES}\n2.问题二{OPTION_LINES}", "1.B\n2.C")) == 2


TRAPS = [
    "问题",
    "3.5亿年前",
    "2019.",
    "9:20 a.m.",
    "50%",
    "DNA",
    "1、乙",
    "3.甲",
    "（1）",
    "A和B",
    "B. 乙",
    "the cat",
    "During",
]
trap = st.sampled_from(TRAPS)


@given(
    st.lists(st.tuples(*[trap] * 5), min_size=1, max_size=4),
    st.sampled_from(["{}.", "{}．", "{}、", "（{}）", "{}. "]),
    st.sampled_from(["语文", "英语"]),
    st.sampled_from([1, 4, 21]),
)
@settings(max_examples=150, deadline=None)
@example([("问题", "B. 乙", "甲", "甲", "甲"), ("2019.", "甲", "甲", "甲", "甲")], "{}.", "语文", 1)
@example([("50%", "A和B", "甲", "甲", "甲"), ("问题", "甲", "甲", "甲", "甲")], "{}.", "英语", 21)
def test_a_question_is_never_lost_without_a_problem(questions, mark, subject, first):
    asked, replies = [], []
    for number, (stem, *texts) in enumerate(questions, first):
        lines = [f"{letter}.{text}" for letter, text in zip("ABCD", texts, strict=True)]
        asked.append("\n".join([mark.format(number) + stem, *lines]))
        replies.append(mark.format(number) + "B")
    found = extract(clean(one("\n".join(asked), "\n".join(replies), subject=subject)))
    assert len(found.problems) or len(found.questions) == len(questions)


def test_a_heading_before_the_first_number_is_no_question():
    assert outcome(f"阅读上文，完成1-2题。\n{TWO}", "1.B\n2.C") == [(0, "B"), (1, "C")]


@pytest.mark.parametrize(
    "table",
    ["题号 1 2\n答案 B C", "1 2\nB C", "题号 | 1 | 2\n答案 | B | C", "|题号|1|2|\n|答案|B|C|", "题号|1|2\n答案|B|C"],
)
def test_a_table_of_answers_is_read(table):
    assert outcome(TWO, table) == [(0, "B"), (1, "C")]


DIGITS = "9" * 5000


@pytest.mark.parametrize("rung", LADDER)
@pytest.mark.parametrize("number", ["9" * 20, DIGITS], ids=["20 digits", "5000 digits"])
def test_digits_without_end_are_no_crash(rung, number):
    rows = clean(one(f"{number}.问题{OPTION_LINES}", f"{number}.E"))
    assert {key[:2] for key in keys_of(extract(rows, LADDER[rung]))} == {("语文", 0)}


def test_digits_without_end_in_a_table_of_answers_are_no_crash():
    assert len(outcome(TWO, f"题号 1 {DIGITS}\n答案 A B")) == 2


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        ("A.B.C.D." * 5000, "1.A"),
        ("(" * 20000, "（" * 20000),
        ("1 " * 20000, "1 " * 20000),
        ("1." + "A.x B.y C.z D.w " * 500, "1.A"),
        (TWO, "1." + "A、" * 20000),
        (TWO, "1.A" + "（3分" * 20000),
        ("1.问" + "很长的文字" * 50000 + OPTION_LINES, "1.A"),
    ],
    ids=["letters", "brackets", "digits", "one question of many letters", "answers", "scores", "a long stem"],
)
def test_large_cells_are_accounted_for(options, answers):
    assert outcome(options, answers)


def test_a_thousand_questions_are_all_there():
    options = "\n".join(f"{n}.问题{OPTION_LINES}" for n in range(1, 1001))
    answers = "\n".join(f"{n}.{'ABCD'[n % 4]}" for n in range(1, 1001))
    assert outcome(options, answers) == [(n - 1, "ABCD"[n % 4]) for n in range(1, 1001)]


def test_no_rows_are_four_empty_frames():
    assert [len(part) for part in extract(clean(frame([])))] == [0, 0, 0, 0]
