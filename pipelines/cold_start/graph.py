"""The cold start as a Beam graph, read from top to bottom like the paper's section 4: questions, difficulty, rollouts, samples."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from pipelines.cold_start.card import Pages
from pipelines.cold_start.plan import Plan, describe
from pipelines.cold_start.solve import ROLLOUTS, SOLVE, Solve
from pipelines.cold_start.told import BAND, RULES, telling
from pipelines.pairs import graph as pairs
from pipelines.questions import graph, take
from pipelines.questions.decide import hold_shares, merge_equal
from pipelines.questions.grade import GRADED, Grade
from pipelines.questions.judging import Judging
from pipelines.questions.roll_out import RollOut
from pipelines.questions.tables import rollouts, training
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.layout import Layout
from pipelines.spine.served import OnEndpoint
from pipelines.spine.steps import run_step
from schemas.questions import COLD_START, QUESTION_DECISION, QUESTION_LEDGER
from schemas.records import DEAD_LETTER

GRADE = "Ask the base model"


def build(pipeline: beam.Pipeline, plan: Plan, models: Mapping[str, OnEndpoint]) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``; the result is one element, the path of the manifest."""
    job = plan.job
    splits = pairs.cut(pipeline, plan.source)
    annotated = graph.annotate_splits(splits, job.input, job.annotator, plan.annotations)
    judged = graph.judge(annotated, plan.annotations, [(RULES, job.questions)])
    decided = merge_equal(judged, QUESTION_DECISION)
    if job.languages:
        decided = hold_shares(decided, job.languages, job.output.seed)
    solved = _solve(graph.open_decided(decided, splits, job.input, plan.solved), plan, models)
    return commit_run(solved, pairs.note(splits), commit_of(plan))


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    job = plan.job
    samples = training(ROLLOUTS, job.messages, job.sft.styles, job.output.described_as_samples)
    graded = {GRADED: rollouts(GRADED)} if job.base else {}
    return Commit(
        pass_folder=plan.solved,
        earlier=(plan.annotations,),
        run=plan.at.run,
        layout=Layout(
            ledger=QUESTION_LEDGER, dead=DEAD_LETTER, further={**samples, ROLLOUTS: rollouts(ROLLOUTS), **graded}, tell=telling(job)
        ),
        limits=job.limits,
        output=job.output,
        identity=describe(plan),
        pages=Pages(job),
        started=time.time(),
    )


def _solve(opened: Any, plan: Plan, models: Mapping[str, OnEndpoint]) -> PCollection[str]:
    job = plan.job
    judging = Judging(job.response_format, job.response_style, job.verifiers, job.rewards, models.get("judge"))
    batches: Any = opened.batches
    if job.base:
        ask = RollOut(GRADE, models["base"], judging.of_base.written_in(job.base.style).steps)
        batches = (
            batches
            | GRADE >> beam.Map(Grade((ask,), job.grading, job.rewards.min_reward)).with_output_types(pa.RecordBatch)
            | BAND >> beam.Map(run_step, BAND, job.band).with_output_types(pa.RecordBatch)
        )
    ask = RollOut(SOLVE, models["solver"], judging.written_in(job.solver.style).steps, takes_brought=True)
    solver = Solve(ask, job.rollouts, job.choose)
    written = (
        batches
        | SOLVE >> beam.Map(solver).with_output_types(pa.RecordBatch)
        | "Write the fragments" >> beam.Map(partial(take.write_fragment, folder=plan.solved, schema=COLD_START)).with_output_types(str)
    )
    return (written, opened.committed) | "All committed splits" >> beam.Flatten()
