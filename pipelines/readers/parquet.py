"""Parquet files with encoded images in a column: as ``datasets`` stores them, in lists, or plain binary; a row is a sample.

Rows are read group by group, in small batches from the first row of a group on: Parquet offers no other way to a row in the
middle. Held at a time are one batch of at most 32 rows (about 16 MiB), 4 MiB of each column's stream, and two pages of each
column as the writer made them; never a row group.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.readers.parquet_columns import IMAGE, WORDS, Column, ParquetColumns, choose, image_column
from pipelines.readers.samples import MAX_FILE_BYTES, NO_WORDS, Damage, Sample, Words, words_of
from pipelines.spine.storage import open_file
from schemas.protocols import Failure
from schemas.records import CARRIED

SUFFIX = ".parquet"
_BATCH_ROWS, _BATCH_BYTES, _STREAM_BYTES = 32, 2**24, 2**22
_ARROW = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises, on malformed data as on faults of the machine."""
Choice = Callable[[str, pa.Schema], Mapping[str, Column]]
"""Which columns of a file are read, by role, given its path and schema; raises ``EnvironmentFault`` where they are not there."""


@dataclass(frozen=True, slots=True)
class RowRange:
    """The rows ``first`` to ``last`` of a file, and the bytes that its footer lets expect of them."""

    first: int
    last: int
    bytes: int


def refuse_columns(paths: Iterable[str], choice: Choice) -> None:
    """Raise ``EnvironmentFault`` where ``choice`` finds no columns in the first of ``paths`` that has rows and a readable footer."""
    for path in paths:
        groups = row_groups(path, partial(choice, path))
        if not isinstance(groups, Damage) and any(rows for rows, _ in groups):
            return


def scan(path: str, choice: Choice, max_samples: int, max_bytes: int) -> Iterator[RowRange | Damage]:
    """Cut the rows of ``path`` by its footer alone: whole row groups together while they fit, a larger one into equal ranges.

    An image is taken to be as long as the mean row of its row group, all columns together. A file without a readable footer
    is one ``Damage``. Raises ``EnvironmentFault`` where ``choice`` finds no columns.
    """
    groups = row_groups(path, partial(choice, path))
    if isinstance(groups, Damage):
        yield groups
        return
    first = last = size = 0
    for rows, more in (part for group in groups for part in _parts(*group, max_samples, max_bytes)):
        if first < last and (last - first + rows > max_samples or size + more > max_bytes):
            yield RowRange(first, last, size)
            first, size = last, 0
        last, size = last + rows, size + more
    if first < last:
        yield RowRange(first, last, size)


def read_rows(path: str, first: int, last: int, columns: ParquetColumns) -> Iterator[Sample]:
    """Yield the rows ``first`` to ``last``; from a page on that cannot be read, those of its row group are ``unreadable_row``."""
    for row, cells, chosen in read_cells(path, first, last, partial(choose, path, columns=columns)):
        yield _sample(path, f"row {row} of {chosen[IMAGE].name}", cells, chosen, columns)


def read_cells(
    path: str, first: int, last: int, choice: Callable[[pa.Schema], Mapping[str, Column]], at_once: int = _BATCH_ROWS
) -> Iterator[tuple[int, Any, Mapping[str, Column]]]:
    """Yield the rows ``first`` to ``last``: number, cells by role or a text that says why they cannot be read, and the columns read.

    The columns are those of ``choice``; at most ``at_once`` rows are read at a time.
    """
    if first == last:
        return
    with _opened(path) as file:
        chosen = choice(file.schema_arrow)
        for group, (start, stop) in enumerate(pairwise(_edges(file))):
            for row, cells in _rows(file, group, chosen, max(first - start, 0), min(last, stop) - start, at_once):
                yield start + row, cells, chosen


def images_at(path: str, members: Sequence[str]) -> Iterator[bytes]:
    """Yield the image of each row of ``path`` by the ``source_member`` of its sample; rows in order are one pass over their groups.

    Raises ``OSError`` where there is none.
    """
    with _opened(path) as file:
        edges = _edges(file)
        rows: Iterator[tuple[int, Any]] = iter(())
        begun = ("", 0, 0)
        for member in members:
            name, number = _place(path, member)
            group = min(bisect_right(edges, number), len(edges) - 1) - 1
            row = number - edges[group]
            if begun[:2] != (name, group) or row < begun[2]:
                column = {IMAGE: image_column(path, file.schema_arrow, name)}
                rows = _rows(file, group, column, row, edges[group + 1] - edges[group])
            begun = (name, group, row + 1)
            cells = next((cells for other, cells in rows if other == row), "the file ends before it")
            image = cells if isinstance(cells, str) else _image(cells[IMAGE], first_of_several=True)
            if not isinstance(image, bytes):
                raise OSError(f"{path}: {member} cannot be read again: {image if isinstance(image, str) else image.error}")
            yield image


@contextmanager
def _opened(path: str) -> Generator[pq.ParquetFile]:
    """Open ``path``; raises ``OSError`` without a number where its footer cannot be read."""
    with open_file(path) as file:
        try:
            parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=_STREAM_BYTES, page_checksum_verification=True)
        except _ARROW as error:
            if not _is_damage(error):
                raise
            raise OSError(f"no readable Parquet footer: {str(error).strip()}") from error
        yield parquet


def _is_damage(error: Exception) -> bool:
    """Tell malformed data, of which Arrow speaks by its own exceptions or a bare ``OSError``, from a fault of the machine or a store."""
    bare = type(error) is OSError and error.errno is None
    return bare or (isinstance(error, (pa.ArrowException, UnicodeDecodeError)) and not isinstance(error, MemoryError))


def row_groups(path: str, check: Callable[[pa.Schema], object]) -> list[tuple[int, int]] | Damage:
    """Return rows and unpacked bytes of each row group, as the footer has them; ``check`` raises where a file with rows lacks columns.

    The bytes are those of all columns: pyarrow 25 takes the process down where a damaged footer is asked for those of one.
    """
    try:
        with _opened(path) as file:
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            sizes = [(group.num_rows, max(0, group.total_byte_size)) for group in groups]
            if sum(rows for rows, _ in sizes) != file.metadata.num_rows or any(rows < 0 for rows, _ in sizes):
                return Damage(0, f"the Parquet footer counts {file.metadata.num_rows} rows, but its row groups do not hold them")
            if file.metadata.num_rows:
                check(file.schema_arrow)
            return sizes
    except _ARROW as error:
        if not _is_damage(error):
            raise
        return Damage(0, str(error).strip())


def _parts(rows: int, size: int, max_samples: int, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield rows and bytes of the fewest ranges, nearly equal, into which a row group has to be cut."""
    most = max(1, min(max_samples, rows * max_bytes // size if size else rows))
    count = -(-rows // most)
    for first, last in pairwise(rows * part // count for part in range(count + 1 if rows else 0)):
        yield last - first, size * (last - first) // rows


def _edges(file: pq.ParquetFile) -> list[int]:
    """Return the first row of each row group, and the row behind the last one."""
    return list(accumulate((file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)), initial=0))


def _rows(
    file: pq.ParquetFile, group: int, columns: Mapping[str, Column], first: int, last: int, at_once: int = _BATCH_ROWS
) -> Iterator[tuple[int, Any]]:
    """Yield the rows ``first`` to ``last`` of a row group, each with its cells by role or with a text: why it cannot be read."""
    at = 0
    for batch in _batches(file, group, columns, at_once) if first < last else ():
        begin = max(first, at)
        if isinstance(batch, str):
            yield from ((row, batch) for row in range(begin, last))
            return
        if begin < at + len(batch):
            yield from enumerate(batch.slice(begin - at, last - begin).to_pylist(), begin)
        at += len(batch)
        if at >= last:
            return


def _batches(file: pq.ParquetFile, group: int, columns: Mapping[str, Column], at_once: int) -> Iterator[pa.RecordBatch | str]:
    """Yield a row group from its first row on, in the same batches whoever asks, then why it ends early if it does."""
    footer = file.metadata.row_group(group)
    size = max(1, min(at_once, _BATCH_BYTES * footer.num_rows // max(1, footer.total_byte_size)))
    batches = file.iter_batches(size, row_groups=[group], columns=[column.name for column in columns.values()])
    seen = 0
    while seen < footer.num_rows:
        try:
            batch = next(batches, None)
            found = None if batch is None else _conformed(batch, columns)
        except _ARROW as error:
            if not _is_damage(error):
                raise
            yield f"row group {group} cannot be read from its row {seen} on: {str(error).strip()}"
            return
        if found is None:
            yield f"row group {group} should hold {footer.num_rows} rows, but its pages end after {seen}"
            return
        seen += len(found)
        yield found


def _conformed(batch: pa.RecordBatch, columns: Mapping[str, Column]) -> pa.RecordBatch:
    batch.validate()
    return pa.RecordBatch.from_arrays([batch.column(name).cast(kind) for name, kind in columns.values()], names=list(columns))


def _place(path: str, member: str) -> tuple[str, int]:
    found = re.fullmatch(r"row (\d+) of (.+)", member, re.DOTALL)
    if found is None:
        raise OSError(f"{path}: expected a place like 'row 7 of image', found {member!r}")
    return found[2], int(found[1])


def _sample(path: str, member: str, cells: Any, chosen: Mapping[str, Column], columns: ParquetColumns) -> Sample:
    if isinstance(cells, str):
        image, words = Failure("unreadable_row", cells), NO_WORDS
    else:
        image, words = _image(cells[IMAGE], columns.first_of_several), _words(cells, chosen)
    failure = image if isinstance(image, Failure) else words if isinstance(words, Failure) else None
    return Sample(
        source_path=path,
        source_member=member,
        source_offset=0,
        source_bytes=len(image) if isinstance(image, bytes) else 0,
        name=member,
        words=words if isinstance(words, Words) else NO_WORDS,
        image=image if failure is None else Failure(failure.reason, f"{path}, {member}: {failure.error}"),
        carried={} if isinstance(cells, str) else {about.name: cells[about.name] for about in CARRIED if about.name in cells},
    )


def _image(cell: Any, first_of_several: bool) -> bytes | Failure:
    """Return the encoded image in a cell, or why there is none."""
    if isinstance(cell, list):
        if len(cell) > 1 and not first_of_several:
            return Failure("several_images", f"expected one image, found {len(cell)}; input.columns.first_of_several=true takes the first")
        cell = cell[0] if cell else None
    return embedded(cell)


def embedded(cell: Any) -> bytes | Failure:
    """Return the encoded image in a cell of one image, bytes or a mapping of ``bytes`` and ``path``, or why there is none."""
    if isinstance(cell, dict):
        if cell.get("bytes") is None and cell.get("path"):
            return Failure("external_file", f"expected the bytes of an image, found only its path {cell['path']!r}; embed the files first")
        cell = cell.get("bytes")
    if isinstance(cell, str):
        return Failure("external_file", f"expected the bytes of an image, found the text {cell[:200]!r}; embed the files first")
    if cell is None:
        return Failure("no_image", "expected an image, found null or an empty list")
    if len(cell) > MAX_FILE_BYTES:
        return Failure("too_many_bytes", f"the image holds {len(cell)} bytes, more than {MAX_FILE_BYTES}")
    return cell or Failure("empty_file", "the image holds 0 bytes")


def _words(cells: Mapping[str, bytes | None], chosen: Mapping[str, Column]) -> Words | Failure:
    said: dict[str, str | None] = {}
    for role in WORDS:
        cell = cells.get(role)
        try:
            said[role] = None if cell is None else cell.decode()
        except UnicodeDecodeError as error:
            return Failure("bad_metadata", f"{chosen[role].name}: {error}")
    return words_of(said)
