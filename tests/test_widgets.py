"""The three panels without a kernel: setting a value in plain Python does all that typing does."""

import html.parser
import json
import re
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import cleaning, extraction, marks, merging, prompts, widgets

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</textarea><b>粗</b>",
    "{text} {{ }} {count}",
    "&lt;b&gt; &amp;",
    "长" * 500 + "w" * 900,
    "\u202eabc\u202c \u200fאב\u2067",
    "'\"`--><!--",
]


@pytest.fixture(scope="module")
def pairs(rows, found):
    return prompts.make_pairs(rows, found)


@pytest.fixture
def lab(source, gold):
    return widgets.RegexLab(source, gold)


@pytest.fixture
def studio(rows, found, tmp_path):
    return widgets.PromptStudio(rows, found, tmp_path / "prompts")


@pytest.fixture
def mix(rows, found, pairs, tmp_path):
    return widgets.MixDesk(rows, found, pairs, tmp_path / "out")


def numbers(markup):
    """Return the numbers in bold."""
    return [int(n) for n in re.findall(r"<b[^>]*>(\d+)</b>", markup)]


def right_rows(rows, patterns, gold):
    table = extraction.compare(rows, extraction.extract(rows, patterns), gold)
    return int(table["kept"].sum()), int((table["kept"] & table["right"]).sum())


class Tags(html.parser.HTMLParser):
    """Collect tags, attributes and text of a piece of HTML."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


def read(markup):
    tags = Tags()
    tags.feed(markup)
    return tags


def outputs(panel):
    return [part for part in vars(panel).values() if isinstance(part, widgets.ipw.HTML)]


# Regex Lab


@pytest.mark.parametrize("name", marks.LADDER)
def test_a_rung_of_the_ladder_shows_the_counts_of_the_plain_call(lab, rows, gold, name):
    lab.preset.value = name
    kept, right = right_rows(rows, marks.LADDER[name], gold)
    assert numbers(lab.count.value) == [kept, len(rows), right]
    assert lab.question.value == marks.LADDER[name].question


def test_the_tutorials_method_is_measured_on_the_rows_as_they_are(lab, source, gold):
    from helpers import baseline

    lab.preset.value = widgets.COURSE
    table = baseline.compare(source, baseline.extract(source), gold)
    assert numbers(lab.count.value) == [table["kept"].sum(), len(source), (table["kept"] & table["right"]).sum()]
    assert lab.question.disabled and "不能改" in lab.message.value
    lab.preset.value = "完整的正则"
    assert not lab.question.disabled and lab.message.value == ""


def test_an_edit_changes_the_counts_and_names_the_rows_won_and_lost(lab, rows, gold):
    lab.preset.value = "留下简答题"
    before = extraction.compare(rows, extraction.extract(rows, lab_patterns(lab)), gold)
    lab.question.value = marks.FULL.question
    lab.answer.value = marks.FULL.answer
    last = extraction.compare(rows, extraction.extract(rows, lab_patterns(lab)), gold)
    good, new = before["kept"] & before["right"], last["kept"] & last["right"]
    won, lost = (new & ~good).sum(), (good & ~new).sum()
    text = read(lab.change.value).text
    assert won and f"和预设比，▲ 赢 {won} 行" in text and f"▼ 输 {lost} 行" in text
    first = rows.loc[new & ~good].iloc[0]
    assert f"{first['subject']} {first['row'] + 2}" in text
    lab.question.value = "没有这样的题号"
    assert numbers(lab.count.value)[0] == 0
    assert f"和上一版比，▲ 赢 0 行，▼ 输 {new.sum()} 行" in read(lab.change.value).text


def lab_patterns(lab):
    own = {name: field.value for name, field in lab.fields.items()}
    return widgets.replace(widgets.PRESETS[lab.preset.value], **own)


def test_an_invalid_pattern_gets_a_sentence_and_the_last_result_stays(lab):
    before = [lab.count.value, lab.strip.value, lab.change.value]
    lab.option.value = "([A-D"
    assert "选项标记的正则表达式写错了" in lab.message.value and "上一次的结果" in lab.message.value
    assert [lab.count.value, lab.strip.value, lab.change.value] == before
    lab.row.value = lab.row.options[3][1]
    assert "选项标记" in lab.message.value  # looking at a row does not hide what is wrong
    lab.option.value = r"([A-D])\."
    assert lab.message.value == ""


@pytest.mark.parametrize("field", ["question", "option", "answer"])
def test_a_runaway_pattern_gets_a_sentence_in_time(field):
    text = "a" * 5000 + "!"
    source = pd.DataFrame({"subject": ["语文"] * 64 + ["英语"] * 64, "row": [*range(64)] * 2, "阅读文本": "文"})
    source = source.assign(选项=text, 答案=text)
    lab = widgets.RegexLab(source)
    before = lab.count.value, lab.strip.value
    for runaway in ("(a+)+$", "(a*)*$", "(a|a)+$"):
        start = time.process_time()  # a second of a machine that gives this process half of its time, or more
        lab.fields[field].value = runaway
        assert time.process_time() - start < 0.5
        assert "太慢" in lab.message.value
        assert (lab.count.value, lab.strip.value) == before


def test_the_strip_has_one_cell_a_row_and_marks_the_chosen_one(lab, rows):
    cells = re.findall(r'class="kit-cell ([^"]*)" title="([^"]+)"', lab.strip.value)
    assert len(cells) == len(rows)
    assert [title for kinds, title in cells if "kit-here" in kinds] == [cells[0][1]]
    lab.row.value = ("英语", 5)
    cells = re.findall(r'class="kit-cell ([^"]*)" title="([^"]+)"', lab.strip.value)
    assert [title.split("：")[0] for kinds, title in cells if "kit-here" in kinds] == ["英语 第 7 行"]
    assert all(sign in lab.strip.value for sign in "✓✗○–")


def test_a_row_shows_its_marks_and_why_it_failed(lab, rows):
    lab.preset.value = "完整的正则"
    lab.row.value = ("语文", 6)
    text = lab.row_text.value
    assert {"kit-number", "kit-option", "kit-answer"} <= set(re.findall(r"kit-\w+", text))
    reported = extraction.extract(rows[(rows["subject"] == "语文") & (rows["row"] == 6)]).problems["message"]
    assert all(message in read(text).text for message in reported)


def test_a_wrong_row_names_the_first_difference(lab):
    lab.preset.value = widgets.COURSE
    wrong = [key for key, state in lab.states.items() if state == "wrong"]
    lab.row.value = wrong[0]
    assert re.search("应当是“|标准答案有|没法判断", lab.row_text.value)


def test_next_walks_through_the_rows_that_are_not_right(lab):
    bad = [key for key, state in lab.states.items() if state in widgets.BAD]
    lab.row.value = bad[0]
    visited = [bad[0]]
    for _ in bad[1:]:
        lab.next.click()
        visited.append(lab.row.value)
    assert visited == bad
    lab.subject.value = "英语"
    lab.option.value = "("
    lab.subject.value = "语文"  # the last result is of the other sheet
    lab.next.click()


def test_a_subject_is_looked_at_alone(lab, rows):
    lab.subject.value = "英语"
    assert numbers(lab.count.value)[1] == (rows["subject"] == "英语").sum()
    assert {key[0] for _, key in lab.row.options} == {"英语"}
    assert "语文 第" not in lab.strip.value


def test_without_gold_nothing_is_said_about_right(source):
    lab = widgets.RegexLab(source)
    assert "无标准答案" in lab.count.value and "无标准答案" in lab._repr_mimebundle_()["text/plain"]
    lab.preset.value = widgets.COURSE
    assert "无标准答案" in lab.count.value and "正确" not in lab.strip.value
    lab.next.click()


# Prompt Studio


def test_the_funnel_follows_every_edit(studio, rows, found):
    kit = prompts.count_steps(prompts.funnel(rows, found))
    assert numbers(studio.funnel.value) == list(kit.values())
    studio.template.value += "\n出 4 道题。"
    assert numbers(studio.funnel.value) == list(kit.values())  # {count} stands before
    studio.unlock.value = True
    studio.opening.value = "请命制四道单项选择题。"
    four = {"语文": f"请命制四道单项选择题。\n\n{studio.template.value}\n\n{prompts.CLOSING['语文']}"}
    passed = prompts.funnel(rows, found, four)
    assert numbers(studio.funnel.value) == list(prompts.count_steps(passed).values())
    assert "提示词要 4 道题，这一行有 3 道" in studio.fallen.value


def test_a_bad_template_is_named_and_the_last_result_stays(studio):
    before = [part.value for part in outputs(studio) if part is not studio.message]
    for bad in ("要求：{number}", "要求：{", "}"):
        studio.template.value = bad
        assert "“要求”第 1 行" in studio.message.value and "上一次的结果" in studio.message.value
        assert [part.value for part in outputs(studio) if part is not studio.message] == before
    studio.template.value = "要求：\n1. 要有{level}。"
    assert "“要求”第 2 行第 6 个字符的占位符“{level}”" in studio.message.value
    studio.unlock.value = True
    studio.template.value, studio.closing.value = "要求", "全文：{text"
    assert "“结尾”第 1 行第 4 个字符有一个单独的“{”" in studio.message.value
    studio.closing.value = "没有文章"
    assert "语文：提示词里没有 {text}" in studio.message.value


def test_the_organisers_part_is_locked_until_unlocked(studio):
    assert studio.opening.disabled and studio.closing.disabled and not studio.template.disabled
    assert studio.warning.value == ""
    studio.unlock.value = True
    assert not studio.opening.disabled and not studio.closing.disabled
    assert "主办方" in studio.warning.value
    studio.unlock.value = False
    assert studio.opening.disabled and studio.warning.value == ""


def test_the_prompt_of_a_row_is_rendered_with_its_placeholders_marked(studio, rows, pairs):
    studio.row.value = ("语文", 3)
    marked = re.findall(r'<mark class="kit-(\w+)"', studio.rendered.value)
    assert marked == ["count", "text"]
    pair = pairs[(pairs["subject"] == "语文") & (pairs["row"] == 3)].iloc[0]
    assert pair["input"] in read(studio.rendered.value).text
    studio.template.value = "只有这一条要求"
    assert "只有这一条要求" in studio.rendered.value


def test_a_subject_keeps_its_own_text(studio):
    studio.template.value = "语文的要求"
    studio.subject.value = "英语"
    assert studio.opening.value == prompts.OPENING["英语"]
    studio.template.value = "My requirements {"
    studio.subject.value = "语文"
    assert studio.template.value == "语文的要求" and studio.message.value == ""
    studio.subject.value = "英语"
    assert studio.template.value == "My requirements {" and "“要求”第" in studio.message.value


def test_save_load_delete(studio, tmp_path, rows, found):
    studio.template.value = "我的要求"
    studio.name.value = "我的 提示词"
    studio.save.click()
    assert "已经保存" in studio.message.value and studio.source.value == "我的 提示词"
    saved = prompts.load_prompt("我的 提示词", tmp_path / "prompts")  # as notebook 04 does
    assert "我的要求" in saved["语文"] and saved["英语"] == prompts.TEMPLATES["英语"]
    studio.source.value = studio.source.options[1]
    studio.load.click()
    assert "4" in studio.opening.value and "我的要求" not in studio.template.value
    assert "提示词要 4 道题" in studio.fallen.value
    again = widgets.PromptStudio(rows, found, tmp_path / "prompts")
    again.source.value = "我的 提示词"
    again.load.click()
    assert "已经载入“我的 提示词”" in again.message.value
    assert again.template.value == "我的要求" and again.opening.value == prompts.OPENING["语文"]
    again.delete.click()
    assert prompts.list_prompts(tmp_path / "prompts") == [] and "已经删除" in again.message.value
    again.delete.click()
    assert "删不掉" in again.message.value


def test_what_cannot_be_saved_or_loaded_gets_a_sentence(studio, tmp_path):
    for name in ("", "../x", "a/b", "<b>"):
        studio.name.value = name
        studio.save.click()
        assert "不能用" in studio.message.value and "<b>" not in studio.message.value
    studio.name.value = "坏的"
    studio.save.click()
    (tmp_path / "prompts" / "坏的.json").write_text("{", encoding="utf-8")
    before = studio.template.value
    studio.load.click()
    assert "坏了" in studio.message.value and studio.template.value == before
    (tmp_path / "prompts" / "坏的.json").unlink()
    studio.load.click()
    assert "没有叫“坏的”的提示词" in studio.message.value


@given(st.text(alphabet="a\n{}", max_size=30))
def test_a_split_template_can_be_put_together_again(template):
    assert "\n\n".join(filter(None, prompts.split_template(template, "语文"))) == template


def test_the_kits_templates_are_split_where_they_were_joined():
    for subject, template in prompts.TEMPLATES.items():
        parts = (prompts.OPENING[subject], prompts.REQUIREMENTS[subject], prompts.CLOSING[subject])
        assert prompts.split_template(template, subject) == parts
        bare = f"{parts[0]}\n\n{parts[2]}"
        assert prompts.split_template(bare, subject) == (parts[0], "", parts[2])


# Mix Desk


def test_the_mix_follows_its_controls(mix, pairs):
    def sums():
        return numbers(mix.mix.value)

    assert sums() == [150, 12]
    mix.share.value = 20
    assert sums() == [150, 24]
    mix.method.value = "none"
    assert sums() == [96, 24] and "✗ 训练集 96 行" in read(mix.checks.value).text
    vars(mix)["语文"].value = 10
    assert sums() == [10 - 2 + 48, 14]
    chosen = merging.choose_rows(pairs, {"语文": 10, "英语": 60})
    expected = merging.make_dataset(chosen, method="none", val_share=0.2)
    pd.testing.assert_frame_equal(mix.dataset, expected)
    mix.seed.value = 3
    assert not mix.dataset.equals(expected)


def test_nothing_to_mix_gets_a_sentence(mix):
    before = mix.mix.value
    vars(mix)["语文"].value = vars(mix)["英语"].value = 0
    assert "没有可用的样本" in mix.message.value and mix.mix.value != ""
    mix.export.click()
    assert "没有可用的样本" in mix.message.value and "已经写好" not in mix.message.value
    vars(mix)["语文"].value = 60
    vars(mix)["英语"].value = 60
    assert mix.message.value == "" and mix.mix.value == before


def test_export_writes_the_files_of_build(mix, rows, found, pairs, tmp_path):
    mix.seed.value = 5
    mix.export.click()
    merging.build(rows, found, pairs, merging.make_dataset(pairs, seed=5), tmp_path / "build")
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "build").iterdir()}
    assert "train.jsonl 150 行" in mix.message.value and str(tmp_path / "out") in mix.message.value
    mix.seed.value = 6
    assert mix.message.value == ""  # what was written is not what is shown any more


def test_export_that_fails_says_so(rows, found, pairs, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    mix = widgets.MixDesk(rows, found, pairs, tmp_path / "file" / "out")
    mix.export.click()
    assert "写不了" in mix.message.value and "已经写好" not in mix.message.value


def test_the_folder_is_a_link_only_where_a_jupyter_server_can_show_it(mix, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)  # as under Voilà
    mix.export.click()
    assert "已经写好" in mix.message.value and "<a" not in mix.message.value
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/04_merging.ipynb")  # as Jupyter's server does
    mix.folder = mix.folder / "#1 <b>"
    mix.export.click()
    assert 'out/%231%20%3Cb%3E" target' in mix.message.value and "out/#1 &lt;b&gt;</a>" in mix.message.value


def test_the_minimum_is_chosen(mix, pairs, tmp_path):
    mix.minimum.value = 130
    assert numbers(mix.mix.value) == [130, 12] and "✓ 训练集 130 行，最少要 130 行" in read(mix.checks.value).text
    mix.export.click()
    assert "train.jsonl 130 行" in mix.message.value
    assert len((tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()) == 130
    mix.method.value = "none"
    assert "✗ 训练集 108 行，最少要 130 行" in read(mix.checks.value).text


# All three


def panels(source, gold, folder):
    rows = cleaning.clean(source)
    found = extraction.extract(rows)
    pairs = prompts.make_pairs(rows, found)
    return [
        widgets.RegexLab(source, gold),
        widgets.PromptStudio(rows, found, folder / "prompts"),
        widgets.MixDesk(rows, found, pairs, folder / "out"),
    ]


def test_the_bundle_has_a_picture_and_no_state(source, gold, tmp_path):
    names = ("kit-regex-lab", "kit-prompt-studio", "kit-mix-desk")
    for panel, name in zip(panels(source, gold, tmp_path), names, strict=True):
        bundle = panel._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
        assert bundle["image/png"].startswith("iVBORw0KGgo")
        assert bundle["text/plain"].startswith(type(panel).__name__) and len(bundle["text/plain"]) < 100
        assert "state" not in json.dumps(bundle["application/vnd.jupyter.widget-view+json"])
        assert {"kit", name} <= set(panel.view._dom_classes)
        assert bundle["image/png"] == panel._repr_mimebundle_()["image/png"]


@pytest.mark.parametrize("subject", ["语文", "英语"])
def test_one_subject_is_enough(source, gold, tmp_path, subject):
    own = source[source["subject"] == subject].reset_index(drop=True)
    lab, studio, mix = panels(own, gold, tmp_path)
    assert numbers(lab.count.value)[1] == len(own)
    assert studio.subject.options == (subject,) and numbers(studio.funnel.value)[0] == len(own)
    assert subject in vars(mix) and numbers(mix.mix.value)[0] == 150
    for panel in (lab, studio, mix):
        assert panel._repr_mimebundle_()["image/png"]


@pytest.fixture
def nasty():
    """Rows whose every cell holds what HTML, templates or a terminal could take the wrong way."""
    lines = []
    for row, bad in enumerate(NASTY):
        options = f"1.下列{bad}\nA.{bad}甲\nB.{bad}乙\nC.{bad}丙\nD.{bad}丁\n2.为什么{bad}"
        lines.append(["语文", row, f"{bad}文章{row}", options, f"1.A\n2.因为{bad}"])
    lines.append(["语文", len(NASTY), "".join(NASTY), "".join(NASTY), f"<script>{NASTY[0]}"])
    return pd.DataFrame(lines, columns=["subject", "row", "阅读文本", "选项", "答案"])


def test_nothing_from_a_sheet_or_a_learner_becomes_html(nasty, tmp_path):
    lab, studio, mix = panels(nasty, None, tmp_path)
    assert len(studio.made) >= 6
    shown = []
    for preset in widgets.PRESETS:
        lab.preset.value = preset
        for _, key in lab.row.options:
            lab.row.value = key
            shown += [part.value for part in outputs(lab)]
    for field in lab.fields.values():
        for bad in NASTY:
            field.value = f"({bad}"
            shown += [part.value for part in outputs(lab)]
    for bad in NASTY:
        studio.template.value = bad
        studio.name.value = bad
        studio.save.click()
        shown += [part.value for part in outputs(studio)]
        studio.template.value = bad.replace("{", "{{").replace("}", "}}")
        for _, key in studio.row.options:
            studio.row.value = key
            shown += [part.value for part in outputs(studio)]
    mix.export.click()
    shown += [part.value for part in outputs(mix)]
    seen = read("".join(set(shown)))
    assert seen.tags <= {"div", "span", "b", "br", "h5", "mark", "a", "i"}
    assert seen.attributes <= {"class", "style", "title", "role", "tabindex", "data-sign", "href", "target", "rel"}
    assert not set(seen.text) & set("\u202e\u202c\u200f\u2067")
    for bad in ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</textarea><b>粗</b>", "&lt;b&gt; &amp;"):
        assert bad in seen.text  # shown as it is
    assert "⟨U+202E⟩" in seen.text


def test_a_giant_row_is_shown_in_part(tmp_path):
    cell = "1.问" + "很长" * 300_000 + "\nA.甲\nB.乙\nC.丙\nD.丁"
    source = pd.DataFrame({"subject": ["语文"], "row": [0], "阅读文本": [cell], "选项": [cell], "答案": ["1.A"]})
    lab, studio, _ = panels(source, None, tmp_path)
    lab.preset.value = "完整的正则"
    assert len(lab.row_text.value) < 50_000 and len(studio.rendered.value) < 50_000
    assert "字）" in studio.rendered.value
    lab.question.value = "."
    assert len(lab.row_text.value) < 1_000_000


@given(
    st.text(alphabet="ab1.\n", max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5), st.sampled_from(["number", "option", "unused"]))),
)
def test_segments_put_together_give_the_text(text, places):
    spans = [extraction.Span(start, min(start + n, len(text)), role) for start, n, role in places if start < len(text)]
    pieces = extraction.segments(text, spans)
    assert "".join(piece for _, piece in pieces) == text
    used = {i for start, end, role in spans if role != "unused" for i in range(start, end)}
    at = 0
    for role, piece in pieces:
        assert all((i in used) == (role not in ("", "unused")) for i in range(at, at + len(piece)))
        at += len(piece)
