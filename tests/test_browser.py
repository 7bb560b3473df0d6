"""The notebooks in a real browser, on real servers: what a learner types and clicks, and what the panels say.

What should be seen is worked out here by the plain functions. With KIT_SCREENSHOTS set, the pictures of
the panels in docs/ are taken, too.
"""

import json
import os
import re
import shutil
from dataclasses import replace

import pytest
from lab import PATIENCE, lab_address, run_all, serve

from helpers import extraction, figures, marks, merging, prompts

pytestmark = pytest.mark.browser
RAW = re.compile("stderr$|error$")
LISTEN = """() => {
  window.kitFaults = [];
  window.jupyterapp.shell.currentWidget.sessionContext.iopubMessage.connect((_, {header, content}) => {
    if (header.msg_type === 'error' || content.name === 'stderr') window.kitFaults.push(content);
  });
}"""


@pytest.fixture(scope="module")
def expect():
    """Return Playwright's assertions, which wait: a learner's machine may be slow."""
    playwright = pytest.importorskip("playwright.sync_api")
    playwright.expect.set_options(timeout=60_000)
    return playwright.expect


@pytest.fixture(scope="module")
def open_panel(browser, expect):
    """Return a function that runs a notebook in a page that stays open, and returns its panel."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="zh-CN")

    def run(address, name):
        page = context.new_page()
        run_all(page, address)
        page.evaluate(LISTEN)
        panel = page.locator(f".kit-{name}")
        expect(panel).to_be_visible(timeout=PATIENCE)
        expect_no_faults(page)
        return panel

    yield run
    context.close()


@pytest.fixture(scope="module")
def panels():
    """Return the panels that are open, by name."""
    return {}


@pytest.fixture
def lab_panel(lab, open_panel, panels):
    """Return a function that returns a notebook's panel in JupyterLab; the notebook runs once."""

    def get(notebook, name):
        if name not in panels:
            panels[name] = open_panel(lab_address(lab, notebook, name), name)
        return panels[name]

    return get


@pytest.fixture
def regex_lab(lab_panel, expect):
    """Return the panel of 02 with the first rung's patterns in it."""
    panel = lab_panel("02_extraction", "regex-lab")
    choose(panel, "subject", "全部")
    for preset in ("完整的正则", "数字加点"):  # a preset that is chosen already cannot be chosen again
        choose(panel, "preset", preset)
        expect(control(panel, "option")).to_have_value({**marks.LADDER, "完整的正则": marks.FULL}[preset].option)
    yield panel
    expect_no_faults(panel.page)


@pytest.fixture
def prompt_studio(lab_panel, expect):
    """Return the panel of 03 with the kit's prompts in it."""
    panel = lab_panel("03_prompts", "prompt-studio")
    panel.locator(".kit-unlock input").set_checked(False)
    for name in ("（教程的提示词，写死 4 道）", "（工具箱的提示词）"):
        load(panel, name, expect)
    choose(panel, "subject", "语文")
    expect(control(panel, "template")).to_have_value(prompts.REQUIREMENTS["语文"])
    yield panel
    expect_no_faults(panel.page)


@pytest.fixture
def mix_desk(lab_panel):
    """Return the panel of 04."""
    panel = lab_panel("04_merging", "mix-desk")
    yield panel
    expect_no_faults(panel.page)


@pytest.fixture
def served(root, tmp_path):
    """Return a copy of what the notebooks read, and a folder for a server's settings."""
    for name in ("notebooks", "data/sample"):
        shutil.copytree(root / name, tmp_path / "kit" / name, ignore=shutil.ignore_patterns(".*", "~$*"))
    (tmp_path / "settings").mkdir()
    return tmp_path / "kit", tmp_path / "settings"


@pytest.fixture
def expect_count(expect, rows, gold):
    """Return a function that expects what these patterns do to every row: counts, the strip's cells, its legend."""

    def check(panel, patterns, subject="全部"):
        own = rows if subject == "全部" else rows[rows["subject"] == subject]
        states = extraction.name_outcomes(extraction.compare(own, extraction.extract(own, patterns), gold))
        kept, right = extraction.count_outcomes(states)
        expect(panel.locator(".kit-count")).to_have_text(f"保留 {kept} / {len(own)} 行，其中正确 {right} 行")
        cells = panel.locator(".kit-strip .kit-cells .kit-cell")
        expect(cells).to_have_text([extraction.OUTCOME_WORDS[state][0] for state in states.values()])
        return kept, right

    return check


@pytest.fixture
def expect_funnel(expect, rows, found):
    """Return a function that expects how many rows are left after each step with these templates."""

    def check(panel, templates):
        steps = prompts.count_steps(prompts.funnel(rows, found, templates))
        expect(panel.locator(".kit-funnel .kit-line > b")).to_have_text([str(n) for n in steps.values()])
        return steps

    return check


@pytest.fixture
def expect_mix(expect, rows, found):
    """Return a function that expects the composition of the data set that these controls make."""
    pairs = prompts.make_pairs(rows, found).drop_duplicates(["input", "output"]).reset_index(drop=True)

    def check(panel, **options):
        dataset = merging.make_dataset(pairs, **options)
        expect(panel.locator(".kit-mix .kit-line > b")).to_have_text(
            [str((dataset["split"] == split).sum()) for split in ("train", "val")]
        )
        sizes = dataset.groupby(["split", "origin", "subject"], sort=False).size()
        expect(panel.locator(".kit-mix .kit-bar > div")).to_have_count(len(sizes))
        for (split, origin, subject), n in sizes.items():
            line = panel.locator(".kit-mix .kit-line").nth(int(split == "val"))
            expect(line.get_by_title(f"{subject}{figures.ORIGINS[origin]} {n}", exact=True)).to_have_count(1)
        for _, checked in merging.check_dataset(dataset, options.get("minimum", merging.MINIMUM)):
            expect(panel.locator(".kit-checks")).to_contain_text(checked)
        return dataset

    return check


def control(panel, name):
    """Return the field that one types into."""
    return panel.locator(f".kit-{name}").locator("textarea, input").first


def choose(panel, name, label):
    """Choose from a menu or press one of several buttons."""
    part = panel.locator(f".kit-{name}")
    if part.locator("select").count():
        part.locator("select").select_option(label=label)
    else:
        part.get_by_role("button", name=label).click()


def load(panel, name, expect):
    """Load a prompt and wait for it: what is typed before it has come would be lost."""
    choose(panel, "source", name)
    panel.locator(".kit-load").click()
    expect(panel.locator(".kit-message")).to_have_text(f"✓ 已经载入“{name}”。")


def expect_no_faults(page):
    """Nothing was raised or warned of: not in an output, not while a control was moved."""
    outputs = page.locator("[data-mime-type]").evaluate_all("all => all.map(one => one.dataset.mimeType)")
    assert [mime for mime in outputs if RAW.search(mime)] == []
    assert page.evaluate("window.kitFaults ?? []") == []


def test_the_start_notebook_runs_and_shows_its_picture(lab, page):
    run_all(page, lab_address(lab, "00_start_here", "start"))
    page.locator(".jp-OutputArea img").first.wait_for(timeout=PATIENCE)
    expect_no_faults(page)
    assert page.locator(".jp-RenderedImage img").first.evaluate("image => image.naturalWidth") > 300


def test_typed_patterns_change_counts_and_strip(regex_lab, expect_count, expect):
    before = expect_count(regex_lab, marks.LADDER["数字加点"])
    strip = regex_lab.locator(".kit-strip").inner_html()
    typed = replace(marks.LADDER["数字加点"], question=r"^第?(\d+)[.题](?!\d)", answer=r"^(\d+)[.、]\s*")
    for name in ("question", "answer"):
        control(regex_lab, name).clear()
        control(regex_lab, name).press_sequentially(getattr(typed, name))
    assert expect_count(regex_lab, typed) > before
    assert regex_lab.locator(".kit-strip").inner_html() != strip
    expect(regex_lab.locator(".kit-change")).to_contain_text("和预设比，▲ 赢")
    expect(regex_lab.locator(".kit-message")).to_have_text("")


def test_an_invalid_pattern_gets_a_sentence_and_the_result_stays(regex_lab, expect_count, expect):
    control(regex_lab, "question").press("End")
    control(regex_lab, "question").press_sequentially("(")
    expect(regex_lab.locator(".kit-message .kit-bad")).to_contain_text("下面仍是上一次的结果")
    expect_count(regex_lab, marks.LADDER["数字加点"])
    control(regex_lab, "question").press("Backspace")
    expect(regex_lab.locator(".kit-message")).to_have_text("")
    expect_count(regex_lab, marks.LADDER["数字加点"])


def test_presets_subjects_and_rows_are_chosen(regex_lab, found, expect_count, expect):
    choose(regex_lab, "preset", "完整的正则")
    expect(control(regex_lab, "question")).to_have_value(marks.FULL.question)
    expect_count(regex_lab, marks.FULL)
    choose(regex_lab, "subject", "英语")
    expect_count(regex_lab, marks.FULL, "英语")
    choose(regex_lab, "row", "英语 第 4 行")
    expect(regex_lab.locator(".kit-here")).to_have_attribute("title", re.compile("英语 第 4 行：保留且正确"))
    asked = sum(len(own.query("subject == '英语' and row == 2")) for own in found[:2])
    expect(regex_lab.locator(".kit-row-text mark.kit-number")).to_have_count(asked)
    expect(regex_lab.locator(".kit-row-text mark.kit-option")).to_have_count(4 * asked)
    choose(regex_lab, "preset", "题号在行首")
    expect_count(regex_lab, marks.LADDER["题号在行首"], "英语")
    regex_lab.locator(".kit-next").click()
    expect(regex_lab.locator(".kit-row-text .kit-bad")).to_be_visible()
    expect(regex_lab.locator(".kit-here")).not_to_have_attribute("title", re.compile("英语 第 4 行"))
    choose(regex_lab, "preset", "教程的方法")
    expect(control(regex_lab, "question")).to_be_disabled()


def test_typed_prompts_change_the_funnel_and_the_rendered_prompt(prompt_studio, expect_funnel, expect):
    before = expect_funnel(prompt_studio, prompts.TEMPLATES)
    template = control(prompt_studio, "template")
    expect(template).to_have_value(prompts.REQUIREMENTS["语文"])
    template.press("Control+End")
    template.press_sequentially("\n5. 题干要写完整。")
    expect(prompt_studio.locator(".kit-rendered")).to_contain_text("5. 题干要写完整。")
    expect(prompt_studio.locator(".kit-difference")).to_contain_text("+ 5. 题干要写完整。")
    long = prompts.REQUIREMENTS["语文"] + "题干要写完整。" * 900
    template.fill(long)
    own = "\n\n".join((prompts.OPENING["语文"], long, prompts.CLOSING["语文"]))
    after = expect_funnel(prompt_studio, {"语文": own})
    assert 0 < after["长度合适"] < before["长度合适"]
    expect(prompt_studio.locator(".kit-fallen")).to_contain_text("超过上限 8000 字")


def test_an_unknown_placeholder_gets_a_sentence(prompt_studio, expect_funnel, expect):
    template = control(prompt_studio, "template")
    template.press("Control+End")
    template.press_sequentially("{answer}")
    expect(prompt_studio.locator(".kit-message .kit-bad")).to_contain_text("占位符“{answer}”不认识")
    expect(prompt_studio.locator(".kit-rendered")).not_to_contain_text("{answer}")
    expect_funnel(prompt_studio, prompts.TEMPLATES)


def test_the_fixed_part_is_locked_until_unlocked(prompt_studio, expect_funnel, expect):
    opening, closing = control(prompt_studio, "opening"), control(prompt_studio, "closing")
    expect(opening).to_be_disabled()
    expect(closing).to_be_disabled()
    prompt_studio.locator(".kit-unlock input").check()
    expect(opening).to_be_enabled()
    expect(closing).to_be_enabled()
    expect(prompt_studio.locator(".kit-warning")).to_contain_text("主办方")
    opening.fill(prompts.OPENING["语文"].replace("{count}", "4"))
    steps = expect_funnel(prompt_studio, {"语文": prompts.COURSE_TEMPLATES["语文"]})
    assert steps["题数一致"] < steps["解析成功"]
    expect(prompt_studio.locator(".kit-fallen")).to_contain_text("提示词要 4 道题")


def test_a_named_prompt_is_saved_offered_loaded_and_deleted(prompt_studio, lab, expect):
    saved = f"{lab}/api/contents/data/processed/prompts/课堂一.json?content=0"
    offered = prompt_studio.locator(".kit-source option", has_text="课堂一")
    template = control(prompt_studio, "template")
    template.fill("题干要写完整。")
    control(prompt_studio, "name").fill("课堂一")
    prompt_studio.locator(".kit-save").click()
    expect(prompt_studio.locator(".kit-message .kit-good")).to_contain_text("已经保存为“课堂一”")
    expect(offered).to_have_count(1)
    assert prompt_studio.page.request.get(saved).ok
    load(prompt_studio, "（教程的提示词，写死 4 道）", expect)
    expect(template).to_have_value(prompts.REQUIREMENTS["语文"])
    load(prompt_studio, "课堂一", expect)
    expect(template).to_have_value("题干要写完整。")
    prompt_studio.locator(".kit-delete").click()
    expect(offered).to_have_count(0)
    assert prompt_studio.page.request.get(saved).status == 404


def test_a_click_does_not_overtake_what_was_typed_before(prompt_studio, lab, expect):
    template, page = control(prompt_studio, "template"), prompt_studio.page
    for name in ("甲", "乙", "丙"):
        template.fill("")
        template.press_sequentially(f"{name}班的要求，一口气打完，马上就点保存。")
        control(prompt_studio, "name").fill(f"{name}班")
        prompt_studio.locator(".kit-save").click()
        expect(prompt_studio.locator(".kit-message .kit-good")).to_contain_text(f"已经保存为“{name}班”")
        saved = page.request.get(f"{lab}/api/contents/data/processed/prompts/{name}班.json").json()["content"]
        assert f"\n\n{name}班的要求，一口气打完，马上就点保存。\n\n" in json.loads(saved)["语文"]


def test_a_choice_does_not_overtake_what_was_typed_before(prompt_studio, regex_lab, expect_count, expect):
    own = "只属于语文的一句话，打完马上换到英语。"
    template = control(prompt_studio, "template")
    template.fill("")
    template.press_sequentially(own)
    choose(prompt_studio, "subject", "英语")
    expect(template).to_have_value(prompts.REQUIREMENTS["英语"])
    expect(prompt_studio.locator(".kit-rendered")).not_to_contain_text(own)
    choose(prompt_studio, "subject", "语文")
    expect(template).to_have_value(own)
    control(regex_lab, "question").press_sequentially("|第(\\d+)题|题(\\d+)")
    choose(regex_lab, "preset", "各种题号")
    expect(control(regex_lab, "question")).to_have_value(marks.LADDER["各种题号"].question)
    expect_count(regex_lab, marks.LADDER["各种题号"])


def test_minimum_method_seed_and_share_change_the_composition(mix_desk, expect_mix, expect):
    expect_mix(mix_desk, method="shuffled", val_share=0.1, seed=0)
    control(mix_desk, "seed").fill("7")
    control(mix_desk, "seed").press("Enter")
    expect_mix(mix_desk, method="shuffled", val_share=0.1, seed=7)
    choose(mix_desk, "method", merging.METHODS["none"])
    expect_mix(mix_desk, method="none", val_share=0.1, seed=7)
    expect(mix_desk.locator(".kit-checks .kit-bad")).to_contain_text("最少要 150 行")
    choose(mix_desk, "method", merging.METHODS["repeat"])
    expect_mix(mix_desk, method="repeat", val_share=0.1, seed=7)
    mix_desk.locator(".kit-share .noUi-handle").press("ArrowRight")
    expect_mix(mix_desk, method="repeat", val_share=0.15, seed=7)
    control(mix_desk, "minimum").fill("170")
    control(mix_desk, "minimum").press("Enter")
    expect_mix(mix_desk, method="repeat", val_share=0.15, seed=7, minimum=170)


def test_export_writes_the_files_and_says_how_many_rows(mix_desk, lab, expect):
    contents = f"{lab}/api/contents/data/processed"
    mix_desk.locator(".kit-export").click()
    done = mix_desk.locator(".kit-message")
    expect(done).to_contain_text("已经写好：train.jsonl")
    counts = dict(re.findall(r"([\w.]+) (\d+) 行", done.inner_text()))
    assert set(counts) == set(merging.EXPORTED)
    for name in ("train.jsonl", "val.jsonl", "messages.jsonl"):
        text = mix_desk.page.request.get(f"{contents}/{name}").json()["content"]
        assert len(text.splitlines()) == int(counts[name])
    folder = mix_desk.page.request.get(f"{contents}?content=1").json()["content"]
    assert {one["name"] for one in folder} >= {*merging.EXPORTED, "dataset_info.json", "problems.csv"}
    assert done.locator("a").evaluate("link => link.href").endswith("/tree/data/processed")


def test_notebook_7(served, open_panel, expect):
    with serve(*served, app="notebook") as address:
        studio = open_panel(f"{address}/notebooks/notebooks/03_prompts.ipynb", "prompt-studio")
        control(studio, "template").press_sequentially("题干要写完整。")
        control(studio, "name").fill("课堂")
        studio.locator(".kit-save").click()
        expect(studio.locator(".kit-message")).to_contain_text("已经保存为“课堂”")
        expect(studio.locator(".kit-rendered")).to_contain_text("题干要写完整。")
        assert "题干要写完整。" in prompts.load_prompt("课堂", served[0] / "data" / "processed" / "prompts")["语文"]
        expect_no_faults(studio.page)
        studio.page.close()


def test_voila(served, browser, expect, expect_count):
    page = browser.new_page(viewport={"width": 1280, "height": 720}, locale="zh-CN")
    with serve(*served, app="voila", notebook=served[0] / "notebooks") as address:
        panel = open_in_voila(page, address, "02_extraction", expect)
        expect_count(panel, marks.LADDER["数字加点"])
        control(panel, "option").fill(r"([A-E])[.、]")
        expect_count(panel, marks.Patterns(r"(\d+)\.", r"([A-E])[.、]", r"(\d+)\.\s*([A-D])"))
        choose(panel, "preset", "各种题号")
        expect_count(panel, marks.LADDER["各种题号"])
        panel = open_in_voila(page, address, "04_merging", expect)
        panel.locator(".kit-export").click()
        expect(panel.locator(".kit-message")).to_contain_text(f"在文件夹 {served[0] / 'data' / 'processed'}")
        expect(panel.locator(".kit-message a")).to_have_count(0)  # there is no page to show it
        expect_no_faults(page)
    page.close()


def open_in_voila(page, address, notebook, expect):
    page.goto(f"{address}/voila/render/{notebook}.ipynb", timeout=PATIENCE)
    panel = page.locator(f".kit-{PANELS[notebook]}")
    expect(panel).to_be_visible(timeout=PATIENCE)
    return panel


PANELS = {"02_extraction": "regex-lab", "03_prompts": "prompt-studio", "04_merging": "mix-desk"}


@pytest.mark.skipif("KIT_SCREENSHOTS" not in os.environ, reason="takes pictures where KIT_SCREENSHOTS is set")
@pytest.mark.parametrize("notebook", PANELS)
def test_pictures_of_the_panels(lab, open_panel, root, notebook, expect):
    panel = open_panel(lab_address(lab, notebook, f"picture-{notebook}"), PANELS[notebook])
    panel.page.add_style_tag(content=".Toastify { display: none }")
    if notebook == "02_extraction":
        choose(panel, "preset", "各种题号")
        choose(panel, "row", "语文 第 14 行")
        expect(panel.locator(".kit-here")).to_have_attribute("title", re.compile("语文 第 14 行"))
    panel.scroll_into_view_if_needed()
    panel.page.wait_for_timeout(1000)  # heights settle
    panel.screenshot(path=root / "docs" / f"{PANELS[notebook]}.png", animations="disabled")
    for node in (panel, panel.page.locator("body")):
        assert node.evaluate("node => node.scrollWidth <= node.clientWidth")
    page_height = panel.page.locator(".jp-WindowedPanel-outer").evaluate("node => node.clientHeight")
    assert panel.bounding_box()["height"] <= page_height  # the whole panel on a projector
