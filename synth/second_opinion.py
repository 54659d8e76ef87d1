"""Second opinions: of a drawn share of what one kind of verifier has decided, what the other kinds say too.

They change no reward. The report shows where they differ: one weak verifier spoils a whole domain (paper 5.2).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from schemas import columns as c
from schemas import questions as q
from schemas.batches import draw
from synth.verifiers.maths import MATH_VERIFY, Maths
from synth.verifiers.reward import Reward, Task

GATE, JUDGE, RULE = "gate", "judge", "rule"
IN_SYMBOLS = frozenset({"math", "physics", "chemistry"})
"""Sub-domains whose answers math-verify can be asked about."""
IN_WORDS = IN_SYMBOLS | {"chart", "vqa", "long_document", "geo", "counting"}
"""Sub-domains whose answers mean something without the picture, so that a judge can be asked about them."""
Tasks = Sequence[tuple[str, Task | None, str]]
"""For each row the answer, what it is held against, and the domain."""


def kind_of(by: str) -> str:
    """Return of which kind the verdict of ``by`` is: ``math_verify``, ``judge``, or ``rule`` for all others."""
    return by if by in (MATH_VERIFY, JUDGE) else RULE


@dataclass(frozen=True, slots=True)
class SecondOpinions:
    """Whom else to ask."""

    share: float
    """Of all verdicts, those that are drawn."""
    maths: Maths | None = None
    """Whose math-verify is asked; null asks none."""

    def drawn(self, batch: pa.RecordBatch, rewards: Sequence[Reward]) -> list[int]:
        """Return the rows that have a verdict and are drawn, by sample, model and rollout; what the gate refused nobody is asked about."""
        names = zip(*(batch.column(field.name).to_pylist() for field in (c.SAMPLE_ID, q.MODEL, q.ROLLOUT)), strict=True)
        draws = draw(0, (":".join(map(str, name)) for name in names))
        return [row for row, reward in enumerate(rewards) if draws[row] < self.share and reward.value is not None and reward.by != GATE]

    def of_math_verify(self, rows: Sequence[int], rewards: Sequence[Reward], tasks: Tasks) -> Iterator[tuple[int, Reward]]:
        """Yield what math-verify says of those of ``rows`` that a rule has decided."""
        for row in rows:
            answer, task, domain = tasks[row]
            if self.maths and task and not task.choices and domain in IN_SYMBOLS and kind_of(rewards[row].by) == RULE:
                yield row, self.maths.by_math_verify(answer, task)


def for_a_judge(rows: Sequence[int], tasks: Tasks) -> list[int]:
    """Return those of ``rows`` whose answers a judge can be asked about."""
    return [row for row in rows if tasks[row][2] in IN_WORDS and tasks[row][1]]


def of_a_judge(rows: Sequence[int], said: Mapping[int, Reward]) -> Iterator[tuple[int, Reward]]:
    """Yield what a judge ``said`` of ``rows``; where the gate before it spoke, nobody was asked."""
    yield from ((row, said[row]) for row in rows if row in said and said[row].by == JUDGE)


def column(rows: int, said: Iterable[tuple[int, Reward]]) -> pa.Array:
    """Return ``second_opinions`` of so many rows; null where nobody was asked."""
    opinions: list[list[dict[str, Any]] | None] = [None] * rows
    for row, reward in said:
        opinions[row] = [*(opinions[row] or ()), {"by": reward.by, "reward": reward.value, "reason": reward.reason}]
    return pa.array(opinions, q.SECOND_OPINIONS.type)
