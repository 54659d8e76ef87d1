"""Which columns of a Parquet file hold the images and the words, and as what they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.types as is_

from schemas.exits import EnvironmentFault
from schemas.records import CARRIED

IMAGE = "image"
WORDS = ("alt_text", "url", "license")
"""The roles that a column can have, beside that of the image."""

_USUAL = {
    IMAGE: ("image", "images", "jpg"),
    "alt_text": ("alt_text", "caption", "TEXT", "text", "txt", "alt"),
    "url": ("url", "URL"),
    "license": ("license", "LICENSE", "source_license"),
}
_BINARY = (is_.is_binary, is_.is_large_binary, is_.is_binary_view, is_.is_null)
_TEXT = (*_BINARY, is_.is_string, is_.is_large_string, is_.is_string_view)
_LIST = (is_.is_list, is_.is_large_list, is_.is_fixed_size_list, is_.is_list_view, is_.is_large_list_view)
_BYTES = pa.large_binary()
"""What binary and text are read as: text that is no UTF-8 is then the fault of its row alone."""


@dataclass(frozen=True)
class ParquetColumns:
    """Which columns hold what. One that is named has to be there; another is the first of its usual names that fits."""

    version: ClassVar[int] = 1

    image: str | None = None
    """`struct<bytes, path>` (`datasets` Image), binary, or a list of either; else image, images or jpg (datasets, img2dataset)."""
    alt_text: str | None = None
    """Text; else alt_text, which our own samples have beside the caption of a model, caption, TEXT, text, txt or alt."""
    url: str | None = None
    """Text; else url or URL."""
    license: str | None = None
    """Text; else license, LICENSE or source_license."""
    first_of_several: bool = False
    """Take the first of several images in a list; otherwise such a sample is a dead letter `several_images` (ours)."""


class Column(NamedTuple):
    """A column of a file and the type that it is read as."""

    name: str
    kind: pa.DataType


def choose(path: str, schema: pa.Schema, columns: ParquetColumns) -> dict[str, Column]:
    """Return the column of each role that has one in the file ``path``, and under their own names those of an earlier run of ours.

    Raises ``EnvironmentFault`` with the columns that are there.
    """
    chosen = {field.name: Column(field.name, field.type) for field in CARRIED if _is_there(schema, field)}
    for role, usual in _USUAL.items():
        named: str | None = getattr(columns, role)
        fitting = [found for name in ((named,) if named else usual) if (found := _fitting(schema, role, name))]
        if fitting:
            chosen[role] = fitting[0]
        elif named or role == IMAGE:
            wanted = "encoded images (binary, struct<bytes, path>, or a list of them)" if role == IMAGE else "text"
            there = ", ".join(f"{field.name} ({field.type})" for field in schema)
            raise EnvironmentFault(
                f"{path}: expected {wanted} in a column {named or ' or '.join(usual)}, found {there or 'no columns'}; "
                f"name one: --set input.columns.{role}=NAME"
            )
    return chosen


def image_column(path: str, schema: pa.Schema, name: str) -> Column:
    """Return the column ``name`` of images; raises ``OSError`` where the file ``path`` has none of that name any more."""
    found = _fitting(schema, IMAGE, name)
    if found is None:
        raise OSError(f"{path}: expected images in a column {name}, found {', '.join(schema.names)}; the file was replaced")
    return found


def text_column(schema: pa.Schema, name: str) -> Column | None:
    """Return the column ``name`` if it holds text, which is read as bytes, and None otherwise."""
    return _fitting(schema, WORDS[0], name)


def _is_there(schema: pa.Schema, field: pa.Field) -> bool:
    at = schema.get_field_index(field.name)
    return at >= 0 and schema.field(at).type == field.type


def _fitting(schema: pa.Schema, role: str, name: str) -> Column | None:
    at = schema.get_field_index(name)
    kind = None if at < 0 else image_type(schema.field(at).type) if role == IMAGE else _words(schema.field(at).type)
    return None if kind is None else Column(name, kind)


def _words(kind: pa.DataType) -> pa.DataType | None:
    return _BYTES if _is_any(kind, _TEXT) else None


def is_list(kind: pa.DataType) -> bool:
    """Tell whether ``kind`` is a list of any sort."""
    return any(test(kind) for test in _LIST)


def image_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type that images of type ``kind`` are read as: bytes, a struct of bytes and path, or a list of either."""
    if not is_list(kind):
        return _one_image(kind)
    one = _one_image(kind.value_type)
    return None if one is None else pa.large_list(one)


def _one_image(kind: pa.DataType) -> pa.DataType | None:
    if not is_.is_struct(kind):
        return _BYTES if _is_any(kind, _BINARY) else None
    fields = {field.name: field.type for field in kind}
    if not _is_any(fields.get("bytes", kind), _BINARY):
        return None
    return pa.struct([(name, _BYTES) for name in ("bytes", "path") if _is_any(fields.get(name, kind), _TEXT)])


def _is_any(kind: pa.DataType, tests: Sequence[Any]) -> bool:
    plain = kind.value_type if is_.is_dictionary(kind) else kind
    return any(test(plain) for test in tests)
