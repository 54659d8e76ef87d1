"""Where things are: relations by their axes, distances with units, counts and names (paper 5.2, Table 1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.chart import compare_values
from synth.verifiers.gate import gate
from synth.verifiers.parts import compare_parts, is_list
from synth.verifiers.phrases import SHORT, compare_phrases, phrase
from synth.verifiers.quantities import compare_quantities, quantity
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task, Verifier

RELATION = "relation"
LONGEST = 120
"""Characters of a relation with the things around it (ours)."""

_WORDS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("left", "左"), ("x", -1)),
    **dict.fromkeys(("right", "右"), ("x", 1)),
    **dict.fromkeys(("above", "upper", "top", "up", "over", "higher", "上", "高于"), ("y", 1)),
    **dict.fromkeys(("below", "lower", "bottom", "down", "under", "underneath", "beneath", "下", "低于"), ("y", -1)),
    **dict.fromkeys(("in front", "front", "ahead", "forward", "前"), ("z", 1)),
    **dict.fromkeys(("behind", "back", "rear", "backward", "in back", "at the back", "后", "背后"), ("z", -1)),
    **dict.fromkeys(("inside", "within", "in", "into", "里", "内", "中"), ("inside", 1)),
    **dict.fromkeys(("outside", "out", "外"), ("inside", -1)),
    **dict.fromkeys(("on", "on top", "atop"), ("on", 1)),
    **dict.fromkeys(("near", "close", "closer", "nearer", "近", "附近"), ("near", 1)),
    **dict.fromkeys(("far", "farther", "further", "far away", "远"), ("near", -1)),
    **dict.fromkeys(("north", "n", "北"), ("north", 1)),
    **dict.fromkeys(("south", "s", "南"), ("north", -1)),
    **dict.fromkeys(("east", "e", "东"), ("east", 1)),
    **dict.fromkeys(("west", "w", "西"), ("east", -1)),
    **dict.fromkeys(("clockwise", "顺时针"), ("turn", 1)),
    **dict.fromkeys(("counterclockwise", "anticlockwise", "counter-clockwise", "anti-clockwise", "逆时针"), ("turn", -1)),
    **dict.fromkeys(("beside", "next to", "alongside", "adjacent to", "旁", "旁边"), ("beside", 1)),
    **dict.fromkeys(("between", "之间"), ("between", 1)),
}
"""Words of relations, each with its axis and its side of it (ours)."""

_COMPASS = re.compile(r"(north|south)[- ]?(east|west)|([ns])([ew])")
_PLACES = r"left|right|top|bottom|upper|lower|front|back|rear|north|south|east|west|far|inside|outside"
_FILLER = re.compile(
    r"(?:(?:it|they|he|she)(?:'s| is| are) )?(?:located |positioned |facing |pointing )?"
    rf"(?:(?:to|at|in|towards?|from)\b (?:the |its )?(?={_PLACES})|on the (?={_PLACES}))?"
)
_NAMES = "|".join(sorted((re.escape(word) for word in _WORDS if word.isascii() and len(word) > 1), key=len, reverse=True)) + "|[nsew]"
_ENGLISH = re.compile(
    rf"(?P<words>{_NAMES})(?:[- ](?P<second>left|right|above|below|behind|front|back|top|bottom))?"
    r"(?:(?: hand|-hand)? (?:side|corner|part|direction|area|end))?"
    r"(?P<link> (?:of|to|from|than))?(?: (?:the |an? |its )?(?P<thing>[a-z]+(?: [a-z]+){0,4}))?"
)
_HAN = re.compile(
    r"(?:它)?(?P<start>位于|处于|朝向?|向|在)?(?P<thing>[\u4e00-\u9fff]{0,12}?)的?(?P<words>[左右上下前后里内外中东西南北]{1,2}|旁边?|附近|之间|顺时针|逆时针|背后)"
    r"(?P<end>方向|方|边|面|侧|角|部|处|头)?"
)
_NEGATED = re.compile(r"(?:it(?:'s| is) )?not |不|没")
_NOT_THINGS = frozenset(
    ("and", "or", "not", "nor", "but", "either", "isn't", *(word for word in _WORDS if word.isascii() and len(word) > 2))
)
_PREPOSITIONS = frozenset(
    (
        "above",
        "over",
        "below",
        "under",
        "underneath",
        "beneath",
        "behind",
        "inside",
        "within",
        "in",
        "outside",
        "on",
        "near",
        "beside",
        "next to",
        "between",
    )
)
"""Words that a thing follows without "of" or "to": "above the table", but "the right option" is no place."""
SIDES, COMPASS = frozenset({"x", "y", "z"}), frozenset({"north", "east"})
"""Axes of what is seen, and of the map."""
Relation = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SpatialVerifier:
    """Holds a relation, a distance, a number or a name against the truth.

    Relations are places on axes, such as left to right, below to above, behind to front, and the compass; "upper left" has two.
    The same axes and sides are equal, an opposite one is ``different``, more or fewer are ``undecided``. What the relation is to
    may be left out; where both name it and differ, they are ``undecided``.
    """

    distance_tolerance: float = 2.5e-2
    """Of quantities with a unit, relative to the truth (that of charts; ours, the paper names none)."""
    tolerance: float = 1e-6
    """Of bare numbers, relative to the truth (as maths in the GLM-V repo)."""
    maths: Verifier | None = None
    """Asked where no rule decides; None leaves that ``undecided``."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; ``undecided`` where words may mean the same."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if len(answer) <= SHORT and (verdict := compare_relations(answer, task.truth) or compare_phrases(answer, task.truth)):
            return verdict
        if rejected := gate(answer, task):
            return rejected
        if is_list(task.truth):
            return compare_parts(
                answer, task.truth, task.question, lambda one, other: compare_values(one, other, task.question, self.tolerance)
            )
        if verdict := self._distance(answer, task):
            return verdict
        found = compare_values(answer, task.truth, task.question, self.tolerance)
        return self.maths(answer, task) if found.value is None and self.maths else found

    def _distance(self, answer: str, task: Task) -> Reward | None:
        found, true = quantity(answer), quantity(task.truth)
        if found is None or true is None or not (found.unit or true.unit or _is_measured(answer, task)):
            return None
        return compare_quantities(answer, task.truth, task.question, self.distance_tolerance)


def _is_measured(answer: str, task: Task) -> bool:
    """Tell whether bare numbers are distances: the truth has decimals, and the question asks how far or how large."""
    is_far = re.search(
        r"\b(?:distance|how (?:far|long|tall|wide|high|deep|large|big)|height|width|length|size|depth|area)\b|距离|多[远长高宽大]",
        task.question,
        re.I,
    )
    return bool(is_far) and "." in task.truth + answer


def compare_relations(answer: str, truth: str) -> Reward | None:
    """Hold two relations against each other; None where one of them is no relation."""
    one, other = relation(answer), relation(truth)
    if other and (negation := _NEGATED.match(phrase(answer))) and relation(phrase(answer)[negation.end() :]) == other:
        return Reward(0.0, "negated", RELATION)
    if one is None or other is None:
        return None
    (found, thing), (true, true_thing) = one, other
    if thing and true_thing and thing != true_thing:
        return Reward(None, UNDECIDED, RELATION)
    if any(found.get(axis, side) != side for axis, side in true.items()) or _exclude(found, true):
        return Reward(0.0, DIFFERENT, RELATION)
    return Reward(1.0, EQUAL, RELATION) if found == true else Reward(None, UNDECIDED, RELATION)


def _exclude(one: Relation, other: Relation) -> bool:
    """Tell whether two relations that contradict each other on no axis differ all the same: north and northeast, left and above."""
    axes = one.keys() | other.keys()
    return (axes <= COMPASS and one != other) or (axes <= SIDES and not one.keys() & other.keys())


def relation(text: str) -> tuple[Relation, str] | None:
    """Return the axes and sides that ``text`` names, and the thing that they are seen from; None where it is more than one relation."""
    if len(text) > LONGEST:
        return None
    said = phrase(text)
    if compass := _COMPASS.fullmatch(said):
        return dict(_WORDS[part] for part in compass.groups() if part), ""
    if found := _HAN.fullmatch(said):
        axes = _axes([found["words"]] if found["words"] in _WORDS else list(found["words"]))
        is_whole = bool(not found["thing"] or found["start"] or found["end"])
    elif found := _ENGLISH.fullmatch(_FILLER.sub("", said, count=1)):
        axes = _axes([word for word in (found["words"], found["second"]) if word])
        is_whole = bool(not found["thing"] or found["link"] or found["words"] in _PREPOSITIONS)
    else:
        return None
    thing = found["thing"] or ""
    is_clean = not _NOT_THINGS & set(thing.split()) and not re.search(r"[不没非或和左右上下]", thing)
    return (axes, thing) if axes and is_whole and is_clean else None


def _axes(words: list[str]) -> Relation | None:
    """Return axis and side of each word; None where one is no relation, or two exclude each other."""
    axes: dict[str, int] = {}
    for word in words:
        if word not in _WORDS:
            return None
        axis, side = _WORDS[word]
        if axes.setdefault(axis, side) != side:
            return None
    return axes
