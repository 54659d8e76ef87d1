"""The config of the cold start: order is code, numbers are here. Every section is the frozen dataclass that uses it."""

from dataclasses import dataclass, field
from typing import ClassVar

from filters.choose import Choose
from filters.decode import Decoder
from filters.models.lid import LidSpec
from filters.question_rules import QuestionRules
from filters.response_format import ResponseFormat
from filters.response_style import ResponseStyle
from filters.rewards import PassBand, RewardAtLeast
from filters.shares import LanguageShares
from pipelines.pairs.source import Source
from pipelines.questions.annotate import Annotator, annotate_digest
from pipelines.questions.grade import Stages
from pipelines.questions.models import Models
from pipelines.questions.source import QuestionInput
from pipelines.questions.verifiers import VerifierSpec
from pipelines.spine.commit import Limits, Output, refuse_below_one
from pipelines.spine.identity import digest
from schemas.response import STYLES, Style
from synth.judge import JudgeSpec
from synth.reasoner import ReasonerSpec
from synth.sft import ToMessages
from synth.verify import Verify


@dataclass(frozen=True)
class Sft:
    """What becomes of the rollouts that are chosen."""

    styles: tuple[Style, ...] = ("glm45v", "glm41v")
    """Tags of the training samples: the first goes into ``sft/``, each further one into ``sft_<style>/`` (paper 4)."""
    nothink_share: float = 0.2
    """Share of the samples with a ``/nothink`` twin, whose thought is empty and whose answer is the same (ours)."""

    def __post_init__(self) -> None:
        """Refuse no style, and one twice."""
        if not self.styles or len(set(self.styles)) < len(self.styles):
            raise ValueError(f"styles: expected one or more of {', '.join(STYLES)}, each once, found {list(self.styles)}")


@dataclass(frozen=True)
class Job:
    """One cold start; the defaults are those of ``docs/reasoning.md``."""

    version: ClassVar[int] = 1

    input: QuestionInput = field(default_factory=QuestionInput)
    decode: Decoder = field(default_factory=Decoder)
    lid: LidSpec | None = field(default_factory=LidSpec)
    """What tells the language of questions whose source states none; null leaves it empty."""
    questions: QuestionRules = field(default_factory=QuestionRules)
    languages: LanguageShares | None = None
    """Shares of the languages, such as ``{shares: {zh: 0.5, en: 0.45}}``; null takes them as they come."""
    base: ReasonerSpec | None = None
    """The model that is to be trained: its own pass rate tells what is too easy and too hard (paper 4); null grades nothing."""
    grading: Stages = field(default_factory=lambda: Stages(first=4, most=4))
    """Rollouts of the base model at each question."""
    band: PassBand = field(default_factory=PassBand)
    solver: ReasonerSpec = field(default_factory=ReasonerSpec)
    """The model that writes the chains of thought."""
    rollouts: int = 4
    """Rollouts of the solver at each question; 0 takes only those that came with it (ours)."""
    verifiers: VerifierSpec = field(default_factory=VerifierSpec)
    judge: JudgeSpec | None = None
    """What decides where no rule can; null leaves such answers without a verdict."""
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    response_style: ResponseStyle = field(default_factory=ResponseStyle)
    rewards: RewardAtLeast = field(default_factory=RewardAtLeast)
    choose: Choose = field(default_factory=Choose)
    sft: Sft = field(default_factory=Sft)
    limits: Limits = field(default_factory=Limits)
    output: Output = field(default_factory=Output)

    def __post_init__(self) -> None:
        """Refuse fewer rollouts than none."""
        refuse_below_one(rollouts=self.rollouts + 1)

    @property
    def models(self) -> Models:
        """Return the served models, by section."""
        sections = {"base": self.base, "solver": self.solver, "judge": self.judge}
        return {role: spec for role, spec in sections.items() if spec}

    @property
    def annotator(self) -> Annotator:
        """Return what each question is put to before any model is asked."""
        return Annotator(self.decode, self.lid)

    @property
    def messages(self) -> ToMessages:
        """Return what makes training samples of the solver's rollouts."""
        return ToMessages(self.solver.style, self.sft.nothink_share, self.output.seed)


def solve_digest(job: Job) -> str:
    """Return the identity of the pass that writes and verifies: the annotations, every rule, both models."""
    rules = (job.questions, job.languages, job.grading, job.band, job.rollouts, job.verifiers)
    judged = (job.response_format, job.response_style, job.rewards, job.choose, Verify())
    models = {role: spec.digest for role, spec in job.models.items()}
    return digest("cold-start", job.version, annotate_digest(job.input, job.annotator), rules, judged, models, job.output.seed)


def run_id(job: Job, source: Source) -> str:
    """Return the name of the run: its passes over exactly this input, laid out in exactly these shards."""
    layout = (job.sft, job.messages, job.output.shard_mb, job.output.seed, job.output.described_as_samples)
    return digest(solve_digest(job), source.input, source.identity, *layout)
