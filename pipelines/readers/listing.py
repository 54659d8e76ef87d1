"""What lies in a folder or matches a pattern, on this machine or wherever Beam's filesystems reach."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from apache_beam.io.filesystem import FileMetadata, FileSystem

from pipelines.spine.storage import is_local, match

_SUMMER_TIME = 1800
"""Seconds that divide every difference between summer and winter time."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a listing; ``size`` in bytes, ``etag`` changes when the file does."""

    path: str
    size: int
    etag: str


def stat(path: str) -> File:
    """Return the file ``path`` as it is now; raises ``FileNotFoundError`` where it is not."""
    if is_local(path):
        found = os.stat(path)
        return File(path, found.st_size, str(found.st_mtime_ns))
    for metadata in match(re.sub(r"[*?\[]", "?", path)):  # Beam has no other way to say such a character
        if metadata.path == path:
            return _remote(metadata)
    raise FileNotFoundError(f"{path} does not exist")


def list_folder(folder: str) -> Iterator[File]:
    """Yield every file below ``folder``; a subfolder that cannot be listed raises ``OSError``, none is passed over."""
    if not is_local(folder):
        yield from map(_remote, match(folder.rstrip("/") + "/**"))
        return
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        for name in folders:
            _refuse_loop(parent, name)
        for name in names:
            yield _local(os.path.normpath(os.path.join(parent, name)))


def list_matching(pattern: str) -> Iterator[File]:
    """Yield the files that match ``pattern``, in Beam's syntax: ``*`` stays within a folder, ``**`` does not."""
    if not is_local(pattern):
        yield from map(_remote, match(pattern))
        return
    if not re.search(r"[*?\[]", pattern):  # what is named is there or is not: the folder that it should lie in may be the whole disk
        yield from [stat(pattern)] if os.path.isfile(pattern) else []
        return
    folder = os.path.dirname(re.split(r"[*?\[]", pattern, maxsplit=1)[0]) or "."
    matches = re.compile(FileSystem.translate_pattern(os.path.normpath(pattern))).match
    if os.path.isdir(folder):
        yield from (file for file in list_folder(folder) if matches(file.path))


def name_below(folder: str, path: str) -> str:
    """Return the path of a listed file as seen from ``folder``."""
    return path if folder == "." else path.removeprefix(folder.rstrip("/") + "/")


def is_hidden(name: str) -> bool:
    """Tell whether a part of the path begins with a dot: caches, and the resource forks that macOS leaves beside files."""
    return any(part.startswith(".") for part in name.split("/"))


def _remote(metadata: FileMetadata) -> File:
    """Return what a listing says of an object; its etag is the time of its last change within the half hour.

    Beam's listings carry no checksum, and to ask for one is a request for each file. The time that they carry is off by
    the summer time of the machine that asks, which launcher and workers need not share: whole half hours are left out.
    """
    return File(metadata.path, metadata.size_in_bytes, f"{metadata.last_updated_in_seconds % _SUMMER_TIME:.6f}")


def _local(path: str) -> File:
    try:
        return stat(path)
    except FileNotFoundError:  # a link to nothing: it stays in the listing, and whoever opens it says that it is missing
        return File(path, 0, "")


def _raise(error: OSError) -> NoReturn:
    raise error


def _refuse_loop(parent: str, name: str) -> None:
    link = os.path.join(parent, name)
    target = os.path.realpath(link)
    if os.path.islink(link) and os.path.commonpath([os.path.realpath(parent), target]) == target:
        raise ValueError(f"{link} links to a folder above itself, so the listing would never end; remove the link")
