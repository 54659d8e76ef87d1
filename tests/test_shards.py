"""Which table of a run a row goes into, and how fragments make shards."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.spine import fragments
from pipelines.spine.layout import Layout
from pipelines.spine.shards import ShardPlan, plan, write_shard
from pipelines.spine.steps import start
from schemas.batches import conform, from_rows
from schemas.records import DEAD_LETTER, FRAGMENT, LEDGER, RECAPTIONED

ROWS = [("kept", "image"), ("kept", "description"), ("dropped", "description"), ("dead", None), ("kept", None), ("merged", None)]


def written(folder: Path, described: pa.Schema | None) -> dict[str, list[int]]:
    """Write one shard of ``ROWS`` and return the rows in each of its tables."""
    known = {"split_id": "s", "corpus": "c", "source_license": "l", "source_path": "p", "source_offset": 0, "source_bytes": 1}
    rows = [{**known, "row": n, "exit": door, "seen": seen, "image": {"bytes": b"x", "path": "x"}} for n, (door, seen) in enumerate(ROWS)]
    batch = from_rows(rows, FRAGMENT)
    path = fragments.write(str(folder / "pass"), "s", conform(batch, FRAGMENT).replace_schema_metadata(start(batch).schema.metadata))
    shard = write_shard(ShardPlan(0, (path,)), str(folder / "run"), Layout(LEDGER, DEAD_LETTER, RECAPTIONED, described))
    assert {file.path.split("/")[0] for file in shard.files} == {entry.name for entry in (folder / "run").iterdir()}
    return {table.parent.name: pq.read_table(table).column("row").to_pylist() for table in (folder / "run").glob("*/*.parquet")}


def test_what_was_written_without_the_pixels_lies_apart(tmp_path: Path):
    found = written(tmp_path, RECAPTIONED)
    assert found == {"samples": [0, 4], "described": [1], "ledger": [0, 1, 2, 3, 4, 5], "dead": [3]}


def test_what_was_written_without_the_pixels_lies_among_the_samples_where_that_was_asked_for(tmp_path: Path):
    assert written(tmp_path, None) == {"samples": [0, 1, 4], "ledger": [0, 1, 2, 3, 4, 5], "dead": [3]}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([], []), ([10], [1]), ([4, 4, 4, 4], [2, 2]), ([99, 1, 1], [1, 2]), ([1, 99, 1], [1, 1, 1]), ([0] * 5, [5])],
)
def test_fragments_fill_shards_in_order_and_are_never_divided(sizes: list[int], expected: list[int]):
    shards = plan([(f"{n}", size) for n, size in enumerate(sizes)], 10)
    assert [len(shard.fragments) for shard in shards] == expected
    assert [path for shard in shards for path in shard.fragments] == [f"{n}" for n in range(len(sizes))]
    assert [shard.number for shard in shards] == list(range(len(shards)))
