"""Rollouts of a batch of questions: asked for, held against the rules, and put back on their questions with their verdicts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.readers.question_rows import mime_of
from pipelines.spine import funnel
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import FUNNEL, counts, run_step, start
from schemas import columns as c
from schemas import questions as q
from schemas.batches import column_or_nulls, from_rows, take_rows
from schemas.exits import Addition, Verdict
from schemas.protocols import Failure
from synth.conversation import Conversation, turns_of
from synth.rollouts import Rollout, RolloutTask

Rule = Callable[[pa.RecordBatch], Verdict | Addition]
Step = tuple[str, Rule]
"""The sentence of a step on rollouts, and what judges or adds."""

ABOUT = (c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.LANGUAGE, q.QUESTION_TEXT, q.IMAGE_COUNT, q.TRUTH, q.DOMAIN, q.CHOICES)
"""What rules on rollouts read of the question."""
ROLLED = (q.MODEL, q.ROLLOUT, q.RESPONSE, c.FINISH_REASON, q.FORCED, *q.SPENT)
ASKED = pa.schema([*ABOUT, *ROLLED])
"""A rollout beside what its question is, before anything has judged it."""


class Reasoner(Protocol):
    """A served model that answers questions."""

    def roll_out(self, split_id: str, tasks: Sequence[RolloutTask], first: int, last: int) -> list[list[Rollout | Failure]]:
        """Return, for each task, its rollouts ``first`` to ``last``, not included."""
        ...


class ReasonerBackend(Protocol):
    """A frozen, hashable object that makes a reasoner inside a worker."""

    @property
    def name(self) -> str:
        """Model and revision."""
        ...

    def load(self) -> Reasoner:
        """Return the reasoner, ready."""
        ...


@dataclass(frozen=True)
class RollOut:
    """Asks one reasoner for the rollouts ``first`` to ``last``, not included, of each question, and judges them."""

    sentence: str
    backend: ReasonerBackend
    steps: tuple[Step, ...]
    """What the rollouts go through, in order."""
    takes_brought: bool = False
    """Whether rollouts that came with the questions are judged beside those that are asked for (paper 4: RL checkpoints feed back)."""

    def __call__(self, batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], first: int, last: int) -> pa.RecordBatch:
        """Return the rollouts of the rows of ``mask``, shape (n,): a row each, with its exit and the funnel of ``steps``."""
        children = self._asked(take_rows(batch, mask), first, last)
        for sentence, rule in self.steps:
            children = run_step(children, sentence, rule)
        return children

    def _asked(self, live: pa.RecordBatch, first: int, last: int) -> pa.RecordBatch:
        rows = live.select([f.name for f in ABOUT]).to_pylist()
        tasks = [
            task_of(prompt, images, row[q.TRUTH.name] is not None, row[c.SAMPLE_ID.name]) for prompt, images, row in _asking(live, rows)
        ]
        split_id = rows[0][c.SPLIT_ID.name] if rows else ""
        found = loaded(self.backend).roll_out(split_id, tasks, first, last) if tasks and last > first else [[] for _ in rows]
        asked = [
            (row, _said(outcome, self.backend.name), outcome) for row, outcomes in zip(rows, found, strict=True) for outcome in outcomes
        ]
        pairs = [*(_brought(live, rows) if self.takes_brought else ()), *asked]
        children = start(from_rows([{**row, **said} for row, said, _ in pairs], ASKED))
        failures = [outcome if isinstance(outcome, Failure) else None for *_, outcome in pairs]
        reasons = pa.array([failure and failure.reason for failure in failures], pa.string())
        errors = pa.array([failure and failure.error for failure in failures], pa.string())
        return run_step(children, self.sentence, lambda _: Addition({}, reasons, errors))


def together(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return rollouts that were asked for in several turns as one batch, whose funnel is the sum of theirs."""
    told = funnel.dumps(funnel.total(counts(part) for part in parts))
    fields = {field.name: field for part in parts for field in part.schema}
    arrays = [pa.concat_arrays([column_or_nulls(part, field) for part in parts]) for field in fields.values()]
    return pa.RecordBatch.from_arrays(arrays, names=list(fields)).replace_schema_metadata({FUNNEL: told})


def task_of(prompt: Sequence[dict[str, str]], images: Sequence[dict[str, Any]], verifiable: bool, sample_id: str = "") -> RolloutTask:
    """Return a question as it goes to a reasoner."""
    encoded = tuple((mime_of(image["bytes"]), image["bytes"]) for image in images)
    return RolloutTask(Conversation(turns_of(prompt), encoded), verifiable, sample_id)


def _asking(live: pa.RecordBatch, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[Any, Any, dict[str, Any]]]:
    prompts, images = live.column(q.PROMPT.name).to_pylist(), live.column(q.IMAGES.name).to_pylist()
    return zip(prompts, [found or [] for found in images], rows, strict=True)


def _brought(live: pa.RecordBatch, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], None]]:
    """Yield the rollouts that came with the questions; nobody knows why they ended, so they count as whole."""
    columns = (live.column(field.name).to_pylist() for field in q.BROUGHT)
    for row, responses, model in zip(rows, *columns, strict=True):
        for number, response in enumerate(responses or ()):
            yield row, _said(Rollout(number, response, "", None, 0, 0, 0.0), model or "unknown"), None


def _said(outcome: Rollout | Failure, model: str) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {q.MODEL.name: model}
    values = (model, outcome.number, outcome.response, outcome.finish_reason, outcome.forced)
    spent = (outcome.prompt_tokens, outcome.completion_tokens, outcome.seconds)
    return dict(zip((field.name for field in ROLLED), (*values, *spent), strict=True))
