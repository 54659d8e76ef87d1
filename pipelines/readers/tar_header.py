"""The members of a tar one after the other: an ordinary file's header is read here, whatever else a header may be by ``tarfile``.

``tarfile`` takes 25 microseconds for a header, this 3. Ordinary is a regular file with a name of at most 100 bytes and its numbers in
octal, as GNU tar and Python write it, also behind an extended header that tells times alone, as ``webdataset`` writes it.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple, Protocol, cast

BLOCK = tarfile.BLOCKSIZE
_OCTAL = rb"[0-7]{7}\0"
_ORDINARY = re.compile(
    rb"([^\0]+)\0*" + _OCTAL * 3 + rb"([0-7]{11})\0[0-7]{11}\0([0-7]{6})\0 ([0x])\0{100}.{72}(?:" + _OCTAL + rb"|\0{8}){2}\0{167}",
    re.DOTALL,
)
"""Name, size, checksum and type of a header of 512 bytes (POSIX ustar); with so many zeros its bytes come to less than 65,521."""
_TIME = re.compile(rb"(\d{1,3}) [amc]time=\d+(?:\.\d+)?\n")
"""A record of an extended header that says nothing a reader needs (POSIX pax)."""
_FILE = b"0"


class Member(NamedTuple):
    """What a reader needs of a member: its name, bytes of data, and places in the tar."""

    name: str
    size: int
    offset: int
    """First byte of its first header."""
    offset_data: int
    is_plain: bool
    """It is a regular file that lies there as it is: no link, folder or sparse file."""
    is_folder: bool

    @property
    def end(self) -> int:
        """The byte behind its data, which only a plain file is sure to have."""
        return self.offset_data + (self.size if self.is_plain else 0)


class Tape(Protocol):
    """A file that is read forwards."""

    def tell(self) -> int:
        """Return the place of the next byte."""
        ...

    def seek(self, offset: int) -> None:
        """Go forward to ``offset``."""
        ...

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes of header, fewer at the end."""
        ...

    def put_back(self, data: bytes) -> None:
        """Let ``data``, which was just read, be read again."""
        ...


def members(tape: Tape) -> Iterator[tuple[Member, int]]:
    """Yield each member of ``tape`` and the place of the next header; whoever takes one has to leave the tape at that place or before.

    Ends where ``tarfile`` does, also at a header that is none, and raises what ``tarfile`` raises.
    """
    archive: tarfile.TarFile | None = None
    while True:
        at = tape.tell()
        member = None if archive and archive.pax_headers else _ordinary_member(tape, at)
        if member is not None:
            yield member, member.offset_data + -(-member.size // BLOCK) * BLOCK
            continue
        archive, info = _by_tarfile(archive, tape, at)
        if info is None:
            return
        plain = info.isreg() and not info.issparse()
        yield Member(info.name, info.size, info.offset, info.offset_data, plain, info.isdir()), archive.offset


def ordinary(block: bytes) -> tuple[str, int, bytes] | None:
    """Return name, size and type (``0`` a file, ``x`` an extended header) of an ordinary header of 512 bytes, None for any other."""
    found = _ORDINARY.fullmatch(block)
    if found is None:
        return None
    name, size, checksum, kind = found.groups()
    blank = 8 * 32 - (sum(checksum) + 32)  # the checksum counts its own field, six digits, a zero and a space, as spaces
    if int(checksum, 8) != (zlib.adler32(block) & 0xFFFF) - 1 + blank:  # the low half of Adler-32 is the sum of the bytes, and 1
        return None
    return name.decode("utf-8", "backslashreplace"), int(size, 8), kind


def _ordinary_member(tape: Tape, at: int) -> Member | None:
    """Read an ordinary member; of any other nothing is taken from the tape."""
    block = tape.read(BLOCK)
    found, taken = ordinary(block), block
    if found and found[2] != _FILE:
        times, block = tape.read(BLOCK), tape.read(BLOCK)
        taken += times + block
        found = ordinary(block) if _tells_times(times, found[1]) else None
    if found is None or found[2] != _FILE:
        tape.put_back(taken)
        return None
    return Member(found[0], found[1], at, at + len(taken), True, False)


def _tells_times(block: bytes, size: int) -> bool:
    """Tell whether the first ``size`` bytes of an extended header are records of times, and the rest zeros."""
    at = 0
    while found := _TIME.match(block, at):
        if int(found[1]) != found.end() - at:
            return False
        at = found.end()
    return at == size and not block[size:].strip(b"\0")


def _by_tarfile(archive: tarfile.TarFile | None, tape: Tape, at: int) -> tuple[tarfile.TarFile, tarfile.TarInfo | None]:
    """Return the member at the place ``at`` as ``tarfile`` reads it, and the archive, which knows what global headers have said."""
    if archive is None:  # it reads a member as soon as it is made
        archive = tarfile.TarFile(fileobj=cast(IO[bytes], tape), encoding="utf-8", errors="backslashreplace")
        return archive, archive.next() if archive.members else None  # pyright: ignore[reportAttributeAccessIssue]  typeshed lacks it
    archive.offset = at
    archive.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  a tar of a million files would keep every header
    return archive, archive.next()
