"""What lies in a folder or matches a pattern, on this machine or wherever Beam's filesystems reach."""

import os
import re
from collections.abc import Iterator, Mapping
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


def list_kinds(pattern: str, kinds: Mapping[str, str], noun: str, name_one: str) -> list[tuple[str, File]]:
    """Return the files whose endings are keys of ``kinds``, with their kind, that ``pattern`` names: one, those in a folder, or a glob.

    They are sorted by path; other files of a folder are passed over. Raises ``ValueError``, which ends with ``name_one``, where no
    ``noun`` is found or a file that is named is none.
    """
    pattern = os.path.normpath(pattern) if is_local(pattern) else pattern
    whole = not any(char in pattern for char in "*?[")
    as_folder = whole and (os.path.isdir(pattern) if is_local(pattern) else not pattern.lower().endswith(tuple(kinds)))
    single = whole and not as_folder and (not is_local(pattern) or os.path.isfile(pattern))
    found: list[tuple[str, File]] = []
    for file in list_folder(pattern) if as_folder else [stat(pattern)] if single else list_matching(pattern):
        kind = kinds.get(os.path.splitext(file.path)[1].lower())
        if is_hidden(name_below(pattern, file.path) if as_folder else os.path.basename(file.path)):
            continue
        if kind:
            found.append((kind, file))
        elif not as_folder:
            raise ValueError(f"{file.path} is no {noun} that can be read; {name_one}; decompress it first if it is compressed")
    if not found:
        raise ValueError(f"no input: {pattern} holds no {noun}; {name_one}")
    return sorted(found, key=lambda one: one[1].path)


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
