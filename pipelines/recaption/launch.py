"""From a command line to a finished run: plan, model server, graph, funnel."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pipelines.pairs.report import adds
from pipelines.pairs.source import first_splits
from pipelines.recaption import estimate, graph
from pipelines.recaption.caption import CaptionerBackend
from pipelines.recaption.job import Job
from pipelines.recaption.plan import Plan, plan_run
from pipelines.report.files import REPORT
from pipelines.spine import commit, config, dataflow, flags, fragments, funnel, launch, progress, storage
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import digest
from pipelines.spine.served import OnEndpoint
from schemas.weights import path_of
from synth.captioner import EMBEDDED, CaptionerSpec
from synth.models.embedded import serve


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that ``argv`` asks for; returns the exit status, 2 for a config that is refused and 1 for a run that stopped."""
    return launch.run_command(argv, __doc__ or "", _carry_out)


def _carry_out(command: flags.Command) -> int:
    job = config.build(Job, command.settings)
    refuse_embedded_afar(job, command)
    refuse_out_of_reach(job, command)
    return run(plan_run(replace(job, captioner=_resolved(job.captioner))), command)


def _resolved(captioner: CaptionerSpec) -> CaptionerSpec:
    try:
        return captioner.resolved()
    except ValueError as error:
        raise ConfigError(f"'captioner': {error}") from error


def run(plan: Plan, command: flags.Command) -> int:
    """Carry out ``plan``: a finished run is shown again, a dry run is estimated, anything else is run and then shown."""
    if command.dry_run:
        print(estimate.table(estimate.estimate(plan), plan))
        return 0
    if commit.read_manifest(plan.at.run) is None:
        with (
            storage.locked(plan.at.lock),
            serving(plan.job.captioner) as captioner,
            progress.shown(_watched(plan) if command.is_local else None),  # cuts the input: a dead server is told of first
        ):
            execute(plan, OnEndpoint(captioner, plan.at.answers, command.workers), command)
    elif not plan.job.output.keep_fragments:
        with storage.locked(plan.at.lock):
            commit.let_go(graph.commit_of(plan))
    print(summary(plan))
    return 0


def execute(plan: Plan, backend: CaptionerBackend, command: flags.Command) -> None:
    """Build the graph and run it to its end; raises ``EnvironmentFault`` where a worker met one."""
    commit.begin(graph.commit_of(plan))
    launch.execute(lambda pipeline: graph.build(pipeline, plan, backend), f"recaption-{digest(plan.at.lock)}", command)


def refuse_embedded_afar(job: Job, command: flags.Command) -> None:
    """Raise ``ConfigError`` when workers elsewhere would need the model that only this machine serves."""
    if job.captioner.endpoint == EMBEDDED and not command.is_local:
        raise ConfigError(
            "'captioner.endpoint' is 'embedded', which serves local runners only: --set captioner.endpoint=http://HOST:8000/v1"
        )


def refuse_out_of_reach(job: Job, command: flags.Command) -> None:
    """Raise ``ConfigError`` when workers on Dataflow could not do the job; a dry run needs no flags of a launch."""
    captioner = job.captioner
    files = {"input.path": job.input.path, "output.folder": job.output.folder}
    keys = {"captioner.api_key_env": captioner.api_key_env}
    dataflow.refuse_unreachable(command.options, dataflow.Reach(files, {"captioner.endpoint": captioner.endpoint}, keys))
    if not command.dry_run:
        dataflow.make_ready(command.options, {"captioner.max_in_flight": captioner.max_in_flight}, job.gpu)


@contextmanager
def serving(spec: CaptionerSpec) -> Generator[CaptionerSpec]:
    """Yield ``spec`` with an endpoint that answers, starting the embedded server where the job asks for it.

    Raises ``EnvironmentFault`` within 10 seconds when the endpoint is dead.
    """
    if spec.endpoint != EMBEDDED:
        spec.check()
        yield spec
        return
    with serve(path_of(spec.weights), cache=True) as endpoint:  # answers are stored: speed counts for more than the order here
        yield spec.served_at(endpoint)


def summary(plan: Plan) -> str:
    """Return what a finished run came to: the funnel, the cost of a kept sample, what captions add, and where things are."""
    manifest, told = launch.finished(plan.at.run)
    return "\n".join(["", funnel.table(told), "", *cost(manifest), adds(manifest["captions"]), "", *places(plan)])


def cost(manifest: dict[str, Any]) -> list[str]:
    """Return tokens and seconds of model time for each kept sample."""
    kept, spent = manifest["exits"]["kept"], manifest["spent"]
    names = {"prompt_tokens": "prompt tokens", "completion_tokens": "completion tokens", "answer_seconds": "seconds of model time"}
    each = [f"{spent.get(name, 0) / kept:,.1f} {label}" for name, label in names.items()] if kept else ["nothing was kept"]
    return [f"kept {kept:,} samples; for each: {', '.join(each)}"]


def places(plan: Plan) -> list[str]:
    """Return the paths that a user opens next."""
    lines = [f"samples    {storage.join(plan.at.run, 'samples')}"]
    if "described" in graph.commit_of(plan).layout.tables:
        lines.append(
            f"described  {storage.join(plan.at.run, 'described')}: captions written from a description, without the pixels; "
            "--set output.described_as_samples=true puts them among the samples"
        )
    return [*lines, f"report     {storage.join(plan.at.run, REPORT)}"]


def _watched(plan: Plan) -> Callable[[], progress.Done | None]:
    """Return a look at how far the captioner is or, before it has anything to do, how many splits are annotated."""
    splits = {split.split_id: split.key for split in first_splits(plan.source)}
    model = storage.join(plan.at.answers, plan.job.captioner.digest)
    read = progress.remembering(model)

    def look() -> progress.Done | None:
        answered, requests = progress.answered(model, set(splits), read)
        if requests:
            return progress.Done("captions", answered, requests)
        keys = {fragments.key_of(path) for path in storage.list_files(plan.annotations)}
        return progress.Done("splits annotated", len(keys & set(splits.values())), len(splits))

    return look
