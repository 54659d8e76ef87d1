"""The quick reading of tar headers: what ``tarfile`` reads, for every header, sound or spoilt, or nothing."""

import io
import tarfile
from itertools import islice
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.readers import tar_header
from pipelines.readers.tar import _MALFORMED as ERRORS
from pipelines.readers.tar import _Tape
from pipelines.readers.tar_header import ordinary

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30) | st.just("d" * 90 + "/a.jpg")


def assert_tarfile_agrees(block: bytes) -> None:
    """Hold what is read of an ordinary header against ``tarfile``; of any other nothing is."""
    if found := ordinary(block):
        said = tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
        assert found == (said.name, said.size, said.type)
        assert said.type == tarfile.XHDTYPE or (said.isreg() and not said.issparse())


def block_of(name: str, size: int, kind: bytes, form: int, mode: int = 0o644, mtime: int = 0) -> bytes:
    """Return the last block of what Python writes before a member: its own header, after those of long names."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode, member.mtime = size, kind, mode, mtime
    return member.tobuf(form, "utf-8", "surrogateescape")[-512:]


@given(NAMES, st.integers(0, 8**11 - 1), st.sampled_from(TYPES), st.sampled_from(FORMATS), st.integers(0, 0o7777), st.integers(0, 2**32))
def test_every_header_is_read_as_tarfile_reads_it(name: str, size: int, kind: bytes, form: int, mode: int, mtime: int) -> None:
    block = block_of(name, size, kind, form, mode, mtime)
    assert_tarfile_agrees(block)
    if kind == tarfile.REGTYPE and len(name.encode()) <= 100 and form != tarfile.PAX_FORMAT:
        assert ordinary(block) == (name, size, b"0")


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
    assert_tarfile_agrees(bytes(block))


@pytest.mark.parametrize("block", [b"", bytes(512), b"x" * 511, b"x" * 512])
def test_what_is_no_header_is_not_ordinary(block: bytes) -> None:
    assert ordinary(block) is None


EXTENDED = st.sampled_from(
    [
        {},
        {"mtime": "1700000000.5"},
        {"atime": "1", "ctime": "2.25", "mtime": "3"},
        {"path": "another.jpg"},
        {"mtime": "1.5", "path": "b.jpg"},
        {"size": "7"},
        {"comment": "x" * 600},
    ]
)
MEMBERS = st.tuples(NAMES, st.integers(0, 1200), st.sampled_from(TYPES), st.sampled_from(FORMATS), EXTENDED)


@given(st.lists(MEMBERS, min_size=1, max_size=6), st.booleans())
@example([("é.jpg", 513, b"0", tarfile.PAX_FORMAT, {"mtime": "1.5"}), ("b.txt", 0, b"0", tarfile.USTAR_FORMAT, {})], True)
@example([("a.jpg", 513, b"0", tarfile.PAX_FORMAT, {"mtime": "1.5"}), ("d" * 150, 5, b"0", tarfile.GNU_FORMAT, {})], False)
def test_every_member_lies_where_tarfile_finds_it(members: list[tuple[str, int, bytes, int, dict[str, str]]], renames: bool) -> None:
    archive = written(members, {"path": "one name for all.jpg"} if renames else {})
    assert places(archive) == places_by_tarfile(archive)


@given(st.lists(MEMBERS, min_size=1, max_size=3), st.data())
def test_of_a_spoilt_tar_the_same_members_are_read_or_the_same_is_refused(members: list[Any], data: st.DataObject) -> None:
    archive = bytearray(written(members, {}))
    for _ in range(data.draw(st.integers(1, 3))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.sampled_from([0, 48, 49, 120, 255]))
    del archive[data.draw(st.integers(0, len(archive))) :]
    assert places(bytes(archive)) == places_by_tarfile(bytes(archive))


@pytest.mark.parametrize(
    "record", [b"0 mtime=17\n", b"12 mtime=17000000\n", b"18 mtime=17000000\n\n", b"18 mtime=1700_000\n", b"18 mtime=17000000\n18 size=9\n"]
)
def test_a_record_of_times_that_is_none_is_left_to_tarfile(record: bytes) -> None:
    extended = bytearray(block_of("x", len(record), tarfile.XHDTYPE, tarfile.USTAR_FORMAT))
    member = block_of("a.jpg", 3, tarfile.REGTYPE, tarfile.USTAR_FORMAT) + b"abc".ljust(512, b"\0")
    archive = bytes(extended) + record.ljust(512, b"\0") + member + bytes(1024)
    assert places(archive) == places_by_tarfile(archive)


def test_times_are_read_over_without_tarfile(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [(f"{n}.jpg", 700, tarfile.REGTYPE, tarfile.PAX_FORMAT, {"mtime": f"{n}.5"}) for n in range(3)]
    archive = written(members, {})
    expected = places_by_tarfile(archive)[:3]
    monkeypatch.setattr(tarfile.TarFile, "next", None)
    tape, found = tape_over(archive), []
    for member, following in islice(tar_header.members(tape), 3):
        found.append((member.offset, member.offset_data, following))
        tape.seek(following)
    assert found == [(at, data, following) for *_, at, data, _, following in expected]


def written(members: list[Any], everywhere: dict[str, str]) -> bytes:
    """Return a tar of ``members``, each (name, bytes, type, format, extended header), behind a header that says ``everywhere``."""
    blocks = [tarfile.TarInfo.create_pax_global_header(everywhere)] if everywhere else []
    for name, size, kind, form, extended in members:
        member = tarfile.TarInfo(name)
        member.size, member.type, member.pax_headers = size if kind in (tarfile.REGTYPE, tarfile.AREGTYPE) else 0, kind, extended
        blocks += [member.tobuf(form, "utf-8", "surrogateescape"), bytes(-(-member.size // 512) * 512)]
    return b"".join([*blocks, bytes(1024)])


def tape_over(archive: bytes) -> _Tape:
    return _Tape(io.BytesIO(archive), 0, len(archive), seekable=True)


def places(archive: bytes) -> list[tuple[object, ...]]:
    """Return what a reader needs of each member of ``archive``, and the error that ends them if one does."""
    tape, found = tape_over(archive), []
    try:
        for member, following in tar_header.members(tape):
            found.append((member.name, member.size, member.is_folder, member.offset, member.offset_data, member.is_plain, following))
            tape.seek(following)
            if tape.tell() < following:
                break
    except ERRORS as error:
        found.append((type(error), str(error)))
    return found


def places_by_tarfile(archive: bytes) -> list[tuple[object, ...]]:
    """Return the same by ``tarfile`` alone."""
    found: list[tuple[object, ...]] = []
    try:
        tape = tape_over(archive)
        whole = tarfile.TarFile(fileobj=tape, encoding="utf-8", errors="backslashreplace")
        while (m := whole.next()) is not None:
            found.append((m.name, m.size, m.isdir(), m.offset, m.offset_data, m.isreg() and not m.issparse(), whole.offset))
            tape.seek(whole.offset)
            if tape.tell() < whole.offset:
                break
    except ERRORS as error:
        found.append((type(error), str(error)))
    return found
