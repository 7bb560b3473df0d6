"""Every figure is a picture, with Chinese in it, and always the same."""

import inspect
import io
import struct
import warnings

import pandas as pd
import pytest

from helpers import figures
from helpers.cleaning import CHINESE_MARKS, FULLWIDTH, LOOKALIKES, census
from helpers.figures import Chart

LADDER = pd.DataFrame({"kept": [5, 9], "right": [3, 9]}, index=["数字加点", "各种题号"])
LETTERS = pd.DataFrame([[1, 2, 3, 4], [4, 0, 1, 0]], index=["语文", "英语"], columns=list("ABCD"))
DATASET = pd.DataFrame(
    [
        ("语文", "train", "source"),
        ("英语", "train", "source"),
        ("语文", "train", "shuffled"),
        ("英语", "train", "repeat"),
        ("英语", "val", "source"),
        *[("语文", "train", "repeat")] * 15,
    ],
    columns=["subject", "split", "origin"],
)
EXAMPLES = {
    "funnel": [
        ({"读入": 128, "没有问题": 120, "成对": 118}, "128 行剩下 118 行"),
        ({"读入": 0}, "一行也没有"),
    ],
    "ladder": [
        (LADDER, 10, "每一级都多读懂一些"),
        (LADDER.assign(right=pd.array([pd.NA, pd.NA], dtype="boolean")), 10, "没有标准答案"),
    ],
    "census": [
        (census(["ＡＢ．\u3000\u200bАВ\x07\u00a0"] * 3), "最多的是全角字符"),
        (census([]), "没有特殊字符"),
    ],
    "lengths": [
        ({"语文": [900, 1500, 8200], "英语": [2000, 2100]}, 8000, "只有一行超过上限"),
        ({"英语": []}, 8000, "没有数据"),
    ],
    "letters": [(LETTERS, "答案偏向 D"), (LETTERS.iloc[:1] * 0, "没有题目")],
    "curves": [
        (
            {"训练": pd.Series([2.0, 1.5, None], index=[1, 2, 3]), "验证": pd.Series([None, 1.8], index=[1, 2])},
            "都在降",
        ),
        ({"没有": pd.Series([], dtype=float)}, "没有数据"),
    ],
    "compare": [(pd.DataFrame({"之前": [0.0, 0.1], "之后": [0.9, 1.0]}, index=["合格的输出", "合格的题"]), "变好了")],
    "confusion": [(pd.DataFrame([[3, 0], [1, 2]], index=list("AB"), columns=list("AB")), "多数在对角线上")],
    "mix": [(DATASET, "训练集里一半是重复的"), (DATASET.iloc[:0], "空的数据集")],
}
CALLS = [pytest.param(name, own, id=f"{name} {n}") for name, all_ in EXAMPLES.items() for n, own in enumerate(all_)]


def draw(name, arguments):
    return getattr(figures, name)(*arguments)


def figure_functions():
    members = inspect.getmembers(figures, inspect.isfunction)
    return {name for name, function in members if function.__annotations__.get("return") in (Chart, "Chart")}


def test_every_figure_has_an_example_here():
    assert figure_functions() <= EXAMPLES.keys()


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_figure_is_a_chart_that_shows_itself_as_a_picture(name, arguments):
    chart = draw(name, arguments)
    assert isinstance(chart, Chart)
    picture = chart._repr_png_()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    assert min(width, height) > 100


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_figure_has_its_title(name, arguments):
    assert draw(name, arguments).axes[0].get_title(loc="left") == arguments[-1]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_every_glyph_is_found(name, arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(name, arguments)._repr_png_()


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_two_renders_give_the_same_bytes(name, arguments):
    assert draw(name, arguments)._repr_png_() == draw(name, arguments)._repr_png_()


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_what_is_drawn_is_not_changed(name, arguments):
    before = [own.copy() if isinstance(own, pd.DataFrame | dict) else own for own in arguments]
    draw(name, arguments)
    for old, own in zip(before, arguments, strict=True):
        assert old.equals(own) if isinstance(own, pd.DataFrame) else old == own


odd = [*LOOKALIKES, *(char for char in FULLWIDTH if char not in CHINESE_MARKS), "\x00", "\ud800", "\u3000", "\u200b"]


@pytest.mark.parametrize("start", range(0, len(odd), 12))
def test_every_character_of_the_census_can_be_drawn(start):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.census(census(odd[start : start + 12]), "特殊字符")._repr_png_()


def test_the_font_has_the_characters_that_papers_use():
    figure, axes = figures.new_figure("试卷上的字符")
    axes.text(0, 0, "①②③《》“”……——、。！？（）【】％℃·→✓✗−αβ龍鬱")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure._repr_png_()


def test_a_missing_glyph_would_be_seen():
    figure, _ = figures.new_figure("\U0010fffd")
    with pytest.warns(UserWarning, match="Glyph"):
        figure._repr_png_()


def test_a_figure_leaves_nothing_open_in_pyplot():
    import matplotlib.pyplot as plt

    draw("funnel", EXAMPLES["funnel"][0])
    assert plt.get_fignums() == []


def test_a_chart_can_be_saved_like_any_figure():
    buffer = io.BytesIO()
    draw("funnel", EXAMPLES["funnel"][0]).savefig(buffer, format="svg")
    assert b"<svg" in buffer.getvalue()
