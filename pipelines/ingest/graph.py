"""The ingest job as a Beam graph, read from top to bottom: cut the lists, read, download, decode, commit.

No image crosses a shuffle: a stretch of a list is read, downloaded, decoded and written by one worker.
"""

import time
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from pipelines.ingest import steps
from pipelines.ingest.card import Pages
from pipelines.ingest.download import DownloaderSpec
from pipelines.ingest.lists import Stretch
from pipelines.ingest.plan import Plan, describe, first_stretches, stretches_of
from pipelines.ingest.told import telling
from pipelines.pairs.annotate import COMMITTED
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.layout import Layout
from pipelines.spine.steps import run_step
from schemas.records import INGESTED, INGESTED_DEAD, INGESTED_LEDGER


def build(pipeline: beam.Pipeline, plan: Plan, workers: int) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``, for so many processes; the result is one element, the path of the manifest."""
    stretches = _stretches(pipeline, plan)
    written = _download(stretches, plan, workers)
    planned: Any = stretches | "Note what was cut" >> beam.FlatMap(_rows_of).with_output_types(tuple[str, int])
    return commit_run(written, planned, commit_of(plan))


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    return Commit(
        pass_folder=plan.downloads,
        earlier=(),
        run=plan.at.run,
        layout=Layout(samples=INGESTED, ledger=INGESTED_LEDGER, dead=INGESTED_DEAD, tell=telling(plan.job)),
        limits=plan.job.limits,
        output=plan.job.output,
        identity=describe(plan),
        pages=Pages(plan.job),
        started=time.time(),
    )


def _stretches(pipeline: beam.Pipeline, plan: Plan) -> PCollection[Stretch]:
    if plan.job.input.limit is not None:
        stretches = pipeline | "Take the first addresses" >> beam.Create(first_stretches(plan))
    else:
        shards = pipeline | "Find the lists" >> beam.Create(plan.shards) | "Spread the lists" >> beam.Reshuffle()
        stretches = shards | "Cut them into splits" >> beam.FlatMap(stretches_of, plan).with_output_types(Stretch)
    return stretches | "Spread the splits" >> beam.Reshuffle()


def _rows_of(stretch: Stretch) -> list[tuple[str, int]]:
    return [(split.split_id, split.taken) for split in stretch.splits]


def _download(stretches: PCollection[Stretch], plan: Plan, workers: int) -> PCollection[str]:
    job = plan.job
    decode = steps.DecodeStep(job.input.corpus, job.decode.max_pixels, job.resize)
    download = steps.DownloadStep(DownloaderSpec(job.download, workers))
    reader = beam.ParDo(steps.ReadLists(plan.downloads, job.input.corpus, job.input.license))
    read: Any = stretches | steps.READ >> reader.with_output_types(pa.RecordBatch, committed=str).with_outputs(COMMITTED, main="batches")
    written = (
        read.batches
        | steps.DOWNLOAD >> beam.Map(download).with_output_types(pa.RecordBatch)
        | steps.OPT_OUT >> beam.Map(run_step, steps.OPT_OUT, steps.drop_opted_out).with_output_types(pa.RecordBatch)
        | decode.sentence >> beam.Map(decode).with_output_types(pa.RecordBatch)
        | "Write the fragments" >> beam.Map(steps.write_fragment, plan.downloads).with_output_types(str)
    )
    return (written, read.committed) | "All downloaded splits" >> beam.Flatten()
