"""Make the sample workbooks and gold.jsonl from data/source: the same bytes every time.

    python data/make_sample.py              write data/sample
    python data/make_sample.py --describe   print counts, lengths, letters, overlaps, mess

Each file of data/source is one passage with its questions, clean. This script writes the truth to
gold.jsonl first, and only then puts the mess in. It imports nothing of `helpers`: what judges the
extraction must not share code with it. The kinds of mess, and what each does to a row, are the
functions below; data/README.md lists them for readers.
"""

import datetime
import io
import json
import random
import re
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl

DATA = Path(__file__).parent
SEED = 2024
COLUMNS = ["阅读文本", "选项", "答案"]
FIXED_TIME = datetime.datetime(2024, 7, 1)

ARTIFICIAL = [
    "fullwidth",
    "number_marks",
    "lookalikes",
    "odd_spaces",
    "broken_lines",
    "option_layout",
    "dotless_options",
    "option_order",
    "numbering",
    "scores",
    "answer_gaps",
    "answer_tables",
]
"""Kinds that are put in; the other kinds come with the text itself, see `natural_kinds`."""
PROBLEMS = {  # position among the rows of a subject: kind and code of the few rows that cannot be parsed
    "语文": {6: "multiple_answers", 23: "extra_option", 38: "empty_cell", 55: "multiple_answers"},
    "英语": {9: "multiple_answers", 27: "extra_option", 41: "not_text", 58: "missing_options"},
}
HIDDEN = {"语文": (11, 30), "英语": (16, 35)}
BLANK_AFTER = {"语文": (20, 44), "英语": (13, 50)}
"""Rows (counted without blank lines) behind which a blank line stands; their passage is merged with it."""


def load_sources() -> list[dict[str, Any]]:
    """Read all passages, in the order of their file names."""
    return [tomllib.loads(p.read_text(encoding="utf-8")) for p in sorted((DATA / "source").glob("*.toml"))]


def natural_kinds(source: dict[str, Any]) -> list[str]:
    """Return the traps that the wording of a passage's questions brings along."""
    questions = source["questions"]
    fields = [q[name] for q in questions for name in ("stem", "A", "B", "C", "D") if name in q]
    text = "\n".join(fields)
    kinds = []
    layout = ["choice" if "answer" in q else "short" for q in questions]
    if "short" in layout[: len(layout) - layout[::-1].index("choice")]:
        kinds.append("short_answers")
    if re.search(r"\d\.\d|\d{4}\.(?!\d)|\d:\d\d", text):
        kinds.append("decimals")
    capital = r"[A-D]" if source["subject"] == "语文" else r"\b(?!A [a-z])(?!A$)[A-D]\b(?!')"
    if any(re.search(capital, field) for field in fields):
        kinds.append("capitals")
    if any(re.search(r"[(（]", q["stem"]) for q in questions):
        kinds.append("brackets")
    if any(re.match(r"[A-Z]", q.get("reference", "")) for q in questions):
        kinds.append("choice_like_short")
    return kinds


def deal_kinds(sources: list[dict[str, Any]], subject: str) -> list[list[str]]:
    """Give each row of a subject its kinds: at most four, a fifth of the rows none."""
    rng = random.Random(f"{SEED} {subject}")
    kinds = [natural_kinds(source) for source in sources]
    special = set(PROBLEMS[subject]) | set(HIDDEN[subject])
    free = [i for i, own in enumerate(kinds) if not own and i not in special]
    clean = set(rng.sample(free, min(len(free), round(len(sources) / 5))))
    for i in special:
        kinds[i].append(
            "odd_cells" if i in HIDDEN[subject] or PROBLEMS[subject][i] in ("empty_cell", "not_text") else "undecidable"
        )
    deck: list[str] = []
    for i, own in enumerate(kinds):
        if i in clean or i in PROBLEMS[subject]:
            continue
        for _ in range(rng.choice([0, 0, 1, 1]) if own else rng.choice([1, 1, 1, 2, 3])):
            if not deck:  # every kind comes up equally often
                deck = rng.sample(ARTIFICIAL, len(ARTIFICIAL))
            kind = next((k for k in deck if k not in own), None)
            if kind and len(own) < 4:
                deck.remove(kind)
                own.append(kind)
    for i in BLANK_AFTER[subject]:
        if "odd_cells" not in kinds[i]:
            kinds[i].append("odd_cells")
    return kinds


class Row:
    """One row being written: the source, its kinds, and the random choices made for it."""

    def __init__(self, source: dict[str, Any], kinds: list[str], problem: str | None = None, seed: int = SEED):
        self.source, self.kinds, self.problem = source, kinds, problem
        self.chinese = source["subject"] == "语文"
        self.rng = random.Random(f"{seed} {source['id']}")
        self.widen = self.rng.choice([widen, lambda text: text.replace(".", "．")])
        self.numbers, self.answer_numbers = self._number()

    def has(self, kind: str) -> bool:
        """Return whether the row carries a kind of mess."""
        return kind in self.kinds

    def _number(self) -> tuple[list[int], list[int]]:
        count = len(self.source["questions"])
        numbers = list(range(1, count + 1))
        if not self.has("numbering"):
            return numbers, numbers
        way = self.rng.choice(["start", "jump", "repeat", "differ"])
        start = self.rng.choice([4, 7, 21, 24, 28, 32])
        if way == "start":
            numbers = [start + i for i in range(count)]
        elif way == "jump":
            cut = self.rng.randrange(1, count)
            numbers = [n + (i >= cut) for i, n in enumerate(numbers)]
        elif way == "repeat":
            cut = self.rng.randrange(1, count)
            numbers = [n - (i >= cut) for i, n in enumerate(numbers)]
        else:
            return [start + i for i in range(count)], numbers
        return numbers, numbers

    # -- 选项 ------------------------------------------------------------------------------------

    def options(self) -> str:
        """Write the cell 选项."""
        questions = self.source["questions"]
        mark = self._number_mark()
        faulty = self.rng.choice([i for i, q in enumerate(questions) if "answer" in q])
        lines = []
        if self.has("scores"):
            choices = sum("answer" in q for q in questions)
            lines.append(f"（每题3分，共{3 * choices}分）" if self.chinese else f"（每题2分，共{2 * choices}分）")
        for i, (number, question) in enumerate(zip(self.numbers, questions, strict=True)):
            stem = self._break(self._stain(question["stem"]))
            if self.has("scores"):
                stem += f"（{question.get('score', 3 if self.chinese else 2)}分）"
            lines.append(mark(number) + stem)
            if "answer" in question:
                lines += self._option_lines(question, faulty=i == faulty)
        return self._space("\n".join(lines))

    def _number_mark(self):
        gap = "" if self.chinese else " "
        if self.has("number_marks"):
            form = self.rng.choice(["（{}）", "{}、", "{} .", "第{}题 ", "{})", "({})"])
            return lambda n: form.format(n) + gap
        if self.has("fullwidth"):
            return lambda n: self.widen(f"{n}.") + gap
        return lambda n: f"{n}.{gap}"

    def _option_lines(self, question: dict[str, Any], *, faulty: bool) -> list[str]:
        letters = list("ABCD")
        if self.has("option_order"):
            letters = self.rng.choice([list("ACBD"), list("ADCB"), list("BACD"), list("ABDC")])
        texts = {x: self._break(self._stain(question[x])) for x in "ABCD"}
        if faulty and self.problem == "extra_option":
            letters.append("E")
            texts["E"] = "以上各项都不正确" if self.chinese else "None of the above."
        if faulty and self.problem == "missing_options":
            letters.remove("C")
        dotless = self.rng.sample(letters, self.rng.choice([1, 2, 4])) if self.has("dotless_options") else []
        marked = [self._option_mark(x, texts[x], dotless=x in dotless) + texts[x] for x in letters]
        if not self.has("option_layout"):
            return marked
        separator = self.rng.choice([" ", "     ", "\t", ""])
        if self.rng.random() < 0.4:
            return [separator.join(marked[:2]), separator.join(marked[2:])]
        return [separator.join(marked)]

    def _option_mark(self, letter: str, text: str, *, dotless: bool) -> str:
        shown = look_alike(letter) if self.has("lookalikes") else letter
        if dotless:
            glued = re.match(r"[\u4e00-\u9fff]|[A-Z][a-z]", text) and self.rng.random() < 0.6
            return shown if glued else shown + "  "
        if self.has("fullwidth"):
            return self.widen(f"{letter}.")
        return shown + ("." if self.chinese else ". ")

    # -- 答案 ------------------------------------------------------------------------------------

    def answers(self) -> str:
        """Write the cell 答案."""
        questions = self.source["questions"]
        mark = self._answer_mark()
        wrong = self.rng.choice([i for i, q in enumerate(questions) if "answer" in q])
        entries = []  # (number, text, is it a choice)
        for i, (number, question) in enumerate(zip(self.answer_numbers, questions, strict=True)):
            if "answer" in question:
                letter = question["answer"]
                if i == wrong and self.problem == "multiple_answers":
                    letter = "".join(sorted(letter + self.rng.choice([x for x in "ABCD" if x != letter])))
                entries.append((number, look_alike(letter) if self.has("lookalikes") else letter, question))
            else:
                entries.append((number, question["reference"], None))
        if self.has("answer_tables"):
            return self._space(self._answer_table(entries, mark))
        if self.has("answer_gaps"):
            return self._space(self._answer_gaps(entries, mark))
        return self._space("\n".join(mark(n) + text for n, text, _ in entries))

    def _answer_mark(self):
        if self.has("number_marks"):
            form = self.rng.choice(["（{}）", "{}、", "{} .", "第{}题 ", "{})"])
            return form.format
        if self.has("fullwidth"):
            return lambda n: self.widen(f"{n}.")
        return lambda n: f"{n}." if self.chinese else f"{n}. "

    def _answer_gaps(self, entries, mark) -> str:
        """Two a line with a long gap, the option's text or an explanation behind the letter."""
        way = self.rng.choice(["text", "explained"])
        pieces = []
        for number, text, question in entries:
            if question is None:
                pieces.append(mark(number) + text)
            elif way == "text":
                pieces.append(f"{mark(number)}{text}. {question[question['answer']]}")
            else:
                why = question["why"][question["answer"]]
                pieces.append(f"{mark(number)}{text}" + (f"【解析】{why}" if self.chinese else f"  {why}"))
        lines, pair = [], []
        for piece, (_, _, question) in zip(pieces, entries, strict=True):
            pair.append(piece)
            if question is None or way == "explained" or len(pair) == 2:
                lines.append((" " * 6).join(pair))
                pair = []
        return "\n".join(lines + pair)

    def _answer_table(self, entries, mark) -> str:
        """Glued, ranged, tabled, or explained with a conclusion."""
        choices = [(n, text) for n, text, question in entries if question]
        rest = "".join(f"\n{mark(n)}{text}" for n, text, question in entries if question is None)
        numbers = [n for n, _ in choices]
        ways = ["explained", "glued", "table", "heading"]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            ways += ["range", "range"]
        way = self.rng.choice(ways)
        letters = [text for _, text in choices]
        if way == "range":
            form = self.rng.choice(["{}-{} {}", "{}~{}：{}", "{}—{}.{}"])
            return form.format(numbers[0], numbers[-1], "".join(letters)) + rest
        if way == "glued":
            return "".join(f"{n}.{letter}" for n, letter in choices) + rest
        if way == "heading":
            return "【答案】" + " ".join(f"{n}.{letter}" for n, letter in choices) + rest
        if way == "table":
            return "题号\t" + "\t".join(map(str, numbers)) + "\n答案\t" + "\t".join(letters) + rest
        lines = []
        for number, text, question in entries:
            if question is None:
                lines.append(mark(number) + text)
            else:
                wrong = next(x for x in "DCBA" if x != question["answer"])
                if self.chinese:
                    lines.append(f"{number}题详解：{wrong}项，{question['why'][wrong]}故选{text}。")
                else:
                    lines.append(f"{mark(number)}{question['why'][question['answer']]} So the answer is {text}.")
        return "\n".join(lines)

    # -- mess inside the wording -----------------------------------------------------------------

    def passage(self) -> str:
        """Write the cell 阅读文本."""
        text = "\n".join(line for line in self.source["text"].strip().split("\n") if line.strip())
        if self.chinese and self.rng.random() < 0.5:
            text = "\n".join("\u3000\u3000" + line for line in text.split("\n"))
        return self._space(self._break(self._stain(text), share=0.3))

    def _stain(self, text: str) -> str:
        """Put full-width letters and digits and look-alike letters into words."""
        if self.has("fullwidth") and self.chinese and self.widen is widen:
            text = re.sub(r"[A-Za-z0-9]+(?:[.:%][0-9]*)?", lambda m: widen(m[0]), text)
        if self.has("lookalikes"):
            words = [m for m in re.finditer(r"[A-Za-z]{3,}", text) if re.search("[ACEOPaceopxy]", m[0])]
            for word in self.rng.sample(words, min(2, len(words))):
                at = self.rng.choice([i for i in range(*word.span()) if look_alike(text[i]) != text[i]])
                text = text[:at] + look_alike(text[at]) + text[at + 1 :]
        return text

    def _break(self, text: str, share: float = 0.6) -> str:
        """Break lines in the middle of a sentence: between two characters, or at a space."""
        if not self.has("broken_lines"):
            return text
        if self.chinese:
            places = [m.end() for m in re.finditer(r"[\u4e00-\u9fff，](?=[\u4e00-\u9fff])", text)]
        else:
            places = [m.start() for m in re.finditer(r"(?<=[a-z,]) (?=[a-z])", text)]
        if len(places) < 6 or self.rng.random() > share:
            return text
        at = self.rng.choice(places[2:-2])
        return text[:at] + "\n" + text[at if self.chinese else at + 1 :]

    def _space(self, text: str) -> str:
        """Put odd spaces where spaces are, at line ends, and zero-width characters anywhere."""
        if not self.has("odd_spaces"):
            return text
        odd = ["\u00a0", "\u3000", "  ", "\t", "\u2002"]
        text = re.sub(r"(?<=\S) (?=\S)", lambda m: self.rng.choice(odd) if self.rng.random() < 0.2 else " ", text)
        lines = [line + self.rng.choice(["", "", " ", "\u00a0", "\u3000"]) for line in text.split("\n")]
        text = "\n".join(self.rng.choice(["", "", " ", "\u3000"]) + line for line in lines)
        for _ in range(3):
            at = self.rng.randrange(1, max(2, len(text)))
            text = text[:at] + self.rng.choice("\u200b\ufeff\u200d") + text[at:]
        return text


def widen(text: str) -> str:
    """Return the full-width form: ``1.A`` becomes ``１．Ａ``."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def look_alike(text: str) -> str:
    """Return the Cyrillic letters that look the same, where there are any."""
    return text.translate(str.maketrans("ABCEHKMOPTXaceopxy", "АВСЕНКМОРТХасеорху"))


def gold_line(row: Row, subject: str, position: int) -> dict[str, Any]:
    """Return the truth about one row, from the source alone."""
    questions, shorts = [], []
    for place, (number, q) in enumerate(zip(row.numbers, row.source["questions"], strict=True)):
        key = {"position": place, "number": number, "stem": q["stem"]}
        if "answer" in q:
            questions.append(key | {x: q[x] for x in "ABCD"} | {"answer": q["answer"]})
        else:
            shorts.append(key | {"reference": q["reference"]})
    return {
        "subject": subject,
        "row": position,
        "split": row.source["split"],
        "kinds": row.kinds,
        "status": "problem" if row.problem else "ok",
        "problem_codes": [row.problem] if row.problem else [],
        "questions": questions,
        "short_answers": shorts,
    }


def make_sheet(book: openpyxl.Workbook, sources: list[dict[str, Any]], subject: str) -> list[dict[str, Any]]:
    """Fill a training workbook and return its lines of gold."""
    sheet = book.active
    sheet.append(COLUMNS)
    gold = []
    line = 2
    for i, (source, kinds) in enumerate(zip(sources, deal_kinds(sources, subject), strict=True)):
        row = Row(source, kinds, PROBLEMS[subject].get(i))
        gold.append(gold_line(row, subject, line - 2))
        cells: list[Any] = [row.passage(), row.options(), row.answers()]
        if row.problem == "empty_cell":
            cells[2] = None
        if row.problem == "not_text":
            cells[2] = datetime.date(2024, 1, 3)  # what Excel makes of “1-3”
        for column, value in enumerate(cells, 1):
            sheet.cell(line, column, value)
        if i in HIDDEN[subject]:
            sheet.row_dimensions[line].hidden = True
        if i in BLANK_AFTER[subject]:
            sheet.merge_cells(start_row=line, end_row=line + 1, start_column=1, end_column=1)
            line += 1
        line += 1
    for blank in (line + 1, line + 2):
        sheet.cell(blank, 1, " ")
    return gold


def save(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without the time of day in it."""
    buffer = io.BytesIO()
    book.properties.created = FIXED_TIME
    book.save(buffer)
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2024-07-01T00:00:00Z", content)
            target.writestr(zipfile.ZipInfo(name), content)


def main(folder: Path = DATA / "sample") -> None:
    """Write the three workbooks and gold.jsonl into a folder."""
    folder.mkdir(exist_ok=True)
    sources = load_sources()
    gold = []
    for subject in ("语文", "英语"):
        book = openpyxl.Workbook()
        train = [s for s in sources if s["subject"] == subject and s["split"] == "train"]
        gold += make_sheet(book, train, subject)
        save(book, folder / f"训练集-{subject}.xlsx")
    book = openpyxl.Workbook()
    book.active.append(["学科", *COLUMNS])
    for position, source in enumerate(s for s in sources if s["split"] == "test"):
        row = Row(source, [])
        book.active.append([source["subject"], row.passage(), row.options(), row.answers()])
        gold.append(gold_line(row, source["subject"], position))
    save(book, folder / "测试集.xlsx")
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in gold)
    (folder / "gold.jsonl").write_text(text, encoding="utf-8", newline="\n")


def describe() -> None:
    """Print what the sample is like."""
    sources = load_sources()
    for subject in ("语文", "英语"):
        own = [s for s in sources if s["subject"] == subject]
        for split in ("train", "test"):
            part = [s for s in own if s["split"] == split]
            sizes = sorted(len(units(s)) for s in part)
            questions = [q for s in part for q in s["questions"]]
            choices = sum("answer" in q for q in questions)
            print(
                f"{subject} {split}: {len(part)} passages, {sizes[0]}–{sizes[-1]} "
                f"{'characters' if subject == '语文' else 'words'} (median {sizes[len(sizes) // 2]}), "
                f"{choices} choice questions, {len(questions) - choices} short answers, "
                f"{dict(Counter(s['genre'] for s in part))}"
            )
        keys = Counter(q["answer"] for s in own for q in s["questions"] if "answer" in q)
        print(f"{subject} letters:", {x: f"{keys[x] / keys.total():.0%}" for x in "ABCD"})
        length, first, second = longest_shared_run(own)
        print(f"{subject} largest overlap of two passages: {length} in a row ({first}, {second})")
        kinds = deal_kinds([s for s in own if s["split"] == "train"], subject)
        print(f"{subject} kinds of mess a row:", dict(sorted(Counter(map(len, kinds)).items())))


def units(source: dict[str, Any]) -> list[str]:
    """Return what a passage is measured in: characters (语文) or words (英语)."""
    text = source["text"].strip()
    return list(re.sub(r"\s", "", text)) if source["subject"] == "语文" else text.lower().split()


def longest_shared_run(sources: list[dict[str, Any]]) -> tuple[int, str, str]:
    """Return the length of the longest run of characters or words that two passages share, and which two."""
    found = (0, "", "")
    length = 1
    while True:
        owner: dict[tuple[str, ...], str] = {}
        shared = None
        for source in sources:
            own = units(source)
            runs = {tuple(own[i : i + length]) for i in range(len(own) - length + 1)}
            shared = shared or next(((owner[r], source["id"]) for r in sorted(runs) if r in owner), None)
            owner.update(dict.fromkeys(runs, source["id"]))
        if not shared:
            return found
        found = (length, *shared)
        length += 1


if __name__ == "__main__":
    describe() if "--describe" in sys.argv[1:] else main()
