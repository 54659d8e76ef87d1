"""What is decided before the graph is built: the input, the folders of the passes, the name of the run."""

from dataclasses import dataclass, replace
from typing import Any

from filters.vocabulary import VocabularySpec
from pipelines.captions.job import Job, run_id, take_digest
from pipelines.pairs.rules import annotate_digest, decisions, embed_digest, refuse_blind_looks
from pipelines.pairs.source import Source, open_source
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
        return Places(self.job.output.folder, "captions", self.source.digest, self.run_id)

    @property
    def annotations(self) -> str:
        """Folder of the annotate pass's fragments."""
        return self.at.folder("annotate", annotate_digest(self.job))

    @property
    def scored(self) -> str | None:
        """Folder of the embed pass's fragments, null where the job has no embedder."""
        return self.at.folder("embed", embed_digest(self.job)) if self.job.embedder else None

    @property
    def taken(self) -> str:
        """Folder of the last pass's fragments."""
        return self.at.folder("captions-pass", take_digest(self.job))


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, when its Parquet lacks the columns, and where a
    model has no threshold; ``EnvironmentFault`` where concepts are to be balanced and there is no vocabulary.
    """
    if job.multilingual and not job.embedder:
        raise ConfigError("'multilingual' scores what 'embedder' does not read: set embedder too, or that one alone with languages: []")
    try:
        _ = decisions(job)
    except ValueError as error:
        raise ConfigError(f"'clip': {error}") from error
    refuse_blind_looks(job)
    source = open_source(job.input, job.output.folder)
    vocabulary = (job.vocabulary or VocabularySpec()) if job.balance else None
    job = replace(job, input=replace(job.input, path=source.input.path), vocabulary=vocabulary)
    return Plan(job, source, run_id(job, source))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    return plan.at.described((plan.annotations, plan.scored, plan.taken), source=plan.source.digest)
