"""Lists of addresses: Parquet, CSV and TSV with a header, found, cut into splits, and read as one stream for several splits.

A list is text and often has row groups of a million rows, of which Parquet reads none without all before it. So what a worker is
given is a *stretch*: splits that follow one another, opened once.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from typing import Any

import xxhash

from pipelines.ingest import delimited
from pipelines.ingest.list_columns import ListColumns, choose
from pipelines.readers.listing import File, list_kinds, stat
from pipelines.readers.parquet import read_cells, row_groups
from pipelines.readers.samples import Damage
from pipelines.readers.splits import Shard
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure

VERSION = 1
"""Step version: part of the identity of what is read."""
PARQUET = "parquet"
KINDS = {".parquet": PARQUET, **delimited.KINDS}
STRETCH = 16
"""Splits of a stretch at most: of a row group of a million rows, 4,096 are read for every half million passed over (ours)."""
SPREAD = 8
"""Stretches of a list at least, where it has as many splits, so that several workers share it (ours)."""
_AT_ONCE = 1024
_NAME_ONE = f"name a list of addresses ({', '.join(KINDS)}), a folder of them, or a glob of them"


@dataclass(frozen=True, slots=True)
class ListSplit:
    """So many rows of a list, downloaded and committed together."""

    split_id: str
    """32 hex digits of xxh3-128 over path, size, etag and range of the list, and the columns that are asked for."""
    first: int
    rows: int
    stop: int | None = None
    """Only the first so many rows are taken, where the job is limited."""

    @property
    def key(self) -> str:
        """Name under which the split is committed: its id, and how much of it was taken if not all."""
        return self.split_id if self.stop is None else f"{self.split_id}-{self.stop}"

    @property
    def taken(self) -> int:
        """Rows that are read."""
        return self.rows if self.stop is None else self.stop


@dataclass(frozen=True, slots=True)
class Stretch:
    """Splits that follow one another in ``shard``, at least one."""

    shard: Shard
    columns: ListColumns
    splits: tuple[ListSplit, ...]
    offset: int = 0
    """First byte of the first row, where rows are lines."""
    damage: Damage | None = None
    """Why the list has no row but one that says so."""


Row = tuple[int, Mapping[str, Any] | Failure]
"""Number of a row in its list, and its cells by role or why it cannot be read."""


def list_lists(pattern: str) -> list[Shard]:
    """Return the lists that ``pattern`` names, sorted by path; raises ``ValueError``, saying what to do, where it names none."""
    return [Shard(kind, *astuple(file)) for kind, file in list_kinds(pattern, KINDS, "list", _NAME_ONE)]


def refuse_columns(lists: Iterable[Shard], columns: ListColumns) -> None:
    """Raise ``EnvironmentFault`` for the first of ``lists`` that lacks ``columns``; a list that cannot be opened has none to lack."""
    for shard in lists:
        if shard.kind == PARQUET:
            row_groups(shard.path, partial(choose, shard.path, columns=columns))
        else:
            delimited.header_of(shard.path, shard.kind, columns)


def cut(shard: Shard, columns: ListColumns, split_urls: int, plan: str) -> Iterator[Stretch]:
    """Cut ``shard`` into splits of ``split_urls`` rows, in stretches; where the lines of a list begin is kept in the folder ``plan``.

    Raises ``EnvironmentFault`` where it lacks ``columns``, ``OSError`` where it cannot be read.
    """
    if shard.kind == PARQUET:
        groups = row_groups(shard.path, partial(choose, shard.path, columns=columns))
        if isinstance(groups, Damage):
            yield Stretch(shard, columns, (_split(shard, columns, 0, 1),), damage=groups)
            return
        starts = [(0, first) for first in range(0, sum(rows for rows, _ in groups), split_urls)]
        rows = sum(rows for rows, _ in groups)
    else:
        starts, rows = delimited.starts_of(shard, split_urls, plan)
    splits = [_split(shard, columns, first, min(split_urls, rows - first)) for _, first in starts]
    length = max(1, min(STRETCH, -(-len(splits) // SPREAD)))
    for at in range(0, len(splits), length):
        yield Stretch(shard, columns, tuple(splits[at : at + length]), starts[at][0])


def limited(stretches: Iterable[Stretch], limit: int) -> Iterator[Stretch]:
    """Yield stretches until they hold ``limit`` rows, the last split stopped short; asks for no stretch more than it needs."""
    for stretch in stretches:
        taken: list[ListSplit] = []
        for split in stretch.splits:
            if limit > 0:
                taken.append(split if split.rows <= limit else replace(split, stop=limit))
                limit -= split.rows
        yield replace(stretch, splits=tuple(taken))
        if limit <= 0:
            return


def read(stretch: Stretch, wanted: Sequence[ListSplit]) -> Iterator[tuple[ListSplit, list[Row]]]:
    """Yield the ``wanted`` splits of ``stretch`` with their rows, in order; what lies before the first and behind the last is not kept.

    Raises ``EnvironmentFault`` where the list is no longer what was cut.
    """
    shard = stretch.shard
    if stretch.damage is not None:
        gone = Failure("truncated_shard", f"{shard.path}: {stretch.damage.error}; nothing of it was read")
        for split in wanted:
            yield split, [(0, gone)]
        return
    found, planned = stat(shard.path), File(shard.path, shard.size, shard.etag)
    if found != planned:
        raise EnvironmentFault(f"{shard.path} has changed since it was cut: expected {planned}, found {found}; run the command again")
    rows = _rows(stretch, wanted)
    for split in wanted:
        last = split.first + split.taken
        mine = [row for row in _until(rows, last) if row[0] >= split.first]
        if len(mine) != split.taken:
            raise EnvironmentFault(f"{shard.path}: expected {split.taken} rows from row {split.first} on, found {len(mine)}")
        yield split, mine


def _rows(stretch: Stretch, wanted: Sequence[ListSplit]) -> Iterator[Row]:
    if not wanted:
        return
    shard, first, last = stretch.shard, wanted[0].first, wanted[-1].first + wanted[-1].taken
    if shard.kind == PARQUET:
        choice = partial(choose, shard.path, columns=stretch.columns)
        for row, cells, _ in read_cells(shard.path, first, last, choice, _AT_ONCE):
            yield row, Failure("unreadable_row", cells) if isinstance(cells, str) else cells
    else:
        yield from delimited.read_rows(shard, stretch.columns, stretch.offset, stretch.splits[0].first, last)


def _until(rows: Iterator[Row], last: int) -> Iterator[Row]:
    """Yield ``rows`` up to the one before ``last``, and leave the rest."""
    for row in rows:
        yield row
        if row[0] + 1 >= last:
            return


def _split(shard: Shard, columns: ListColumns, first: int, rows: int) -> ListSplit:
    parts = [*astuple(shard), first, first + rows, astuple(columns)]
    return ListSplit(xxhash.xxh3_128_hexdigest(json.dumps(parts).encode()), first, rows)
