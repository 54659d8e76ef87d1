"""Verifiers over a batch of rollouts: each answer is held against its question's truth by the verifier of its domain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from schemas import questions as q
from schemas.exits import Addition
from synth.verifiers.reward import UNDECIDED, Reward, Task, Verifier

UNVERIFIABLE = Reward(None, "no_truth", "")
"""What an answer earns whose question has no truth."""
CHOICE = "choice"
"""Domain of the verifier of multiple choice."""
AskJudge = Callable[[Sequence[tuple[str, Task]]], Sequence[Reward]]
"""Rewards for what rules could not decide, in order."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Adds ``reward``, ``reward_reason``, ``rewarded_by`` and ``verifier``.

    Reads ``answer``, ``truth``, ``question``, ``choices`` and ``domain``.
    """

    version: ClassVar[int] = 1

    def __call__(self, batch: pa.RecordBatch, *, verifiers: Mapping[str, Verifier], judge: AskJudge | None = None) -> Addition:
        """Return the four columns; a domain without a verifier is ``undecided``, and what is undecided goes to ``judge``."""
        tasks = _tasks(batch)
        chosen = [task and verifier_of(domain, task.choices, verifiers) for _, task, domain in tasks]
        rewards = [_reward(answer, task, verifier) for (answer, task, _), verifier in zip(tasks, chosen, strict=True)]
        _ask(rewards, tasks, judge)
        names = [_name(verifier) for verifier in chosen]
        return Addition(
            {
                q.REWARD.name: pa.array([r.value for r in rewards], pa.float32()),
                q.REWARD_REASON.name: pa.array([r.reason for r in rewards], pa.string()),
                q.REWARDED_BY.name: pa.array([r.by or None for r in rewards], pa.string()),
                q.VERIFIER.name: pa.array(names, pa.string()),
            },
            pa.nulls(len(batch), pa.string()),
            pa.nulls(len(batch), pa.string()),
        )


def verifier_of(domain: str, choices: Sequence[str] | None, verifiers: Mapping[str, Verifier]) -> Verifier | None:
    """Return what judges the answers of a question: of a multiple choice the letters, of any other what its domain names."""
    return verifiers.get(CHOICE if choices else domain)


def _tasks(batch: pa.RecordBatch) -> list[tuple[str, Task | None, str]]:
    """Return for each row the answer, what it is held against, null without a truth, and the domain."""
    columns = (batch.column(f.name).to_pylist() for f in (q.ANSWER, q.TRUTH, q.QUESTION_TEXT, q.CHOICES, q.DOMAIN))
    return [
        (answer or "", None if truth is None else Task(truth, question or "", tuple(choices or ())), domain)
        for answer, truth, question, choices, domain in zip(*columns, strict=True)
    ]


def _reward(answer: str, task: Task | None, verifier: Verifier | None) -> Reward:
    if task is None:
        return UNVERIFIABLE
    return Reward(None, UNDECIDED, "") if verifier is None else verifier(answer, task)


def _ask(rewards: list[Reward], tasks: Sequence[tuple[str, Task | None, str]], judge: AskJudge | None) -> None:
    """Put what the judge says in the place of what is undecided."""
    open_ = [at for at, reward in enumerate(rewards) if reward.reason == UNDECIDED]
    asked = [(tasks[at][0], task) for at in open_ if (task := tasks[at][1]) is not None]
    if judge and asked:
        for at, reward in zip(open_, judge(asked), strict=True):
            rewards[at] = reward


def _name(verifier: Verifier | None) -> str | None:
    return None if verifier is None else f"{type(verifier).__name__.lower()}-{verifier.version}"
