"""The served models of a run by the section of the job that they stand in: named, checked, and served here where they are embedded."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from pipelines.spine import dataflow, flags
from pipelines.spine.config import ConfigError
from schemas.questions import SEEN_IMAGE
from schemas.weights import path_of
from synth.fill_in import RewriterSpec
from synth.judge import JudgeSpec
from synth.models.embedded import serve
from synth.reasoner import ReasonerSpec

ModelSpec = ReasonerSpec | RewriterSpec | JudgeSpec
Models = Mapping[str, ModelSpec]
CONTEXT = 4096
"""Tokens of an embedded model, prompt and answer together (ours: the demo's thoughts are short, and each token takes memory)."""


def resolved(specs: Models) -> dict[str, Any]:
    """Return the models, each with its role and the name that its endpoint lists; raises ``ConfigError`` for a prompt that is none."""
    return {role: _resolved(role, spec) for role, spec in specs.items()}


def _resolved(role: str, spec: ModelSpec) -> ModelSpec:
    try:
        return replace(spec, role=role).resolved()
    except ValueError as error:
        raise ConfigError(f"{role!r}: {error}") from error


def refuse_out_of_reach(specs: Models, files: Mapping[str, str], command: flags.Command) -> None:
    """Raise ``ConfigError`` when workers elsewhere could not do the job; a dry run needs no flags of a launch.

    ``files`` are the paths of the job, by their keys in it.
    """
    for role, spec in specs.items():
        if spec.served.is_embedded and not command.is_local:
            raise ConfigError(
                f"'{role}.served.endpoint' is 'embedded', which serves local runners only: --set {role}.served.endpoint=http://HOST:8000/v1"
            )
    endpoints = {f"{role}.served.endpoint": spec.served.endpoint for role, spec in specs.items()}
    keys = {f"{role}.served.api_key_env": spec.served.api_key_env for role, spec in specs.items()}
    dataflow.refuse_unreachable(command.options, dataflow.Reach(files, endpoints, keys))
    if not command.dry_run:
        dataflow.make_ready(command.options, {f"{role}.served.max_in_flight": s.served.max_in_flight for role, s in specs.items()}, "")


def refuse_blind(specs: Models, seen: tuple[str, ...]) -> None:
    """Raise ``ConfigError`` where questions with pictures, if ``seen`` takes any, would go to a reasoner that has no eyes."""
    for role, spec in specs.items():
        if isinstance(spec, ReasonerSpec) and spec.served.is_embedded and SEEN_IMAGE in seen:
            raise ConfigError(
                f"'{role}' is served by this machine and cannot see: --set questions.seen=[text, description], or name a vision-language "
                f"model, --set {role}.served.endpoint=http://HOST:8000/v1"
            )


@contextmanager
def serving(specs: Models, seen: tuple[str, ...]) -> Generator[dict[str, ModelSpec]]:
    """Yield the models with endpoints that answer; embedded weights are served once, whatever the number of roles that use them.

    Raises ``EnvironmentFault`` where one does not answer within 10 seconds, or its tags do not arrive.
    """
    with ExitStack() as stack:
        embedded = sorted({spec.served.weights for spec in specs.values() if spec.served.is_embedded})
        addresses = {weights: stack.enter_context(serve(path_of(weights), context=CONTEXT)) for weights in embedded}
        found = {role: _at(spec, addresses) for role, spec in specs.items()}
        for spec in found.values():
            spec.check(image=SEEN_IMAGE in seen)
        yield found


def _at(spec: ModelSpec, addresses: Mapping[str, str]) -> ModelSpec:
    served = spec.served
    return replace(spec, served=served.at(addresses[served.weights])) if served.is_embedded else spec
