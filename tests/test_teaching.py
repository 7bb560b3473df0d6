"""What a class leans on: links and topics that lead somewhere, slides, the instructor's guide, advice by system."""

import importlib.metadata
import json
import re
import sys
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbconvert import SlidesExporter

from helpers.__main__ import machine_faults

# DESIGN §7, by hand: what is run, and what is only told. One word of each row is enough to find it.
RUN = (
    "pandas basics", "openpyxl", "compile", "findall", "groups", "lazy", "lookahead", "JSONL", "预训练 pre-training",
    "CPT", "SFT", "four cases", "last layer", "freezing", "ten times smaller", "LoRA", "adapter size", "same output",
    "over-fitting", "regularisation", "augmentation", "hyper-parameter search", "quantisation", "validation", "k-fold",
    "accuracy", "precision", "recall", "F1", "AUC-ROC", "confusion matrix", "inference speed",
)  # fmt: skip
READ = (
    "大语言模型是什么", "in-context learning", "instruction following", "step by step", "transfer learning",
    "distributed training", "pruning", "risks",
)  # fmt: skip
READING = ("joyful-pandas", "arxiv.org/abs/2106.09685", "microsoft/LoRA", "peft/quicktour", "so-large-lm",
           "llms-from-scratch-cn", "llm-cookbook")  # fmt: skip
ARGUMENTS = {"run", "read", "course", "repeat", "shuffled"}  # words of the map and of the code, no terms
LATER = ("05_finetuning.ipynb", "06_evaluation.ipynb")  # not there in every checkout yet
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def notebooks(root):
    return sorted((root / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4).cells


def github_anchor(heading):
    """A heading's anchor in a markdown file on GitHub: lower case, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def headings(path):
    """The anchors of a file. In a notebook: its sections by cell id, each with its headings and whether code follows.

    JupyterLab finds no heading that is not ASCII, but every `cell-id=`; so do pages made by nbconvert.
    """
    if path.suffix == ".md":
        return dict.fromkeys(map(github_anchor, re.findall(r"(?m)^#+ (.+)$", path.read_text(encoding="utf-8"))))
    found, place = {}, None
    for cell in read(path):
        if cell.cell_type == "code" and place:
            found[place] = (found[place][0], True)
        elif titles := re.findall(r"(?m)^## (.+)$", cell.source):
            place = f"cell-id={cell.id}"
            found[place] = (titles, False)
    return found


def documents(root):
    """Every text with links, as path and markdown."""
    for path in (root / "README.md", root / "docs" / "instructor.md", root / "data" / "README.md"):
        yield path, re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", path.read_text(encoding="utf-8"))
    for path in notebooks(root):
        text = "\n".join(cell.source for cell in read(path) if cell.cell_type == "markdown")
        yield path, re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text)


def test_every_link_resolves(root):
    checked = 0
    for path, text in documents(root):
        for link in LINK.findall(text):
            checked += 1
            parts = urlsplit(link)
            if parts.scheme:
                assert re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(?:/[\x21-\x7e]*)?", link), f"{path.name}: {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.name in LATER and not target.exists():
                continue
            assert target.exists(), f"{path.name}: {link}"
            assert target.is_relative_to(root), f"{path.name}: {link}"
            if parts.fragment:
                assert unquote(parts.fragment) in headings(target), f"{path.name}: {link}"
    assert checked > 80


# The topic map


@pytest.fixture(scope="module")
def topics(root):
    """The rows of the topic map: topic, run or read, links."""
    cells = [cell.source for cell in read(root / "notebooks" / "00_start_here.ipynb") if "课程地图" in cell.source]
    (source,) = [source for source in cells if source.startswith("## 课程地图")]
    rows = re.findall(r"(?m)^\| (.+?) \| (跑|读) \| (.+) \|$", source)
    assert len(rows) == source.count("\n| ") - 1, "a row of another shape"
    return rows


@pytest.mark.parametrize(("concepts", "kind"), [(RUN, "跑"), (READ, "读")])
def test_every_concept_of_the_design_is_on_the_map(topics, concepts, kind):
    text = "\n".join(topic for topic, how, _ in topics if how == kind)
    assert [concept for concept in concepts if concept not in text] == []


def test_a_topic_to_run_leads_to_code_and_any_topic_to_a_section(root, topics):
    known = {path.name: headings(path) for path in notebooks(root)}
    for topic, kind, places in topics:
        links = LINK.findall(places)
        assert links, topic
        for link in links:
            name, _, section = link.partition("#")
            if name in LATER and name not in known:
                continue
            assert section in known[name], f"{topic}: {link}"
            titles, has_code = known[name][section]
            assert kind == "读" or has_code, f"{topic}: no code in {link}"
            label = re.search(rf"\[([^\]]+)\]\({re.escape(link)}\)", places)[1]  # “02 贪婪与懒惰”, “05 第 3 节”
            start = re.sub(r"^\d\d (?:第 (\d+) 节)?", r"\1", label)
            assert any(title.startswith(start) for title in titles), f"{label} leads to {titles}"


def test_the_further_reading_is_linked(root):
    text = "\n".join(cell.source for cell in read(root / "notebooks" / "00_start_here.ipynb"))
    links = " ".join(LINK.findall(text))
    assert [name for name in READING if name not in links] == []


def test_every_term_with_an_english_gloss_is_in_the_glossary(root):
    """A term is set in bold with its English where it first stands: **微调**（fine-tuning）."""
    cells = [cell.source for path in notebooks(root) for cell in read(path) if cell.cell_type == "markdown"]
    (glossary,) = [source for source in cells if source.startswith("## 小词典")]
    entries = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.+?) \|$", glossary)
    assert len(entries) >= 40
    known = {word.strip().lower() for _, english, _ in entries for word in re.split(r"[,/]", english)}
    missing = set()
    for source in cells:
        for english in re.findall(r"\*\*[^*\n]+\*\*（([A-Za-z][A-Za-z -]+)[，,）]", source):
            missing |= {english.lower()} - known - ARGUMENTS
    assert missing == set()


# Slides


@pytest.fixture(scope="module", params=["00_start_here", "01_cleaning", "02_extraction", "03_prompts", "04_merging"])
def lesson(request, root):
    return root / "notebooks" / f"{request.param}.ipynb"


def test_every_cell_says_what_it_is_on_a_slide(lesson):
    cells = read(lesson)
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in cells]
    assert set(kinds) <= {"slide", "subslide", "skip", "-"}
    assert kinds[0] == "slide"
    for cell, kind in zip(cells, kinds, strict=True):
        if cell.cell_type == "markdown" and "\n## " in "\n" + cell.source:
            assert cell.source.startswith("## "), "a section begins its cell"
            assert kind in ("slide", "skip")
    for place, cell in enumerate(cells):
        if "exercises.check(" in cell.source:
            assert (kinds[place - 1], kinds[place]) == ("subslide", "-"), "a task and its cell share a slide"


def test_the_deck_has_the_slides_and_nothing_that_is_skipped(lesson):
    notebook = nbformat.read(lesson, as_version=4)
    deck, _ = SlidesExporter().from_notebook_node(notebook)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells]
    body = deck[deck.index('<div class="slides">') :]
    assert body.count("<section>") == 2 * kinds.count("slide") + kinds.count("subslide")
    for cell, kind in zip(notebook.cells, kinds, strict=True):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            title = cell.source.splitlines()[0][3:].split(" · ")[0]
            assert (f">{title}" in body) == (kind != "skip"), title


# The instructor's guide


def test_the_guide_speaks_to_every_section_in_the_minutes_of_the_lesson(root):
    guide = (root / "docs" / "instructor.md").read_text(encoding="utf-8")
    for path in notebooks(root):
        if path.stem == "solutions":
            continue
        part = re.search(rf"(?ms)^### {path.stem[:2]} .+?(?=^##)", guide)[0]
        rows = re.findall(r"(?m)^\| ([^|]+?) \| (\d+) \| ([^|]+?) \|$", part)
        spoken = "、".join(name for name, _, _ in rows)
        for cell in read(path):
            for title in re.findall(r"(?m)^## (?:\d+ )?(.+)$", cell.source) if cell.cell_type == "markdown" else []:
                title = re.split(r" [·/] ", title)[0]
                assert title == "练习" or title in spoken, f"{path.stem}: {title}"
        assert all(len(note) >= 8 for _, _, note in rows)
        said = int(re.search(r"大约几分钟\*\*：(\d+) 分钟", read(path)[0].source)[1])
        assert sum(int(minutes) for _, minutes, _ in rows) == said, path.stem


def test_the_guide_is_linked_from_readme(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    assert text.count("](docs/instructor.md)") == 2  # in English and in Chinese


# Comfort


@pytest.mark.parametrize(
    ("system", "python", "where"),
    [
        ("win32", r".venv\Scripts\python -m pip install", "在终端中打开"),
        ("darwin", ".venv/bin/python -m pip install", "cd"),
        ("linux", ".venv/bin/python -m pip install", "终端"),
    ],
)
def test_check_tells_each_system_what_to_type(monkeypatch, system, python, where):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(sys, "platform", system)
    faults = [fault for fault in machine_faults() if "没有安装 pandas" in fault]
    assert len(faults) == 1
    assert python in faults[0] and where in faults[0]


@pytest.mark.parametrize(
    ("part", "words"),
    [(0, ("slow", "kernel", "font", "Excel", "GBK", "widget")), (1, ("很慢", "内核", "字体", "Excel", "GBK", "面板"))],
)
def test_readme_cures_what_goes_wrong(root, part, words):
    """Both halves of README: each known trouble is in a row of symptom and cure."""
    text = (root / "README.md").read_text(encoding="utf-8").split("\n## 中文\n")[part]
    table = re.split(r"\n\| (?:what you see|现象) \|", text)[1]
    rows = re.findall(r"(?m)^\| (?!---)(.+?) \| (.+) \|$", table)
    for word in words:
        assert any(word in symptom + cure for symptom, cure in rows), word


def test_slide_types_survive_a_refresh(root, tmp_path):
    """What `run --refresh` writes is what the executor returns: the cells' metadata are in it."""
    from helpers.__main__ import execute

    metadata = {"slideshow": {"slide_type": "subslide"}, "tags": ["exercise"]}
    cells = [nbformat.v4.new_code_cell("1 + 1", metadata=metadata)]
    path = tmp_path / "one.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    text, error = execute(path)
    assert error is None
    assert json.loads(text)["cells"][0]["metadata"] == metadata
