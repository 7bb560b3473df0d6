"""How long a panel takes from an edit to the new counts, over all rows of the sample: printed, not asserted.

python -m pytest tests/benchmarks/test_widgets_speed.py -s
"""

import statistics
import time

import pytest
from lab import PATIENCE, lab_address, run_all

from helpers import cleaning, extraction, prompts, widgets, workbook

EDITS = 200
OBSERVE = """selector => {
  const output = document.querySelector(selector);
  window.kitStart = 0;
  window.kitTimes = [];
  document.addEventListener('keydown', () => { window.kitStart = performance.now(); }, true);
  new MutationObserver(() => {
    if (window.kitStart) window.kitTimes.push(performance.now() - window.kitStart);
    window.kitStart = 0;
  }).observe(output, {childList: true, subtree: true, characterData: true});
}"""


def report(name, times):
    """Print the median and the 95th percentile of times in milliseconds."""
    middle, high = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"\n{name}: {len(times)} edits, p50 {middle:.0f} ms, p95 {high:.0f} ms")


def edit(control, values):
    """Put one value after another into a control; return the times until all outputs were there."""
    times = []
    for value in values:
        start = time.perf_counter()
        control.value = value
        times.append((time.perf_counter() - start) * 1000)
    return times


def test_in_the_kernel(root, tmp_path):
    source = workbook.read_rows(root / "data" / "sample")
    rows = cleaning.clean(source)
    found = extraction.extract(rows)
    lab = widgets.RegexLab(source, workbook.read_gold(root / "data" / "sample"))
    studio = widgets.PromptStudio(rows, found, tmp_path)
    mix = widgets.MixDesk(rows, found, prompts.make_pairs(rows, found), tmp_path)
    lab.preset.value = "完整的正则"
    typed = {
        "Regex Lab, question mark": (lab.question, "{}|第{}号"),
        "Regex Lab, option mark": (lab.option, "{}|选项{}"),
        "Regex Lab, answer mark": (lab.answer, "{}|答{}"),
        "Prompt Studio, requirements": (studio.template, "{}\n第 {} 条"),
    }
    for name, (control, form) in typed.items():
        before = control.value
        report(name, edit(control, [form.format(before, i) for i in range(EDITS)]))
        control.value = before
        assert lab.message.value == studio.message.value == ""
    report("Mix Desk, seed", edit(mix.seed, range(1, EDITS + 1)))
    report("Mix Desk, share", edit(mix.share, [5, 10] * (EDITS // 2)))


@pytest.mark.browser
@pytest.mark.parametrize(
    ("notebook", "control", "output", "keys"),
    [
        ("02_extraction", ".kit-question input", ".kit-count", ("z", "Backspace")),
        ("03_prompts", ".kit-template textarea", ".kit-funnel", ("z", "z")),
        ("04_merging", ".kit-share .noUi-handle", ".kit-mix", ("ArrowRight", "ArrowLeft")),
    ],
)
def test_in_the_browser(lab, page, notebook, control, output, keys):
    """From a real key to the changed output, one key after another."""
    run_all(page, lab_address(lab, notebook, f"speed-{notebook}"))
    field = page.locator(control).first
    field.wait_for(timeout=PATIENCE)
    field.focus()
    page.wait_for_timeout(1000)
    page.evaluate(OBSERVE, output)
    for i in range(EDITS):
        page.keyboard.press(keys[i % 2])
        page.wait_for_function("n => window.kitTimes.length >= n", arg=i + 1, timeout=10_000)
    report(f"{notebook}, browser", page.evaluate("window.kitTimes"))
