"""Three panels for the notebooks: Regex Lab (02), Prompt Studio (03), Mix Desk (04).

Each is a thin view: its observers call functions that also work without it, and write what comes
of them into ``HTML`` values. All text that comes from a sheet or a learner goes through `escape`.
In a stored notebook a picture stands in a panel's place; no widget state is kept.
"""

import base64
import html
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import ipywidgets
import pandas as pd
from ipywidgets import HTML, Button, Dropdown, HBox, Layout, VBox

from helpers import SUBJECTS, KitError, baseline, cleaning, extraction, figures, marks, merging, prompts
from helpers.extraction import Parsed, Span
from helpers.workbook import FIRST_LINE

Key = tuple[str, int]
TIMEOUT = 0.9
"""Seconds for all searches that one edit sets off."""
SHOWN = 6000
"""Characters of one text that are put on the screen."""
COURSE = "教程的方法"
COURSE_MARKS = marks.Patterns(question=r"\d+\.", option=r"[A-D]", answer=r"\d+\.?\s*[A-D]+")
"""Where the tutorial's method cuts, to be looked at; `baseline` is the method itself."""


class State(NamedTuple):
    """What became of a row: a sign and words, so that no meaning hangs on the colour."""

    sign: str
    words: str
    colour: str
    ink: str = "#fff"


STATES = {
    "right": State("✓", "保留且正确", figures.BLUE),
    "wrong": State("✗", "保留了却不对", figures.RED),
    "told": State("○", "没有保留，该报告的都报告了", figures.SKY, "#000"),
    "lost": State("–", "没有保留，和标准答案不符", figures.ORANGE, "#000"),
    "kept": State("✓", "保留（无标准答案）", figures.BLUE),
    "out": State("–", "没有保留", figures.ORANGE, "#000"),
}
ROLES = {"number": "题号", "option": "选项", "answer": "答案", "unused": "找到了，没选用"}
PLACES = {"text": "阅读文本", "count": "题数"}

_CELLS = "".join(f".kit .kit-{name}{{background:{s.colour};color:{s.ink}}}" for name, s in STATES.items())
CSS = f"""<style>
.kit{{background:var(--jp-layout-color1,#fff);color:var(--jp-ui-font-color1,#1b1b1b);padding:10px 14px;width:100%;
 border:1px solid var(--jp-border-color2,#bbb);border-radius:6px;box-sizing:border-box;overflow:hidden}}
.kit .widget-html-content{{line-height:1.5;font-size:14px;color:inherit;min-width:0;overflow-wrap:anywhere}}
.kit .widget-box,.kit .widget-html{{overflow:visible;min-width:0;max-width:100%;color:inherit}}
.kit .widget-hbox{{flex-wrap:wrap;gap:2px 10px;align-items:center}} .kit .kit-sides{{align-items:flex-start}}
.kit .widget-label{{color:inherit}} .kit h4{{margin:0;font-size:17px}} .kit h5{{margin:4px 0 2px;font-size:14px}}
.kit .kit-code input,.kit textarea{{font-family:var(--jp-code-font-family,monospace);font-size:14px}}
.kit textarea:disabled,.kit input:disabled{{opacity:.6;background:var(--jp-layout-color2,#eee)}}
.kit .kit-dim{{color:var(--jp-ui-font-color2,#555);font-size:13px}} .kit b.kit-n{{font-size:24px}}
.kit .kit-bad{{border-left:4px solid #D55E00;padding:2px 8px;background:rgba(213,94,0,.14)}}
.kit .kit-good{{border-left:4px solid #0072B2;padding:2px 8px;background:rgba(0,114,178,.14)}}
.kit .kit-cells{{display:flex;flex-wrap:wrap;gap:2px;margin:2px 0;align-items:center}}
.kit .kit-cell{{width:15px;height:18px;font:bold 12px/18px sans-serif;text-align:center;border-radius:2px}}
.kit .kit-chosen{{outline:3px solid var(--jp-ui-font-color0,#000);outline-offset:-1px}} {_CELLS}
.kit .kit-text{{white-space:pre-wrap;overflow-wrap:anywhere;max-height:230px;overflow:auto;padding:6px 8px;
 background:var(--jp-layout-color0,#fff);border:1px solid var(--jp-border-color2,#bbb);unicode-bidi:isolate}}
.kit .kit-two{{display:grid;grid-template-columns:3fr 2fr;gap:4px 12px}} .kit .kit-two>div{{min-width:0}}
.kit mark{{color:inherit;border-bottom:2px solid;border-radius:2px;background:rgba(140,140,140,.2)}}
.kit mark::before{{content:attr(data-sign);font-size:10px;vertical-align:4px;margin-right:1px;opacity:.85}}
.kit mark.kit-number,.kit mark.kit-count{{background:rgba(0,114,178,.28);border-color:#0072B2}}
.kit mark.kit-option{{background:rgba(230,159,0,.32);border-color:#E69F00}}
.kit mark.kit-answer,.kit mark.kit-place{{background:rgba(0,158,115,.26);border-color:#009E73}}
.kit mark.kit-unused{{border-bottom:2px dotted}} .kit table.kit-bars{{width:100%;border-spacing:0 3px}}
.kit .kit-bars td{{padding:0 6px 0 0;text-align:left;white-space:nowrap}} .kit .kit-bars td.kit-wide{{width:100%}}
.kit .kit-bar{{display:flex;height:20px}} .kit .kit-bar>div{{overflow:hidden;white-space:nowrap;text-align:center;
 line-height:20px;font-size:12px;border-right:1px solid var(--jp-layout-color1,#fff);box-sizing:border-box}}
.kit svg{{width:100%;height:auto;display:block}} .kit .kit-diff>div{{padding-left:4px;white-space:pre-wrap}}
.kit :focus-visible{{outline:2px solid #0072B2;outline-offset:1px}}
</style>"""
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FULL, _HALF = Layout(width="100%"), Layout(flex="1 1 360px", width="auto", min_width="0")
_LABEL = {"description_width": "6em"}


def escape(text: object) -> str:
    """Return text as HTML that shows it as it is: nothing in it is a tag, and turned directions are named."""
    clipped = str(text)
    if len(clipped) > SHOWN:
        clipped = f"{clipped[:SHOWN]}……（共 {len(clipped)} 字）"
    return _BIDI.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", html.escape(clipped))


def name_row(subject: str, row: int) -> str:
    """Return how a row is called: by its line in Excel."""
    return f"{subject} 第 {row + FIRST_LINE} 行"


def name_rows(keys: Iterable[Key], most: int = 12) -> str:
    """Return a short list of rows, by their lines in Excel: “语文 3、8；英语 21”."""
    keys = list(keys)
    parts = [
        f"{subject} {'、'.join(str(row + FIRST_LINE) for _, row in own)}"
        for subject, own in groupby(keys[:most], key=lambda key: key[0])
    ]
    return "；".join(parts) + (f"……共 {len(keys)} 行" if len(keys) > most else "")


def sentence_html(text: str, good: bool = False) -> str:
    """Return one sentence in a box: ✓ or ✗ and the text."""
    return f'<div class="kit-{"good" if good else "bad"}" role="status">{"✓" if good else "✗"} {escape(text)}</div>'


def find_states(table: pd.DataFrame) -> dict[Key, str]:
    """Return what became of each row, as a key of ``STATES``, from what `extraction.compare` returned."""
    names = {(True, True): "right", (True, False): "wrong", (False, True): "told", (False, False): "lost"}
    return {
        (subject, row): ("kept" if kept else "out") if right is pd.NA else names[bool(kept), bool(right)]
        for subject, row, kept, right in table[["subject", "row", "kept", "right"]].itertuples(index=False)
    }


def count_html(states: Mapping[Key, str]) -> str:
    """Return how many rows are kept, and how many of them are right."""
    n = {name: sum(state == name for state in states.values()) for name in STATES}
    kept = n["right"] + n["wrong"] + n["kept"]
    text = f'保留 <b class="kit-n">{kept}</b> / {len(states)} 行，'
    if n["kept"] + n["out"]:
        return text + "无标准答案，对不对要自己看。"
    told = f"；另有 {n['told']} 行没有保留，该报告的都报告了" if n["told"] else ""
    return f'{text}其中正确 <b class="kit-n">{n["right"]}</b> 行{told}。'


def change_html(label: str, before: Mapping[Key, str], after: Mapping[Key, str]) -> str:
    """Return which rows were won and which were lost between two versions."""
    good = {"right", "kept"}
    both = [key for key in after if key in before and (before[key] in good) != (after[key] in good)]
    won, lost = ([key for key in both if (after[key] in good) == sign] for sign in (True, False))
    listed = "".join(
        f"，{sign} {word} {len(keys)} 行" + (f"（{escape(name_rows(keys))}）" if keys else "")
        for sign, word, keys in (("▲", "赢", won), ("▼", "输", lost))
    )
    return f"<div>和{escape(label)}比{listed}。</div>"


def strip_html(states: Mapping[Key, str], chosen: Key | None) -> str:
    """Return one small cell a row, with a sign and a title, a line for each subject, and the legend."""
    lines = []
    for subject, keys in groupby(states, key=lambda key: key[0]):
        cells = "".join(
            f'<span class="kit-cell kit-{states[key]}{" kit-chosen" if key == chosen else ""}"'
            f' title="{name_row(*key)}：{STATES[states[key]].words}">{STATES[states[key]].sign}</span>'
            for key in keys
        )
        lines.append(f'<div class="kit-cells"><b>{escape(subject)}</b>{cells}</div>')
    legend = "　".join(
        f'<span class="kit-cell kit-{name}" style="display:inline-block">{state.sign}</span> {state.words} {n}'
        for name, state in STATES.items()
        if (n := sum(own == name for own in states.values()))
    )
    return "".join(lines) + f'<div class="kit-dim">{legend}</div>'


def spans_html(text: str, spans: Iterable[Span]) -> str:
    """Return text with its marks coloured by role; where marks overlap, one that was chosen wins."""
    text, owner = text[:SHOWN], [None] * min(len(text), SHOWN)
    for span in sorted(spans, key=lambda s: s.role != "unused"):
        owner[span.start : span.end] = [span] * (min(span.end, len(text)) - min(span.start, len(text)))
    pieces, done = [], 0
    for span, run in groupby(owner):
        piece = escape(text[done : (done := done + len(list(run)))])
        words = span and ROLES[span.role]
        pieces.append(
            f'<mark class="kit-{span.role}" title="{words}" data-sign="{words[:1]}">{piece}</mark>' if span else piece
        )
    return "".join(pieces)


def first_difference(found: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> str:
    """Say where the questions of a row first differ from gold's line about it."""
    if truth["status"] != "ok":
        return "这一行没法判断，不该保留。"
    if len(found) != len(truth["questions"]):
        return f"读出 {len(found)} 道选择题，标准答案是 {len(truth['questions'])} 道。"
    for i, (own, wanted) in enumerate(zip(found, truth["questions"], strict=True), 1):
        for name in ("stem", *"ABCD", "answer", "number"):
            if own[name] != wanted[name]:
                what = {"stem": "题干", "answer": "答案", "number": "题号"}.get(name, f"选项 {name}")
                return f"第 {i} 题的{what}读成“{own[name]}”，应当是“{wanted[name]}”。"
    return "选择题都对，简答题和标准答案不同。"


class Panel:
    """What the three have in common: a box with a style, and a picture for the stored notebook."""

    def __init__(self, name: str, title: str, *children: ipywidgets.Widget):
        head = HTML(f"{CSS}<h4>{title}</h4>")
        self.view = VBox([head, *children], layout=_FULL).add_class("kit").add_class(name)

    def picture(self) -> figures.Chart:
        """Return the panel's message as a picture."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        chart = self.picture()
        png = base64.b64encode(chart._repr_png_()).decode("ascii")
        text = f"{type(self).__name__}：{chart.axes[0].get_title(loc='left')}"
        return {**self.view._repr_mimebundle_(), "image/png": png, "text/plain": text}


PRESETS = {COURSE: COURSE_MARKS, **marks.LADDER, "完整的正则": marks.FULL}
_FIELDS = ("stem", *"ABCD", "answer")


class RegexLab(Panel):
    """Edit three patterns and see at once what they do to every row.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `workbook.read_rows` returns them; they are cleaned here (the tutorial's method wants them raw).
    gold : list of dict or None
        As `workbook.read_gold` returns it; without it nothing is said about right and wrong.

    Notes
    -----
    The plain call behind it: ``extraction.compare(rows, extraction.extract(rows, patterns, timeout=1), gold)``.
    """

    def __init__(self, rows: pd.DataFrame, gold: list[dict[str, Any]] | None = None):
        self.gold, self.truth = gold, {(line["subject"], line["row"]): line for line in gold or []}
        cleaned = cleaning.clean(rows)
        subjects = [s for s in SUBJECTS if s in set(rows["subject"])]
        self.frames = {s: (rows[rows["subject"] == s], cleaned[cleaned["subject"] == s]) for s in subjects}
        self.frames |= {"": (rows, cleaned)}
        self.raw = {(line.subject, line.row): (line.选项, line.答案) for line in rows.itertuples(index=False)}
        self.states: dict[Key, str] = {}
        self.bases: dict[str, dict[Key, str]] = {}
        self.found: dict[Key, Parsed | list[dict[str, Any]]] = {}
        self.loading = False

        self.preset = Dropdown(options=list(PRESETS), value="数字加点", description="预设：", style=_LABEL)
        self.subject = ipywidgets.ToggleButtons(options=[("全部", ""), *((s, s) for s in subjects)])
        self.subject.style.button_width = "64px"
        labels = {"question": "题号：", "option": "选项标记：", "answer": "答案标记："}
        self.fields = {
            name: ipywidgets.Text(description=label, layout=_FULL, style=_LABEL).add_class(f"kit-{name}-pattern")
            for name, label in labels.items()
        }
        self.row = Dropdown(description="看哪一行：", style=_LABEL).add_class("kit-row")
        self.next = Button(description="下一个没对的行", icon="arrow-right").add_class("kit-next")
        names = ("kit-message", "kit-count", "kit-change kit-dim", "kit-strip", "kit-row-text")
        outputs = [HTML(layout=_FULL) for _ in names]
        for output, name in zip(outputs, names, strict=True):
            for part in name.split():
                output.add_class(part)
        self.message, self.count, self.change, self.strip, self.text = outputs
        fields = VBox(list(self.fields.values()), layout=_FULL).add_class("kit-code")
        top = HBox([self.preset.add_class("kit-preset"), self.subject.add_class("kit-subject")])
        super().__init__(
            "kit-regex-lab", "正则实验室 · Regex Lab", top, fields, *outputs[:4], HBox([self.row, self.next]), self.text
        )
        self.preset.observe(self.load, "value")
        self.subject.observe(self.choose_subject, "value")
        for field in self.fields.values():
            field.observe(self.refresh, "value")
        self.row.observe(self.show_row, "value")
        self.next.on_click(self.go_next)
        self.choose_subject()

    @property
    def patterns(self) -> marks.Patterns:
        """The patterns as they stand in the fields; the two that have no field come from the preset."""
        return replace(PRESETS[self.preset.value], **{name: field.value for name, field in self.fields.items()})

    def parse(self, preset: bool = False, subject: str = "") -> tuple[dict[Key, str], dict[Key, Any]]:
        """Parse the rows of a subject with the preset or with the fields; return states and what was found."""
        raw, rows = self.frames[subject]
        if self.preset.value == COURSE:
            questions = baseline.extract(raw)
            found: dict[Key, Any] = {key: [] for key in zip(raw["subject"], raw["row"], strict=True)}
            for record in questions.to_dict("records"):
                found[record["subject"], record["row"]].append(record)
            return find_states(baseline.compare(raw, questions, self.gold)), found
        patterns = PRESETS[self.preset.value] if preset else self.patterns
        parsed = extraction.parse_rows(rows, patterns, timeout=TIMEOUT)
        states = find_states(extraction.compare(rows, extraction.collect(parsed), self.gold))
        return states, dict(zip(states, parsed, strict=True))

    def load(self, *_: Any) -> None:
        """Put a preset into the fields."""
        self.loading = True
        for name, field in self.fields.items():
            field.value, field.disabled = getattr(PRESETS[self.preset.value], name), self.preset.value == COURSE
        self.loading = False
        self.refresh()

    def choose_subject(self, *_: Any) -> None:
        """Offer the rows of the subject."""
        rows = self.frames[self.subject.value][0]
        self.row.options = [(name_row(*key), key) for key in zip(rows["subject"], rows["row"], strict=True)]
        self.load() if not self.states else self.refresh()

    def refresh(self, *_: Any) -> None:
        """Parse again; if the patterns are not valid or too slow, say so and leave everything else."""
        if self.loading:
            return
        try:
            states, self.found = self.parse(subject=self.subject.value)
            if self.preset.value not in self.bases:
                self.bases[self.preset.value] = self.parse(preset=True)[0]
        except KitError as error:
            self.message.value = sentence_html(f"{error}下面仍是上一次的结果。")
            return
        before, self.states = self.states, states
        self.message.value = "" if self.preset.value != COURSE else sentence_html(
            "教程的方法不能改，只能看：它找到什么就用什么，不挑选。", good=True
        )
        self.count.value = count_html(states)
        edited = self.preset.value != COURSE and self.patterns != PRESETS[self.preset.value]
        self.change.value = (
            change_html("上一版", before, states) if before else "改一改上面的正则，这里会写出赢了哪些行、输了哪些行。"
        ) + (change_html(f"预设“{self.preset.value}”", self.bases[self.preset.value], states) if edited else "")
        self.show_row()

    def show_row(self, *_: Any) -> None:
        """Show the chosen row: what became of it, why, and its texts with the marks coloured."""
        key = self.row.value
        if key not in self.states:
            return
        self.strip.value = strip_html(self.states, key)
        found, state = self.found[key], self.states[key]
        texts, reasons, records = {}, [], found
        cells = {name: (cell if isinstance(cell, str) else "（空）", []) for name, cell in zip(("选项", "答案"), self.raw[key], strict=True)}
        if isinstance(found, Parsed):
            texts = {**cells, **found.texts}
            reasons = [line[-1] for line in found.problems]
            records = [dict(zip(extraction.QUESTION_COLUMNS, line, strict=True)) for line in found.questions]
        else:
            matcher = marks.Matcher(COURSE_MARKS)
            roles = {"选项": {"question": "number", "option": "option"}, "答案": {"answer": "answer"}}
            for name, (text, _) in cells.items():
                texts[name] = (text, [Span(*m.span(), role) for own, role in roles[name].items() for m in matcher.find(own, text)])
            reasons = [] if found else ["题目和答案的个数不相等，教程一声不响地丢掉了这一行。"]
        if state == "wrong":
            reasons.append(first_difference(records, self.truth[key]))
        why = f"{STATES[state].sign} {name_row(*key)}：{STATES[state].words}，读出 {len(records)} 道选择题。"
        why += "".join(f"<br>· {escape(reason)}" for reason in reasons)
        good = "good" if state in ("right", "told", "kept") else "bad"
        sides = "".join(
            f'<div><h5>{name}</h5><div class="kit-text" tabindex="0">{spans_html(*texts[name])}</div></div>' for name in texts
        )
        self.text.value = f'<div class="kit-{good} kit-why">{why}</div><div class="kit-two">{sides}</div>'

    def go_next(self, *_: Any) -> None:
        """Choose the next row that is not right."""
        keys = list(self.states)
        at = keys.index(self.row.value) + 1
        self.row.value = next((k for k in keys[at:] + keys[:at] if self.states[k] not in ("right", "told", "kept")), keys[at - 1])

    def picture(self) -> figures.Chart:
        """Draw the strip and the counts."""
        n = {name: sum(own == name for own in self.states.values()) for name in STATES}
        kept, right = n["right"] + n["wrong"] + n["kept"], "无标准答案" if n["kept"] + n["out"] else f"其中正确 {n['right']} 行"
        figure, axes = figures.new_figure(f"{self.preset.value}：保留 {kept} / {len(self.states)} 行，{right}", 9, 2.3)
        return figure


def link_html(folder: Path) -> str:
    """Return a link to a folder, as seen from the notebook, and where it is on the disk."""
    try:
        address = quote(Path(os.path.relpath(folder)).as_posix())
    except ValueError:  # Windows: on another drive
        return escape(folder.resolve())
    return f'<a href="{address}" target="_blank" rel="noopener">打开文件夹</a>（{escape(folder.resolve())}）'
