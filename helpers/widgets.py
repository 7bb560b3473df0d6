"""Three panels for the notebooks: Regex Lab (02), Prompt Studio (03), Mix Desk (04).

Each is a thin view: its observers call functions that work without it, and write what comes of them
into ``HTML`` values. All text from a sheet or a learner goes through `escape`. In a stored notebook a
picture stands in a panel's place; no widget state is kept. The looks are in ``widgets.css``.
"""

import base64
import gc
import html
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import quote

import ipywidgets as ipw
import pandas as pd

from helpers import KitError, baseline, cleaning, extraction, figures, marks, merging, prompts
from helpers.extraction import OUTCOME_WORDS, Extraction, Parsed
from helpers.workbook import FIRST_LINE

TIMEOUT = 0.2
"""Seconds for the searches in a quarter of the rows; a runaway one gets them as processor time, whatever else runs."""
SHOWN = 6000
"""Characters of one piece of text that are put on the screen."""
COURSE = "教程的方法"
COURSE_MARKS = marks.Patterns(question=r"\d+\.", option=r"[A-D]", answer=r"(\d+)\.([A-Z]+)")
"""Where the tutorial's method cuts, to be looked at; `baseline` is the method itself."""
COURSE_HINT = "教程的方法只能看，不能改。题目和答案的个数不相等，整行就丢掉，不说原因。"
PRESETS = {COURSE: COURSE_MARKS, **marks.LADDER, "完整的正则": marks.FULL}
SOURCES = {"（工具箱的提示词）": prompts.TEMPLATES, "（教程的提示词，写死 4 道）": prompts.COURSE_TEMPLATES}
BAD = {"wrong", "lost", "out"}
ROLES = {"number": "题号", "option": "选项", "answer": "答案", "unused": "未用", "text": "阅读文本", "count": "题数"}
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def escape(text: str) -> str:
    """Return text as HTML that shows it as it is: nothing in it is a tag, marks that turn its direction are named."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}……（共 {len(text)} 字）"
    return _BIDI.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", html.escape(shown))


def sentence_html(text: str, good: bool = False) -> str:
    """Return one sentence in a box, behind ✓ or ✗."""
    return f'<div class="kit-{"good" if good else "bad"}" role="status">{"✓" if good else "✗"} {escape(text)}</div>'


def box_html(title: str, content: str) -> str:
    """Return a title and a box that scrolls, by keyboard too."""
    return f'<div><h5>{title}</h5><div class="kit-box" tabindex="0">{content}</div></div>'


def pieces_html(title: str, pieces: Iterable[tuple[str, str]]) -> str:
    """Return a text made of pieces (role and text), each with a colour, a sign and a title for its role, if any."""
    tag = '<mark class="kit-{0}" title="{1}" data-sign="{1[0]}">{2}</mark>'.format
    marked = (tag(role, ROLES[role], escape(text)) if role else escape(text) for role, text in islice(pieces, SHOWN))
    return box_html(title, "".join(marked))


def name_rows(keys: Collection[tuple[str, int]], most: int = 12) -> str:
    """Return a short list of rows, by their lines in Excel: “语文 3、8；英语 21”."""
    groups = groupby([*keys][:most], key=lambda key: key[0])
    parts = [f"{subject} {'、'.join(str(row + FIRST_LINE) for _, row in own)}" for subject, own in groups]
    return "；".join(parts) + (f"……共 {len(keys)} 行" if len(keys) > most else "")


def list_rows(rows: pd.DataFrame) -> list[tuple[str, tuple[str, int]]]:
    """Return the rows as choices of a menu: name and key."""
    return [(f"{s} 第 {r + FIRST_LINE} 行", (s, r)) for s, r in zip(rows["subject"], rows["row"], strict=True)]


def row_menu(rows: pd.DataFrame) -> ipw.Dropdown:
    """Return a menu of the rows."""
    return ipw.Dropdown(options=list_rows(rows), description="看哪一行：")


def change_html(label: str, before: Mapping[tuple[str, int], str], after: Mapping[tuple[str, int], str]) -> str:
    """Return which rows were won and which were lost between two versions."""
    changes = zip(("▲ 赢", "▼ 输"), extraction.find_changes(before, after), strict=True)
    parts = [f"{word} {len(keys)} 行" + (f"（{name_rows(keys)}）" if keys else "") for word, keys in changes]
    return f'<div class="kit-dim">{escape("，".join([f"和{label}比", *parts]))}。</div>'


def strip_html(states: Mapping[tuple[str, int], str], chosen: tuple[str, int] | None = None) -> str:
    """Return one small cell a row, with a sign and a title, a line for each subject, and the legend."""
    lines, cell = {}, '<span class="kit-cell kit-{0}" title="{1}">{2[0]}</span>'.format
    for (subject, row), state in states.items():
        title = f"{subject} 第 {row + FIRST_LINE} 行：{OUTCOME_WORDS[state][2:]}"
        kind = f"{state} kit-here" if (subject, row) == chosen else state
        lines[subject] = lines.get(subject, "") + cell(kind, title, OUTCOME_WORDS[state])
    legend = [f"{cell(s, '', w)} {w[2:]} {n}" for s, w in OUTCOME_WORDS.items() if (n := [*states.values()].count(s))]
    strip = "".join(f'<div class="kit-cells"><b>{name}</b><div>{cells}</div></div>' for name, cells in lines.items())
    return f'{strip}<div class="kit-dim">{"　".join(legend)}</div>'


def bars_html(lines: Mapping[str, list[tuple[str, str, int]]], whole: int) -> str:
    """Return one bar a line, made of parts (class, label, size), with the line's sum behind it."""
    part = '<div class="kit-{0}" style="width:{1:.2f}%" title="{2} {4}">{3} {4}</div>'.format
    shown = ""
    for name, parts in lines.items():
        bar = "".join(part(kind, 100 * n / whole, label, label * (n > whole / 9), n) for kind, label, n in parts if n)
        shown += f'<div class="kit-line">{name}<div class="kit-bar">{bar}</div><b>{sum(n for *_, n in parts)}</b></div>'
    return shown


def funnel_html(passed: pd.DataFrame) -> str:
    """Return how many rows of each subject are left after each step, from what `prompts.funnel` returned."""
    own = {s: prompts.count_steps(rows) for s, rows in passed.groupby("subject", sort=False)}
    return bars_html({step: [(f"{s}-source", s, own[s][step]) for s in own] for step in prompts.STEPS}, len(passed))


def fallen_html(passed: pd.DataFrame) -> str:
    """Return which rows fall at each step, and why."""
    fallen = prompts.list_fallen(passed)
    lines = [f"✗ {step} −{len(keys)}：{escape(reason)}（{name_rows(keys)}）" for step, reason, keys in fallen]
    return box_html("掉了哪些行，为什么", "\n".join(lines) or "✓ 一行也没有掉。")


def lengths_html(passed: pd.DataFrame, limit: int = prompts.LENGTH_LIMIT) -> str:
    """Return a histogram of lengths for each subject, with the limit."""
    top, shown, bar = max([limit, *passed["length"].dropna()]) * 1.05, "", '<div style="height:{:.0f}%"></div>'.format
    for subject, own in passed.dropna(subset=["length"]).groupby("subject", sort=False)["length"]:
        bins = Counter((own.astype(float) / top * 60).astype(int))
        bars = "".join(bar(100 * bins[i] / max(bins.values())) for i in range(60))
        shown += f"<h5>{subject}的长度：{own.min()}–{own.max()} 字，虚线是上限 {limit} 字</h5>"
        shown += f'<div class="kit-hist kit-hist-{subject}">{bars}<i style="left:{100 * limit / top:.1f}%"></i></div>'
    return shown


def difference_html(template: str, subject: str) -> str:
    """Return the lines in which a template differs from the course's."""
    lines = prompts.compare_templates(prompts.COURSE_TEMPLATES[subject], template)
    boxes = [f'<div class="kit-{"good" if sign == "+" else "bad"}">{sign} {escape(line)}</div>' for sign, line in lines]
    return box_html("和教程的提示词比（- 教程，+ 我的）", "".join(boxes) or "✓ 一样。")


def mix_html(dataset: pd.DataFrame) -> str:
    """Return what a data set is made of: train and val, subject and origin."""
    lines: dict[str, list[tuple[str, str, int]]] = {"train": [], "val": []}
    for (split, origin, subject), n in dataset.groupby(["split", "origin", "subject"], sort=False).size().items():
        lines[split].append((f"{subject}-{origin}", f"{subject}{figures.ORIGINS[origin]}", n))
    return bars_html({"训练集": lines["train"], "验证集": lines["val"]}, int((dataset["split"] == "train").sum()))


class Panel:
    """What the three have in common: parts on a grid, sentences for faults, a picture for the stored notebook.

    Parameters
    ----------
    title : str
        Stands at the top; the part behind the dot, as a class, names the panel.
    live : collection of str
        The names of the controls whose every change calls ``refresh``.
    texts : str
        The names of the parts that are HTML.
    **controls : ipywidgets.Widget
        The controls, in the order of the tab key. One that is not live calls ``show_NAME`` at once, or
        ``on_NAME`` behind all that was typed and chosen before, where there is such a method.

    Notes
    -----
    Each part becomes an attribute and gets the class ``kit-NAME``, by which ``widgets.css`` places it.

    A click must not overtake what was typed before it, and left to itself it does: while the kernel works
    on one value of a field, the browser keeps the field's next one back, but sends clicks at once; and
    ipykernel may handle a click on another thread than values. So an action first goes to the browser and
    back, as a number that the front end copies from ``ping`` to ``pong``: once for the first number, which
    may still come by another thread; once for the value that is worked on; once for the one kept back.
    """

    def __init__(self, title: str, live: Collection[str], texts: str, **controls: ipw.Widget):
        css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
        self.loading, self.lock, self.waiting = False, RLock(), []
        self.ping, self.pong = ipw.IntText(), ipw.IntText()
        self.trips = 3 if getattr(self.ping.comm, "kernel", None) else 0  # no kernel, no browser
        self.link = ipw.jsdlink((self.ping, "value"), (self.pong, "value"))
        self.pong.observe(self.arrive, "value")
        parts = controls | {name: ipw.HTML() for name in texts.split()}
        for name, part in parts.items():
            setattr(self, name, part.add_class(f"kit-{name.replace('_', '-')}"))
            if at_once := self.refresh if name in live else getattr(self, f"show_{name}", None):
                part.observe(partial(self.attempt, at_once), "value")
            elif action := getattr(self, f"on_{name}", None):
                listen = part.on_click if isinstance(part, ipw.Button) else partial(part.observe, names="value")
                listen(partial(self.queue, action))
        gc.freeze()  # else a keystroke now and then waits for a collection of all that was loaded before
        self.view = ipw.VBox([ipw.HTML(f"<style>{css}</style><h4>{title}</h4>"), *parts.values()])
        self.view.add_class("kit").add_class("kit-" + title.split(" · ")[1].lower().replace(" ", "-"))

    def attempt(self, action: Callable[[], str | None], *_: Any) -> None:
        """Do something, unless values are being put in; show what it says. After a fault all else stays."""
        with self.lock:
            try:
                said = None if self.loading else action()
            except KitError as error:
                said = sentence_html(f"{error}{'下面仍是上一次的结果。' * (action == self.refresh)}")
            self.message.value = self.message.value if said is None else said

    def queue(self, action: Callable[[], str | None], *_: Any) -> None:
        """Do something after its trips: behind all that was typed and chosen before."""
        with self.lock:
            self.waiting.append((self.ping.value + self.trips, action))
            self.arrive()

    def arrive(self, *_: Any) -> None:
        """Do what has made its trips; send the number on its way again for what has not."""
        with self.lock:
            while self.waiting and self.waiting[0][0] <= self.pong.value:
                self.attempt(self.waiting.pop(0)[1])
            if self.waiting:
                self.ping.value = self.pong.value + 1

    def put(self, controls: Iterable[ipw.Widget], values: Iterable[Any]) -> None:
        """Put values into controls as one change."""
        self.loading = True
        for control, value in zip(controls, values, strict=True):
            control.value = value
        self.loading = False

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        chart = self.picture()
        text = f"{type(self).__name__}：{chart.axes[0].get_title(loc='left')}"
        png = base64.b64encode(chart._repr_png_()).decode()
        return {**self.view._repr_mimebundle_(), "image/png": png, "text/plain": text}


class RegexLab(Panel):
    """Edit three patterns and see at once what they do to every row.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `workbook.read_rows` returns them. They are cleaned here: the tutorial's method wants them raw.
    gold : list of dict or None
        As `workbook.read_gold` returns it; without it nothing is said about right and wrong.

    Notes
    -----
    The plain call: ``extraction.compare(rows, extraction.extract(rows, patterns, timeout=1), gold)``.
    """

    def __init__(self, rows: pd.DataFrame, gold: list[dict[str, Any]] | None = None):
        self.raw, self.rows, self.gold = rows, cleaning.clean(rows), gold
        self.cells = self.rows.set_index(["subject", "row"])[["选项", "答案"]].to_dict("index")
        self.truth = {(line["subject"], line["row"]): line for line in gold or []}
        self.states, self.base, self.found, self.headline = {}, {}, {}, ""
        labels = {"question": "题号：", "option": "选项标记：", "answer": "答案标记："}
        self.fields = {name: ipw.Text(description=label) for name, label in labels.items()}
        preset = ipw.Dropdown(options=list(PRESETS), value="数字加点", description="预设：")
        subject = ipw.ToggleButtons(options=["全部", *rows["subject"].unique()])
        step = ipw.Button(description="下一个没对的行")
        controls = {"preset": preset, "subject": subject, **self.fields, "row": row_menu(rows), "next": step}
        super().__init__("正则实验室 · Regex Lab", self.fields, "count change message strip row_text", **controls)
        self.attempt(self.on_preset)

    def on_preset(self) -> str:
        """Put a preset into the fields."""
        self.put(self.fields.values(), (getattr(PRESETS[self.preset.value], name) for name in self.fields))
        for field in self.fields.values():
            field.disabled = self.preset.value == COURSE
        return self.refresh()

    def on_subject(self) -> str:
        """Offer the rows of a subject."""
        self.row.options = list_rows(self.choose(self.raw))
        return self.refresh()

    def choose(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the subject that is looked at."""
        return frame if self.subject.value == "全部" else frame[frame["subject"] == self.subject.value]

    def refresh(self) -> str:
        """Parse again with the patterns in the fields (those without a field come from the preset)."""
        raw, rows, name = self.choose(self.raw), self.choose(self.rows), self.preset.value
        patterns = replace(PRESETS[name], **{field: control.value for field, control in self.fields.items()})
        if name == COURSE:
            questions = baseline.extract(raw)
            table, lines = baseline.compare(raw, questions, self.gold), questions.to_numpy().tolist()
            parsed = [Parsed([q for q in lines if q[:2] == [s, r]], [], [], [], {}) for _, (s, r) in list_rows(raw)]
        else:
            size = len(rows) // 4 + 1
            parts = [rows.iloc[start : start + size] for start in range(0, len(rows), size)]
            parsed = [one for part in parts for one in extraction.parse_rows(part, patterns, timeout=TIMEOUT)]
            table = extraction.compare(rows, extraction.collect(parsed), self.gold)
        before, self.states = self.states, extraction.name_outcomes(table)
        self.found = dict(zip(self.states, parsed, strict=True))
        self.base.update({} if patterns != PRESETS[name] else self.states)
        kept, right = extraction.count_outcomes(self.states)
        self.headline = f"保留 {kept} / {len(rows)} 行，{'无标准答案' if right is None else f'其中正确 {right} 行'}"
        self.count.value = re.sub(r"\d+", r'<b class="kit-n">\g<0></b>', self.headline)
        self.change.value = change_html("上一版", before, self.states) + change_html("预设", self.base, self.states)
        self.show_row()
        return sentence_html(COURSE_HINT, good=True) if name == COURSE else ""

    def show_row(self) -> None:
        """Show the chosen row: what became of it, why, and its texts with the marks coloured."""
        key = self.row.value
        self.strip.value = strip_html(self.states, key)
        if key not in self.states:
            return
        state, found = self.states[key], self.found[key]
        read = f"读出 {len(found.questions)} 道选择题、{len(found.short_answers)} 道简答题。"
        reasons = [f"{OUTCOME_WORDS[state]}：{read}", *(line[-1] for line in found.problems)]
        reasons += [extraction.first_difference(found.questions, self.truth[key])] if state == "wrong" else []
        texts = {name: found.texts.get(name, (str(cell), [])) for name, cell in self.cells[key].items()}
        boxes = "".join(pieces_html(name, extraction.segments(*own)) for name, own in texts.items())
        why = f'<div class="kit-{"bad" if state in BAD else "good"}">{"<br>· ".join(map(escape, reasons))}</div>'
        self.row_text.value = f'{why}<div class="kit-two">{boxes}</div>'

    def on_next(self) -> None:
        """Choose the next row that is not right."""
        keys = [key for _, key in self.row.options if self.states.get(key) in BAD or key == self.row.value]
        self.row.value = keys[(keys.index(self.row.value) + 1) % len(keys)]

    def picture(self) -> figures.Chart:
        """Draw how many rows came to which end."""
        counts = Counter(OUTCOME_WORDS[state] for state in self.states.values())
        return figures.funnel(dict(counts.most_common()), f"{self.preset.value}：{self.headline}")


class PromptStudio(Panel):
    """Edit the prompt of either subject and see at once what it does to the data.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.
    folder : str or Path
        Where named prompts are kept, ``data/processed/prompts`` in the notebooks.

    Notes
    -----
    The plain call: ``prompts.count_steps(prompts.funnel(rows, extraction, templates))``.
    """

    def __init__(self, rows: pd.DataFrame, extraction: Extraction, folder: str | Path):
        self.rows, self.found, self.folder = rows, extraction, folder
        self.outputs = prompts.make_outputs(rows, extraction)
        self.made = {(subject, row): own for subject, row, *own, _ in self.outputs}
        fields = {"opening": ("开头：", 4), "template": ("要求：", 6), "closing": ("结尾：", 2)}
        self.parts = {name: ipw.Textarea(description=label, rows=n) for name, (label, n) in fields.items()}
        load, delete, save = (ipw.Button(description=label) for label in ("载入", "删除", "保存"))
        source = ipw.Dropdown(options=[*SOURCES, *prompts.list_prompts(folder)])
        name = ipw.Text(placeholder="起个名字，再保存")
        subject = ipw.ToggleButtons(options=list(rows["subject"].unique()))
        unlock = ipw.Checkbox(description="解锁开头和结尾", indent=False)
        controls = {"source": source, "load": load, "delete": delete, "name": name, "save": save}
        controls |= {"subject": subject, "unlock": unlock, **self.parts, "row": row_menu(rows)}
        texts = "warning message funnel fallen rendered difference"
        super().__init__("提示词工作台 · Prompt Studio", self.parts, texts, **controls)
        self.show_unlock()
        self.on_load()

    def on_subject(self) -> str:
        """Show the template of a subject and offer its rows."""
        self.shown = subject = self.subject.value
        self.put(self.parts.values(), prompts.split_template(self.texts[subject], subject))
        self.row.options = [row for row in list_rows(self.rows) if row[1] in self.made and row[1][0] == subject]
        return self.refresh()

    def show_unlock(self) -> None:
        """Lock or unlock the organisers' part, and warn of what may come of editing it."""
        self.opening.disabled = self.closing.disabled = not self.unlock.value
        warning = "开头和结尾是主办方定的，出题时用的就是它们。改了以后，训练和出题的提示词对不上，模型会不知所措。"
        self.warning.value = sentence_html(warning) if self.unlock.value else ""

    def refresh(self) -> str:
        """Send all rows through the funnel again and show everything."""
        subject = self.shown  # not the one that is chosen: its text may still be on its way into the fields
        self.texts[subject] = template = "\n\n".join(part.value for part in self.parts.values() if part.value)
        for part in self.parts.values():
            prompts.find_placeholders(part.value, f"“{part.description[:-1]}”")
        good = {**self.good, subject: template}
        self.passed, self.good = prompts.funnel(self.rows, self.found, good, outputs=self.outputs), good
        self.funnel.value = funnel_html(self.passed) + lengths_html(self.passed)
        self.fallen.value, self.difference.value = fallen_html(self.passed), difference_html(template, subject)
        self.show_row()
        return ""

    def show_row(self) -> None:
        """Show the chosen row's prompt."""
        pieces = prompts.segments(self.good[key[0]], *self.made[key]) if (key := self.row.value) else []
        self.rendered.value = pieces_html("填好的提示词", pieces)

    def on_load(self) -> str:
        """Load the chosen prompts, of both subjects."""
        templates = SOURCES.get(self.source.value) or prompts.load_prompt(self.source.value, self.folder)
        self.texts = {s: templates.get(s, prompts.TEMPLATES[s]) for s in self.subject.options}
        self.good = dict(self.texts)
        return self.on_subject() or sentence_html(f"已经载入“{self.source.value}”。", good=True)

    def on_save(self) -> str:
        """Save the prompts of both subjects, as they stand in the fields, under the name that was typed."""
        self.refresh()
        name = prompts.save_prompt(self.name.value, self.texts, self.folder).stem
        self.source.options = [*SOURCES, *prompts.list_prompts(self.folder)]
        self.source.value = name
        return sentence_html(f"已经保存为“{name}”，04 会用到它。", good=True)

    def on_delete(self) -> str:
        """Delete the chosen prompts."""
        if (name := self.source.value) in SOURCES:
            raise KitError("这一份删不掉。请先选一份自己保存的。")
        prompts.delete_prompt(name, self.folder)
        self.source.options = [*SOURCES, *prompts.list_prompts(self.folder)]
        return sentence_html(f"已经删除“{name}”。", good=True)

    def picture(self) -> figures.Chart:
        """Draw the funnel."""
        steps = prompts.count_steps(self.passed)
        return figures.funnel(steps, f"{len(self.rows)} 行剩下 {steps[prompts.STEPS[-1]]} 行")


class MixDesk(Panel):
    """Choose what the data set is made of, check it, and export it.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.
    pairs : pandas.DataFrame
        What `prompts.make_pairs` returned for them.
    folder : str or Path
        Where to write the files.

    Notes
    -----
    The plain calls: `merging.choose_rows`, `merging.make_dataset`, `merging.check_dataset`, `merging.build`.
    """

    def __init__(self, rows: pd.DataFrame, extraction: Extraction, pairs: pd.DataFrame, folder: str | Path):
        self.given, self.pairs, self.folder = (rows, extraction), pairs, Path(folder)
        self.dataset = pairs.head(0).assign(split="", origin="")
        sizes = pairs["subject"].value_counts(sort=False)
        self.numbers = {s: ipw.BoundedIntText(n, 0, n, description=f"{s}行数：") for s, n in sizes.items()}
        methods = [(name, key) for key, name in merging.METHODS.items()]
        live = self.numbers | {
            "minimum": ipw.BoundedIntText(merging.MINIMUM, 0, 9999, description="最少行数："),
            "method": ipw.Dropdown(options=methods, value="shuffled", description="不够时："),
            "share": ipw.IntSlider(10, 0, 50, 5, description="验证集 %："),
            "seed": ipw.BoundedIntText(0, 0, 9999, description="随机种子："),
        }
        export = ipw.Button(description="导出")
        super().__init__("配料台 · Mix Desk", live, "message mix checks", **live, export=export)
        self.attempt(self.refresh)

    def refresh(self) -> str:
        """Make the data set again and show what it is made of."""
        counts = {subject: number.value for subject, number in self.numbers.items()}
        self.chosen = merging.choose_rows(self.pairs, counts, self.seed.value)
        options = {"method": self.method.value, "val_share": self.share.value / 100, "seed": self.seed.value}
        self.dataset = merging.make_dataset(self.chosen, minimum=self.minimum.value, **options)
        checks = merging.check_dataset(self.dataset, self.minimum.value)
        self.checks.value = "".join(sentence_html(text, good) for good, text in checks)
        self.mix.value = mix_html(self.dataset)
        return ""

    def on_export(self) -> str:
        """Write the files of `merging.build`; say how many rows are in each, and where they are."""
        self.refresh()
        report = merging.build(*self.given, self.chosen, self.dataset, self.folder)
        counts = "，".join(f"{name} {report[split]} 行" for name, split in merging.EXPORTED.items())
        place = escape(str(self.folder.resolve()))
        if "JPY_SESSION_NAME" in os.environ:  # Jupyter's server shows folders, Voilà's does not
            place = f'<a href="{quote(self.folder.as_posix())}" target="_blank" rel="noopener">{place}</a>'
        return f"{sentence_html(f'已经写好：{counts}。', good=True)}在文件夹 {place}"

    def picture(self) -> figures.Chart:
        """Draw what the data set is made of."""
        n = self.dataset["split"].value_counts()
        return figures.mix(self.dataset, f"训练集 {n.get('train', 0)} 行，验证集 {n.get('val', 0)} 行")
