"""Templates, pairs, and the output format with its checker."""

import re

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import KitError
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.prompts import COURSE_TEMPLATES, TEMPLATES, check_template, format_output, make_pairs, parse_output, render

FIELDS = ["stem", "A", "B", "C", "D", "answer"]
PLAIN = {"语文": "{text}", "英语": "{text}"}


def questions(*records):
    return pd.DataFrame(records, columns=FIELDS)


# check_template


@pytest.mark.parametrize(
    ("template", "used"),
    [
        ("{text}", ["text"]),
        ("出 {count} 道题：{text}", ["count", "text"]),
        ("{text}{count}{text}", ["text", "count", "text"]),
        ("用 {{花括号}}：{text}", ["text"]),
        ("{{{text}}}", ["text"]),
    ],
)
def test_check_template_lists_the_placeholders_in_order(template, used):
    assert check_template(template) == used


@pytest.mark.parametrize("template", ["", "没有文章", "{count}", "{{text}}"])
def test_check_template_wants_the_text(template):
    with pytest.raises(KitError, match=r"\{text\}"):
        check_template(template)


@pytest.mark.parametrize("name", ["{Text}", "{正文}", "{}", "{ text }", "{text!r}", "{text:>9}", "{0}", "{text.upper}"])
def test_check_template_names_an_unknown_placeholder(name):
    with pytest.raises(KitError) as error:
        check_template("{text}" + name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("template", "line", "character"),
    [
        ("{ {text}", 1, 1),
        ("甲乙} {text}", 1, 3),
        ("{text}\n第二{行", 2, 3),
        ("{text}\n\n{正文}", 3, 1),
        ("{text", 1, 1),
        ("{text}}", 1, 7),
    ],
)
def test_check_template_says_where(template, line, character):
    with pytest.raises(KitError, match=f"第 {line} 行第 {character} 个字符"):
        check_template(template)


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_the_kits_templates_use_both_placeholders(subject):
    assert check_template(TEMPLATES[subject]) == ["count", "text"]


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_the_courses_templates_always_ask_for_four(subject):
    assert check_template(COURSE_TEMPLATES[subject]) == ["text"]
    assert " 4 " in COURSE_TEMPLATES[subject]


# render


@pytest.mark.parametrize(
    ("template", "text", "expected"),
    [
        ("{count}：{text}", "文章", "3：文章"),
        ("{text}", "集合 {1} 与 {count}、{text}", "集合 {1} 与 {count}、{text}"),
        ("{text}", "一个 { 或 }", "一个 { 或 }"),
        ("{text}", r"C:\new\1 \g<0>", r"C:\new\1 \g<0>"),
        ("{{count}}={count} {text}", "文", "{count}=3 文"),
        ("{{{text}}}", "文", "{文}"),
        ("{text}{text}", "文", "文文"),
    ],
)
def test_render(template, text, expected):
    assert render(template, text, 3) == expected


@given(st.text(), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_render_leaves_every_passage_as_it_is(text, count):
    assert render("出 {count} 道题：\n{text}。", text, count) == f"出 {count} 道题：\n{text}。"


@given(st.text(alphabet="{}ctexoun 文\n", max_size=20))
@settings(max_examples=300, deadline=None)
def test_a_template_is_rendered_or_refused_with_a_sentence(template):
    try:
        check_template(template)
    except KitError:
        return
    assert "※" in render(template, "※", 1)


# make_pairs

GOOD = "1．问题一\nA．甲\nB．乙\nC．丙\nD．丁\n2．问题二\nA．戊\nB．己\nC．庚\nD．辛"
GOOD_OUTPUT = "1. 问题一\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:B\n\n2. 问题二\nA. 戊\nB. 己\nC. 庚\nD. 辛\n\n答案:C"
SECOND_OUTPUT = "1. 问题二\nA. 戊\nB. 己\nC. 庚\nD. 辛\n\n答案:C"
WITH_SHORT = GOOD + "\n3．请简要概括文章的主要内容。"


def pairs_of(*cells, subject="语文", templates=PLAIN, **options):
    rows = [(subject, row, *own) for row, own in enumerate(cells)]
    rows = clean(pd.DataFrame(rows, columns=["subject", "row", "阅读文本", "选项", "答案"], dtype=object))
    return make_pairs(rows, extract(rows), templates, **options)


def test_a_good_row_gives_one_pair():
    pairs = pairs_of(("文章", GOOD, "1.B\n2.C"))
    assert pairs.to_dict("list") == {"subject": ["语文"], "row": [0], "input": ["文章"], "output": [GOOD_OUTPUT]}


def test_an_english_pair_says_answer():
    sheet = "21．Why?\nA．One\nB．Two\nC．Three\nD．Four"
    pairs = pairs_of(("Text", sheet, "21.D"), subject="英语")
    assert pairs.loc[0, "output"] == "1. Why?\nA. One\nB. Two\nC. Three\nD. Four\n\nAnswer: D"


def test_the_prompt_asks_for_as_many_questions_as_the_row_has():
    pairs = pairs_of(("文章", GOOD, "1.B\n2.C"), templates={"语文": "{count}|{text}"})
    assert pairs.loc[0, "input"] == "2|文章"


def test_short_answers_are_not_counted():
    pairs = pairs_of(("文章", WITH_SHORT, "1.B\n2.C\n3.写了一座山。"), templates={"语文": "{count}|{text}"})
    assert pairs[["input", "output"]].to_numpy().tolist() == [["2|文章", GOOD_OUTPUT]]


def test_a_subject_without_a_template_gets_the_kits():
    pairs = pairs_of(("文章", GOOD, "1.B\n2.C"), templates={"英语": "{text}"})
    assert pairs.loc[0, "input"] == TEMPLATES["语文"].replace("{count}", "2").replace("{text}", "文章")


def test_pairs_come_in_the_order_of_the_rows():
    cells = [("文甲", GOOD, "1.B\n2.C"), ("文乙", "", ""), ("文丙", GOOD, "1.B\n2.C")]
    assert pairs_of(*cells)[["row", "input"]].to_numpy().tolist() == [[0, "文甲"], [2, "文丙"]]


def test_a_problem_in_one_question_takes_the_row_out():
    assert pairs_of(("文章", GOOD, "1.AB\n2.C")).empty


def test_keep_partial_keeps_the_other_questions():
    pairs = pairs_of(("文章", GOOD, "1.AB\n2.C"), templates={"语文": "{count}|{text}"}, keep_partial=True)
    assert pairs[["input", "output"]].to_numpy().tolist() == [["1|文章", SECOND_OUTPUT]]


def test_a_missing_reference_answer_does_not_touch_the_choice_questions():
    assert pairs_of(("文章", WITH_SHORT, "1.B\n2.C"))["output"].tolist() == [GOOD_OUTPUT]


@pytest.mark.parametrize("passage", ["", " \u3000\n", None, float("nan"), 3.5, pd.Timestamp("2024-07-01"), "=SUM(A1)"])
@pytest.mark.parametrize("keep_partial", [False, True])
def test_a_row_without_a_passage_never_gives_a_pair(passage, keep_partial):
    assert pairs_of((passage, GOOD, "1.B\n2.C"), keep_partial=keep_partial).empty


@pytest.mark.parametrize("answers", ["", None, "略"])
@pytest.mark.parametrize("keep_partial", [False, True])
def test_a_row_without_answers_never_gives_a_pair(answers, keep_partial):
    assert pairs_of(("文章", GOOD, answers), keep_partial=keep_partial).empty


def test_a_row_of_short_answers_gives_no_pair():
    assert pairs_of(("文章", "1．请概括主要内容。", "1.写山。"), keep_partial=True).empty


def test_no_pairs_still_have_their_columns():
    assert pairs_of(("文章", "", "")).columns.tolist() == ["subject", "row", "input", "output"]


def test_a_bad_template_is_named():
    with pytest.raises(KitError, match="正文"):
        pairs_of(("文章", GOOD, "1.B\n2.C"), templates={"语文": "{正文}"})


@pytest.mark.parametrize(
    "question",
    [
        "1． 3.5亿年前的海洋里\nA．甲\nB．乙\nC．丙\nD．丁",
        "1． 2. 下列\nA．甲\nB．乙\nC．丙\nD．丁",
        "1．对话补全\nA．甲\nB．答案：在风中\nC．丙\nD．丁",
    ],
)
def test_a_field_that_the_format_refuses_does_not_stop_the_other_rows(question):
    pairs = pairs_of(("文甲", question, "1.B"), ("文乙", GOOD, "1.B\n2.C"))
    assert GOOD_OUTPUT in pairs["output"].tolist()


# format_output and parse_output


@pytest.mark.parametrize(("subject", "answer_line"), [("语文", "答案:B"), ("英语", "Answer: B")])
def test_the_output_has_the_contests_shape(subject, answer_line):
    text = format_output(questions(["它？", "甲", "乙", "丙", "丁", "B"], ["谁", "a", "b", "c", "d", "B"]), subject)
    first = f"1. 它？\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n{answer_line}"
    second = f"2. 谁\nA. a\nB. b\nC. c\nD. d\n\n{answer_line}"
    assert text == first + "\n\n" + second


marks = [
    "1.",
    "2、",
    "A.",
    "B．",
    "答案:",
    "答案：",
    "Answer: ",
    "answer:",
    "{",
    "3.5",
    "①",
    "\u3000",
    "\t",
    "\u2028",
    "\n",
]
words = st.lists(st.sampled_from(marks) | st.text(max_size=4), min_size=1, max_size=5).map("".join)
fields = words.map(str.strip).filter(lambda text: len(text.splitlines()) == 1)
unmarked = fields.filter(lambda text: not re.match(r"\d+\. |(答案|Answer)\s*[:：]", text))


def records(texts):
    return st.lists(st.tuples(*[texts] * 5, st.sampled_from("ABCD")).map(list), min_size=1, max_size=3)


@given(records(unmarked), st.sampled_from(["语文", "英语"]))
@settings(max_examples=150, deadline=None)
def test_every_single_line_stripped_field_comes_back(own, subject):
    found, faults = parse_output(format_output(questions(*own), subject), subject)
    assert found[FIELDS].to_numpy().tolist() == own
    assert {fault.code for fault in faults} <= {"same_options", "wrong_language"}


@given(records(words), st.sampled_from(["语文", "英语"]))
@settings(max_examples=150, deadline=None)
@example([["2. 下列", "甲", "乙", "丙", "丁", "A"]], "语文")
@example([["问", "答案:B", "乙", "丙", "丁", "A"]], "语文")
def test_what_is_written_can_be_read_or_is_refused(own, subject):
    try:
        text = format_output(questions(*own), subject)
    except ValueError:
        return
    assert parse_output(text, subject)[0][FIELDS].to_numpy().tolist() == own


def test_questions_are_numbered_from_one():
    own = [["问", "甲", "乙", "丙", "丁", "A"]] * 12
    found, _ = parse_output(format_output(questions(*own), "语文"), "语文")
    assert found["position"].tolist() == list(range(12))
    assert found["number"].tolist() == list(range(1, 13))


@pytest.mark.parametrize("stem", ["3.5亿年前的海洋", "20.5 percent of them", "9.11事件之后", "3、下列", "A. 甲"])
def test_a_stem_may_begin_with_a_number_or_a_letter(stem):
    own = ["甲", "乙", "丙", "丁", "A"]
    assert parse_output(format_output(questions([stem, *own]), "语文"), "语文")[0][FIELDS].to_numpy().tolist() == [
        [stem, *own]
    ]


@pytest.mark.parametrize("field", range(5), ids=FIELDS[:5])
@pytest.mark.parametrize(
    "text",
    ["", " ", " 甲", "甲 ", "\u3000甲", "甲\n乙", "甲\n", "甲\r乙", "甲\u2028乙", "甲\x85乙", None, float("nan")],
    ids=repr,
)
def test_a_field_that_is_not_one_stripped_line_is_refused(field, text):
    own = ["问", "甲", "乙", "丙", "丁", "A"]
    own[field] = text
    with pytest.raises(ValueError, match=FIELDS[field]):
        format_output(questions(own), "语文")


@pytest.mark.parametrize(
    ("field", "text"),
    [(0, "2. 下列"), (0, "答案:B"), (0, "答案：B"), (1, "答案：B"), (4, "Answer: B"), (2, "答案 : C")],
)
def test_a_field_that_begins_with_a_mark_of_the_format_is_refused(field, text):
    own = ["问", "甲", "乙", "丙", "丁", "A"]
    own[field] = text
    with pytest.raises(ValueError, match=FIELDS[field]):
        format_output(questions(own), "语文")


@pytest.mark.parametrize("answer", ["", "E", "AB", "a", "Ａ", " A", None, 1])
def test_an_answer_that_is_not_one_letter_is_refused(answer):
    with pytest.raises(ValueError, match="答案"):
        format_output(questions(["问", "甲", "乙", "丙", "丁", answer]), "语文")


HEAD = "1. 它指什么\nA. 甲\nB. 乙\nC. 丙\n"
WHOLE = HEAD + "D. 丁\n\n答案:B"


@pytest.mark.parametrize(
    ("text", "codes", "complete"),
    [
        (WHOLE, [], 1),
        ("", ["no_question"], 0),
        ("抱歉，我不能。", ["extra_text", "no_question"], 0),
        ("好的，题目如下：\n" + WHOLE, ["extra_text"], 1),
        (WHOLE + "\n解析：见第二段。", ["extra_text"], 1),
        (WHOLE.replace("它指什么", "它\n指什么"), ["extra_text"], 1),
        (WHOLE.replace("B. 乙", "B. 乙\nB. 己"), ["repeated_option"], 1),
        (WHOLE.replace("1. ", "2. "), ["wrong_number"], 1),
        (WHOLE + "\n\n" + WHOLE, ["wrong_number"], 2),
        (HEAD + "\n答案:B", ["missing_option"], 0),
        (HEAD + "D.\n\n答案:B", ["missing_option"], 0),
        (HEAD + "D. 丁\nE. 戊\n\n答案:B", ["extra_option"], 1),
        (HEAD + "D. 甲\n\n答案:B", ["same_options"], 1),
        (HEAD + "D. 丁", ["no_answer"], 0),
        (HEAD + "D. 丁\n\n答案:E", ["bad_answer"], 0),
        (HEAD + "D. 丁\n\n答案:AB", ["bad_answer"], 0),
        (HEAD + "D. 丁\n\n答案:", ["bad_answer"], 0),
        (WHOLE + "\n答案:C", ["bad_answer"], 0),
        (WHOLE.replace("它指什么", "What is it?"), ["wrong_language"], 1),
    ],
)
def test_every_fault_has_its_code(text, codes, complete):
    found, faults = parse_output(text, "语文")
    assert ([fault.code for fault in faults], len(found)) == (codes, complete)


def test_an_english_question_in_chinese_is_a_fault():
    assert [fault.code for fault in parse_output(WHOLE, "英语")[1]] == ["wrong_language"]


def test_a_fault_names_the_question():
    second = WHOLE.replace("1. ", "2. ").replace("答案:B", "")
    faults = parse_output(WHOLE + "\n\n" + second, "语文")[1]
    assert [(fault.number, fault.code) for fault in faults] == [(2, "no_answer")]


def test_a_faulty_question_does_not_take_the_others_along():
    found, _ = parse_output(HEAD + "\n答案:B\n\n2. 谁\nA. 子\nB. 丑\nC. 寅\nD. 卯\n\n答案:D", "语文")
    assert found[["position", "number", "stem", "answer"]].to_numpy().tolist() == [[1, 2, "谁", "D"]]


@pytest.mark.parametrize(
    "text",
    [
        WHOLE.replace("答案:", "答案："),
        WHOLE.replace("答案:", "答案: "),
        WHOLE.replace(". ", "．"),
        WHOLE.replace(". ", "."),
        WHOLE.replace(". ", "、"),
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("\n\n", "\n"),
        "\n\n" + WHOLE.replace("\n", "  \n  ") + "\n",
    ],
)
def test_small_differences_are_read_all_the_same(text):
    found, faults = parse_output(text, "语文")
    assert (found[FIELDS].to_numpy().tolist(), faults) == ([["它指什么", "甲", "乙", "丙", "丁", "B"]], [])


@given(st.lists(st.sampled_from([*marks, "E. ", "\n", "甲"]) | st.text(max_size=5), max_size=20).map("".join))
@settings(max_examples=300, deadline=None)
def test_parse_output_never_raises(text):
    found, faults = parse_output(text, "语文")
    assert faults or len(found)


def test_a_model_that_writes_digits_without_end_is_a_fault_not_a_crash():
    assert parse_output("1" * 5000 + ". 它指什么", "语文")[1]
