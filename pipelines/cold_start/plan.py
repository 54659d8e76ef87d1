"""What is decided before the graph is built: the input, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.cold_start.job import Job, run_id, solve_digest
from pipelines.pairs.source import Source
from pipelines.questions import models
from pipelines.questions.annotate import annotate_digest
from pipelines.questions.source import open_questions
from pipelines.spine.places import Places


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    source: Source
    run_id: str

    @property
    def at(self) -> Places:
        """Return where the run keeps what it makes."""
        return Places(self.job.output.folder, "cold_start", self.source.digest, self.run_id)

    @property
    def annotations(self) -> str:
        """Folder of the fragments of the questions."""
        return self.at.folder("questions", annotate_digest(self.job.input, self.job.annotator))

    @property
    def solved(self) -> str:
        """Folder of the fragments of the last pass."""
        return self.at.folder("cold-start-pass", solve_digest(self.job))


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, and where a model could not see what it is asked about.
    """
    models.refuse_blind(job.models, job.questions.seen)
    source = open_questions(job.input, job.output.folder)
    job = replace(job, input=source.input)
    return Plan(job, source, run_id(job, source))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    return plan.at.described((plan.annotations, plan.solved), models={role: spec.name for role, spec in plan.job.models.items()})
