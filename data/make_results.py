"""Make the long tuning runs that notebooks 05 and 06 draw: ``data/results.json``.

    python data/make_results.py            every run that is not made yet, then the file
    python data/make_results.py main-0     only these runs (two shells can share the work)
    python data/make_results.py --list     the names of the runs

A run is kept in ``data/processed/results`` when it ends, and goes on from its checkpoint when it was
interrupted. About two hours on two cores. The extra ``finetune`` must be installed.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from helpers import cleaning, evaluation, extraction, finetuning, merging, prompts, workbook
from helpers.finetuning import Settings

DATA = Path(__file__).parent
PARTS = DATA / "processed" / "results"
RESULTS = DATA / "results.json"
TEMPERATURE = 0.9
SEEDS = (0, 1, 2)


def read_pairs() -> pd.DataFrame:
    """Return the English pairs of the sample, with the short prompt."""
    rows = cleaning.clean(workbook.read_rows(DATA / "sample"))
    pairs = prompts.make_pairs(rows, extraction.extract(rows), finetuning.TEMPLATES)
    return pairs[pairs["subject"] == "英语"].reset_index(drop=True)


def read_test() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the English test passages, and their questions."""
    sheet = pd.read_excel(DATA / "sample" / "测试集.xlsx").rename(columns={"学科": "subject"})
    sheet["row"] = range(len(sheet))
    rows = cleaning.clean(sheet[sheet["subject"] == "英语"].reset_index(drop=True))
    return rows, extraction.extract(rows).questions


def split(pairs: pd.DataFrame, rounds: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training pairs, each ``rounds`` times shuffled (0: once, as they are), and those for validation."""
    plain = merging.make_dataset(pairs, method="none")
    size = int((plain["split"] == "train").sum())
    dataset = merging.make_dataset(pairs, minimum=size * (rounds + 1)) if rounds else plain
    train = dataset[(dataset["split"] == "train") & (dataset["origin"] == ("shuffled" if rounds else "source"))]
    return train, plain[plain["split"] == "val"]


def to_lists(history: pd.DataFrame) -> dict[str, list]:
    """Return a history as short numbers, with None where nothing was measured."""
    return {name: [None if pd.isna(v) else round(v, 3) for v in history[name]] for name in ("loss", "val_loss")}


def tune(settings: Settings, train: pd.DataFrame, val: pd.DataFrame, every: int = 18):
    """Tune the default model; return model, tokenizer and history."""
    model, tokenizer = finetuning.load_model()
    model = finetuning.add_lora(model, settings)
    examples = finetuning.make_examples(train, tokenizer)
    folder = finetuning.run_folder(PARTS / "runs", model, examples, settings)
    validation = finetuning.make_examples(val, tokenizer)
    return model, tokenizer, finetuning.train(model, examples, settings, folder, validation=validation, every=every)


def write_questions(model, tokenizer, temperature: float, seed: int) -> list[str]:
    """Let a model write questions for the test passages; return the texts."""
    rows, _ = read_test()
    asked = [prompts.render(finetuning.TEMPLATES["英语"], text, 4) for text in rows["阅读文本"]]
    return finetuning.generate(model, tokenizer, asked, temperature=temperature, seed=seed)


def choose_answers(model, tokenizer) -> list[list[float]]:
    """Let a model answer the questions of the test passages; return the probabilities of the four letters."""
    rows, questions = read_test()
    passages = questions["row"].map(dict(zip(rows["row"], rows["阅读文本"], strict=True)))
    return evaluation.answer_letters(model, tokenizer, questions, passages).round(4).tolist()


def run_before() -> dict:
    """Ask the model as it comes."""
    model, tokenizer = finetuning.load_model()
    texts = {str(draw): write_questions(model, tokenizer, TEMPERATURE, draw) for draw in SEEDS}
    return {"texts": texts, "answers": choose_answers(model, tokenizer)}


def run_main(seed: int) -> dict:
    """Make the run that the notebooks show: each pair three times, with options shuffled anew; three draws."""
    settings = Settings(seed=seed)
    train, val = split(read_pairs(), 3)
    model, tokenizer, history = tune(settings, train, val)
    texts = {str(draw): write_questions(model, tokenizer, TEMPERATURE, draw) for draw in SEEDS}
    made = {"settings": asdict(settings), "rows": len(train), "history": to_lists(history), "texts": texts}
    return made | {"answers": choose_answers(model, tokenizer)}


def run_temperature(temperature: float) -> dict:
    """Draw from the model of ``main-0`` at another temperature."""
    model, tokenizer, _ = tune(Settings(seed=0), *split(read_pairs(), 3))
    return {"texts": {"0": write_questions(model, tokenizer, temperature, 0)}}


def run_variant(settings: Settings, rounds: int) -> dict:
    """Try other settings, two thirds as long."""
    train, val = split(read_pairs(), rounds)
    train = pd.concat([train] * 2).reset_index(drop=True) if rounds == 0 else train
    model, tokenizer, history = tune(settings, train, val)
    texts = {"0": write_questions(model, tokenizer, TEMPERATURE, 0)}
    return {"settings": asdict(settings), "rows": len(train), "history": to_lists(history), "texts": texts}


def run_rate(rate: float) -> dict:
    """Try one learning rate, 32 steps."""
    train, val = split(read_pairs(), 1)
    settings = Settings(learning_rate=rate)
    _, _, history = tune(settings, train.head(32), val, every=8)
    return {"settings": asdict(settings), "history": to_lists(history)}


def run_overfit(settings: Settings, shuffled: bool) -> dict:
    """Learn eight pairs twelve times: as written, or shuffled each time and with regularisation."""
    train, val = split(read_pairs(), 0)
    few = train.head(8)
    if shuffled:
        few = merging.make_dataset(few, minimum=8 * 13, val_share=0)
        few = few[few["origin"] == "shuffled"]
    _, _, history = tune(settings, few, val, every=8)
    return {"settings": asdict(settings), "rows": len(few), "history": to_lists(history)}


def run_fold(number: int, folds: int = 4) -> dict:
    """Hold one fold of the passages out, 24 steps."""
    pairs = read_pairs()
    fold = evaluation.split_folds(pairs, folds)
    train, val = pairs[fold != number].head(24), pairs[fold == number].head(6)
    _, _, history = tune(Settings(), train, val, every=24)
    return {"history": to_lists(history)}


RUNS = {
    "before": run_before,
    **{f"main-{seed}": lambda seed=seed: run_main(seed) for seed in SEEDS},
    **{f"temperature-{t:g}": lambda t=t: run_temperature(t) for t in (0, 0.7)},
    **{f"rate-{rate:g}": lambda rate=rate: run_rate(rate) for rate in (6e-5, 8e-5, 3e-4, 1e-3, 3e-3)},
    "overfit-plain": lambda: run_overfit(Settings(epochs=12), shuffled=False),
    "overfit-regular": lambda: run_overfit(Settings(dropout=0.1, weight_decay=0.1), shuffled=True),
    "tried-as-written": lambda: run_variant(Settings(), 0),
    "tried-lower-rate": lambda: run_variant(Settings(learning_rate=3e-4), 2),
    "tried-attention-only": lambda: run_variant(Settings(targets="q_proj,v_proj"), 2),
    "tried-rank-2": lambda: run_variant(Settings(rank=2, alpha=4), 2),
    **{f"fold-{number}": lambda number=number: run_fold(number) for number in range(4)},
}


def main() -> None:
    """Make the runs that are missing, and put all that are there into one file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="names of runs; default: all")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    arguments = parser.parse_args()
    if arguments.list:
        print(*RUNS, sep="\n")
        return
    for name in arguments.runs or RUNS:
        part = PARTS / f"{name}.json"
        if not part.is_file():
            print(name, flush=True)
            workbook.write_whole(part, json.dumps(RUNS[name](), ensure_ascii=False))
    done = {name: PARTS / f"{name}.json" for name in RUNS if (PARTS / f"{name}.json").is_file()}
    made = {name: json.loads(part.read_text(encoding="utf-8")) for name, part in done.items()}
    lines = [f"{json.dumps(name)}: {json.dumps(own, ensure_ascii=False)}" for name, own in made.items()]
    workbook.write_whole(RESULTS, "{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(made)} of {len(RUNS)} runs in {RESULTS.name}")


if __name__ == "__main__":
    main()
