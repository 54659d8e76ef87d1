"""Count the rows of a fragment: against every bar, by every metric and label, and choose those that are shown."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.report import rollouts
from pipelines.report.metrics import Bar, Metric, Plane, Told, binned
from pipelines.report.sketches import LABELS, Labels, Name, Order, Picks, Sketch, Sums, labelled
from pipelines.spine import funnel
from pipelines.spine.tables import place_of
from schemas import columns as c
from schemas import questions as q
from schemas.batches import draw
from schemas.exits import DEAD, KEPT, MERGED

SHOWN, SHOWN_OF_EACH, MEMBERS = 48, 12, 96
"""Cards of the kept and of all rows; of each reason and at each bar; of merged rows (ours: some 500 in all, 2 MB)."""
MISSING = "(none)"
OF_BAR = ("key", "step", "reason", "side", "threshold")
"""What a bar is declared by besides its metric."""
_NUMBER = re.compile(r"\d+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S+")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The rows of one table in a fragment, and what became of them."""

    table: str
    batch: pa.RecordBatch
    steps: Sequence[str]
    """Of the table's funnel, in order."""
    seed: int

    @cached_property
    def exit(self) -> list[str]:
        """Return the door of each row."""
        return self.batch.column(c.EXIT.name).to_pylist()

    @cached_property
    def reason(self) -> list[tuple[str | None, str | None]]:
        """Return step and reason of each row, null where it was kept."""
        return list(zip(self.batch.column(c.STEP.name).to_pylist(), self.batch.column(c.REASON.name).to_pylist(), strict=True))

    @cached_property
    def kept(self) -> Mask:
        """Return which rows were kept, shape (n,)."""
        return np.array([door == KEPT for door in self.exit], np.bool_)

    @cached_property
    def doors(self) -> Sums:
        """Return shape (n, 2): ones where a row was kept, and where it left."""
        return np.stack([self.kept, ~self.kept], 1).astype(np.int64)

    @cached_property
    def places(self) -> list[str]:
        """Return what names each row; rollouts of one question have its place and their model and number."""
        names = [n for n in (c.SPLIT_ID.name, c.ROW.name, "model", "rollout") if n in self.batch.schema.names]
        columns = [self.batch.column(name).to_pylist() for name in (names if self.table != "ledger" else names[:2])]
        return [":".join(map(str, row)) for row in zip(*columns, strict=True)]

    @cached_property
    def drawn(self) -> list[float]:
        """Return the draw of each row."""
        return draw(self.seed, self.places).tolist()

    def values(self, name: str) -> list[Any]:
        """Return a column, nulls throughout where the table has none of that name."""
        return self.batch.column(name).to_pylist() if name in self.batch.schema.names else [None] * len(self.batch)

    def has(self, metric: Metric) -> bool:
        """Tell whether the table has what ``metric`` needs."""
        return set(metric.needs) <= set(self.batch.schema.names)

    def met(self, bar: Bar) -> Mask:
        """Return which rows came as far as ``bar``, shape (n,)."""
        at = self.steps.index(bar.step)
        later = {step: number > at for number, step in enumerate(self.steps)}
        here = [step == bar.step and reason not in bar.before for step, reason in self.reason]
        return self.kept | np.array([later.get(step or "", False) for step, _ in self.reason], np.bool_) | np.array(here, np.bool_)


@dataclass(frozen=True)
class Telling:
    """What a pipeline tells of its rows; picklable, so that it is counted where the shards are written."""

    tables: Mapping[str, Told]
    """By the name of the table: ``ledger``, or that of a nested column."""
    seed: int = 0
    hidden: tuple[str, ...] = field(default=(c.IMAGE.name, q.IMAGES.name, c.IMAGE_EMBEDDING.name, c.MINHASH.name))
    """Columns that nothing is counted of and no card shows."""

    def __call__(self, tables: Mapping[str, pa.RecordBatch], steps: Mapping[str, Sequence[str]], so_far: Sketch) -> Sketch:
        """Return ``so_far`` with the rows of a fragment: ``tables`` by name, and the steps of the funnel of each."""
        for name, told in self.tables.items():
            if name in tables and len(tables[name]):
                rows = Rows(name, tables[name], steps.get(name, ()), self.seed)
                so_far = so_far + Sketch(dict(_sums(rows, told)), {**dict(_labels(rows, told)), **_verdicts(rows, told)})
                so_far = Sketch(so_far.sums, so_far.labels, {**so_far.picks, **self._picks(rows, told, so_far.picks)})
        return so_far

    def declared(self) -> dict[str, Any]:
        """Return this as JSON, metrics and planes by their names; ``pipelines.report.declared`` reads it back."""
        return {"seed": self.seed, "tables": {name: _declared(told) for name, told in self.tables.items()}}

    def _picks(self, rows: Rows, told: Told, known: Mapping[Name, Picks]) -> dict[Name, Picks]:
        names = [name for name in (told.columns or rows.batch.schema.names) if name in rows.batch.schema.names and name not in self.hidden]
        read = partial(_row, rows.batch.select(names))
        return {
            (rows.table, *name): known.get((rows.table, *name), Picks(most)).with_rows(orders, read)
            for name, most, orders in _chosen(rows, told)
        }


def _declared(told: Told) -> dict[str, Any]:
    return {
        "bars": [
            {**{name: getattr(bar, name) for name in OF_BAR}, "metric": bar.metric.name, "before": list(bar.before)} for bar in told.bars
        ],
        "metrics": [metric.name for metric in told.metrics],
        "labels": [list(label) for label in told.labels],
        "planes": [plane.name for plane in told.planes],
        "verdicts": told.verdicts,
        "columns": list(told.columns),
    }


def _row(batch: pa.RecordBatch, number: int) -> Mapping[str, Any]:
    return batch.slice(number, 1).to_pylist()[0]


def _sums(rows: Rows, told: Told) -> Iterator[tuple[Name, Sums]]:
    for bar in told.bars:
        if bar.step in rows.steps and rows.has(bar.metric):
            yield ("bar", rows.table, bar.key), _against(rows, bar)
    for metric in told.metrics:
        if rows.has(metric):
            yield ("metric", rows.table, metric.name), _spread(rows, metric)
    for plane in told.planes:
        yield ("plane", rows.table, plane.name), _over(rows, plane)


def _against(rows: Rows, bar: Bar) -> Sums:
    """Return shape (3, m + 2): rows by bin that were kept, left here and left later; the last bin has those without a value."""
    met = rows.met(bar)
    here = np.array([found == (bar.step, bar.reason) for found in rows.reason], np.bool_)
    bins = binned(bar.metric.values(rows.batch), bar.edges, bar.side)
    counted = np.zeros((3, len(bar.edges) + 2), np.int64)
    for door, mask in enumerate((rows.kept, here, ~rows.kept & ~here)):
        np.add.at(counted[door], bins[met & mask], 1)
    return counted


def _spread(rows: Rows, metric: Metric) -> Sums:
    """Return shape (2, m + 2): rows by bin that were kept and that left; the last bin has those without a value."""
    bins = binned(metric.values(rows.batch), metric.edges)
    counted = np.zeros((2, len(metric.edges) + 2), np.int64)
    for door, mask in enumerate((rows.kept, ~rows.kept)):
        np.add.at(counted[door], bins[mask], 1)
    return counted


def _over(rows: Rows, plane: Plane) -> Sums:
    """Return shape (2, nx + 1, ny + 1): kept rows and those that left, by both metrics; rows without one of them are not counted."""
    x, y = (binned(metric.values(rows.batch), metric.edges) for metric in (plane.x, plane.y))
    counted = np.zeros((2, len(plane.x.edges) + 1, len(plane.y.edges) + 1), np.int64)
    for door, mask in enumerate((rows.kept, ~rows.kept)):
        both = mask & (x >= 0) & (y >= 0)
        np.add.at(counted[door], (x[both], y[both]), 1)
    return counted


def _labels(rows: Rows, told: Told) -> Iterator[tuple[Name, Labels]]:
    for name, _ in told.labels:
        if name in rows.batch.schema.names:
            labels = [MISSING if value is None else str(value) for value in rows.values(name)]
            yield ("labels", rows.table, name), labelled(labels, rows.doors)
    dead = [number for number, door in enumerate(rows.exit) if door == DEAD]
    errors = rows.values(c.ERROR.name)
    told_by = [json.dumps([*rows.reason[number], _pattern(errors[number])], ensure_ascii=False) for number in dead]
    yield ("dead", rows.table), labelled(told_by, np.ones((len(dead), 1), np.int64))


def _verdicts(rows: Rows, told: Told) -> dict[Name, Labels]:
    return dict(rollouts.labels(rows.table, rows.batch)) if told.verdicts or rows.table == "ledger" else {}


def _pattern(error: str | None) -> str:
    """Return ``error`` without the names and numbers of the one row."""
    return _NUMBER.sub("#", _QUOTED.sub("…", error or ""))[:200]


def _chosen(rows: Rows, told: Told) -> Iterator[tuple[Name, int, list[tuple[Order, int]]]]:
    """Yield the groups of rows that are shown: name, how many at most, and the order of each row that is in the group.

    Of what was taken down there is nothing to show.
    """
    everything = [number for number, (step, _) in enumerate(rows.reason) if step != funnel.TAKE_DOWN]
    by_draw = [(rows.drawn[number], rows.places[number]) for number in range(len(rows.batch))]
    yield ("kept",), SHOWN, [(by_draw[number], number) for number in everything if rows.kept[number]]
    yield ("random",), SHOWN, [(by_draw[number], number) for number in everything]
    reasons = sorted({rows.reason[number] for number in everything if not rows.kept[number]}, key=str)
    for step, reason in reasons[:LABELS]:
        here = [number for number in everything if rows.reason[number] == (step, reason)]
        yield ("left", step or "", reason or ""), SHOWN_OF_EACH, [(by_draw[number], number) for number in here]
    for bar in told.bars:
        if bar.step in rows.steps and rows.has(bar.metric):
            yield ("near", bar.key), SHOWN_OF_EACH, _near(rows, bar)
    yield from _clusters(rows)


def _near(rows: Rows, bar: Bar) -> list[tuple[Order, int]]:
    away = np.abs(bar.metric.values(rows.batch) - bar.threshold)
    near = np.flatnonzero(rows.met(bar) & ~np.isnan(away)).tolist()
    return [((float(away[number]), rows.places[number]), number) for number in near]


def _clusters(rows: Rows) -> Iterator[tuple[Name, int, list[tuple[Order, int]]]]:
    """Yield representatives by the size of their cluster, and clusters drawn by the place of the representative, with their members."""
    sizes = rows.values(c.DUPLICATE_COUNT.name)
    leading = [(number, size) for number, size in enumerate(sizes) if size]
    yield ("largest",), SHOWN_OF_EACH, [((-float(size), rows.places[number]), number) for number, size in leading]
    yield ("leading",), SHOWN_OF_EACH, [((rows.drawn[number], rows.places[number]), number) for number, _ in leading]
    merged = [
        (number, place_of(into)) for number, into in enumerate(rows.values(c.MERGED_INTO.name)) if into and rows.exit[number] == MERGED
    ]
    into = draw(rows.seed, [place for _, place in merged]).tolist()
    members = [((drawn, rows.places[number]), number) for drawn, (number, _) in zip(into, merged, strict=True)]
    yield ("members",), MEMBERS, members
