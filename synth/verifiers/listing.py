"""Answers as lists: where a text falls into parts, and whether a list is given where one answer was asked for."""

import re
import unicodedata

INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_SPACES = re.compile(r"\s+")
_THIN = re.compile(r"\\[,;!:]|\{,\}|\\(?:text|mathrm|textbf|mathbf|quad|qquad)\b ?")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:,\d{3})+)(?![\d,])")
_MIXED = re.compile(r"(?<!\d)(\d{1,12}) and (?:a |an |one |two |three )?(\d{1,12}/\d{1,12}|half|third|quarter|fifth|eighth)")
_SEPARATOR = re.compile(r"[,;，；、\n]|\band\b|&|\bas well as\b|和|与|以及|及| y | und | et ")
_OPEN, _CLOSE = "([{（【《", ")]}）】》"
_WRAPPED = re.compile(r"\s*(?:\\?\{|\[|\()(.*?)(?:\\?\}|\]|\))\s*")
_VALUE = re.compile(
    r"(?:[a-z]\w{0,3} ?= ?)?[-+−±$¥€£~≈ ]*(?:\d|\.\d|\\[a-z]|√|π|∞|[⅐-⅞¼-¾])[^=]{0,40}|[零〇一二三四五六七八九十百千万两负]{1,12}"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_NUMBERS_IN_A_ROW = re.compile(r"[-+−]?\d[\d.]*(?: [-+−]?\d[\d.]*)+")
_SPACED_THOUSANDS = re.compile(r"[-+−]?\d{1,3}(?: \d{3})+(?:[.,]\d+)?")
_LETTERS = re.compile(r"[a-j]{2,10}")
LONGEST_LISTED_WORDS = 4
"""Words of a listed answer; what is longer is a clause of a sentence (ours)."""


def plain(text: str) -> str:
    """Return ``text`` as rules read it: compatibility forms folded, invisible characters gone, lower case, single spaces.

    Only for rules that look for words: folding makes ``x²`` and ``x2`` one.
    """
    folded = unicodedata.normalize("NFKC", INVISIBLE.sub("", text)).casefold()
    return _SPACES.sub(lambda space: "\n" if "\n" in space.group() else " ", folded).strip()


def items(text: str) -> list[str]:
    """Return the parts of ``text``, split at commas, semicolons, new lines and "and" outside of brackets.

    The comma of ``1,000`` and the "and" of ``5 and 1/2`` split nothing. One pair of brackets around everything is looked into.
    """
    flat = _MIXED.sub(r"\1 \2", _THOUSANDS.sub(lambda number: number.group().replace(",", ""), _THIN.sub("", text)))
    parts = _outside_brackets(flat)
    if len(parts) > 1:
        return parts
    inner = _WRAPPED.fullmatch(flat)
    return _outside_brackets(inner.group(1)) if inner else parts


def _outside_brackets(text: str) -> list[str]:
    """Return the non-empty parts between separators at depth 0; a bracket that closes nothing counts for nothing."""
    depths: list[int] = []
    depth = 0
    for character in text:
        depth = depth + 1 if character in _OPEN else max(depth - 1, 0) if character in _CLOSE else depth
        depths.append(depth)
    parts: list[str] = []
    start = 0
    for separator in _SEPARATOR.finditer(text):
        if depths[separator.start()] == 0:
            parts.append(text[start : separator.start()])
            start = separator.end()
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def lists_several(said: str, truth: str) -> bool:
    """Tell whether ``said`` lists several answers and ``truth``, both ``plain``, is one.

    For a number that is two values or more; for words the truth among others, or three short parts or more, so that
    ``Paris, France`` is no answer where the truth is ``Paris``. Choice letters in a row (``abcd``) are a list too.
    """
    if len(items(truth)) > 1 or "±" in truth or "\\pm" in truth:
        return False
    if len(truth) == 1 and truth.isalpha() and _LETTERS.fullmatch(said):
        return True
    if any(character.isdigit() for character in truth) and _decimal_comma(said, truth):
        return False
    parts = _distinct(items(said))
    if _number(truth):
        return sum(map(_is_value, parts)) > 1 or _row_of_numbers(said)
    return (len(parts) > 1 and _shotgun(parts, truth)) or _slashed(said, truth)


def _distinct(parts: list[str]) -> list[str]:
    return list(dict.fromkeys(part.strip(" .!。'\"") for part in parts))


def _number(text: str) -> bool:
    return bool(_VALUE.fullmatch(text)) and any(character.isdigit() for character in text)


def _is_value(part: str) -> bool:
    return bool(_VALUE.fullmatch(part)) and len(_WORD.findall(part)) <= 2


def _row_of_numbers(said: str) -> bool:
    return bool(_NUMBERS_IN_A_ROW.fullmatch(said)) and not _SPACED_THOUSANDS.fullmatch(said)


def _decimal_comma(said: str, truth: str) -> bool:
    return said.count(",") == 1 and said.replace(",", ".") == truth


def _shotgun(parts: list[str], truth: str) -> bool:
    listed = [part for part in parts if len(part.split()) <= LONGEST_LISTED_WORDS]
    return truth in listed or len(listed) > 2


def _slashed(said: str, truth: str) -> bool:
    parts = [part.strip() for part in re.split(r"[/|]", said)]
    return len(parts) > 1 and truth in parts
