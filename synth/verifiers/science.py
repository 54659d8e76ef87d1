"""Physics and chemistry: quantities with units, formulas and equations; symbols go on to maths (paper 5.2, Table 1)."""

import re
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.formulas import FORMULA, compare_formulas, is_formula
from synth.verifiers.gate import gate
from synth.verifiers.numerals import has_number
from synth.verifiers.parts import compare_parts, parts_of
from synth.verifiers.phrases import compare_phrases, phrase, says_yes
from synth.verifiers.quantities import LONGEST, QUANTITY, compare_quantities, quantity
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task, Verifier
from synth.verifiers.typography import flat
from synth.verifiers.units import unit

_ARROWS = re.compile(r"<?[-=]{1,4}>|\\x?(?:rightarrow|longrightarrow|to|rightleftharpoons)\b")
_LETTER = re.compile("[A-H]")
_WORDS = re.compile(r"[A-Za-z]{5,}|[^\x00-\x7f\u0370-\u03ff√·×−]")
_FUNCTIONS = re.compile(r"\\[A-Za-z]+|\b(?:sin|cos|tan|cot|ln|log|exp|sqrt|pi|frac)\b")


@dataclass(frozen=True, slots=True)
class ScienceVerifier:
    """Holds an answer of physics or chemistry against the truth: quantity, formula, list of both, words, and at last maths.

    Table 1 leaves all units to a model; rules that convert them are exact and cannot be talked to (ours).
    """

    tolerance: float = 1e-5
    """Relative to the truth, after conversion (GLM-V repo)."""
    maths: Verifier | None = None
    """Judges expressions in symbols such as ``\\sqrt{2gh}``, which have no unit to get wrong; None leaves them ``undecided``."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; ``undecided`` where units or names are none that are known here."""
        if flat_equal(answer, task.truth):
            return Reward(1.0, EQUAL, "exact")
        said, true = _ARROWS.sub("→", answer), Task(_ARROWS.sub("→", task.truth), task.question, task.choices)
        if rejected := gate(said, true):
            return rejected
        if verdict := self._by_rule(answer, task.truth, task.question):
            return verdict
        return self._symbols(answer, task) or Reward(None, UNDECIDED, "phrase")

    def _by_rule(self, answer: str, truth: str, question: str) -> Reward | None:
        parts = parts_of(truth)
        if len(parts) > 1 and all(is_formula(part) or quantity(part) for part in parts):
            free = all(map(is_formula, parts)) or None
            return compare_parts(answer, truth, question, lambda one, other: self._single(one, other, question), free=free)
        found = self._pair(answer, truth, question)
        return found if found else self._mixed(answer, truth)

    def _single(self, answer: str, truth: str, question: str) -> Reward:
        return self._pair(answer, truth, question) or self._mixed(answer, truth) or Reward(None, UNDECIDED, "phrase")

    def _pair(self, answer: str, truth: str, question: str) -> Reward | None:
        return (
            _yes_or_no(answer, truth)
            or compare_quantities(answer, truth, question, self.tolerance)
            or compare_formulas(_without_label(answer), _without_label(truth))
            or (None if is_formula(truth) or is_formula(answer) else compare_phrases(answer, truth))
        )

    def _mixed(self, answer: str, truth: str) -> Reward | None:
        """Return why the two cannot be one.

        They are two letters, a formula and a number, a formula in other letter case, or a quantity and words without number.
        """
        if _LETTER.fullmatch(answer.strip()) and _LETTER.fullmatch(truth.strip()) and answer.strip() != truth.strip():
            return Reward(0.0, DIFFERENT, "letter")
        one, other = (quantity(text) for text in (answer, truth))
        if (one and not one.unit_text and is_formula(truth)) or (other and not other.unit_text and is_formula(answer)):
            return Reward(0.0, DIFFERENT, FORMULA)
        if is_formula(truth) and flat(answer).casefold() == flat(truth).casefold():
            return Reward(0.0, DIFFERENT, FORMULA)
        return Reward(0.0, "no_number", QUANTITY) if other and not _may_be_number(answer) else None

    def _symbols(self, answer: str, task: Task) -> Reward | None:
        return self.maths(answer, task) if self.maths and is_symbolic(answer) and is_symbolic(task.truth) else None


def flat_equal(answer: str, truth: str) -> bool:
    """Tell whether both are the same text but for blanks and typesetting."""
    if abs(len(answer) - len(truth)) > 4096 or len(truth) > 4096:
        return answer == truth
    return "".join(flat(answer).split()) == "".join(flat(truth).split()) != ""


def is_symbolic(text: str) -> bool:
    """Tell whether ``text`` is an expression in letters, without words and without a unit at its end."""
    if len(text) > LONGEST or r"\text" in text or r"\mathrm" in text or _WORDS.search(_FUNCTIONS.sub(" ", text)):
        return False
    _, blank, end = flat(text).rpartition(" ")
    return quantity(text) is None and not (blank and unit(end))


def _yes_or_no(answer: str, truth: str) -> Reward | None:
    """Compare "Yes" with "No" before nobelium comes into play; NO is an oxide."""
    both = answer.strip(), truth.strip()
    is_word = "NO" not in both and all(says_yes(phrase(text)) is not None for text in both)
    return compare_phrases(*both) if is_word else None


def _may_be_number(text: str) -> bool:
    """Tell whether ``text`` holds a digit, a number in words of English or Chinese, a Greek letter or a LaTeX command."""
    return has_number(text) or bool(re.search(r"[α-ωΑ-Ω\√π〇零一二两三四五六七八九十百千半]", text))


def _without_label(text: str) -> str:
    """Return ``text`` without a heading in Han characters and a colon before it."""
    return re.sub(r"^[\u4e00-\u9fff]{1,8}[::]\s*", "", text, count=1)
