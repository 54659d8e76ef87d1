"""The tables of a finished run, read by the columns and row groups that a question needs."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.spine import fragments, funnel, storage
from pipelines.spine.commit import FUNNEL_FILE, MANIFEST, nested_funnel
from pipelines.spine.forgotten import any_in, is_in
from schemas import columns as c

PLACE = (c.SPLIT_ID.name, c.ROW.name)
INTO = c.MERGED_INTO.name


@dataclass
class Reading:
    """What has been read so far."""

    files: set[str] = field(default_factory=set[str])
    row_groups: int = 0
    skipped: int = 0
    """Row groups whose statistics rule out what is looked for."""
    bytes: int = 0
    """Of the column chunks that were read, as they lie in the files."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A row of a table."""

    path: str
    """Relative to the run."""
    row: int
    """From 0, in the file."""
    group: int
    index: int
    """From 0, in the row group."""


@dataclass(frozen=True)
class Part:
    """Some columns of one row group."""

    path: str
    group: int
    first: int
    """Row of the file that is the first here."""
    batch: pa.RecordBatch

    def hits(self, mask: Any) -> Iterator[Hit]:
        """Yield the rows where ``mask``, shape (n,), is true."""
        yield from (Hit(self.path, self.first + int(index), self.group, int(index)) for index in np.flatnonzero(mask))


@dataclass(frozen=True)
class Run:
    """A finished run. Make one by ``open_run``."""

    folder: str
    manifest: Mapping[str, Any]
    reading: Reading = field(default_factory=Reading, compare=False)

    @property
    def output(self) -> str:
        """Folder that the run, its passes and its answers lie below."""
        return self.folder.rstrip("/").rsplit("/", 2)[0]

    @property
    def passes(self) -> list[str]:
        """Folders of the fragments that the run was made of, in the order of the passes."""
        return [storage.join(self.output, *name.split("/")) for name in self.manifest["passes"]]

    @property
    def tables(self) -> list[str]:
        """Names of the tables, the ledger last."""
        return sorted({_table_of(name) for name in self.files()}, key=lambda table: (table == "ledger", table))

    def files(self, table: str | None = None) -> list[str]:
        """Return the files of ``table``, or of all, in order and relative to the run."""
        return sorted(file["path"] for file in self.manifest["files"] if table in (None, _table_of(file["path"])))

    def entry(self, path: str) -> Mapping[str, Any]:
        """Return what the manifest says of the file ``path``."""
        return next(file for file in self.manifest["files"] if file["path"] == path)

    @property
    def nested(self) -> list[str]:
        """Names of the tables of rows that were nested in others, such as rollouts: each has a funnel of its own."""
        return [table for table in self.tables if storage.exists(storage.join(self.folder, nested_funnel(table)))]

    def funnel(self, nested: str | None = None) -> list[funnel.StepCount]:
        """Return the funnel of the run, or that of the table of ``nested`` rows."""
        return funnel.loads(storage.read(storage.join(self.folder, nested_funnel(nested) if nested else FUNNEL_FILE)))

    def scan(self, table: str, names: Sequence[str] | None, within: "Within | None" = None) -> Iterator[Part]:
        """Yield ``names``, as far as ``table`` has them, or all, of each row group that may hold what lies ``within``."""
        for path in self.files(table):
            yield from self.parts(path, names, within)

    def parts(self, path: str, names: Sequence[str] | None, within: "Within | None" = None) -> Iterator[Part]:
        """Yield ``names``, as far as it has them, or all, of each row group of the one file ``path``."""
        with storage.parquet(storage.join(self.folder, path)) as file:
            known = [name for name in file.schema_arrow.names if names is None or name in names]
            first = 0
            for group in range(file.num_row_groups):
                about = file.metadata.row_group(group)
                if within is not None and not within.may_hold(about):
                    self.reading.skipped += 1
                else:
                    yield Part(path, group, first, self._read(file, path, group, known))
                first += about.num_rows

    def rows(self, hits: Iterable[Hit], but: Collection[str] = ()) -> Iterator[tuple[Hit, dict[str, Any]]]:
        """Yield each of ``hits`` with its columns, without those of ``but``; a row group is read once for all of its rows."""
        for (path, group), here in groupby(sorted(hits), key=lambda hit: (hit.path, hit.group)):
            with storage.parquet(storage.join(self.folder, path)) as file:
                batch = self._read(file, path, group, [name for name in file.schema_arrow.names if name not in but])
            for hit in here:
                yield hit, batch.slice(hit.index, 1).to_pylist()[0]

    def by_value(self, table: str, name: str, values: Collection[str]) -> list[Hit]:
        """Return the rows of ``table`` whose column ``name`` is, or lists, one of ``values``."""
        parts = self.scan(table, [name], Within(name, tuple(values)))
        return [hit for part in parts if part.batch.num_columns for hit in part.hits(any_in(part.batch.column(0), values))]

    def by_place(self, table: str, places: Collection[str]) -> list[Hit]:
        """Return the rows of ``table`` that stand at one of ``places``, each ``split_id:row``."""
        if not places:
            return []
        parts = self.scan(table, PLACE, Within(c.SPLIT_ID.name, tuple({place.split(":")[0] for place in places})))
        return [hit for part in parts for hit in part.hits(is_in(places_of(part.batch), places))]

    def merged_into(self, places: Collection[str]) -> list[Hit]:
        """Return the rows of the ledger that were merged into a row at one of ``places``."""
        parts = self.scan("ledger", [INTO]) if places else ()
        return [hit for part in parts if part.batch.num_columns for hit in part.hits(is_in(targets_of(part.batch), places))]

    def _read(self, file: pq.ParquetFile, path: str, group: int, names: Sequence[str]) -> pa.RecordBatch:
        chunks = (file.metadata.row_group(group).column(n) for n in range(file.metadata.num_columns))
        self.reading.bytes += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in names)
        self.reading.row_groups += 1
        self.reading.files.add(path)
        return fragments.one_batch(file.read_row_group(group, columns=list(names), use_threads=False))


@dataclass(frozen=True)
class Within:
    """What a row group is passed over for: by its statistics, its column ``name`` holds none of ``values``."""

    name: str
    values: tuple[str, ...]

    def may_hold(self, group: Any) -> bool:
        """Tell whether the row group, by its metadata, may hold one of the values."""
        for n in range(group.num_columns):
            chunk = group.column(n)
            if chunk.path_in_schema == self.name and chunk.statistics is not None and chunk.statistics.has_min_max:
                return any(chunk.statistics.min <= value <= chunk.statistics.max for value in self.values)
        return True


def open_run(folder: str) -> Run:
    """Return the finished run in ``folder``; raises ``ValueError`` where there is none."""
    path = storage.join(storage.absolute(folder), MANIFEST)
    if not storage.exists(path):
        raise ValueError(f"{folder} holds no {MANIFEST}: expected the folder of a finished run, such as runs/recaption/ID")
    manifest = json.loads(storage.read(path))
    if not isinstance(manifest, dict) or {"files", "passes"} - manifest.keys():
        raise ValueError(f"{path}: expected a manifest with `files` and `passes`, found something else; is it that of a run?")
    return Run(storage.absolute(folder), manifest)


def runs_below(output: str) -> list[str]:
    """Return the folders of the finished runs below ``output``, whatever their pipelines."""
    if storage.is_local(output):
        return sorted(str(path.parent) for path in Path(output).glob(f"*/*/{MANIFEST}"))
    return sorted(m.path.rpartition("/")[0] for m in storage.match(storage.join(output, "*", "*", MANIFEST)))


def places_of(batch: pa.RecordBatch) -> pa.Array:
    """Return ``split_id:row`` of each row."""
    return _joined(*(batch.column(name) for name in PLACE))


def targets_of(batch: pa.RecordBatch) -> pa.Array:
    """Return ``split_id:row`` of what each row was merged into, null where it was not."""
    into = batch.column(INTO)
    return _joined(*(pc.call_function("struct_field", [into], pc.StructFieldOptions(name)) for name in PLACE))


def place_of(row: Mapping[str, Any]) -> str:
    """Return ``split_id:row`` of a row, or of what ``merged_into`` holds."""
    return f"{row[c.SPLIT_ID.name]}:{row[c.ROW.name]}"


def _joined(split_id: pa.Array, row: pa.Array) -> pa.Array:
    return pc.call_function("binary_join_element_wise", [split_id, pc.cast(row, pa.string()), pa.scalar(":")])


def _table_of(path: str) -> str:
    return path.split("/")[0]
