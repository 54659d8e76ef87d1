"""From a command line to graded tasks: plan, model servers, graph, funnels, tiers."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.questions import models, outlook
from pipelines.questions.grade import GRADED
from pipelines.report.files import REPORT
from pipelines.rl_tasks import graph
from pipelines.rl_tasks.job import Job, grader
from pipelines.rl_tasks.plan import Plan, plan_run
from pipelines.spine import commit, config, flags, launch, progress, storage
from pipelines.spine.identity import digest
from pipelines.spine.served import OnEndpoint


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    files = {"input.path": job.input.path, "output.folder": job.output.folder, "benchmarks": job.benchmarks}
    models.refuse_out_of_reach(job.models, files, command)
    named = models.resolved(job.models)
    graders = {name: named[grader(name)] for name in job.graders}
    return run(plan_run(replace(job, graders=graders, rewriter=named.get("rewriter"), judge=named.get("judge"))), command)


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    job = plan.job
    if command.dry_run:
        print(outlook.table(plan.at.run, plan.source, {grader(name): (spec, job.grading.most) for name, spec in job.graders.items()}))
        return 0
    if commit.read_manifest(plan.at.run) is None:
        look = outlook.watched(plan.annotations, plan.at.answers, plan.source, [spec.digest for spec in job.models.values()])
        with (
            storage.locked(plan.at.lock),
            models.serving(job.models, job.questions.seen) as served,
            progress.shown(look if command.is_local else None),
        ):
            clients = {role: OnEndpoint(spec, plan.at.answers, command.workers) for role, spec in served.items()}
            commit.begin(graph.commit_of(plan))
            launch.execute(lambda pipeline: graph.build(pipeline, plan, clients), f"rl-tasks-{digest(plan.at.lock)}", command)
    elif not job.output.keep_fragments:
        with storage.locked(plan.at.lock):
            commit.let_go(graph.commit_of(plan))
    print(summary(plan))
    return 0


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnels of questions and rollouts, the tiers, what a task cost, and where things are."""
    manifest, _ = launch.finished(plan.at.run)
    lines = [*outlook.funnels(plan.at.run, {GRADED: "rollouts"}), *outlook.cost(manifest), *outlook.tiers(plan.at.run)]
    return "\n".join([*lines, f"tasks      {storage.join(plan.at.run, 'rl')}", f"report     {storage.join(plan.at.run, REPORT)}"])
