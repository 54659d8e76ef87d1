"""What is decided before the graph is built: the input, the benchmarks, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.pairs.source import Source
from pipelines.questions import models
from pipelines.questions.annotate import annotate_digest
from pipelines.questions.source import open_questions
from pipelines.rl_tasks.benchmarks import BenchmarkSpec, listed
from pipelines.rl_tasks.job import Job, grade_digest, run_id
from pipelines.spine.config import ConfigError
from pipelines.spine.places import Places


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    source: Source
    benchmarks: BenchmarkSpec
    run_id: str

    @property
    def at(self) -> Places:
        """Return where the run keeps what it makes."""
        return Places(self.job.output.folder, "rl_tasks", self.source.digest, self.run_id)

    @property
    def annotations(self) -> str:
        """Folder of the fragments of the questions."""
        return self.at.folder("questions", annotate_digest(self.job.input, self.job.annotator))

    @property
    def graded(self) -> str:
        """Folder of the fragments of the last pass."""
        return self.at.folder("rl-tasks-pass", grade_digest(self.job, self.benchmarks))


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and its benchmarks, and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, without a model to grade by, and where one could not see
    what it is asked about.
    """
    if not job.graders:
        raise ConfigError(
            "'graders' names no model: how hard a question is, models tell; --set graders.NAME.served.endpoint=http://HOST:8000/v1"
        )
    models.refuse_blind(job.models, job.questions.seen)
    source = open_questions(job.input, job.output.folder)
    benchmarks = listed(job.benchmarks, job.decode, job.embedder, job.contamination.run, job.output.folder)
    job = replace(job, input=source.input)
    return Plan(job, source, benchmarks, run_id(job, source, benchmarks))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    return plan.at.described((plan.annotations, plan.graded), models={role: spec.name for role, spec in plan.job.models.items()})
