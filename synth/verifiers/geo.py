"""Places: the same levels by the same names, with aliases where the truth gives some; the rest to a judge (paper 5.2, Table 1)."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.gate import gate
from synth.verifiers.phrases import is_negation, phrase
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task

PLACE = "place"
LONGEST = 1000
"""Characters of a place with its aliases (ours)."""
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"})
_LEVELS = re.compile(r"[,\uff0c;\uff1b、/]")
_SIGNS = re.compile(r"[-'.()_ ]+")
_HAN_SUFFIX = re.compile(r"(?<=[\u4e00-\u9fff]{2})(?:特别行政区|自治区|省|市)$")
_ENGLISH_SUFFIX = re.compile(r"(?<=\w) (?:province|prefecture)$")
_AMBIGUOUS = frozenset({"吉林"})
"""Names of a province and of a city in it (ours)."""


@dataclass(frozen=True, slots=True)
class GeoVerifier:
    """Holds a place against the truth, binary: every level that the truth names, in any order, and none besides.

    The truth names levels with commas between them and aliases with ``|``: ``München|Munich, Germany``. Case, accents, articles
    and the endings 省 and 市 make no difference where one of the two lacks them. The GLM-V repo grants parts of a point for country,
    province and city; here a part of the truth is ``undecided``, and a coarser place cannot be told from an alias by rule.
    """

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; names that differ are ``undecided``, for a judge who knows the map."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if len(task.truth) > LONGEST:
            return gate(answer, task) or Reward(None, UNDECIDED, PLACE)
        levels = [[_place(alias) for alias in level.split("|")] for level in _LEVELS.split(task.truth) if level.strip()]
        if len(answer) <= 4 * len(task.truth) + 64 and (verdict := _compared(answer, levels)):
            return verdict
        if len(answer) <= 200 and is_negation(phrase(answer), phrase(task.truth)):
            return Reward(0.0, "negated", PLACE)
        return gate(answer, task) or Reward(None, UNDECIDED, PLACE)


def _compared(answer: str, levels: Sequence[Sequence[str]]) -> Reward | None:
    """Return ``equal`` where the answer is all levels, ``different`` where an ending of the same name differs; else None."""
    said = [_place(level) for level in _LEVELS.split(answer) if level.strip()]
    if not said or not levels:
        return None
    if _all_met(said, levels) or _in_a_row("".join(said), levels):
        return Reward(1.0, EQUAL, PLACE)
    if len(said) == len(levels) == 1 and any(_other_ending(said[0], alias) for alias in levels[0]):
        return Reward(0.0, DIFFERENT, PLACE)
    return None


def _all_met(said: Sequence[str], levels: Sequence[Sequence[str]]) -> bool:
    left = list(levels)
    for place in said:
        met = next((level for level in left if any(_same(place, alias) for alias in level)), None)
        if met is None:
            return False
        left.remove(met)
    return not left


def _in_a_row(said: str, levels: Sequence[Sequence[str]]) -> bool:
    """Tell whether ``said`` is the levels one after the other in the truth's order, as 中国四川省成都市 is."""
    rest = said.replace(" ", "")
    for level in levels:
        met = next((form for alias in level for form in (alias.replace(" ", ""), _bare(alias)) if rest.startswith(form)), None)
        if not met:
            return False
        rest = rest[len(met) :]
    return not rest


def _place(text: str) -> str:
    """Return a name without case, accents, articles and signs."""
    letters = unicodedata.normalize("NFKD", phrase(text).translate(_LETTERS))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter)).translate(_LETTERS)
    return _SIGNS.sub(" ", plain).strip()


def _bare(place: str) -> str:
    bare = _ENGLISH_SUFFIX.sub("", _HAN_SUFFIX.sub("", place))
    return place if bare in _AMBIGUOUS else bare


def _same(one: str, other: str) -> bool:
    return one == other or one in (_bare(other),) or other in (_bare(one),)


def _other_ending(one: str, other: str) -> bool:
    return one != other and _bare(one) == _bare(other) and _bare(one) not in (one, other)
