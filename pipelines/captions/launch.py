"""From a command line to curated samples: plan, graph, funnel, and what another threshold changed."""

import json
from collections.abc import Callable, Sequence

from pipelines.captions import balance, difference, graph
from pipelines.captions.job import Job
from pipelines.captions.plan import Plan, plan_run
from pipelines.pairs.source import first_splits
from pipelines.report.files import REPORT
from pipelines.spine import commit, config, dataflow, flags, fragments, funnel, launch, progress, storage
from pipelines.spine.identity import digest


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    dataflow.refuse_unreachable(command.options, dataflow.Reach({"input.path": job.input.path, "output.folder": job.output.folder}, {}))
    if not command.dry_run:
        dataflow.make_ready(command.options, {}, job.gpu)
    plan = plan_run(job)
    if command.dry_run:
        print(outlook(plan))
        return 0
    before = difference.latest(plan.at.runs, plan.source.digest, plan.at.run)
    if commit.read_manifest(plan.at.run) is None:
        with storage.locked(plan.at.lock), progress.shown(_watched(plan) if command.is_local else None):
            commit.begin(graph.commit_of(plan))
            launch.execute(lambda pipeline: graph.build(pipeline, plan), f"captions-{digest(plan.at.lock)}", command)
    print(summary(plan, before))
    return 0


def outlook(plan: Plan) -> str:
    """Return what a run would read and do anew, the answer to --dry_run. Nothing is written but the plan."""
    splits = first_splits(plan.source)
    lines = [
        f"run          {plan.at.run}",
        f"input        {len(plan.source.shards):,} shards, {len(splits):,} splits, {sum(split.taken for split in splits):,} samples, "
        f"{sum(split.bytes for split in splits) / 2**20:,.1f} MiB",
    ]
    for name, folder in (("annotate", plan.annotations), ("embed", plan.scored)):
        if folder:
            done = {fragments.key_of(path) for path in storage.list_files(folder)}
            lines.append(f"{name:<12} {sum(split.key not in done for split in splits):,} splits to do, in {folder}")
    return "\n".join(lines)


def summary(plan: Plan, before: str | None) -> str:
    """Return what a finished run came to: the funnel, the concepts, what differs from the run ``before``, and where things are."""
    manifest, told = launch.finished(plan.at.run)
    lines = ["", funnel.table(told), ""]
    if plan.job.balance:
        lines += [_coverage(plan.at.run), ""]
    if before:
        lines += [difference.table(before, plan.at.run), ""]
    kept = f"kept {manifest['exits']['kept']:,} samples"
    return "\n".join(
        [*lines, kept, f"samples    {storage.join(plan.at.run, 'samples')}", f"report     {storage.join(plan.at.run, REPORT)}"]
    )


def _coverage(run: str) -> str:
    """Return what concept balance did to head and tail."""
    found = json.loads(storage.read(storage.join(run, balance.COVERAGE)))
    return (
        f"concepts: {found['matched_before']:,} of {found['entries']:,} matched; t = {found['t']:,}\n"
        f"  head: {found['head_entries']:,} concepts, {found['head_share_before']:.1%} of all matches before, "
        f"{found['head_share_after']:.1%} after\n"
        f"  tail: {found['tail_entries']:,} concepts, of which {found['tail_entries_kept']:,} are still there, "
        f"with {found['tail_matches_kept']:.1%} of their matches"
    )


def _watched(plan: Plan) -> Callable[[], progress.Done | None]:
    """Return a look at how many splits are annotated, and then scored."""
    keys = {split.key for split in first_splits(plan.source)}

    def look() -> progress.Done | None:
        for what, folder in (("splits annotated", plan.annotations), ("splits scored", plan.scored)):
            done = keys & {fragments.key_of(path) for path in storage.list_files(folder)} if folder else keys
            if len(done) < len(keys):
                return progress.Done(what, len(done), len(keys))
        return None

    return look
