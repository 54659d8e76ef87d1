"""WebDataset tars as img2dataset, LAION and Wukong write them: members that share a key are one sample.

The key is the name up to the first dot of its last part (WebDataset). A file whose stem has dots of its own, which
WebDataset would take for an extension, is a sample by its last dot unless it belongs to a sample already begun, so
that no image is passed over in silence.
"""

import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa

from pipelines.readers import tar_header
from pipelines.readers.samples import IMAGE_SUFFIXES, MAX_FILE_BYTES, MAX_WORDS_BYTES, NO_WORDS, Damage, Sample, Words, words_beside
from pipelines.readers.tar_header import Member
from pipelines.spine.storage import is_local, open_file
from schemas.protocols import Failure

_KINDS = {**dict.fromkeys(IMAGE_SUFFIXES, "image"), "txt": "text", "json": "record"}
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LONGEST_HEADER = 2**20
"""Bytes of one extended header; a damaged size field would otherwise be read as one (ours)."""
_SKIP = 2**20
_MALFORMED = (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError)
"""What ``tarfile`` raises on damaged headers; faults of the machine are ``OSError`` and pass."""


@dataclass(slots=True)
class TarSample:
    """The members of one sample by kind (``image``, ``text``, ``record``) and, where they are read, their bytes."""

    key: str
    start: int
    """First byte of the first header."""
    members: dict[str, Member]
    words: dict[str, bytes]
    image: bytes | memoryview = b""

    @property
    def end(self) -> int:
        """The byte behind the last member."""
        return max(member.end for member in self.members.values())

    @property
    def image_bytes(self) -> int:
        """Length of the encoded image, 0 without one."""
        return self.members["image"].size if "image" in self.members else 0


def scan(path: str, size: int) -> Iterator[TarSample | Damage]:
    """Yield the samples of the tar ``path`` of ``size`` bytes from its headers alone, then its damage if it has one.

    A local file is sought through, a remote one read once from start to end. Raises ``ValueError`` if it is compressed.
    """
    with open_file(path) as file:
        tape = _Tape(file, 0, size, seekable=is_local(path))
        for found in _samples(tape, whole=True):
            if isinstance(found, Damage):
                _refuse_compressed(path, tape.beginning)
            yield found


def read_samples(path: str, first: int, last: int, image_bytes: int) -> Iterator[Sample]:
    """Yield the samples between the bytes ``first`` and ``last``, which must be bounds that ``scan`` found.

    Their images, so many bytes in all, lie one behind the other in one array: their column needs no copy of them.
    """
    if first == last:
        return
    with open_file(path) as file:
        file.seek(first)
        for found in _samples(_Tape(file, first, last, seekable=is_local(path), image_bytes=image_bytes), whole=False):
            if isinstance(found, TarSample):
                yield _sample(path, found)


class _Tape:
    """A range of a file as ``tarfile`` reads it: forwards only, so that a remote file is one stream."""

    def __init__(self, file: BinaryIO, start: int, end: int, *, seekable: bool, image_bytes: int = 0) -> None:
        self.end = end
        room = pa.allocate_buffer(min(image_bytes, MAX_FILE_BYTES))  # Arrow keeps what is freed: a third of the reading went into new pages
        self._room = np.frombuffer(room, np.uint8).data
        self.header = self.beginning = self._again = b""
        self._file, self._at, self._seekable = cast(BufferedIOBase, file), start, seekable

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int) -> None:
        if offset < self._at:
            raise tarfile.ReadError(f"a header points back to byte {offset}")
        offset = min(offset, self.end)
        if self._seekable and offset != self._at:
            self._file.seek(offset)
            self._at, self._again = offset, b""
        while self._at < offset and self.take(min(_SKIP, offset - self._at)):
            pass

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes of header, fewer at the end of the range."""
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header claims to be {size} bytes long")
        self.header = self.take(size)
        self.beginning = self.beginning or self.header
        return self.header

    def put_back(self, data: bytes) -> None:
        """Let ``data``, which was just read, be read again."""
        self._again, self._at = data + self._again, self._at - len(data)

    def take(self, size: int) -> bytes:
        """Return ``size`` bytes of data, fewer at the end of the range."""
        size = min(size, self.end - self._at)
        if self._again:
            again, self._again = self._again[:size], self._again[size:]
            data = again + self._file.read(size - len(again))
        else:
            data = self._file.read(size)
        self._at += len(data)
        return data

    def take_image(self, size: int) -> bytes | memoryview:
        """Return ``size`` bytes of data behind those of the image before, while there is room for them."""
        if size > len(self._room) or self._again:
            return self.take(size)
        read = self._file.readinto(self._room[: min(size, self.end - self._at)])
        image, self._room = self._room[:read], self._room[read:]
        self._at += read
        return image


def _samples(tape: _Tape, *, whole: bool) -> Iterator[TarSample | Damage]:
    """Group members into samples; of the one that damage cuts, what has an image goes on. With ``whole`` no data is read."""
    sample = TarSample("", 0, {}, {})
    for member in _members(tape, whole=whole):
        if isinstance(member, Damage):
            if "image" in sample.members:
                yield sample
            yield member
            return
        key, kind = _key_and_kind(member, sample.key)
        if key is None:
            continue
        if key != sample.key or kind in sample.members:
            if _is_sample(sample):
                yield sample
            sample = TarSample(key, member.offset, {}, {})
        if kind is not None:
            sample.members[kind] = member
            if whole or not _is_readable(member, kind):
                continue
            if kind == "image":
                sample.image = tape.take_image(member.size)
            else:
                sample.words[kind] = tape.take(member.size)
    if _is_sample(sample):
        yield sample


def _members(tape: _Tape, *, whole: bool) -> Iterator[Member | Damage]:
    """Yield the members of a tar, then the damage: ``tarfile`` itself ends in silence at a header that it cannot read."""
    at = tape.tell()
    try:
        for member, following in tar_header.members(tape):
            if member.size < 0 or (member.is_plain and member.end > tape.end):
                wanted = f"{member.size} bytes from byte {member.offset_data} on"
                yield Damage(member.offset, f"{member.name!r} should hold {wanted}, but the file ends at byte {tape.end}")
                return
            at = following
            yield member
            if not whole and at >= tape.end:
                return
            tape.seek(at)
            if tape.tell() < at:
                raise tarfile.ReadError("unexpected end of data")
    except _MALFORMED as error:
        yield Damage(min(at, tape.end), f"no readable tar header ({error})")
        return
    if trouble := _trouble_at_end(tape):
        yield Damage(min(at, tape.end), trouble)


def _trouble_at_end(tape: _Tape) -> str | None:
    """Say what is wrong with where ``tarfile`` stopped; the end that POSIX demands is a block of zeros and nothing but zeros after it."""
    if len(tape.header) < tarfile.BLOCKSIZE:
        return "the file ends without the blocks of zeros that close a tar"
    if tape.header.strip(b"\0"):
        return "no readable tar header"
    while rest := tape.take(_SKIP):
        if rest.strip(b"\0"):
            return "data follows the end of the tar; tars that were concatenated have to be kept as files of their own"
    return None


def _key_and_kind(member: Member, begun: str) -> tuple[str | None, str | None]:
    """Return the key of the sample that ``member`` belongs to and what it is there, given the key of the sample begun."""
    folder, slash, base = member.name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    if not stem or not dot or member.is_folder:
        return None, None
    folder = (folder.rstrip("/") or folder) + slash
    if "." in suffix and folder + stem != begun:
        stem, _, suffix = base.rpartition(".")
    return folder + stem, _KINDS.get(suffix.lower())


def _is_sample(found: TarSample) -> bool:
    """Tell a sample from leftovers: words alone are one that lost its image, unless their dotted name only hung on another sample."""
    return "image" in found.members or (bool(found.members) and "." not in posixpath.basename(found.key))


def _is_readable(member: Member, kind: str) -> bool:
    return member.is_plain and member.size <= (MAX_FILE_BYTES if kind == "image" else MAX_WORDS_BYTES)


def _sample(path: str, found: TarSample) -> Sample:
    member = found.members.get("image", next(iter(found.members.values())))
    words = _words(found)
    failure = _failure(path, found) or (words if isinstance(words, Failure) else None)
    return Sample(
        source_path=path,
        source_member=member.name,
        source_offset=member.offset_data if "image" in found.members else member.offset,
        source_bytes=found.image_bytes,
        name=member.name,
        words=words if isinstance(words, Words) else NO_WORDS,
        image=failure or found.image,
    )


def _failure(path: str, found: TarSample) -> Failure | None:
    """Say why the sample has no image, if it has none."""
    image = found.members.get("image")
    if image is None:
        names = [member.name for member in found.members.values()]
        return Failure("no_image", f"{path}: expected an image beside {names}, found no member with an image's extension")
    if not image.is_plain:
        return Failure("unreadable_file", f"{path}: {image.name} is a link or a sparse file; write the tar with the files themselves")
    if image.size == 0:
        return Failure("empty_file", f"{path}: {image.name} holds 0 bytes")
    if image.size > MAX_FILE_BYTES:
        return Failure("too_many_bytes", f"{path}: {image.name} holds {image.size} bytes, more than {MAX_FILE_BYTES}")
    return None


def _words(found: TarSample) -> Words | Failure:
    for kind in ("text", "record"):
        if kind in found.members and kind not in found.words:
            return Failure("bad_metadata", f"{found.members[kind].name} is a link, a sparse file, or larger than {MAX_WORDS_BYTES} bytes")
    text, record = ((found.members[kind].name, found.words[kind]) if kind in found.words else None for kind in ("text", "record"))
    return words_beside(text, record)


def _refuse_compressed(path: str, beginning: bytes) -> None:
    for magic, name in _COMPRESSED.items():
        if beginning.startswith(magic):
            raise ValueError(f"{path} is compressed with {name}, so no range of it can be read; decompress it first")
