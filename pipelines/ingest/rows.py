"""A row of a list as a row of a batch: its address, its words, its hash, its metadata, or why it is dead."""

import json
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.ingest.list_columns import URL, ListColumns
from pipelines.ingest.lists import ListSplit, Row
from pipelines.readers.samples import words_of
from schemas import columns as c
from schemas.batches import from_rows
from schemas.protocols import Failure
from schemas.records import LISTED

READ = pa.schema([*LISTED, c.REASON, c.ERROR])
"""What ``batch_of`` returns: a row whose ``reason`` is set has no address."""
_DIGITS = {"sha256": 64, "md5": 32}


def batch_of(split: ListSplit, rows: list[Row], path: str, columns: ListColumns, corpus: str, source_license: str) -> pa.RecordBatch:
    """Return every row of ``split`` of the list ``path``, with the columns of ``READ``.

    Reasons: ``truncated_shard``, ``unreadable_row``, ``bad_metadata``, ``no_url``.
    """
    said = [_row(cells, columns) for _, cells in rows]
    places = [
        {
            c.SPLIT_ID.name: split.split_id,
            c.ROW.name: row,
            c.CORPUS.name: corpus,
            c.SOURCE_PATH.name: path,
            c.SOURCE_MEMBER.name: f"row {number}",
            c.SOURCE_OFFSET.name: 0,
            c.SOURCE_BYTES.name: 0,
            c.SOURCE_LICENSE.name: said[row].pop("license", None) or source_license,
        }
        for row, (number, _) in enumerate(rows)
    ]
    return from_rows([{**place, **words} for place, words in zip(places, said, strict=True)], READ)


def _row(cells: Mapping[str, Any] | Failure, columns: ListColumns) -> dict[str, Any]:
    if isinstance(cells, Failure):
        return {c.REASON.name: cells.reason, c.ERROR.name: cells.error}
    try:
        said = {role: value.decode() for role, value in cells.items() if "." not in role and value is not None}
        words = words_of(said)
        listed = _listed_hash(said, columns)
    except ValueError as error:
        return {c.REASON.name: "bad_metadata", c.ERROR.name: str(error)}
    row = {c.URL.name: words.url, c.ALT_TEXT.name: words.alt_text, "license": words.license, c.LISTED_HASH.name: listed}
    row[c.METADATA.name] = _metadata(cells) if columns.metadata else None
    if words.url is None:
        row |= {c.REASON.name: "no_url", c.ERROR.name: f"expected an address in the column of {URL}, found nothing"}
    return row


def _listed_hash(said: Mapping[str, str], columns: ListColumns) -> str | None:
    """Return the hash to hold the download against; raises ``ValueError`` for one that is none."""
    for role in columns.hash_roles():
        digits = said.get(role, "").strip().lower()
        if digits and (len(digits) != _DIGITS[role] or set(digits) - set("0123456789abcdef")):
            raise ValueError(
                f"expected {_DIGITS[role]} hexadecimal digits in the column of {role}, found {digits[:80]!r}; "
                "--set input.columns.verify_hash=false leaves hashes alone"
            )
        if digits:
            return f"{role}:{digits}"
    return None


def _metadata(cells: Mapping[str, Any]) -> str:
    """Return the further columns as JSON; bytes that are no UTF-8 stand in it as escapes, numbers that JSON lacks as null."""
    further = {role.partition(".")[2]: _plain(value) for role, value in cells.items() if "." in role}
    return json.dumps(further, ensure_ascii=False, sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
