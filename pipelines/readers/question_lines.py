"""Lines of JSON, each a question whose images lie in files beside or in the line itself as base64."""

import base64
import binascii
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from pipelines.readers.folder import load as load_file
from pipelines.readers.listing import File, list_folder, stat
from pipelines.readers.question_columns import IMAGES, QuestionColumns, cells_of
from pipelines.readers.question_rows import Load, Numeral
from pipelines.readers.samples import MAX_FILE_BYTES, parse_record
from pipelines.spine import storage
from schemas.protocols import Failure

MAX_LINE_BYTES = 2**28
"""Bytes of a line that are held at most; a longer one is a dead letter (ours)."""
_BOM = b"\xef\xbb\xbf"
_DATA_URL = re.compile(r"data:image/[\w.+-]{1,64};base64,")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number from 1, its first byte, the byte behind it, and its bytes or None if there are too many."""

    number: int
    start: int
    end: int
    data: bytes | None


def lines(file: BinaryIO, start: int, number: int) -> Iterator[Line]:
    """Yield the lines of ``file``, which stands at byte ``start``, the beginning of the line ``number``; blank ones are passed over."""
    while data := file.readline(MAX_LINE_BYTES):
        end = start + len(data)
        whole = data.endswith(b"\n")
        too_long = not whole and len(data) == MAX_LINE_BYTES
        while not whole and (more := file.readline(MAX_LINE_BYTES)):
            end, whole, too_long = end + len(more), more.endswith(b"\n"), True
        text = data.removeprefix(_BOM) if start == 0 else data
        if too_long or text.strip():
            yield Line(number, start, end, None if too_long else text)
        start, number = end, number + 1


def scan(path: str, columns: QuestionColumns) -> Iterator[tuple[Line, int, list[tuple[str, int, str]]]]:
    """Yield each line of ``path``, the bytes of its images and of itself, and path, size and etag of each file that it names."""
    folder = _folder_of(path)
    sizes = None if storage.is_local(path) else {file.path: file for file in list_folder(folder)}
    with storage.open_lines(path) as file:
        for line in lines(file, 0, 1):
            found = [_known(name, sizes) for name in _files(folder, line.data, columns)]
            yield line, line.end - line.start + sum(size for _, size, _ in found), found


def parse(line: Line, columns: QuestionColumns) -> Mapping[str, Any] | Failure:
    """Return the values of a line by role, its numbers as they are written, or why it has none."""
    if line.data is None:
        return Failure("too_many_bytes", f"the line holds {line.end - line.start} bytes, more than {MAX_LINE_BYTES}")
    try:
        return cells_of(parse_record(line.data.decode(), Numeral), columns)
    except ValueError as error:
        return Failure("unreadable_row", f"no JSON object: {error}")


def loader(path: str) -> Load:
    """Return what loads the entries of ``images`` in the file ``path``: a path as seen from its folder, or base64.

    Base64 has no dots, so that a text with one, and without ``data:`` in front, is a path. What lies outside the folder is not read.
    """
    folder = _folder_of(path)

    def load(entry: Any) -> bytes | Failure:
        if isinstance(entry, dict):
            entry = entry.get("bytes") or entry.get("path")
        if entry is None:
            return Failure("no_image", "expected an image, found null")
        if not isinstance(entry, str) or isinstance(entry, Numeral):
            return Failure("wrong_type", f"expected a path or base64, found {type(entry).__name__}")
        name = _name(folder, entry)
        if name is None:
            return _decoded(entry)
        return name if isinstance(name, Failure) else _loaded(name)

    return load


def _folder_of(path: str) -> str:
    return posixpath.dirname(path) or "."


def _name(folder: str, entry: str) -> str | Failure | None:
    """Return the path of the file that ``entry`` names, null where it is base64."""
    if _DATA_URL.match(entry) or "." not in entry:
        return None
    if "://" in entry[:16]:
        return Failure("external_file", f"expected a path or base64, found the address {entry[:200]!r}; download the images first")
    name = posixpath.normpath(entry)
    if name.startswith(("/", "../")) or name == ".." or "\0" in name:
        return Failure("path_outside", f"{entry[:200]!r} is not below the folder of the file")
    return storage.join(folder, name)


def _loaded(name: str) -> bytes | Failure:
    try:
        found = stat(name)
    except (OSError, UnicodeError):
        found = File(name, 0, "")  # whatever is wrong with it, reading it tells
    try:
        data = load_file(found)
    except UnicodeError as error:
        return Failure("missing_file", f"{name!r}: {error}")
    return data or Failure("empty_file", f"{name} holds 0 bytes")


def _decoded(entry: str) -> bytes | Failure:
    text = "".join(_DATA_URL.sub("", entry, count=1).split())
    if len(text) > MAX_FILE_BYTES:
        return Failure("too_many_bytes", f"the image holds {len(text)} characters, more than {MAX_FILE_BYTES}")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        return Failure("bad_base64", f"expected base64, or a path with an ending, found {text[:40]!r}: {error}")
    return data or Failure("empty_file", "the image holds 0 bytes")


def _files(folder: str, data: bytes | None, columns: QuestionColumns) -> Iterator[str]:
    """Yield the paths of the files that a line names."""
    try:
        images = cells_of(parse_record((data or b"").decode(), Numeral), columns).get(IMAGES)
    except ValueError:  # reading the line tells what is wrong with it
        return
    for entry in images if isinstance(images, list) else [images]:
        named = (entry.get("path") if not entry.get("bytes") else None) if isinstance(entry, dict) else entry
        name = _name(folder, named) if isinstance(named, str) else None
        if isinstance(name, str):
            yield name


def _known(name: str, sizes: Mapping[str, File] | None) -> tuple[str, int, str]:
    """Return path, size and etag of a file, nothing but the path where it is missing."""
    try:
        file = stat(name) if sizes is None else sizes[name]
    except (OSError, UnicodeError, KeyError):
        return ascii(name), 0, ""
    return file.path, file.size, file.etag
