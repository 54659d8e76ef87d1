"""What is decided before the graph is built: the input, the benchmarks, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.pairs.source import Source
from pipelines.questions.source import open_questions
from pipelines.rl_tasks.benchmarks import BenchmarkSpec, listed
from pipelines.rl_tasks.job import Job, annotate_digest, grade_digest, run_id
from pipelines.spine import storage
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import code_version
from schemas.questions import SEEN_IMAGE


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    source: Source
    benchmarks: BenchmarkSpec
    run_id: str

    def folder(self, *names: str) -> str:
        """Return a path below the output folder."""
        return storage.join(self.job.output.folder, *names)

    @property
    def annotations(self) -> str:
        """Folder of the fragments of the questions."""
        return self.folder("questions", annotate_digest(self.job))

    @property
    def graded(self) -> str:
        """Folder of the fragments of the last pass."""
        return self.folder("rl-tasks-pass", grade_digest(self.job, self.benchmarks))

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
        return self.folder("rl_tasks", self.run_id)


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and its benchmarks, and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, without a model to grade by, and where one could not see
    what it is asked about.
    """
    if not job.graders:
        raise ConfigError(
            "'graders' names no model: how hard a question is, models tell; --set graders.NAME.served.endpoint=http://HOST:8000/v1"
        )
    blind = [name for name, spec in job.graders.items() if spec.served.is_embedded]
    if blind and SEEN_IMAGE in job.questions.seen:
        raise ConfigError(
            f"'graders.{blind[0]}' is served by this machine and cannot see: --set questions.seen=[text, description], or name a "
            f"vision-language model, --set graders.{blind[0]}.served.endpoint=http://HOST:8000/v1"
        )
    source = open_questions(job.input, job.output.folder)
    benchmarks = listed(job.benchmarks, job.decode, job.embedder, job.contamination.run, job.output.folder)
    job = replace(job, input=source.input)
    return Plan(job, source, benchmarks, run_id(job, source, benchmarks))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    passes = [folder[len(plan.folder()) :].strip("/") for folder in (plan.annotations, plan.graded)]
    models = {name: spec.name for name, spec in plan.job.graders.items()}
    return {"run_id": plan.run_id, "pipeline": "rl_tasks", "passes": passes, "models": models, "code": code_version()}
