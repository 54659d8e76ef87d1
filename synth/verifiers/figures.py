"""Numbers of charts and documents: percent signs, magnitudes, currencies, years and what is counted, compared within a tolerance."""

import re
from dataclasses import replace

from synth.verifiers.numerals import MAGNITUDES, Numeral, close, numeral
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward
from synth.verifiers.typography import flat

NUMBER = "number"
LAST_QUESTION = 4000
"""Characters of a question that are read, counted from its end (ours)."""
YEARS = (1000, 3000)
"""Two integers from 1000 to 3000 are years, which are equal or wrong (GLM-V repo)."""

_ASKS_PERCENT = re.compile(r"percent|per cent|%|百分", re.I)
_ASKS_YEAR = re.compile(r"\b(?:which|what|in what|in which) years?\b|哪一?年|什么年|年份", re.I)
_UNIT_OF_SCALE = re.compile(
    r"(?:\b(?:in|of)|\()(?: (?:us|usd|dollars?|euros?|\$|€|£))? ?(thousand|million|billion|trillion)s?\b"
    rf"|({'|'.join(m for m in MAGNITUDES if m > '一')})元",
    re.I,
)
_MEASURE_WORDS = frozenset([*"个只辆条张本头匹位人次年岁件座棵朵名块颗支把台间家户项种层页", "in", "total", "years", "year", "old"])
"""Words behind a number that add nothing to it (ours)."""


def compare_figures(answer: str, truth: str, question: str, tolerance: float) -> Reward | None:
    """Hold two numbers against each other; None where one of them is no number.

    - Two integers from 1000 to 3000, or an answer to "which year": equal or wrong. Else ``tolerance`` is relative to the truth.
    - ``25`` and ``25%`` are the same; so are ``0.25`` and ``25%``, and ``0.25`` and ``0.25%`` are not, unless the question asks for a
      percentage: then every number is one.
    - A number without magnitude is in the magnitude that the question names ("in millions", 万元). Where it names none,
      ``3.5`` against ``3.5 million`` is ``undecided``.
    - Currencies differ or not; a missing one is no difference.
    - What is counted may be left out where the question names it; other units are ``undecided``.
    """
    found, true = numeral(answer), numeral(truth)
    if found is None or true is None:
        return None
    asked = flat(question[-LAST_QUESTION:])
    if found.currency and true.currency and found.currency != true.currency:
        return Reward(0.0, "currency", NUMBER)
    if not _same_thing(found, true, asked):
        return Reward(None, UNDECIDED, NUMBER)
    scale = _scale(asked)
    found, true, scaled = _scaled(found, true, scale)
    if _equal(found, true, asked, tolerance):
        return Reward(1.0, EQUAL, NUMBER)
    if not scaled and bool(found.power) != bool(true.power) and close(found.mantissa, true.mantissa, tolerance):
        return Reward(None, UNDECIDED, NUMBER)
    return Reward(0.0, DIFFERENT, NUMBER)


def _same_thing(found: Numeral, true: Numeral, asked: str) -> bool:
    one, other = (number.rest.casefold().strip(" .") for number in (found, true))
    return one == other or ((not one or _is_named(one, asked)) and (not other or _is_named(other, asked)))


def _is_named(rest: str, asked: str) -> bool:
    """Tell whether ``rest`` says no more than the question: each word stands there, in singular or plural, or is a measure word."""
    spoken = asked.casefold()
    known = set(re.findall(r"[a-z]+", spoken))
    known |= {word.removesuffix("s") for word in known} | {word.removesuffix("es") for word in known}
    words = re.findall(r"[a-z]+|[^\sa-z]+", rest)
    return all(
        word in _MEASURE_WORDS or word in known or word.removesuffix("s") in known or (not word.isascii() and _in_han(word, spoken))
        for word in words
    )


def _in_han(word: str, asked: str) -> bool:
    return word in asked or (word[0] in _MEASURE_WORDS and word[1:] in asked)


def _scale(asked: str) -> int:
    """Return the power of ten that a question says its numbers are in; 0 where it says none."""
    found = _UNIT_OF_SCALE.search(asked)
    return MAGNITUDES[(found.group(1) or found.group(2)).lower()] if found else 0


def _scaled(found: Numeral, true: Numeral, scale: int) -> tuple[Numeral, Numeral, bool]:
    """Return both numbers, the one without a magnitude in that of the question, and whether there was one to put."""
    if not scale or bool(found.power) == bool(true.power):
        return found, true, False
    return replace(found, power=found.power or scale), replace(true, power=true.power or scale), True


def _equal(found: Numeral, true: Numeral, asked: str, tolerance: float) -> bool:
    if _are_years(found, true) or _ASKS_YEAR.search(asked):
        return found.value == true.value
    if found.percent == true.percent or _ASKS_PERCENT.search(asked):
        return close(found.value, true.value, tolerance)
    return close(_fraction(found), _fraction(true), tolerance) or (abs(true.value) > 1 and close(found.value, true.value, tolerance))


def _fraction(number: Numeral):
    return number.value / 100 if number.percent else number.value


def _are_years(found: Numeral, true: Numeral) -> bool:
    low, high = YEARS
    return all(
        not number.percent and low <= number.value <= high and number.value == number.value.to_integral_value() for number in (found, true)
    )
