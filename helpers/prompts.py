"""Turn questions into training pairs: the prompt, the output format, and its checker (notebook 03)."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from helpers import KitError
from helpers.extraction import FORMAT_MARK, Extraction
from helpers.workbook import write_whole

PAIR_COLUMNS = ["subject", "row", "input", "output"]
OUTPUT_COLUMNS = ["position", "number", "stem", "A", "B", "C", "D", "answer"]
PLACEHOLDERS = {"text": "阅读文本", "count": "这一行的选择题数量"}
LENGTH_LIMIT = 8000
"""Characters that the contest's platform takes in one row, input and output together."""
HARMLESS = frozenset({"no_reference"})
"""Problem codes of short answers: they do not touch the choice questions of their row."""

OPENING = {
    "语文": "你是一位有多年经验的高考语文命题教师。请根据下面的阅读文本，命制 {count} 道单项选择题，"
    "每道题有 A、B、C、D 四个选项，其中只有一个正确，并在题后给出答案。不要重复原文。",
    "英语": "You are an experienced item writer for the Gaokao English test. Based on the passage below, "
    "write {count} multiple-choice questions. Each question has four options, A, B, C and D, exactly one "
    "of which is correct, and is followed by its answer. Do not repeat the passage.",
}
"""The part that the organisers fixed: role, task, form of the output."""
REQUIREMENTS = {
    "语文": "命题要求：\n"
    "1. 考查对文中重要概念含义的理解。\n"
    "2. 考查对文中重要句子含意的理解。\n"
    "3. 考查对论点、论据和论证方法的分析。\n"
    "4. 干扰项要贴近原文，错误之处能说清理由。",
    "英语": "Requirements:\n"
    "1. Ask about the main idea of the passage.\n"
    "2. Ask about specific information in it.\n"
    "3. Ask for the meaning of a word or phrase that can be worked out from the context.\n"
    "4. Wrong options stay close to the passage, and it can be said why each is wrong.",
}
"""The part that one may edit."""
CLOSING = {"语文": "阅读文本：\n{text}", "英语": "Passage:\n{text}"}

TEMPLATES = {s: "\n\n".join((OPENING[s], REQUIREMENTS[s], CLOSING[s])) for s in OPENING}
"""The kit's prompts, by subject."""
COURSE_TEMPLATES = {s: template.replace("{count}", "4") for s, template in TEMPLATES.items()}
"""As in the course, the number of questions is always four, whatever the row holds."""

STEPS = ("读入", "解析成功", "题数一致", "长度合适", "不重复")
"""The steps of `funnel`."""

_NUMBER_WORDS = dict(zip("一二两三四五六七八九十", (1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10), strict=True)) | {
    word: n for n, word in enumerate(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1)
}
_ASKED = re.compile(
    r"(\d+|[一二两三四五六七八九十])\s*道|\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten)\s+(?:[\w-]+\s+){0,2}questions?\b",
    re.IGNORECASE,
)
_PROMPT_NAME = re.compile(r"[\w\u4e00-\u9fff](?:[\w\u4e00-\u9fff -]{0,38}[\w\u4e00-\u9fff])?")
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ANSWER_WORD = {"语文": "答案:", "英语": "Answer: "}
_NUMBER_MARK = re.compile(r"(\d{1,9})\s?[.．、]\s*(?=\S)")
_OPTION_MARK = re.compile(r"([A-Z])\s?[.．、]\s*")
_ANSWER_LINE = re.compile(r"(?:答案|Answer)\s*[:：]\s*(.*)", re.IGNORECASE)
_HAN = re.compile(r"[\u4e00-\u9fff]")


class Fault(NamedTuple):
    """One thing that is wrong with a generated text."""

    number: int | None
    code: str
    message: str


def check_template(template: str) -> list[str]:
    """Return the placeholders that a template uses.

    Parameters
    ----------
    template : str
        A prompt with ``{text}`` and, if wanted, ``{count}``. A literal brace is written twice.

    Returns
    -------
    list of str
        The placeholders, in order of appearance.

    Raises
    ------
    KitError
        If a placeholder is not known, a brace stands alone, or ``{text}`` is missing; the message
        names the line and the character.

    Examples
    --------
    >>> check_template("请出 {count} 道题：{text}")
    ['count', 'text']
    """
    used = find_placeholders(template)
    if "text" not in used:
        hint = "花括号要用英文的 { }。" if "｛" in template else ""
        raise KitError(f"提示词里没有 {{text}}：模型会看不到阅读文本。请在放文章的地方写上 {{text}}。{hint}")
    return used


def find_placeholders(text: str, name: str = "提示词") -> list[str]:
    """Return the placeholders in a prompt or a part of one; what is wrong is a KitError that begins with its name."""
    used = []
    for token in _TOKEN.finditer(text):
        if token[1] in PLACEHOLDERS:
            used.append(token[1])
        elif token[0] not in ("{{", "}}"):
            line = text.count("\n", 0, token.start()) + 1
            place = f"{name}第 {line} 行第 {token.start() - text.rfind(chr(10), 0, token.start())} 个字符"
            if token[1] is None:
                raise KitError(
                    f"{place}有一个单独的“{token[0]}”。占位符要写成一对，如 {{text}}；要写花括号本身，请写两遍。"
                )
            known = "、".join("{" + known + "}" for known in PLACEHOLDERS)
            raise KitError(f"{place}的占位符“{token[0]}”不认识。可以用的有：{known}。")
    return used


def complete_templates(templates: Mapping[str, str] | None) -> dict[str, str]:
    """Return checked prompts for all subjects; a subject that is left out gets its prompt from ``TEMPLATES``.

    Parameters
    ----------
    templates : mapping of str to str, optional
        Prompts by subject.

    Returns
    -------
    dict of str to str
        One prompt a subject.

    Raises
    ------
    KitError
        If this is no mapping, a subject is not known, or a template is not valid; the message names
        the subject.
    """
    if templates is not None and not isinstance(templates, Mapping):
        raise KitError('提示词要按科目写成字典，如 {"语文": "……{text}"}。')
    for subject, template in (templates or {}).items():
        if subject not in TEMPLATES:
            raise KitError(f"不认识的科目“{subject}”。提示词的科目只能是：{'、'.join(TEMPLATES)}。")
        if not isinstance(template, str):
            raise KitError(f"{subject}的提示词要是一段文字，现在是 {template!r}。")
        try:
            check_template(template)
        except KitError as error:
            raise KitError(f"{subject}：{error}") from error
    return {**TEMPLATES, **(templates or {})}


def render(template: str, text: str, count: int) -> str:
    """Fill a template in; braces inside the passage stay as they are.

    Parameters
    ----------
    template : str
        A template that `check_template` accepts.
    text : str
        The passage.
    count : int
        How many choice questions the row has.

    Returns
    -------
    str
        The prompt.

    Examples
    --------
    >>> render("出 {count} 道题：{text}", "集合 {1}", 4)
    '出 4 道题：集合 {1}'
    """
    return "".join(piece for _, piece in segments(template, text, count))


def segments(template: str, text: str, count: int) -> list[tuple[str, str]]:
    """Fill a template in, piece by piece.

    Parameters
    ----------
    template, text, count
        As for `render`.

    Returns
    -------
    list of tuple of str
        Where a piece comes from (the placeholder's name; empty for the template's own words), and
        the piece.
    """
    values, pieces, done = {"text": text, "count": str(count)}, [], 0
    for token in _TOKEN.finditer(template):
        pieces.append(("", template[done : token.start()]))
        pieces.append(("", token[0][0]) if token[1] is None else (token[1], values[token[1]]))
        done = token.end()
    return [*pieces, ("", template[done:])]


def make_pairs(
    rows: pd.DataFrame,
    extraction: Extraction,
    templates: Mapping[str, str] | None = None,
    *,
    keep_partial: bool = False,
) -> pd.DataFrame:
    """Make one training pair of every row that was parsed without a problem.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.
    templates : mapping of str to str, optional
        Prompts by subject; a subject that is left out gets its prompt from ``TEMPLATES``.
    keep_partial : bool
        Whether a row with a problem in one choice question still gives a pair of the others.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject row input output``, in the order of the rows.

    Raises
    ------
    KitError
        If a template is not valid.
    """
    templates = complete_templates(templates)
    pairs = [
        [subject, row, render(templates[subject], text, count), output]
        for subject, row, text, count, output in make_outputs(rows, extraction, keep_partial=keep_partial)
    ]
    return pd.DataFrame(pairs, columns=PAIR_COLUMNS)


def make_outputs(
    rows: pd.DataFrame, extraction: Extraction, *, keep_partial: bool = False
) -> list[tuple[str, int, str, int, str]]:
    """Return what the pairs are made of but for the prompt: subject, row, passage, number of questions, output."""
    problems = extraction.problems[~extraction.problems["code"].isin(HARMLESS)]
    bad = problems[problems["position"].isna()] if keep_partial else problems
    excluded = set(zip(bad["subject"], bad["row"], strict=True))
    groups = dict(list(extraction.questions.groupby(["subject", "row"], sort=False)))
    return [
        (subject, row, text, len(questions), format_output(questions, subject))
        for subject, row, text in zip(rows["subject"], rows["row"], rows["阅读文本"], strict=True)
        if (questions := groups.get((subject, row))) is not None and (subject, row) not in excluded
    ]


def asked_count(template: str) -> int | None:
    """Return how many questions a template asks for in so many words.

    Parameters
    ----------
    template : str
        A prompt.

    Returns
    -------
    int or None
        The number; None if the template uses ``{count}`` or names no number.

    Examples
    --------
    >>> asked_count("请命制四道题"), asked_count("write 3 multiple-choice questions"), asked_count("出 {count} 道题")
    (4, 3, None)
    """
    found = _ASKED.search(template)
    if not found or "{count}" in template:
        return None
    word = (found[1] or found[2]).lower()
    return int(word) if word.isdecimal() else _NUMBER_WORDS[word]


def funnel(
    rows: pd.DataFrame,
    extraction: Extraction,
    templates: Mapping[str, str] | None = None,
    *,
    limit: int = LENGTH_LIMIT,
    outputs: list[tuple[str, int, str, int, str]] | None = None,
) -> pd.DataFrame:
    """Say of each row how far it gets on the way to a training pair, and why it falls.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cleaned rows.
    extraction : Extraction
        What `extraction.extract` returned for them.
    templates : mapping of str to str, optional
        Prompts by subject; a subject that is left out gets its prompt from ``TEMPLATES``.
    limit : int
        Characters that input and output may have together.
    outputs : list of tuple, optional
        What `make_outputs` returned for these rows, so that trying one template after another does
        not make them anew.

    Returns
    -------
    pandas.DataFrame
        Columns ``subject``, ``row``, ``reached`` (0 to 4: how many of the steps behind the first of
        ``STEPS`` the row passes), ``reason`` (Chinese; empty if it passes all) and ``length``
        (characters; ``<NA>`` if it gives no pair).

    Raises
    ------
    KitError
        If a template is not valid.
    """
    templates = complete_templates(templates)
    outputs = make_outputs(rows, extraction) if outputs is None else outputs
    made = {(subject, row): own for subject, row, *own in outputs}
    messages = (
        extraction.problems.drop_duplicates(["subject", "row"]).set_index(["subject", "row"])["message"].to_dict()
    )
    asked = {subject: asked_count(template) for subject, template in templates.items()}
    seen: set[tuple[str, str]] = set()
    lines = []
    for key in zip(rows["subject"], rows["row"], strict=True):
        if key not in made:
            lines.append([*key, 0, messages.get(key, "这一行没有选择题"), pd.NA])
            continue
        text, count, output = made[key]
        wanted, pair = asked[key[0]], (render(templates[key[0]], text, count), output)
        length = len(pair[0]) + len(output)
        if wanted not in (None, count):
            reached, reason = 1, f"提示词要 {wanted} 道题，这一行有 {count} 道"
        elif length > limit:
            reached, reason = 2, f"长 {length} 字，超过上限 {limit} 字"
        elif pair in seen:
            reached, reason = 3, "和前面的一行完全相同"
        else:
            reached, reason = 4, ""
            seen.add(pair)
        lines.append([*key, reached, reason, length])
    frame = pd.DataFrame(lines, columns=["subject", "row", "reached", "reason", "length"])
    return frame.astype({"length": "Int64"})


def count_steps(passed: pd.DataFrame) -> dict[str, int]:
    """Return how many rows are left after each of ``STEPS``, from what `funnel` returned."""
    return {step: int((passed["reached"] >= i).sum()) for i, step in enumerate(STEPS)}


def list_fallen(passed: pd.DataFrame) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """Return which rows fall at each of ``STEPS`` and why, from what `funnel` returned: step, reason, rows."""
    fallen = passed[passed["reached"] < len(STEPS) - 1].sort_values("reached", kind="stable")
    return [
        (STEPS[reached + 1], reason, list(zip(own["subject"], own["row"], strict=True)))
        for (reached, reason), own in fallen.groupby(["reached", "reason"], sort=False)
    ]


def split_template(template: str, subject: str) -> tuple[str, str, str]:
    r"""Split a template into the organisers' opening, what one may edit, and the closing.

    Joined with empty lines, the parts that are not empty give the template back.

    Examples
    --------
    >>> split_template("你是教师。\n\n要求：略\n\n文章：{text}", "语文")
    ('你是教师。', '要求：略', '文章：{text}')
    """
    for opening in (OPENING[subject], OPENING[subject].replace("{count}", "4")):
        if template == f"{opening}\n\n{CLOSING[subject]}":
            return opening, "", CLOSING[subject]
    opening, _, rest = template.partition("\n\n")
    closing = CLOSING[subject] if rest.endswith(f"\n\n{CLOSING[subject]}") else rest.rpartition("\n\n")[2]
    middle = rest[: -len(closing) - 2]
    return (opening, middle, closing) if opening and middle and closing else ("", template, "")


def compare_templates(before: str, after: str) -> list[tuple[str, str]]:
    """Return the lines that two templates do not share: ``-`` or ``+``, and the line."""
    lines = list(unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    return [(line[0], line[1:]) for line in lines if line[0] in "+-"]


def save_prompt(name: str, templates: Mapping[str, str], folder: str | Path) -> Path:
    """Save prompts under a name, as a file that other notebooks can load.

    Parameters
    ----------
    name : str
        1 to 40 letters, digits, Chinese characters, spaces, ``-`` or ``_``.
    templates : mapping of str to str
        Prompts by subject.
    folder : str or Path
        Where named prompts are kept, ``data/processed/prompts`` in the notebooks.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    KitError
        If the name or a template is not valid.
    """
    complete_templates(templates)
    return write_whole(_prompt_file(name, folder), json.dumps(dict(templates), ensure_ascii=False, indent=1) + "\n")


def load_prompt(name: str, folder: str | Path) -> dict[str, str]:
    """Load prompts by name; see `save_prompt`. Raises KitError if there are none or they are broken."""
    path = _prompt_file(name, folder)
    try:
        templates = json.loads(path.read_text(encoding="utf-8"))
        complete_templates(templates)
    except FileNotFoundError as error:
        names = "、".join(list_prompts(folder)) or "还没有"
        raise KitError(f"没有叫“{name}”的提示词。已经保存的有：{names}。") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise KitError(f"提示词文件“{path.name}”坏了：{error}。请删掉它，重新保存。") from error
    return templates


def list_prompts(folder: str | Path) -> list[str]:
    """Return the names of the saved prompts, in order."""
    return sorted(path.stem for path in Path(folder).glob("*.json"))


def delete_prompt(name: str, folder: str | Path) -> None:
    """Delete prompts by name; nothing happens if there are none."""
    _prompt_file(name, folder).unlink(missing_ok=True)


def _prompt_file(name: str, folder: str | Path) -> Path:
    if not _PROMPT_NAME.fullmatch(name.strip()):
        raise KitError(f"名字“{name}”不能用。请用 1 到 40 个汉字、字母、数字、空格、- 或 _。")
    return Path(folder) / f"{name.strip()}.json"


def format_output(questions: pd.DataFrame, subject: str) -> str:
    r"""Write questions in the form that the contest asks for.

    Parameters
    ----------
    questions : pandas.DataFrame
        Questions of one row, with the columns ``stem A B C D answer``.
    subject : str
        语文 or 英语: decides between ``答案:`` and ``Answer:``.

    Returns
    -------
    str
        Questions numbered from 1, separated by an empty line.

    Raises
    ------
    ValueError
        If a field is empty, has more than one line or spaces at its ends, or begins like another
        part of the format: the text could not be parsed back.

    Examples
    --------
    >>> one = pd.DataFrame([["它指什么", "甲", "乙", "丙", "丁", "B"]], columns=["stem", *"ABCD", "answer"])
    >>> format_output(one, "语文")
    '1. 它指什么\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n\n答案:B'
    """
    return format_questions(zip(*(questions[name] for name in ("stem", *"ABCD", "answer")), strict=True), subject)


def format_questions(questions: Iterable[Sequence[str]], subject: str) -> str:
    """Write questions, each given as stem, A, B, C, D and answer; `format_output` without the frame."""
    blocks = []
    for number, (*texts, answer) in enumerate(questions, 1):
        for name, text in zip(("stem", *"ABCD"), texts, strict=True):
            if not isinstance(text, str) or not text or text != text.strip() or len(text.splitlines()) != 1:
                raise ValueError(f"第 {number} 题的 {name} 必须是一行文字，首尾没有空格：{text!r}")
            if FORMAT_MARK[name].match(text):
                raise ValueError(f"第 {number} 题的 {name} 开头像是题号或答案标记，无法还原：{text!r}")
        if answer not in ("A", "B", "C", "D"):
            raise ValueError(f"第 {number} 题的答案必须是 A、B、C、D 之一：{answer!r}")
        stem, *options = texts
        lines = [f"{number}. {stem}", *(f"{x}. {text}" for x, text in zip("ABCD", options, strict=True))]
        blocks.append("\n".join(lines) + f"\n\n{_ANSWER_WORD[subject]}{answer}")
    return "\n\n".join(blocks)


def parse_output(text: str, subject: str) -> tuple[pd.DataFrame, list[Fault]]:
    r"""Parse a text in the contest's form: the kit's one format checker.

    Parameters
    ----------
    text : str
        What `format_output` or a model wrote.
    subject : str
        语文 or 英语: decides which language is expected.

    Returns
    -------
    questions : pandas.DataFrame
        Columns ``position number stem A B C D answer``: the questions that have a stem, four
        options and one letter.
    faults : list of Fault
        What is wrong, question by question; empty for a text without fault.

    Examples
    --------
    >>> questions, faults = parse_output("1. 它指什么\nA. 甲\nB. 乙\nC. 丙\n\n答案:B", "语文")
    >>> len(questions), faults[0].code
    (0, 'missing_option')
    """
    questions, faults = read_questions(text, subject)
    return pd.DataFrame(questions, columns=OUTPUT_COLUMNS), faults


def read_questions(text: str, subject: str) -> tuple[list[list[Any]], list[Fault]]:
    """Parse a text in the contest's form; `parse_output` without the frame."""
    questions, faults = [], []
    blocks: list[dict[str, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        current = blocks[-1] if blocks else None
        option, answer, number = _OPTION_MARK.match(line), _ANSWER_LINE.match(line), _NUMBER_MARK.match(line)
        if number:
            blocks.append({"number": number[1], "stem": line[number.end() :]})
        elif current is None:
            faults.append(Fault(None, "extra_text", f"第一题之前有多余的文字：{line[:20]}"))
        elif answer:
            current["answer"] = answer[1].strip() if "answer" not in current else "重复"
        elif option and "answer" not in current:
            letter = option[1]
            if letter in current:
                faults.append(Fault(int(current["number"]), "repeated_option", f"选项 {letter} 出现了两次"))
            current.setdefault(letter, line[option.end() :])
        else:
            faults.append(Fault(int(current["number"]), "extra_text", f"有多余的文字：{line[:20]}"))
    if not blocks:
        faults.append(Fault(None, "no_question", "没有找到题号（如 1.）"))
    for position, block in enumerate(blocks):
        own = list(_block_faults(block, position, subject))
        faults += own
        if not {fault.code for fault in own} & {"missing_option", "no_answer", "bad_answer"}:
            fields = [block[name] for name in ("stem", *"ABCD")]
            questions.append([position, int(block["number"]), *fields, block["answer"]])
    return questions, faults


def _block_faults(block: dict[str, str], position: int, subject: str):
    number = int(block["number"])
    missing = [letter for letter in "ABCD" if not block.get(letter)]
    options = [block[letter] for letter in "ABCD" if block.get(letter)]
    if number != position + 1:
        yield Fault(number, "wrong_number", f"题号应为 {position + 1}")
    if missing:
        yield Fault(number, "missing_option", f"缺少选项 {'、'.join(missing)}")
    if extra := sorted(set(block) & set("EFGHIJKLMNOPQRSTUVWXYZ")):
        yield Fault(number, "extra_option", f"多出选项 {'、'.join(extra)}")
    if len(set(options)) < len(options):
        yield Fault(number, "same_options", "有两个选项完全相同")
    if "answer" not in block:
        yield Fault(number, "no_answer", "没有答案行")
    elif block["answer"] not in ("A", "B", "C", "D"):
        yield Fault(number, "bad_answer", f"答案必须是 A–D 中的一个字母，现在是：{block['answer'][:10]}")
    if bool(_HAN.search(block["stem"])) != (subject == "语文"):
        yield Fault(number, "wrong_language", f"题干不是{'中文' if subject == '语文' else '英文'}")
