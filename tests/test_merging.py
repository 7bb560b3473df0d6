"""Splitting, filling up, shuffling, exporting."""

import csv
import json
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import KitError
from helpers.cleaning import clean
from helpers.extraction import extract
from helpers.merging import check_leak, count_letters, export, make_dataset, make_open_dataset, shuffle_options
from helpers.prompts import COURSE_TEMPLATES, TEMPLATES

COLUMNS = ["subject", "row", "input", "output", "split", "origin"]
PASSAGES = [
    "山中的小路很长，走了整整一个上午。",
    "海边的风总是带着咸味，晒网的人说。",
    "城里的桥修好了，河水也清了。\n人们又来散步。",
    "书店开到很晚，灯一直亮着，雨下个不停。",
    "果园在山坡的南面，十月的时候最热闹。",
    "车站旧了，钟还准，卖报的老人记得每一趟车。",
    "他把信读了三遍，然后放回抽屉里。",
    "麦子黄了，学校放假，孩子们都下了地。",
]
METHODS = ["course", "repeat", "shuffled"]
ENDINGS = {"语文": "答案:", "英语": "Answer: "}
STEMS = {"语文": "问题", "英语": "Question"}
SHARED_LINE = {"语文": "请出 {count} 道题：{text}", "英语": "Write {count} questions: {text}"}


def output_of(count, subject="语文", letter="B"):
    return "\n\n".join(
        f"{n}. {STEMS[subject]}{n}\nA. 甲{n}\nB. 乙{n}\nC. 丙{n}\nD. 丁{n}\n\n{ENDINGS[subject]}{letter}"
        for n in range(1, count + 1)
    )


def pairs_of(passages, templates=TEMPLATES, subject="语文"):
    """Pairs of (passage, number of questions), one a row."""
    lines = []
    for row, (text, count) in enumerate(passages):
        prompt = templates[subject].replace("{count}", str(count)).replace("{text}", text)
        lines.append([subject, row, prompt, output_of(count, subject)])
    return pd.DataFrame(lines, columns=COLUMNS[:4])


def many(count, subject="语文"):
    """Pairs of passages that have no line in common."""
    words = {"语文": "第{}座山的故事。", "英语": "The story of hill number {}."}
    signs = [
        chr(0x4E00 + n) if subject == "语文" else "abcdefghijklmnopqrstuvwxyz"[n % 26] * (n + 1) for n in range(count)
    ]
    return pairs_of([(words[subject].format(sign), 2) for sign in signs], subject=subject)


def in_both(dataset, passages):
    """Return the passages that are in train and val, told by the row that they come from."""
    text = {row: own for row, (own, *_) in enumerate(passages)}
    parts = {split: {text[row] for row in own["row"]} for split, own in dataset.groupby("split")}
    return parts.get("train", set()) & parts.get("val", set())


# The split


@given(
    st.lists(st.tuples(st.sampled_from(PASSAGES), st.integers(1, 4)), min_size=2, max_size=12),
    st.sampled_from([*METHODS, "none"]),
    st.sampled_from([0.1, 0.3, 0.6]),
    st.integers(0, 999),
)
@settings(max_examples=100, deadline=None)
def test_no_passage_is_in_both_parts(passages, method, share, seed):
    dataset = make_dataset(pairs_of(passages), minimum=15, method=method, val_share=share, seed=seed)
    assert in_both(dataset, passages) == set()


MOSTLY_ONE = [(PASSAGES[0], 1), (PASSAGES[0], 2), (PASSAGES[0], 3), (PASSAGES[1], 1)]
TWICE_EACH = [(text, count) for text in PASSAGES[:4] for count in (2, 4)]
DIGITS_DIFFER = [(f"第{n}篇：第{n}座山，第{n}条河。", count) for n in (1, 2, 5) for count in (3, 4)]
LEAKY = {
    "each passage in two rows": (TEMPLATES, TWICE_EACH),
    "one passage in most rows": (TEMPLATES, MOSTLY_ONE),
    "passages that differ in their digits": (TEMPLATES, DIGITS_DIFFER),
    "count and passage on one line": (SHARED_LINE, TWICE_EACH),
    "the courses prompt": (COURSE_TEMPLATES, TWICE_EACH),
    "a prompt that is the passage": ({"语文": "{text}"}, TWICE_EACH),
}


@pytest.mark.parametrize(("templates", "passages"), LEAKY.values(), ids=LEAKY)
def test_a_passage_in_several_rows_stays_in_one_part(templates, passages):
    for seed in range(10):
        pairs = pairs_of(passages, templates)
        dataset = make_dataset(pairs, minimum=20, method="repeat", val_share=0.4, seed=seed)
        assert in_both(dataset, passages) == set()


@pytest.mark.parametrize(("templates", "passages"), LEAKY.values(), ids=LEAKY)
def test_check_leak_sees_a_passage_in_both_parts(templates, passages):
    split = ["train"] + ["val"] * (len(passages) - 1)
    assert check_leak(pairs_of(passages, templates).assign(split=split)) == 1


def test_check_leak_finds_none_where_there_is_none():
    assert check_leak(many(10).assign(split=["train"] * 8 + ["val"] * 2)) == 0


@pytest.mark.parametrize(
    ("chinese", "english", "share", "held_out"),
    [(20, 10, 0.1, (2, 1)), (20, 10, 0.2, (4, 2)), (10, 30, 0.5, (5, 15)), (3, 3, 0.1, (1, 1)), (20, 10, 0, (0, 0))],
)
def test_the_validation_share_holds_for_each_subject(chinese, english, share, held_out):
    pairs = pd.concat([many(chinese), many(english, "英语")], ignore_index=True)
    val = make_dataset(pairs, val_share=share).query("split == 'val'")
    assert ((val["subject"] == "语文").sum(), (val["subject"] == "英语").sum()) == held_out


def test_a_subject_with_one_passage_keeps_it_for_training():
    pairs = pd.concat([many(1), many(10, "英语")], ignore_index=True)
    assert set(make_dataset(pairs, val_share=0.5).query("split == 'val'")["subject"]) == {"英语"}


def test_validation_holds_source_rows_only():
    val = make_dataset(many(20), val_share=0.3).query("split == 'val'")
    assert (set(val["origin"]), val["row"].is_unique) == ({"source"}, True)


@pytest.mark.parametrize("method", [*METHODS, "none"])
def test_every_pair_is_in_the_data_set_once_as_a_source(method):
    source = make_dataset(many(20), method=method).query("origin == 'source'")
    assert sorted(source["row"]) == list(range(20))


def test_equal_pairs_count_once():
    pairs = pd.concat([many(5), many(5)], ignore_index=True)
    assert len(make_dataset(pairs, method="none")) == 5


# The minimum


@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 40), st.sampled_from(METHODS), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_every_method_reaches_the_minimum_exactly(chinese, english, minimum, method, seed):
    pairs = pd.concat([many(chinese), many(english, "英语")], ignore_index=True)
    dataset = make_dataset(pairs, minimum=minimum, method=method, seed=seed)
    train = dataset["split"] == "train"
    source = dataset["origin"] == "source"
    assert train.sum() == max(minimum, (train & source).sum())


@pytest.mark.parametrize("method", METHODS)
def test_enough_rows_are_not_filled_up(method):
    assert set(make_dataset(many(20), minimum=5, method=method)["origin"]) == {"source"}


def test_none_adds_nothing():
    assert len(make_dataset(many(20), minimum=150, method="none")) == 20


@pytest.mark.parametrize(("method", "origin"), [("course", "repeat"), ("repeat", "repeat"), ("shuffled", "shuffled")])
def test_the_origin_says_how_a_row_was_made(method, origin):
    dataset = make_dataset(many(20), minimum=30, method=method)
    assert set(dataset["origin"]) == {"source", origin}


def test_the_courses_method_takes_the_first_rows_of_each_subject():
    pairs = pd.concat([many(60), many(42, "英语")], ignore_index=True)
    added = make_dataset(pairs, minimum=152, method="course", val_share=0).query("origin == 'repeat'")
    expected = [("语文", n) for n in range(30)] + [("英语", n) for n in range(20)]
    assert list(zip(added["subject"], added["row"], strict=True)) == expected


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_the_courses_method_works_with_one_subject(subject):
    assert len(make_dataset(many(6, subject), minimum=25, method="course", val_share=0)) == 25


@pytest.mark.parametrize("method", ["repeat", "shuffled"])
def test_no_row_is_taken_again_before_every_row_was(method):
    added = make_dataset(many(10), minimum=36, method=method, val_share=0).query("origin != 'source'")
    assert set(added["row"].value_counts()) == {2, 3}


def test_training_rows_come_first():
    dataset = make_dataset(many(20), minimum=40)
    assert dataset["split"].tolist() == ["train"] * 40 + ["val"] * 2


def test_the_columns_of_the_data_set():
    assert make_dataset(many(3)).columns.tolist() == COLUMNS


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_data_set(method):
    pd.testing.assert_frame_equal(
        make_dataset(many(20), method=method, seed=3), make_dataset(many(20), method=method, seed=3)
    )


@pytest.mark.parametrize("method", ["repeat", "shuffled"])
def test_another_seed_gives_another_data_set(method):
    assert not make_dataset(many(20), method=method, seed=1).equals(make_dataset(many(20), method=method, seed=2))


def test_the_pairs_themselves_are_not_changed():
    pairs = many(5)
    make_dataset(pairs)
    pd.testing.assert_frame_equal(pairs, many(5))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"method": "copy"}, "copy"),
        ({"val_share": 1}, "1"),
        ({"val_share": -0.1}, "-0.1"),
        ({"val_share": float("nan")}, "nan"),
    ],
)
def test_a_bad_setting_is_named(options, word):
    with pytest.raises(KitError, match=word):
        make_dataset(many(5), **options)


def test_no_pairs_are_an_error_with_advice():
    with pytest.raises(KitError, match="problems"):
        make_dataset(many(0))


# Shuffled options


def read(output):
    """Read questions in the contest's form, line by line: stem, options by letter, answer."""
    found = []
    for line in output.split("\n"):
        head, _, tail = line.partition(". ")
        if head.isdecimal():
            found.append([tail, {}, None])
        elif head in ("A", "B", "C", "D"):
            found[-1][1][head] = tail
        elif line:
            found[-1][2] = line[-1]
    return found


option_texts = st.lists(
    st.sampled_from(["甲", "乙", "丙", "丁", "戊 己", "3.5亿", "A型"]), min_size=4, max_size=4, unique=True
)


@given(st.lists(st.tuples(option_texts, st.sampled_from("ABCD")), min_size=1, max_size=5), st.integers(0, 999))
@settings(max_examples=200, deadline=None)
def test_shuffling_keeps_each_question_and_never_the_old_order(questions, seed):
    output = "\n\n".join(
        f"{n}. 问题{n}\n"
        + "\n".join(f"{x}. {text}" for x, text in zip("ABCD", texts, strict=True))
        + f"\n\n答案:{letter}"
        for n, (texts, letter) in enumerate(questions, 1)
    )
    for old, new in zip(read(output), read(shuffle_options(output, "语文", random.Random(seed))), strict=True):
        assert new[0] == old[0]
        assert sorted(new[1].values()) == sorted(old[1].values())
        assert new[1][new[2]] == old[1][old[2]]
        assert new[1] != old[1]


def test_shuffling_keeps_the_form():
    new = shuffle_options(output_of(2, "英语"), "英语", random.Random(0))
    assert [line.partition(" ")[0] for line in new.split("\n")] == ["1.", "A.", "B.", "C.", "D.", "", "Answer:", ""] + [
        "2.", "A.", "B.", "C.", "D.", "", "Answer:",
    ]  # fmt: skip


def test_every_letter_becomes_the_answer_at_some_seed():
    letters = {shuffle_options(output_of(1), "语文", random.Random(seed))[-1] for seed in range(50)}
    assert letters == {"A", "B", "C", "D"}


@given(st.integers(1, 9), st.sampled_from("ABCD"), st.integers(0, 99))
def test_four_questions_in_a_row_get_four_different_letters(count, letter, seed):
    letters = [
        answer for _, _, answer in read(shuffle_options(output_of(count, letter=letter), "语文", random.Random(seed)))
    ]
    assert all(len(set(letters[i : i + 4])) == len(letters[i : i + 4]) for i in range(count))


@pytest.mark.parametrize(
    "output", ["", "没有题目", "1. 问\nA. 甲\nB. 乙\nC. 丙\n\n答案:B", "1. 问\nA. 甲\nB. 乙\nC. 丙\nD. 丁"]
)
def test_a_text_that_is_not_in_the_form_is_refused(output):
    with pytest.raises(KitError):
        shuffle_options(output, "语文", random.Random(0))


ODD_BUT_WHOLE = {
    "two equal options": ("语文", "1. 问题\nA. 甲\nB. 甲\nC. 丙\nD. 丁\n\n答案:C"),
    "a Chinese word in an English stem": (
        "英语",
        "1. What does 福 mean?\nA. Luck\nB. Rain\nC. Tea\nD. Hill\n\nAnswer: A",
    ),
    "a Chinese stem without Chinese": ("语文", "1. PM2.5=?\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:C"),
}


@pytest.mark.parametrize(("subject", "output"), ODD_BUT_WHOLE.values(), ids=ODD_BUT_WHOLE)
def test_one_odd_question_does_not_stop_the_data_set(subject, output):
    pairs = pd.concat([many(4, subject), many(1, subject).assign(row=9, output=output)], ignore_index=True)
    assert len(make_dataset(pairs, minimum=12, val_share=0)) == 12


# Open questions

SHORT = "1．问题一\nA．甲\nB．乙\nC．丙\nD．丁\n2．请概括主要内容。\n3．请说明理由。"


def open_pairs(*cells):
    rows = [("语文", row, *own) for row, own in enumerate(cells)]
    rows = clean(pd.DataFrame(rows, columns=["subject", "row", "阅读文本", "选项", "答案"], dtype=object))
    return make_open_dataset(rows, extract(rows))


def test_an_open_pair_has_the_passage_the_question_and_the_reference():
    pairs = open_pairs(("文章。", SHORT, "1.B\n2.写山。\n3.因为高。"))
    assert pairs["output"].tolist() == ["写山。", "因为高。"]
    assert all("文章。" in text for text in pairs["input"])
    assert [
        text.split("\n")[-1].endswith(stem)
        for text, stem in zip(pairs["input"], ["请概括主要内容。", "请说明理由。"], strict=True)
    ] == [True, True]


def test_a_question_without_a_reference_gives_no_open_pair():
    assert open_pairs(("文章。", SHORT, "1.B\n2.写山。"))["output"].tolist() == ["写山。"]


@pytest.mark.parametrize("passage", ["", " \u3000", None, 3.5, float("nan"), "=SUM(A1)"])
def test_a_row_without_a_passage_gives_no_open_pair(passage):
    assert open_pairs((passage, SHORT, "1.B\n2.写山。\n3.因为高。")).empty


def test_no_open_pairs_still_have_their_columns():
    assert open_pairs(("文章。", "", "")).columns.tolist() == COLUMNS[:4]


def test_the_open_questions_of_one_passage_stay_in_one_part():
    references = "1.B\n2.写山。\n3.因为高。"
    sheet = SHORT.replace("请概括主要内容", "请根据全文内容概括作者对这座山的看法的变化过程")
    pairs = open_pairs(*((text, sheet, references) for text in PASSAGES))
    for seed in range(10):
        dataset = make_dataset(pairs, minimum=30, method="repeat", val_share=0.3, seed=seed)
        parts = dataset.groupby("split")["row"].agg(set)
        assert parts["train"] & parts["val"] == set()


def test_open_questions_of_one_passage_in_two_rows_stay_in_one_part():
    sheets = [
        ("1．请概括主要内容。", "1.写山。"),
        ("1．请说明理由。", "1.因为高。"),
        ("1．请概括主要内容。\n2．请说明理由。", "1.写山。\n2.因为高。"),
    ]
    cells = [(text, *sheet) for text in PASSAGES for sheet in sheets]
    pairs = open_pairs(*cells)
    assert len(pairs) == 4 * len(PASSAGES)
    for seed in range(10):
        dataset = make_dataset(pairs, minimum=0, method="none", val_share=0.3, seed=seed)
        assert in_both(dataset, cells) == set()


# Letters


def test_count_letters():
    outputs = [output_of(2, letter="B"), output_of(1, letter="D"), output_of(3, "英语", "A")]
    counts = count_letters(pd.DataFrame({"subject": ["语文", "语文", "英语"], "output": outputs}))
    assert counts.to_dict("index") == {
        "语文": {"A": 0, "B": 2, "C": 0, "D": 1},
        "英语": {"A": 3, "B": 0, "C": 0, "D": 0},
    }


# Export


@pytest.fixture
def exported(tmp_path):
    folder = tmp_path / "我的 数据"
    dataset = make_dataset(many(20), minimum=25)
    counts = export(dataset, folder)
    return dataset, folder, counts


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").rstrip("\n").split("\n")]


def two_columns(dataset, split):
    return dataset.loc[dataset["split"] == split, ["input", "output"]].to_dict("records")


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_json_lines_hold_their_part(exported, split):
    dataset, folder, _ = exported
    assert lines_of(folder / f"{split}.jsonl") == two_columns(dataset, split)


@pytest.mark.parametrize("name", ["train.jsonl", "val.jsonl", "messages.jsonl", "alpaca.json", "dataset_info.json"])
def test_json_files_have_no_byte_order_mark(exported, name):
    assert not (exported[1] / name).read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_table_has_a_byte_order_mark_for_excel(exported):
    assert (exported[1] / "train.csv").read_bytes().startswith(b"\xef\xbb\xbfinput,output\r\n")


def test_the_table_read_back_equals_the_training_part(exported):
    dataset, folder, _ = exported
    table = pd.read_csv(folder / "train.csv", encoding="utf-8-sig", keep_default_na=False)
    assert table.to_dict("records") == two_columns(dataset, "train")


def test_chinese_is_written_as_chinese(exported):
    assert "座山的故事" in (exported[1] / "train.jsonl").read_text(encoding="utf-8")


def test_export_counts_the_rows_of_each_file(exported):
    counts = {"train.jsonl": 25, "val.jsonl": 2, "train.csv": 25, "alpaca.json": 25, "messages.jsonl": 25}
    assert exported[2] == counts


def test_nothing_but_the_files_is_left_in_the_folder(exported):
    assert {path.name for path in exported[1].iterdir()} == {*exported[2], "dataset_info.json"}


def test_alpaca_holds_the_training_part(exported):
    dataset, folder, _ = exported
    records = json.loads((folder / "alpaca.json").read_text(encoding="utf-8"))
    assert [(r["instruction"], r["input"], r["output"]) for r in records] == [
        (pair["input"], "", pair["output"]) for pair in two_columns(dataset, "train")
    ]


def test_messages_hold_the_training_part(exported):
    dataset, folder, _ = exported
    assert [[(m["role"], m["content"]) for m in r["messages"]] for r in lines_of(folder / "messages.jsonl")] == [
        [("user", pair["input"]), ("assistant", pair["output"])] for pair in two_columns(dataset, "train")
    ]


def test_dataset_info_is_ascii(exported):
    assert (exported[1] / "dataset_info.json").read_bytes().isascii()


def test_dataset_info_lists_every_key_of_the_alpaca_file(exported):
    info = json.loads((exported[1] / "dataset_info.json").read_text(encoding="utf-8"))
    (entry,) = (e for e in info.values() if e["file_name"] == "alpaca.json")
    records = json.loads((exported[1] / "alpaca.json").read_text(encoding="utf-8"))
    assert entry.get("formatting", "alpaca") == "alpaca"
    assert entry["columns"] == {"prompt": "instruction", "query": "input", "response": "output"}
    assert all(set(record) == {"instruction", "input", "output"} for record in records)


def test_dataset_info_tells_how_to_read_the_messages(exported):
    info = json.loads((exported[1] / "dataset_info.json").read_text(encoding="utf-8"))
    (entry,) = (e for e in info.values() if e["file_name"] == "messages.jsonl")
    assert (entry["formatting"], entry["columns"]) == ("sharegpt", {"messages": "messages"})
    assert entry["tags"] == {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    }


def test_the_fields_can_be_named_as_the_contest_does(tmp_path):
    export(make_dataset(many(3)), tmp_path, fields=("input", "target"))
    assert {key for line in lines_of(tmp_path / "train.jsonl") for key in line} == {"input", "target"}
    assert {key for line in lines_of(tmp_path / "val.jsonl") for key in line} == {"input", "target"}


def test_an_empty_validation_part_is_an_empty_file(tmp_path):
    export(make_dataset(many(3), val_share=0), tmp_path)
    assert (tmp_path / "val.jsonl").read_bytes() == b""


awkward = st.text(alphabet="甲，a1 \"',;\n\t\\=@+-{}…\u2028\u3000\U0001f600", min_size=1, max_size=20)


@given(st.lists(st.tuples(awkward, awkward), min_size=1, max_size=4, unique=True))
@settings(max_examples=50, deadline=None)
def test_any_text_survives_every_file(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("out")
    dataset = pd.DataFrame(texts, columns=["input", "output"]).assign(split="train", origin="source")
    export(dataset, folder)
    pairs = [list(own) for own in texts]
    with (folder / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [["input", "output"], *pairs]
    assert [list(line.values()) for line in lines_of(folder / "train.jsonl")] == pairs
    assert [[m["content"] for m in line["messages"]] for line in lines_of(folder / "messages.jsonl")] == pairs
