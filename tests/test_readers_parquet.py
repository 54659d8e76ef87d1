"""Parquet: every form in which images come, every row on record whatever is wrong with it, and no row group held whole."""

import io
import os
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.pairs.source import Input
from pipelines.readers.fetch import fetch
from pipelines.readers.parquet import read_rows
from pipelines.readers.parquet_columns import ParquetColumns
from pipelines.readers.splits import Shard, Split, cut, list_shards, read
from pipelines.recaption.job import Job
from pipelines.recaption.plan import plan_run
from pipelines.spine.config import ConfigError
from schemas.exits import EnvironmentFault
from tests.images import photo, sample, write_file, write_parquet
from tests.reading import CORPUS, LICENSE, by_reason
from tests.test_readers_remote import MemoryFiles, remote

__all__ = ["remote"]

PLACE = ("source_path", "source_member", "source_offset", "source_bytes")


def write(path: Path, columns: dict[str, object], rows_in_a_group: int = 1000, **options: object) -> str:
    pq.write_table(pa.table(columns), path, row_group_size=rows_in_a_group, **options)
    return str(path)


def splits_of(path: str | Path, columns: ParquetColumns | None = None, max_samples: int = 512, max_bytes: int = 2**26) -> list[Split]:
    return [split for shard in list_shards(str(path)) for split in cut(shard, max_samples, max_bytes, "no plan", columns)]


def rows_of(path: str | Path, columns: ParquetColumns | None = None, max_samples: int = 512, max_bytes: int = 2**26) -> list[dict]:
    splits = splits_of(path, columns, max_samples, max_bytes)
    batches = [read(split, CORPUS, LICENSE) for split in splits]
    assert [len(batch) for batch in batches] == [split.rows for split in splits]
    return [row for batch in batches for row in batch.to_pylist()]


def again(rows: list[dict]) -> list[bytes]:
    return list(fetch(*([row[name] for row in rows] for name in PLACE)))


# What is read

BYTES = [photo(1), photo(2), b"any bytes"]
IMAGES = [{"bytes": data, "path": f"{n}.jpg"} for n, data in enumerate(BYTES)]
LARGE = pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())])
FORMS: dict[str, pa.Array] = {
    "struct": pa.array(IMAGES),
    "struct with more fields": pa.array([{"height": 3, **image} for image in IMAGES]),
    "struct of bytes alone": pa.array([{"bytes": data} for data in BYTES]),
    "large struct": pa.array(IMAGES, LARGE),
    "struct of dictionaries": pa.StructArray.from_arrays(
        [pa.array(BYTES).dictionary_encode(), pa.array(["a", "b", "c"])], ["bytes", "path"]
    ),
    "list of structs": pa.array([[image] for image in IMAGES]),
    "large list of large structs": pa.array([[image] for image in IMAGES], pa.large_list(LARGE)),
    "list of fixed size": pa.array([[image] for image in IMAGES], pa.list_(pa.array(IMAGES).type, 1)),
    "list of binary": pa.array([[data] for data in BYTES]),
    "list of large binary": pa.array([[data] for data in BYTES], pa.list_(pa.large_binary())),
    "binary": pa.array(BYTES),
    "large binary": pa.array(BYTES, pa.large_binary()),
    "binary view": pa.array(BYTES, pa.binary_view()),
    "dictionary": pa.array(BYTES).dictionary_encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_image_is_read_unchanged_in_every_form_that_it_comes_in(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "a.parquet", {"image": FORMS[form], "text": ["one", "two", "three"]})
    rows = rows_of(path)
    assert [(row["image"]["bytes"], row["alt_text"], row["reason"]) for row in rows] == [
        (data, words, None) for data, words in zip(BYTES, ("one", "two", "three"), strict=True)
    ]
    assert [(row["source_member"], row["source_offset"], row["source_bytes"]) for row in rows] == [
        (f"row {n} of image", 0, len(data)) for n, data in enumerate(BYTES)
    ]
    assert rows[0]["sample_id"] == xxhash.xxh3_128_hexdigest(photo(1) + b"\0market")
    assert again(rows) == BYTES


def test_a_form_survives_without_the_schema_that_arrow_leaves_in_the_file(tmp_path: Path) -> None:
    for form in ("struct", "list of structs", "list of binary", "binary"):
        path = write(tmp_path / "a.parquet", {"image": FORMS[form], "text": ["one", "two", "three"]}, store_schema=False)
        assert [row["image"]["bytes"] for row in rows_of(path)] == BYTES


@pytest.mark.parametrize(
    "words",
    [
        pa.array(["one", None, " \n"]),
        pa.array(["one", None, ""], pa.large_string()),
        pa.array(["one", None, ""], pa.string_view()),
        pa.array(["one", None, ""]).dictionary_encode(),
        pa.array([b"one", None, b""]),
    ],
    ids=lambda array: str(array.type)[:12],
)
def test_words_are_read_from_every_type_of_text_and_are_null_where_there_are_none(tmp_path: Path, words: pa.Array) -> None:
    columns = {"jpg": FORMS["binary"], "TEXT": words, "URL": words, "LICENSE": words}
    said = [(row["alt_text"], row["url"], row["source_license"]) for row in rows_of(write(tmp_path / "a.parquet", columns))]
    assert said == [("one", "one", "one"), (None, None, LICENSE), (None, None, LICENSE)]


def test_a_column_that_is_null_throughout_says_nothing(tmp_path: Path) -> None:
    columns = {"image": pa.array([{"bytes": None, "path": None}, None]), "text": pa.nulls(2)}
    assert [(row["reason"], row["alt_text"]) for row in rows_of(write(tmp_path / "a.parquet", columns))] == [("no_image", None)] * 2


def test_named_columns_win_over_usual_ones_and_usual_ones_over_those_of_another_type(tmp_path: Path) -> None:
    columns = {
        "image": FORMS["struct"],
        "thumb.jpg": FORMS["binary"].take([2, 1, 0]),
        "caption": [["a", "b"]] * 3,
        "text": ["x"] * 3,
        "title": ["y"] * 3,
    }
    path = write(tmp_path / "a.parquet", columns)
    assert {row["alt_text"] for row in rows_of(path)} == {"x"}
    named = rows_of(path, ParquetColumns(image="thumb.jpg", alt_text="title", url="text", license="title"))
    assert [row["image"]["bytes"] for row in named] == BYTES[::-1]
    assert {(row["alt_text"], row["url"], row["source_license"]) for row in named} == {("y", "x", "y")}
    assert named[1]["source_member"] == "row 1 of thumb.jpg"
    assert again(named) == BYTES[::-1]


# What is refused before the run


@pytest.mark.parametrize(
    ("columns", "asked", "said"),
    [
        ({"picture": FORMS["binary"]}, ParquetColumns(), "image or images or jpg, found picture (binary); name one"),
        ({"image": ["a.jpg"]}, ParquetColumns(), "found image (string)"),
        ({"image": [[[b"x"]]]}, ParquetColumns(), "list<element: binary>"),
        ({"image": [{"path": "a.jpg"}]}, ParquetColumns(), "struct<path: string>"),
        ({"image": [{"bytes": "text", "path": "a.jpg"}]}, ParquetColumns(), "struct<bytes: string, path: string>"),
        ({"image": [[1, 2]]}, ParquetColumns(), "int64"),
        ({"image": [b"x"]}, ParquetColumns(image="jpg"), "in a column jpg, found image (binary)"),
        ({"image": [b"x"]}, ParquetColumns(alt_text="title"), "expected text in a column title"),
        ({"image": [b"x"], "url": [7]}, ParquetColumns(url="url"), "--set input.columns.url=NAME"),
    ],
)  # fmt: skip
def test_columns_that_are_missing_or_of_another_type_are_refused_before_the_run_with_those_that_are_there(
    tmp_path: Path, columns: dict[str, object], asked: ParquetColumns, said: str
) -> None:
    path = write(tmp_path / "a.parquet", columns)
    with pytest.raises(ConfigError) as refused:
        plan_run(Job(input=Input(path=path, columns=asked)))
    assert said in str(refused.value)
    assert "'input.columns'" in str(refused.value)


def test_a_shard_that_differs_from_the_first_stops_the_run_and_one_without_rows_or_footer_does_not(tmp_path: Path) -> None:
    write(tmp_path / "0.parquet", {"nothing": pa.array([], pa.int64())})
    write_file(tmp_path / "1.parquet", b"no Parquet")
    write(tmp_path / "2.parquet", {"image": [b"x"]})
    plan = plan_run(Job(input=Input(path=str(tmp_path))))
    assert [row["reason"] for row in rows_of(tmp_path)] == ["truncated_shard", None]
    write(tmp_path / "3.parquet", {"picture": [b"x"]})
    assert plan_run(plan.job).run_id != plan.run_id
    with pytest.raises(EnvironmentFault, match=r"3.parquet: expected encoded images .* found picture \(binary\)"):
        splits_of(tmp_path)


# Rows that are at fault


def bad_utf8(size: int, spoilt: int) -> pa.Array:
    texts = pa.array([b"\xff\xfe" if n == spoilt else b"words" for n in range(size)])
    return pa.Array.from_buffers(pa.string(), size, texts.buffers())


def test_a_row_without_an_image_is_a_dead_letter_and_takes_nobody_with_it(tmp_path: Path) -> None:
    cells = [
        {"bytes": photo(1), "path": "a.jpg"}, None, {"bytes": None, "path": None}, {"bytes": None, "path": "images/b.jpg"},
        {"bytes": b"", "path": "c.jpg"}, {"bytes": photo(2), "path": None}, {"bytes": photo(3), "path": "d.jpg"},
    ]  # fmt: skip
    path = write(tmp_path / "a.parquet", {"image": cells, "text": bad_utf8(7, spoilt=5)})
    rows = rows_of(path)
    assert [row["reason"] for row in rows] == [None, "no_image", "no_image", "external_file", "empty_file", "bad_metadata", None]
    for number, row in enumerate(rows):
        assert row["source_member"] == f"row {number} of image"
        assert (row["image"] is None) == (row["sample_id"] is None) == (row["reason"] is not None)
        assert row["reason"] is None or f"{path}, row {number} of image: " in row["error"]
    assert "images/b.jpg" in rows[3]["error"]
    assert "text: 'utf-8' codec" in rows[5]["error"]
    assert rows[1]["alt_text"] == "words"


def test_a_sample_of_no_image_or_several_is_a_dead_letter_unless_the_first_is_asked_for(tmp_path: Path) -> None:
    cells = [[photo(1)], [], [photo(2), photo(3)], None, [None], [None, photo(4)], [b""]]
    path = write(tmp_path / "a.parquet", {"images": pa.array(cells, pa.list_(pa.binary()))})
    assert [row["reason"] for row in rows_of(path)] == [
        None, "no_image", "several_images", "no_image", "no_image", "several_images", "empty_file",
    ]  # fmt: skip
    rows = rows_of(path, ParquetColumns(first_of_several=True))
    assert [row["reason"] for row in rows] == [None, "no_image", None, "no_image", "no_image", "no_image", "empty_file"]
    assert again([rows[0], rows[2]]) == [photo(1), photo(2)]


def test_a_file_or_row_group_without_rows_has_no_split_and_loses_nothing(tmp_path: Path) -> None:
    empty = pa.table({"image": pa.array([], pa.binary())})
    pq.write_table(empty, tmp_path / "0.parquet")
    assert splits_of(tmp_path / "0.parquet") == []
    with pq.ParquetWriter(tmp_path / "1.parquet", empty.schema) as writer:
        for images in ([], [b"1", b"2"], [], [], [b"3"], []):
            writer.write_table(pa.table({"image": pa.array(images, pa.binary())}))
    assert pq.read_metadata(tmp_path / "1.parquet").num_row_groups == 6
    for max_samples in (1, 2, 9):
        rows = rows_of(tmp_path / "1.parquet", max_samples=max_samples)
        assert [row["image"]["bytes"] for row in rows] == [b"1", b"2", b"3"]
        assert again(rows[::-1]) == [b"3", b"2", b"1"]


# Damage


def test_wherever_a_file_is_cut_off_one_row_tells_of_it_and_the_others_go_on(tmp_path: Path) -> None:
    whole = Path(write_parquet(tmp_path / "whole" / "a.parquet", [{"jpg": bytes(50), "txt": f"{n}"} for n in range(10)])).read_bytes()
    write_parquet(tmp_path / "in" / "b.parquet", [sample(1)])
    path = tmp_path / "in" / "a.parquet"
    for length in (0, 1, 4, 7, 8, 11, 12, *range(13, len(whole), 101), len(whole) - 9, len(whole) - 8, len(whole) - 4, len(whole) - 1):
        path.write_bytes(whole[:length])
        damaged, good = rows_of(tmp_path / "in")
        assert (damaged["reason"], damaged["source_path"], damaged["source_offset"]) == ("truncated_shard", str(path), 0), length
        assert f"{path}, byte 0: no readable Parquet footer" in damaged["error"]
        assert good["reason"] is None


def groups_of_ten(path: Path, **options: object) -> list[dict[str, bytes | str]]:
    """Write 40 images of 3,000 equal bytes, ten in a row group and two in a page."""
    rows = [{"bytes": bytes([n]) * 3000, "path": str(n)} for n in range(1, 41)]
    form = {"data_page_size": 6000, "write_batch_size": 2, "use_dictionary": False, "write_statistics": False, "compression": "none"}
    write(path, {"image": rows, "text": [f"words {n}" for n in range(1, 41)]}, 10, **{**form, **options})
    return rows


def spoil(path: Path, at: Callable[[bytes], int], put: bytes) -> None:
    data = bytearray(path.read_bytes())
    place = at(bytes(data))
    data[place : place + len(put)] = put
    path.write_bytes(data)


@pytest.mark.parametrize("max_samples", [3, 10, 100])
def test_a_page_that_cannot_be_read_costs_rows_of_its_row_group_and_each_is_counted(tmp_path: Path, max_samples: int) -> None:
    path = tmp_path / "a.parquet"
    images = groups_of_ten(path)
    spoil(path, lambda data: data.index(bytes([17]) * 3000) - 30, b"\xff" * 20)
    rows = rows_of(path, max_samples=max_samples)
    dead = [n for n, row in enumerate(rows) if row["reason"]]
    assert len(rows) == 40
    assert set(dead) <= set(range(10, 20))
    assert {16, 17, 18, 19} <= set(dead)
    assert {row["reason"] for row in rows} == {None, "unreadable_row"}
    live = [row for row in rows if row["reason"] is None]
    assert [row["image"]["bytes"] for row in live] == [image["bytes"] for n, image in enumerate(images) if n not in dead]
    assert again(live) == [row["image"]["bytes"] for row in live]
    assert f"{path}, row 16 of image: row group 1 cannot be read from its row" in rows[16]["error"]
    with pytest.raises(OSError, match="row 16 of image cannot be read again: row group 1 cannot be read"):
        again([{**rows[16], "source_bytes": 3000}])


def test_a_page_whose_checksum_fails_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    groups_of_ten(path, write_page_checksum=True)
    assert Counter(row["reason"] for row in rows_of(path)) == {None: 40}
    spoil(path, lambda data: data.index(bytes([35]) * 3000) + 1500, b"!")
    found = by_reason(rows_of(path))
    assert {row["source_member"] for row in found["unreadable_row"]} >= {f"row {n} of image" for n in range(34, 40)}
    assert len(found[None]) >= 30
    assert "CRC checksum" in found["unreadable_row"][-1]["error"]


def test_pages_that_hold_fewer_rows_than_the_footer_says_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups_of_ten(tmp_path / "a.parquet")
    whole = pq.ParquetFile.iter_batches

    def short(self: pq.ParquetFile, *args: object, **options: object):
        for batch in whole(self, *args, **options):
            yield batch.slice(0, 7)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", short)
    rows = rows_of(tmp_path / "a.parquet")
    assert [row["reason"] for row in rows] == [*[None] * 7, *["unreadable_row"] * 3] * 4
    assert "should hold 10 rows, but its pages end after 7" in rows[8]["error"]


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), ConnectionError("endpoint unreachable"), pa.ArrowMemoryError("full")])
@pytest.mark.parametrize("of", ["footer", "pages"])
def test_a_fault_of_the_machine_is_no_damage(remote: type[MemoryFiles], monkeypatch: pytest.MonkeyPatch, fault: Exception, of: str) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if of == "footer" or self.tell() < 1000:
                raise fault
            return super().read(size)

    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": [bytes(10_000)]}), buffer, use_dictionary=False, compression="none")
    remote.files["memtest://b/a.parquet"] = buffer.getvalue()
    shards = list_shards("memtest://b/a.parquet")
    monkeypatch.setattr(remote, "open", lambda self, path, *_: Failing(self.files[path]))
    with pytest.raises((EnvironmentFault, MemoryError), match=str(fault.args[-1])):
        [read(split, CORPUS, LICENSE) for split in cut(shards[0], 9, 9, "plan")]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12), st.sampled_from(["none", "zstd"]))
def test_no_spoilt_byte_makes_a_file_raise_or_lose_a_planned_row(tmp_path: Path, spoilt: list[tuple[int, int]], compression: str) -> None:
    path = tmp_path / "spoilt.parquet"
    write(path, {"image": [{"bytes": bytes([n]) * 90} for n in range(30)], "text": ["words"] * 30}, 12, compression=compression)
    data = bytearray(path.read_bytes())
    for place, value in spoilt:
        data[place % len(data)] = value
    path.write_bytes(data)
    try:
        splits = list(cut(Shard("parquet", str(path), len(data), str(path.stat().st_mtime_ns)), 5, 2**20, "plan"))
    except EnvironmentFault:  # the spoilt byte was in the name of the column
        return
    batches = [read(split, CORPUS, LICENSE) for split in splits]
    assert [len(batch) for batch in batches] == [split.rows for split in splits]
    assert sum(len(batch) for batch in batches) in (1, 30)
    live = [row for batch in batches for row in batch.to_pylist() if row["reason"] is None]
    assert again(live) == [row["image"]["bytes"] for row in live]


# The cut


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 20_000), st.integers(1, 70), st.booleans(), st.integers(0, 9))
def test_rows_are_the_same_wherever_a_file_is_cut_into_splits(
    tmp_path: Path, max_samples: int, max_bytes: int, rows_in_a_group: int, packed: bool, seed: int
) -> None:
    rng = random.Random(seed)
    images = [rng.randbytes(rng.choice((1, 20, 400, 3000))) for _ in range(60)]
    columns = {"image": [{"bytes": data, "path": None} for data in images], "text": [f"{n}" for n in range(60)]}
    path = write(tmp_path / "a.parquet", columns, rows_in_a_group, compression="zstd" if packed else "none")
    splits = splits_of(path, None, max_samples, max_bytes)
    assert [split.first for split in splits[1:]] == [split.last for split in splits[:-1]]
    assert all(split.rows <= max_samples and (split.bytes <= max_bytes or split.rows == 1) for split in splits)
    assert len({split.split_id for split in splits}) == len(splits)
    rows = rows_of(path, None, max_samples, max_bytes)
    assert [row["image"]["bytes"] for row in rows] == images
    assert [row["alt_text"] for row in rows] == [f"{n}" for n in range(60)]
    assert [row["source_member"] for row in rows] == [f"row {n} of image" for n in range(60)]


def test_small_row_groups_share_a_split_and_a_large_one_is_cut_into_equal_ranges(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet", {"image": [bytes(1000)] * 100}, 30, use_dictionary=False, write_statistics=False, compression="none"
    )
    assert [split.rows for split in splits_of(path, max_samples=70)] == [60, 40]
    assert [split.rows for split in splits_of(path, max_samples=29)] == [15] * 5 + [25]
    assert [split.rows for split in splits_of(path, max_bytes=8100)] == [7, 8, 7, 8] * 3 + [5, 5]
    assert [split.rows for split in splits_of(path, max_bytes=10)] == [1] * 100
    assert sum(split.bytes for split in splits_of(path, max_bytes=8100)) == pytest.approx(100_000, rel=0.02)


def test_the_cut_depends_on_the_footer_alone(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    data = bytearray(Path(write_parquet(tmp_path / "a.parquet", [sample(n) for n in range(40)])).read_bytes())
    remote.files["memtest://b/a.parquet"] = bytes(data)
    whole = splits_of("memtest://b/a.parquet", max_samples=7)
    footer = int.from_bytes(data[-8:-4], "little") + 8
    data[4:-footer] = b"\xff" * (len(data) - footer - 4)
    remote.files["memtest://b/a.parquet"] = bytes(data)
    assert splits_of("memtest://b/a.parquet", max_samples=7) == whole


def test_a_split_id_changes_with_the_file_the_range_and_the_columns(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [sample(n) for n in range(8)])
    asked = (None, ParquetColumns(image="image"), ParquetColumns(alt_text="caption"), ParquetColumns(first_of_several=True))
    ids = {split.split_id for columns in asked for max_samples in (4, 8) for split in splits_of(path, columns, max_samples)}
    os.utime(path, (1, 1))
    ids |= {split.split_id for split in splits_of(path)}
    os.rename(path, tmp_path / "b.parquet")
    ids |= {split.split_id for split in splits_of(tmp_path / "b.parquet")}
    write_file(tmp_path / "b.parquet", b"no Parquet")
    ids |= {split.split_id for split in splits_of(tmp_path / "b.parquet")}
    assert len(ids) == 4 * 3 + 3
    assert all(len(split_id) == 32 and int(split_id, 16) for split_id in ids)


def test_a_file_that_changed_since_it_was_cut_stops_the_run(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [sample(1)])
    (split,) = splits_of(path)
    os.utime(path, (1, 1))
    with pytest.raises(EnvironmentFault, match=r"changed since it was cut.*run the command again"):
        read(split, CORPUS, LICENSE)


# What it costs


def test_a_range_of_a_large_row_group_is_read_without_holding_the_group(tmp_path: Path) -> None:
    rng, images = random.Random(0), 400
    rows = [{"bytes": rng.randbytes(500_000), "path": None} for _ in range(images)]
    form = {"data_page_size": 2**20, "write_batch_size": 2, "use_dictionary": False}
    path = write(tmp_path / "a.parquet", {"image": rows}, images, **form)
    split = splits_of(path, max_bytes=10 * 2**20)[-1]
    before, arrow = pa.total_allocated_bytes(), 0
    tracemalloc.start()
    for found in read_rows(path, split.first, split.last, ParquetColumns()):
        arrow = max(arrow, pa.total_allocated_bytes() - before)
        assert found.image == rows[int(str(found.source_member).split()[1])]["bytes"]
    _, python = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert os.path.getsize(path) > 190 * 2**20
    assert arrow + python < 80 * 2**20, f"{arrow / 2**20:.0f} MiB and {python / 2**20:.0f} MiB"


def bytes_read(remote: type[MemoryFiles]) -> int:
    return sum(count for kind, _, count in remote.used if kind == "read")


def test_a_remote_split_is_read_by_ranges_of_its_row_groups_and_of_the_columns_asked_for(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    rng = random.Random(0)
    rows = [{"bytes": rng.randbytes(20_000), "path": None} for _ in range(100)]
    columns = {"image": rows, "text": [f"{n}" for n in range(100)], "other": [rng.randbytes(20_000) for _ in range(100)]}
    local = write(tmp_path / "a.parquet", columns, 10)
    remote.files["memtest://b/a.parquet"] = Path(local).read_bytes()
    splits = splits_of("memtest://b/a.parquet", max_samples=20)
    assert bytes_read(remote) < 100_000
    remote.used.clear()
    there, here = read(splits[2], CORPUS, LICENSE), read(splits_of(local, max_samples=20)[2], CORPUS, LICENSE)
    assert bytes_read(remote) < 20 * 20_000 + 100_000
    for name in ("sample_id", "image", "alt_text", "source_member", "source_offset", "source_bytes"):
        assert there.column(name).equals(here.column(name))


def test_fetch_opens_a_file_once_and_reads_only_the_row_groups_that_it_needs(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    rng = random.Random(0)
    rows = [{"bytes": rng.randbytes(20_000), "path": None} for _ in range(100)]
    path = "memtest://b/a.parquet"
    remote.files[path] = Path(
        write(tmp_path / "a.parquet", {"image": rows, "other": [rng.randbytes(20_000) for _ in range(100)]}, 10)
    ).read_bytes()
    wanted = [3, 4, 8, 71, 72, 79]
    members = [f"row {n} of image" for n in wanted]
    found = list(fetch([path] * 6, members, [0] * 6, [20_000] * 6))
    assert found == [rows[n]["bytes"] for n in wanted]
    assert [name for kind, name, _ in remote.used if kind == "open"] == [path]
    assert bytes_read(remote) < 20 * 20_000 + 100_000


@pytest.mark.parametrize(
    ("member", "length", "said"),
    [
        ("row 1 of image", 9, "expected 9 bytes from row 1 of image, found 2; the file was cut or replaced"),
        ("row 3 of image", 2, "row 3 of image cannot be read again: the file ends before it"),
        ("row 0 of image", 2, "found null"),
        ("row 0 of gone", 2, "expected images in a column gone, found image; the file was replaced"),
        ("image", 2, "expected a place like 'row 7 of image', found 'image'"),
    ],
)
def test_fetch_raises_where_the_row_is_gone_or_another(tmp_path: Path, member: str, length: int, said: str) -> None:
    path = write(tmp_path / "a.parquet", {"image": [None, b"12", b"34"]}, 2)
    with pytest.raises(OSError, match=r"a\.parquet") as raised:
        list(fetch([path], [member], [0], [length]))
    assert said in str(raised.value)


def test_fetch_raises_where_the_file_has_become_something_else(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no readable Parquet footer"):
        list(fetch([write_file(tmp_path / "a.parquet", b"no Parquet")], ["row 0 of image"], [0], [1]))


def test_an_image_that_bears_the_ending_of_a_table_is_fetched_as_a_file(tmp_path: Path) -> None:
    path = write_file(tmp_path / "odd.parquet", b"12345")
    assert list(fetch([path], [None], [0], [5])) == [b"12345"]
