"""RL tasks as verl reads them: a prompt, a truth, and what a reward needs besides (reasoning data of the paper's section 5)."""

import json
from typing import Any

import pyarrow as pa

from schemas import columns as c
from schemas import questions as q
from schemas.batches import from_rows
from synth.verify import CHOICE


def to_tasks(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return kept questions with the columns of ``schemas.questions.RL``; ``extra_info.index`` is the row in the split."""
    return from_rows([_task(row) for row in batch.to_pylist()], q.RL)


def _task(row: dict[str, Any]) -> dict[str, Any]:
    shared = {field.name: row[field.name] for field in q.RL if field.name in row}
    choices = row[q.CHOICES.name]
    extra = {
        "index": row[c.ROW.name],
        "split": "train",
        "question": row[q.QUESTION_TEXT.name],
        "answer": row[q.TRUTH.name],
        "verifier": CHOICE if choices else row[q.DOMAIN.name],
        "verifier_args": json.dumps({"choices": choices}, ensure_ascii=False) if choices else None,
        "tier": row[q.TIER.name],
    }
    return {
        **shared,
        q.DATA_SOURCE.name: row[c.CORPUS.name],
        q.ABILITY.name: row[q.DOMAIN.name],
        q.REWARD_MODEL.name: {"style": "rule", "ground_truth": row[q.TRUTH.name]},
        q.EXTRA_INFO.name: extra,
    }
