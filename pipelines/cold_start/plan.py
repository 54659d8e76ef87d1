"""What is decided before the graph is built: the input, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.cold_start.job import Job, annotate_digest, run_id, solve_digest
from pipelines.pairs.source import Source
from pipelines.questions.source import open_questions
from pipelines.spine import storage
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import code_version
from schemas.questions import SEEN_IMAGE


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    source: Source
    run_id: str

    def folder(self, *names: str) -> str:
        """Return a path below the output folder."""
        return storage.join(self.job.output.folder, *names)

    @property
    def annotations(self) -> str:
        """Folder of the fragments of the questions."""
        return self.folder("questions", annotate_digest(self.job))

    @property
    def solved(self) -> str:
        """Folder of the fragments of the last pass."""
        return self.folder("cold-start-pass", solve_digest(self.job))

    @property
    def answers(self) -> str:
        """Folder of the models' answers, shared by all runs below the output folder."""
        return self.folder("answers")

    @property
    def lock(self) -> str:
        """File that one run over this input holds: two at once would pay for the same answers, and sweep up each other's half files."""
        return self.folder("locks", self.source.digest)

    @property
    def run(self) -> str:
        """Folder of the finished run."""
        return self.folder("cold_start", self.run_id)


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, and where a model could not see what it is asked about.
    """
    refuse_blind(job)
    source = open_questions(job.input, job.output.folder)
    job = replace(job, input=source.input)
    return Plan(job, source, run_id(job, source))


def refuse_blind(job: Job) -> None:
    """Raise ``ConfigError`` where questions with pictures would go to a model that has no eyes."""
    for role, spec in job.models.items():
        if spec.served.is_embedded and SEEN_IMAGE in job.questions.seen:
            raise ConfigError(
                f"'{role}' is served by this machine and cannot see: --set questions.seen=[text, description], or name a vision-language "
                f"model, --set {role}.served.endpoint=http://HOST:8000/v1"
            )


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    passes = [folder[len(plan.folder()) :].strip("/") for folder in (plan.annotations, plan.solved)]
    models = {role: spec.name for role, spec in plan.job.models.items()}
    return {"run_id": plan.run_id, "pipeline": "cold_start", "passes": passes, "models": models, "code": code_version()}
