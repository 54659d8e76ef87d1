"""Tars: what img2dataset, LAION and Wukong write, and what is left of a tar that was cut or spoilt."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.readers.splits import Shard, cut, read
from tests.images import html, photo, sample, write_tar
from tests.reading import CORPUS, LICENSE, raw_tar, rows_of, splits_of


def test_wukong_style_tars_keep_their_folders_and_chinese(tmp_path: Path) -> None:
    path = raw_tar(tmp_path / "0.tar", [("./wukong/0001.jpg", photo(1)), ("./wukong/0001.txt", "北京的夜市".encode())])
    (row,) = rows_of(path)
    assert (row["alt_text"], row["image"]["path"]) == ("北京的夜市", "./wukong/0001.jpg")


def test_an_image_whose_words_are_spoilt_leaves_its_neighbours_their_own_bytes(tmp_path: Path) -> None:
    members = [(f"{n}.jpg", photo(n)) for n in range(3)]
    rows = rows_of(raw_tar(tmp_path / "0.tar", [*members[:2], ("1.txt", b"\xff"), members[2]]))
    assert [row["reason"] for row in rows] == [None, "bad_metadata", None]
    assert [row["image"] and row["image"]["bytes"] for row in rows] == [photo(0), None, photo(2)]
    assert [row["image_hash"] for row in rows] == [xxhash.xxh3_128_hexdigest(photo(0)), None, xxhash.xxh3_128_hexdigest(photo(2))]


@pytest.mark.parametrize("pax", [False, True], ids=["GNU", "pax"])
def test_long_and_foreign_names_are_read(tmp_path: Path, pax: bool) -> None:
    names = ["d" * 90 + "/" + "n" * 150 + ".jpg", "写真/一.jpg"]
    rows = rows_of(raw_tar(tmp_path / "0.tar", [(name, photo(n)) for n, name in enumerate(names)], pax), max_samples=1)
    assert [row["source_member"] for row in rows] == names
    assert [row["image"]["bytes"] for row in rows] == [photo(0), photo(1)]


def test_members_that_are_no_part_of_a_sample_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as archive:
        folder = tarfile.TarInfo("set.d")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in ("._a.jpg", "README", "a.cls", "a.jpg", ".DS_Store", "a.seg.png", "a.txt", "a.ocr.txt", "00000_stats.csv"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    (row,) = rows_of(path)
    assert (row["source_member"], row["alt_text"], row["reason"]) == ("a.jpg", "abc", None)


def test_a_key_that_comes_twice_is_two_samples(tmp_path: Path) -> None:
    members = [("a.jpg", b"1"), ("a.txt", b"one"), ("a.jpg", b"2"), ("a.png", b"3"), ("a.txt", b"three"), ("b.jpg", b"4"), ("a.jpg", b"5")]
    rows = rows_of(raw_tar(tmp_path / "0.tar", members))
    assert [(row["image"]["bytes"], row["alt_text"]) for row in rows] == [
        (b"1", "one"),
        (b"2", None),
        (b"3", "three"),
        (b"4", None),
        (b"5", None),
    ]


def test_names_with_dots_of_their_own_lose_no_image(tmp_path: Path) -> None:
    members = [("IMG.2020.jpg", b"1"), ("IMG.2020.txt", b"one"), ("IMG.2021.JPG", b"2"), ("IMG.2021.txt", b"two")]
    rows = rows_of(raw_tar(tmp_path / "0.tar", members))
    assert [(row["image"]["bytes"], row["alt_text"]) for row in rows] == [(b"1", "one"), (b"2", "two")]


def test_words_that_only_hang_on_a_sample_are_no_sample_without_image(tmp_path: Path) -> None:
    members = [("a.jpg", b"1"), ("b.ocr.txt", b"read in b"), ("b.png", b"2"), ("b.txt", b"words of b")]
    rows = rows_of(raw_tar(tmp_path / "0.tar", members))
    assert [(row["image"]["bytes"], row["alt_text"]) for row in rows] == [(b"1", None), (b"2", "words of b")]


def test_a_name_that_is_no_utf8_keeps_its_image(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("café.jpg", "b.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    assert [(row["source_member"], row["reason"]) for row in rows_of(path)] == [("caf\\xe9.jpg", None), ("b.jpg", None)]


def test_bad_samples_are_rows_with_a_reason_and_the_others_go_on(tmp_path: Path) -> None:
    samples = [
        sample(1),
        {"__key__": "no-image", "txt": "words", "json": {}},
        {"__key__": "empty", "jpg": b"", "txt": "words"},
        {"__key__": "bad-json", "jpg": photo(2), "json": '{"caption": '},
        {"__key__": "list", "jpg": photo(2), "json": "[1]"},
        {"__key__": "deep", "jpg": photo(2), "json": "[" * 100_000},
        {"__key__": "surrogate", "jpg": photo(2), "json": '{"caption": "cut \\ud83d"}'},
        {"__key__": "latin", "jpg": photo(2), "txt": b"caf\xe9"},
        {"__key__": "page", "jpg": html()},
        sample(3),
    ]
    rows = rows_of(write_tar(tmp_path / "0.tar", samples))
    assert len(rows) == len(samples)
    found = {row["source_member"].split(".")[0]: row["reason"] for row in rows}
    assert found == {
        "000000001": None, "no-image": "no_image", "empty": "empty_file", "bad-json": "bad_metadata", "list": "bad_metadata",
        "deep": "bad_metadata", "surrogate": "bad_metadata", "latin": "bad_metadata", "page": None, "000000003": None,
    }  # fmt: skip
    for row in rows:
        assert (row["image"] is None) == (row["sample_id"] is None) == (row["reason"] is not None)
    assert "bad-json.json" in rows[3]["error"]
    assert rows[1]["alt_text"] == "words"


def test_an_image_that_is_a_link_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("a.jpg", tarfile.REGTYPE), ("b.jpg", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, "a.jpg", 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"abc"))
    good, linked = rows_of(path, max_samples=1)
    assert (good["reason"], linked["reason"]) == (None, "unreadable_file")


def test_a_tar_without_samples_has_no_splits(tmp_path: Path) -> None:
    assert splits_of(raw_tar(tmp_path / "0.tar", [])) == []


# Damage

SMALL = [(f"{n}.{suffix}", f"{suffix} of {n}, {'x' * 300 * n}".encode()) for n in (1, 2, 3) for suffix in ("jpg", "txt")]


def layout(members: list[tuple[str, bytes]]) -> Iterator[tuple[str, int, int]]:
    """Yield (name, first byte of the data, byte behind it) by the arithmetic of ustar: a header of 512, data padded to 512."""
    at = 0
    for name, data in members:
        yield name, at + 512, at + 512 + len(data)
        at += 512 + -(-len(data) // 512) * 512


def test_wherever_a_tar_is_cut_what_lies_before_goes_on_and_one_row_tells_of_the_rest(tmp_path: Path) -> None:
    whole = Path(raw_tar(tmp_path / "whole.tar", SMALL)).read_bytes()
    places = {name: end for name, _, end in layout(SMALL)}
    members_end = -(-max(places.values()) // 512) * 512
    edges = {end + step for _, start, end in layout(SMALL) for end in (start - 512, start, end) for step in (-1, 0, 1)}
    for length in sorted(
        {n for n in edges if n >= 0} | set(range(0, members_end + 1200, 97)) | {0, 100, members_end + 511, members_end + 512}
    ):
        path = tmp_path / f"{length}.tar"
        path.write_bytes(whole[:length])
        rows = rows_of(path, max_samples=2)
        images = [(row["image"]["bytes"], row["alt_text"]) for row in rows if row["reason"] is None]
        data = dict(SMALL)
        expected = [
            (data[f"{n}.jpg"], data[f"{n}.txt"].decode() if places[f"{n}.txt"] <= length else None)
            for n in (1, 2, 3)
            if places[f"{n}.jpg"] <= length
        ]
        assert images == expected, length
        damage = [row for row in rows if row["reason"] is not None]
        assert [row["reason"] for row in damage] == ([] if length >= members_end + 512 else ["truncated_shard"]), length
        if damage:
            assert rows[-1] == damage[0]
            assert damage[0]["source_path"] == str(path)
            assert 0 <= damage[0]["source_offset"] <= length
            assert f"{path}, byte {damage[0]['source_offset']}" in damage[0]["error"]


def test_damage_points_to_the_member_that_the_end_of_the_file_cuts(tmp_path: Path) -> None:
    data = Path(raw_tar(tmp_path / "whole.tar", SMALL)).read_bytes()
    start = next(start for name, start, _ in layout(SMALL) if name == "3.jpg")
    (tmp_path / "cut.tar").write_bytes(data[: start + 10])
    assert rows_of(tmp_path / "cut.tar")[-1]["source_offset"] == start - 512


def test_a_spoilt_header_in_the_middle_is_damage_and_no_silent_end(tmp_path: Path) -> None:
    data = bytearray(Path(raw_tar(tmp_path / "whole.tar", SMALL)).read_bytes())
    start = next(start for name, start, _ in layout(SMALL) if name == "2.jpg")
    data[start - 512 : start - 500] = b"\xff" * 12
    (tmp_path / "spoilt.tar").write_bytes(data)
    rows = rows_of(tmp_path / "spoilt.tar")
    assert [row["reason"] for row in rows] == [None, "truncated_shard"]
    assert rows[1]["source_offset"] == start - 512


def test_tars_that_were_concatenated_are_damage_and_no_silent_end(tmp_path: Path) -> None:
    one = Path(raw_tar(tmp_path / "one.tar", SMALL)).read_bytes()
    (tmp_path / "two.tar").write_bytes(one + one)
    assert [row["reason"] for row in rows_of(tmp_path / "two.tar")] == [None, None, None, "truncated_shard"]


def test_damage_counts_as_a_sample_where_a_split_is_full(tmp_path: Path) -> None:
    data = Path(raw_tar(tmp_path / "whole.tar", SMALL)).read_bytes()
    start = next(start for name, start, _ in layout(SMALL) if name == "3.jpg")
    (tmp_path / "cut.tar").write_bytes(data[: start + 10])
    splits = splits_of(tmp_path / "cut.tar", max_samples=2)
    assert [split.rows for split in splits] == [2, 1]
    assert len({split.split_id for split in splits}) == 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), min_size=1, max_size=12), st.integers(0, 10_240), st.booleans())
def test_no_spoilt_byte_makes_a_tar_raise_or_lose_a_planned_row(tmp_path: Path, spoilt, length: int, pax: bool) -> None:
    members = [*SMALL[:2], ("n" * 200 + "é.jpg", b"long"), *SMALL[2:]]
    data = bytearray(Path(raw_tar(tmp_path / "whole.tar", members, pax)).read_bytes())
    for place, value in spoilt:
        data[place] = value
    path = tmp_path / "spoilt.tar"
    path.write_bytes(data[: max(length, 1)])
    shard = Shard("tar", str(path), path.stat().st_size, str(path.stat().st_mtime_ns))
    splits = list(cut(shard, 2, 2**20, str(tmp_path / xxhash.xxh3_64_hexdigest(bytes(data)))))
    for split in splits:
        assert len(read(split, CORPUS, LICENSE)) == split.rows


@pytest.mark.parametrize("name", ["0.tar", "0.tar.gz"])
def test_a_compressed_tar_is_refused_with_advice(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(Path(write_tar(tmp_path / "plain", [sample(1)])).read_bytes()))
    with pytest.raises(ValueError, match=r"compressed.*decompress it first"):
        splits_of(tmp_path / name)
