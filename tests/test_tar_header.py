"""The quick reading of tar headers: what ``tarfile`` reads, for every header, sound or spoilt."""

import io
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.readers.tar_header import Header

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30) | st.just("d" * 90 + "/a.jpg")


def read(kind: type[tarfile.TarInfo], block: bytes) -> tuple[object, ...]:
    """Return what a reader needs of the header in ``block``, or the error."""
    try:
        found = kind.frombuf(block, "utf-8", "backslashreplace")
    except (tarfile.HeaderError, ValueError) as error:
        return type(error), str(error)
    return found.name, found.size, found.type, found.chksum, found.isreg(), found.issparse()


def block_of(name: str, size: int, kind: bytes, form: int, mode: int = 0o644, mtime: int = 0) -> bytes:
    """Return the last block of what Python writes before a member: its own header, after those of long names."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, mtime
    return member.tobuf(form, "utf-8", "surrogateescape")[-512:]


@given(NAMES, st.integers(0, 8**11 - 1), st.sampled_from(TYPES), st.sampled_from(FORMATS), st.integers(0, 0o7777), st.integers(0, 2**32))
def test_every_header_is_read_as_tarfile_reads_it(name: str, size: int, kind: bytes, form: int, mode: int, mtime: int) -> None:
    block = block_of(name, size, kind, form, mode, mtime)
    assert read(Header, block) == read(tarfile.TarInfo, block)


@given(st.integers(0, 511), st.integers(0, 255), st.booleans())
@example(124, ord("9"), True)
@example(345, ord("p"), True)
@example(156, ord("S"), True)
def test_a_spoilt_byte_is_read_or_refused_as_tarfile_does(place: int, value: int, mend: bool) -> None:
    block = bytearray(block_of("0001.jpg", 86, tarfile.REGTYPE, tarfile.GNU_FORMAT))
    block[place] = value
    if mend:  # the checksum agrees again: only the rest can tell
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
    assert read(Header, bytes(block)) == read(tarfile.TarInfo, bytes(block))


@pytest.mark.parametrize("block", [b"", bytes(512), b"x" * 511, b"x" * 512])
def test_what_is_no_header_is_refused_as_tarfile_does(block: bytes) -> None:
    assert read(Header, block) == read(tarfile.TarInfo, block)


@given(
    st.lists(st.tuples(NAMES, st.integers(0, 1200), st.sampled_from(TYPES), st.sampled_from(FORMATS)), min_size=1, max_size=6),
    st.booleans(),
)
@example([("é.jpg", 513, tarfile.REGTYPE, tarfile.PAX_FORMAT), ("b.txt", 0, tarfile.REGTYPE, tarfile.USTAR_FORMAT)], True)
def test_every_member_lies_where_tarfile_finds_it(members: list[tuple[str, int, bytes, int]], renames: bool) -> None:
    archive = written(members, {"path": "one name for all.jpg"} if renames else {})
    assert places(Header, archive) == places(tarfile.TarInfo, archive)


def written(members: list[tuple[str, int, bytes, int]], everywhere: dict[str, str]) -> bytes:
    """Return a tar of ``members``, each (name, bytes, type, format), behind a header that says ``everywhere`` of them all."""
    blocks = [tarfile.TarInfo.create_pax_global_header(everywhere)] if everywhere else []
    for name, size, kind, form in members:
        member = tarfile.TarInfo(name)
        member.size, member.type = size if kind in (tarfile.REGTYPE, tarfile.AREGTYPE) else 0, kind
        blocks += [member.tobuf(form, "utf-8", "surrogateescape"), bytes(-(-member.size // 512) * 512)]
    return b"".join([*blocks, bytes(1024)])


def places(kind: type[tarfile.TarInfo], archive: bytes) -> list[tuple[object, ...]]:
    """Return what a reader needs of each member of ``archive``."""
    with tarfile.open(fileobj=io.BytesIO(archive), tarinfo=kind) as found:
        return [(m.name, m.size, m.type, m.offset, m.offset_data, m.isreg(), m.issparse()) for m in found]
