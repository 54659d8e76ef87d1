"""The recaption job as a Beam graph, read from top to bottom: annotate, decide, take, commit.

Images are read by the two passes that need their bytes and cross no shuffle. What crosses is one ``Member`` for each sample
that may have a twin, and one batch of verdicts for each split.
"""

from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from filters.duplicates import Decision, Member
from pipelines.readers.splits import Split
from pipelines.recaption import annotate, decide, embed, take
from pipelines.recaption.job import Job, caption_steps, decisions, looks_of
from pipelines.recaption.plan import Plan, describe, first_splits, splits_of
from pipelines.recaption.report import Pages
from pipelines.spine import dataflow
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.shards import Layout
from pipelines.spine.steps import run_step
from schemas.columns import SEEN_DESCRIPTION
from schemas.records import DEAD_LETTER, LEDGER, RECAPTIONED
from synth.recaption import Recaption


def build(pipeline: beam.Pipeline, plan: Plan, backend: take.CaptionerBackend) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``; the result is one element, the path of the manifest."""
    splits = _splits(pipeline, plan)
    annotated = _embed(_annotate(splits, plan), plan)
    decided = _decide(annotated, plan)
    taken = _take(decided, plan, backend)
    planned: Any = splits | "Note what was cut" >> beam.Map(_rows_of).with_output_types(tuple[str, int])
    return commit_run(taken, planned, commit_of(plan))


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    apart = plan.job.captioner.seen == SEEN_DESCRIPTION and not plan.job.output.described_as_samples
    layout = Layout(samples=RECAPTIONED, ledger=LEDGER, dead=DEAD_LETTER, described=RECAPTIONED if apart else None)
    return Commit(
        plan.captioned,
        tuple(filter(None, (plan.annotations, plan.scored))),
        plan.run,
        layout,
        plan.job.limits,
        plan.job.output,
        describe(plan),
        Pages(plan.job, apart),
    )


def _splits(pipeline: beam.Pipeline, plan: Plan) -> PCollection[Split]:
    if plan.job.input.limit is not None:
        splits = pipeline | "Take the first splits" >> beam.Create(first_splits(plan))
    else:
        shards = pipeline | "List the shards" >> beam.Create(plan.shards) | "Spread the shards of the input" >> beam.Reshuffle()
        splits = shards | "Cut them into splits" >> beam.FlatMap(splits_of, plan).with_output_types(Split)
    return splits | "Spread the splits" >> beam.Reshuffle()


def _rows_of(split: Split) -> tuple[str, int]:
    return split.split_id, split.taken


def _annotate(splits: PCollection[Split], plan: Plan) -> PCollection[str]:
    job = plan.job
    read: Any = splits | annotate.READ >> beam.ParDo(
        annotate.ReadSplits(plan.annotations, job.input.corpus, job.input.license)
    ).with_output_types(pa.RecordBatch, committed=str).with_outputs(annotate.COMMITTED, main="batches")
    written = (
        read.batches
        | annotate.DECODE >> beam.Map(annotate.Annotator(job.decode, looks_of(job))).with_output_types(pa.RecordBatch)
        | "Write the annotations" >> beam.Map(annotate.write_annotations, plan.annotations).with_output_types(str)
    )
    return (written, read.committed) | "All annotated splits" >> beam.Flatten() | "Wait for their fragments" >> beam.Reshuffle()


def _embed(annotated: PCollection[str], plan: Plan) -> PCollection[str]:
    """Let every step of this pass ask for the GPU, and no other."""
    job = plan.job
    if job.embedder is None or plan.scored is None:
        return annotated
    hints = dataflow.gpu_hints(job.gpu, annotated.pipeline.options)
    opener = beam.ParDo(embed.OpenToEmbed(plan.annotations, plan.scored)).with_output_types(pa.RecordBatch, committed=str)
    embedder = beam.Map(embed.EmbedStep(job.embedder, job.decode)).with_output_types(pa.RecordBatch)
    writer = beam.Map(embed.write_scores, plan.scored).with_output_types(str)
    opened: Any = annotated | embed.OPEN >> dataflow.hinted(opener.with_outputs(annotate.COMMITTED, main="batches"), hints)
    written = opened.batches | embed.EMBED >> dataflow.hinted(embedder, hints) | embed.WRITE >> dataflow.hinted(writer, hints)
    return (written, opened.committed) | "All scored splits" >> beam.Flatten() | "Wait for their scores" >> beam.Reshuffle()


def _decide(annotated: PCollection[str], plan: Plan) -> PCollection[pa.RecordBatch]:
    judged = annotated | "Open the annotations" >> beam.Map(embed.open_scored, plan.annotations, plan.scored).with_output_types(
        pa.RecordBatch
    )
    for sentence, rule in decisions(plan.job):
        judged = judged | sentence >> beam.Map(run_step, sentence, rule).with_output_types(pa.RecordBatch)
    merges = (
        judged
        | "Name each image by its hash" >> beam.FlatMap(decide.members).with_output_types(tuple[str, Member])
        | "Bring equal images together" >> beam.GroupByKey()
        | "Choose a representative" >> beam.FlatMap(decide.merges).with_output_types(tuple[str, Decision])
    )
    verdicts = judged | "Keep the verdicts alone" >> beam.Map(decide.verdicts).with_output_types(tuple[str, bytes])
    return (
        {decide.VERDICTS: verdicts, decide.MERGES: merges}
        | "Bring the decisions back to their splits" >> beam.CoGroupByKey()
        | decide.DUPLICATES >> beam.Map(decide.join).with_output_types(pa.RecordBatch)
    )


def _take(decided: PCollection[pa.RecordBatch], plan: Plan, backend: take.CaptionerBackend) -> PCollection[str]:
    job: Job = plan.job
    opened: Any = decided | "Open the splits that go on" >> beam.ParDo(take.OpenSplits(plan.captioned, plan.scored)).with_output_types(
        pa.RecordBatch, committed=str
    ).with_outputs(annotate.COMMITTED, main="batches")
    captioned = opened.batches | take.CAPTION >> beam.Map(take.CaptionStep(Recaption(job.captioner), backend)).with_output_types(
        pa.RecordBatch
    )
    for sentence, rule in caption_steps(job):
        captioned = captioned | sentence >> beam.Map(take.JudgeCaptions(sentence, rule, job.mix)).with_output_types(pa.RecordBatch)
    written = (
        captioned
        | take.MIX >> beam.Map(run_step, take.MIX, job.mix).with_output_types(pa.RecordBatch)
        | "Write the fragments" >> beam.Map(take.write_fragment, plan.captioned).with_output_types(str)
    )
    return (written, opened.committed) | "All captioned splits" >> beam.Flatten()
