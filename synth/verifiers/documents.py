"""Questions on long documents: numbers, lists and phrases by rule, and "not answerable"; the rest to a judge (paper 5.2, Table 1)."""

import re
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.chart import compare_values
from synth.verifiers.gate import gate
from synth.verifiers.parts import compare_parts, is_list, parts_of
from synth.verifiers.phrases import SHORT, compare_phrases, phrase
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task

_NOT_ANSWERABLE = re.compile(
    r"(?:it |the question |this |this question )?(?:is )?"
    r"(?:not answerable|unanswerable|can(?:not| not|'t) be (?:answered|determined)|no answer|not (?:mentioned|stated|provided|specified))"
    r"(?: (?:in|from|by) (?:the )?(?:document|text|report|context))?|(?:该问题|文档中?|文中)?(?:无法(?:回答|确定)|没有提到|未提及|不能回答)"
)


@dataclass(frozen=True, slots=True)
class DocumentVerifier:
    """Holds an answer on a document against the truth: exact, number, list in any order unless the question asks for one."""

    tolerance: float = 1e-6
    """Relative to the truth: documents print their numbers (ours)."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the verdict; phrases that may mean the same are ``undecided``."""
        if answer.strip() == task.truth.strip() != "":
            return Reward(1.0, EQUAL, "exact")
        if len(answer) <= SHORT and (verdict := _answerable(answer, task.truth) or compare_phrases(answer, task.truth)):
            return verdict
        if rejected := gate(answer, task):
            return rejected
        if is_list(task.truth):
            return compare_parts(answer, task.truth, task.question, lambda one, other: self._single(one, other, task.question))
        found = self._single(answer, task.truth, task.question)
        if found.value is None and len(parts_of(answer)) > 2 and len(parts_of(task.truth)) == 1:
            return Reward(None, UNDECIDED, "list")
        return found

    def _single(self, answer: str, truth: str, question: str) -> Reward:
        return compare_values(answer, truth, question, self.tolerance)


def _answerable(answer: str, truth: str) -> Reward | None:
    """Return the verdict where one of the two says that there is no answer."""
    said, true = (bool(_NOT_ANSWERABLE.fullmatch(phrase(text))) for text in (answer, truth))
    if not said and not true:
        return None
    if said and true:
        return Reward(1.0, EQUAL, "answerable")
    return Reward(0.0, DIFFERENT, "answerable")
