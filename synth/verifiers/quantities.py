"""Quantities: a number with its unit, equal after conversion unless the question asks for a unit of its own."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from synth.verifiers.numerals import in_words, leading
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward
from synth.verifiers.typography import flat
from synth.verifiers.units import Unit, unit

QUANTITY = "quantity"
LONGEST = 200
"""Characters of a quantity (ours)."""
LAST_QUESTION = 4000
"""Characters of a question that are searched for a unit, counted from its end (ours)."""

_LABEL = re.compile(r"(?:[A-Za-zα-ωΑ-Ω\\][A-Za-z0-9α-ω\\]{0,11}|[\u4e00-\u9fff]{1,6}) ?[=≈:] ?")
_ABOUT = re.compile(r"(?:≈|约为?|大约|about |approximately )\s*", re.I)
_UNIT_TEXT = r"([A-Za-zΩμ°Å%\u4e00-\u9fff][A-Za-zΩμ°Å%\u4e00-\u9fff0-9/·^*() \-]{0,40})"
_CUES = re.compile(
    r"(?:\bin(?: units of)?|\bhow many|\binto|\bexpressed in|\(in|\(|\bunits?:|多少个?|单位(?:是|为|:)?|换算(?:成|为)|用|以)"
    rf" ?{_UNIT_TEXT}",
    re.I,
)
_BLANK = re.compile(r"_{2,}|\(\s{0,8}\)|\uff08\s{0,8}\uff09")
"""A gap to fill in, after which a unit may stand: ``1 kg = ____ g``."""
_CHANGE = re.compile(r"\b(?:change|rise|increase|decrease|drop|difference|risen|fallen|raised by)\b|变化|升高|降低|温差|上升了?|下降", re.I)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and the unit behind it."""

    value: Decimal
    unit_text: str
    """The unit as it stands, ``flat``; empty where there is none."""
    unit: Unit | None
    """None where there is none, or where nobody knows it."""


@lru_cache(maxsize=4096)
def quantity(text: str) -> Quantity | None:
    """Return the quantity that ``text`` is, with or without a label such as ``v =``; None where it starts with no number."""
    if len(text) > LONGEST:
        return None
    plain = flat(text).lstrip(" \"'").rstrip(" .。!\"'")
    plain = _ABOUT.sub("", _LABEL.sub("", plain, count=1) if _LABEL.match(plain) else plain, count=1)
    found = leading(plain) or in_words(plain)
    return Quantity(found[0], found[1], unit(found[1])) if found else None


def compare_quantities(answer: str, truth: str, question: str, tolerance: float) -> Reward | None:
    """Hold two quantities against each other; None where one of them is none, or both have units that nobody knows.

    - Both have a unit: equal after conversion, within ``tolerance`` times the truth. A unit of another dimension is wrong (``unit``).
    - The question asks for a unit: units but that one and the truth's are wrong, however equal the quantity (GLM-V repo's judge cases).
    - The unit is missing where the truth has one: ``no_unit``, unless the question asks for it. ``0.8`` is ``80%``.
    - The truth has none: a unit the question asks for is allowed; any other is ``undecided`` where the number is right.
    """
    found, true = quantity(answer), quantity(truth)
    if found is None or true is None:
        return None
    asked = asked_unit(question, true.unit)
    if not found.unit_text or not true.unit_text:
        return _one_without(found, true, asked, tolerance)
    if found.unit is None or true.unit is None:
        return _unknown(found, true, tolerance)
    if found.unit.dimension != true.unit.dimension or (found.unit.angle != true.unit.angle and not found.unit.dimension):
        return Reward(0.0, "unit", QUANTITY)
    if asked and not (found.unit.same_size(asked) or found.unit.same_size(true.unit)):
        return Reward(0.0, "unit", QUANTITY)
    if _near(_converted(found.value, found.unit, true.unit), float(true.value), tolerance):
        return Reward(1.0, EQUAL, QUANTITY)
    is_step = found.unit.offset != true.unit.offset and _CHANGE.search(question[-LAST_QUESTION:])
    return Reward(None, UNDECIDED, QUANTITY) if is_step else Reward(0.0, DIFFERENT, QUANTITY)


def _one_without(found: Quantity, true: Quantity, asked: Unit | None, tolerance: float) -> Reward:
    equal = _near(float(found.value), float(true.value), tolerance)
    if not found.unit_text and not true.unit_text:
        return _told(equal)
    shares = [_share(part) for part in (found, true)]
    if shares[0] is not None and shares[1] is not None and not asked:
        return _told(_near(shares[0], shares[1], tolerance))
    if true.unit_text and not (asked and true.unit):
        return Reward(0.0, "no_unit", QUANTITY)
    if asked and true.unit:
        return _told(_near(float(found.value), _converted(true.value, true.unit, asked), tolerance))
    if asked and found.unit:
        return _told(equal) if found.unit.same_size(asked) else Reward(0.0, "unit", QUANTITY)
    return Reward(None, UNDECIDED, QUANTITY) if equal else Reward(0.0, DIFFERENT, QUANTITY)


def _share(part: Quantity) -> float | None:
    """Return the plain number that a number or a percentage is; None for a quantity with any other unit."""
    if not part.unit_text:
        return float(part.value)
    return float(part.value) * part.unit.factor if part.unit and not part.unit.dimension and not part.unit.angle else None


def _unknown(found: Quantity, true: Quantity, tolerance: float) -> Reward | None:
    if _spelling(found.unit_text) == _spelling(true.unit_text):
        return _told(_near(float(found.value), float(true.value), tolerance))
    return None


def _spelling(text: str) -> str:
    return re.sub(r"[\s.]", "", text)


def _told(equal: bool) -> Reward:
    return Reward(float(equal), EQUAL if equal else DIFFERENT, QUANTITY)


def _near(found: float, true: float, tolerance: float) -> bool:
    return abs(found - true) <= max(tolerance, 1e-12) * abs(true)


def _converted(value: Decimal, one: Unit, other: Unit) -> float:
    """Return ``value`` of ``one`` in ``other``. The same unit converts without rounding."""
    if one == other:
        return float(value)
    return (float(value) * one.factor + one.offset - other.offset) / other.factor


@lru_cache(maxsize=4096)
def asked_unit(question: str, like: Unit | None) -> Unit | None:
    """Return the last unit that ``question`` asks for ("in km/h", 多少克, "how many grams").

    It is of the dimension of ``like``, or any where that is None.
    """
    asked = flat(_BLANK.sub(" in ", question[-LAST_QUESTION:]))
    found: Unit | None = None
    for cue in _CUES.finditer(asked):
        named = _longest_unit(cue.group(1))
        if named and (like is None or (named.dimension == like.dimension and named.angle == like.angle)):
            found = named
    return found


def _longest_unit(text: str) -> Unit | None:
    """Return the unit that the longest start of ``text`` names, cut between words, or anywhere between Han characters and signs."""
    for end in range(len(text), 0, -1):
        cuts_word = end < len(text) and text[end].isascii() and text[end].isalnum() and text[end - 1].isascii() and text[end - 1].isalnum()
        if not cuts_word and text[end - 1] != " " and (named := unit(text[:end])):
            return named
    return None
