"""Verifiers one after the other: what a rule leaves undecided goes on to the next."""

from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.reward import UNDECIDED, Reward, Task, Verifier


@dataclass(frozen=True, slots=True)
class First:
    """The first verdict of several verifiers.

    Only ``undecided`` goes on. A timeout does not: who hangs one verifier has not earned another.
    """

    verifiers: tuple[Verifier, ...]
    """At least one; the strictest first."""

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Refuse an empty row of verifiers."""
        if not self.verifiers:
            raise ValueError("expected at least one verifier, found none")

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the first verdict, or what the last verifier said where none has one."""
        reward = self.verifiers[0](answer, task)
        for verifier in self.verifiers[1:]:
            if reward.value is not None or reward.reason != UNDECIDED:
                break
            reward = verifier(answer, task)
        return reward
