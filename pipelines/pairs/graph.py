"""The moves that every pipeline over pairs makes, as Beam graphs: cut, annotate, embed, judge, merge exact duplicates.

Images are read by the passes that need their bytes and cross no shuffle. What crosses is one ``Member`` for each sample that may
have a twin, and one batch of verdicts for each split.
"""

from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from filters.duplicates import Decision, Member
from pipelines.pairs import annotate, duplicates, embed
from pipelines.pairs.rules import PairJob, decisions
from pipelines.pairs.source import Source, first_splits, splits_of
from pipelines.readers.splits import Split
from pipelines.spine import dataflow
from pipelines.spine.steps import run_step
from schemas.records import DECISION


def cut(pipeline: beam.Pipeline, source: Source) -> PCollection[Split]:
    """Cut the input into splits, in workers unless it is limited."""
    if source.input.limit is not None:
        splits = pipeline | "Take the first splits" >> beam.Create(first_splits(source))
    else:
        shards = pipeline | "List the shards" >> beam.Create(source.shards) | "Spread the shards of the input" >> beam.Reshuffle()
        splits = shards | "Cut them into splits" >> beam.FlatMap(splits_of, source).with_output_types(Split)
    return splits | "Spread the splits" >> beam.Reshuffle()


def note(splits: PCollection[Split]) -> PCollection[tuple[str, int]]:
    """Say of each split how many rows it holds, for the last check."""
    noted: Any = splits | "Note what was cut" >> beam.Map(_rows_of).with_output_types(tuple[str, int])
    return noted


def annotate_splits(splits: PCollection[Split], job: PairJob, folder: str) -> PCollection[str]:
    """Read and decode each split once and leave its signals in ``folder``; the result is the keys of the splits, all of them there."""
    read: Any = splits | annotate.READ >> beam.ParDo(annotate.ReadSplits(folder, job.input.corpus, job.input.license)).with_output_types(
        pa.RecordBatch, committed=str
    ).with_outputs(annotate.COMMITTED, main="batches")
    annotator = annotate.Annotator(job.decode, job.looks)
    written = (
        read.batches
        | annotator.sentence >> beam.Map(annotator).with_output_types(pa.RecordBatch)
        | "Write the annotations" >> beam.Map(annotate.write_annotations, folder).with_output_types(str)
    )
    return (written, read.committed) | "All annotated splits" >> beam.Flatten() | "Wait for their fragments" >> beam.Reshuffle()


def embed_splits(annotated: PCollection[str], job: PairJob, annotations: str, folder: str | None) -> PCollection[str]:
    """Score what was annotated, into ``folder``; every step of this pass asks for the GPU, and no other does."""
    if folder is None:
        return annotated
    hints = dataflow.gpu_hints(job.gpu, annotated.pipeline.options)
    opener = beam.ParDo(embed.OpenToEmbed(annotations, folder)).with_output_types(pa.RecordBatch, committed=str)
    embedder = beam.Map(embed.EmbedStep(job.embedders, job.decode)).with_output_types(pa.RecordBatch)
    writer = beam.Map(embed.write_scores, folder).with_output_types(str)
    opened: Any = annotated | embed.OPEN >> dataflow.hinted(opener.with_outputs(annotate.COMMITTED, main="batches"), hints)
    written = opened.batches | embed.EMBED >> dataflow.hinted(embedder, hints) | embed.WRITE >> dataflow.hinted(writer, hints)
    return (written, opened.committed) | "All scored splits" >> beam.Flatten() | "Wait for their scores" >> beam.Reshuffle()


def judge(annotated: PCollection[str], job: PairJob, annotations: str, scored: str | None) -> PCollection[pa.RecordBatch]:
    """Hold the stored signals against the rules of ``job``."""
    judged: Any = annotated | "Open the annotations" >> beam.Map(embed.open_scored, annotations, scored).with_output_types(pa.RecordBatch)
    for sentence, rule in decisions(job):
        judged = judged | sentence >> beam.Map(run_step, sentence, rule).with_output_types(pa.RecordBatch)
    return judged


def merge_exact(judged: PCollection[pa.RecordBatch], schema: pa.Schema = DECISION) -> PCollection[pa.RecordBatch]:
    """Merge samples with equal images; the result is the decisions on each split, with the columns of ``schema``."""
    merges = (
        judged
        | "Name each image by its hash" >> beam.FlatMap(duplicates.members).with_output_types(tuple[str, Member])
        | "Bring equal images together" >> beam.GroupByKey()
        | "Choose a representative" >> beam.FlatMap(duplicates.merges).with_output_types(tuple[str, Decision])
    )
    verdicts = judged | "Keep the verdicts alone" >> beam.Map(duplicates.verdicts, schema).with_output_types(tuple[str, bytes])
    return (
        {duplicates.VERDICTS: verdicts, duplicates.MERGES: merges}
        | "Bring the decisions back to their splits" >> beam.CoGroupByKey()
        | duplicates.DUPLICATES >> beam.Map(duplicates.join).with_output_types(pa.RecordBatch)
    )


def _rows_of(split: Split) -> tuple[str, int]:
    return split.split_id, split.taken
