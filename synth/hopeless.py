"""Questions that no rollout passed: too hard, or a reference answer that is wrong itself."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TOO_HARD, SUSPECT_LABEL = "too_hard", "suspect_label"


@dataclass(frozen=True, slots=True)
class Hopeless:
    """What a question is at which every rollout failed."""

    why: str
    """``too_hard``, or ``suspect_label``: its reference is to be looked at, not dropped in silence."""
    answer: str | None
    """The answer that most rollouts agree on; None where none gave one."""
    votes: int
    """How many do."""


def split_hopeless(
    answers: Mapping[str, Sequence[str]], equal: Callable[[str, str], bool], *, agree: int = 4, share: float = 0.25
) -> Hopeless:
    """Return why every rollout failed: ``answers`` holds, for each model, what its rollouts answered, all of it judged wrong.

    The label is suspect where at least ``agree`` rollouts, and ``share`` of those that answered, agree on one other answer, across at least
    two models where several answered (ours: models that share a mistake are fewer than rollouts that do). The share is there because among
    64 wrong answers four always agree. ``equal`` decides on agreement; blank answers vote for nothing. The order of models and rollouts
    does not matter.
    """
    voices = [(answer, model) for model, given in answers.items() for answer in given if answer.strip()]
    groups = _grouped(Counter(answer for answer, _ in voices), equal)
    if not groups:
        return Hopeless(TOO_HARD, None, 0)
    found = [(group[0], [model for answer, model in voices if answer in group]) for group in groups]
    needed = min(2, len({model for _, model in voices}))
    suspect = [(a, models) for a, models in found if len(models) >= max(agree, share * len(voices)) and len({*models}) >= needed]
    answer, models = min(suspect or found, key=lambda pair: (-len(pair[1]), pair[0]))
    return Hopeless(SUSPECT_LABEL if suspect else TOO_HARD, answer, len(models))


def _grouped(counted: Counter[str], equal: Callable[[str, str], bool]) -> list[list[str]]:
    """Return the distinct answers in groups that agree: each joins the first group whose most frequent answer it equals."""
    groups: list[list[str]] = []
    for answer, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])):
        home = next((group for group in groups if equal(group[0], answer)), None)
        if home is None:
            groups.append([answer])
        else:
            home.append(answer)
    return groups
