"""Compaction: fragments become the shards of a run, samples for the trainer, ledger and dead letters beside them."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from pipelines.report.sketches import Sketch
from pipelines.spine import fragments, funnel, nested, storage
from pipelines.spine.layout import Layout, kept
from pipelines.spine.nested import Nested
from pipelines.spine.steps import counts
from schemas import columns as c
from schemas.batches import conform
from schemas.records import SCHEMA_VERSION, with_features

ROW_GROUP_BYTES = 32 * 2**20
"""Image bytes in a row group: readers hold a whole one in memory (design; past 2 GiB nested leaves cannot be read)."""

TOLD_BY = (c.CAPTION.name, c.CAPTION_FAULT.name, c.ECHO.name, c.ENRICHED.name)
"""Columns that tell of which kind a kept caption is."""
SPENT = (c.PROMPT_TOKENS.name, c.COMPLETION_TOKENS.name, c.ANSWER_SECONDS.name)
CAPTIONS = ("enriched", "echo", "unsupported", "unjudged")
"""What a kept caption adds: a supported word, no word, only words that nothing supports, or what nobody could tell."""


@dataclass(frozen=True)
class ShardPlan:
    """One shard to write: its number and the fragments that go into it, in order."""

    number: int
    fragments: tuple[str, ...]


@dataclass(frozen=True)
class WrittenFile:
    """One finished file of a run, as the manifest lists it."""

    path: str
    """Relative to the run."""
    rows: int
    bytes: int
    xxh3_128: str


@dataclass(frozen=True)
class WrittenShard:
    """The files of one shard and the funnel of the fragments that went into it."""

    files: tuple[WrittenFile, ...]
    funnel: tuple[funnel.StepCount, ...]
    exits: Mapping[str, int]
    """Rows by door, counted from the rows themselves and not from the footers."""
    spent: Mapping[str, float]
    """What the rows' answers cost: sums of the columns of ``SPENT``."""
    captions: Mapping[str, int]
    """Kept captions by what they add to their alt text, a number for each of ``CAPTIONS``; empty where the pass writes none."""
    nested: Mapping[str, Nested] = field(default_factory=dict[str, Nested])
    """Of each nested column: the funnel of its rows, and their exits, counted from the rows themselves."""
    sketch: Sketch = field(default_factory=Sketch)
    """What was counted of the rows for the report."""


def plan(sizes: Sequence[tuple[str, int]], shard_bytes: int) -> list[ShardPlan]:
    """Cut the ordered (fragment, bytes) into shards of about ``shard_bytes``; a fragment is never divided."""
    shards: list[list[str]] = []
    filled = 0
    for path, size in sizes:
        if not shards or filled + size > shard_bytes:
            shards, filled = [*shards, []], 0
        shards[-1].append(path)
        filled += size
    return [ShardPlan(number, tuple(paths)) for number, paths in enumerate(shards)]


def write_shard(shard: ShardPlan, run: str, layout: Layout) -> WrittenShard:
    """Write the samples, ledger and dead letters of ``shard`` below ``run`` and return what was written.

    The files depend on the fragments alone, so two attempts write the same bytes.
    """
    told: list[list[funnel.StepCount]] = []
    below: list[Mapping[str, Nested]] = []
    doors: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    captions: Counter[str] = Counter()
    sketch = Sketch()
    with ExitStack() as stack:
        files_of = {name: stack.enter_context(_table(run, name, shard.number, table.schema)) for name, table in layout.tables.items()}
        for path in shard.fragments:
            batch = fragments.read(path)
            rows = {name: table.rows(batch) for name, table in layout.tables.items()}
            for name, found in rows.items():
                files_of[name].write(found)
            sketch = told_of(batch, rows, layout, sketch)
            told.append(counts(batch))
            below.append(nested.told(batch))
            doors.update(batch.column(c.EXIT.name).to_pylist())
            spent.update(spent_in(batch))
            captions.update(captions_in(kept(batch)))
    files = tuple(file.written() for file in files_of.values())
    exits, cost = dict(sorted(doors.items())), dict(sorted(spent.items()))
    return WrittenShard(files, tuple(funnel.total(told)), exits, cost, dict(captions), nested.total(below), sketch)


def told_of(batch: pa.RecordBatch, rows: Mapping[str, pa.RecordBatch], layout: Layout, sketch: Sketch) -> Sketch:
    """Return ``sketch`` with the fragment ``batch``, whose ``rows`` by table are those that are written."""
    if layout.tell is None:
        return sketch
    steps = steps_of(batch)
    return layout.tell({name: _selected(rows[name], layout.tables[name].schema) for name in steps if name in rows}, steps, sketch)


def steps_of(batch: pa.RecordBatch) -> dict[str, list[str]]:
    """Return the steps of the funnels in the footer of a fragment: that of the ``ledger``, and those of its nested columns."""
    funnels = {"ledger": counts(batch), **{name: found.funnel for name, found in nested.told(batch).items()}}
    return {name: [count.step for count in told] for name, told in funnels.items()}


def _selected(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    return batch.select([name for name in batch.schema.names if name in schema.names])


def rewrite(run: str, relative: str, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> WrittenFile:
    """Write the file ``relative`` of ``run`` anew, each row group as ``change`` leaves it: whole, or not at all."""
    path, rows = storage.join(run, relative), 0
    with storage.parquet(path) as old, storage.writing(path) as file:
        hashing, schema = _Hashing(file), old.schema_arrow
        with pq.ParquetWriter(hashing, schema, **fragments.parquet_options(schema)) as writer:
            for group in range(old.num_row_groups):
                batch = change(fragments.one_batch(old.read_row_group(group, use_threads=False)))
                if len(batch):
                    writer.write_table(pa.Table.from_batches([batch], schema), row_group_size=len(batch))
                rows += len(batch)
    return WrittenFile(relative, rows, hashing.size, hashing.hexdigest())


def describe(run: str, relative: str) -> WrittenFile:
    """Return what the manifest has to say of the file ``relative`` of ``run`` as it lies there."""
    path = storage.join(run, relative)
    with storage.parquet(path) as file:
        rows = file.metadata.num_rows
    hashing = xxhash.xxh3_128()
    with storage.open_file(path) as file:
        size = sum(hashing.update(piece) or len(piece) for piece in iter(lambda: file.read(2**20), b""))
    return WrittenFile(relative, rows, size, hashing.hexdigest())


def spent_in(batch: pa.RecordBatch) -> dict[str, float]:
    """Return what the answers of the rows of ``batch``, and of those nested in it, cost by the columns of ``SPENT``."""
    spent: Counter[str] = Counter()
    for rows in (batch, *nested.all_rows(batch).values()):
        spent.update({name: pc.call_function("sum", [rows.column(name)]).as_py() or 0 for name in SPENT if name in rows.schema.names})
    return dict(spent)


def captions_in(kept: pa.RecordBatch) -> dict[str, int]:
    """Return how many captions of ``kept`` are of each kind of ``CAPTIONS``; one that was set aside is of none."""
    if not set(TOLD_BY) <= set(kept.schema.names):
        return {}
    kinds = Counter(
        "echo" if echo else "unjudged" if enriched is None else "enriched" if enriched else "unsupported"
        for caption, fault, echo, enriched in zip(*(kept.column(name).to_pylist() for name in TOLD_BY), strict=True)
        if caption is not None and fault is None
    )
    return {kind: kinds[kind] for kind in CAPTIONS}


class _Hashing:
    """A file that hashes what passes through it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self.size = file, xxhash.xxh3_128(), 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class _Table:
    """One Parquet file in the making: rows gather until they fill a row group."""

    def __init__(self, file: _Hashing, relative: str, schema: pa.Schema) -> None:
        self._file, self._relative, self._schema = file, relative, schema
        self._writer = pq.ParquetWriter(file, schema, **fragments.parquet_options(schema))
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Add the rows of ``batch``, of which only the columns of the table are taken."""
        batch = conform(_selected(batch, self._schema), self._schema)
        for rows in _pieces(batch):
            if self._waiting_bytes + rows.nbytes > ROW_GROUP_BYTES:
                self._flush()
            self._waiting.append(rows)
            self._waiting_bytes += rows.nbytes

    def close(self) -> None:
        """Write what waits and the footer."""
        self._flush()
        self._writer.close()

    def written(self) -> WrittenFile:
        """Return the entry of the closed file in the manifest."""
        return WrittenFile(self._relative, self._rows, self._file.size, self._file.hexdigest())

    def _flush(self) -> None:
        rows = sum(len(batch) for batch in self._waiting)
        if rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=rows)
        self._rows += rows
        self._waiting, self._waiting_bytes = [], 0


@contextmanager
def _table(run: str, name: str, number: int, schema: pa.Schema) -> Generator[_Table]:
    relative = f"{name}/{name}-{number:05d}.parquet"
    stamped = with_features(schema.with_metadata({fragments.SCHEMA: str(SCHEMA_VERSION).encode()}))
    with storage.writing(storage.join(run, relative)) as file:
        table = _Table(_Hashing(file), relative, stamped)
        try:
            yield table
        finally:
            table.close()


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut ``batch`` where its image bytes, and texts of a mean length, pass another row group's worth."""
    if not len(batch):
        yield batch
        return
    images = image_bytes(batch)
    texts = max(batch.nbytes - int(images.sum()), 0) // len(batch)
    group = np.cumsum(images + texts) // ROW_GROUP_BYTES
    edges = [0, *(np.flatnonzero(np.diff(group)) + 1), len(batch)]
    for first, last in pairwise(edges):
        yield batch.slice(first, last - first)


def image_bytes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return how many bytes of encoded images each row holds, in ``image`` and ``images``, shape (n,)."""
    sums = np.zeros(len(batch), np.int64)
    if c.IMAGE.name in batch.schema.names:
        sums += _lengths(batch.column(c.IMAGE.name))
    if c.IMAGES.name in batch.schema.names:
        lists = batch.column(c.IMAGES.name)
        parents = pc.call_function("list_parent_indices", [lists]).to_numpy()
        np.add.at(sums, parents, _lengths(lists.flatten()))
    return sums


def _lengths(images: pa.StructArray) -> npt.NDArray[np.int64]:
    return pc.fill_null(pc.call_function("binary_length", [images.field("bytes")]), 0).to_numpy(zero_copy_only=False).astype(np.int64)
