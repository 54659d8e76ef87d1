"""The verifier of mathematics: rules that are certain, then math-verify under a deadline (paper 5.2, Table 1: "Math")."""

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

from synth.verifiers.agreement import Agreement
from synth.verifiers.gate import gate
from synth.verifiers.maths_choice import compare_choices
from synth.verifiers.maths_units import unit
from synth.verifiers.notation import standard
from synth.verifiers.numerals import has_number
from synth.verifiers.reward import DIFFERENT, EQUAL, TIMEOUT, UNDECIDED, Reward, Task
from synth.verifiers.values import NAME, Group, Quantity, Relation, Value, Words, quantity, value

EXACT, CHOICE, VALUE, MATH_VERIFY = "exact", "choice", "value", "math_verify"
MOST_CHARACTERS, DEEPEST, MOST_DIGITS, LARGEST_EXPONENT = 2048, 32, 200, 4
"""What math-verify is not asked: longer texts, deeper brackets, longer numbers, exponents of more digits (ours, after inspect_ai #4361)."""

_NAME = re.compile(NAME)
_UNREADABLE = re.compile(r"==|[\d)]\s*_|#|@|\"|;.*;.*;")
_SPACE = re.compile(r"\s+")
_APPROX = re.compile(r"\\approx|~=|≈")
_OTHER_NUMBERS = re.compile(
    r"\b(?:third|quarter|pair|none|nothing|double|twice|single|infinit\w*)\b|[零〇一二三四五六七八九十百千万亿两半双无没]"
)
_DENIAL = re.compile(r"\b(?:not|never|wrong|incorrect|false|except|isn't)\b|不是|不等于|不对|错误|并非")
_LONG_EXPONENT = re.compile(rf"\^\s*\{{?\s*-?\d{{{LARGEST_EXPONENT},}}|\^\s*\{{[^{{}}]*\^|\d{{{LARGEST_EXPONENT},}}\s*!|!\s*!")
_WORD = re.compile(
    r"(?<![\\A-Za-z])(?!(?:sqrt|sin|cos|tan|log|exp|arcsin|arccos|arctan|pmatrix|bmatrix|matrix|cases|array|begin|end"
    r"|infty)\b)[A-Za-z]{4,}"
)
_FOREIGN = re.compile(r"[^\x00-\x7f]")


class Equivalence(Protocol):
    """Compares two LaTeX expressions, the truth first, within a deadline of its own; see ``synth.models.math_verify``."""

    def compare(self, truth: str, answer: str) -> str:
        """Return ``equal``, ``different``, or why there is no verdict: ``unparsed``, ``timeout``, ``out_of_memory``, ..."""
        ...


@dataclass(frozen=True, slots=True)
class Maths:
    """Rewards 1.0 for an answer that is the truth, 0.0 for another, and None where nobody could tell.

    First the gate (``gate``), then what is exactly the same text (``exact``), the letter or text of a choice (``choice``), and values
    that we read and evaluate ourselves (``value``); what is left goes to math-verify (``math_verify``). Reasons are those of the gate,
    ``equal``, ``different``, ``timeout``, and ``undecided`` where no rule applies, math-verify cannot read one of the two, or its
    child died.

    Policies, where they are ours or differ from math-verify 0.9.0:

    - A decimal equals what it is a rounding of, to ``tolerance`` of the truth and 1e-6; whole numbers and fractions are exact. (The
      released reward system gives the tolerance and has no second rule; math-verify rounds to 6 places, so that 1e-9 equals 2e-9.)
    - ``10%`` equals 10 and 0.1, since questions ask for "what percent" and for "what part".
    - A unit may be missing from either side. Two units must agree: ``5 cm`` is not ``5 km``, and is ``50 mm`` unless the question names
      one of them alone. A unit that the question does not name, while it names another of its kind, is wrong.
    - ``1, 2`` equals ``2, 1`` unless ``ordered``; ``(1, 2)`` never equals ``(2, 1)``. ``x=1, y=2`` has an order by its names.
    - An inequality equals its interval in both directions; math-verify has it in one.
    - A label may be missing from either side (``x = 5`` and ``5``), but two must be the same.
    - An answer "exact ≈ decimal" is held to what it says exactly.
    - Python, Chinese and plain text are read: ``1e3``, ``(x+1)**2``, ``π+1``, ``tan(π/4)``, ``答案是5``. An answer is read as a whole: no
      number is searched for in a sentence.
    """

    version: ClassVar[int] = 2

    tolerance: float = 1e-6
    """Relative (GLM-V's released reward system, math)."""
    ordered: bool = False
    """Whether a list without brackets has an order (Hendrycks' MATH says yes, math-verify no)."""
    equivalence: Equivalence | None = field(default=None, compare=False, repr=False)
    """A loaded ``MathVerifySpec``; without it, what the rules leave open is ``undecided``."""

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return what ``answer`` earns at ``task``."""
        rejected = gate(answer, task)
        if rejected:
            return rejected
        truth, said = standard(task.truth), standard(answer)
        return self._by_rule(truth, said, task) or self._by_math_verify(truth, said)

    def by_math_verify(self, answer: str, task: Task) -> Reward:
        """Return what math-verify alone says of ``answer``."""
        return self._by_math_verify(standard(task.truth), standard(answer))

    def _by_rule(self, truth: str, said: str, task: Task) -> Reward | None:
        if _SPACE.sub("", truth) == _SPACE.sub("", said):
            return Reward(1.0, EQUAL, EXACT)
        choice = compare_choices(truth, said, task.choices)
        if choice is not None:
            return _decided(choice, CHOICE)
        same = self._by_value(truth, said, task.question)
        return None if same is None else _decided(same, VALUE)

    def _by_value(self, truth: str, said: str, question: str) -> bool | None:
        """Compare as values; a truth "exact ≈ decimal" is met by either, an answer is its first part."""
        exact = _APPROX.split(said)[0].strip()
        steps = self._steps(exact)
        if steps is False:
            return False
        answer = steps or value(exact)
        forms = [value(part.strip()) for part in _APPROX.split(truth)]
        if answer is None or None in forms:
            return None
        verdicts = [self._of(form, answer, question) for form in forms if form is not None]
        return True if True in verdicts else None if None in verdicts else False

    def _steps(self, said: str) -> Value | Literal[False] | None:
        """Return the end of a chain ``3*4 = 12`` of numbers, False where they are not the same, and None where it is no such chain."""
        label, *sides = said.split("=") if "=" in said else [said]
        sides = sides if _NAME.fullmatch(label.strip()) else [label, *sides]
        if len(sides) < 2:
            return None
        values = [quantity(side.strip()) for side in sides]
        if any(each is None or each.expression.variables for each in values):
            return None
        known = [each for each in values if each is not None]
        same = [Agreement(self.tolerance).of(known[-1], each) for each in known[:-1]]
        return False if False in same else known[-1] if all(same) else None

    def _of(self, truth: Value, answer: Value, question: str) -> bool | None:
        if isinstance(truth, Quantity) and isinstance(answer, Words):
            return None if truth.expression.variables or _may_hold_a_number(answer.text) else False
        if isinstance(truth, Quantity) and isinstance(answer, Quantity) and _unasked(truth, answer, question):
            return False
        return Agreement(self.tolerance, self.ordered).of(truth, answer)

    def _by_math_verify(self, truth: str, said: str) -> Reward:
        said = _APPROX.split(said)[0].strip()
        if self.equivalence is None or not (_askable(truth) and _askable(said)):
            return Reward(None, UNDECIDED, MATH_VERIFY)
        if self.ordered and isinstance(value(truth), Group | Relation) and "," in truth:
            return Reward(None, UNDECIDED, MATH_VERIFY)
        found = self.equivalence.compare(truth, said)
        if found in (EQUAL, DIFFERENT):
            return _decided(found == EQUAL, MATH_VERIFY)
        return Reward(None, TIMEOUT if found == TIMEOUT else UNDECIDED, MATH_VERIFY)


def _decided(equal: bool, by: str) -> Reward:
    return Reward(1.0, EQUAL, by) if equal else Reward(0.0, DIFFERENT, by)


def _may_hold_a_number(words: str) -> bool:
    """Tell whether words may stand for a number; what denies one does not."""
    return not _DENIAL.search(words) and bool(has_number(words) or _OTHER_NUMBERS.search(words))


def _unasked(truth: Quantity, answer: Quantity, question: str) -> bool:
    """Tell whether the question names units of the answer's kind, or the truth's, but not the one that the answer has."""
    known = answer.known() if answer.unit and question else None
    if known is None or answer.unit == truth.unit:
        return False
    named = {found for word in re.findall(r"[A-Za-z]{1,12}|[\u4e00-\u9fff]{1,3}", question) for found in [unit(word)] if found}
    kin = {found for found in named if found.dimensions == known.dimensions}
    return bool(kin) and known not in kin


def _askable(text: str) -> bool:
    """Tell whether ``text`` is mathematics of a size that math-verify can be asked about."""
    if (
        len(text) > MOST_CHARACTERS
        or _FOREIGN.search(text)
        or _WORD.search(text)
        or _LONG_EXPONENT.search(text)
        or _UNREADABLE.search(text)
    ):
        return False
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return deepest <= DEEPEST and not re.search(rf"\d{{{MOST_DIGITS},}}", text)
