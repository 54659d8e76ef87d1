"""RL tasks as a Beam graph, read from top to bottom like the paper's section 5.1.

Near-duplicates and benchmarks are looked for before any model is asked: nobody pays for rollouts of what leaves anyhow.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from filters.contamination import Contamination
from filters.labels import SoundLabel
from filters.models.embedder import EmbedderSpec
from pipelines.pairs import graph as pairs
from pipelines.pairs.annotate import ABOUT
from pipelines.pairs.near import MergeNear
from pipelines.pairs.near_partitions import Signals
from pipelines.questions import graph, take
from pipelines.questions.annotate import encoded_in
from pipelines.questions.decide import merge_equal
from pipelines.questions.grade import GRADED, Grade
from pipelines.questions.judging import Judging
from pipelines.questions.roll_out import RollOut
from pipelines.questions.tables import rollouts, tasks
from pipelines.questions.verifiers import VerifierSpec
from pipelines.readers.splits import Split
from pipelines.rl_tasks.benchmarks import BenchmarkSpec, embedded
from pipelines.rl_tasks.card import Pages
from pipelines.rl_tasks.job import grader
from pipelines.rl_tasks.plan import Plan, describe
from pipelines.rl_tasks.rewrite import REWRITE, Rewrite
from pipelines.rl_tasks.suspects import SUSPECT, Suspects
from pipelines.rl_tasks.told import RULES, telling
from pipelines.spine import fragments
from pipelines.spine.commit import Commit, commit_run
from pipelines.spine.layout import Layout
from pipelines.spine.loaded import loaded
from pipelines.spine.served import OnEndpoint
from pipelines.spine.steps import run_step
from schemas import questions as q
from schemas.batches import scatter, take_rows
from schemas.exits import Addition, Verdict
from schemas.records import DEAD_LETTER
from synth.label_check import LabelCheck

NEAR = "Merge near-duplicate questions"
BENCHMARK = "Drop questions that stand in a benchmark"
FILL_IN = "Drop choices that cannot be asked without their options"
AGAIN = "Drop rewritten questions that stand in a benchmark"
LABEL, SOUND = "Hold each label against its verifier", "Drop questions whose label cannot be right"
GRADE = "Ask the models"


@dataclass(frozen=True)
class QuestionSignals(Signals):
    """Where the signals of questions lie; the wording that is longest represents a cluster."""

    def of(self, decided: pa.RecordBatch, *columns: str) -> pa.RecordBatch:
        """Return the annotations of the split that ``decided`` is about, row by row: of ``columns``, or all."""
        return fragments.read(decided.schema.metadata[ABOUT].decode(), columns)

    def told(self, decided: pa.RecordBatch, rows: Sequence[int]) -> tuple[list[str | None], list[tuple[float, ...]]]:
        """Return the questions of ``rows``; one that people have graded represents its cluster."""
        batch = self.of(decided, q.QUESTION_TEXT.name, q.HUMAN_TIER.name).take(pa.array(rows, pa.int32()))
        texts, tiers = (batch.column(f.name).to_pylist() for f in (q.QUESTION_TEXT, q.HUMAN_TIER))
        return texts, [(float(tier is not None),) for tier in tiers]


def build(pipeline: beam.Pipeline, plan: Plan, models: Mapping[str, OnEndpoint]) -> PCollection[str]:
    """Lay the job of ``plan`` into ``pipeline``; the result is one element, the path of the manifest."""
    job = plan.job
    splits = pairs.cut(pipeline, plan.source)
    annotated = graph.annotate_splits(splits, job.input, job.annotator, plan.annotations)
    judged = graph.judge(annotated, plan.annotations, [(RULES, job.questions)])
    decided: Any = merge_equal(judged, q.TASK_DECISION)
    if job.near:
        decided = decided | NEAR >> MergeNear(NEAR, job.near, QuestionSignals(None), job.shuffle)
    return commit_run(_grade(decided, splits, plan, models), pairs.note(splits), commit_of(plan))


def commit_of(plan: Plan) -> Commit:
    """Return what the last steps need to know of ``plan``."""
    job = plan.job
    further = {**tasks(job.output.described_as_samples), GRADED: rollouts(GRADED)}
    return Commit(
        pass_folder=plan.graded,
        earlier=(plan.annotations,),
        run=plan.at.run,
        layout=Layout(ledger=q.TASK_LEDGER, dead=DEAD_LETTER, further=further, tell=telling(job)),
        limits=job.limits,
        output=job.output,
        identity=describe(plan),
        pages=Pages(job),
        started=time.time(),
    )


def _grade(
    decided: PCollection[pa.RecordBatch], splits: PCollection[Split], plan: Plan, models: Mapping[str, OnEndpoint]
) -> PCollection[str]:
    job = plan.job
    opened = graph.open_decided(decided, splits, job.input, plan.graded)
    clean = partial(run_step, step=BENCHMARK, call=partial(uncontaminated, job.contamination, plan.benchmarks, job.embedder))
    again = partial(run_step, step=AGAIN, call=partial(rewritten_uncontaminated, job.contamination, plan.benchmarks))
    checked = partial(run_step, step=LABEL, call=partial(check_labels, job.verifiers, job.judge is not None))
    judging = Judging(job.response_format, None, job.verifiers, job.rewards, models.get("judge"))
    named = sorted(job.graders.items())
    graders = tuple(RollOut(GRADE, models[grader(name)], judging.written_in(spec.style).steps) for name, spec in named)
    batches: Any = (
        opened.batches
        | BENCHMARK >> beam.Map(clean).with_output_types(pa.RecordBatch)
        | REWRITE >> beam.Map(Rewrite(models.get("rewriter"))).with_output_types(pa.RecordBatch)
        | FILL_IN >> beam.Map(run_step, FILL_IN, job.fill_in).with_output_types(pa.RecordBatch)
        | AGAIN >> beam.Map(again).with_output_types(pa.RecordBatch)
        | LABEL >> beam.Map(checked).with_output_types(pa.RecordBatch)
        | SOUND >> beam.Map(run_step, SOUND, SoundLabel()).with_output_types(pa.RecordBatch)
        | GRADE >> beam.Map(Grade(graders, job.grading, job.rewards.min_reward)).with_output_types(pa.RecordBatch)
        | SUSPECT >> beam.Map(Suspects(job.verifiers, job.hope)).with_output_types(pa.RecordBatch)
    )
    write = partial(take.write_fragment, folder=plan.graded, schema=q.TASK_FRAGMENT)
    written = batches | "Write the fragments" >> beam.Map(write).with_output_types(str)
    return (written, opened.committed) | "All committed splits" >> beam.Flatten()


def uncontaminated(rule: Contamination, benchmarks: BenchmarkSpec, embedder: EmbedderSpec | None, rows: pa.RecordBatch) -> Verdict:
    """Judge the rows by the benchmarks of this worker, their pictures by their embeddings too where there is an embedder."""
    if embedder is None:
        return rule(rows, benchmarks=loaded(benchmarks))
    pictures = encoded_in(rows)
    flat = embedded(embedder, benchmarks.decoder, [image for images in pictures for image in images])
    ends = list(accumulate(map(len, pictures)))
    vectors = [flat[end - len(images) : end] for images, end in zip(pictures, ends, strict=True)]
    return rule(rows, benchmarks=loaded(benchmarks), vectors=vectors)


def rewritten_uncontaminated(rule: Contamination, benchmarks: BenchmarkSpec, rows: pa.RecordBatch) -> Verdict:
    """Judge likewise the rows whose question has been rewritten since; the others have been judged."""
    mask = rows.column(q.REWRITTEN_FROM.name).is_valid().to_numpy(zero_copy_only=False)
    found = rule(take_rows(rows, mask), benchmarks=loaded(benchmarks))
    reason, value, threshold = (scatter(array, mask) for array in (found.reason, found.value, found.threshold))
    return Verdict(
        reason=reason, value=value, threshold=threshold, added={name: scatter(array, mask) for name, array in found.added.items()}
    )


def check_labels(verifiers: VerifierSpec, judged: bool, rows: pa.RecordBatch) -> Addition:
    """Hold the labels of the rows against the verifiers of this worker; ``judged``: a judge decides where no rule can."""
    return LabelCheck()(rows, verifiers=loaded(verifiers), judged=judged)
