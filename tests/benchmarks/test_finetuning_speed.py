"""One step of our tuning loop against one of transformers.Trainer with peft, at the same settings; peak memory."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="the extra `finetune` is not installed")
pytestmark = pytest.mark.finetune

ROUNDS = 3
SCRIPT = """
import json, resource, statistics, sys, time
import torch
from helpers import cleaning, extraction, finetuning, prompts, workbook

rows = cleaning.clean(workbook.read_rows("data/sample"))
pairs = prompts.make_pairs(rows, extraction.extract(rows), finetuning.TEMPLATES)
pairs = pairs[pairs["subject"] == "英语"].head(8)
settings = finetuning.Settings()
model, tokenizer = finetuning.load_model()
examples = finetuning.make_examples(pairs, tokenizer)
model = finetuning.add_lora(model, settings)
batches = [[examples[i] for i in batch] for batch in finetuning.make_batches(examples, settings.batch_size)]
times = []

def run_ours():
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate)
    model.train()
    for batch in batches:
        start = time.perf_counter()
        loss = finetuning.compute_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.perf_counter() - start)

def run_trainer():
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        def on_step_begin(self, *args, **kwargs):
            self.start = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            times.append(time.perf_counter() - self.start)

    class Rows(torch.utils.data.Dataset):
        def __init__(self):
            self.order = [e for batch in batches for e in batch]  # the same batches, in the same order

        def __len__(self):
            return len(self.order)

        def __getitem__(self, i):
            return self.order[i]

    def collate(batch):
        longest = max(len(e.tokens) for e in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for line, (own, start) in enumerate(batch):
            ids[line, : len(own)], mask[line, : len(own)] = torch.tensor(own), 1
            labels[line, start : len(own)] = torch.tensor(own[start:])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    class InOrder(Trainer):
        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    arguments = TrainingArguments(
        output_dir=sys.argv[2], per_device_train_batch_size=settings.batch_size, max_steps=len(batches),
        learning_rate=settings.learning_rate, bf16=finetuning.bf16_is_faster(), use_cpu=True, report_to=[],
        save_strategy="no", logging_strategy="no", disable_tqdm=True, remove_unused_columns=False,
    )
    InOrder(model, arguments, train_dataset=Rows(), data_collator=collate, callbacks=[Clock()]).train()

run_ours() if sys.argv[1] == "ours" else run_trainer()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"step": statistics.median(times[1:]), "peak_gib": peak}))
"""


def run(which, root, folder):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, which, str(folder)], cwd=root, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_step_against_one_of_trainers_and_its_memory(root, tmp_path, capsys):
    ours, trainer = [], []
    for _ in range(ROUNDS):  # by turns, so that a busy moment of the machine hits both
        ours.append(run("ours", root, tmp_path))
        trainer.append(run("trainer", root, tmp_path))
    ratio = min(o["step"] for o in ours) / min(t["step"] for t in trainer)  # printed; times are not asserted
    peak = max(o["peak_gib"] for o in ours)
    with capsys.disabled():
        print(f"\na tuning step, ours / Trainer: {ratio:.2f}; peak memory, ours {peak:.1f} GiB,", end=" ")
        print(f"Trainer {max(t['peak_gib'] for t in trainer):.1f} GiB")
    assert peak <= 4.0
