"""Rows that a step multiplies: the rollouts of a question rest in a list on their parent, each with an exit of its own.

A fragment keeps one row for each row of the input, so every sum of the spine holds as it is. The rows of a nested column have a
funnel of their own beside it, in the metadata under ``funnel:<column>``, and must add up like any other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.spine import funnel
from pipelines.spine.steps import FUNNEL
from schemas import columns as c
from schemas.batches import column_or_nulls, set_columns
from schemas.exits import KEPT

PREFIX = FUNNEL + b":"


@dataclass(frozen=True)
class Nested:
    """What became of the rows of one nested column."""

    funnel: tuple[funnel.StepCount, ...]
    exits: Mapping[str, int]
    """Rows by door, counted from the rows themselves."""


def nest(parents: pa.RecordBatch, name: str, children: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``parents`` with ``children`` in the list column ``name``: those of each (split_id, row), in their order.

    The structs have the columns of ``schema``; a child that has not left is kept. The funnel of ``children`` goes into the metadata.
    Raises ``ValueError`` for a child without a parent.
    """
    exits = [door or KEPT for door in children.column(c.EXIT.name).to_pylist()]
    children = set_columns(children, {c.EXIT.name: pa.array(exits, pa.string())})
    place = {row: at for at, row in enumerate(parents.column(c.ROW.name).to_pylist())}
    try:
        parent = np.array([place[row] for row in children.column(c.ROW.name).to_pylist()], np.int64)
    except KeyError as missing:
        raise ValueError(f"a row nested in {name} says that its parent is row {missing}, which its split has not") from None
    order = np.argsort(parent, kind="stable")
    ends = np.searchsorted(parent[order], np.arange(len(parents) + 1)).astype(np.int32)
    arrays = [column_or_nulls(children, field).take(pa.array(order)) for field in schema]
    bare = [pa.field(field.name, field.type) for field in schema]
    lists = pa.ListArray.from_arrays(pa.array(ends), pa.StructArray.from_arrays(arrays, fields=bare))
    metadata = {**(parents.schema.metadata or {}), PREFIX + name.encode(): (children.schema.metadata or {})[FUNNEL]}
    return set_columns(parents, {name: lists}).replace_schema_metadata(metadata)


def rows_of(batch: pa.RecordBatch, name: str, carried: Sequence[str] = ()) -> pa.RecordBatch:
    """Return the rows nested in the list column ``name``, each beside the columns ``carried`` of its parent that it has not itself."""
    lists = batch.column(name)
    structs = lists.flatten()
    arrays = dict(zip((field.name for field in lists.type.value_type), structs.flatten(), strict=True))
    parents = pc.call_function("list_parent_indices", [lists])
    arrays |= {column: batch.column(column).take(parents) for column in carried if column not in arrays}
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def names(batch: pa.RecordBatch) -> list[str]:
    """Return the nested columns that ``batch`` has a funnel of."""
    return [key[len(PREFIX) :].decode() for key in batch.schema.metadata or {} if key.startswith(PREFIX)]


def all_rows(batch: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
    """Return the rows of every nested column of ``batch``."""
    return {name: rows_of(batch, name) for name in names(batch)}


def told(batch: pa.RecordBatch) -> dict[str, Nested]:
    """Return, of each nested column of a fragment, the funnel in its footer and the exits of its rows."""
    return {
        name: Nested(
            tuple(funnel.loads(batch.schema.metadata[PREFIX + name.encode()])), dict(Counter(rows.column(c.EXIT.name).to_pylist()))
        )
        for name, rows in all_rows(batch).items()
    }


def total(parts: Iterable[Mapping[str, Nested]]) -> dict[str, Nested]:
    """Return the sums of ``parts``, column by column."""
    gathered = list(parts)
    every = sorted({name for part in gathered for name in part})
    return {name: _sum([part[name] for part in gathered if name in part]) for name in every}


def check(name: str, found: Nested) -> None:
    """Raise ``SumsDoNotAddUp`` unless the funnel of a nested column adds up, and tells of the rows that are there."""
    funnel.check(found.funnel, name)
    promised = {door: n for door, n in funnel.exits(found.funnel).items() if n}
    if promised != dict(found.exits):
        raise funnel.SumsDoNotAddUp(
            f"the footers promise {promised} of the rows in {name}, the rows say {dict(sorted(found.exits.items()))}"
        )


def recounted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` with the funnels that its nested rows tell, over the steps of those that it carries."""
    metadata = dict(batch.schema.metadata or {})
    for name, rows in all_rows(batch).items():
        key = PREFIX + name.encode()
        steps = [count.step for count in funnel.loads(metadata[key])]
        exits = Counter(zip(*(rows.column(field.name).to_pylist() for field in (c.EXIT, c.STEP, c.REASON)), strict=True))
        metadata[key] = funnel.dumps(funnel.recount(steps, exits))
    return batch.replace_schema_metadata(metadata)


def _sum(parts: Sequence[Nested]) -> Nested:
    exits: Counter[str] = Counter()
    for part in parts:
        exits.update(part.exits)
    return Nested(tuple(funnel.total(part.funnel for part in parts)), dict(sorted(exits.items())))
