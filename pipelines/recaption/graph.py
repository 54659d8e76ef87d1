"""The recaption job as a Beam graph, read from top to bottom: annotate, embed, decide, take, commit."""

import time
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from pipelines.pairs import annotate, graph, take
from pipelines.pairs.report import Pages
from pipelines.recaption import caption
from pipelines.recaption.card import card
from pipelines.recaption.job import caption_steps
from pipelines.recaption.plan import Plan, describe
from pipelines.recaption.told import telling
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.layout import Layout
from pipelines.spine.steps import run_step
from schemas.columns import SEEN_DESCRIPTION
from schemas.records import DEAD_LETTER, FRAGMENT, LEDGER, RECAPTIONED
from synth.recaption import Recaption


def build(pipeline: beam.Pipeline, plan: Plan, backend: caption.CaptionerBackend) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``; the result is one element, the path of the manifest."""
    job = plan.job
    splits = graph.cut(pipeline, plan.source)
    annotated = graph.annotate_splits(splits, job, plan.annotations)
    scored = graph.embed_splits(annotated, job, plan.annotations, plan.scored)
    judged = graph.judge(scored, job, plan.annotations, plan.scored)
    decided = graph.merge_exact(judged)
    taken = _take(decided, plan, backend)
    return commit_run(taken, graph.note(splits), commit_of(plan))


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    apart = plan.job.captioner.seen == SEEN_DESCRIPTION and not plan.job.output.described_as_samples
    tell = telling(plan.job)
    layout = Layout(samples=RECAPTIONED, ledger=LEDGER, dead=DEAD_LETTER, described=RECAPTIONED if apart else None, tell=tell)
    return Commit(
        pass_folder=plan.captioned,
        earlier=tuple(filter(None, (plan.annotations, plan.scored))),
        run=plan.at.run,
        layout=layout,
        limits=plan.job.limits,
        output=plan.job.output,
        identity=describe(plan),
        pages=Pages(plan.job, card(plan.job, apart), tell, (("captioner", plan.job.captioner.name),)),
        started=time.time(),
    )


def _take(decided: PCollection[pa.RecordBatch], plan: Plan, backend: caption.CaptionerBackend) -> PCollection[str]:
    job = plan.job
    opened: Any = decided | "Open the splits that go on" >> beam.ParDo(take.OpenSplits(plan.captioned, plan.scored)).with_output_types(
        pa.RecordBatch, committed=str
    ).with_outputs(annotate.COMMITTED, main="batches")
    captioned = opened.batches | caption.CAPTION >> beam.Map(caption.CaptionStep(Recaption(job.captioner), backend)).with_output_types(
        pa.RecordBatch
    )
    for sentence, rule in caption_steps(job):
        captioned = captioned | sentence >> beam.Map(caption.JudgeCaptions(sentence, rule, job.mix)).with_output_types(pa.RecordBatch)
    written = (
        captioned
        | caption.MIX >> beam.Map(run_step, caption.MIX, job.mix).with_output_types(pa.RecordBatch)
        | "Write the fragments" >> beam.Map(take.write_fragment, plan.captioned, FRAGMENT).with_output_types(str)
    )
    return (written, opened.committed) | "All captioned splits" >> beam.Flatten()
