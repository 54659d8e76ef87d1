"""Shard writing against pyarrow alone: ``python -m benchmarks.shard_writing``.

The same rows through ``pipelines.spine.shards`` and through ``pyarrow.parquet.ParquetWriter`` with the same
options, in turns, in MB of images a second of wall time. Ours also hashes what it reads and writes, and checks the sums.
The bar: 0.9 of pyarrow.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.spine import fragments, funnel
from pipelines.spine.layout import Layout
from pipelines.spine.shards import ShardPlan, write_shard
from pipelines.spine.steps import FUNNEL
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import KEPT
from schemas.records import DEAD_LETTER, FRAGMENT, LEDGER, RECAPTIONED

ROWS_A_FRAGMENT = 500


def fragment(number: int, kilobytes: int) -> pa.RecordBatch:
    """Return a fragment of rows that were kept, their images random bytes."""
    random = np.random.default_rng(number)
    rows = [_row(number, row, random.bytes(kilobytes * 1024)) for row in range(ROWS_A_FRAGMENT)]
    told = funnel.dumps([funnel.StepCount("Read", ROWS_A_FRAGMENT, ROWS_A_FRAGMENT)])
    return from_rows(rows, FRAGMENT).replace_schema_metadata({FUNNEL: told})


def _row(number: int, row: int, image: bytes) -> dict[str, object]:
    where = {
        c.SPLIT_ID.name: f"{number:032x}",
        c.ROW.name: row,
        c.SOURCE_PATH.name: "pool.tar",
        c.SOURCE_OFFSET.name: 0,
        c.SOURCE_BYTES.name: len(image),
    }
    about = {
        c.CORPUS.name: "bench",
        c.SOURCE_LICENSE.name: "none",
        c.ALT_TEXT.name: f"A harbour at dusk, boat {row}",
        c.CAPTION.name: f"Boat {row} at dusk.",
    }
    return {**where, **about, c.IMAGE.name: {"bytes": image, "path": f"{row}.jpg"}, c.EXIT.name: KEPT}


def ours(paths: list[str], scratch: Path) -> None:
    """Compact the fragments into samples, ledger and dead letters."""
    write_shard(ShardPlan(0, tuple(paths)), str(scratch), Layout(LEDGER, DEAD_LETTER, RECAPTIONED))


def pyarrow_alone(paths: list[str], scratch: Path) -> None:
    """Read the same fragments and write the same two tables by pyarrow, a row group for each fragment."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(pq.ParquetWriter(scratch / f"{name}.parquet", schema, **fragments.parquet_options(schema)))
            for name, schema in (("samples", RECAPTIONED), ("ledger", LEDGER))
        ]
        for path in paths:
            table = pq.read_table(path)
            for writer in writers:
                writer.write_table(table.select(writer.schema.names).cast(writer.schema))


def main() -> None:
    """Measure both in turns and print the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fragments", type=int, default=6)
    parser.add_argument("--kilobytes", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [fragments.write(folder, f"{n:032x}", fragment(n, options.kilobytes)) for n in range(options.fragments)]
        megabytes = options.fragments * ROWS_A_FRAGMENT * options.kilobytes / 1024
        ratios: list[float] = []
        for number in range(-1, options.rounds):
            order = (pyarrow_alone, ours) if number % 2 else (ours, pyarrow_alone)
            speed = {work: megabytes / _seconds(work, paths) for work in order}
            if number >= 0:  # the round before is for caches
                ratios.append(speed[ours] / speed[pyarrow_alone])
                print(f"round {number}: pyarrow {speed[pyarrow_alone]:.0f} MB/s, ours {speed[ours]:.0f} MB/s, ratio {ratios[-1]:.2f}")
    print(f"median of {options.rounds}: {statistics.median(ratios):.2f} of pyarrow alone (bar: 0.9)")


def _seconds(work: Callable[[list[str], Path], None], paths: list[str]) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        work(paths, Path(scratch))
        seconds = time.perf_counter() - began
        rows = sum(pq.read_metadata(path).num_rows for path in Path(scratch).rglob("samples*.parquet"))
        assert rows == len(paths) * ROWS_A_FRAGMENT, rows
        return seconds


if __name__ == "__main__":
    main()
