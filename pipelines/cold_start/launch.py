"""From a command line to a finished run: plan, model servers, graph, funnels."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.cold_start import graph
from pipelines.cold_start.job import Job
from pipelines.cold_start.plan import Plan, plan_run
from pipelines.cold_start.solve import ROLLOUTS
from pipelines.questions import models, outlook
from pipelines.questions.grade import GRADED
from pipelines.report.files import REPORT
from pipelines.spine import commit, config, flags, launch, progress, storage
from pipelines.spine.identity import digest
from pipelines.spine.served import OnEndpoint


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    models.refuse_out_of_reach(job.models, {"input.path": job.input.path, "output.folder": job.output.folder}, command)
    return run(plan_run(replace(job, **models.resolved(job.models))), command)


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    job = plan.job
    if command.dry_run:
        print(outlook.table(plan.at.run, plan.source, {"base": (job.base, job.grading.most), "solver": (job.solver, job.rollouts)}))
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
            launch.execute(lambda pipeline: graph.build(pipeline, plan, clients), f"cold-start-{digest(plan.at.lock)}", command)
    elif not job.output.keep_fragments:
        with storage.locked(plan.at.lock):
            commit.let_go(graph.commit_of(plan))
    print(summary(plan))
    return 0


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnels of questions and rollouts, what a sample cost, and where things are."""
    manifest, _ = launch.finished(plan.at.run)
    lines = outlook.funnels(plan.at.run, {GRADED: "rollouts of the base model", ROLLOUTS: "rollouts"})
    return "\n".join(
        [
            *lines,
            *outlook.cost(manifest),
            f"samples    {storage.join(plan.at.run, 'sft')}",
            f"report     {storage.join(plan.at.run, REPORT)}",
        ]
    )
