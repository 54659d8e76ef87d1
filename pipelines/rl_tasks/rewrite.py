"""Multiple choice is asked without its options, by a served model whose work is then checked (paper 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step
from schemas import columns as c
from schemas import questions as q
from schemas.batches import set_columns
from schemas.exits import Addition
from schemas.protocols import Failure
from synth.fill_in import Choice, choice_of

REWRITE = "Ask multiple choice without its options"


class Rewriter(Protocol):
    """A served model that asks a multiple choice without its options."""

    def rewrite(self, split_id: str, choices: Sequence[Choice]) -> list[str | Failure]:
        """Return the rewritten question of each choice, or why there is none."""
        ...


class RewriterBackend(Protocol):
    """A frozen, hashable object that makes a rewriter inside a worker."""

    @property
    def name(self) -> str:
        """Model and revision."""
        ...

    def load(self) -> Rewriter:
        """Return the rewriter, ready."""
        ...


@dataclass(frozen=True)
class Rewrite:
    """Rewrites the choices under way; null ``backend`` leaves them as they are."""

    backend: RewriterBackend | None

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the rewritten questions in the place of the choices, and what they were beside them."""
        return run_step(set_columns(batch, _nothing(len(batch))), REWRITE, self._rewrite)

    def _rewrite(self, rows: pa.RecordBatch) -> Addition:
        found = rows.select([f.name for f in (c.SPLIT_ID, q.QUESTION_TEXT, q.CHOICES, q.TRUTH, q.PROMPT, q.DISTRACTORS)]).to_pylist()
        choices = [self._choice(row) for row in found]
        asked = [choice for choice in choices if choice is not None]
        said = iter(loaded(self.backend).rewrite(found[0][c.SPLIT_ID.name], asked) if self.backend and asked else ())
        outcomes = [None if choice is None else next(said) for choice in choices]
        failures = [outcome if isinstance(outcome, Failure) else None for outcome in outcomes]
        rewritten = [
            row if choice is None or outcome is None or isinstance(outcome, Failure) else self._asked(row, choice, outcome)
            for row, choice, outcome in zip(found, choices, outcomes, strict=True)
        ]
        reasons = pa.array([failure and failure.reason for failure in failures], pa.string())
        return Addition(_columns(rewritten), reasons, pa.array([failure and failure.error for failure in failures], pa.string()))

    def _choice(self, row: dict[str, Any]) -> Choice | None:
        options = row[q.CHOICES.name]
        return choice_of(row[q.QUESTION_TEXT.name], options, row[q.TRUTH.name]) if self.backend and options else None

    def _asked(self, row: dict[str, Any], choice: Choice, text: str) -> dict[str, Any]:
        *before, last = row[q.PROMPT.name]
        markers = q.MARKER * last["content"].count(q.MARKER)
        return {
            **row,
            q.PROMPT.name: [*before, {**last, "content": f"{markers}{text}"}],
            q.QUESTION_TEXT.name: text,
            q.TRUTH.name: choice.options[choice.right],
            q.CHOICES.name: None,
            q.DISTRACTORS.name: [option for number, option in enumerate(choice.options) if number != choice.right],
            q.REWRITTEN_FROM.name: choice.question,
            q.REWRITTEN_BY.name: self.backend.name if self.backend else None,
        }


CHANGED = (q.PROMPT, q.QUESTION_TEXT, q.TRUTH, q.CHOICES, q.DISTRACTORS, q.REWRITTEN_FROM, q.REWRITTEN_BY)


def _nothing(rows: int) -> dict[str, pa.Array]:
    return {f.name: pa.nulls(rows, f.type) for f in (q.DISTRACTORS, q.REWRITTEN_FROM, q.REWRITTEN_BY)}


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, pa.Array]:
    return {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in CHANGED}
