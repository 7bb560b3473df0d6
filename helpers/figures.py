"""The notebooks' figures: matplotlib, with a Chinese font that every machine has.

Each function returns a `Chart`, made without pyplot, so that nothing is shown
twice and nothing stays open. The title of a figure states its message.
"""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Patch

# Okabe and Ito (2008): colours that colour-blind people can tell apart
BLUE, ORANGE, GREEN, RED, GREY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C", "#56B4E9"
MIX = {"语文": (BLUE, SKY), "英语": (ORANGE, "#F5CF85")}
"""Colours of a subject: of its own rows, and of those made from them."""
ORIGINS = {"source": "原有", "repeat": "重复", "shuffled": "打乱"}


class Chart(Figure):
    """A figure that shows itself as a picture in a notebook, without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


@cache
def use_chinese_font() -> str:
    """Make matplotlib draw Chinese; return the name of the font.

    The font comes with the package ``zhplot`` (OFL), so every machine draws the same picture.
    Latin letters and the minus sign are drawn with matplotlib's own font.
    """
    path = min(Path(str(files("zhplot"))).rglob("*.[ot]tf"))
    font_manager.fontManager.addfont(path)
    name = font_manager.FontProperties(fname=path).get_name()
    rcParams["font.family"] = ["DejaVu Sans", name]
    return name


def new_figure(title: str, width: float = 7.0, height: float = 3.2, bars: bool = False):
    """Return a figure and its axes with a title, for horizontal bars without a scale if wanted; sizes in inches."""
    use_chinese_font()
    figure = Chart(figsize=(width, height), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    if bars:
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    return figure, axes


def funnel(steps: Mapping[str, int], title: str) -> Chart:
    """Draw how many remain after each step, one bar a step.

    Parameters
    ----------
    steps : mapping of str to int
        Name of the step to what remains, in order.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title, height=0.5 * len(steps) + 0.9, bars=True)
    bars = axes.barh(list(steps), list(steps.values()), color=BLUE, height=0.62)
    axes.bar_label(bars, padding=4)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlim(0, max([*steps.values(), 1]) * 1.1)
    return figure


def ladder(scores: pd.DataFrame, total: int, title: str) -> Chart:
    """Draw rows kept and rows right as the patterns get better.

    Parameters
    ----------
    scores : pandas.DataFrame
        Index: name of the rung; columns ``kept`` and ``right`` (``right`` may be missing).
    total : int
        Rows in all.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title, height=0.55 * len(scores) + 1.1, bars=True)
    axes.barh(scores.index, scores["kept"], color=ORANGE, height=0.7, label="保留的行")
    if scores["right"].notna().all():
        bars = axes.barh(scores.index, scores["right"], color=BLUE, height=0.4, label="保留且正确的行")
        axes.bar_label(bars, padding=3, color="white", label_type="center")
    for y, kept in enumerate(scores["kept"]):
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axes.text(kept + total * 0.01, y, str(kept), va="center", bbox=paper)
    axes.axvline(total, color=GREY, linestyle=":")
    axes.text(total, -0.75, f"全部 {total} 行", ha="right", va="bottom", color=GREY, fontsize=9)
    axes.set_xlim(0, total * 1.12)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def census(counts: pd.DataFrame, title: str) -> Chart:
    """Draw the most frequent odd characters, coloured by kind.

    Parameters
    ----------
    counts : pandas.DataFrame
        As `cleaning.census` returns it.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    shown = counts.head(12)
    figure, axes = new_figure(title, height=0.32 * len(shown) + 1.0, bars=True)
    colours = dict(zip(dict.fromkeys(counts["kind"]), (BLUE, ORANGE, GREEN, RED, SKY, GREY), strict=False))
    visible = shown["kind"].isin(["形近字母", "全角字母数字", "全角符号"])
    labels = shown["code"].where(~visible, shown["char"] + "  " + shown["code"])
    bars = axes.barh(labels, shown["count"], color=[colours[kind] for kind in shown["kind"]])
    axes.bar_label(bars, padding=3)
    kinds = [Patch(color=colours[kind], label=kind) for kind in dict.fromkeys(shown["kind"])]
    axes.legend(handles=kinds, loc="lower right", frameon=False)
    return figure


def lengths(values: Mapping[str, Sequence[int]], limit: int, title: str) -> Chart:
    """Draw a histogram of lengths for each subject, with the limit.

    Parameters
    ----------
    values : mapping of str to sequence of int
        Subject to lengths in characters.
    limit : int
        Characters that a row may have.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title)
    top = max([limit, *(v for own in values.values() for v in own)])
    edges = [top * 1.05 * i / 42 for i in range(43)]
    for (name, own), colour in zip(values.items(), (BLUE, ORANGE), strict=False):
        axes.hist(list(own), bins=edges, color=colour, alpha=0.8, label=f"{name}（{len(own)} 行）")
    axes.axvline(limit, color=RED, linestyle="--")
    axes.text(limit * 0.99, axes.get_ylim()[1] * 0.95, f"上限 {limit} 字", ha="right", va="top", color=RED)
    axes.set_xlabel("一行的字符数（输入 + 输出）")
    axes.set_ylabel("行数")
    axes.legend(frameon=False, loc="upper center")
    return figure


def letters(counts: pd.DataFrame, title: str) -> Chart:
    """Draw the shares of the answer letters for each subject, with the even share.

    Parameters
    ----------
    counts : pandas.DataFrame
        One line a group (`merging.count_letters` gives one a subject); columns A, B, C, D.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title, height=2.8)
    width = 0.8 / max(1, len(counts))
    for i, (subject, own) in enumerate(counts.iterrows()):
        places = [x + (i - (len(counts) - 1) / 2) * width for x in range(4)]
        bars = axes.bar(
            places, own / max(1, own.sum()) * 100, width * 0.92, label=subject, color=(BLUE, ORANGE, GREEN)[i % 3]
        )
        axes.bar_label(bars, labels=[str(n) for n in own], fontsize=9)
    axes.axhline(25, color=GREY, linestyle=":", zorder=0)
    axes.set_xticks(range(4), list("ABCD"))
    axes.set_ylabel("占比（%）")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def mix(dataset: pd.DataFrame, title: str) -> Chart:
    """Draw what a data set is made of: subject and origin, train and val.

    Parameters
    ----------
    dataset : pandas.DataFrame
        As `merging.make_dataset` returns it.
    title : str
        The message.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title, height=2.4)
    counts = dataset.groupby(["split", "origin", "subject"], sort=False).size()
    left = {"train": 0, "val": 0}
    for (split, origin, subject), number in counts.items():
        place = {"train": "训练集", "val": "验证集"}[split]
        colour = MIX[subject][origin != "source"]
        axes.barh(place, number, left=left[split], height=0.6, edgecolor="white", color=colour)
        label = f"{subject}{ORIGINS[origin]}\n{number}" if number >= 0.12 * len(dataset) else str(number)
        ink = "white" if colour == BLUE else "black"
        axes.text(left[split] + number / 2, place, label, ha="center", va="center", fontsize=9, color=ink)
        left[split] += number
    axes.invert_yaxis()
    axes.set_xlabel("行数")
    return figure


def curves(lines: Mapping[str, pd.Series], title: str, ylabel: str = "损失") -> Chart:
    """Draw values against training steps, one line each.

    Parameters
    ----------
    lines : mapping of str to pandas.Series
        Name to values; the index holds the steps; steps without a value are left out.
    title, ylabel : str
        The message, and what is drawn.

    Returns
    -------
    Chart
    """
    figure, axes = new_figure(title)
    for (name, values), colour in zip(lines.items(), cycle((BLUE, ORANGE, GREEN, RED, SKY, GREY)), strict=False):
        values = values.dropna()
        axes.plot(values.index, values, color=colour, label=name, marker="o" if len(values) < 40 else "", markersize=4)
    axes.set_xlabel("步数")
    axes.set_ylabel(ylabel)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def compare(shares: pd.DataFrame, title: str) -> Chart:
    """Draw shares side by side: one group of bars a line, one colour a column, values from 0 to 1."""
    figure, axes = new_figure(title, height=0.3 * shares.size + 1.2)
    width = 0.8 / shares.shape[1]
    for place, (name, colour) in enumerate(zip(shares.columns, (GREY, BLUE, ORANGE), strict=False)):
        at = [line + (place - (shares.shape[1] - 1) / 2) * width for line in range(len(shares))]
        bars = axes.barh(at, shares[name], height=width * 0.9, color=colour, label=name)
        axes.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=9)
    axes.set_yticks(range(len(shares)), shares.index)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=shares.shape[1], frameon=False, fontsize=9)
    return figure


def confusion(counts: pd.DataFrame, title: str) -> Chart:
    """Draw a confusion matrix; index: the right letter, columns: the chosen letter."""
    figure, axes = new_figure(title, width=4.2, height=3.4)
    axes.imshow(counts, cmap="Blues", vmin=0)
    for (row, column), value in np.ndenumerate(counts.to_numpy()):
        dark = value > counts.to_numpy().max() / 2
        axes.text(column, row, value, ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(counts.shape[1]), counts.columns)
    axes.set_yticks(range(len(counts)), counts.index)
    axes.set_xlabel("模型选的")
    axes.set_ylabel("正确答案")
    return figure
