"""Some thousand rows of random mess, and every kind of failure that a million of them brought to light.

`python tests/million.py` runs as many rows as wanted; what it found stands below as small examples, with
the fields worked out by hand.
"""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mill import Paper, Question, cells, compose, frame, kinds_of, truth
from million import OUTCOMES, TARGET, judge, mill, shrink

from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.textbook import split_answers, split_questions

ROWS = 3000
FOUR = "\nA.甲\nB.乙\nC.丙\nD.丁\n"


def parse(options, answers, subject="语文"):
    rows = pd.DataFrame({"subject": [subject], "row": [0], "阅读文本": ["略"], "选项": [options], "答案": [answers]})
    return extract(clean(rows))


# A few thousand rows


@pytest.fixture(scope="module")
def milled():
    counts, bad = Counter(), []
    for first in range(0, ROWS, 1000):
        own, failed = mill(first)
        counts += own
        bad += failed
    return counts, bad


def total(counts, *outcomes, kind="", status=None):
    return sum(n for (s, o, k), n in counts.items() if k == kind and o in outcomes and status in (None, s))


@pytest.mark.parametrize("outcome", ["wrong", "unaccounted", "crashed"])
def test_no_row_goes_wrong(milled, outcome):
    assert [failure for failure in milled[1] if failure[2].startswith(outcome)] == []


def test_few_rows_that_can_be_read_are_reported(milled):
    counts, _ = milled
    assert total(counts, *OUTCOMES, status="parseable") > ROWS / 2
    assert total(counts, "in problems", status="parseable") <= 3 * TARGET * ROWS  # a million rows: TARGET


def test_every_kind_of_mess_is_in_one_row_of_a_hundred(milled):
    counts, _ = milled
    kinds = {kind for _, _, kind in counts if kind}
    assert len(kinds) > 60
    assert [kind for kind in kinds if total(counts, *OUTCOMES, kind=kind) < ROWS / 100] == []


# The mill itself


def test_the_same_seed_composes_the_same_row():
    assert compose(7) == compose(7)
    assert cells(compose(7)) == cells(compose(7))


def test_the_truth_is_what_was_composed():
    options = dict(zip("ABCD", ["甲", "乙", "丙", "丁"], strict=True))
    paper = Paper("语文", 0, "略", [Question(3, 3, "问题", options, "B"), Question(4, 4, "请概括。", None, "写山。")])
    assert cells(paper) == ("略", f"3.问题{FOUR}4.请概括。", "3.B\n4.写山。")
    expected = [(0, 3, "问题", "甲", "乙", "丙", "丁", "B")], [(1, 4, "请概括。", "写山。")]
    assert truth(paper) == ("parseable", *expected)
    assert judge(paper, *expected, []) == ("parseable", "right")
    assert judge(paper, [(0, 3, "问题", "甲", "乙", "丙", "丁", "C")], expected[1], []) == ("parseable", "wrong")
    assert judge(paper, *expected, [(None, None, "选项", "no_number", "…")]) == ("parseable", "in problems")
    assert judge(paper, expected[0], [], []) == ("parseable", "unaccounted")


def test_letters_that_only_the_meaning_tells_apart_are_doubtful():
    options = dict(zip("ABCD", ["甲", "写到B站", "丙", "丁"], strict=True))
    question = Question(1, 1, "问题", options, "A", layout="one line", separator="", dotless="ABCD")
    paper = Paper("语文", 0, "略", [question])
    assert cells(paper)[1] == "1.问题\nA甲B写到B站C丙D丁"
    assert truth(paper)[0] == "doubtful"


def test_a_failure_is_made_small():
    def has_a_year(paper):
        return any("2019" in question.stem for question in paper.questions)

    paper = next(paper for paper in map(compose, range(1000)) if has_a_year(paper) and len(kinds_of(paper)) > 8)
    small = shrink(paper, has_a_year)
    assert len(small.questions) == 1
    assert len(kinds_of(small)) < len(kinds_of(paper))


# What it found: options


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("AA和B\nB.乙\nC.丙\nD.丁", ["A和B", "乙", "丙", "丁"], id="a letter behind a glued letter"),
        pytest.param("A.甲\nB.乙 C.J. D. Salinger\nD.丁", ["甲", "乙", "J. D. Salinger", "丁"], id="initials, glued"),
        pytest.param("A.甲 B.乙 C.C. D. Roosevelt D.丁", ["甲", "乙", "C. D. Roosevelt", "丁"], id="initials, doubled"),
        pytest.param("A.A. A. Milne B.乙 C.丙 D.丁", ["A. A. Milne", "乙", "丙", "丁"], id="initials, three alike"),
        pytest.param(
            "A.Vitamin C. B.A. B. Smith. C.丙 D.丁",
            ["Vitamin C.", "A. B. Smith.", "丙", "丁"],
            id="initials behind a name with a letter",
        ),
        pytest.param("A.The U.S. B.乙 C.丙 D.丁", ["The U.S.", "乙", "丙", "丁"], id="an abbreviation"),
        pytest.param("A、甲\nB、写到C、D两地 C丙\nD、丁", ["甲", "写到C、D两地", "丙", "丁"], id="a list of letters"),
        pytest.param("A.甲 C.丙 B.写到C、D两地\nD.丁", ["甲", "写到C、D两地", "丙", "丁"], id="a list, out of order"),
        pytest.param("A  A、B两组\nB.乙\nC.丙\nD丁", ["A、B两组", "乙", "丙", "丁"], id="a list behind a bare letter"),
        pytest.param("A、甲B乙C、丙D、B或D", ["甲", "乙", "丙", "B或D"], id="two letters, options with 、"),
        pytest.param("A  甲B、A、B两组C  丙D、丁", ["甲", "A、B两组", "丙", "丁"], id="a list, options with 、"),
        pytest.param("A  甲B、A和B\nC  丙D、丁", ["甲", "A和B", "丙", "丁"], id="two letters behind one with 、"),
        pytest.param(
            "A.甲B.乙CThe boy wrote about C. D. RooseveltD.丁",
            ["甲", "乙", "The boy wrote about C. D. Roosevelt", "丁"],
            id="initials in a glued option",
        ),
        pytest.param("APlan A.\nB.乙\nC.丙\nD.丁", ["Plan A.", "乙", "丙", "丁"], id="a glued name with a letter"),
    ],
)
def test_options(lines, expected):
    found = parse(f"1.问题\n{lines}", "1.D").questions
    assert found[list("ABCD")].to_numpy().tolist() == [expected]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param("1.问题\nA.写到C、D两地\nB.乙\nD.丁", "missing_options", id="a list is no option"),
        pytest.param("1.问题\nA.Vitamin C works\nB.乙\nD.丁", "missing_options", id="a name is no option"),
        pytest.param("1.说说 C. D. Roosevelt\nA.甲\nB.乙\nD.丁", "missing_options", id="initials are no option"),
        pytest.param("1.问题\nA.A与C之间\nB.乙\nD.丁", "missing_options", id="a letter in a word is no option"),
        pytest.param("1.问题\nA.甲\nB.维生素C\nD.丁", "missing_options", id="a letter at the end is no option"),
        pytest.param("1.问题\nA、甲\nB、A与C之间\nD、丁", "missing_options", id="a letter in a word, options with 、"),
        pytest.param("1.问题\nA  A. B. Smith\nBA. B. Smith\nC丙\nD丁", "ambiguous_options", id="the same initials"),
        pytest.param(
            "1.问题 A.A farmer paid BA farmer paid C  A. B. Smith looked D.丁", "same_options", id="an article behind B"
        ),
        pytest.param("1.问题\nA.甲\nB.乙\nB.丙\nD.C大调", "missing_options", id="a letter twice, one in a word"),
        pytest.param("1.问题\nA.甲\nB.C大调\nB.丙\nD.丁", "ambiguous_options", id="a letter twice"),
        pytest.param("1.问题\nA甲C采用B方案B乙D丁", "ambiguous_options", id="glued, out of order, a letter in a word"),
        pytest.param("1.问题\nA  第二段借B超。C  丙D  丁B  乙", "ambiguous_options", id="a letter in a word, in order"),
        pytest.param("1.问题\nA  A和B由此想到C  丙B  乙D  丁", "ambiguous_options", id="two letters, in order"),
        pytest.param("1.问题\nA.甲C  丙\nB  A与C之间D.丁", "ambiguous_options", id="letters in words, in order"),
        pytest.param("4.问题\nA  A、B两组C丙B乙\nD丁", "ambiguous_options", id="a list of letters, in order"),
        pytest.param("6.问题 A.Class B.B乙C.丙D.丁", "ambiguous_options", id="a name, then the letter"),
        pytest.param("5.问题 D丁A  A farmer gave up musicB.乙C.丙", "ambiguous_options", id="an article, in order"),
        pytest.param(f"1.问题{FOUR}问题\nA  甲\nB  乙\nC  丙\nD  丁", "ambiguous_options", id="two questions in one"),
    ],
)
def test_options_that_are_reported(options, code):
    found = parse(options, "1.D")
    assert found.questions.empty
    assert code in found.problems["code"].tolist()


# Stems and numbers


@pytest.mark.parametrize(
    ("mark", "stem"),
    [
        ("4.", "2019年的雨"),
        ("4.", "3.5亿年前的化石"),
        ("4.", "20世纪的手艺"),
        ("4.", "30多年来的雪"),
        ("4.", "9:20有什么意义"),
        ("4.", "1/3是指"),
        ("4.", "50%的人"),
        ("4.", "3、4两段"),
        ("4、", "20世纪的手艺"),
        ("4、", "1、2号井"),
        ("4)", "3.5亿年前"),
        ("4：", "9:20有什么意义"),
        ("5.", "2019 was a hard year. Why?"),
    ],
)
def test_a_stem_that_begins_with_a_number(mark, stem):
    number = int(mark[:-1])
    found = parse(f"{number - 1}{mark[-1]}问题{FOUR}{mark}{stem}{FOUR}", f"{number - 1}.A\n{number}.B").questions
    assert found[["number", "stem", "answer"]].to_numpy().tolist() == [[number - 1, "问题", "A"], [number, stem, "B"]]


@pytest.mark.parametrize("marks", [("1.", "（2）"), ("（1）", "2."), ("1、", "(4)"), ("2 .", "【4】"), ("（3）", "4:")])
def test_numbers_of_two_looks(marks):
    first, second = (int("".join(filter(str.isdigit, mark))) for mark in marks)
    found = parse(f"{marks[0]}问题{FOUR}{marks[1]}请概括。", f"{first}.A\n{second}.写山。")
    assert found.questions["D"].tolist() == ["丁"]
    assert found.short_answers[["number", "reference"]].to_numpy().tolist() == [[second, "写山。"]]


@pytest.mark.parametrize("stem", ["谈谈“（2）处”的理解", "关于（2）处，正确的一项是", "第2、第3两段写了什么"])
def test_a_number_inside_a_stem_is_no_question(stem):
    found = parse(f"1.{stem}{FOUR}3.问题{FOUR}", "1.A\n3.B").questions
    assert found[["number", "stem"]].to_numpy().tolist() == [[1, stem], [3, "问题"]]


def test_a_letter_inside_a_stem_is_no_option():
    found = parse("8.关于A和B的推断\nB  乙\nC  丙 A  甲\nD  丁", "8.B").questions
    assert found[["stem", *"ABCD"]].to_numpy().tolist() == [["关于A和B的推断", *"甲乙丙丁"]]


def test_a_bracket_that_begins_a_stem_is_no_question():
    found = parse(f"1. 问题\n1. （2）处在文中的含义{FOUR}", "1.写山。\n1.C")
    assert found.questions[["position", "stem", "answer"]].to_numpy().tolist() == [[1, "（2）处在文中的含义", "C"]]
    assert found.short_answers["reference"].tolist() == ["写山。"]


def test_a_number_in_brackets_inside_an_answer_is_no_answer():
    options = f"1.问题{FOUR}2.问题\n3.问题{FOUR}4.问题"
    found = parse(options, "（1）A\n（4）误解了（2）处\n（3）C\n（2）写山。")
    assert found.short_answers[["number", "reference"]].to_numpy().tolist() == [[2, "写山。"], [4, "误解了（2）处"]]


def test_options_that_were_not_found_are_no_short_answer():
    for answers in ("4.B．上午\n5.B", "4.B\nD项有误；故选B。\n5.B"):
        found = parse(f"4.问题A甲D丁C丙B乙\n5.问题{FOUR}", answers)
        assert found.problems["code"].tolist() == ["missing_options"]


def test_a_number_inside_an_option_is_no_question():
    found = parse(f"4.问题\nA.No. 5.\nB.A farmer\nC.丙\nD.丁\n5.问题{FOUR}", "4.A\n5.B", "英语").questions
    assert found["A"].tolist() == ["No. 5.", "甲"]


def test_a_year_in_a_stem_does_not_hide_that_options_follow():
    found = parse(f"1.问题{FOUR}1.It was opened in 2019. Why?{FOUR}", "D\nA", "英语").questions
    assert found["stem"].tolist() == ["问题", "It was opened in 2019. Why?"]


# Answers


@pytest.mark.parametrize(
    ("numbers", "answers"),
    [
        pytest.param((1, 2), "1.C项\n2.B项。", id="C项"),
        pytest.param((1, 2), "1--2 CВ", id="a range with two dashes, a Cyrillic letter"),
        pytest.param(
            (1, 3), "第1题：C\n第3题：B\n【1题详解】\n故选C。\n【3题详解】\n故选B。", id="explained, of one look"
        ),
        pytest.param((1, 3), "【1】C\n【3】B\n【1题详解】\n故选C。\n【3题详解】\n故选B。", id="explained, in brackets"),
        pytest.param(
            (8, 9), "1.C\n2.B\n【解析】\n【1题详解】\n故选C。\n【2题详解】\n故选B。", id="numbers differ, explained"
        ),
        pytest.param((1, 2), "1.C  A项“3.5亿年”有误；\n2.B。", id="a letter, then an item"),
        pytest.param((1, 1), "1.【答案】C\n1.B。", id="a number twice"),
        pytest.param((2, 4), "2.C  See Line 3. \n4.B", id="a number in words"),
    ],
)
def test_two_answers(numbers, answers):
    found = parse("".join(f"{number}.问题{FOUR}" for number in numbers), answers)
    assert found.questions["answer"].tolist() == ["C", "B"]
    assert found.problems.empty


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        (f"1.问题\n2.问题{FOUR}3.问题", "2C\n1.C大调写到第2、第3两段。\n3.写山。"),
        (f"21.问题\n22.问题{FOUR}23.问题", "2.C\n1.A4纸是一个比喻。\n3.写山。"),
        (f"1.问题\n2.问题{FOUR}3.问题", "【1】A、B两组\n【2】C\n【3】写山。\n【2题详解】\n故选C。"),
    ],
)
def test_short_answers_that_begin_like_a_choice(options, answers):
    found = parse(options, answers)
    assert found.questions["answer"].tolist() == ["C"]
    assert found.short_answers["reference"].tolist()[1] == "写山。"
    assert found.problems.empty


@pytest.mark.parametrize(
    ("options", "answers", "code"),
    [
        pytest.param(f"1.问题{FOUR}", "1.Е\n【解析】故选B。", "conflicting_answers", id="a Cyrillic E"),
        pytest.param(f"1.问题{FOUR}2.问题{FOUR}3.问题{FOUR}", "1.C 3.A 2.B 4.A", "surplus_answers", id="one more"),
        pytest.param(f"2.问题\n问题{FOUR}", "5.A\n2.C大调", "surplus_answers", id="another number"),
        pytest.param(f"1.问题\n问题{FOUR}", "1.写山。\n1.A", "surplus_answers", id="a number twice"),
        pytest.param(f"56.问题\n问题{FOUR}", "4.B\n1.写山。", "surplus_answers", id="numbers differ"),
        pytest.param(
            f"1.问题\n问题{FOUR}2.问题{FOUR}", "1C2C\n1.写山。", "surplus_answers", id="a text behind letters"
        ),
        pytest.param(
            f"1.问题\n1.问题\n问题{FOUR}3.问题{FOUR}",
            "2A3A\n1.写山。\n1.写水。",
            "no_answer",
            id="two texts of a number",
        ),
        pytest.param(f"2.问题\n问题{FOUR}", "3.A\n（2）C大调", "surplus_answers", id="a number of another look"),
        pytest.param(f"1.请概括。\n3、4两节写山{FOUR}", "1.写山。\n2.B", "surplus_answers", id="two numbers, no mark"),
        pytest.param(
            f"1.问题\n问题{FOUR}", "1.写山。\n1.A【解析】故选A。", "surplus_answers", id="a number twice, explained"
        ),
        pytest.param(
            f"1.问题\n问题{FOUR}", "1.C大调\n1.答案：C", "surplus_answers", id="a letter in a word, then a letter"
        ),
        pytest.param(
            f"1.问题\n问题{FOUR}", "1.《灯》（节选）\n1.所以选A。", "surplus_answers", id="节选 chooses nothing"
        ),
        pytest.param(f"1.问题\n问题{FOUR}2.问题{FOUR}", "1.A2.B\n1.A4纸", "surplus_answers", id="A4 is no explanation"),
        pytest.param(
            f"1.问题\n问题{FOUR}2.问题{FOUR}", "1.B超\n2.故选D。\n2.因此选D", "surplus_answers", id="two conclusions"
        ),
        pytest.param(f"13.问题\n问题{FOUR}", "4D\n【1】写山。", "surplus_answers", id="a bracket behind letters"),
        pytest.param(
            f"2.问题\n问题{FOUR}", "题号 3\n3.D\n（2）写山。", "surplus_answers", id="a bracket beside the run"
        ),
        pytest.param(
            f"（1）问题\n关于（2）处{FOUR}（3）问题{FOUR}", "1.写山。\n2.C\n3.A", "surplus_answers", id="（2）处"
        ),
    ],
)
def test_answers_that_are_reported(options, answers, code):
    assert code in parse(options, answers).problems["code"].tolist()


def test_a_clock_time_in_full_width_with_an_invisible_character_in_it():
    assert parse(f"1.上午８：\u200b００的船{FOUR}", "1.A").questions["stem"].tolist() == ["上午8:00的船"]


# The short way (helpers/textbook.py) and the long one


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_the_short_way_and_the_long_way_agree(seeds):
    rows = clean(frame(map(compose, seeds)))
    for short, long in zip(extract(rows), extract(rows, timeout=600), strict=True):  # with a time limit: the long way
        pd.testing.assert_frame_equal(short, long)


def test_many_rows_can_go_the_short_way():
    texts = [text for text in clean(frame(map(compose, range(500))))["选项"] if isinstance(text, str)]
    assert sum(split_questions(text) is not None for text in texts) > len(texts) / 5


@pytest.mark.parametrize("options", ["A.甲 B.乙 C.丙 D.丁", "\nA.甲\nB.乙\nC.丙\nD.丁", " C．丙B．乙D．丁A．甲"])
def test_what_is_written_as_in_a_textbook_goes_the_short_way(options):
    text = clean(pd.DataFrame({"阅读文本": [""], "选项": [f"4.问题{options}\n5.请概括。"], "答案": [""]})).loc[
        0, "选项"
    ]
    numbers, questions = split_questions(text)
    assert numbers == [4, 5]
    assert {name: own.strip() for name, own in questions[0].items()} == dict(
        zip(["stem", *"ABCD"], ["问题", "甲", "乙", "丙", "丁"], strict=True)
    )
    assert [reply.text for reply in split_answers("4.B 5.写一座山。", numbers, questions)] == ["B", "写一座山。"]


@pytest.mark.parametrize(
    "text",
    [
        "问题\nA.甲 B.乙 C.丙 D.丁",
        "1.问题\nA.甲 B.乙 D.丁",
        "1.问题\nA.甲 B.乙 C.丙 D.丁 E.戊",
        "1.问题\nA.甲 B.乙 C.丙 D.",
        "1.问题\nA.写到C、D两地 B.乙 D.丁",
        "1.It was opened in 20. Why?\nA.甲 B.乙 C.丙 D.丁",
        "1.问题（2）处\nA.甲 B.乙 C.丙 D.丁",
        "1.问题\nA.甲 B.J. D. Salinger C.丙 D.丁",
        "1.问题 A 甲 B 乙 C 丙 D 丁",
        "2.问题\nA.甲 B.乙 C.丙 D.丁\n1.请概括。",
        "1.问题\nA.Group D. B.乙 C.丙\nDThe map",
    ],
)
def test_what_is_in_doubt_goes_the_long_way(text):
    assert split_questions(text) is None


@pytest.mark.parametrize(
    "answers", ["1.B", "1.B 2.", "B 略略略略", "1.B\n3.写一座山。", "1.BC\n2.写一座山。", "1.B\n2.A"]
)
def test_answers_in_doubt_go_the_long_way(answers):
    assert split_answers(answers, [1, 2], [{"stem": "", "A": ""}, {"stem": ""}]) is None
