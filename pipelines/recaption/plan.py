"""What is decided before the graph is built: the input, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from pipelines.pairs.rules import annotate_digest, decisions, embed_digest, refuse_blind_looks
from pipelines.pairs.source import Source, open_source
from pipelines.recaption.job import Job, caption_steps, recaption_digest, run_id
from pipelines.spine.config import ConfigError
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
        return Places(self.job.output.folder, "recaption", self.source.digest, self.run_id)

    @property
    def annotations(self) -> str:
        """Folder of the annotate pass's fragments."""
        return self.at.folder("annotate", annotate_digest(self.job))

    @property
    def scored(self) -> str | None:
        """Folder of the embed pass's fragments, null where the job has no embedder."""
        return self.at.folder("embed", embed_digest(self.job)) if self.job.embedder else None

    @property
    def captioned(self) -> str:
        """Folder of the captioning pass's fragments."""
        return self.at.folder("recaption-pass", recaption_digest(self.job))


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, and when its Parquet lacks the columns.
    """
    try:
        _ = job.captioner.template
    except ValueError as error:
        raise ConfigError(f"'captioner.prompt': {error}") from error
    try:
        _ = caption_steps(job), decisions(job)
    except ValueError as error:
        raise ConfigError(f"'clip': {error}") from error
    refuse_blind_looks(job)
    source = open_source(job.input, job.output.folder)
    job = replace(job, input=replace(job.input, path=source.input.path))
    return Plan(job, source, run_id(job, source))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    return plan.at.described((plan.annotations, plan.scored, plan.captioned))
