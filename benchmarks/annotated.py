"""The decide part of caption curation alone: signals on disk that no image was read for, and a graph over them on Beam's own runner."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection

from pipelines.pairs import annotate, embed
from pipelines.spine import fragments
from pipelines.spine.coder import from_ipc, to_ipc
from pipelines.spine.steps import start
from schemas import columns as c
from schemas.batches import conform, set_columns
from schemas.records import ANNOTATION

SPLIT = 512
"""Samples of a split."""
Graph = Callable[[PCollection[pa.RecordBatch]], PCollection[pa.RecordBatch]]
"""From judged splits to the decisions on them."""


def write(folder: str, columns: pa.RecordBatch) -> list[str]:
    """Commit the rows of ``columns``, any of those of ``ANNOTATION``, as annotations of splits; returns the keys of the splits."""
    return [_write_split(folder, first, columns.slice(first, SPLIT)) for first in range(0, len(columns), SPLIT)]


def _write_split(folder: str, first: int, rows: pa.RecordBatch) -> str:
    key = split_id(first)
    given = {f.name: pa.array(["0"] * len(rows)) for f in ANNOTATION if not f.nullable and f.name not in rows.schema.names}
    placed = {c.SPLIT_ID.name: pa.array([key] * len(rows)), c.ROW.name: pa.array(range(len(rows)), c.ROW.type)}
    batch = start(set_columns(rows, {**given, **placed}).replace_schema_metadata({annotate.KEY: key.encode()}))
    fragments.write(folder, key, conform(batch, ANNOTATION))
    return key


def split_id(first: int) -> str:
    """Return the id of the split whose first row is number ``first``: spread as a hash is, and read back by ``number_of``."""
    return f"{first * 0x9E3779B97F4A7C15 % 2**64:016x}{first:016x}"


def number_of(split: str, row: int) -> int:
    """Return the number of a row among all."""
    return int(split[16:], 16) + row


def run(graph: Graph, keys: Sequence[str], folder: str, scratch: Path) -> tuple[float, list[pa.RecordBatch]]:
    """Run ``graph`` on Beam's FnApiRunner; returns CPU-seconds of this process, opening the splits included, and the decisions."""
    scratch.mkdir()
    began = time.process_time()
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    judged: Any = (
        pipeline | beam.Create(list(keys)) | "Open" >> beam.Map(embed.open_scored, folder, None).with_output_types(pa.RecordBatch)
    )
    _ = graph(judged) | "Keep" >> beam.Map(_keep, str(scratch))
    pipeline.run().wait_until_finish()
    seconds = time.process_time() - began
    return seconds, [from_ipc(file.read_bytes()) for file in sorted(scratch.iterdir())]


def _keep(decided: pa.RecordBatch, folder: str) -> None:
    (Path(folder) / decided.column(c.SPLIT_ID.name)[0].as_py()).write_bytes(to_ipc(decided))


def merged(decided: Sequence[pa.RecordBatch]) -> list[tuple[int, int]]:
    """Return for each row that was merged its number, and that of the row which stands for it."""
    return [
        (number_of(split, row), number_of(into["split_id"], into["row"]))
        for batch in decided
        for split, row, into in zip(*(batch.column(f.name).to_pylist() for f in (c.SPLIT_ID, c.ROW, c.MERGED_INTO)), strict=True)
        if into is not None
    ]
