"""Fuzz parts of the kit under coverage guidance: ``python tests/fuzz [NAME …] --seconds 600``.

Needs ``pip install atheris``. Each target runs in a process of its own, from the seeds and from what
``--corpus`` kept of earlier runs. One line a target is printed: inputs tried, edges covered, findings.
A finding is an input that raises something undocumented, or that takes more than a second of the
processor's time. Afterwards every input that was kept, or its end, is repeated to 100 kB and tried again,
without the fuzzer's own cost: what grows faster than its input shows there.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLOW = 1.0
"""Seconds of the processor that an input of 100 kB may take."""


def fuzz(name, corpus, seconds):
    """Fuzz one target in this process until the time is up or something is found."""
    import atheris

    with atheris.instrument_imports(include=["helpers", "openpyxl", "targets"]):
        import targets
    target, slow = targets.TARGETS[name], corpus / "slow"
    slow.mkdir(parents=True, exist_ok=True)

    def timed(data):
        started = time.process_time()
        target(data)
        if time.process_time() - started > SLOW:
            (slow / f"{hash(data) & 0xFFFFFFFF:08x}").write_bytes(data)

    words = corpus / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in targets.WORDS)
    words.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    options = [f"-max_total_time={seconds}", "-max_len=6000", "-timeout=60", "-rss_limit_mb=3000", f"-dict={words}"]
    options += [f"-artifact_prefix={corpus}/found-", "-print_final_stats=1", str(corpus / "inputs")]
    atheris.Setup([sys.argv[0], *options], timed)
    atheris.Fuzz()


def replay(name, corpus):
    """Try what was found, and every input kept, repeated to 100 kB; return the faults and the longest time."""
    import targets

    tries = {path.name: path.read_bytes() for path in [*corpus.glob("found-*"), *corpus.glob("slow/*")]}
    for path in sorted(corpus.glob("inputs/*")):
        for tail in (0, 15, 60):  # 0: the whole
            tries[f"{path.name}, last {tail or 'all'} repeated"] = targets.lengthen(path.read_bytes(), tail)
    faults, longest = [], 0.0
    for which, data in tries.items():
        started = time.process_time()
        try:
            targets.TARGETS[name](data)
        except Exception as error:
            faults.append(f"{which}: {type(error).__name__} {error}")
        took = time.process_time() - started
        longest = max(longest, took)
        if took > SLOW:
            faults.append(f"{which}: {took:.1f} s")
    return faults, longest


def run(name, corpus, seconds):
    """Fuzz one target in another process; return the line about it and whether something was found."""
    import targets

    (corpus / "inputs").mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(targets.seeds(name)):
        (corpus / "inputs" / f"seed-{place:03}").write_bytes(seed)
    command = [sys.executable, __file__, name, "--corpus", str(corpus.parent), "--seconds", str(seconds), "--inside"]
    with (corpus / "log").open("w+b") as log:
        subprocess.run(command, stdout=log, stderr=log, cwd=ROOT)
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
    counts = re.findall(r"^#\d+\s.*? cov: (\d+) ft: (\d+)", text, re.MULTILINE)
    if not counts:
        return f"{name}: did not run\n{text[-2000:]}", True
    faults, longest = replay(name, corpus)
    tried = re.findall(r"number_of_executed_units: (\d+)|^#(\d+)\s", text, re.MULTILINE)
    words = f"{name}: {''.join(tried[-1])} inputs in {seconds} s, {counts[-1][0]} edges, {counts[-1][1]} features"
    words += f", 100 kB in at most {longest:.2f} s, {len(faults)} findings"
    return "\n  ".join([words, *faults]), bool(faults)


def main():
    """Run the command."""
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a target in targets.py; all, if none is given")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept from one run to the next")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:  # before anything of the kit is imported: what is loaded already is not instrumented
        fuzz(options.names[0], options.corpus / options.names[0], options.seconds)
    import targets

    if unknown := set(options.names) - set(targets.TARGETS):
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(targets.TARGETS)}")
    names, found = options.names or list(targets.TARGETS), False
    with tempfile.TemporaryDirectory() as scratch:
        for name in names:
            line, bad = run(name, (options.corpus or Path(scratch)) / name, options.seconds)
            print(line, flush=True)
            found |= bad
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
