"""How a step meets a batch: rows under way go through it, rows that left before pass by, and every row is counted.

The batch carries its exits as columns and its funnel as schema metadata, so that one file can commit both.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.spine import funnel
from schemas import columns as c
from schemas.batches import scatter, set_columns, take_rows
from schemas.exits import DEAD, DROPPED, MERGED, Addition, EnvironmentFault, Verdict
from schemas.records import EXITS

FUNNEL = b"funnel"
"""Key of the batch's funnel in its schema metadata."""

HALVE = object()
"""What a micro-batch comes to that has to be cut in two to find the row at fault."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """Which of n rows leave at a step, and what the ledger says of it; arrays of length n, null where the row stays."""

    door: str
    reason: pa.Array
    value: pa.Array
    threshold: pa.Array
    error: pa.Array
    merged_into: pa.Array
    added: Mapping[str, pa.Array]


def start(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` with empty exit columns and an empty funnel."""
    metadata = {**(batch.schema.metadata or {}), FUNNEL: funnel.dumps([])}
    return set_columns(batch, {f.name: pa.nulls(len(batch), f.type) for f in EXITS}).replace_schema_metadata(metadata)


def under_way(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Return which rows have not left yet, shape (n,)."""
    return batch.column(c.EXIT.name).is_null().to_numpy(zero_copy_only=False)


def counts(batch: pa.RecordBatch) -> list[funnel.StepCount]:
    """Return the funnel that ``batch`` carries."""
    return funnel.loads((batch.schema.metadata or {}).get(FUNNEL))


def run_step(batch: pa.RecordBatch, step: str, call: Callable[[pa.RecordBatch], Verdict | Addition]) -> pa.RecordBatch:
    """Send the rows under way through ``call`` and return the batch with their exits, added columns and the step's count.

    An unexpected exception is followed to the single row that raises it: that row is dead, the others go on.
    """
    mask = under_way(batch)
    live = take_rows(batch, mask)
    parts = [_leaving(part, len(rows)) for rows, part in _isolated(live, call)] if len(live) else []
    for part in parts:
        if len(part.reason) != len(part.error) or any(len(a) != len(part.reason) for a in part.added.values()):
            raise ValueError(f"step {step!r} answered columns of unequal length; a verdict has one entry for each row")
    return _leave(batch, step, mask, parts)


def merge_step(batch: pa.RecordBatch, step: str, reason: str, target: pa.Array) -> pa.RecordBatch:
    """Let the rows leave as merged whose ``target``, an array of (split_id, row) of the batch's length, is not null."""
    mask = under_way(batch)
    into = take_rows(pa.record_batch({"into": target}), mask).column(0)
    reasons = pa.array([None if place is None else reason for place in into.to_pylist()], pa.string())
    nulls = pa.nulls(len(into), pa.float64())
    part = Leaving(MERGED, reasons, nulls, nulls, pa.nulls(len(into), pa.string()), into, {})
    return _leave(batch, step, mask, [part] if len(into) else [])


def _isolated(batch: pa.RecordBatch, call: Callable[[pa.RecordBatch], Verdict | Addition]) -> Iterator[tuple[pa.RecordBatch, object]]:
    """Yield (rows, answer or exception), halving a batch that raises until the row at fault stands alone."""
    try:
        answer: object = call(batch)
    except EnvironmentFault:
        raise
    except MemoryError as error:
        if len(batch) == 1:
            raise EnvironmentFault("out of memory on a single sample; give the worker more memory or lower decode.max_pixels") from error
        answer = HALVE
    except Exception as error:  # noqa: BLE001  a row that breaks a step is a dead letter with the error's text, whatever it is
        answer = error if len(batch) == 1 else HALVE
    if answer is not HALVE:
        yield batch, answer
        return
    half = len(batch) // 2
    yield from _isolated(batch.slice(0, half), call)
    yield from _isolated(batch.slice(half), call)


def _leaving(answer: object, rows: int) -> Leaving:
    nulls, no_text, nowhere = pa.nulls(rows, pa.float64()), pa.nulls(rows, pa.string()), pa.nulls(rows, c.PLACE_TYPE)
    if isinstance(answer, Verdict):
        return Leaving(DROPPED, answer.reason, answer.value, answer.threshold, no_text, nowhere, answer.added)
    if isinstance(answer, Addition):
        return Leaving(DEAD, answer.reason, nulls, nulls, answer.error, nowhere, answer.added)
    error = pa.array([f"{type(answer).__name__}: {answer}"])
    return Leaving(DEAD, pa.array(["exception"]), nulls, nulls, error, nowhere, {})


def _leave(batch: pa.RecordBatch, step: str, mask: npt.NDArray[np.bool_], parts: list[Leaving]) -> pa.RecordBatch:
    """Write what ``parts`` say of the rows of ``mask`` into the exit columns, and count them."""
    exits = [part.door if reason is not None else None for part in parts for reason in part.reason.to_pylist()]
    columns = {name: [getattr(part, name) for part in parts] for name in ("reason", "value", "threshold", "error", "merged_into")}
    fields = {f.name: f.type for f in EXITS}
    said = {name: pa.concat_arrays([a.cast(fields[name]) for a in arrays]) for name, arrays in columns.items() if arrays}
    said[c.EXIT.name] = pa.array(exits, pa.string())
    said[c.STEP.name] = pa.array([None if door is None else step for door in exits], pa.string())
    old = {name: batch.column(name) for name in fields}
    new = {name: _fill(old[name], scatter(array, mask)) for name, array in said.items()} if parts else {}
    added = {name: _beside(batch, name, scatter(array, mask), mask) for name, array in _added(parts).items()}
    metadata = {**(batch.schema.metadata or {}), FUNNEL: funnel.dumps([*counts(batch), _count(step, mask, parts)])}
    return set_columns(batch, {**new, **added}).replace_schema_metadata(metadata)


def _beside(batch: pa.RecordBatch, name: str, new: pa.Array, mask: npt.NDArray[np.bool_]) -> pa.Array:
    """Return ``new`` in the rows of ``mask``; rows that left before keep what an earlier step had put into the column ``name``."""
    return _chosen(mask, new, batch.column(name).cast(new.type)) if name in batch.schema.names and not mask.all() else new


def _fill(old: pa.Array, new: pa.Array) -> pa.Array:
    """Return ``old`` with its nulls taken from ``new``."""
    return _chosen(old.is_valid().to_numpy(zero_copy_only=False), old, new)


def _chosen(mask: npt.NDArray[np.bool_], yes: pa.Array, no: pa.Array) -> pa.Array:
    """Return ``yes`` in the rows of ``mask``, else ``no``; works for structs, for which coalesce and if_else have no kernel."""
    places = np.where(mask, np.arange(len(mask)), np.arange(len(mask)) + len(mask))
    return pa.concat_arrays([yes, no]).take(pa.array(places))


def _added(parts: list[Leaving]) -> dict[str, pa.Array]:
    """Join the added columns of ``parts``; a part that failed has nulls in the columns that the others filled."""
    kinds = {name: array.type for part in parts for name, array in part.added.items()}
    return {
        name: pa.concat_arrays([part.added.get(name, pa.nulls(len(part.reason), kind)) for part in parts]) for name, kind in kinds.items()
    }


def _count(step: str, mask: npt.NDArray[np.bool_], parts: list[Leaving]) -> funnel.StepCount:
    doors: dict[str, Counter[str]] = {DROPPED: Counter(), MERGED: Counter(), DEAD: Counter()}
    kept = 0
    for part in parts:
        reasons = part.reason.to_pylist()
        doors[part.door].update(r for r in reasons if r is not None)
        kept += sum(r is None for r in reasons)
    dropped, merged, dead = (dict(sorted(doors[d].items())) for d in (DROPPED, MERGED, DEAD))
    return funnel.StepCount(step, int(mask.sum()), kept, dropped, merged, dead)
