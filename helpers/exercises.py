"""Exercises that answer at once: the learner edits a cell, ``check`` says right, wrong and why, or not tried yet.

What is asked, the hidden rows and the known mistakes are data (``exercises.toml``); here is what runs them. An answer
is judged by what it does: it is called on the hidden rows, and its outcomes are compared with the wanted ones and with
the outcomes of each known mistake, which is a small wrong answer of our own.
"""

import contextlib
import copy
import ctypes
import threading
import time
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

LIMIT = 2.0
"""Seconds that an answer may take for all hidden rows together."""
TOO_SLOW = "看看循环会不会停下来；是正则的话，看看括号里外是不是都有 + 或 *。电脑一直很忙的话，重启内核。"


class Outcome(NamedTuple):
    """What an answer did on one hidden row: a plain value, or the name of an exception and what it said."""

    value: Any
    error: str | None = None


class Verdict(NamedTuple):
    """The judgement of an answer.

    ``state`` is ``right``, ``wrong`` or ``untried``; ``mistake`` the place of the known mistake that was recognised.
    """

    state: str
    message: str
    mistake: int | None = None


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """Return all exercises by number, as they stand in ``exercises.toml``.

    Examples
    --------
    >>> catalogue()["02-1"]["title"]
    '找题号'
    """
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def check(number: str, answer: object) -> None:
    """Print at once whether an answer is right; never raise.

    Parameters
    ----------
    number : str
        The exercise, such as ``02-1``.
    answer : object
        The learner's function or value; ``...`` and None are not tried yet.

    Examples
    --------
    >>> check("02-1", ...)
    ○ 02-1 找题号：还没有做。把 ... 换成你的代码；已经写好的话，看看是不是忘了 return。
    """
    print(judge(number, answer).message)


def judge(number: str, answer: object) -> Verdict:
    """Judge an answer by its outcomes on the hidden rows.

    Parameters
    ----------
    number : str
        The exercise, such as ``02-1``.
    answer : object
        The learner's function or value.

    Returns
    -------
    Verdict
        With a message in Chinese.

    Examples
    --------
    >>> judge("02-1", lambda text: 0).state
    'wrong'
    """
    if number not in catalogue():
        return Verdict("untried", f"○ 没有编号为 {number} 的练习。请检查 exercises.check 后面引号里的编号。")
    exercise, name = catalogue()[number], f"{number} {catalogue()[number]['title']}"
    rows = _execute(exercise["rows"])["rows"]
    outcomes = run(exercise, answer)
    wanted = [Outcome(_plain(want)) for _, want in rows]
    if outcomes == wanted:
        return Verdict("right", f"✓ {name}：对了！{len(rows)} 个隐藏的例子全部通过。")
    if outcomes == [Outcome(None)] * len(rows):
        return Verdict("untried", f"○ {name}：还没有做。把 ... 换成你的代码；已经写好的话，看看是不是忘了 return。")
    passed = [outcome == want for outcome, want in zip(outcomes, wanted, strict=False)]
    first = [*passed, False].index(False)
    example = f"\n  例子：{_short(rows[first][0])}\n  应得：{_short(rows[first][1])}"
    if len(outcomes) < len(rows):
        return Verdict("wrong", f"✗ {name}：太慢，没有等它算完。{TOO_SLOW}{example}")
    got = outcomes[first]
    example += f"\n  报错：{got.error}" if got.error else f"\n  你的：{_short(got.value)}"
    hint, recognised = "对照下面这个没有通过的例子，想一想差在哪里。", None
    for index, mistake in enumerate(exercise["mistakes"]):
        known = run(exercise, _execute(mistake["code"])["answer"])
        if [outcome.value for outcome in known] == [outcome.value for outcome in outcomes]:
            hint, recognised = mistake["hint"], index
            break
    score = f"{len(rows)} 个隐藏的例子通过了 {sum(passed)} 个。"
    return Verdict("wrong", f"✗ {name}：{score}\n  提示：{hint}{example}", recognised)


def run(exercise: Mapping[str, Any], answer: object, limit: float = LIMIT) -> list[Outcome]:
    """Call an answer on the hidden rows, in a thread of its own that is stopped when time is up.

    Python code is stopped wherever it stands. One call into C that never comes back and keeps the interpreter for
    itself (``sum(itertools.count())``, a runaway pattern of ``re``) cannot be: exercises on patterns therefore take
    the pattern and match it with ``regex``, which has a time limit of its own.

    Parameters
    ----------
    exercise : mapping
        One entry of `catalogue`.
    answer : object
        The learner's function or value, or that of a known mistake.
    limit : float
        Seconds for all rows together.

    Returns
    -------
    list of Outcome
        One a hidden row; fewer when time was up.

    Examples
    --------
    >>> run(catalogue()["02-1"], lambda text: 0)[0]
    Outcome(value=0, error=None)
    """
    outcomes: list[Outcome] = []
    space = _execute(exercise["rows"])
    end = time.monotonic() + limit

    def work() -> None:
        with contextlib.suppress(SystemExit):  # time may be up while an exception is dealt with
            for given, _ in space["rows"]:
                try:
                    given = given if isinstance(given, tuple) else (given,)
                    result = answer(*copy.deepcopy(given)) if callable(answer) else answer
                    shown = None if isinstance(result, type(...) | None) else space["view"](result, *given)
                    outcomes.append(Outcome(_plain(shown)))
                except BaseException as error:  # exit() too: an answer never ends the kernel
                    if time.monotonic() > end or isinstance(error, TimeoutError):
                        return
                    outcomes.append(Outcome(type(error).__name__, f"{type(error).__name__}: {error}"))

    worker = threading.Thread(target=work, daemon=True)
    with contextlib.redirect_stdout(None):  # a print in a loop without end must not fill the notebook
        worker.start()
        for seconds in (limit, 0.5, 0.5):  # twice: a bare ``except:`` in the answer may catch it once
            worker.join(seconds)
            if not worker.is_alive():
                break
            # no `except Exception` catches it, and a thread that ends by it ends in silence
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(SystemExit))
    return list(outcomes)


def _execute(code: str) -> dict[str, Any]:
    """Run a piece of the data file on its own; what it changes is not seen by the next run."""
    space: dict[str, Any] = {}
    exec(catalogue()["setup"]["code"], space)
    exec(code, space)
    return space


def _plain(value: Any) -> Any:
    """Turn frames, arrays and the like into lists and dicts, so that equal contents are equal."""
    if hasattr(value, "columns"):  # a DataFrame
        return _plain(value.to_dict("list"))
    if hasattr(value, "tolist"):  # a Series, an array, a number of numpy
        return _plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if value == value else "NaN"
    return value if value is None or isinstance(value, str | int) else repr(value)


def _short(value: Any) -> str:
    text = repr(_plain(value))
    return text if len(text) <= 200 else text[:200] + " ……"
