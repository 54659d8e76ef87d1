"""What a verifier is handed, and what it answers."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

EQUAL, DIFFERENT = "equal", "different"
PARTIAL = "partial"
TIMEOUT, UNDECIDED = "timeout", "undecided"


@dataclass(frozen=True, slots=True)
class Task:
    """What an answer is held against."""

    truth: str
    """The reference answer, without tags."""
    question: str = ""
    """The question as it was asked; some rules depend on what it asks for, such as a unit."""
    choices: tuple[str, ...] = ()
    """The options of a multiple choice in order, without their letters; empty for any other question."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What an answer earned, and why."""

    value: float | None
    """In [0, 1], rounded to 4 decimals; None where there is no verdict, which is never the same as wrong."""
    reason: str
    """Why, as a name for the ledger: ``equal``, ``different``, ``empty``, ``range``, ``timeout``, ..."""
    by: str
    """Which rule decided: ``exact``, ``number``, ``set``, ``math_verify``, ``gate``, ``judge``, ..."""

    def __post_init__(self) -> None:
        """Refuse a value outside [0, 1]."""
        if self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"a reward lies in [0, 1], found {self.value} ({self.reason})")


def graded(share: float, by: str) -> Reward:
    """Return the reward of an answer that is right to this ``share`` of 0 to 1: ``equal``, ``different``, or ``partial`` between."""
    value = round(share, 4)
    return Reward(value, EQUAL if value == 1 else PARTIAL if value else DIFFERENT, by)


class Verifier(Protocol):
    """A frozen dataclass of tolerances whose call is pure: the same answer and task always earn the same reward."""

    version: ClassVar[int]
    """Raised when a verdict changes; part of the identity of a pass."""

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return what ``answer``, the text between the box tags, earns at ``task``. No answer makes it raise."""
        ...
