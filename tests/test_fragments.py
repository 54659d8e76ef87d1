"""One file commits a split; what zombies and dying writers leave changes nothing."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.spine import fragments, storage
from schemas.exits import EnvironmentFault


def batch_of(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch({"number": pa.array(numbers, pa.int64())}).replace_schema_metadata({b"funnel": b"[]"})


def test_a_fragment_holds_rows_and_metadata(tmp_path: Path):
    path = fragments.write(str(tmp_path), "key", batch_of(1, 2))
    assert fragments.read(path).column("number").to_pylist() == [1, 2]
    assert fragments.footer(path)[b"funnel"] == b"[]"


def test_the_same_rows_make_the_same_file(tmp_path: Path):
    first, again = (fragments.write(str(tmp_path / name), "key", batch_of(1, 2)) for name in "ab")
    assert Path(first).name == Path(again).name
    assert Path(first).read_bytes() == Path(again).read_bytes()


def test_of_two_differing_attempts_everybody_takes_the_first_by_name(tmp_path: Path):
    paths = sorted(fragments.write(str(tmp_path), "key", batch_of(n)) for n in range(5))
    assert fragments.find(str(tmp_path), "key") == paths[0]
    assert fragments.choose("key", *fragments.attempts(reversed(paths), ["key"])) == paths[0]


def test_a_half_written_file_is_no_fragment(tmp_path: Path):
    whole = Path(fragments.write(str(tmp_path), "key", batch_of(*range(1000))))
    half = tmp_path / "key.00000000000000000000000000000000.parquet"
    half.write_bytes(whole.read_bytes()[:-7])
    assert fragments.find(str(tmp_path), "key") == str(whole)
    assert fragments.choose("key", [str(half), str(whole)]) == str(whole)


def test_what_a_killed_writer_left_is_never_read(tmp_path: Path):
    (tmp_path / f"{storage.TEMPORARY}0123-key.abc.parquet").write_bytes(b"half")
    assert fragments.find(str(tmp_path), "key") is None
    assert storage.temporaries(str(tmp_path), ["key"]) == [str(tmp_path / f"{storage.TEMPORARY}0123-key.abc.parquet")]
    assert storage.temporaries(str(tmp_path), ["other"]) == []


def test_a_key_is_not_found_by_the_key_that_it_begins_with(tmp_path: Path):
    fragments.write(str(tmp_path), "key-12", batch_of(1))
    assert fragments.find(str(tmp_path), "key") is None
    assert fragments.find(str(tmp_path), "key-1") is None


def test_a_split_without_fragment_stops_the_commit(tmp_path: Path):
    path = fragments.write(str(tmp_path), "key", batch_of(1))
    found = fragments.attempts([path], ["key", "lost"])
    assert found == [[path], []]
    with pytest.raises(EnvironmentFault, match="split lost has no fragment"):
        fragments.choose("lost", found[1])


def test_a_fragment_whose_bytes_changed_is_refused(tmp_path: Path):
    path = Path(fragments.write(str(tmp_path), "key", batch_of(1)))
    other = Path(fragments.write(str(tmp_path), "other", batch_of(2)))
    path.write_bytes(other.read_bytes())
    with pytest.raises(EnvironmentFault, match="does not match the hash in its name"):
        fragments.read(str(path))


def test_images_are_stored_as_they_are_and_texts_compressed(tmp_path: Path):
    image = pa.array([{"bytes": b"\0" * 5000, "path": "a.jpg"}], pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    path = fragments.write(str(tmp_path), "key", pa.record_batch({"image": image, "text": pa.array(["a" * 5000])}))
    leaves = {pq.read_metadata(path).row_group(0).column(i).path_in_schema: pq.read_metadata(path).row_group(0).column(i) for i in range(3)}
    assert leaves["image.bytes"].compression == "UNCOMPRESSED"
    assert leaves["text"].compression == "ZSTD"
    assert leaves["text"].statistics is not None
    assert leaves["image.bytes"].statistics is None
