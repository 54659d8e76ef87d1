"""Images that must not be used, by the hash of their file: lists as they are published, one hash a line."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import fs

from schemas import columns as c
from schemas.exits import EnvironmentFault, Rule, Verdict, judge

SHORT, LONG = 32, 64
"""Hex digits of a 128-bit hash (MD5, or this project's ``image_hash``) and of SHA-256."""
HASHES: Mapping[str, Callable[[bytes], Any]] = MappingProxyType(
    {c.IMAGE_MD5.name: lambda data: hashlib.md5(data, usedforsecurity=False), c.IMAGE_SHA256.name: hashlib.sha256}
)
"""Hashes beside ``image_hash`` that published lists are made of, by their columns."""

_LINE = re.compile(rf"(?:[0-9a-f]{{{LONG}}}|[0-9a-f]{{{SHORT}}})?\s*(?:#.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Drops images whose file is on a list. Reads ``image_hash``, and ``image_md5`` and ``image_sha256`` where they are there.

    What the lists hold is part of a run's identity by ``digest``, not their names alone.
    """

    version: ClassVar[int] = 1

    files: tuple[str, ...] = ()
    """Text files, local or ``scheme://...``: 32 or 64 hex digits a line, ``#`` begins a comment. None blocks nothing."""
    digest: str = ""
    """SHA-256 over the hashes, filled in where it is empty; one that is given must be theirs."""

    def __post_init__(self) -> None:
        """Read the files once, so that a bad line or a changed list stops a run before its first sample."""
        if self.files:
            object.__setattr__(self, "digest", digest_of(self.load()))

    def load(self) -> frozenset[str]:
        """Return the hashes in lower case; raises ``EnvironmentFault`` where the files are not those of the digest."""
        hashes = frozenset[str]().union(*map(read_list, self.files))
        if self.digest not in ("", digest_of(hashes)):
            raise EnvironmentFault(
                f"expected hashes with the digest {self.digest} in {', '.join(self.files)}, found {digest_of(hashes)}: a list has changed; "
                "run the command again, without `digest` where the job states it"
            )
        return hashes

    def __call__(self, batch: pa.RecordBatch, *, hashes: frozenset[str]) -> Verdict:
        """Return ``blocklisted`` for each row with one of ``hashes``, which ``load`` returned."""
        listed = np.zeros(len(batch), np.bool_)
        for name in (c.IMAGE_HASH.name, *HASHES):
            if name in batch.schema.names:
                listed |= np.array([value in hashes for value in batch.column(name).to_pylist()], np.bool_)
        return judge(len(batch), Rule("blocklisted", listed))


def needed(hashes: frozenset[str]) -> tuple[str, ...]:
    """Return the columns that ``digests`` has to make for a list: a short hash may be an MD5, a long one is a SHA-256."""
    lengths = {len(value) for value in hashes}
    return tuple(name for name, length in zip(HASHES, (SHORT, LONG), strict=True) if length in lengths)


def digests(images: Sequence[bytes | None], names: Sequence[str]) -> dict[str, pa.Array]:
    """Return the columns ``names`` of ``HASHES`` over n encoded images, null where there is none."""
    return {name: pa.array([None if image is None else HASHES[name](image).hexdigest() for image in images], pa.string()) for name in names}


def read_list(path: str) -> frozenset[str]:
    """Return the hashes in the file at ``path``, in lower case.

    Raises ``EnvironmentFault`` with file and line for anything but 32 or 64 hex digits and comments, and for a file that is absent.
    """
    found = set[str]()
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not _LINE.fullmatch(line.strip()):
            raise EnvironmentFault(
                f"{path}, line {number}: expected {SHORT} or {LONG} hex digits, found {line.strip()[:80]!r}; mend the line"
            )
        found.add(line.partition("#")[0].strip().lower())
    return frozenset(found - {""})


def digest_of(hashes: frozenset[str]) -> str:
    """Return the SHA-256 over ``hashes``, whatever the order and the files that they came in."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def _text(path: str) -> str:
    try:
        system, inner = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
        with system.open_input_stream(inner) as file:
            return file.read().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"expected a blocklist at {path}, found {type(error).__name__}: {error}; mend `files`") from error
