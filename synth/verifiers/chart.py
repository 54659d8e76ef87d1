"""Charts: numbers within a tolerance except years, lists of them, and words (paper 5.2, Table 1)."""

from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.figures import NUMBER, compare_figures
from synth.verifiers.gate import gate
from synth.verifiers.numerals import numeral
from synth.verifiers.parts import compare_parts, is_list
from synth.verifiers.phrases import PHRASE, SHORT, compare_phrases, phrase, says_yes
from synth.verifiers.reward import EQUAL, UNDECIDED, Reward, Task


@dataclass(frozen=True, slots=True)
class ChartVerifier:
    """Holds an answer on a chart against the truth: numbers within the tolerance, years exactly, lists by part, words as they are."""

    tolerance: float = 2.5e-2
    """Relative to the truth (GLM-V repo; the metric of ChartQA allows 5e-2)."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; words that differ are ``undecided`` where they may mean the same."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if len(answer) <= SHORT and (same := compare_phrases(answer, task.truth)):
            return same
        if rejected := gate(answer, task):
            return rejected
        if is_list(task.truth):
            return compare_parts(answer, task.truth, task.question, lambda one, other: self._single(one, other, task.question))
        return self._single(answer, task.truth, task.question)

    def _single(self, answer: str, truth: str, question: str) -> Reward:
        return compare_values(answer, truth, question, self.tolerance)


def compare_values(answer: str, truth: str, question: str, tolerance: float) -> Reward:
    """Hold one number or phrase against another; a number against a yes or no, or a name without number, is ``different``."""
    if found := compare_figures(answer, truth, question, tolerance) or compare_phrases(answer, truth):
        return found
    said, true = numeral(answer), numeral(truth)
    words = truth if said else answer
    if bool(said) != bool(true) and says_yes(phrase(words)) is not None:
        return Reward(0.0, "different", NUMBER)
    if said and not said.rest and not true and not any(map(str.isnumeric, truth)):
        return Reward(0.0, "different", NUMBER)
    return Reward(None, UNDECIDED, PHRASE)
