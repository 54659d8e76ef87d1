"""From a command line to graded tasks: plan, model servers, graph, funnels, tiers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.pairs.source import first_splits
from pipelines.questions import models, outlook
from pipelines.rl_tasks import graph
from pipelines.rl_tasks.job import Job
from pipelines.rl_tasks.plan import Plan, plan_run
from pipelines.spine import commit, config, flags, fragments, funnel, launch, progress, storage
from pipelines.spine.identity import digest
from schemas.questions import SEEN_IMAGE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    apart = {"rewriter": job.rewriter, "judge": job.judge}
    every = {**_graders(job), **{role: spec for role, spec in apart.items() if spec}}
    files = {"input.path": job.input.path, "output.folder": job.output.folder, "benchmarks": job.benchmarks}
    models.refuse_embedded_afar(every, command)
    outlook.refuse_out_of_reach(files, every, command)
    named = models.resolved(_graders(job))
    graders = {name: named[_section(name)] for name in job.graders}
    rewriter = job.rewriter and models.resolved_rewriter(job.rewriter)
    judge = job.judge and models.resolved_judge(job.judge)
    return run(plan_run(replace(job, graders=graders, rewriter=rewriter, judge=judge)), command)


def _section(name: str) -> str:
    return f"graders.{name}"


def _graders(job: Job) -> dict[str, models.ReasonerSpec]:
    return {_section(name): spec for name, spec in job.graders.items()}


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    job = plan.job
    if command.dry_run:
        print(outlook.table(plan.run, plan.source, job.graders, dict.fromkeys(job.graders, job.grading.most)))
        return 0
    if commit.read_manifest(plan.run) is None:
        asked, image = models.ServedModels(job.graders, job.rewriter, job.judge), SEEN_IMAGE in job.questions.seen
        with (
            storage.locked(plan.lock),
            models.serving(asked, image=image) as served,
            progress.shown(_watched(plan) if command.is_local else None),
        ):
            at = (plan.answers, command.workers)
            made = graph.Models(served.backends(*at), served.rewriter_backend(*at), served.judge_backend(*at))
            launch.execute(lambda pipeline: graph.build(pipeline, plan, made), f"rl-tasks-{digest(plan.lock)}", command)
    elif not job.output.keep_fragments:
        with storage.locked(plan.lock):
            commit.let_go(graph.commit_of(plan))
    print(summary(plan))
    return 0


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnels of questions and rollouts, the tiers, what a task cost, and where things are."""
    manifest, told = launch.finished(plan.run)
    graded = funnel.loads(storage.read(storage.join(plan.run, commit.nested_funnel("graded"))))
    lines = ["", "questions", funnel.table(told), "", "rollouts", funnel.table(graded), "", *outlook.cost(manifest)]
    return "\n".join([*lines, *outlook.tiers(plan.run), f"tasks      {storage.join(plan.run, 'rl')}"])


def _watched(plan: Plan) -> Callable[[], progress.Done | None]:
    """Return a look at how many splits are read, and then how many rollouts are there."""
    splits = first_splits(plan.source)
    keys = {split.key for split in splits}

    def look() -> progress.Done | None:
        done = keys & {fragments.key_of(path) for path in storage.list_files(plan.annotations)}
        if len(done) < len(keys):
            return progress.Done("splits of questions read", len(done), len(keys))
        return outlook.answered(plan.answers, plan.job.graders, {split.split_id for split in splits})

    return look
