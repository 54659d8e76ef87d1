"""The tables of a run over questions that are made of nested rows: rollouts with their verdicts, and training samples."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from pipelines.spine import nested
from pipelines.spine.layout import Rows, Table, kept
from schemas import columns as c
from schemas import questions as q
from schemas.batches import conform, is_equal, take_rows
from schemas.exits import KEPT
from schemas.response import Style
from synth.hopeless import SUSPECT_LABEL
from synth.rl import to_tasks
from synth.sft import ToMessages

BESIDE = (c.SAMPLE_ID.name, c.SPLIT_ID.name, c.ROW.name, c.CORPUS.name, c.SOURCE_LICENSE.name, *(field.name for field in q.ABOUT))
"""What a rollout in a table says of its question."""
OF_QUESTION = (*BESIDE, q.PROMPT.name, q.IMAGES.name, q.PASS_RATE.name, q.N_SAMPLES.name, q.N_CORRECT.name)
"""What a training sample takes from it."""


def rollouts(column: str) -> Table:
    """Return the table of all rows nested in ``column``, with their exits."""
    return Table(q.ROLLOUTS, partial(_all, column))


def names_of(styles: Sequence[Style]) -> list[str]:
    """Return the tables of training samples: ``sft`` in the first of ``styles``, ``sft_<style>`` in each further one."""
    return ["sft", *(f"sft_{style}" for style in styles[1:])]


def training(column: str, messages: ToMessages, styles: Sequence[Style], described: bool) -> dict[str, Table]:
    """Return the tables of ``names_of``.

    ``described``: samples that were written from a description lie among them, and not in ``described`` alone.
    """
    names = names_of(styles)
    sees = partial(_seen, everything=described)
    tables = {name: Table(q.SFT, partial(_samples, column, messages, style, sees)) for name, style in zip(names, styles, strict=True)}
    apart = {} if described else {"described": Table(q.SFT, partial(_samples, column, messages, styles[0], _described))}
    return tables | apart


def tasks(described: bool) -> dict[str, Table]:
    """Return the tables of RL tasks: ``rl``, the audit list of suspect labels, and ``described`` where that lies apart."""
    apart = {} if described else {"described": Table(q.RL, partial(_tasks, _described))}
    return {"rl": Table(q.RL, partial(_tasks, partial(_seen, everything=described))), **apart, "audit": Table(q.AUDIT, _audit)}


def _tasks(wanted: Rows, batch: pa.RecordBatch) -> pa.RecordBatch:
    return to_tasks(wanted(kept(batch)))


def _audit(batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = take_rows(batch, is_equal(batch, q.HOPELESS.name, SUSPECT_LABEL))
    return conform(rows.select(q.AUDIT.names), q.AUDIT)


def _all(column: str, batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = nested.rows_of(batch, column, BESIDE)
    return conform(rows.select([name for name in rows.schema.names if name in q.ROLLOUTS.names]), q.ROLLOUTS)


def _samples(column: str, messages: ToMessages, style: Style, wanted: Rows, batch: pa.RecordBatch) -> pa.RecordBatch:
    rows = nested.rows_of(wanted(kept(batch)), column, OF_QUESTION)
    return messages(take_rows(rows, is_equal(rows, c.EXIT.name, KEPT)), style)


def _seen(batch: pa.RecordBatch, everything: bool) -> pa.RecordBatch:
    return batch if everything else take_rows(batch, ~is_equal(batch, q.SEEN.name, q.SEEN_DESCRIPTION))


def _described(batch: pa.RecordBatch) -> pa.RecordBatch:
    return take_rows(batch, is_equal(batch, q.SEEN.name, q.SEEN_DESCRIPTION))
