"""Answers as values: a number with its unit, an expression, a tuple, a set, an interval, a relation or words."""

import re
from dataclasses import dataclass
from fractions import Fraction

from synth.verifiers.expression import Expression, read
from synth.verifiers.maths_units import Unit, unit
from synth.verifiers.numerals import MAGNITUDES, in_words
from synth.verifiers.units import HAN

MOST_ITEMS, DEEPEST = 64, 4
"""Items of a list and brackets within brackets that are looked at (ours)."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An expression, what it is the value of, and its unit as written."""

    expression: Expression
    text: str
    label: str = ""
    unit: str = ""
    percent: bool = False
    factor: Fraction = Fraction(1)
    """What a word such as "million" or ``万`` multiplies it by."""

    def known(self) -> Unit | None:
        """Return the unit, None for one that is unknown."""
        return unit(self.unit)


@dataclass(frozen=True, slots=True)
class Group:
    r"""Several values. ``opening`` and ``closing`` are the brackets, empty for a bare list, ``\cup`` for a union."""

    opening: str
    closing: str
    items: tuple["Value", ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """An equation or inequality, both sides as one difference that is compared with 0."""

    sign: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Words:
    """Text that is no mathematics, in lower case."""

    text: str


Value = Quantity | Group | Relation | Words
LONGEST_QUANTITY = 256
"""Characters of a number with its unit (ours)."""
NAME = r"\\?[A-Za-z]{1,2}(?:_\{?\w{1,6}\}?|\([a-z]\)|')?|\\(?:angle|triangle) ?[A-Z]{1,4}"
_LABEL = re.compile(rf"({NAME})\s*(?:=|\\in\b|:)\s*(?=[^=])")
_PERCENT = re.compile(r"\s*(?:%|\b(?:percent|pct|per cent)\b)$")
_CHINESE_PERCENT = re.compile(r"百分之\s*(?=[\d.])")
_CURRENCY = re.compile(r"(-?)\s*([$¥€£])\s*(?=[\d.])")
_UNIT = re.compile(
    r"(?P<head>.*(?:[\d)}!]|\\pi))\s*(?:\\(?:text|mathrm|mbox|rm|textrm)\s*\{\s*(?P<set>[^{}]{1,40}?)\s*\}|(?P<spaced>(?<=[\d)}!]) "
    r"[A-Za-z°$µ]{1,2})|(?P<plain>\^\\circ ?C?|[A-Za-zµ\u4e00-\u9fff$€£¥°%][A-Za-zµ\u4e00-\u9fff /.]{0,39}?))"
    r"(?P<power>\s?\^\{?-?[1-4]\}?|(?<=m)[23])?(?P<per>\s?/\s?[A-Za-z\u4e00-\u9fff]{1,8}(?:\^\{?[1-4]\}?)?)?"
)
_MULTIPLIERS = {**{word: power for word, power in MAGNITUDES.items() if not word.isascii() or len(word) > 2}, "hundred": 2, "百": 2}
"""Words alone: one or two letters behind a number are variables."""
_NO_UNIT = re.compile(
    r"\b(?:not|no|isn|wrong|incorrect|false|squared|cubed|factorial|half|halves|thirds?|quarters?|fifths?|dozens?|hundreds?"
    r"|thousands?|millions?|billions?|choose|minus|plus|mod|times|percent|over|or|if|else|and|more|less|sin|cos|tan|log|ln|sqrt|pi"
    r"|import|is)\b"
    r"|[不非没无否错倍半减加乘除余方之百千万亿分点又]"
)
_SPECIAL = re.compile(r"不同|平方|立方|分米|千米|千克|百米|万元|分钟|千瓦|千牛|千焦")
_RELATION = re.compile(r"(<=|>=|\\le\b|\\ge\b|\\ne\b|<|>|=)")
_SIGNS = {"<=": "\\le", ">=": "\\ge"}
_BRACKET = re.compile(r"\\?[\[({]|\\?[\])}]")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\u0400-\u04ff]")
_THOUSANDS = re.compile(r"[-+$¥€£ ]{0,3}[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?: \d{3})+(?![\d])")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|textrm)\s*\{([^{}]*)\}")


def value(text: str, depth: int = 0) -> Value | None:
    """Return what ``text``, in the spelling of ``notation.standard``, stands for; None where that is not certain."""
    if not text or depth > DEEPEST:
        return None
    text = _grouped(text)
    parts = split(text)
    if len(parts) > 1:
        return _listed("", "", parts, depth)
    return _union(text, depth) or _bracketed(text, depth) or _plus_minus(text, depth) or _single(text, depth)


def _grouped(text: str) -> str:
    """Take the commas and spaces out of ``1,234,567`` and ``1 234 567`` where the text has no other commas."""
    thousands = _THOUSANDS.match(text)
    if thousands and "," not in text[thousands.end() :]:
        return thousands.group().replace(",", "") + text[thousands.end() :]
    return _SPACED.sub(lambda number: number.group().replace(" ", ""), text) if "," not in text else text


def split(text: str) -> list[str]:
    """Return the parts of ``text`` between commas and semicolons outside of brackets."""
    if "," not in text and ";" not in text:
        return [text]
    parts, start, depth = list[str](), 0, 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character in ",;":
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _listed(opening: str, closing: str, parts: list[str], depth: int) -> Group | None:
    if len(parts) > MOST_ITEMS:
        return None
    items: list[Value] = []
    for part in parts:
        item = value(part, depth + 1)
        if item is None or isinstance(item, Words):
            return None
        items += item.items if isinstance(item, Group) and not (item.opening or opening == "(") else [item]
    return Group(opening, closing, tuple(items))


def _union(text: str, depth: int) -> Group | None:
    if "\\cup" not in text:
        return None
    label = _LABEL.match(text)
    parts = [part.strip() for part in (text[label.end() :] if label else text).split("\\cup")]
    return _listed("\\cup", "", parts, depth) if all(parts) else None


def _bracketed(text: str, depth: int) -> Group | None:
    """Return a tuple, an interval or a set; one thing in round or square brackets is none."""
    label = _LABEL.match(text)
    inner = text[label.end() :] if label else text
    brackets = list(_BRACKET.finditer(inner))
    if len(brackets) < 2 or brackets[0].start() or brackets[-1].end() != len(inner) or not _encloses(inner):
        return None
    opening, closing = (bracket.group().removeprefix("\\") for bracket in (brackets[0], brackets[-1]))
    parts = split(inner[brackets[0].end() : brackets[-1].start()])
    if (len(parts) < 2 and opening != "{") or not parts:
        return None
    return _listed(opening, closing, parts, depth)


def _encloses(text: str) -> bool:
    """Tell whether the first bracket closes at the very end."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0 and character in ")]}":
            return at == len(text) - 1
    return False


def _plus_minus(text: str, depth: int) -> Group | None:
    if text.count("\\pm") != 1:
        return None
    sides = [value(text.replace("\\pm", sign), depth + 1) for sign in ("+", "-")]
    return Group("", "", tuple(side for side in sides if side is not None)) if all(isinstance(side, Quantity) for side in sides) else None


def _single(text: str, depth: int) -> Value | None:
    signs = _RELATION.findall(text)
    label = _LABEL.match(text)
    if label and len(signs) <= 1 and (signs in ([], ["="])):
        labelled = quantity(text[label.end() :].strip(), label.group(1))
        if labelled:
            return labelled
    if signs:
        return _interval(text, signs, depth) or _relation(text, signs)
    return quantity(text) or _words(text)


def quantity(text: str, label: str = "") -> Quantity | None:
    """Return ``text`` as an expression with what stands around it: a currency, a percent sign, a unit."""
    body = _CHINESE_PERCENT.sub("", text)
    percent = _PERCENT.search(body)
    if percent or body != text:
        body = body[: percent.start()] if percent else body
        expression = read(body)
        return Quantity(expression, body, label, percent=True) if expression else None
    currency = _CURRENCY.match(text)
    if currency:
        expression = read(currency.group(1) + text[currency.end() :])
        return Quantity(expression, text, label, currency.group(2)) if expression else None
    expression = read(text)
    if expression and not expression.variables and expression.node[0] != "deg":
        return Quantity(expression, text, label)
    measured = _with_unit(text, label)
    if expression and not (measured and _measures(text, measured)):
        return Quantity(expression, text, label)
    return measured


def _measures(text: str, measured: Quantity) -> bool:
    """Tell whether letters that may be variables are a unit: a known one, of two letters or apart from its number (``5 m``)."""
    return measured.known() is not None and (len(measured.unit) > 1 or text.endswith(" " + measured.unit))


def _with_unit(text: str, label: str) -> Quantity | None:
    match = _UNIT.fullmatch(text) if len(text) <= LONGEST_QUANTITY else None
    if match is None:
        return None
    name = (match["set"] or match["spaced"] or match["plain"] or "").strip(" .")
    head, factor, name = _multiplied(match["head"].strip(), name)
    expression = read(head)
    whole = name + (match["power"] or "") + (match["per"] or "")
    known = bool(whole) and unit(whole) is not None
    if expression is None or expression.variables or (not known and _NO_UNIT.search(_SPECIAL.sub("", name))):
        return None
    if not known and (len(name.split()) > 3 or (name.isascii() and 0 < len(name) < 3)):
        return None
    return Quantity(expression, head, label, whole.strip(), factor=factor)


def _multiplied(head: str, name: str) -> tuple[str, Fraction, str]:
    for word, power in _MULTIPLIERS.items():
        if name.startswith(word) and name not in HAN:
            return head, Fraction(10) ** power, name.removeprefix(word + "s").removeprefix(word).strip()
    return head, Fraction(1), name


def _interval(text: str, signs: list[str], depth: int) -> Group | None:
    """Return the interval of an inequality of one variable and constants."""
    sides = [side.strip() for side in _RELATION.split(text)[::2]]
    names = [re.fullmatch(r"\\?[A-Za-z]+", side) is not None and not side.startswith(("\\infty", "\\pi")) for side in sides]
    kinds = {_SIGNS.get(sign, sign) for sign in signs}
    if names.count(True) != 1 or not (kinds <= {"<", "\\le"} or kinds <= {">", "\\ge"}):
        return None
    if kinds <= {">", "\\ge"}:
        sides, signs, names = sides[::-1], ["<" if sign == ">" else "\\le" for sign in reversed(signs)], names[::-1]
    low_sign = signs[0] if not names[0] else "<"
    high_sign = signs[-1] if not names[-1] else "<"
    ends = [value(side, depth + 1) for side in (sides[0] if not names[0] else "-\\infty", sides[-1] if not names[-1] else "\\infty")]
    if len(sides) != len(signs) + 1 or (len(sides) == 3 and not names[1]) or len(sides) > 3:
        return None
    if not all(isinstance(end, Quantity) and not end.expression.variables for end in ends):
        return None
    return Group("(" if low_sign == "<" else "[", ")" if high_sign == "<" else "]", tuple(end for end in ends if end is not None))


def _relation(text: str, signs: list[str]) -> Relation | None:
    if len(signs) != 1:
        return None
    left, right = (read(side.strip()) for side in _RELATION.split(text)[::2])
    return Relation(_SIGNS.get(signs[0], signs[0]), left, right) if left and right else None


def _words(text: str) -> Value | None:
    bare = _TEXT.sub(r" \1 ", text)
    spelled = in_words(bare.strip())
    if spelled and not spelled[1]:
        return quantity(str(spelled[0]))
    if not _WORD.search(bare) or "\\" in bare:
        return None
    return Words(" ".join(bare.casefold().split()).strip(" .'\""))
