"""Lists as text: CSV with quotes (RFC 4180), TSV without (IANA text/tab-separated-values); the first line names the columns.

Lines are counted in bytes, so that a list is parsed from its start once and then from where a stretch begins.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Any, BinaryIO

import xxhash

from pipelines.ingest.list_columns import ListColumns, choose_names
from pipelines.readers.splits import Shard
from pipelines.spine import storage
from schemas.protocols import Failure

KINDS = {".csv": "csv", ".tsv": "tsv"}
_BOM = b"\xef\xbb\xbf"
_PLAN_VERSION = 1
Starts = tuple[list[tuple[int, int]], int]
"""Byte and number of the first row of each split, and the rows in all."""
Fields = Sequence[str] | ValueError


def header_of(path: str, kind: str, columns: ListColumns) -> dict[str, int]:
    """Return the place of each column by its role; raises ``EnvironmentFault`` where the list ``path`` lacks one."""
    with storage.open_lines(path) as file:
        return choose_names(path, _header(file, kind), columns)


def starts_of(shard: Shard, split_urls: int, plan: str) -> Starts:
    """Return where each split of ``split_urls`` rows begins; scans the list once and keeps the answer in the folder ``plan``."""
    path = storage.join(plan, f"{_hash(_PLAN_VERSION, *astuple(shard), split_urls)}.json")
    known = _planned(path)
    if known is None:
        known = _scanned(shard, split_urls)
        storage.write(path, json.dumps(known).encode())
    return known


def read_rows(shard: Shard, columns: ListColumns, offset: int, first: int, last: int) -> Iterator[tuple[int, Mapping[str, Any] | Failure]]:
    """Yield the rows ``first`` to ``last`` of a list: cells by role, or why there are none. The row ``first`` begins at byte ``offset``."""
    with storage.open_lines(shard.path) as file:
        header = _header(file, shard.kind)
        chosen = choose_names(shard.path, header, columns)
        file.seek(offset)
        for number, (_, fields) in enumerate(_records(file, shard.kind, offset), first):
            if number >= last:
                return
            yield number, _cells(fields, len(header), chosen)


def _header(file: BinaryIO, kind: str) -> list[str]:
    """Return the names of the columns, and leave ``file`` at the first row."""
    at, fields = next(_records(file, kind, 0), (0, []))
    file.seek(at)
    return [] if isinstance(fields, ValueError) else [name.encode(errors="surrogateescape").decode(errors="replace") for name in fields]


def _records(file: BinaryIO, kind: str, at: int) -> Iterator[tuple[int, Fields]]:
    """Yield the byte behind each record from byte ``at`` on, and its fields; blank lines are none."""
    end = at

    def lines() -> Iterator[str]:
        nonlocal end
        for line in file:
            text = line.removeprefix(_BOM) if end == 0 else line
            end += len(line)
            yield text.decode(errors="surrogateescape")

    source = lines()
    reader = csv.reader(source) if kind == "csv" else csv.reader(source, delimiter="\t", quoting=csv.QUOTE_NONE)
    while True:
        try:
            fields: Fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fields = ValueError(str(error))
        if fields:
            yield end, fields


def _cells(fields: Fields, width: int, chosen: Mapping[str, int]) -> Mapping[str, Any] | Failure:
    if isinstance(fields, ValueError):
        return Failure("unreadable_row", f"no readable line: {fields}")
    if len(fields) != width:
        return Failure("unreadable_row", f"expected {width} fields as in the header, found {len(fields)}")
    return {role: fields[place].encode(errors="surrogateescape") for role, place in chosen.items()}


def _scanned(shard: Shard, split_urls: int) -> Starts:
    starts: list[tuple[int, int]] = []
    rows = 0
    with storage.open_lines(shard.path) as file:
        _header(file, shard.kind)
        at = file.tell()
        for end, _ in _records(file, shard.kind, at):
            if rows % split_urls == 0:
                starts.append((at, rows))
            at, rows = end, rows + 1
    return starts, rows


def _planned(path: str) -> Starts | None:
    """Return the starts that are kept in ``path``, or None: a plan that cannot be read is made again."""
    if not storage.exists(path):
        return None
    try:
        starts, rows = json.loads(storage.read(path))
        return [(int(at), int(first)) for at, first in starts], int(rows)
    except (ValueError, TypeError):
        return None


def _hash(*parts: object) -> str:
    return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())
