"""Questions on images: numbers and short phrases by rule, the rest to maths or a judge (paper 5.2, Table 1)."""

from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.chart import compare_values
from synth.verifiers.gate import gate
from synth.verifiers.parts import compare_parts, is_list
from synth.verifiers.phrases import SHORT, compare_phrases
from synth.verifiers.reward import EQUAL, Reward, Task, Verifier
from synth.verifiers.science import is_symbolic


@dataclass(frozen=True, slots=True)
class VqaVerifier:
    """Holds a short answer against the truth: the same phrase, the same number, yes against no, one basic colour against another.

    Plurals and synonyms are nobody's to decide by rule: "new" and "news" are two things. They are ``undecided``.
    """

    tolerance: float = 1e-6
    """Relative to the truth (GLM-V repo, multi-image)."""
    maths: Verifier | None = None
    """Judges expressions in symbols; None leaves them ``undecided``."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; ``undecided`` for phrases that differ and may mean the same."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if len(answer) <= SHORT and (same := compare_phrases(answer, task.truth)):
            return same
        if rejected := gate(answer, task):
            return rejected
        if is_list(task.truth):
            return compare_parts(
                answer, task.truth, task.question, lambda one, other: compare_values(one, other, task.question, self.tolerance)
            )
        found = compare_values(answer, task.truth, task.question, self.tolerance)
        if found.value is None and self.maths and is_symbolic(answer) and is_symbolic(task.truth):
            return self.maths(answer, task)
        return found
