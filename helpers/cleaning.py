r"""Repair what OCR and typing broke, and nothing else (notebook 01).

What `clean_text` changes, and all it changes:

1. Line ends become ``\n``; zero-width characters, bidirectional marks and control characters go,
   also as Excel spells them (``_x000D_``); half of a surrogate pair becomes ``\ufffd``.
2. Full-width letters and digits become half-width, and so does the full stop ``．``. Other
   full-width marks do so only inside a run of such letters and digits: ``９：２０`` → ``9:20``,
   ``（Ａ）`` → ``(A)``, ``２０％`` → ``20%``. Chinese punctuation in sentences stays.
3. Cyrillic and Greek letters and Roman numerals that look Latin become Latin where they stand in a Latin word
   (``DNА``) or act as an option letter (``В.``); Russian and Greek words stay.
4. Odd spaces become one plain space; spaces at line edges and empty lines go.

①②, ellipses, dashes, quotation marks and everything else stay as they are: this is why
``unicodedata.normalize("NFKC", …)`` is not used.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from helpers import COLUMNS, KitError

SPACES = "\t\x0c\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
FULLWIDTH = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
CHINESE_MARKS = "！，：；？（）～"
"""The full-width marks that Chinese sentences use."""
LOOKALIKES = dict(
    zip(
        "АВСЕНІЈКМОРЅТХаеорсухіјѕ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο" + "ⅭⅮ",
        "ABCEHIJKMOPSTXaeopcyxijs" + "ABEZHIKMNOPTYXo" + "CD",
        strict=True,
    )
)
"""Letters of other alphabets that look like a Latin letter in print (Unicode confusables)."""

_CONTROLS = "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
_ODD_CHARS = f"{SPACES}{INVISIBLE}{_CONTROLS}\r\x0b\x85\u2028\u2029０-９Ａ-Ｚａ-ｚ．\ud800-\udfff"
_ODD = re.compile(f"[{_ODD_CHARS}]")
_FULLWIDTH_RUN = frozenset(char for char, half in FULLWIDTH.items() if half.isalnum())
_LOOKALIKE = re.compile(f"[{''.join(LOOKALIKES)}]")
_SUSPECT = re.compile(f"[{_ODD_CHARS}{''.join(LOOKALIKES)}]")
"""One quick look: most cells hold nothing to repair."""
_ESCAPE = re.compile("_x00([01][0-9A-F]|7F)_")
"""How Excel spells control characters out, a carriage return for example as _x000D_."""
_TABLE = str.maketrans(
    dict.fromkeys(SPACES, " ")
    | dict.fromkeys(INVISIBLE)
    | {chr(c): None for c in range(0xA0) if re.match(f"[{_CONTROLS}]", chr(c))}
    | dict.fromkeys("\r\x0b\x85\u2028\u2029", "\n")
    | {c: half for c, half in FULLWIDTH.items() if half.isalnum() or half == "."}
    | {chr(c): "\ufffd" for c in range(0xD800, 0xE000)}
)
# Full-width marks that belong to a full-width run: between two of its letters or digits, or a per
# cent sign behind it. Chinese text around the run ends it.
_IN_RUN = re.compile(
    r"(?<=[０-９Ａ-Ｚａ-ｚ])[：／－＋＝＆＿＠＇＊＃](?=[0-9A-Za-z０-９Ａ-Ｚａ-ｚ])"
    r"|(?<=[0-9A-Za-z])[：／－＋＝＆＿＠＇＊＃](?=[０-９Ａ-Ｚａ-ｚ])"
    r"|(?<=[０-９])％"
)
_BRACKETED_RUN = re.compile(r"（([０-９Ａ-Ｚａ-ｚ]+)）")
_LETTERS = "A-Za-z\u0370-\u03ff\u0400-\u04ff\u216d\u216e"
_FOREIGN = "\u0370-\u03ff\u0400-\u04ff\u216d\u216e"
_WORD = re.compile(f"(?<![{_LETTERS}])[A-Za-z]*+[{_FOREIGN}][{_LETTERS}]*")  # a word with a letter of another alphabet
_NEXT_WORD = re.compile(f"[^{_LETTERS}\\n]*([{_LETTERS}]+)")
_SPACE_RUN = re.compile(r" {2,}")
_LINE_EDGE = re.compile(r" *\n[ \n]*")
_OPTION_LETTERS = frozenset("ABCDEАВСЕΑΒΕⅭⅮ")


def clean(rows: pd.DataFrame) -> pd.DataFrame:
    """Clean the three text columns of every row.

    Parameters
    ----------
    rows : pandas.DataFrame
        As `workbook.read_rows` returns it.

    Returns
    -------
    pandas.DataFrame
        A new frame of the same shape. Cells that are not text are left as they are.

    Raises
    ------
    KitError
        If ``rows`` is not such a frame.

    Examples
    --------
    >>> rows = pd.DataFrame({"阅读文本": ["略"], "选项": ["１．下列…（３分）"], "答案": ["1.В"]})
    >>> clean(rows).loc[0, ["选项", "答案"]].tolist()
    ['1.下列…（3分）', '1.B']
    """
    if not isinstance(rows, pd.DataFrame) or not set(COLUMNS) <= set(rows.columns):
        raise KitError("clean 要的是整张表（workbook.read_rows 读出来的）。只修一段文字请用 cleaning.clean_text。")
    cleaned = rows.copy()
    for column in COLUMNS:
        values = [
            clean_text(value, marks=column != "阅读文本") if isinstance(value, str) else value for value in rows[column]
        ]
        cleaned[column] = pd.Series(values, index=rows.index, dtype=object)
    return cleaned


def clean_text(text: str, *, marks: bool = True) -> str:
    r"""Clean one cell; the module's docstring lists every change.

    Cleaning a clean text changes nothing.

    Parameters
    ----------
    text : str
        The cell as it stands in the sheet.
    marks : bool
        Whether single letters may be option marks (选项, 答案) or not (阅读文本).

    Returns
    -------
    str
        The repaired text.

    Examples
    --------
    >>> clean_text("Ａ．ＤＮА\u3000\u200b  的结构")
    'A.DNA 的结构'
    >>> clean_text("①他说：“１２％……”——")
    '①他说：“12%……”——'
    """
    if _SUSPECT.search(text):
        odd = set(_ODD.findall(text))
        for char in odd - _FULLWIDTH_RUN:
            text = text.replace(char, _TABLE[ord(char)] or "")
        if run := odd & _FULLWIDTH_RUN:
            text = _BRACKETED_RUN.sub(r"(\1)", text)
            text = _IN_RUN.sub(lambda match: FULLWIDTH[match[0]], text)
            for char in run:
                text = text.replace(char, FULLWIDTH[char])
        if not text.isascii() and _LOOKALIKE.search(text):
            text = _WORD.sub(lambda match: _repair_word(match, marks), text)
    if "_x00" in text:
        text = _ESCAPE.sub(_unescape, text)
    if "  " in text:
        text = _SPACE_RUN.sub(" ", text)
    if " \n" in text or "\n " in text or "\n\n" in text:
        text = _LINE_EDGE.sub("\n", text)
    return text.strip(" \n")


def _unescape(match: re.Match[str]) -> str:
    return {"09": " ", "0A": "\n", "0B": "\n", "0D": "\n"}.get(match[1], "")


def _repair_word(match: re.Match[str], marks: bool) -> str:
    """Return the word with its look-alike letters made Latin, where that is certain."""
    word = match[0]
    latin = sum(letter.isascii() for letter in word)
    strangers = sum(letter in LOOKALIKES for letter in word)
    if not strangers:
        return word
    if latin > 0 and latin + strangers == len(word):
        return _latinize(word)
    if marks and _OPTION_LETTERS.issuperset(word):
        following = _NEXT_WORD.match(match.string, match.end())
        # “В Москве” is Russian; “В. Москва” is option B
        russian = following and _is_foreign(following[1]) and match.string[match.end()] == " "
        return word if russian else _latinize(word)
    return word


def _latinize(word: str) -> str:
    return "".join(LOOKALIKES.get(letter, letter) for letter in word)


def _is_foreign(word: str) -> bool:
    return not re.search("[A-Za-z]", word) and not _OPTION_LETTERS.issuperset(word)


def census(texts: Iterable[object]) -> pd.DataFrame:
    """Count the characters that cleaning would have to look at.

    Parameters
    ----------
    texts : iterable of object
        The cells; those that are not text are passed over.

    Returns
    -------
    pandas.DataFrame
        Columns ``char``, ``code`` (``U+0410``), ``name`` (of the Unicode standard), ``kind``
        (Chinese), ``count``; one line a character, the most frequent first.

    Examples
    --------
    >>> census(["Ａ．甲\u3000乙"])[["code", "kind", "count"]].values.tolist()
    [['U+3000', '特殊空格', 1], ['U+FF0E', '全角符号', 1], ['U+FF21', '全角字母数字', 1]]
    """
    counts = Counter("".join(text for text in texts if isinstance(text, str)))
    found = [
        (char, f"U+{ord(char):04X}", unicodedata.name(char, "（无名称）"), kind, count)
        for char, count in counts.items()
        if (kind := _kind(char))
    ]
    found.sort(key=lambda line: (-line[4], line[1]))
    return pd.DataFrame(found, columns=["char", "code", "name", "kind", "count"], dtype=object).astype({"count": int})


def _kind(char: str) -> str | None:
    """Return what is odd about a character, or None."""
    if char in SPACES or char in INVISIBLE:
        return "零宽字符" if char in INVISIBLE else "特殊空格"
    if char in FULLWIDTH and char not in CHINESE_MARKS:
        return "全角字母数字" if FULLWIDTH[char].isalnum() else "全角符号"
    if char in LOOKALIKES:
        return "形近字母"
    if unicodedata.category(char) in ("Cc", "Cs") and char != "\n":
        return "控制字符"
    return None
