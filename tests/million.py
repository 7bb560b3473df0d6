"""Run a million rows of random mess through cleaning and extraction, and report what came of them.

    python tests/million.py [N] [--seed S] [--processes P]

N is 1,000,000 unless given; S moves on to other rows. A row ends as one of these:

right         a parseable row equal to the truth field by field, with no problem; a row that is not
              parseable with a problem, and no question in it that is not true
in problems   a parseable row that was reported
wrong         anything else that was kept or read
unaccounted   a row or a question that is nowhere
crashed       an exception

A row is counted under every kind of mess in it. Each of the first wrong rows is shrunk to a small example.
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from mill import Paper, cells, compose, frame, kinds_of, simpler, truth
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers.cleaning import clean  # noqa: E402
from helpers.extraction import extract  # noqa: E402

OUTCOMES = ["right", "in problems", "wrong", "unaccounted", "crashed"]
CHUNK = 1000
TARGET = 0.001
"""The share of parseable rows that may be reported."""


def run(papers: list[Paper]) -> list[tuple[str, str]]:
    """Return what each paper is and what came of it."""
    try:
        found = extract(clean(frame(papers)))
    except Exception as error:  # noqa: BLE001 - which row it was is found out one by one
        if len(papers) == 1:
            return [(truth(papers[0])[0], f"crashed: {type(error).__name__}: {error}")]
        return [outcome for paper in papers for outcome in run([paper])]
    parts: list[dict[int, list[tuple]]] = []
    for part in found[:3]:
        grouped: dict[int, list[tuple]] = {}
        columns = [part[name].tolist() for name in part.columns[2:]]  # from position on
        for row, *values in zip(part["row"].tolist(), *columns, strict=True):
            grouped.setdefault(row, []).append(tuple(values))
        parts.append(grouped)
    return [judge(paper, *(part.get(row, []) for part in parts)) for row, paper in enumerate(papers)]


def judge(paper: Paper, questions: list[tuple], shorts: list[tuple], problems: list[tuple]) -> tuple[str, str]:
    """Compare what was found in one row with the truth."""
    status, true_questions, true_shorts = truth(paper)
    told = {line[3] for line in problems}
    places = [line[0] for line in questions + shorts + problems if not pd.isna(line[0])]
    whole = any(pd.isna(line[0]) for line in problems)
    if len(set(places)) < len(places) or (not problems and len(places) < len(paper.questions)) or not (places or whole):
        return status, "unaccounted"
    if not true_questions and status == "parseable":
        told.discard("no_choice_question")
    if told:
        false = [line[2:] for line in questions if line[2:] not in [true[2:] for true in true_questions]]
        if false and status == "parseable":
            return status, "wrong"
        return status, "right" if status != "parseable" else "in problems"
    same = questions == true_questions and shorts == true_shorts
    return status, "right" if same and status != "not parseable" else "wrong"


def shrink(paper: Paper, fails: Callable[[Paper], bool]) -> Paper:
    """Return the simplest paper that still fails."""
    found = True
    while found:
        found = next((smaller for smaller in simpler(paper) if fails(smaller)), None)
        paper = found or paper
    return paper


def mill(first: int, count: int = CHUNK) -> tuple[Counter, list[tuple[int, str, str]]]:
    """Run the papers of these seeds; count outcomes by status and kind, and list what is not right."""
    papers = [compose(seed) for seed in range(first, first + count)]
    counts: Counter = Counter()
    bad = []
    for paper, (status, outcome) in zip(papers, run(papers), strict=True):
        if outcome != "right":
            bad.append((paper.seed, status, outcome))
        outcome = outcome.split(":")[0]
        counts[status, outcome, ""] += 1
        counts.update((status, outcome, kind) for kind in kinds_of(paper))
    return counts, bad


def report(counts: Counter) -> str:
    """Return the table of outcomes, kind by kind."""
    kinds = sorted({kind for _, _, kind in counts})
    lines = [f"{'kind':28}{'rows':>10}{'share':>8}" + "".join(f"{name:>13}" for name in OUTCOMES)]
    total = sum(n for (_, _, kind), n in counts.items() if not kind)
    for kind in kinds:
        own = [sum(n for (_, o, k), n in counts.items() if k == kind and o == outcome) for outcome in OUTCOMES]
        line = "".join(f"{n:>13,}" for n in own)
        lines.append(f"{kind or 'all rows':28}{sum(own):>10,}{sum(own) / total:>8.1%}{line}")
    lines.append("")
    for status in ("parseable", "doubtful", "not parseable"):
        own = {outcome: counts[status, outcome, ""] for outcome in OUTCOMES}
        lines.append(f"{status:28}{sum(own.values()):>10,}{'':8}" + "".join(f"{n:>13,}" for n in own.values()))
    parseable = sum(counts["parseable", outcome, ""] for outcome in OUTCOMES)
    lines.append(f"parseable rows sent to problems: {counts['parseable', 'in problems', ''] / parseable:.4%}")
    return "\n".join(lines)


def show(seed: int, outcome: str) -> str:
    """Return the small example behind a failure."""

    def fails(paper: Paper) -> bool:
        return run([paper])[0][1] == outcome and truth(paper)[0] == status

    paper = compose(seed)
    status = truth(paper)[0]
    small = shrink(paper, fails)
    return f"seed {seed}, {status}, {outcome}: {sorted(kinds_of(small))}\n  {cells(small)[1]!r}\n  {cells(small)[2]!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--examples", type=int, default=5, help="how many failures of each outcome to shrink")
    arguments = parser.parse_args()
    counts: Counter = Counter()
    bad: list[tuple[int, str, str]] = []
    start = time.monotonic()
    firsts = range(arguments.seed, arguments.seed + arguments.rows, CHUNK)
    with multiprocessing.Pool(arguments.processes) as pool, tqdm(total=arguments.rows, unit=" rows") as bar:
        for own, failed in pool.imap_unordered(mill, firsts):
            counts += own
            bad += failed
            bar.update(CHUNK)
    print(report(counts))
    print(f"{len(firsts) * CHUNK:,} rows, {arguments.processes} processes, {time.monotonic() - start:.0f} s")
    shown: Counter = Counter()
    for seed, _, outcome in sorted(bad):
        shown[outcome] += 1
        if shown[outcome] <= arguments.examples:
            print(show(seed, outcome))
    return int(any(outcome != "in problems" for _, _, outcome in bad))


if __name__ == "__main__":
    sys.exit(main())
