"""What is decided before the graph is built: the shards, the folders of the passes, the name of the run."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipelines.readers.parquet import refuse_columns
from pipelines.readers.splits import FOLDER, PARQUET, Shard, Split, cut, limited, list_shards
from pipelines.recaption.job import Job, annotate_digest, caption_steps, decisions, embed_digest, recaption_digest, run_id
from pipelines.spine import storage
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import code_version, digest
from schemas.exits import EnvironmentFault


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    shards: tuple[Shard, ...]
    run_id: str
    cut: str = ""
    """Digest of the splits that the run is named by, where the launcher has cut them: those of a folder."""

    def folder(self, *names: str) -> str:
        """Return a path below the output folder."""
        return storage.join(self.job.output.folder, *names)

    @property
    def annotations(self) -> str:
        """Folder of the annotate pass's fragments."""
        return self.folder("annotate", annotate_digest(self.job))

    @property
    def scored(self) -> str | None:
        """Folder of the embed pass's fragments, null where the job has no embedder."""
        return self.folder("embed", embed_digest(self.job)) if self.job.embedder else None

    @property
    def captioned(self) -> str:
        """Folder of the captioning pass's fragments."""
        return self.folder("recaption-pass", recaption_digest(self.job))

    @property
    def answers(self) -> str:
        """Folder of the model's answers, shared by all runs below the output folder."""
        return self.folder("answers")

    @property
    def lock(self) -> str:
        """File that one run over this input with this captioner holds: two at once would pay for the same answers."""
        contents = [asdict(shard) for shard in self.shards]
        return self.folder("locks", digest(contents, annotate_digest(self.job), self.job.captioner.digest))

    @property
    def run(self) -> str:
        """Folder of the finished run."""
        return self.folder("recaption", self.run_id)


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, and when its Parquet lacks the columns.
    """
    if not job.input.path:
        raise ConfigError("missing key 'input.path': give --input FOLDER (images, tars, Parquet, or a glob of either)")
    if not storage.is_local(job.output.folder) and any(char in job.output.folder for char in "*?["):
        raise ConfigError(f"'output.folder': {job.output.folder} holds one of *?[, which a store takes for a pattern; rename it")
    try:
        _ = job.captioner.template
    except ValueError as error:
        raise ConfigError(f"'captioner.prompt': {error}") from error
    try:
        _ = caption_steps(job), decisions(job)
    except ValueError as error:
        raise ConfigError(f"'relevance': {error}") from error
    job = replace(job, input=replace(job.input, path=storage.absolute(job.input.path)))
    try:
        shards = tuple(list_shards(job.input.path))
    except ValueError as error:
        raise ConfigError(f"'input.path': {error}") from error
    _refuse_columns(shards, job)
    return _named(Plan(job, shards, ""))


def _refuse_columns(shards: Sequence[Shard], job: Job) -> None:
    try:
        refuse_columns((shard.path for shard in shards if shard.kind == PARQUET), job.input.columns)
    except EnvironmentFault as error:
        raise ConfigError(f"'input.columns': {error}") from error


def _named(plan: Plan) -> Plan:
    """Name the run by the contents of its input: size and etag of each file; a folder has none, its files have."""
    if all(shard.kind != FOLDER for shard in plan.shards):
        return replace(plan, run_id=run_id(plan.job, [asdict(shard) for shard in plan.shards]))
    cut = digest(sorted(split.split_id for split in first_splits(plan)))
    return replace(plan, run_id=run_id(plan.job, cut), cut=cut)


def splits_of(shard: Shard, plan: Plan) -> Iterable[Split]:
    """Cut one shard; runs in workers. Raises ``EnvironmentFault`` where a folder is no longer what the run was named by."""
    asked = plan.job.input
    splits = cut(shard, asked.split_samples, asked.split_mb * 2**20, plan.folder("plan"), asked.columns)
    if not plan.cut:
        return splits
    known = list(splits)
    if digest(sorted(split.split_id for split in known)) != plan.cut:
        raise EnvironmentFault(f"{shard.path} changed after the run was named by its contents; run the same command again")
    return known


def first_splits(plan: Plan) -> list[Split]:
    """Cut only as much as ``input.limit`` asks for, here and not in workers."""
    splits = (split for shard in plan.shards for split in splits_of(shard, plan))
    return list(splits if plan.job.input.limit is None else limited(splits, plan.job.input.limit))


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    passes = [folder[len(plan.folder()) :].strip("/") for folder in (plan.annotations, plan.scored, plan.captioned) if folder]
    return {"run_id": plan.run_id, "pipeline": "recaption", "passes": passes, "code": code_version()}
