"""From a command line to a finished run: plan, model servers, graph, funnels."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.cold_start import graph
from pipelines.cold_start.job import Job
from pipelines.cold_start.plan import Plan, plan_run
from pipelines.pairs.source import first_splits
from pipelines.questions import models, outlook
from pipelines.spine import commit, config, flags, fragments, funnel, launch, progress, storage
from pipelines.spine.identity import digest
from schemas.questions import SEEN_IMAGE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    every = {**job.models, **({"judge": job.judge} if job.judge else {})}
    models.refuse_embedded_afar(every, command)
    outlook.refuse_out_of_reach({"input.path": job.input.path, "output.folder": job.output.folder}, every, command)
    named = models.resolved(job.models)
    judge = job.judge and models.resolved_judge(job.judge)
    return run(plan_run(replace(job, base=named.get("base"), solver=named["solver"], judge=judge)), command)


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    if command.dry_run:
        rollouts = {"base": plan.job.grading.most, "solver": plan.job.rollouts}
        print(outlook.table(plan.run, plan.source, plan.job.models, rollouts))
        return 0
    if commit.read_manifest(plan.run) is None:
        with (
            storage.locked(plan.lock),
            models.serving(
                models.ServedModels(plan.job.models, judge=plan.job.judge), image=SEEN_IMAGE in plan.job.questions.seen
            ) as served,
            progress.shown(_watched(plan) if command.is_local else None),
        ):
            backends, judge = served.backends(plan.answers, command.workers), served.judge_backend(plan.answers, command.workers)
            launch.execute(lambda pipeline: graph.build(pipeline, plan, backends, judge), f"cold-start-{digest(plan.lock)}", command)
    elif not plan.job.output.keep_fragments:
        with storage.locked(plan.lock):
            commit.let_go(graph.commit_of(plan))
    print(summary(plan))
    return 0


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnels of questions and rollouts, what a sample cost, and where things are."""
    manifest, told = launch.finished(plan.run)
    lines = ["", "questions", funnel.table(told)]
    for name in ("graded", "rollouts"):
        path = storage.join(plan.run, commit.nested_funnel(name))
        if storage.exists(path):
            lines += ["", name, funnel.table(funnel.loads(storage.read(path)))]
    return "\n".join([*lines, "", *outlook.cost(manifest), f"samples    {storage.join(plan.run, 'sft')}"])


def _watched(plan: Plan) -> Callable[[], progress.Done | None]:
    """Return a look at how many splits are read, and then done."""
    keys = {split.key for split in first_splits(plan.source)}

    def look() -> progress.Done | None:
        done = keys & {fragments.key_of(path) for path in storage.list_files(plan.annotations)}
        if len(done) < len(keys):
            return progress.Done("splits of questions read", len(done), len(keys))
        return outlook.answered(plan.answers, plan.job.models, {split.split_id for split in first_splits(plan.source)})

    return look
