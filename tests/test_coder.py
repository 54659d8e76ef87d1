"""Batches cross stages as Arrow, and inside a fused chain they are not encoded at all."""

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.spine import coder


def batch_of(rows: int, size: int) -> pa.RecordBatch:
    return pa.record_batch({"row": pa.array(range(rows)), "data": pa.array([b"x" * size] * rows)})


def test_a_batch_and_its_metadata_come_back():
    batch = batch_of(3, 10).replace_schema_metadata({b"funnel": b"[]"})
    again = coder.from_ipc(coder.to_ipc(batch))
    assert again.equals(batch, check_metadata=True)


def test_a_slice_is_encoded_without_its_parents_buffers():
    parent = batch_of(1000, 10_000)
    assert len(coder.ArrowBatchCoder().encode(parent.slice(500, 1))) < 12_000


def test_the_size_of_a_batch_is_read_off_its_buffers():
    assert coder.ArrowBatchCoder().estimate_size(batch_of(10, 1000)) >= 10_000


def test_no_batch_is_encoded_inside_a_fused_chain(monkeypatch: pytest.MonkeyPatch):
    encoded: list[int] = []
    to_ipc = coder.to_ipc
    monkeypatch.setattr(coder, "to_ipc", lambda batch: encoded.append(len(batch)) or to_ipc(batch))
    run_chain_over(10)
    assert encoded == []


def test_the_count_of_encodes_sees_one_that_happens(monkeypatch: pytest.MonkeyPatch):
    encoded: list[int] = []
    to_ipc = coder.to_ipc
    monkeypatch.setattr(coder, "to_ipc", lambda batch: encoded.append(len(batch)) or to_ipc(batch))
    run_chain_over(10, beam.Reshuffle())
    assert len(encoded) == 10


def run_chain_over(batches: int, between: beam.PTransform | None = None) -> None:
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        made = pipeline | beam.Create(range(batches)) | beam.Map(lambda _: batch_of(4, 100)).with_output_types(pa.RecordBatch)
        if between is not None:
            made = made | between
        for step in range(7):
            made = made | f"step {step}" >> beam.Map(lambda batch: batch).with_output_types(pa.RecordBatch)
        _ = made | "count" >> beam.Map(len)
