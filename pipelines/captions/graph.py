"""Caption curation as a Beam graph, read from top to bottom like the paper's section: heuristics, relevance, duplicates, balance."""

import time
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from pipelines.captions.balance import balance
from pipelines.captions.card import card
from pipelines.captions.plan import Plan, describe
from pipelines.pairs import annotate, graph, take
from pipelines.pairs.near import MergeNear
from pipelines.pairs.near_partitions import Signals
from pipelines.pairs.report import Pages
from pipelines.pairs.told import telling
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.layout import Layout
from schemas.records import CURATED, CURATED_FRAGMENT, CURATED_LEDGER, CURATION, DEAD_LETTER

NEAR_IMAGES = "Merge near-duplicate images"
NEAR_TEXTS = "Merge near-duplicate alt texts"


def build(pipeline: beam.Pipeline, plan: Plan) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``; the result is one element, the path of the manifest."""
    job = plan.job
    splits = graph.cut(pipeline, plan.source)
    annotated = graph.annotate_splits(splits, job, plan.annotations)
    scored = graph.embed_splits(annotated, job, plan.annotations, plan.scored)
    judged = graph.judge(scored, job, plan.annotations, plan.scored)
    decided, pages = _decide(judged, plan)
    return commit_run(_take(decided, plan), graph.note(splits), commit_of(plan), pages)


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    tell = telling(plan.job)
    return Commit(
        pass_folder=plan.taken,
        earlier=tuple(filter(None, (plan.annotations, plan.scored))),
        run=plan.at.run,
        layout=Layout(samples=CURATED, ledger=CURATED_LEDGER, dead=DEAD_LETTER, tell=tell),
        limits=plan.job.limits,
        output=plan.job.output,
        identity=describe(plan),
        pages=Pages(plan.job, card(plan.job), tell),
        started=time.time(),
    )


def _decide(judged: PCollection[pa.RecordBatch], plan: Plan) -> tuple[PCollection[pa.RecordBatch], PCollection[tuple[str, bytes]] | None]:
    job, signals = plan.job, Signals(plan.scored)
    decided: Any = graph.merge_exact(judged, CURATION)
    if job.near_image:
        decided = decided | NEAR_IMAGES >> MergeNear(NEAR_IMAGES, job.near_image, signals, job.near)
    if job.near_text:
        decided = decided | NEAR_TEXTS >> MergeNear(NEAR_TEXTS, job.near_text, signals, job.near)
    if job.balance and job.vocabulary:
        return balance(decided, job.balance, job.vocabulary, signals)
    return decided, None


def _take(decided: PCollection[pa.RecordBatch], plan: Plan) -> PCollection[str]:
    opened: Any = decided | "Open the splits that go on" >> beam.ParDo(take.OpenSplits(plan.taken, plan.scored)).with_output_types(
        pa.RecordBatch, committed=str
    ).with_outputs(annotate.COMMITTED, main="batches")
    written = opened.batches | "Write the fragments" >> beam.Map(take.write_fragment, plan.taken, CURATED_FRAGMENT).with_output_types(str)
    return (written, opened.committed) | "All committed splits" >> beam.Flatten()
