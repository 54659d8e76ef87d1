"""Verifiers over a batch of rollouts: each answer is held against its question's truth by the verifier of its domain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from schemas import questions as q
from schemas.exits import Addition
from synth import second_opinion
from synth.second_opinion import SecondOpinions, Tasks
from synth.verifiers.reward import UNDECIDED, Reward, Task, Verifier

UNVERIFIABLE = Reward(None, "no_truth", "")
"""What an answer earns whose question has no truth."""
CHOICE = "choice"
"""Domain of the verifier of multiple choice."""
AskJudge = Callable[[Sequence[tuple[str, Task]]], Sequence[Reward]]
"""Rewards for what rules could not decide, in order."""


@dataclass(frozen=True, slots=True)
class Verify:
    """Adds ``reward``, ``reward_reason``, ``rewarded_by``, ``verifier`` and ``second_opinions``.

    Reads ``answer``, ``truth``, ``question``, ``choices`` and ``domain``; for second opinions ``sample_id``, ``model`` and ``rollout``.
    """

    version: ClassVar[int] = 1

    def __call__(
        self,
        batch: pa.RecordBatch,
        *,
        verifiers: Mapping[str, Verifier],
        judge: AskJudge | None = None,
        second: SecondOpinions | None = None,
    ) -> Addition:
        """Return the five columns; a domain without a verifier is ``undecided``, and what is undecided goes to ``judge``.

        What ``second`` draws goes to the judge and to math-verify besides.
        """
        tasks = _tasks(batch)
        chosen = [task and verifier_of(domain, task.choices, verifiers) for _, task, domain in tasks]
        rewards = [_reward(answer, task, verifier) for (answer, task, _), verifier in zip(tasks, chosen, strict=True)]
        drawn = second.drawn(batch, rewards) if second else []
        opinions = second.of_math_verify(drawn, rewards, tasks) if second else ()
        open_ = [row for row, reward in enumerate(rewards) if reward.reason == UNDECIDED]
        said = _judged([*open_, *second_opinion.for_a_judge(drawn, tasks)], tasks, judge)
        also = second_opinion.column(len(batch), [*opinions, *second_opinion.of_a_judge(drawn, said)])
        rewards = [said.get(row, reward) if reward.reason == UNDECIDED else reward for row, reward in enumerate(rewards)]
        return Addition(
            {
                q.REWARD.name: pa.array([r.value for r in rewards], pa.float32()),
                q.REWARD_REASON.name: pa.array([r.reason for r in rewards], pa.string()),
                q.REWARDED_BY.name: pa.array([r.by or None for r in rewards], pa.string()),
                q.VERIFIER.name: pa.array([_name(verifier) for verifier in chosen], pa.string()),
                q.SECOND_OPINIONS.name: also,
            },
            pa.nulls(len(batch), pa.string()),
            pa.nulls(len(batch), pa.string()),
        )


def verifier_of(domain: str, choices: Sequence[str] | None, verifiers: Mapping[str, Verifier]) -> Verifier | None:
    """Return what judges the answers of a question: of a multiple choice the letters, of any other what its domain names."""
    return verifiers.get(CHOICE if choices else domain)


def _tasks(batch: pa.RecordBatch) -> Tasks:
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


def _judged(rows: Sequence[int], tasks: Tasks, judge: AskJudge | None) -> dict[int, Reward]:
    """Return what the judge says of ``rows``, which it is asked in one batch."""
    asked = [(row, (answer, task)) for row in rows for answer, task, _ in [tasks[row]] if task is not None]
    if judge is None or not asked:
        return {}
    return dict(zip((row for row, _ in asked), judge([pair for _, pair in asked]), strict=True))


def _name(verifier: Verifier | None) -> str | None:
    return None if verifier is None else f"{type(verifier).__name__.lower()}-{verifier.version}"
