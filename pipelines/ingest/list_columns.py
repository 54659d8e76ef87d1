"""Which columns of a list hold the address and what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.types as is_

from pipelines.readers.parquet_columns import Column, text_column
from schemas.exits import EnvironmentFault

URL = "url"
_USUAL: Mapping[str, tuple[str, ...]] = {
    URL: ("url", "URL"),
    "alt_text": ("alt_text", "caption", "TEXT", "text", "txt", "alt"),
    "license": ("license", "LICENSE", "source_license"),
    "sha256": ("sha256", "SHA256"),
    "md5": ("md5", "MD5"),
}
"""Names by which lists call their columns (LAION: URL, TEXT, LICENSE; DataComp: url, text, sha256; COYO: url, text)."""


@dataclass(frozen=True)
class ListColumns:
    """Which columns hold what. One that is named has to be there; another is the first of its usual names that holds text."""

    version: ClassVar[int] = 1

    url: str | None = None
    """Else url or URL."""
    alt_text: str | None = None
    """Else alt_text, caption, TEXT, text, txt or alt."""
    license: str | None = None
    """Else license, LICENSE or source_license."""
    sha256: str | None = None
    """SHA-256 of the image file in hexadecimal, which the download is held against; else sha256 or SHA256."""
    md5: str | None = None
    """MD5 of the image file in hexadecimal, which the download is held against where there is no SHA-256; else md5 or MD5."""
    verify_hash: bool = True
    """Whether a download is held against its hash; false for a list whose column hashes something else."""
    metadata: tuple[str, ...] = ()
    """Further columns, carried along as JSON in the column ``metadata``: numbers, texts, dates, and lists of numbers."""

    def hash_roles(self) -> tuple[str, ...]:
        """Return the roles of hashes that count, best first."""
        return ("sha256", "md5") if self.verify_hash else ()


def choose(path: str, schema: pa.Schema, columns: ListColumns) -> dict[str, Column]:
    """Return the column of each role that has one, and of each column of ``columns.metadata`` as ``metadata.NAME``.

    Raises ``EnvironmentFault`` with the columns that are there where the list ``path`` lacks one.
    """
    there = ", ".join(f"{field.name} ({field.type})" for field in schema)
    chosen: dict[str, Column] = {}
    for role, usual in _USUAL.items():
        named: str | None = getattr(columns, role)
        fitting = [found for name in ((named,) if named else usual) if (found := text_column(schema, name))]
        if fitting:
            chosen[role] = fitting[0]
        elif named or role == URL:
            wanted = named or " or ".join(usual)
            raise EnvironmentFault(
                f"{path}: expected text in a column {wanted}, found {there or 'no columns'}; name one: --set input.columns.{role}=NAME"
            )
    for name in columns.metadata:
        chosen[f"metadata.{name}"] = _metadata_column(path, schema, name, there)
    return chosen


def choose_names(path: str, header: Sequence[str], columns: ListColumns) -> dict[str, int]:
    """Return, as ``choose``, the place in ``header`` of each column of a list whose columns are all text."""
    chosen = choose(path, pa.schema([(name, pa.string()) for name in header]), columns)
    return {role: list(header).index(column.name) for role, column in chosen.items()}


def _metadata_column(path: str, schema: pa.Schema, name: str, there: str) -> Column:
    at = schema.get_field_index(name)
    text = text_column(schema, name)
    if at < 0 or not (text or _is_plain(schema.field(at).type)):
        raise EnvironmentFault(
            f"{path}: expected numbers, texts, dates or lists of numbers in a column {name}, found {there or 'no columns'}; "
            "correct input.columns.metadata"
        )
    return text or Column(name, schema.field(at).type)


def _is_plain(kind: pa.DataType) -> bool:
    if is_.is_list(kind) or is_.is_large_list(kind):
        return _is_number(kind.value_type) or _is_plain(kind.value_type)
    return _is_number(kind) or is_.is_boolean(kind) or is_.is_temporal(kind)


def _is_number(kind: pa.DataType) -> bool:
    return is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind)
