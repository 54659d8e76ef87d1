"""Whether two values agree: certain either way, or not decided here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from zlib import crc32

from synth.verifiers.evaluation import Evaluation, NoValue
from synth.verifiers.expression import Expression
from synth.verifiers.values import Group, Quantity, Relation, Value, Words

POINTS = 3
"""Points at which expressions with variables are compared (ours). Different ones of degree d agree at one by a chance of d in 1,990."""
EQUAL_TO, DIFFERENT_BY = 1e-10, 1e-7
"""Relative differences up to which floating point calls two equal, and from which different; between them it does not say (ours)."""
NOISE = 1e-11
"""Share of the largest number on the way that rounding may have left (ours)."""
DEGREE = Fraction(math.pi) / 180
ZERO = 1e-6
"""Added to the truth's size, so that a tolerance at 0 is one at all (GLM-V's released reward system)."""

_AFFIRMED = frozenset(["yes", "true", "correct", "right", "是", "是的", "对", "正确", "真", "能", "可以", "成立"])
_DENIED = frozenset(
    ["no", "false", "incorrect", "wrong", "否", "不是", "不", "错", "错误", "假", "不能", "不可以", "不成立", "不对", "不正确"]
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Compares a truth with an answer. ``tolerance`` is relative; ``ordered`` says whether a bare list has an order."""

    tolerance: float = 1e-6
    ordered: bool = False

    def of(self, truth: Value, answer: Value) -> bool | None:
        """Return whether the two agree, None where that is not certain."""
        match truth, answer:
            case Quantity(), Quantity():
                return self._quantities(truth, answer)
            case Group(), Group():
                return self._groups(truth, answer)
            case Relation(), Relation():
                return _relations(truth, answer)
            case Words(), Words():
                return _words(truth.text, answer.text)
            case Group(opening="{", items=(only,)), Quantity():
                return self.of(only, answer)
            case Quantity(), Group(opening="{", items=(only,)):
                return self.of(truth, only)
            case Quantity(), Group():
                return None if truth.expression.variables else False
            case Group(), Quantity():
                return None if answer.expression.variables else False
            case _:
                return None

    def _quantities(self, truth: Quantity, answer: Quantity) -> bool | None:
        if truth.label and answer.label and truth.label != answer.label:
            return None
        if truth.percent != answer.percent:
            return self._either(self._scaled(truth, answer, Fraction(1)), self._percent(truth, answer))
        if truth.unit and answer.unit and truth.unit != answer.unit:
            return self._units(truth, answer)
        if bool(truth.unit) != bool(answer.unit) and (_in_degrees(truth, answer) or _in_degrees(answer, truth)):
            return self._scaled(truth, answer, DEGREE if answer.unit else 1 / DEGREE)
        return self._scaled(truth, answer, Fraction(1))

    def _percent(self, truth: Quantity, answer: Quantity) -> bool | None:
        return self._scaled(truth, answer, Fraction(1, 100) if answer.percent else Fraction(100))

    @staticmethod
    def _either(one: bool | None, other: bool | None) -> bool | None:
        return True if one or other else False if one is False and other is False else None

    def _units(self, truth: Quantity, answer: Quantity) -> bool | None:
        """Two units as written: other dimensions differ, known ones are converted, an unknown one with the same number is for a judge."""
        one, other = truth.known(), answer.known()
        if one and other:
            return self._scaled(truth, answer, other.factor / one.factor) if one.dimensions == other.dimensions else False
        same = self._scaled(truth, answer, Fraction(1))
        alike = truth.unit.casefold().removesuffix("s") == answer.unit.casefold().removesuffix("s")
        return same if alike or not same else None

    def _scaled(self, truth: Quantity, answer: Quantity, factor: Fraction) -> bool | None:
        """Compare the values, the answer's multiplied by ``factor``, at points that depend on the names of the variables alone."""
        one, other = truth.expression, answer.expression
        verdicts = [self._at(truth, answer, factor, _point(one.variables | other.variables, number)) for number in range(POINTS)]
        if not (one.variables or other.variables):
            return verdicts[0]
        decided = [verdict for verdict in verdicts if verdict is not None]
        if len(decided) == POINTS and all(decided):
            return True
        return False if decided and not any(decided) else None

    def _at(self, truth: Quantity, answer: Quantity, factor: Fraction, point: dict[str, Fraction]) -> bool | None:
        here, there = Evaluation(point), Evaluation(point)
        try:
            one, other = here.of(truth.expression.node) * truth.factor, there.of(answer.expression.node) * answer.factor * factor
        except (NoValue, OverflowError):
            return None
        if isinstance(one, int | Fraction) and isinstance(other, int | Fraction) and one == other:
            return True
        rounded = truth.expression.decimal or answer.expression.decimal
        if rounded:
            return _within(one, other, self.tolerance) and _rounds(truth.expression, answer.expression, one, other)
        if isinstance(one, int | Fraction) and isinstance(other, int | Fraction):
            return False
        return _close(complex(one), complex(other), max(here.scale, there.scale))

    def _groups(self, truth: Group, answer: Group) -> bool | None:
        brackets, others = (truth.opening, truth.closing), (answer.opening, answer.closing)
        if brackets == others:
            return (
                self._in_order(truth.items, answer.items)
                if truth.opening in ("(", "[") or self._has_order(truth, answer)
                else self._sets(truth, answer)
            )
        loose = {truth.opening, answer.opening}
        if loose == {"", "{"}:
            return self._sets(truth, answer)
        if loose == {"", "("} and "]" not in (truth.closing, answer.closing):
            return self._in_order(truth.items, answer.items)
        if loose == {"", "\\cup"} and all(isinstance(item, Group) for item in (*truth.items, *answer.items)):
            return self._sets(truth, answer)
        if loose <= {"(", "["} and len(truth.items) == len(answer.items) == 2:
            return False
        return None

    def _has_order(self, truth: Group, answer: Group) -> bool:
        """Tell whether a bare list has an order: where it is asked for, and where its items have names of their own."""
        if truth.opening:
            return False
        names = [{item.label for item in group.items if isinstance(item, Quantity)} for group in (truth, answer)]
        return self.ordered or any(len(labels - {""}) > 1 for labels in names)

    def _in_order(self, truth: Sequence[Value], answer: Sequence[Value]) -> bool | None:
        if _named(truth) and _named(answer):
            truth, answer = sorted(truth, key=_label), sorted(answer, key=_label)
        if len(truth) != len(answer):
            return False
        verdicts = [self.of(one, other) for one, other in zip(truth, answer, strict=True)]
        return False if False in verdicts else None if None in verdicts else True

    def _sets(self, truth: Group, answer: Group) -> bool | None:
        """Tell whether each item of either has its like in the other."""
        table = [[self.of(one, other) for other in answer.items] for one in truth.items]
        lines = [*table, *(list(column) for column in zip(*table, strict=True))]
        if any(all(verdict is False for verdict in line) for line in lines):
            return False
        if len(truth.items) != len(answer.items):
            return None
        return True if all(True in line for line in lines) else None


def _in_degrees(one: Quantity, other: Quantity) -> bool:
    r"""Tell whether an angle in degrees meets one in radians, which is known by its ``\pi``."""
    return "\\circ" in one.unit and "\\pi" in other.text


def _named(items: Sequence[Value]) -> bool:
    labels = [item.label for item in items if isinstance(item, Quantity)]
    return len(labels) == len(items) and "" not in labels and len(set(labels)) == len(labels)


def _label(item: Value) -> str:
    return item.label if isinstance(item, Quantity) else ""


def _point(variables: frozenset[str], number: int) -> dict[str, Fraction]:
    """Return a number for each name, between 0.02 and 5.1; the last point has negative ones too."""
    numbers = {name: crc32(f"{name} {number}".encode()) for name in variables}
    return {
        name: Fraction(drawn % 1990 + 8, 391) * (-1 if number == POINTS - 1 and drawn // 1990 % 4 else 1) for name, drawn in numbers.items()
    }


def _within(truth: Any, answer: Any, tolerance: float) -> bool:
    if truth == answer:
        return True
    return bool(abs(complex(truth) - complex(answer)) <= tolerance * (abs(complex(truth)) + ZERO))


def _rounds(truth: Expression, answer: Expression, one: Any, other: Any) -> bool:
    """Tell whether the decimal with fewer digits may be the other one rounded or cut: 2.71 and 2.72 may not."""
    places = [each.places for each in (truth, answer) if each.places is not None]
    return not places or abs(complex(one - other)) < 10.0 ** -min(places) * (1 - ZERO)


def _close(one: complex, other: complex, scale: float) -> bool | None:
    if one == other:
        return True
    if abs(one) == float("inf") or abs(other) == float("inf"):
        return False
    gap, size = abs(one - other), max(abs(one), abs(other))
    if gap <= EQUAL_TO * size and size > NOISE * scale:
        return True
    return False if gap > DIFFERENT_BY * size and gap > NOISE * scale * 100 else None


def _relations(truth: Relation, answer: Relation) -> bool | None:
    """Two equations whose differences of sides are in one ratio everywhere are one; all else is not decided here."""
    if truth.sign != answer.sign:
        return None
    ratios: list[Fraction] = []
    for number in range(POINTS):
        point = _point(truth.left.variables | truth.right.variables | answer.left.variables | answer.right.variables, number)
        try:
            one, other = (Evaluation(point).of(("-", side.left.node, side.right.node)) for side in (truth, answer))
        except NoValue:
            return None
        if not (isinstance(one, int | Fraction) and isinstance(other, int | Fraction) and one and other):
            return None
        ratios.append(Fraction(one) / other)
    same = len(set(ratios)) == 1 and (truth.sign in ("=", "\\ne") or ratios[0] > 0)
    return True if same else None


def _words(truth: str, answer: str) -> bool | None:
    if truth == answer:
        return True
    for one, other in ((_AFFIRMED, _DENIED), (_DENIED, _AFFIRMED)):
        if truth in one and answer in one | other:
            return answer in one
    return None
