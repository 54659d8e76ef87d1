"""What a trainer opens the samples with: DuckDB and ``datasets``, from the files alone."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests import images, jobs
from tests.scripted_server import ScriptedServer, caption

SIZES = ((320, 240), (240, 320), (400, 300))
LARGE = 16
LARGE_BYTES = 6 * 2**20


def picture(number: int) -> bytes:
    """Return one of three shapes in JPEG or PNG; the last ones are large files, so that a split fills several row groups."""
    if number < LARGE:
        return images.photo(number, SIZES[number % 3])
    if number < 2 * LARGE:
        return images.photo(number, SIZES[number % 3]).ljust(LARGE_BYTES + number, b"\0")
    with Image.open(io.BytesIO(images.photo(number, SIZES[number % 3]))) as image:
        return images.encoded(image, "PNG")


ALT_TEXTS = [f"A small harbour at dusk, print number {n}: 港口 ⚓" for n in range(40)]
PICTURES = [picture(n) for n in range(40)]


def test_the_card_lets_the_whole_run_be_loaded_by_its_folder_and_says_what_is_off(served: tuple[Path, dict[str, str]], tmp_path: Path):
    run, _ = served
    found = datasets.load_dataset(str(run), split="train", cache_dir=str(tmp_path))
    assert len(found) == jobs.query(run, "select count(*) from samples")[0][0]
    said = (run / "README.md").read_text()
    assert "Sexual content: off, nothing was left out for it." in said
    assert "Personal data: dropped for card_number, email, phone in alt_text; card_number, email, phone in caption." in said
    assert "- Drop captions that are no captions" in said


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Return a finished run and the caption that the server wrote for each alt text."""
    folder = tmp_path_factory.mktemp("readers")
    samples = [
        {"jpg" if n < 2 * LARGE else "png": data, "txt": text} for n, (data, text) in enumerate(zip(PICTURES, ALT_TEXTS, strict=True))
    ]
    twin = {"__key__": "twin", "jpg": PICTURES[0], "txt": "The same harbour under another name"}
    images.write_tar(folder / "pool" / "pool.tar", [*samples, twin])
    with ScriptedServer() as server:
        jobs.run(
            *jobs.flags_for(folder / "pool", folder / "out", server.endpoint, "--set=output.shard_mb=256", "--set=input.split_samples=50")
        )
        captions = {call.alt_text: caption(call) for call in server.calls if call.alt_text is not None}
    return jobs.run_folder(folder / "out"), captions


@pytest.fixture(scope="module")
def run(served: tuple[Path, dict[str, str]]) -> Path:
    return served[0]


def load(run: Path, cache: Path) -> datasets.Dataset:
    return datasets.load_dataset("parquet", data_files=f"{run}/samples/*.parquet", split="train", cache_dir=str(cache))


@pytest.fixture(scope="module")
def table(run: Path, tmp_path_factory: pytest.TempPathFactory) -> datasets.Dataset:
    return load(run, tmp_path_factory.mktemp("cache"))


def test_datasets_decodes_the_images_at_the_stored_size(table: datasets.Dataset):
    assert len(table) == 40
    for number in (0, 20, 39):
        row = table[number]
        assert isinstance(row["image"], Image.Image)
        assert row["image"].size == (row["width"], row["height"])
        assert row["image"].format == row["image_format"]
        assert row["image"].convert("RGB").getpixel((0, 0)) is not None


def test_datasets_knows_images_lists_and_structs(table: datasets.Dataset):
    assert table.features["image"] == datasets.Image()
    assert table.features["alt_texts"] == datasets.List(datasets.Value("string"))
    assert table.features["labels"] == datasets.List({"label": datasets.Value("string"), "probability": datasets.Value("float32")})
    assert table.features["row"] == datasets.Value("int32")
    assert table.features["animated"] == datasets.Value("bool")
    assert {name for name, feature in table.features.items() if isinstance(feature, datasets.Image)} == {"image"}


def test_both_readers_give_the_captions_and_texts_of_the_server_and_the_source(
    run: Path, table: datasets.Dataset, served: tuple[Path, dict[str, str]]
):
    expected = sorted(served[1].items())
    assert sorted(zip(table["alt_text"], table["caption"], strict=True)) == expected
    assert sorted(jobs.query(run, "select alt_text, caption from samples")) == expected
    merged = [texts for texts in table["alt_texts"] if len(texts) > 1]
    assert merged == [texts for (texts,) in jobs.query(run, "select alt_texts from samples where alt_text_count > 1")]
    assert [sorted(texts) for texts in merged] == [sorted([ALT_TEXTS[0], "The same harbour under another name"])]


def test_the_image_bytes_are_those_of_the_source(run: Path, table: datasets.Dataset):
    source = dict.fromkeys(PICTURES)
    raw = table.cast_column("image", datasets.Image(decode=False))
    by_datasets = {row["image"]["bytes"]: row["source_bytes"] for row in raw}
    by_duckdb = dict(jobs.query(run, "select image.bytes, source_bytes from samples"))
    assert set(by_datasets) == set(by_duckdb) == set(source)
    assert all(len(data) == size for data, size in by_datasets.items())


def groups(run: Path) -> Iterator[tuple[pq.RowGroupMetaData, dict[str, Any]]]:
    """Yield each row group of the samples with its columns by path."""
    for path in sorted(run.glob("samples/*.parquet")):
        metadata = pq.read_metadata(path)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            yield group, {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}


def test_no_row_group_holds_more_than_40_mb_of_images(run: Path):
    sizes = [columns["image.bytes"].total_uncompressed_size for _, columns in groups(run)]
    assert len(sizes) >= 3
    assert max(sizes) <= 40 * 2**20
    assert sum(sizes) >= LARGE * LARGE_BYTES


def test_images_are_stored_as_they_are_and_all_else_under_zstd_with_statistics_on_scalars_alone(run: Path):
    for _, columns in groups(run):
        assert {path: c.compression for path, c in columns.items() if c.compression != "ZSTD"} == {"image.bytes": "UNCOMPRESSED"}
        assert not any(c.is_stats_set for path, c in columns.items() if path.startswith("image."))
        scalars = {path: c for path, c in columns.items() if "." not in path}
        assert [path for path, c in scalars.items() if not c.is_stats_set] == []
        assert scalars["width"].statistics.min == 240
        assert scalars["width"].statistics.max == 400


def test_a_shard_without_samples_loads_alone_and_beside_others(run: Path, tmp_path: Path):
    """``datasets`` itself refuses a whole split without a row, unless it streams."""
    samples = [{"__key__": str(n), "jpg": images.photo(n, (120, 90)), "txt": f"A small harbour, print number {n}"} for n in range(3)]
    images.write_tar(tmp_path / "pool" / "pool.tar", samples)
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint))
    (empty,) = jobs.run_folder(tmp_path / "out").glob("samples/*.parquet")
    assert pq.read_metadata(empty).num_rows == 0
    assert duckdb.sql(f"select * from read_parquet('{empty}')").fetchall() == []
    streamed = datasets.load_dataset("parquet", data_files=str(empty), split="train", streaming=True)
    assert streamed.features["image"] == datasets.Image()
    assert list(streamed) == []
    files = [str(empty), *(str(path) for path in sorted(run.glob("samples/*.parquet")))]
    both = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(both) == 40
