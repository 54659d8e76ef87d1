"""Counting: one whole number, in digits or words, and nothing that adds another (paper 5.2)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from synth.verifiers.gate import gate
from synth.verifiers.numerals import Numeral, has_number, numeral
from synth.verifiers.phrases import phrase
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task

COUNT = "count"
LONGEST = 120
"""Characters of a count with the words around it (ours)."""

_BEFORE = re.compile(
    r"(?:there (?:is|are|were|was)|it is|i (?:can )?(?:see|count)|the (?:answer|count|total)(?: number)? is|answer:|total:?"
    r"|a total of|in total,?|exactly) "
)
_HAN_BEFORE = re.compile(r"(?:(?:图片?|画面|照片|图像)(?:中|里|上)?|这里|答案是?|总共|一共|共计?|总计|合计|有|是|:|,)+")
_INEXACT = re.compile(r"[/~≈]|约|\b(?:about|approximately|around|roughly)\b", re.I)
_NONE = re.compile(r"(?:none|zero|nothing|no [a-z]+(?: [a-z]+){0,3}|没有[\u4e00-\u9fff]{0,6}|无)")
_NOUN = re.compile(
    r"(?!(?:and|or|plus|minus|to|percent|per|th|st|nd|rd)\b)(?:[a-z]+(?: (?!(?:and|or|plus|minus|but)\b)[a-z]+){0,7})|[\u4e00-\u9fff]{1,12}"
)
_OTHER = re.compile(r"[一二三四五六七八九十百千万亿几多余和或与及约至到以上下]")


@dataclass(frozen=True, slots=True)
class CountingVerifier:
    """Holds a count against the truth: ``3``, ``three``, ``3 cars``, "There are 3 cars.", 三辆车.

    Two numbers are ``several`` and wrong, whichever is right; a number that no whole thing has, such as ``3%`` or ``3rd``, is wrong.
    """

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; ``undecided`` only where the truth is no whole number."""
        true = count(task.truth)
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if true is None:
            return Reward(None, UNDECIDED, "truth")
        found = count(answer)
        if found is not None:
            return Reward(float(found == true), EQUAL if found == true else DIFFERENT, COUNT)
        if rejected := gate(answer, task):
            return rejected
        return Reward(0.0, "format" if has_number(answer) else "no_number", COUNT)


def count(text: str) -> Decimal | None:
    """Return the one number that ``text`` says among a noun and a few words; None where it says none, a fraction, about one, or more."""
    if len(text) > LONGEST or _INEXACT.search(text):
        return None
    said = phrase(text)
    if _NONE.fullmatch(said) and not has_number(said.removeprefix("zero")):
        return Decimal(0)
    said = _HAN_BEFORE.sub("", _BEFORE.sub("", said, count=1), count=1) if not said[:1].isdigit() else said
    found = numeral(said)
    return found.value if found and _is_whole(found) and _adds_nothing(found.rest) else None


def _is_whole(found: Numeral) -> bool:
    return not found.percent and not found.currency and found.value == found.value.to_integral_value()


def _adds_nothing(rest: str) -> bool:
    return not rest or (bool(_NOUN.fullmatch(rest)) and not _OTHER.search(rest))
