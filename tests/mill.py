"""A mill for rows of random mess, with the truth beside them; it shares no code with `helpers`.

`compose` makes a `Paper`: questions whose texts are put together from words and clauses, and every decision
about how they are written, as plain data. `cells` writes the three cells, `truth` says what must come out.
A paper can be made simpler piece by piece (`simpler`), which is how a failure becomes a small example.

A row is one of three things to a careful reader:

- ``parseable``: the fields are certain;
- ``doubtful``: an option letter may be read in two places that look alike (``A甲BB方案C丙D丁``), and only the
  meaning tells; the fields are right or the row is reported, and nothing else will do;
- ``not parseable``: five options, two answers, a number for a cell …; the row must be reported.
"""

import datetime
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import pandas as pd

# Words

ZH_WHO = ["作者", "文章", "老木匠", "第二段", "这座桥", "祖父", "村里人", "古人", "茶农", "船工", "小说", "我们"]
ZH_DOES = [
    "借",
    "没有忘记",
    "看重",
    "写到了",
    "否定了",
    "离不开",
    "误解了",
    "记得",
    "依靠",
    "保留着",
    "由此想到",
    "讲述",
]
ZH_WHAT = ["河边的灯火", "手艺的分寸", "潮水与渡船", "旧日的集市", "沉默的力量", "门前的石阶", "山里的雪", "一张方桌"]
ZH_END = ["", "", "，语气平静", "，使结构完整", "，因而值得重视", "，这是误读", "，并不矛盾", "，耐人寻味"]
ZH_STEM = [
    "下列对{}的理解，{}的一项是",
    "关于{}，下列说法{}的一项是",
    "根据原文，下列关于{}的推断{}的一项是",
    "下列各项中，对{}的分析{}的一项是",
    "{}在文中的含义，表述{}的一项是",
]
ZH_RIGHT = ["正确", "不正确", "最恰当", "不恰当"]
ZH_ASK = ["请概括{}的特点。", "{}有什么作用？请简要分析。", "结合全文，谈谈你对{}的理解。", "作者为什么写{}？"]

EN_WHO = ["The author", "The boy", "Her teacher", "The old bridge", "A farmer", "Most visitors", "The team", "They"]
EN_DOES = ["kept", "looked after", "forgot about", "paid for", "was proud of", "wrote about", "gave up", "talked of"]
EN_WHAT = ["the small library", "a wooden boat", "his first job", "the night train", "a long walk", "the map", "music"]
EN_END = ["", "", " in the end", " with some doubt", " after the storm", " because it was cheap", " at once"]
EN_STEM = [
    "What can we learn about {}?",
    "Why did the author mention {}?",
    "Which of the following is true of {}?",
    "What does the underlined part say about {}?",
    "The story of {} is used to show that ____.",
]

ZH_TRAPS = {
    "decimals": ["3.5亿年", "1.2米的木板", "0.618", "2.0版本", "10.5万人"],
    "years": ["2019年", "1949.10.1", "公元前221年", "20世纪", "1998.5"],
    "clock": ["9:20", "上午8:00的船", "23:59"],
    "capitals": ["DNA", "维生素C", "AI技术", "B超", "A4纸", "C大调", "B站", "A计划", "D级", "“B”形", "手机APP"],
    "letter_lists": ["A、B两组", "A和B", "C、D两地", "A与C之间", "B或D"],
    "brackets": ["“它”（第二段）", "“慢”（即不急）", "《灯》（节选）", "（2）处", "画线句（第3行）"],
    "inner_numbers": ["①②两句", "第2、第3两段", "50%的人", "3、4两节", "1/3"],
}
EN_TRAPS = {
    "decimals": ["3.5 billion people", "a price of $2.50", "0.5 percent", "version 2.0"],
    "years": ["the summer of 2019", "1949", "the year 2024"],
    "clock": ["the 9:20 a.m. train", "a call at 11:45", "the 3 p.m. show"],
    "capitals": ["Class B", "Vitamin C", "Plan A", "DNA", "AI", "Group D", "Type A", "Section B", "the U.S."],
    "initials": ["C. D. Roosevelt", "A. B. Smith", "J. D. Salinger", "D. H. Brown", "A. A. Milne"],
    "brackets": ["it (in Paragraph 2)", "the word (Line 3)", "the map (see Note 4)", "he (the boy)"],
    "inner_numbers": ["50% of them", "No. 5", "Chapter 3", "one in 10"],
}
TRAPS = {"语文": ZH_TRAPS, "英语": EN_TRAPS}
ZH_NUMBER_FIRST = [
    "2019年的那场雨",
    "20世纪的手艺",
    "3.5亿年前的化石",
    "1949年的渡口",
    "12.5万字的手稿",
    "100年前的信",
    "30多年来的雪",
]
EN_NUMBER_FIRST = ["2019 was a hard year. What did he do?", "1949 is mentioned to show that ____."]
ZH_CHOICE_LIKE = [
    "AI时代的读者更忙",
    "B超照见的只是影子",
    "A、B两组对比鲜明",
    "C大调写出开阔",
    "DNA不能说明一切",
    "A4纸是一个比喻",
]

# Ways of writing

NUMBER_FORMS = ["（{}）", "({})", "{}、", "{} .", "第{}题 ", "{})", "{}）", "{}：", "第{}题：", "【{}】", "{} 、"]
ANSWER_FORMS = ["（{}）", "{}、", "{} .", "第{}题 ", "{})", "{}）", "{}：", "【{}】", "第{}题："]
OPTION_FORMS = ["{}、", "（{}）", "({})", "{})", "{}）", "{}：", "{} .", "{} 、"]
SEPARATORS = [" ", "  ", "     ", "\t", "\u3000", "\u3000\u3000", ""]
LAYOUTS = {"one line": "nsss", "two a line": "nsns", "three and one": "nssn", "behind the stem": "ssss", "two": "nnsn"}
ZH_SCORES = ["（{}分）", "({}分)", "（本题{}分）", "【{}分】", " （{}分）", "（共{}分）"]
EN_SCORES = ["（{}分）", " ({} points)", "({}分)", " （{}分）"]
ZH_PREAMBLES = [
    "（每题3分，共9分）",
    "阅读下面的文字，完成问题。",
    "阅读上文，完成{}～{}题。",
    "（一）现代文阅读（9分）",
    "从每题所给的A、B、C、D四个选项中选出最佳选项。",
]
EN_PREAMBLES = [
    "（每题2分，共8分）",
    "阅读短文，完成{}-{}题。",
    "(2 points each)",
    "Choose the best answer from A, B, C and D.",
]
RANGES = ["{}-{} {}", "{}~{}：{}", "{}—{}.{}", "{}-{}:{}", "{}～{} {}", "{}至{}题 {}", "{}--{} {}"]
TABLES = ["题号\t{}\n答案\t{}", "题号 {}\n答案 {}", "{}\n{}", "|题号|{}|\n|答案|{}|"]
ANSWER_WAYS = ["two a line", "with text", "explained", "glued", "bare glued", "range", "table", "named", "conclusion"]
ANSWER_WAYS += ["explained after", "no numbers", "one line", "in words"]
LINE_ENDS = ["\r\n", "_x000D_\n", "\r", "\n\n", " \n", "\n\u3000"]
CELLS: list[Any] = [None, "", "  \n", float("nan"), 7, 3.5, datetime.datetime(2024, 1, 3), "=A1", datetime.time(9, 20)]
FAULTS = ["two answers", "five options", "missing option", "letter twice", "same options", "no answer", "answer E"]
FAULTS += ["contradiction", "no letter", "surplus answer", "empty stem", "empty option", "odd cell", "no number"]
WIDE = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
LOOKALIKE = dict(zip("ABCEHKMOPTXaceopxy", "АВСЕНКМОРТХасеорху", strict=True))
WORD_FIRST = re.compile("[\u4e00-\u9fff“《]|[A-D][\u4e00-\u9fff]|[A-Z][a-z]")


@dataclass
class Question:
    """One question: what it says, and how it is written."""

    number: int
    answer_number: int
    stem: str
    options: dict[str, str] | None  # None: a short answer
    answer: str  # a letter, or the reference
    traps: frozenset[str] = frozenset()
    order: str = "ABCD"
    layout: str = ""  # what stands before each option, n: a new line, s: the separator; "" is a line each
    separator: str = " "
    dotless: str = ""  # letters without their dot
    number_form: str = ""  # unlike the others of the paper
    score: str = ""
    blank: bool = False  # “（ ）” behind the stem
    broken: dict[str, int] = field(default_factory=dict)  # field: where its line is broken


@dataclass
class Paper:
    """One row: its questions, and how they and their answers are written."""

    subject: str
    seed: int
    passage: str
    questions: list[Question]
    fault: str = ""
    cell: Any = ""  # what stands in a cell instead of text
    preamble: str = ""
    number_form: str = "{}."
    option_form: str = "{}."
    answer_form: str = "{}."
    gap: str = ""  # between a mark and what it marks
    wide: str = ""  # "dots", "marks" or "all"
    lookalikes: str = ""  # some of "marks answers words"
    odd_spaces: bool = False
    line_end: str = ""
    answers: str = ""
    heading: str = ""
    shuffled: bool = False  # answers out of order


def compose(seed: int) -> Paper:
    """Compose the paper of this seed."""
    return _Composer(seed).paper()


class _Composer:
    """The random choices behind one paper."""

    def __init__(self, seed: int):
        self.rng = rng = random.Random(seed)
        self.seed = seed
        self.subject = rng.choice(["语文", "英语"])
        self.chinese = self.subject == "语文"
        # some rows are a heap of mess, others nearly clean
        self.mess = rng.choice([0.03, 0.1, 0.1, 0.2, 0.3])

    def often(self, factor: float = 1.0) -> bool:
        """Return whether one more kind of mess is put in."""
        return self.rng.random() < self.mess * factor

    def paper(self) -> Paper:
        rng = self.rng
        count = rng.randint(2, 5)
        kinds = [self.chinese and self.often(1.5) for _ in range(count)]
        if all(kinds) and rng.random() < 0.8:
            kinds[rng.randrange(count)] = False
        questions = [self.question(i + 1, short) for i, short in enumerate(kinds)]
        paper = Paper(self.subject, self.seed, self.passage(), questions, gap="" if self.chinese else " ")
        self.number(questions)
        self.style(paper)
        self.style_answers(paper)
        if rng.random() < 0.22:
            self.spoil(paper)
        return paper

    # Texts

    def clause(self, traps: set[str], *, leading: bool = False) -> str:
        rng = self.rng
        who, does, what, end = (
            (ZH_WHO, ZH_DOES, ZH_WHAT, ZH_END) if self.chinese else (EN_WHO, EN_DOES, EN_WHAT, EN_END)
        )
        noun = rng.choice(what)
        first = rng.choice(who)
        if self.often(0.8):
            trap = rng.choice(list(TRAPS[self.subject]))
            noun, kind = rng.choice(TRAPS[self.subject][trap]), trap
            traps.add(kind)
            if leading and rng.random() < 0.5 and not noun[0].isdigit() and noun[0] not in "（①a" and kind != "years":
                first, noun = noun, rng.choice(what)
        verb, tail = rng.choice(does), rng.choice(end)
        return f"{first}{verb}{noun}{tail}" if self.chinese else f"{first} {verb} {noun}{tail}"

    def stem(self, traps: set[str], short: bool) -> str:
        rng = self.rng
        what = rng.choice(ZH_WHAT if self.chinese else EN_WHAT)
        if self.often():
            trap = rng.choice(list(TRAPS[self.subject]))
            what = rng.choice(TRAPS[self.subject][trap])
            traps.add(trap)
        if self.often(0.3):
            traps.add("number_first")
            if not self.chinese:
                return rng.choice(EN_NUMBER_FIRST)
            return f"{rng.choice(ZH_NUMBER_FIRST)}，" + rng.choice(
                ["说法正确的一项是", "作者如何看？" if short else "理解不当的是"]
            )
        if short:
            return rng.choice(ZH_ASK).format(what)
        if self.chinese:
            return rng.choice(ZH_STEM).format(what, rng.choice(ZH_RIGHT))
        stem = rng.choice(EN_STEM).format(what)
        if self.often(0.4):
            traps.add("years")
            stem = f"It was opened in {rng.choice([2019, 1998, 2024])}. {stem}"
        return stem

    def question(self, number: int, short: bool) -> Question:
        rng = self.rng
        traps: set[str] = set()
        stem = self.stem(traps, short)
        if short:
            traps.add("short_answers")
            return Question(number, number, stem, None, self.reference(traps), frozenset(traps))
        stop = "。" if self.chinese else "."
        stop = rng.choice([stop, ""])
        texts: list[str] = []
        while len(texts) < 4:
            text = self.clause(traps, leading=True)
            if self.often(0.3):
                text = rng.choice(rng.choice(list(TRAPS[self.subject].values())))
                if text[0].isdigit() or text[0] in "（①":
                    text = ("约" if self.chinese else "About ") + text
                traps.add("bare_traps")
            text = text[0].upper() + text[1:]
            if text not in texts:
                texts.append(text)
        texts = [text + stop for text in texts]
        return Question(
            number, number, stem, dict(zip("ABCD", texts, strict=True)), rng.choice("ABCD"), frozenset(traps)
        )

    def reference(self, traps: set[str]) -> str:
        rng = self.rng
        points = [self.clause(traps) for _ in range(rng.randint(1, 3))]
        if self.often(1.5):
            traps.add("choice_like_short")
            points[0] = rng.choice(ZH_CHOICE_LIKE)
        elif self.often(0.4):
            traps.add("number_first")
            points[0] = rng.choice(ZH_NUMBER_FIRST) + points[0]
        elif len(points) > 1 and rng.random() < 0.7:
            points = [f"{mark}{point}" for mark, point in zip("①②③", points, strict=False)]
        return "；".join(points) + "。"

    def passage(self) -> str:
        lines = ["，".join(self.clause(set()) for _ in range(4)) + "。" for _ in range(self.rng.randint(3, 9))]
        return "\n".join(lines) if self.chinese else "\n".join(line.replace("，", ", ")[:-1] + "." for line in lines)

    # Mess

    def number(self, questions: list[Question]) -> None:
        rng = self.rng
        count = len(questions)
        numbers = list(range(1, count + 1))
        answered = None
        if self.often(2):
            way = rng.choice(["start", "jump", "repeat", "differ"])
            start = rng.choice([4, 7, 13, 21, 24, 28, 32, 56])
            cut = rng.randrange(1, count)
            if way == "start":
                numbers = [start + i for i in range(count)]
            elif way == "jump":
                numbers = [n + rng.choice([1, 2]) * (i >= cut) for i, n in enumerate(numbers)]
                numbers = sorted(set(numbers)) if len(set(numbers)) == count else list(range(2, count + 2))
            elif way == "repeat":
                numbers = [n - (i >= cut) for i, n in enumerate(numbers)]
            else:
                start = max(start, count + 1)
                answered, numbers = numbers, [start + i for i in range(count)]
                if rng.random() < 0.3:
                    answered, numbers = numbers, answered
        for question, number, other in zip(questions, numbers, answered or numbers, strict=True):
            question.number, question.answer_number = number, other

    def style(self, paper: Paper) -> None:
        rng = self.rng
        if self.often(1.5):
            paper.number_form = rng.choice(NUMBER_FORMS)
        if self.often():
            paper.option_form = rng.choice(OPTION_FORMS)
        if self.often():
            paper.gap = rng.choice(["", " "])
        if self.often(1.5):
            paper.wide = rng.choice(["dots", "marks", "all"])
        if self.often(1.5):
            paper.lookalikes = " ".join(kind for kind in ("marks", "answers", "words") if rng.random() < 0.6)
        paper.odd_spaces = self.often(1.5)
        if self.often():
            paper.line_end = rng.choice(LINE_ENDS)
        if self.often(1.5):
            preamble = rng.choice(ZH_PREAMBLES if self.chinese else EN_PREAMBLES)
            paper.preamble = preamble.format(paper.questions[0].number, paper.questions[-1].number)
        layout, separator = rng.choice(list(LAYOUTS)), rng.choice(SEPARATORS)
        everywhere, scored, dotless = self.often(1.5), self.often(1.5), self.often()
        for question in paper.questions:
            if scored:
                form = rng.choice(ZH_SCORES if self.chinese else EN_SCORES)
                question.score = form.format(rng.choice([2, 3, 4, "2.5", 6]))
            if self.often(0.2) and len({q.number for q in paper.questions}) == len(paper.questions):
                question.number_form = rng.choice(["{}、", "{}．", "{} .", "{}:"])
            if self.often(0.8):
                self.break_lines(question)
            if question.options is None:
                continue
            question.blank = self.often(0.5)
            if everywhere or self.often(0.3):
                question.layout, question.separator = layout, separator
            if self.often(0.5):
                question.order = "".join(rng.sample("ABCD", 4)) if rng.random() < 0.5 else rng.choice(["ACBD", "ADCB"])
            if dotless or self.often(0.3):
                letters = "".join(rng.sample("ABCD", rng.choice([1, 1, 2, 4])))
                question.dotless = letters if rng.random() < 0.5 else letters.lower()

    def break_lines(self, question: Question) -> None:
        names = ["stem", *(question.options or ["answer"])]
        for name in self.rng.sample(names, self.rng.choice([1, 1, 2]) if len(names) > 1 else 1):
            text = text_of(question, name)
            if self.chinese:
                places = [m.end() for m in re.finditer(r"[\u4e00-\u9fff，](?=[\u4e00-\u9fff])", text)][1:]
            else:  # between two words, and before a year
                places = [m.start() for m in re.finditer(r"(?<=[a-z,]) (?=[a-z]|\d{4}\b)", text)]
            if places:
                question.broken[name] = self.rng.choice(places)

    def style_answers(self, paper: Paper) -> None:
        rng = self.rng
        if self.often(1.5):
            paper.answer_form = rng.choice(ANSWER_FORMS)
        elif paper.number_form in ANSWER_FORMS and rng.random() < 0.7:
            paper.answer_form = paper.number_form
        if self.often():
            paper.heading = rng.choice(["【答案】", "答案：", "参考答案：\n", "【参考答案】\n", "答案:"])
        if self.often(3):
            numbers = [q.answer_number for q in paper.questions]
            unique = len(set(numbers)) == len(numbers)
            shorts = any(q.options is None for q in paper.questions)
            ways = [
                way
                for way in ANSWER_WAYS
                if (unique or way not in ("range", "table", "explained after")) and not (shorts and way == "no numbers")
            ]
            paper.answers = rng.choice(ways)
            same = numbers == [q.number for q in paper.questions]
            paper.shuffled = unique and same and paper.answers in ("", "one line", "with text") and self.often(1.5)

    def spoil(self, paper: Paper) -> None:
        """Put something in that nobody could decide."""
        rng = self.rng
        choices = [q for q in paper.questions if q.options]
        fault = rng.choice(FAULTS)
        if not choices:
            fault = "odd cell"
        elif fault == "no number":
            paper.preamble = ""
            if any(q.stem.startswith("（") for q in choices):  # “（2）处在文中的含义” reads like question 2
                fault = "two answers"
        if fault == "odd cell":
            paper.cell = rng.choice(CELLS)
        elif fault == "contradiction":
            paper.answers = "explained"
        elif fault in ("two answers", "answer E", "no letter", "surplus answer", "no answer"):
            paper.answers = rng.choice(["", "one line", "explained" if fault != "no letter" else ""])
            numbers = {q.number for q in paper.questions}
            if fault in ("surplus answer", "no answer") and numbers != {q.answer_number for q in paper.questions}:
                fault = "two answers"
        if fault == "empty stem":
            choices[0].blank, choices[0].broken = False, {}
        if fault in ("empty stem", "empty option", "missing option", "letter twice"):
            for question in choices[:1]:  # with all else in its place
                question.layout, question.order, question.dotless = "", "ABCD", ""
        paper.fault = fault


# Writing


def text_of(question: Question, name: str) -> str:
    """Return a text of the question by its name."""
    return question.options[name] if question.options and name in question.options else getattr(question, name)


class _Writer:
    """Writes the cells of a paper; the same paper gives the same cells."""

    def __init__(self, paper: Paper):
        self.paper = paper
        self.rng = random.Random(paper.seed)
        self.chinese = paper.subject == "语文"
        self.spoiled = next((q for q in paper.questions if q.options), paper.questions[0])

    def text(self, question: Question, name: str) -> str:
        """Return a text with its line broken and its words stained."""
        text = text_of(question, name)
        if place := question.broken.get(name):
            text = text[:place] + "\n" + text[place:].removeprefix(" ")
        if self.paper.wide == "all" and self.chinese:
            text = re.sub(r"(?<![（A-Za-z0-9])[A-Za-z0-9]+(?:[.:%][0-9]*)?", lambda m: widen(m[0]), text)
        elif "words" in self.paper.lookalikes:
            words = [m for m in re.finditer(r"[A-Za-z]{3,}", text) if not LOOKALIKE.keys().isdisjoint(m[0][1:])]
            for word in self.rng.sample(words, min(2, len(words))):
                places = [i for i in range(word.start() + 1, word.end()) if text[i] in LOOKALIKE]
                if len(places) + 1 < len(word[0]) or word[0][0] not in LOOKALIKE:
                    at = self.rng.choice(places)
                    text = text[:at] + LOOKALIKE[text[at]] + text[at + 1 :]
        return text

    def mark(self, form: str, label: Any) -> str:
        mark = form.format(label)
        if self.paper.wide == "dots":
            return mark.replace(".", "．")
        if self.paper.wide:
            return "".join(WIDE.get(c, c) if c.isalnum() or c == "." else c for c in mark)
        return mark

    def letter(self, letter: str, where: str) -> str:
        return LOOKALIKE.get(letter, letter) if where in self.paper.lookalikes else letter

    def options(self) -> str:
        paper = self.paper
        lines = [paper.preamble] if paper.preamble else []
        for question in paper.questions:
            spoiled = paper.fault if question is self.spoiled else ""
            number = self.mark(question.number_form or paper.number_form, question.number) + paper.gap
            if spoiled == "no number":
                number = ""
            stem = "" if spoiled == "empty stem" else self.text(question, "stem")
            body, _ = self.body(question, spoiled)
            blank = ("（\u3000\u3000）" if self.chinese else "(  )") if question.blank else ""
            lines.append(number + stem + question.score + blank + body)
        return self.space("\n".join(lines))

    def body(self, question: Question, spoiled: str = "", plain: bool = False) -> tuple[str, dict[str, int]]:
        """Return the options as they are written, and where each mark stands in them."""
        if question.options is None:
            return "", {}
        texts = {x: question.options[x] if plain else self.text(question, x) for x in "ABCD"}
        letters = list(question.order)
        if spoiled == "five options":
            letters.append("E")
            texts["E"] = "以上都不对" if self.chinese else "None of them"
        elif spoiled == "missing option":
            letters.remove("C")
        elif spoiled == "same options":
            texts["B"] = texts["A"]
        elif spoiled == "empty option":
            texts["B"] = ""
        before = [{"n": "\n", "s": question.separator}[c] for c in LAYOUTS.get(question.layout, "nnnn")] + ["\n"]
        if question.layout and question.separator == "" and question.layout == "behind the stem" and not self.chinese:
            before[0] = " "
        written, places = "", {}
        for gap, letter in zip(before, letters, strict=False):
            shown = "B" if spoiled == "letter twice" and letter == "C" else letter
            shown = shown if plain else self.letter(shown, "marks")
            text = texts[letter]
            written += gap
            places[letter] = len(written)
            if letter in question.dotless and WORD_FIRST.match(question.options.get(letter, text)):
                written += shown + text
            elif letter.lower() in question.dotless.lower():
                written += shown + "  " + text
            else:
                form = self.paper.option_form
                mark = form.format(shown) if plain else self.mark(form, shown)
                places[letter] += mark[0] in "（("
                written += mark + ("" if self.chinese else self.paper.gap) + text
        return written, places

    # 答案

    def answers(self) -> str:
        paper = self.paper
        rng = self.rng
        entries = []
        for question in paper.questions:
            spoiled = paper.fault if question is self.spoiled else ""
            if spoiled == "no answer":
                continue
            entries.append((question, self.reply(question, spoiled)))
        if paper.shuffled:
            rng.shuffle(entries)
        if paper.fault == "surplus answer":
            extra = max(q.answer_number for q in paper.questions) + 1
            entries.append((replace(self.spoiled, answer_number=extra, answer="A"), "A"))
        written = self.arrange(entries)
        return self.space(paper.heading + written)

    def reply(self, question: Question, spoiled: str) -> str:
        if question.options is None:
            return self.text(question, "answer")
        other = next(x for x in "ABCD" if x != question.answer)
        letter = question.answer
        if spoiled == "two answers":
            letter = self.rng.choice([letter + other, f"{letter}、{other}", f"{other} {letter}", f"{letter}或{other}"])
            if "或" in letter:
                letter = letter.replace("或", "和")
        elif spoiled == "answer E":
            letter = "E"
        elif spoiled == "no letter":
            return self.rng.choice(["略", "见解析", "？", "无"])
        return "".join(self.letter(c, "answers") for c in letter)

    def arrange(self, entries: list[tuple[Question, str]]) -> str:
        paper, rng = self.paper, self.rng
        way = paper.answers
        choices = [(q, letter) for q, letter in entries if q.options]
        rest = "".join("\n" + self.numbered(q, text) for q, text in entries if q.options is None)
        if way in ("glued", "bare glued"):
            form = "{}{}" if way == "bare glued" else "{}.{}"
            return "".join(form.format(q.answer_number, letter) for q, letter in choices) + rest
        if way == "range":
            return self.ranges(choices) + rest
        if way == "table":
            form = rng.choice(TABLES)
            gap = "|" if "|" in form else rng.choice(["\t", " ", "  "])
            numbers, letters = (
                (gap.join(map(str, line)) for line in zip(*((q.answer_number, x) for q, x in choices), strict=True))
                if choices
                else ("", "")
            )  # noqa: E501
            return (
                form.format(numbers, letters) if len(choices) > 1 else "".join(self.numbered(q, x) for q, x in choices)
            ) + rest  # noqa: E501
        if way == "no numbers":
            return rng.choice(["", " ", "\n", "、", "，"]).join(letter for _, letter in choices)
        if way == "explained after":
            head = "\n".join(self.numbered(q, text) for q, text in entries)
            blocks = "".join(f"\n【{q.answer_number}题详解】\n{self.why(q)}故选{q.answer}。" for q, _ in choices)
            return head + rng.choice(["\n【解析】", ""]) + blocks
        lines = [self.entry(q, text, way) for q, text in entries]
        if way not in ("two a line", "one line", "with text"):
            return "\n".join(lines)
        joined, open_line = "", 0
        limit = 99 if way == "one line" else 2
        gap = rng.choice(["  ", "      ", "\t", "\u3000\u3000"]) if way != "one line" else rng.choice([" ", "  ", "\t"])
        for (question, _), line in zip(entries, lines, strict=True):
            alone = question.options is None
            joined += ("" if not joined else gap if open_line and open_line < limit and not alone else "\n") + line
            open_line = 0 if alone else open_line % limit + 1
        return joined

    def ranges(self, choices: list[tuple[Question, str]]) -> str:
        form = self.rng.choice(RANGES)
        runs: list[list[tuple[Question, str]]] = []
        for entry in choices:
            if runs and entry[0].answer_number == runs[-1][-1][0].answer_number + 1:
                runs[-1].append(entry)
            else:
                runs.append([entry])
        gap = self.rng.choice(["\n", "  "])
        return gap.join(
            form.format(run[0][0].answer_number, run[-1][0].answer_number, "".join(letter for _, letter in run))
            if len(run) > 1
            else self.numbered(*run[0])
            for run in runs
        )

    def numbered(self, question: Question, text: str) -> str:
        gap = "" if question.options is None or self.chinese else self.paper.gap
        return self.mark(self.paper.answer_form, question.answer_number) + gap + text

    def why(self, question: Question) -> str:
        """Return an explanation, traps and all, that names no other answer."""
        rng = random.Random(self.paper.seed + question.number)
        wrong = rng.choice([x for x in "ABCD" if x != question.answer])
        reasons = [
            "由第2段可知。",
            f"{wrong}项，曲解文意。",
            f"{wrong}项“3.5亿年”有误；",
            "原文说的是2019年，并非如此。",
        ]
        if not self.chinese:
            reasons += ["细节理解题。", "The text says so in Paragraph 2. ", "It opened in 2019. ", "See Line 3. "]
        return rng.choice(reasons)

    def entry(self, question: Question, text: str, way: str) -> str:
        if question.options is None:
            return self.numbered(question, text)
        rng = self.rng
        why = self.why(question)
        if way == "with text" and text == question.answer:
            text += rng.choice([". ", "  ", "．"]) + question.options[question.answer]
        elif way == "explained":
            wrong = next(x for x in "ABCD" if x != question.answer)
            last = wrong if self.paper.fault == "contradiction" and question is self.spoiled else question.answer
            behind = [f"【解析】{why}故选{last}。", f"\n【解析】{why}故选{last}。", f"  {why}", f"。解析：{why}"]
            text += rng.choice(behind[: 2 if self.paper.fault == "contradiction" else 4])
        elif way == "named":
            text = rng.choice(["选{}", "答案：{}", "（{}）", "【答案】{}", "({})", "{}。", "{}项"]).format(text)
        elif way == "conclusion":
            text = rng.choice(
                [f"{why}故选{text}。", f"{why}所以选{text}。", f"{why}故答案为{text}。", f"{why}因此选{text}"]
            )
        elif way == "in words" and not self.chinese:
            text = rng.choice([f"The answer is {text}.", f"Answer: {text}", f"{why}So the answer is {text}."])
        return self.numbered(question, text)

    def space(self, text: str) -> str:
        """Put odd spaces and line ends in, where they change no text."""
        rng = self.rng
        if self.paper.odd_spaces:
            odd = ["\u00a0", "\u3000", "  ", "\t", "\u2002", " \u200b"]
            text = re.sub(r"(?<=\S) (?=\S)", lambda m: rng.choice(odd) if rng.random() < 0.3 else " ", text)
            lines = [line + rng.choice(["", "", " ", "\u00a0", "\u3000"]) for line in text.split("\n")]
            text = "\n".join(rng.choice(["", "", " ", "\u3000", "\t"]) + line for line in lines)
            for _ in range(3):
                at = rng.randrange(len(text) + 1)
                text = text[:at] + rng.choice("\u200b\ufeff\u200d\u00ad\x07") + text[at:]
        return text.replace("\n", self.paper.line_end) if self.paper.line_end else text


def widen(text: str) -> str:
    """Return the full-width form: ``1.A`` becomes ``１．Ａ``."""
    return "".join(WIDE.get(c, c) for c in text)


def cells(paper: Paper) -> tuple[str, Any, Any]:
    """Write the three cells of a row."""
    writer = _Writer(paper)
    written: list[Any] = [paper.passage, writer.options(), writer.answers()]
    if paper.fault == "odd cell":
        written[1 + paper.seed % 2] = paper.cell
    return tuple(written)


def frame(papers: Iterable[Paper], first: int = 0) -> pd.DataFrame:
    """Return the rows of these papers as a sheet is read; the first has this number."""
    lines = [(paper.subject, row, *cells(paper)) for row, paper in enumerate(papers, first)]
    columns = ["subject", "row", "阅读文本", "选项", "答案"]
    return pd.DataFrame(lines, columns=columns, dtype=object).astype({"subject": str, "row": int})


# What is true


def truth(paper: Paper) -> tuple[str, list[tuple], list[tuple]]:
    """Return what a careful reader can tell, the questions and the short answers, field by field."""
    questions, shorts = [], []
    for position, q in enumerate(paper.questions):
        stem = q.stem
        if q.blank:
            stem += "（ ）" if paper.subject == "语文" else "( )"
        if q.options:
            questions.append((position, q.number, stem, *(q.options[x] for x in "ABCD"), q.answer))
        else:
            shorts.append((position, q.number, stem, q.answer))
    if paper.fault:
        return "not parseable", questions, shorts
    return ("doubtful" if any(_rivals(paper, q) for q in paper.questions) else "parseable"), questions, shorts


_STANDING_ALONE = re.compile(
    r"(?<![A-Za-z0-9])[A-D](?![a-z0-9]|[A-Z](?![a-z]))|(?<![A-Za-z0-9])[A-D](?=[A-D][\u4e00-\u9fff])"
)
_BEHIND_A_LETTER = re.compile(r"(?<=[A-D])[A-D](?=[\u4e00-\u9fff])")
_INITIALS = re.compile(r"(?:[A-Z]\. ?){2}(?=[A-Z][a-z])")
_NAMED = re.compile(r"(?:Class|Vitamin|Plan|Group|Type|Section) $")


def _look(text: str, place: int) -> int:
    """Return how much a letter looks like an option mark: its dot and the place where it stands."""
    before = text[place - 1 : place] if place else "\n"
    dot = bool(re.match(r"[A-D] ?[.、)）:：]", text[place:])) or before in "（("
    if before in "（(":
        before = text[place - 2 : place - 1] if place > 1 else "\n"
    return 3 * dot + (2 if before == "\n" else 1 if before.isspace() else 0)


def _rivals(paper: Paper, question: Question) -> bool:
    """Return whether the options can be read in another way that looks as good as the true one."""
    if not question.options or not (question.layout or question.dotless):
        return False
    body, places = _Writer(paper).body(question, plain=True)
    text = question.stem + body
    true = {letter: place + len(question.stem) for letter, place in places.items()}
    taken = {i for m in _INITIALS.finditer(text) for i in range(*m.span())}
    found: dict[str, list[int]] = {x: [] for x in "ABCD"}
    alone = {m.start() for p in (_STANDING_ALONE, _BEHIND_A_LETTER) for m in p.finditer(text)} | set(true.values())
    for place in sorted(alone):
        letter = text[place]
        named = _NAMED.search(text, 0, place)
        if (
            place == true[letter]
            or not named
            and place not in taken
            and _look(text, place) >= _look(text, true[letter])
        ):
            found[letter].append(place)
    for chosen in product(*found.values()):
        if list(chosen) == [true[x] for x in "ABCD"] or question.order == "ABCD" and list(chosen) != sorted(chosen):
            continue
        cuts = [*sorted(chosen), len(text)]
        options = [text[a + 1 : b] for a, b in zip(cuts, cuts[1:], strict=False)]
        if cuts[0] and all(re.search(r"[\u4e00-\u9fff]|[A-Za-z]{2}", option) for option in options):
            return True
    return False


def kinds_of(paper: Paper) -> set[str]:
    """Return the names of all mess in a paper."""
    kinds = set().union(*(q.traps for q in paper.questions))
    kinds.add(f"fault: {paper.fault}") if paper.fault else None
    plain = Paper("", 0, "", [])
    for name in (
        "number_form",
        "option_form",
        "answer_form",
        "preamble",
        "heading",
        "shuffled",
        "odd_spaces",
        "line_end",
    ):
        if getattr(paper, name) != getattr(plain, name):
            kinds.add(name)
    kinds |= {f"wide {paper.wide}"} if paper.wide else set()
    kinds |= {f"lookalike {name}" for name in paper.lookalikes.split()}
    kinds |= {f"answers {paper.answers}"} if paper.answers else set()
    for q in paper.questions:
        kinds |= {f"layout {q.layout}"} if q.layout else set()
        kinds |= {"nothing between options"} if q.layout and not q.separator else set()
        kinds |= {"dotless glued"} if q.dotless.isupper() else {"dotless spaced"} if q.dotless else set()
        kinds |= {name for name in ("score", "blank", "broken") if getattr(q, name)}
        kinds |= {"mixed number forms"} if q.number_form else set()
        kinds |= {"out of order"} if q.order != "ABCD" else set()
    numbers = [q.number for q in paper.questions]
    if [q.answer_number for q in paper.questions] != numbers:
        kinds.add("numbers differ")
    elif len(set(numbers)) < len(numbers):
        kinds.add("numbers repeat")
    elif numbers[-1] - numbers[0] + 1 > len(numbers):
        kinds.add("numbers jump")
    elif numbers[0] != 1:
        kinds.add("numbers start late")
    return kinds


# Making a failure small


def simpler(paper: Paper) -> Iterator[Paper]:
    """Yield papers that are simpler by one step each."""
    if len(paper.questions) > 1:
        for i in range(len(paper.questions)):
            yield replace(paper, questions=paper.questions[:i] + paper.questions[i + 1 :])
    plain = Paper(paper.subject, paper.seed, "略", [])
    names = [
        "passage",
        "preamble",
        "number_form",
        "option_form",
        "answer_form",
        "gap",
        "wide",
        "lookalikes",
        "odd_spaces",
    ]
    for name in [*names, "line_end", "answers", "heading", "shuffled"]:
        if getattr(paper, name) != getattr(plain, name):
            yield replace(paper, **{name: getattr(plain, name)})
    if any(q.answer_number != q.number for q in paper.questions):
        yield replace(paper, questions=[replace(q, answer_number=q.number) for q in paper.questions])
    for i, question in enumerate(paper.questions):
        for changed in _simpler_question(question):
            yield replace(paper, questions=[*paper.questions[:i], changed, *paper.questions[i + 1 :]])


def _simpler_question(question: Question) -> Iterator[Question]:
    plain = Question(0, 0, "", None, "")
    for name in ("order", "layout", "separator", "dotless", "number_form", "score", "blank", "broken"):
        if getattr(question, name) != getattr(plain, name):
            yield replace(question, **{name: getattr(plain, name)})
    if len(question.stem) > 2 and not question.broken:
        yield replace(question, stem="问题")
    if question.options is None:
        for answer in ("写山。", re.split("[，；]", question.answer)[0]):
            if len(answer) < len(question.answer) and not question.broken:
                yield replace(question, answer=answer)
        return
    for letter, word in zip("ABCD", "甲乙丙丁", strict=True):
        text = question.options[letter]
        shorter = re.split("，| (?:in the|with|after|because|at) ", text)[0]
        if letter not in question.broken and word not in question.options.values():
            yield replace(question, options={**question.options, letter: word})
            if shorter != text and shorter not in question.options.values():
                yield replace(question, options={**question.options, letter: shorter})
