"""Splits: ranges of input shards, cut by the input alone and each read as one batch."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import groupby, islice
from typing import Any, TypeVar

import pyarrow as pa
import xxhash

from pipelines.readers.folder import Entry, list_entries, plans_rows, read_entries
from pipelines.readers.listing import File, is_hidden, list_folder, list_matching, name_below, stat
from pipelines.readers.samples import NO_WORDS, Sample
from pipelines.readers.tar import Damage, TarSample, read_samples, scan
from pipelines.spine import storage
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure
from schemas.records import IMAGE_TEXT

VERSION = 1
"""Step version: part of the identity of what is read."""
TAR, FOLDER = "tar", "folder"
READ = pa.schema([*IMAGE_TEXT, c.REASON, c.ERROR])
"""What ``read`` returns: a row whose ``reason`` is set has no image."""

_PLAN_VERSION = 1
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file (``kind`` tar) or one folder of files (``kind`` folder, whose size and etag are empty) of the input."""

    kind: str
    path: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Split:
    """A range of one shard: the bytes ``first`` to ``last`` of a tar, with the damage that ends it, or entries of a folder."""

    split_id: str
    """32 hex digits of xxh3-128 over kind, path, size, etag and range; of a folder over its entries and their words."""
    kind: str
    path: str
    size: int
    etag: str
    rows: int
    """Rows that the range holds, the one for damage among them."""
    bytes: int
    """Bytes of the encoded images in the range."""
    stop: int | None = None
    """Only the first so many rows are taken, where the job is limited."""
    first: int = 0
    last: int = 0
    damage: Damage | None = None
    entries: tuple[Entry, ...] = ()

    @property
    def key(self) -> str:
        """Name under which the split is committed: its id, and how much of it was taken if not all."""
        return self.split_id if self.stop is None else f"{self.split_id}-{self.stop}"

    @property
    def taken(self) -> int:
        """Rows that ``read`` returns."""
        return self.rows if self.stop is None else self.stop


def list_shards(pattern: str) -> list[Shard]:
    """List what ``pattern`` names, sorted by path: a folder of images, a tar, the tars in a folder, or a glob of tars.

    Raises ``ValueError``, saying what to do, when nothing is found, when tars and images lie in one folder, and for
    compressed tars; ``OSError`` when a folder cannot be listed.
    """
    pattern = os.path.normpath(pattern) if storage.is_local(pattern) else pattern
    as_folder = _is_folder(pattern)
    tars, images = _sorted_out(pattern, as_folder)
    if tars and images:
        raise ValueError(f"{pattern} holds tars and images ({images[0]}); keep them in folders of their own, or name the tars by a glob")
    if not tars and not images:
        kind = "a folder without images, metadata.jsonl, metadata.csv or tars" if as_folder else "no file"
        raise ValueError(f"no input: {pattern} is {kind}; name a folder of images, a .tar, a folder of .tar or a glob of .tar")
    if images:
        return [Shard(FOLDER, pattern, 0, "")]
    return [Shard(TAR, file.path, file.size, file.etag) for file in sorted(tars, key=lambda file: file.path)]


def cut(shard: Shard, max_samples: int, max_bytes: int, plan: str) -> Iterator[Split]:
    """Cut ``shard`` into splits of at most so many samples and bytes of images (design: 512, 64 MiB); a larger image stands alone.

    A folder is cut before names that a hash chooses, so that a file that comes or goes moves the cuts near it and no others.
    The offsets of a tar are kept in the folder ``plan``, so that each tar is scanned once. Raises ``ValueError`` for a
    compressed tar, ``OSError`` when the shard cannot be read.
    """
    if shard.kind == FOLDER:
        yield from _listed(shard, max_samples, max_bytes)
        return
    path = storage.join(plan, f"{_hash(_PLAN_VERSION, *astuple(shard), max_samples, max_bytes)}.json")
    known = _planned(shard, path)
    splits = _scanned(shard, max_samples, max_bytes) if known is None else iter(known)
    done: list[Split] = []
    for split in splits:
        done.append(split)
        yield split
    if known is None:
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
    ``empty_file``, ``too_many_bytes``, ``no_image``, ``bad_metadata``, ``truncated_shard``. Raises ``EnvironmentFault``
    when the shard is no longer what was cut, ``OSError`` when all of it cannot be read.
    """
    samples = islice(_samples(split), split.taken)
    rows = [{c.SPLIT_ID.name: split.split_id, c.ROW.name: row, **sample.row(corpus, source_license)} for row, sample in enumerate(samples)]
    if len(rows) != split.taken:
        raise EnvironmentFault(
            f"{split.path}: expected {split.taken} rows as planned, found {len(rows)}; remove the plan folder and run again"
        )
    return from_rows(rows, READ)


def _samples(split: Split) -> Iterator[Sample]:
    if split.kind == FOLDER:
        yield from read_entries(split.path, split.entries[: split.taken])
        return
    found, planned = stat(split.path), File(split.path, split.size, split.etag)
    if found != planned:
        raise EnvironmentFault(f"{split.path} has changed since it was cut: expected {planned}, found {found}; run the command again")
    yield from read_samples(split.path, split.first, split.last)
    if split.damage is not None:
        offset, error = astuple(split.damage)
        failure = Failure("truncated_shard", f"{split.path}, byte {offset}: {error}; nothing from there on was read")
        yield Sample(split.path, None, offset, 0, "", NO_WORDS, failure)


def _is_folder(pattern: str) -> bool:
    if storage.is_local(pattern):
        return os.path.isdir(pattern)
    return not pattern.endswith(".tar") and not any(char in pattern for char in "*?[")


def _sorted_out(pattern: str, as_folder: bool) -> tuple[list[File], list[str]]:
    """Return the tars that ``pattern`` names, and the name of an image or metadata file if the folder has one."""
    tars: list[File] = []
    images: list[str] = []
    single = storage.is_local(pattern) and os.path.isfile(pattern)
    for file in list_folder(pattern) if as_folder else [stat(pattern)] if single else list_matching(pattern):
        name = name_below(pattern, file.path) if as_folder else os.path.basename(file.path)
        if is_hidden(name):
            continue
        if name.lower().endswith(_COMPRESSED):
            raise ValueError(f"{file.path} is compressed, so no range of it can be read; decompress it first")
        if name.lower().endswith(".tar"):
            tars.append(file)
        elif not as_folder:
            raise ValueError(f"{file.path} is no .tar; name a folder of images, a .tar, a folder of .tar or a glob of .tar")
        elif not images and plans_rows(name):
            images.append(name)
    return tars, images


def _packs(items: Iterable[tuple[_Item, int, bool]], max_samples: int, max_bytes: int) -> Iterator[list[_Item]]:
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
    chosen = ((row, row[1].size, row[0] == 0 and int(_hash(row[1].name), 16) % max(1, max_samples // 2) == 0) for row in rows)
    for pack in _packs(chosen, max_samples, max_bytes):
        yield _folder_split(shard, pack[0][0], [entry for _, entry in pack])


def _scanned(shard: Shard, max_samples: int, max_bytes: int) -> Iterator[Split]:
    found = ((item, item.image_bytes if isinstance(item, TarSample) else 0, False) for item in scan(shard.path, shard.size))
    for pack in _packs(found, max_samples, max_bytes):
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
    split_id = _hash(*astuple(shard), first, last)
    return Split(split_id, *astuple(shard), rows=rows, bytes=size, first=first, last=last, damage=damage)


def _folder_split(shard: Shard, nth: int, entries: Sequence[Entry]) -> Split:
    """Return the split of ``entries``, the first of which is the ``nth`` row of its file: equal lines may fill several splits."""
    split_id = _hash(*astuple(shard), nth, [astuple(entry) for entry in entries])
    size = sum(entry.size for entry in entries)
    return Split(split_id, *astuple(shard), rows=len(entries), bytes=size, entries=tuple(entries))


def _hash(*parts: object) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())
