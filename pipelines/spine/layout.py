"""The tables of a run: their columns, and which rows of a fragment, or rows made of them, go into each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from pipelines.report.sketches import Sketch
from schemas import columns as c
from schemas.batches import is_equal, take_rows
from schemas.exits import DEAD, KEPT

Rows = Callable[[pa.RecordBatch], pa.RecordBatch]


class Tell(Protocol):
    """Counts the rows of a run."""

    def __call__(self, tables: Mapping[str, pa.RecordBatch], steps: Mapping[str, Sequence[str]], so_far: Sketch) -> Sketch:
        """Return ``so_far`` with the rows of a fragment: ``tables`` by name, and the steps of the funnel of each."""
        ...

    def declared(self) -> dict[str, Any]:
        """Return what is counted, as JSON: who looks at a run under way counts the same."""
        ...


@dataclass(frozen=True)
class Table:
    """One table of a run: its columns, and which rows of a fragment, or rows made of them, go into it."""

    schema: pa.Schema
    rows: Rows


@dataclass(frozen=True)
class Layout:
    """The tables of a run. What is no row of the input by itself, such as the rollouts of a question, is a ``further`` one."""

    ledger: pa.Schema
    dead: pa.Schema
    samples: pa.Schema | None = None
    """What a trainer of vision-language models reads: no content that was written without the pixels, unless it was asked for."""
    described: pa.Schema | None = None
    """Kept rows with ``seen=description``, apart from the samples; null where they lie among them or there are none."""
    further: Mapping[str, Table] = field(default_factory=dict[str, Table])
    """Tables by name; one that bears the name of a nested column (``pipelines.spine.nested``) holds all of its rows, with their exits."""
    tell: Tell | None = None
    """What is counted of the rows while they are written; null counts nothing."""

    @property
    def tables(self) -> dict[str, Table]:
        """Return each table that is written, by its name."""
        samples = kept if self.described is None else kept_seen
        own = {
            "samples": self.samples and Table(self.samples, samples),
            "described": self.described and Table(self.described, kept_described),
            "ledger": Table(self.ledger, every),
            "dead": Table(self.dead, dead),
        }
        return {**{name: table for name, table in own.items() if table}, **self.further}


def every(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return all rows of a fragment."""
    return batch


def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that were kept."""
    return take_rows(batch, is_equal(batch, c.EXIT.name, KEPT))


def dead(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the dead letters."""
    return take_rows(batch, is_equal(batch, c.EXIT.name, DEAD))


def kept_described(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the kept rows that were written from a description."""
    rows = kept(batch)
    return take_rows(rows, is_equal(rows, c.SEEN.name, c.SEEN_DESCRIPTION))


def kept_seen(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the kept rows that were not written from a description."""
    rows = kept(batch)
    return take_rows(rows, ~is_equal(rows, c.SEEN.name, c.SEEN_DESCRIPTION))
