"""The served models of a run: named by their endpoints before it starts, checked, served here where they are embedded, made in workers."""

from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from pipelines.spine import flags
from pipelines.spine.answers import ObjectStorage
from pipelines.spine.config import ConfigError
from schemas.weights import path_of
from synth.answers import AnswerStore
from synth.captioner import EMBEDDED
from synth.endpoint import Served
from synth.fill_in import RewriterSpec, ServedRewriter
from synth.judge import JudgeSpec, ServedJudge
from synth.models.embedded import serve
from synth.reasoner import ReasonerSpec, ServedReasoner


@dataclass(frozen=True)
class ReasonerOnEndpoint:
    """A ``ReasonerBackend``: makes, in a worker, the client of a reasoner, with the answers of earlier attempts."""

    spec: ReasonerSpec
    answers: str
    workers: int

    @property
    def name(self) -> str:
        """Model and revision."""
        return self.spec.name

    def load(self) -> ServedReasoner:
        """Return the reasoner."""
        return self.spec.load(AnswerStore(self.answers, self.spec.digest, ObjectStorage()), self.workers)


@dataclass(frozen=True)
class RewriterOnEndpoint:
    """A ``RewriterBackend``, likewise."""

    spec: RewriterSpec
    answers: str
    workers: int

    @property
    def name(self) -> str:
        """Model and revision."""
        return self.spec.name

    def load(self) -> ServedRewriter:
        """Return the rewriter."""
        return self.spec.load(AnswerStore(self.answers, self.spec.digest, ObjectStorage()), self.workers)


@dataclass(frozen=True)
class JudgeOnEndpoint:
    """A ``JudgeBackend``, likewise."""

    spec: JudgeSpec
    answers: str
    workers: int

    def load(self) -> ServedJudge:
        """Return the judge."""
        return self.spec.load(AnswerStore(self.answers, self.spec.digest, ObjectStorage()), self.workers)


@dataclass(frozen=True)
class ServedModels:
    """The models of a run at endpoints that answer."""

    reasoners: Mapping[str, ReasonerSpec]
    rewriter: RewriterSpec | None = None
    judge: JudgeSpec | None = None

    def backends(self, answers: str, workers: int) -> dict[str, ReasonerOnEndpoint]:
        """Return what makes each reasoner inside one of so many workers."""
        return {role: ReasonerOnEndpoint(spec, answers, workers) for role, spec in self.reasoners.items()}

    def rewriter_backend(self, answers: str, workers: int) -> RewriterOnEndpoint | None:
        """Return what makes the rewriter, null where the job has none."""
        return self.rewriter and RewriterOnEndpoint(self.rewriter, answers, workers)

    def judge_backend(self, answers: str, workers: int) -> JudgeOnEndpoint | None:
        """Return what makes the judge, null where the job has none."""
        return self.judge and JudgeOnEndpoint(self.judge, answers, workers)


def resolved(specs: Mapping[str, ReasonerSpec]) -> dict[str, ReasonerSpec]:
    """Return the models of the job by section, each with its role and the name that its endpoint lists; raises ``ConfigError``."""
    return {role: _resolved(role, spec) for role, spec in specs.items()}


def _resolved(role: str, spec: ReasonerSpec) -> ReasonerSpec:
    try:
        named = replace(spec, role=role).resolved()
        _ = named.instructions
    except ValueError as error:
        raise ConfigError(f"{role!r}: {error}") from error
    return named


def resolved_rewriter(spec: RewriterSpec) -> RewriterSpec:
    """Return the rewriter with the name that its endpoint lists; raises ``ConfigError`` for a prompt that is none."""
    try:
        _ = spec.template
    except ValueError as error:
        raise ConfigError(f"'rewriter.prompt': {error}") from error
    return spec.resolved()


def resolved_judge(spec: JudgeSpec) -> JudgeSpec:
    """Return the judge with the name that its endpoint lists; raises ``ConfigError`` for prompts that are none."""
    try:
        _ = spec.templates
        return spec.resolved()
    except ValueError as error:
        raise ConfigError(f"'judge': {error}") from error


def places(specs: Mapping[str, ReasonerSpec | RewriterSpec | JudgeSpec]) -> dict[str, Served | JudgeSpec]:
    """Return what says where each of the models is served, by its key in the job."""
    return dict((role, spec) if isinstance(spec, JudgeSpec) else (f"{role}.served", spec.served) for role, spec in specs.items())


def refuse_embedded_afar(specs: Mapping[str, ReasonerSpec | RewriterSpec | JudgeSpec], command: flags.Command) -> None:
    """Raise ``ConfigError`` when workers elsewhere would need a model that only this machine serves."""
    for key, place in places(specs).items():
        if place.endpoint == EMBEDDED and not command.is_local:
            raise ConfigError(f"'{key}.endpoint' is 'embedded', which serves local runners only: --set {key}.endpoint=http://HOST:8000/v1")


@contextmanager
def serving(asked: ServedModels, *, image: bool) -> Generator[ServedModels]:
    """Yield the models with endpoints that answer; embedded weights are served once, whatever the number of roles that use them.

    Raises ``EnvironmentFault`` where one does not answer within 10 seconds, or its tags do not arrive.
    """
    with ExitStack() as stack:
        addresses: dict[str, str] = {}
        found = {role: replace(spec, served=_served(spec.served, addresses, stack)) for role, spec in asked.reasoners.items()}
        rewriter = asked.rewriter and replace(asked.rewriter, served=_served(asked.rewriter.served, addresses, stack))
        judge = asked.judge
        if judge and judge.endpoint == EMBEDDED:
            judge = judge.served_at(_address(judge.weights, addresses, stack))
        for spec in found.values():
            spec.check(image=image)
        for spec in filter(None, (rewriter, judge)):
            spec.check()
        yield ServedModels(found, rewriter, judge)


def _served(served: Served, addresses: dict[str, str], stack: ExitStack) -> Served:
    return served.at(_address(served.weights, addresses, stack)) if served.is_embedded else served


def _address(weights: str, addresses: dict[str, str], stack: ExitStack) -> str:
    if weights not in addresses:
        addresses[weights] = stack.enter_context(serve(path_of(weights), context=4096))
    return addresses[weights]
