"""Question corpora: Parquet files and lines of JSON, found, cut into splits, and each split read as one batch of questions."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

from pipelines.readers import parquet, question_lines
from pipelines.readers.folder import CONNECTIONS
from pipelines.readers.listing import list_kinds
from pipelines.readers.question_columns import QuestionColumns, choose
from pipelines.readers.question_rows import row_of
from pipelines.readers.splits import PARQUET, Shard, Split, failure_of, hash_of, packs, parquet_split, refuse_changed
from pipelines.spine import storage
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure
from schemas.questions import BROUGHT, QUESTION

VERSION = 1
"""Step version: part of the identity of what is read."""
LINES = "jsonl"
KINDS: Mapping[str, str] = {parquet.SUFFIX: PARQUET, ".jsonl": LINES}
READ = pa.schema([*QUESTION, *BROUGHT, c.REASON, c.ERROR])
"""What ``read`` returns: a row whose ``reason`` is set has no id and no images."""
_NAME_ONE = f"name a file of questions ({', '.join(KINDS)}), a folder of them, or a glob of them"
_AT_ONCE = 32
_Placed = tuple[dict[str, Any], Any]
"""Where a row lies, and its cells by role or the failure that it is."""


def list_questions(pattern: str) -> list[Shard]:
    """List the question files that ``pattern`` names, sorted by path: one, those in a folder beside whatever else is there, or a glob.

    Raises ``ValueError``, saying what to do, where it names none.
    """
    return [Shard(kind, *astuple(file)) for kind, file in list_kinds(pattern, KINDS, "file of questions", _NAME_ONE)]


def refuse_columns(shards: Iterable[Shard], columns: QuestionColumns) -> None:
    """Raise ``EnvironmentFault`` where the first Parquet file of ``shards`` lacks ``columns``; in JSON every line has its own."""
    parquet.refuse_columns((shard.path for shard in shards if shard.kind == PARQUET), partial(choose, columns=columns))


def cut(shard: Shard, max_samples: int, max_bytes: int, columns: QuestionColumns) -> Iterator[Split]:
    """Cut ``shard`` into splits of at most so many questions and bytes (design: 512, 64 MiB); a larger question stands alone.

    Parquet is cut by its footer, lines of JSON by their bytes and those of the files that they name, whose size and etag are part of
    the split's id. Raises ``EnvironmentFault`` where ``columns`` are not there, ``OSError`` when the shard cannot be read.
    """
    if shard.kind == PARQUET:
        ranges = parquet.scan(shard.path, partial(choose, columns=columns), max_samples, max_bytes)
        yield from (parquet_split(shard, part, columns) for part in ranges)
        return
    found = question_lines.scan(shard.path, columns)
    scanned = (((line.number, line.start, line.end, size, files), size, False) for line, size, files in found)
    for pack in packs(scanned, max_samples, max_bytes):
        (number, first, *_), (_, _, last, *_) = pack[0], pack[-1]
        split_id = hash_of(*astuple(shard), first, last, astuple(columns), [files for *_, files in pack])
        size = sum(size for _, _, _, size, _ in pack)
        yield Split(split_id, *astuple(shard), rows=len(pack), bytes=size, first=first, last=last, columns=columns, line=number)


def read(split: Split, corpus: str, source_license: str) -> pa.RecordBatch:
    """Return every row of ``split``, good or bad, with the columns of ``READ``; ``source_license`` stands where the source states none.

    Reasons of a file or a row that cannot be read: ``truncated_shard``, ``unreadable_row``. Of a question: ``wrong_type``, ``bad_text``,
    ``no_question``, ``unknown_role``, ``last_turn_not_user``, ``marker_count``, ``unknown_tier``, ``unknown_seen``, ``seen_mismatch``.
    Of one of its images: ``no_image``, ``missing_file``, ``unreadable_file``, ``empty_file``, ``too_many_bytes``, ``external_file``,
    ``path_outside``, ``bad_base64``. Raises ``EnvironmentFault`` when the shard is no longer what was cut, ``OSError`` when all of it
    cannot be read.
    """
    refuse_changed(split)
    rows = list(islice(_rows(split, corpus, source_license), split.taken))
    if len(rows) != split.taken:
        raise EnvironmentFault(f"{split.path}: expected {split.taken} rows as cut, found {len(rows)}; run the command again")
    placed = [{c.SPLIT_ID.name: split.split_id, c.ROW.name: number, **row} for number, row in enumerate(rows)]
    return from_rows(placed, READ)


def _rows(split: Split, corpus: str, source_license: str) -> Iterator[dict[str, Any]]:
    if split.damage is not None:
        place = {c.SOURCE_PATH.name: split.path, c.SOURCE_OFFSET.name: split.damage.offset}
        yield {**place, **row_of(failure_of(split.path, split.damage), parquet.embedded, corpus, source_license)}
        return
    is_parquet = split.kind == PARQUET
    load = parquet.embedded if is_parquet else question_lines.loader(split.path)

    def row(placed: _Placed) -> dict[str, Any]:
        place, cells = placed
        found = row_of(cells, load, corpus, source_license)
        where = f"{split.path}, {place[c.SOURCE_MEMBER.name]}"
        return {**place, **found, c.ERROR.name: f"{where}: {found[c.ERROR.name]}" if c.ERROR.name in found else None}

    placed = _parquet_cells(split) if is_parquet else _line_cells(split)
    if is_parquet or storage.is_local(split.path):
        yield from map(row, placed)
        return
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        yield from pool.map(row, placed)


def _columns(split: Split) -> QuestionColumns:
    if not isinstance(split.columns, QuestionColumns):
        raise TypeError(f"{split.path} was cut as something else than questions: expected QuestionColumns, found {split.columns!r}")
    return split.columns


def _parquet_cells(split: Split) -> Iterator[_Placed]:
    choice = partial(choose, split.path, columns=_columns(split))
    for number, cells, _ in parquet.read_cells(split.path, split.first, split.last, choice, _AT_ONCE):
        place = {c.SOURCE_PATH.name: split.path, c.SOURCE_MEMBER.name: f"row {number}", c.SOURCE_OFFSET.name: 0}
        yield place, Failure("unreadable_row", cells) if isinstance(cells, str) else cells


def _line_cells(split: Split) -> Iterator[_Placed]:
    columns = _columns(split)
    with storage.open_lines(split.path) as file:
        file.seek(split.first)
        for line in islice(question_lines.lines(file, split.first, split.line), split.taken):
            place = {c.SOURCE_PATH.name: split.path, c.SOURCE_MEMBER.name: f"line {line.number}", c.SOURCE_OFFSET.name: line.start}
            yield place, question_lines.parse(line, columns)
