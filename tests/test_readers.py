"""Readers: every planned row comes out, good or bad, and the cut into splits follows from the input alone."""

import itertools
import json
import os
import pickle
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.readers.fetch import fetch
from pipelines.readers.splits import READ, Shard, Split, cut, limited, list_shards, read
from schemas.exits import EnvironmentFault
from schemas.records import IMAGE_TEXT
from tests.images import photo, sample, write_file, write_folder, write_parquet, write_tar
from tests.reading import CORPUS, LICENSE, raw_tar, rows_of, splits_of


def test_a_batch_has_the_columns_of_an_image_text_sample_and_why_it_is_dead(tmp_path: Path) -> None:
    (split,) = splits_of(write_tar(tmp_path / "0.tar", [sample(1)]))
    assert READ.names == [*IMAGE_TEXT.names, "image_hash", "reason", "error"]
    assert read(split, CORPUS, LICENSE).schema.equals(READ)


def test_a_row_says_where_its_image_lies_and_carries_it_unchanged(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [sample(1), sample(2)])
    (split,) = splits_of(path)
    first, second = read(split, CORPUS, LICENSE).to_pylist()
    assert (first["split_id"], first["row"], second["row"]) == (split.split_id, 0, 1)
    assert (first["corpus"], first["source_license"], first["url"]) == (CORPUS, LICENSE, "https://images.example/1.jpg")
    assert first["image"] == {"bytes": photo(1), "path": "000000001.jpg"}
    assert (second["source_path"], second["source_member"]) == (path, "000000002.jpg")
    stored = Path(path).read_bytes()[second["source_offset"] :][: second["source_bytes"]]
    assert stored == photo(2)
    assert first["reason"] is None
    assert first["error"] is None


def test_the_sample_id_names_content_and_corpus(tmp_path: Path) -> None:
    (split,) = splits_of(write_tar(tmp_path / "0.tar", [sample(1), {**sample(1), "__key__": "again", "txt": "other words"}]))
    ids = read(split, CORPUS, LICENSE).column("sample_id").to_pylist()
    assert ids == [xxhash.xxh3_128_hexdigest(photo(1) + b"\0market")] * 2
    assert read(split, "elsewhere", LICENSE).column("sample_id")[0].as_py() != ids[0]


@pytest.mark.parametrize(
    ("record", "alt_text", "url", "licence"),
    [
        ({"caption": "a cat", "url": "https://a/1", "license": "CC0-1.0"}, "a cat", "https://a/1", "CC0-1.0"),
        ({"TEXT": "a cat", "URL": "https://a/1", "LICENSE": "?"}, "a cat", "https://a/1", "?"),
        ({"text": "  a cat\n", "source_license": ""}, "a cat", None, LICENSE),
        ({"caption": None, "alt_text": "a cat", "license": 7}, "a cat", None, LICENSE),
        ({"caption": " ", "alt": "e\u0301te\u0301"}, "\u00e9t\u00e9", None, LICENSE),
        ({"caption": 12}, None, None, LICENSE),
        ({}, None, None, LICENSE),
    ],
)
def test_words_come_from_the_keys_of_img2dataset_laion_and_wukong(tmp_path: Path, record, alt_text, url, licence) -> None:
    packed = rows_of(write_tar(tmp_path / "0.tar", [{"jpg": photo(1), "json": record}]))
    loose = rows_of(write_folder(tmp_path / "folder", [{"jpg": photo(1), "json": record}]))
    lines = write_folder(tmp_path / "lines", [{"jpg": photo(1)}])
    write_file(tmp_path / "lines" / "metadata.jsonl", json.dumps({"file_name": "000000000.jpg", **record}))
    for (row,) in (packed, loose, rows_of(lines)):
        assert (row["alt_text"], row["url"], row["source_license"]) == (alt_text, url, licence)


def test_a_text_wins_over_a_record_unless_it_is_empty(tmp_path: Path) -> None:
    said = {"jpg": photo(1), "json": {"caption": "from the record", "url": "https://a/1"}}
    samples = [{**said, "txt": "\ufefffrom the text\n"}, {**said, "txt": " \n"}]
    for rows in (rows_of(write_tar(tmp_path / "0.tar", samples)), rows_of(write_folder(tmp_path / "folder", samples))):
        assert [row["alt_text"] for row in rows] == ["from the text", "from the record"]
        assert [row["url"] for row in rows] == ["https://a/1"] * 2


# What is listed


def test_shards_are_listed_sorted_from_a_folder_a_tar_and_a_glob(tmp_path: Path) -> None:
    paths = [write_tar(tmp_path / f"{n}.tar", [sample(n)]) for n in (2, 0, 1)]
    write_file(tmp_path / "._0.tar", b"resource fork")
    for pattern, expected in ((tmp_path, sorted(paths)), (paths[0], paths[:1]), (tmp_path / "[01].tar", sorted(paths)[:2])):
        assert [shard.path for shard in list_shards(str(pattern))] == expected
    table = write_parquet(tmp_path / "tables" / "a.PARQUET", [sample(1)])
    for pattern in (tmp_path / "tables", table, tmp_path / "tables" / "*"):
        assert [(shard.kind, shard.path) for shard in list_shards(str(pattern))] == [("parquet", table)]
    shard = list_shards(paths[0])[0]
    assert (shard.kind, shard.size, shard.etag) == ("tar", os.path.getsize(paths[0]), str(os.stat(paths[0]).st_mtime_ns))


def test_a_folder_of_images_is_one_shard_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "in", [sample(1)])
    monkeypatch.chdir(tmp_path)
    assert list_shards("in") == list_shards("./in/") == [Shard("folder", "in", 0, "")]
    monkeypatch.chdir(tmp_path / "in")
    assert [
        row["image"]["path"] for split in cut(list_shards(".")[0], 9, 2**20, "plan") for row in read(split, CORPUS, LICENSE).to_pylist()
    ] == ["000000001.jpg"]


def test_a_folder_with_the_signs_of_a_glob_in_its_name_is_a_folder(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "set[1]", [sample(1)])
    assert [shard.path for shard in list_shards(path)] == [path]


@pytest.mark.parametrize("pattern", ["nothing", "nothing/*.tar", "nothing.parquet", "empty", "a.txt"])
def test_nothing_to_read_is_an_error_that_says_what_to_name(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "empty").mkdir()
    write_file(tmp_path / "a.txt", "words")
    with pytest.raises(ValueError, match="name a folder of images"):
        list_shards(str(tmp_path / pattern))


@pytest.mark.parametrize("kinds", list(itertools.combinations(("0.tar", "a.jpg", "0.parquet"), 2)), ids="-".join)
def test_files_of_two_kinds_in_one_folder_are_refused(tmp_path: Path, kinds: tuple[str, str]) -> None:
    for name in kinds:
        write_file(tmp_path / name, b"any bytes")
    with pytest.raises(ValueError, match="folders of their own"):
        list_shards(str(tmp_path))
    if "a.jpg" not in kinds:
        with pytest.raises(ValueError, match="folders of their own"):
            list_shards(str(tmp_path / "0.*"))


# The cut


def test_splits_of_a_tar_hold_at_most_so_many_samples_and_bytes_and_a_large_one_stands_alone(tmp_path: Path) -> None:
    sizes = [100, 100, 100, 5000, 100, 900, 100]
    path = write_tar(tmp_path / "0.tar", [{"jpg": bytes(size), "txt": "words"} for size in sizes])
    splits = splits_of(path, max_samples=2, max_bytes=1000)
    assert [[row["source_bytes"] for row in read(split, CORPUS, LICENSE).to_pylist()] for split in splits] == [
        [100, 100],
        [100],
        [5000],
        [100, 900],
        [100],
    ]
    assert [split.bytes for split in splits] == [200, 100, 5000, 1000, 100]
    assert len({split.split_id for split in splits}) == 5


def test_splits_of_a_folder_hold_at_most_so_many_samples_and_bytes_and_no_row_twice(tmp_path: Path) -> None:
    sizes = [random.Random(n).choice([100, 400, 900, 5000]) for n in range(200)]
    path = write_folder(tmp_path / "in", [{"jpg": bytes(size), "txt": "words"} for size in sizes])
    splits = splits_of(path, max_samples=10, max_bytes=3000)
    assert [entry.size for split in splits for entry in split.entries] == sizes
    assert all(split.rows <= 10 and (split.bytes <= 3000 or split.rows == 1) for split in splits)
    assert len({split.split_id for split in splits}) == len(splits) < 150


def test_a_file_that_comes_or_goes_moves_few_splits_of_a_folder(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "in", [{"jpg": bytes(100), "txt": "words"} for _ in range(400)])
    before = {split.split_id for split in splits_of(path, max_samples=10)}
    write_file(tmp_path / "in" / "000000000-new.jpg", bytes(100))
    (tmp_path / "in" / "000000200.jpg").unlink()
    after = {split.split_id for split in splits_of(path, max_samples=10)}
    assert len(before) > 50
    assert 2 <= len(before - after) <= 8


WILD = [
    ("a.txt", b"first"), ("a.jpg", b"1"), ("a.seg.png", b"mask"), ("a.jpg", b"2"), ("b.cls", b"0"), ("b.jpg", b"3"), ("._c.jpg", b"fork"),
    ("c.txt", b"no image"), ("x.y.jpg", b"4"), ("x.y.txt", b"dots"), ("x.z.jpg", b"5"), ("x.z.ocr.txt", b"hangs on"), ("d.json", b"{"),
    ("d.png", b""), ("n" * 180 + ".jpg", b"6"), ("n" * 180 + ".txt", b"long"), ("e.jpg", b"7" * 3000), ("README", b"end"),
]  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 12), st.integers(1, 4000), st.booleans())
def test_rows_are_the_same_wherever_a_tar_is_cut_into_splits(tmp_path: Path, max_samples: int, max_bytes: int, pax: bool) -> None:
    path = raw_tar(tmp_path / f"{pax}.tar", WILD, pax)

    def told(rows: list[dict]) -> list[dict]:
        return [{key: value for key, value in row.items() if key not in ("split_id", "row")} for row in rows]

    assert told(rows_of(path, max_samples, max_bytes)) == told(rows_of(path))


def test_split_ids_do_not_depend_on_the_order_in_which_files_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "in", [sample(n) for n in range(6)])
    expected, scan = splits_of(tmp_path / "in", max_samples=2), os.walk
    monkeypatch.setattr(os, "walk", lambda *a, **k: ((parent, folders, names[::-1]) for parent, folders, names in scan(*a, **k)))
    assert splits_of(tmp_path / "in", max_samples=2) == expected


def test_a_split_id_changes_with_the_words_the_file_and_the_range(tmp_path: Path) -> None:
    path = write_folder(tmp_path / "in", [sample(1), sample(2)])
    ids = {split.split_id for split in splits_of(path)} | {split.split_id for split in splits_of(path, max_samples=1)}
    write_file(tmp_path / "in" / "000000001.txt", "other words")
    ids |= {split.split_id for split in splits_of(path)}
    os.utime(tmp_path / "in" / "000000002.jpg", (1, 1))
    ids |= {split.split_id for split in splits_of(path)}
    tar = write_tar(tmp_path / "0.tar", [sample(1), sample(2)])
    ids |= {split.split_id for split in splits_of(tar)} | {split.split_id for split in splits_of(tar, max_samples=1)}
    os.utime(tar, (1, 1))
    ids |= {split.split_id for split in splits_of(tar)}
    assert len(ids) == 1 + 2 + 1 + 1 + 1 + 2 + 1
    assert all(len(split_id) == 32 and int(split_id, 16) for split_id in ids)


@pytest.mark.parametrize("make", [write_tar, write_folder, write_parquet], ids=["tar", "folder", "parquet"])
def test_a_limit_takes_first_rows_and_changes_neither_the_cut_nor_the_ids(tmp_path: Path, make) -> None:
    path = make(tmp_path / ("0.parquet" if make is write_parquet else "0.tar"), [sample(n) for n in range(7)])
    full = splits_of(path, max_samples=3)
    everything = rows_of(path, max_samples=3)
    for limit in range(9):
        taken = list(limited(full, limit))
        assert [split.split_id for split in taken] == [split.split_id for split in full][: len(taken)]
        rows = [row for split in taken for row in read(split, CORPUS, LICENSE).to_pylist()]
        assert rows == everything[:limit]
        assert sum(split.taken for split in taken) == min(limit, 7)


def test_a_split_that_is_stopped_short_has_a_key_of_its_own(tmp_path: Path) -> None:
    full = splits_of(write_tar(tmp_path / "0.tar", [sample(n) for n in range(7)]), max_samples=3)
    assert [split.key for split in limited(full, 5)] == [full[0].split_id, f"{full[1].split_id}-2"]
    assert [split.key for split in limited(full, 6)] == [split.split_id for split in full[:2]]


def test_a_limit_asks_for_no_split_more_than_it_needs() -> None:
    asked = []

    def source() -> Iterator[Split]:
        for n in itertools.count():
            asked.append(n)
            yield Split(f"{n}", "folder", "p", 0, "", rows=3, bytes=0)

    assert [split.taken for split in limited(source(), 6)] == [3, 3]
    assert asked == [0, 1]


def test_splits_travel_between_processes(tmp_path: Path) -> None:
    for make, name in ((write_tar, "0.tar"), (write_folder, "folder"), (write_parquet, "0.parquet")):
        for split in splits_of(make(tmp_path / name, [sample(1)])):
            assert pickle.loads(pickle.dumps(split)) == split


def test_a_tar_is_scanned_once_and_its_plan_read_from_then_on(tmp_path: Path) -> None:
    path = Path(write_tar(tmp_path / "0.tar", [sample(n) for n in range(4)]))
    shard = list_shards(str(path))[0]
    first = list(cut(shard, 2, 2**20, str(tmp_path / "plan")))
    (kept,) = (tmp_path / "plan").iterdir()
    path.write_bytes(b"\xff" * shard.size)
    assert list(cut(shard, 2, 2**20, str(tmp_path / "plan"))) == first
    kept.write_text('[[1, 2, "half')
    assert [split.damage is not None for split in cut(shard, 2, 2**20, str(tmp_path / "plan"))] == [True]


def test_a_plan_keeps_the_damage_of_its_tar(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    path.write_bytes(Path(write_tar(tmp_path / "whole", [sample(1), sample(2)])).read_bytes()[:40_000])
    assert splits_of(path) == splits_of(path)
    assert rows_of(path)[-1]["reason"] == "truncated_shard"


def test_a_tar_that_changed_since_it_was_cut_stops_the_run(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", [sample(1)])
    (split,) = splits_of(path)
    os.utime(path, (1, 1))
    with pytest.raises(EnvironmentFault, match=r"changed since it was cut.*run the command again"):
        read(split, CORPUS, LICENSE)


# Reading again


def test_fetch_gives_the_images_that_read_gave_in_any_order(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "0.tar", [sample(n) for n in range(5)])
    folder = write_folder(tmp_path / "in", [sample(n) for n in range(5, 8)])
    table = write_parquet(tmp_path / "0.parquet", [sample(n) for n in range(8, 17)])
    batches = [read(split, CORPUS, LICENSE) for path in (tar, folder, table) for split in splits_of(path, max_samples=2)]
    rows = pa.Table.from_batches(batches).to_pylist()
    for order in (rows, rows[::-1], rows[::2] + rows[1::2]):
        places = [[row[name] for row in order] for name in ("source_path", "source_member", "source_offset", "source_bytes")]
        assert list(fetch(*places)) == [row["image"]["bytes"] for row in order]


def test_fetch_raises_where_the_file_has_become_shorter(tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.jpg", b"12345")
    with pytest.raises(OSError, match="expected 9 bytes from byte 2, found 3"):
        list(fetch([path], [None], [2], [9]))


def test_alt_texts_are_stored_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "한국어 été")
    (row,) = rows_of(write_tar(tmp_path / "0.tar", [{"jpg": photo(1), "txt": f"\n {decomposed}\u3000"}]))
    assert row["alt_text"] == unicodedata.normalize("NFC", decomposed)
