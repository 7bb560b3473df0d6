"""Ask a model behind an OpenAI-compatible address: hosted, or local and offline (notebooks 03, 05, 06)."""

import hashlib
import importlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from helpers import KitError
from helpers.extraction import Extraction
from helpers.prompts import make_outputs, read_questions
from helpers.workbook import write_whole

EXTRA = ("torch", "transformers", "peft", "gguf", "sklearn", "openai", "tenacity", "dotenv", "xllamacpp")
"""What the extra ``finetune`` installs, by import name."""
INSTALL = '请在项目文件夹里运行 python -m pip install -e ".[finetune]"，再重启内核'

CODES = {
    "10907": "这一条太长，超过了模型的上限，请缩短",
    "10013": "提问没有通过内容审核，请换一条",
    "10014": "回答没有通过内容审核，请换一条",
    "11200": "没有授权，或额度用完了，请到平台的控制台查看",
    "11201": "超过了当天的调用次数，请明天再试",
    "11202": "每秒调用太多，请把 workers 调小",
    "11203": "同时调用太多，请把 workers 调小",
}
"""Error codes of the Spark platform (its error-code page), and what to do."""
_MORE = {
    "语文": "{text}\n\n上面的文章已经有这些题：\n\n{output}\n\n请再出 {count} 道"
    "考查别处的单项选择题，从 1 编号，格式和上面一样，不要写别的。",
    "英语": "{text}\n\nThese questions about the passage exist:\n\n{output}\n\nWrite {count} more about other points, "
    "numbered from 1, in the same form, and nothing else.",
}
_BUSY = {"11202", "11203"}
_FATAL = {"11200", "11201"}


def find_missing() -> list[str]:
    """Return which packages of the extra ``finetune`` are not installed, by import name.

    Examples
    --------
    >>> set(find_missing()) <= set(EXTRA)
    True
    """
    return [name for name in EXTRA if find_spec(name) is None]


def require(name: str, install: str = INSTALL) -> Any:
    """Import a package that the kit can do without, as those of the extra ``finetune``.

    Parameters
    ----------
    name : str
        The package, or a module of it.
    install : str
        What to do if it is missing.

    Raises
    ------
    KitError
        If it is not installed; the message says what to type.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise KitError(f"没有安装 {error.name}：{install}。") from None


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers. The key is kept out of the repr, so that no notebook output shows it.

    Attributes
    ----------
    base_url : str
        Address up to ``/v1``.
    model : str
        The model's name; on the contest's platform the service id.
    key : str
        The API key.
    lora_id : str
        The platform's resource id of the fine-tuned weights; empty elsewhere.
    """

    base_url: str
    model: str
    key: str = field(repr=False)
    lora_id: str = field(default="", repr=False)


def read_endpoint(env_file: str | Path = "../.env", prefix: str = "LLM") -> Endpoint | None:
    """Read an endpoint from the environment, or from a git-ignored file of settings.

    Parameters
    ----------
    env_file : str or Path
        Lines such as ``LLM_API_KEY=…``; need not exist. The environment goes first.
    prefix : str
        The names are this and ``_BASE_URL``, ``_MODEL``, ``_API_KEY`` and, if needed, ``_LORA_ID``.

    Returns
    -------
    Endpoint or None
        None if no key is set.

    Raises
    ------
    KitError
        If a key is set, but the address or the model is not.

    Examples
    --------
    >>> read_endpoint("no such file", prefix="NOBODY") is None
    True
    """
    settings = {**(require("dotenv").dotenv_values(env_file) if Path(env_file).is_file() else {}), **os.environ}
    base_url, model, key, lora_id = (
        (settings.get(f"{prefix}_{name}") or "").strip() for name in ("BASE_URL", "MODEL", "API_KEY", "LORA_ID")
    )
    if not key:
        return None
    for name, value in (("BASE_URL", base_url), ("MODEL", model)):
        if not value:
            raise KitError(f"有 {prefix}_API_KEY，但没有 {prefix}_{name}。请照 .env.example 补上。")
    return Endpoint(base_url, model, key, lora_id)


def ask_all(
    endpoint: Endpoint,
    prompts: Sequence[str],
    path: str | Path,
    *,
    workers: int = 2,
    timeout: float = 60,
    attempts: int = 5,
    wait: float = 1,
    temperature: float = 0.0,
    max_tokens: int = 2048,
) -> pd.DataFrame:
    """Ask a model one prompt after another; what is answered is on disk at once and not asked again.

    Parameters
    ----------
    endpoint : Endpoint
        Whom to ask.
    prompts : sequence of str
        What to ask.
    path : str or Path
        A file of JSON lines that grows by one line an answer. A later call reads it first.
    workers : int
        Prompts under way at the same time.
    timeout : float
        Seconds to wait for one answer.
    attempts : int
        How often one prompt is tried when the service is busy, fails or is cut off.
    wait : float
        Seconds before the second try; doubled from try to try, with some chance, up to a minute.
    temperature : float
        0: the likeliest answer.
    max_tokens : int
        Length of an answer.

    Returns
    -------
    pandas.DataFrame
        Columns ``prompt``, ``text`` (empty if there is no answer) and ``fault`` (a Chinese sentence; empty if
        there is one), one line a prompt.

    Raises
    ------
    KitError
        If the key is refused, the quota is used up or the model is not known: the others would fail as well.
    """
    openai, path = require("openai"), Path(path)
    common = [endpoint.base_url, endpoint.model, endpoint.lora_id, temperature, max_tokens]
    keys = [hashlib.sha256(json.dumps([*common, prompt]).encode()).hexdigest() for prompt in prompts]
    texts, faults = _read_answers(path), dict[str, str]()
    waiting = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key not in texts}
    client = openai.OpenAI(api_key=endpoint.key, base_url=endpoint.base_url, timeout=timeout, max_retries=0)

    def ask(prompt: str) -> str:
        reply = client.chat.completions.create(
            model=endpoint.model,
            messages=[{"role": "user", "content": prompt}],
            temperature=temperature,
            max_tokens=max_tokens,
            extra_headers={"lora_id": endpoint.lora_id} if endpoint.lora_id else None,
        )
        text = reply.choices[0].message.content
        if not text:
            raise ValueError("empty answer")
        return text

    tenacity, lock = require("tenacity"), threading.Lock()
    patient = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _explain(error)[1] == "again"),
        wait=tenacity.wait_random_exponential(wait, max=60),
        stop=tenacity.stop_after_attempt(attempts),
        reraise=True,
    )

    def finish(key: str, prompt: str) -> None:
        try:
            text = patient.copy()(ask, prompt)
        except Exception as error:  # whatever the network does, the other prompts go on
            faults[key], kind = _explain(error)
            if kind == "fatal":
                raise KitError(f"{faults[key]}。") from None  # the service's own message may hold the key
            return
        with lock:
            _append(path, json.dumps({"key": key, "text": text}, ensure_ascii=False))
        texts[key] = text

    path.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(finish, key, prompt) for key, prompt in waiting.items()]
        try:
            for future in tqdm(as_completed(futures), total=len(futures), desc="提问", unit="条", leave=False):
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    lines = [[prompt, texts.get(key, ""), faults.get(key, "")] for key, prompt in zip(keys, prompts, strict=True)]
    return pd.DataFrame(lines, columns=["prompt", "text", "fault"])


def add_questions(
    rows: pd.DataFrame, extraction: Extraction, endpoint: Endpoint, path: str | Path, *, wanted: int = 4, **how: Any
) -> Extraction:
    """Ask a strong model for the questions that rows lack, so that every row has as many as the prompt asks for.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.
    endpoint : Endpoint
        Whom to ask.
    path : str or Path
        File of the answers, as for `ask_all`.
    wanted : int
        Questions a row.
    **how
        Further arguments of `ask_all`.

    Returns
    -------
    Extraction
        With the new questions behind those of their row, numbered on; only those without a fault.
    """
    outputs = [own for own in make_outputs(rows, extraction) if own[3] < wanted]
    asked = ask_all(
        endpoint,
        [_MORE[subject].format(text=t, output=o, count=wanted - n) for subject, _, t, n, o in outputs],
        path,
        **how,
    )
    new = []
    for (subject, row, _, count, _), reply in zip(outputs, asked["text"], strict=True):
        questions, faults = read_questions(reply, subject)
        bad = {fault.number for fault in faults}
        good = [own for own in questions if own[1] not in bad][: wanted - count]
        taken = [frame[(frame["subject"] == subject) & (frame["row"] == row)] for frame in extraction[:2]]
        after = max(int(frame["position"].max()) for frame in taken if len(frame)) + 1
        new += [[subject, row, after + i, after + i + 1, *own[2:]] for i, own in enumerate(good)]
    added = pd.DataFrame(new, columns=extraction.questions.columns).astype(extraction.questions.dtypes)
    return extraction._replace(questions=pd.concat([extraction.questions, added], ignore_index=True))


def _append(path: Path, line: str) -> None:
    """Write one more line, on the disk when this returns; on a full disk the file stays as it was."""
    size = path.stat().st_size if path.is_file() else 0
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if path.is_file():
            os.truncate(path, size)
        raise KitError(f"写不了“{path.name}”。请检查磁盘空间和文件夹权限。") from error


def _read_answers(path: Path) -> dict[str, str]:
    """Return the answers on disk; a last line that was cut off while it was written is taken away."""
    if not path.is_file():
        return {}
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1].decode("utf-8")
    if len(whole.encode()) < len(content):
        write_whole(path, whole)
    try:
        return {line["key"]: line["text"] for line in map(json.loads, whole.splitlines())}
    except (ValueError, KeyError, TypeError) as error:
        raise KitError(f"“{path.name}”里有读不懂的行。它不是 ask_all 写的，请换一个文件名。") from error


def _explain(error: Exception) -> tuple[str, str]:
    """Return a Chinese sentence about a failed call, and whether to try ``again``, to ``skip``, or all is ``fatal``."""
    openai = require("openai")
    status, body = getattr(error, "status_code", None), str(getattr(error, "body", "") or "")
    for code, sentence in CODES.items():
        if code in body:
            return f"{sentence}（错误码 {code}）", "again" if code in _BUSY else "fatal" if code in _FATAL else "skip"
    if isinstance(error, openai.APITimeoutError):
        return "等不到回答（超时）。请检查网络，或把 timeout 调大", "again"
    if isinstance(error, openai.APIConnectionError):
        return "连不上服务，或连接中途断了。请检查网络和地址", "again"
    if status in (401, 403):
        return "密钥不对，或没有权限。请检查 .env 里的 API_KEY", "fatal"
    if status == 404:
        return "没有这个地址或模型。请检查 .env 里的 BASE_URL 和 MODEL", "fatal"
    if status == 429:
        return "请求太频繁，或额度用完了（429）", "again"
    if status and status >= 500:
        return f"服务器出错（{status}），请过一会儿再试", "again"
    if status:
        return f"服务拒绝了这一条（{status}）", "skip"
    return "服务的回答是空的，或不是预期的格式", "again"


@contextmanager
def serve_local(model: str | Path) -> Iterator[Endpoint]:
    """Serve a GGUF model on this machine, for as long as a ``with`` block lasts.

    Parameters
    ----------
    model : str or Path
        The GGUF file.

    Yields
    ------
    Endpoint
        A free port of this machine; nothing leaves it.
    """
    xllamacpp = require("xllamacpp")
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.model_alias = str(model), {"local"}
    settings.n_ctx, settings.port, settings.verbosity = 4096, 0, -1
    server: Any = xllamacpp.Server(settings)
    yield Endpoint(f"{server.listening_address}/v1", "local", "none")
    del server
