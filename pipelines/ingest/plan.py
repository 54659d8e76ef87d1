"""What is decided before the graph is built: the lists, the folder of the pass, the name of the run."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipelines.ingest import lists
from pipelines.ingest.download import trusted
from pipelines.ingest.job import Job, ingest_digest, run_id
from pipelines.ingest.lists import ListSplit, Stretch
from pipelines.readers.splits import Shard
from pipelines.spine import storage
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import digest
from pipelines.spine.places import Places
from schemas.exits import EnvironmentFault


@dataclass(frozen=True)
class Plan:
    """One run of the job, before it starts."""

    job: Job
    shards: tuple[Shard, ...]
    run_id: str

    @property
    def at(self) -> Places:
        """Return where the run keeps what it makes."""
        return Places(self.job.output.folder, "ingest", digest("ingest", [asdict(shard) for shard in self.shards]), self.run_id)

    @property
    def downloads(self) -> str:
        """Folder of the fragments."""
        return self.at.folder("download", ingest_digest(self.job))


def plan_run(job: Job) -> Plan:
    """List the input of ``job`` and name its run.

    Raises ``ConfigError`` without an input path, when nothing is found there, when a list lacks the columns, and where ``ca_file`` is none.
    """
    if not job.input.path:
        raise ConfigError("missing key 'input.path': give --input LISTS (.parquet, .csv or .tsv with a column of addresses, or a glob)")
    if not storage.is_local(job.output.folder) and any(char in job.output.folder for char in "*?["):
        raise ConfigError(f"'output.folder': {job.output.folder} holds one of *?[, which a store takes for a pattern; rename it")
    job = replace(job, input=replace(job.input, path=storage.absolute(job.input.path)))
    if job.download.ca_file:
        job = replace(job, download=replace(job.download, ca_file=storage.absolute(job.download.ca_file)))
    try:
        trusted(job.download)
    except EnvironmentFault as error:
        raise ConfigError(f"'download.ca_file': {error}") from error
    try:
        shards = tuple(lists.list_lists(job.input.path))
    except ValueError as error:
        raise ConfigError(f"'input.path': {error}") from error
    try:
        lists.refuse_columns(shards[:1], job.input.columns)
    except EnvironmentFault as error:
        raise ConfigError(f"'input.columns': {error}") from error
    return Plan(job, shards, run_id(job, [asdict(shard) for shard in shards]))


def stretches_of(shard: Shard, plan: Plan) -> Iterable[Stretch]:
    """Cut one list; runs in workers."""
    return lists.cut(shard, plan.job.input.columns, plan.job.input.split_urls, plan.at.folder("plan"))


def first_stretches(plan: Plan) -> list[Stretch]:
    """Cut only as much as ``input.limit`` asks for, here and not in workers."""
    stretches = (stretch for shard in plan.shards for stretch in stretches_of(shard, plan))
    return list(stretches if plan.job.input.limit is None else lists.limited(stretches, plan.job.input.limit))


def splits_of(stretches: Iterable[Stretch]) -> list[ListSplit]:
    """Return the splits of ``stretches``."""
    return [split for stretch in stretches for split in stretch.splits]


def describe(plan: Plan) -> dict[str, Any]:
    """Return what the manifest says of the run besides its files."""
    return plan.at.described((plan.downloads,))
