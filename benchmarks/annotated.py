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
from schemas.records import ANNOTATION, CURATION

SPLIT = 512
"""Samples of a split."""
Source = Callable[[beam.Pipeline], PCollection[pa.RecordBatch]]
"""Where a graph begins."""
Graph = Callable[[Any], Any]
"""From a collection of splits to one of the decisions on them."""


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


def run(graph: Graph, source: Source, scratch: Path) -> tuple[float, list[pa.RecordBatch]]:
    """Run ``graph`` on Beam's FnApiRunner in this process; returns its CPU-seconds, laying it included, and the decisions."""
    scratch.mkdir()
    began = time.process_time()
    pipeline = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    _ = graph(source(pipeline)) | "Keep" >> beam.Map(_keep, str(scratch))
    pipeline.run().wait_until_finish()
    seconds = time.process_time() - began
    return seconds, [from_ipc(file.read_bytes()) for file in sorted(scratch.iterdir())]


def judged(folder: str, keys: Sequence[str]) -> Source:
    """Return what opens the splits ``keys`` of ``folder`` inside the graph, as they are when every rule let them pass."""

    def lay(pipeline: beam.Pipeline) -> PCollection[pa.RecordBatch]:
        opened: Any = (
            pipeline | beam.Create(list(keys)) | "Open" >> beam.Map(embed.open_scored, folder, None).with_output_types(pa.RecordBatch)
        )
        return opened

    return lay


def decided(folder: str, keys: Sequence[str]) -> Source:
    """Return what puts the decisions on the splits ``keys`` of ``folder`` into the graph; they are opened here, before it runs."""
    batches = [_curation(embed.open_scored(key, folder, None)) for key in keys]

    def lay(pipeline: beam.Pipeline) -> PCollection[pa.RecordBatch]:
        given: Any = pipeline | beam.Create(batches).with_output_types(pa.RecordBatch)
        return given

    return lay


def _curation(batch: pa.RecordBatch) -> pa.RecordBatch:
    return conform(batch.select([name for name in batch.schema.names if name in CURATION.names]), CURATION)


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
