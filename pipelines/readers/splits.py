"""Splits: ranges of input shards, cut by the input alone and each read as one batch."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from itertools import groupby, islice
from typing import Any, TypeVar

import pyarrow as pa
import xxhash

from pipelines.readers import parquet
from pipelines.readers.folder import Entry, list_entries, plans_rows, read_entries
from pipelines.readers.listing import File, is_hidden, list_folder, list_matching, name_below, stat
from pipelines.readers.parquet_columns import ParquetColumns, choose
from pipelines.readers.question_columns import QuestionColumns
from pipelines.readers.samples import NO_WORDS, Damage, Sample, columns_of
from pipelines.readers.tar import TarSample, read_samples, scan
from pipelines.spine import storage
from schemas import columns as c
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure
from schemas.records import IMAGE_TEXT

VERSION = 2
"""Step version: part of the identity of what is read."""
TAR, FOLDER, PARQUET = "tar", "folder", "parquet"
READ = pa.schema([*IMAGE_TEXT, c.IMAGE_HASH, c.REASON, c.ERROR])
"""What ``read`` returns: a row whose ``reason`` is set has no image."""

_PLAN_VERSION = 1
_KINDS = {".tar": TAR, parquet.SUFFIX: PARQUET}
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".parquet.gz")
_NAME_ONE = "name a folder of images, a .tar or .parquet, a folder of them, or a glob of them"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file (``kind`` tar or parquet) or one folder of files (``kind`` folder, whose size and etag are empty) of the input."""

    kind: str
    path: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Split:
    """A range of one shard: bytes of a tar, or rows of a Parquet file, with the damage that ends them; or entries of a folder."""

    split_id: str
    """32 hex digits of xxh3-128 over kind, path, size, etag and range; of a folder over its entries and their words, of Parquet also
    over the columns that are asked for."""
    kind: str
    path: str
    size: int
    etag: str
    rows: int
    """Rows that the range holds, the one for damage among them."""
    bytes: int
    """Bytes of the encoded images in the range; of Parquet an estimate."""
    stop: int | None = None
    """Only the first so many rows are taken, where the job is limited."""
    first: int = 0
    last: int = 0
    damage: Damage | None = None
    entries: tuple[Entry, ...] = ()
    columns: ParquetColumns | QuestionColumns | None = None
    line: int = 0
    """Number of the first line, from 1, where rows are lines."""

    @property
    def key(self) -> str:
        """Name under which the split is committed: its id, and how much of it was taken if not all."""
        return self.split_id if self.stop is None else f"{self.split_id}-{self.stop}"

    @property
    def taken(self) -> int:
        """Rows that ``read`` returns."""
        return self.rows if self.stop is None else self.stop


def list_shards(pattern: str) -> list[Shard]:
    """List what ``pattern`` names, sorted by path: a folder of images, or tars or Parquet files: one, those in a folder, or a glob.

    Raises ``ValueError``, saying what to do, when nothing is found, when files of two kinds lie in one folder, and for
    compressed files; ``OSError`` when a folder cannot be listed.
    """
    pattern = os.path.normpath(pattern) if storage.is_local(pattern) else pattern
    as_folder = _is_folder(pattern)
    shards, images = _sorted_out(pattern, as_folder)
    kinds = sorted({shard.kind for shard in shards}) + [f"images ({name})" for name in images]
    if len(kinds) > 1:
        raise ValueError(f"{pattern} holds {' and '.join(kinds)}; keep them in folders of their own, or name those of one kind by a glob")
    if not kinds:
        kind = "a folder without images, metadata.jsonl, metadata.csv, tars or Parquet files" if as_folder else "no file"
        raise ValueError(f"no input: {pattern} is {kind}; {_NAME_ONE}")
    return [Shard(FOLDER, pattern, 0, "")] if images else sorted(shards, key=lambda shard: shard.path)


def cut(shard: Shard, max_samples: int, max_bytes: int, plan: str, columns: ParquetColumns | None = None) -> Iterator[Split]:
    """Cut ``shard`` into splits of at most so many samples and bytes of images (design: 512, 64 MiB); a larger image stands alone.

    A folder is cut before names that a hash chooses, so that a file that comes or goes moves the cuts near it and no others.
    The offsets of a tar are kept in the folder ``plan``, so that each tar is scanned once. A Parquet file, whose images lie in
    ``columns``, is cut by its footer. Raises ``ValueError`` for a compressed tar, ``OSError`` when the shard cannot be read,
    ``EnvironmentFault`` when it lacks the columns.
    """
    if shard.kind == FOLDER:
        yield from _listed(shard, max_samples, max_bytes)
        return
    if shard.kind == PARQUET:
        columns = columns or ParquetColumns()
        choice = partial(choose, columns=columns)
        yield from (parquet_split(shard, found, columns) for found in parquet.scan(shard.path, choice, max_samples, max_bytes))
        return
    path = storage.join(plan, f"{hash_of(_PLAN_VERSION, *astuple(shard), max_samples, max_bytes)}.json")
    known = _planned(shard, path)
    splits = _scanned(shard, max_samples, max_bytes) if known is None else iter(known)
    done: list[Split] = []
    for split in splits:
        done.append(split)
        yield split
    if known is None:
        storage.remove(storage.temporaries(plan, [os.path.basename(path).split(".")[0]]))
        ranges = [(s.first, s.last, s.rows, s.bytes, astuple(s.damage) if s.damage else None) for s in done]
        storage.write(path, json.dumps(ranges).encode())


def limited(splits: Iterable[Split], limit: int) -> Iterator[Split]:
    """Yield splits until they hold ``limit`` rows, the last one stopped short; asks for no split more than it needs."""
    source = iter(splits)
    while limit > 0 and (split := next(source, None)) is not None:
        yield split if split.rows <= limit else replace(split, stop=limit)
        limit -= split.rows


def read(split: Split, corpus: str, source_license: str) -> pa.RecordBatch:
    """Return every row of ``split``, good or bad, with the columns of ``READ``.

    ``source_license`` stands where the source states none. Reasons: ``missing_file``, ``unreadable_file``,
    ``empty_file``, ``too_many_bytes``, ``no_image``, ``bad_metadata``, ``truncated_shard``; of Parquet also
    ``unreadable_row``, ``external_file``, ``several_images``. Raises ``EnvironmentFault`` when the shard is no longer what
    was cut, ``OSError`` when all of it cannot be read.
    """
    samples = list(islice(_samples(split), split.taken))
    if len(samples) != split.taken:
        raise EnvironmentFault(
            f"{split.path}: expected {split.taken} rows as planned, found {len(samples)}; remove the plan folder and run again"
        )
    place = {c.SPLIT_ID.name: [split.split_id] * len(samples), c.ROW.name: range(len(samples))}
    columns = {**place, **columns_of(samples, corpus, source_license)}
    return pa.RecordBatch.from_arrays([pa.array(columns[field.name], field.type) for field in READ], schema=READ)


def _samples(split: Split) -> Iterator[Sample]:
    if split.kind == FOLDER:
        yield from read_entries(split.path, split.entries[: split.taken])
        return
    refuse_changed(split)
    if isinstance(split.columns, ParquetColumns):
        yield from parquet.read_rows(split.path, split.first, split.last, split.columns)
    else:
        yield from read_samples(split.path, split.first, split.last, split.bytes)
    if split.damage is not None:
        yield Sample(split.path, None, split.damage.offset, 0, "", NO_WORDS, failure_of(split.path, split.damage))


def refuse_changed(split: Split) -> None:
    """Raise ``EnvironmentFault`` where the file of ``split`` is no longer what was cut."""
    found, planned = stat(split.path), File(split.path, split.size, split.etag)
    if found != planned:
        raise EnvironmentFault(f"{split.path} has changed since it was cut: expected {planned}, found {found}; run the command again")


def failure_of(path: str, damage: Damage) -> Failure:
    """Return what the row says that stands for the ``damage`` of the file ``path``."""
    return Failure("truncated_shard", f"{path}, byte {damage.offset}: {damage.error}; nothing from there on was read")


def _is_folder(pattern: str) -> bool:
    if storage.is_local(pattern):
        return os.path.isdir(pattern)
    return not pattern.endswith(tuple(_KINDS)) and not any(char in pattern for char in "*?[")


def _sorted_out(pattern: str, as_folder: bool) -> tuple[list[Shard], list[str]]:
    """Return the tars and Parquet files that ``pattern`` names, and the name of an image or metadata file if the folder has one."""
    shards: list[Shard] = []
    images: list[str] = []
    single = storage.is_local(pattern) and os.path.isfile(pattern)
    for file in list_folder(pattern) if as_folder else [stat(pattern)] if single else list_matching(pattern):
        name = name_below(pattern, file.path) if as_folder else os.path.basename(file.path)
        if is_hidden(name):
            continue
        if name.lower().endswith(_COMPRESSED):
            raise ValueError(f"{file.path} is compressed, so no range of it can be read; decompress it first")
        kind = _KINDS.get(os.path.splitext(name)[1].lower())
        if kind:
            shards.append(Shard(kind, file.path, file.size, file.etag))
        elif not as_folder:
            raise ValueError(f"{file.path} is no {' and no '.join(_KINDS)}; {_NAME_ONE}")
        elif not images and plans_rows(name):
            images.append(name)
    return shards, images


def packs(items: Iterable[tuple[_Item, int, bool]], max_samples: int, max_bytes: int) -> Iterator[list[_Item]]:
    """Group (item, bytes, whether a pack begins with it) in order; an item of more than ``max_bytes`` stands alone."""
    pack: list[_Item] = []
    total = 0
    for item, size, begins in items:
        if pack and (begins or len(pack) >= max_samples or total + size > max_bytes):
            yield pack
            pack, total = [], 0
        pack.append(item)
        total += size
    if pack:
        yield pack


def _listed(shard: Shard, max_samples: int, max_bytes: int) -> Iterator[Split]:
    """Cut a folder before about every ``max_samples / 2``-th name (ours: few splits are then cut by their size)."""
    same_name = groupby(list_entries(shard.path), key=lambda entry: entry.name)
    rows = (row for _, entries in same_name for row in enumerate(entries))
    chosen = ((row, row[1].size, row[0] == 0 and int(hash_of(row[1].name), 16) % max(1, max_samples // 2) == 0) for row in rows)
    for pack in packs(chosen, max_samples, max_bytes):
        yield _folder_split(shard, pack[0][0], [entry for _, entry in pack])


def _scanned(shard: Shard, max_samples: int, max_bytes: int) -> Iterator[Split]:
    found = ((item, item.image_bytes if isinstance(item, TarSample) else 0, False) for item in scan(shard.path, shard.size))
    for pack in packs(found, max_samples, max_bytes):
        samples = [item for item in pack if isinstance(item, TarSample)]
        damage = next((item for item in pack if isinstance(item, Damage)), None)
        first, last = (samples[0].start, samples[-1].end) if samples else (0, 0)
        yield _tar_split(shard, first, last, len(pack), sum(s.image_bytes for s in samples), damage)


def _planned(shard: Shard, path: str) -> list[Split] | None:
    """Return the splits whose offsets are kept in ``path``, or None: a plan that cannot be read is made again."""
    if not storage.exists(path):
        return None
    try:
        ranges: list[list[Any]] = json.loads(storage.read(path))
        return [_tar_split(shard, *range_, damage=damage and Damage(*damage)) for *range_, damage in ranges]
    except (ValueError, TypeError):
        return None


def _tar_split(shard: Shard, first: int, last: int, rows: int, size: int, damage: Damage | None) -> Split:
    split_id = hash_of(*astuple(shard), first, last)
    return Split(split_id, *astuple(shard), rows=rows, bytes=size, first=first, last=last, damage=damage)


def parquet_split(shard: Shard, found: parquet.RowRange | Damage, columns: ParquetColumns | QuestionColumns) -> Split:
    """Return the split of the rows, or of the damage, that ``parquet.scan`` found in ``shard``."""
    first, last, size = (0, 0, 0) if isinstance(found, Damage) else astuple(found)
    split_id = hash_of(*astuple(shard), first, last, *astuple(columns))
    damage = found if isinstance(found, Damage) else None
    rows = last - first + (damage is not None)
    return Split(split_id, *astuple(shard), rows=rows, bytes=size, first=first, last=last, damage=damage, columns=columns)


def _folder_split(shard: Shard, nth: int, entries: Sequence[Entry]) -> Split:
    """Return the split of ``entries``, the first of which is the ``nth`` row of its file: equal lines may fill several splits."""
    split_id = hash_of(*astuple(shard), nth, [astuple(entry) for entry in entries])
    size = sum(entry.size for entry in entries)
    return Split(split_id, *astuple(shard), rows=len(entries), bytes=size, entries=tuple(entries))


def hash_of(*parts: object) -> str:
    """Return the name of ``parts``, which JSON has to hold: 32 hex digits of xxh3-128."""
    return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())
