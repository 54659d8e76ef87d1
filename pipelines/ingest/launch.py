"""Download the images of URL lists into shards: ``python -m pipelines.ingest --input 'laion/*.parquet' --output runs``."""

from collections.abc import Callable, Sequence
from typing import Any

from pipelines.ingest import graph
from pipelines.ingest.job import Job
from pipelines.ingest.plan import Plan, first_stretches, plan_run, splits_of
from pipelines.report.files import REPORT
from pipelines.spine import commit, config, dataflow, flags, fragments, funnel, launch, progress, storage
from pipelines.spine.identity import digest

MEAN_BYTES = 200_000
"""Bytes of an image of the web, for the estimate of --dry_run (ours: a rule of thumb)."""
MEAN_SECONDS = 1.0
"""Seconds that a request takes, dead hosts and retries among them, for the estimate of --dry_run (ours: a rule of thumb)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, _with_limits(command.settings))
    files = {"input.path": job.input.path, "output.folder": job.output.folder, "download.ca_file": job.download.ca_file}
    dataflow.refuse_unreachable(command.options, dataflow.Reach(files, {}))
    if not command.dry_run:
        dataflow.make_ready(command.options, {"download.max_in_flight": job.download.max_in_flight})
    return run(plan_run(job), command)


def _with_limits(settings: dict[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with the limits of this job where they name others alone: a section that is given has its own defaults."""
    limits = settings.get("limits")
    return settings if not isinstance(limits, dict) else {**settings, "limits": {**config.to_plain(Job().limits), **limits}}


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    if command.dry_run:
        print(estimate(plan))
        return 0
    if commit.read_manifest(plan.at.run) is None:
        with storage.locked(plan.at.lock), progress.shown(_watched(plan) if command.is_local else None):
            name = f"ingest-{digest(plan.at.lock)}"
            commit.begin(graph.commit_of(plan))
            launch.execute(lambda pipeline: graph.build(pipeline, plan, command.workers), name, command)
    print(summary(plan))
    return 0


def estimate(plan: Plan) -> str:
    """Return what a run would ask for and how long that may take; nobody is asked."""
    splits = splits_of(first_stretches(plan))
    rows, asked = sum(split.taken for split in splits), plan.job.download
    done = _committed(plan, {split.key for split in splits})
    hours = rows * MEAN_SECONDS / asked.max_in_flight / 3600
    return "\n".join(
        [
            f"run        {plan.at.run}",
            f"downloads  {plan.downloads}",
            f"input      {len(plan.shards):,} lists, {rows:,} rows, {len(splits):,} splits ({done:,} are downloaded already)",
            f"images     about {rows * MEAN_BYTES / 2**30:,.1f} GiB at {MEAN_BYTES // 1000} KB each, if every address is alive",
            f"memory     {plan.job.input.split_urls * asked.max_mb:,} MiB of images in a split at most",
            f"time       about {hours:,.1f} h with {asked.max_in_flight} requests at once, at {MEAN_SECONDS:g} s each",
        ]
    )


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnel, and where things are."""
    _, told = launch.finished(plan.at.run)
    places = [f"{name:<9} {storage.join(plan.at.run, name)}" for name in ("samples", "ledger", "dead", REPORT)]
    return "\n".join(["", funnel.table(told), "", *places])


def _committed(plan: Plan, keys: set[str]) -> int:
    return len({fragments.key_of(path) for path in storage.list_files(plan.downloads)} & keys)


def _watched(plan: Plan) -> Callable[[], progress.Done]:
    """Return a look at how many splits are downloaded."""
    keys = {split.key for split in splits_of(first_stretches(plan))}
    return lambda: progress.Done("splits downloaded", _committed(plan, keys), len(keys))
