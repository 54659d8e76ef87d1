"""Exact duplicates by a shuffle of hashes, and the verdicts on a split as they cross it; no image and no model is touched."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from filters.duplicates import EXACT_DUPLICATE, Decision, Member, decisions, gather
from pipelines.pairs.annotate import KEY
from pipelines.spine.coder import from_ipc, to_ipc
from pipelines.spine.steps import merge_step, under_way
from schemas import columns as c
from schemas.batches import conform, set_columns, take_rows, undocumented
from schemas.records import TWINS

DUPLICATES = "Merge exact duplicates"
VERDICTS, MERGES = "verdicts", "merges"


def members(batch: pa.RecordBatch) -> Iterator[tuple[str, Member]]:
    """Yield each row under way under the hash of its image, with what an earlier run merged into it."""
    names = (c.IMAGE_HASH, c.SPLIT_ID, c.ROW, c.ALT_TEXT, *TWINS)
    live = take_rows(batch.select([field.name for field in names]), under_way(batch))
    for image_hash, split_id, row, text, *twins in zip(*(column.to_pylist() for column in live.columns), strict=True):
        yield image_hash, member(split_id, row, text, (), *twins)


def member(
    split_id: str, row: int, text: str | None, rank: tuple[float, ...], texts: list[str] | None, count: int | None, merged: int | None
) -> Member:
    """Return a row as it crosses a shuffle; the last three are its columns of ``TWINS``, null where nothing was merged into it."""
    return Member(split_id, row, text, rank, tuple(texts or ())[1:], count or 1, merged or 0)


def merges(group: tuple[str, Iterable[Member]]) -> Iterator[tuple[str, Decision]]:
    """Yield, under its split, what becomes of each member of a group of two or more; the group is streamed twice."""
    _, same_image = group
    found = gather(same_image)
    if found.size > 1:
        for decision in decisions(found, same_image):
            yield decision.place.split_id, decision


def verdicts(batch: pa.RecordBatch, schema: pa.Schema) -> tuple[str, bytes]:
    """Return, under the split, what was decided on its rows: the columns of ``schema`` alone, as they cross the shuffle."""
    said = batch.select([n for n in batch.schema.names if n in schema.names])
    return batch.schema.metadata[KEY].decode().split("-")[0], to_ipc(undocumented(conform(said, schema)))


def join(split: tuple[str, Mapping[str, Iterable[Any]]], sentence: str = DUPLICATES, reason: str = EXACT_DUPLICATE) -> pa.RecordBatch:
    """Return the decisions on one split: what was said of it before, and what was merged into what at the step ``sentence``."""
    _, found = split
    (verdict,) = found[VERDICTS]
    batch = from_ipc(verdict)
    if batch.column(c.ROW.name).to_pylist() != list(range(len(batch))):
        raise ValueError(f"rows of split {batch.schema.metadata[KEY]!r} are not 0..{len(batch) - 1} in order; a reader must number them so")
    by_row: dict[int, Decision] = {decision.place.row: decision for decision in found[MERGES]}
    columns = {field.name: _with_decisions(batch.column(field.name), by_row, field) for field in TWINS}
    target = [None if (d := by_row.get(row)) is None or d.merged_into is None else d.merged_into._asdict() for row in range(len(batch))]
    return merge_step(set_columns(batch, columns, batch.schema), sentence, reason, pa.array(target, c.PLACE_TYPE))


def _with_decisions(column: pa.Array, by_row: Mapping[int, Decision], field: pa.Field) -> pa.Array:
    """Return ``column`` with what ``by_row`` says of a representative in the place of what stood there."""
    values = column.to_pylist()
    for row, decision in by_row.items():
        if decision.merged_into is None:
            value = getattr(decision, field.name)
            values[row] = list(value) if isinstance(value, tuple) else value
    return pa.array(values, field.type)


def without_twins(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Return the columns of ``TWINS`` with the rows that had no duplicate filled in: their own alt text, alone."""
    own = [None if text is None else [text] for text in batch.column(c.ALT_TEXT.name).to_pylist()]
    fill = {c.ALT_TEXTS: own, c.ALT_TEXT_COUNT: [1] * len(batch), c.DUPLICATE_COUNT: [0] * len(batch)}
    alone = under_way(batch) & np.asarray(batch.column(c.ALT_TEXT_COUNT.name).is_null())
    return {
        field.name: pa.array(
            [new if lone else old for new, old, lone in zip(values, batch.column(field.name).to_pylist(), alone, strict=True)], field.type
        )
        for field, values in fill.items()
    }
