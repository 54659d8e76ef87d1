"""Folders of images, with a ``metadata.jsonl`` or ``metadata.csv`` (``datasets`` ImageFolder) or words beside each image.

The lines of a metadata file are the rows of the files that they name; every other image is a row with the words of the
``.txt`` and ``.json`` of the same stem, if there are any. Rows are in the order of their file names.
"""

import csv
import errno
import io
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pipelines.readers.listing import File, is_hidden, list_folder, name_below
from pipelines.readers.samples import (
    IMAGE_SUFFIXES,
    MAX_FILE_BYTES,
    MAX_WORDS_BYTES,
    NO_WORDS,
    Sample,
    Words,
    parse_record,
    words_beside,
    words_of,
)
from pipelines.spine import storage
from schemas.protocols import Failure

_METADATA = ("metadata.jsonl", "metadata.csv")
_FILE_KEYS = ("file_name", "image", "path", "file")
CONNECTIONS = 16
"""Images fetched at once from a remote folder, where each is a request (ours)."""
_FAULTS_OF_ONE_FILE = {errno.EACCES, errno.EPERM, errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True)
class Entry:
    """One planned row of a folder: a file, what is said of it, and why it cannot be read where that is known already."""

    name: str
    """Path of the file below the folder."""
    size: int
    etag: str
    words: Words = NO_WORDS
    failure: Failure | None = None


def plans_rows(name: str) -> bool:
    """Tell whether the file ``name`` below a folder is an image or says which images there are."""
    return not is_hidden(name) and (_is_image(name) or posixpath.basename(name) in _METADATA)


def list_entries(folder: str) -> Iterator[Entry]:
    """Yield the rows of ``folder`` by file name, those of one file in the order of their lines."""
    files = {name_below(folder, file.path): file for file in list_folder(folder)}
    visible = sorted(name for name in files if plans_rows(name))
    lines = [entry for name in visible if not _is_image(name) for entry in _lines(files, name)]
    named = {entry.name for entry in lines}
    rows: list[tuple[str, Entry | None]] = [(entry.name, entry) for entry in lines]
    rows += [(name, None) for name in visible if _is_image(name) and name not in named]
    for name, entry in sorted(rows, key=lambda row: row[0]):
        yield entry or _plain_entry(files, name)


def read_entries(folder: str, entries: Sequence[Entry]) -> Iterator[Sample]:
    """Yield a sample for each entry; a file that is gone or unreadable is a failure, a folder that is raises ``OSError``."""
    if storage.is_local(folder):
        os.scandir(folder).close()
        yield from (_sample(folder, entry) for entry in entries)
        return
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        yield from pool.map(lambda entry: _sample(folder, entry), entries)


def _is_image(name: str) -> bool:
    return posixpath.splitext(name)[1][1:].lower() in IMAGE_SUFFIXES


def _plain_entry(files: Mapping[str, File], name: str) -> Entry:
    """Return the row of an image that no metadata file names."""
    file, stem = files[name], posixpath.splitext(name)[0]
    printable = os.fsencode(name).decode(errors="backslashreplace")
    if printable != name:
        return Entry(printable, file.size, file.etag, failure=Failure("unreadable_file", f"{printable}: rename it, this is no UTF-8"))
    beside: list[tuple[str, bytes] | None] = []
    for other in (stem + ".txt", stem + ".json"):
        data = load(files[other], MAX_WORDS_BYTES) if other in files else None
        if isinstance(data, Failure):
            return Entry(name, file.size, file.etag, failure=Failure("bad_metadata", data.error))
        beside.append(None if data is None else (other, data))
    words = words_beside(*beside)
    failure = words if isinstance(words, Failure) else None
    return Entry(name, file.size, file.etag, words if isinstance(words, Words) else NO_WORDS, failure)


def _lines(files: Mapping[str, File], metadata: str) -> Iterator[Entry]:
    """Yield the rows that the lines of ``metadata`` plan, bad lines among them under the name of the metadata file itself."""
    data = storage.read(files[metadata].path)
    for line, record in _csv(data) if metadata.endswith(".csv") else _jsonl(data):
        where = f"{files[metadata].path}, line {line}"
        try:
            name, words = _named(metadata, record), words_of(record) if isinstance(record, Mapping) else NO_WORDS
        except ValueError as error:
            yield Entry(metadata, 0, "", failure=Failure("bad_metadata", f"{where}: {error}"))
            continue
        if name in files:
            yield Entry(name, files[name].size, files[name].etag, words)
        else:
            yield Entry(name, 0, "", words, Failure("missing_file", f"{where}: {name!r} is not in the folder"))


def _named(metadata: str, record: Mapping[str, Any] | ValueError) -> str:
    """Return the file that a line names, as a path below the folder; raises ``ValueError`` if it names none there."""
    if isinstance(record, ValueError):
        raise record
    found = next((value for key in _FILE_KEYS if isinstance(value := record.get(key), str) and value), None)
    if found is None:
        raise ValueError(f"expected one of the keys {', '.join(_FILE_KEYS)}, found {list(record)}")
    name = posixpath.normpath(posixpath.join(posixpath.dirname(metadata), found))
    if name.startswith(("/", "../")):
        raise ValueError(f"{found!r} is not below the folder")
    name.encode()
    return name


def _jsonl(data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | ValueError]]:
    for line, text in enumerate(data.splitlines(), start=1):
        if text.strip():
            try:
                yield line, parse_record(text)
            except ValueError as error:
                yield line, error


def _csv(data: bytes) -> Iterator[tuple[int, Mapping[str, Any] | ValueError]]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline=""), restkey="")
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, ValueError(str(error))
            continue
        yield reader.line_num, ValueError("more fields than the header has") if "" in record else record


def _sample(folder: str, entry: Entry) -> Sample:
    path = storage.join(folder, entry.name)
    return Sample(
        source_path=path,
        source_member=None,
        source_offset=0,
        source_bytes=entry.size,
        name=entry.name,
        words=entry.words,
        image=entry.failure or _image(File(path, entry.size, entry.etag)),
    )


def _image(file: File) -> bytes | Failure:
    data = load(file)
    if isinstance(data, Failure):
        return data
    if len(data) != file.size:
        return Failure("unreadable_file", f"{file.path}: expected {file.size} bytes as listed, found {len(data)}; it is being written")
    return data or Failure("empty_file", f"{file.path} holds 0 bytes")


def load(file: File, most: int = MAX_FILE_BYTES) -> bytes | Failure:
    """Return the bytes of ``file``, or why this one file has none: a fault that others share raises ``OSError``."""
    if file.size > most:
        return Failure("too_many_bytes", f"{file.path} holds {file.size} bytes, more than {most}")
    try:
        return storage.read(file.path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return Failure("missing_file", f"{file.path}: {error}")
        if storage.is_local(file.path) and error.errno in _FAULTS_OF_ONE_FILE:
            return Failure("unreadable_file", f"{file.path}: {error}")
        raise
