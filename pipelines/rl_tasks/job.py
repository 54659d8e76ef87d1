"""The config of the RL tasks: order is code, numbers are here. Every section is the frozen dataclass that uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from filters.contamination import Contamination
from filters.decode import Decoder
from filters.fill_in import FillInRules
from filters.labels import Hope, SoundLabel
from filters.models.embedder import EmbedderSpec
from filters.models.lid import LidSpec
from filters.near_question import NearQuestion
from filters.question_rules import QuestionRules
from filters.response_format import ResponseFormat
from filters.rewards import RewardAtLeast
from pipelines.pairs.near import Shuffle
from pipelines.pairs.source import Source
from pipelines.questions.annotate import Annotator, annotate_digest
from pipelines.questions.grade import Stages
from pipelines.questions.models import Models
from pipelines.questions.source import QuestionInput
from pipelines.questions.verifiers import VerifierSpec
from pipelines.rl_tasks.benchmarks import BenchmarkSpec
from pipelines.spine.commit import Limits, Output
from pipelines.spine.identity import digest
from synth.fill_in import RewriterSpec
from synth.judge import JudgeSpec
from synth.label_check import LabelCheck
from synth.pass_rate import Grading
from synth.reasoner import ReasonerSpec
from synth.verify import Verify


@dataclass(frozen=True)
class Job:
    """One set of RL tasks; the defaults are those of ``docs/reasoning.md``."""

    version: ClassVar[int] = 1

    input: QuestionInput = field(default_factory=QuestionInput)
    decode: Decoder = field(default_factory=Decoder)
    lid: LidSpec | None = field(default_factory=LidSpec)
    """What tells the language of questions whose source states none; null leaves it empty."""
    questions: QuestionRules = field(default_factory=QuestionRules)
    near: NearQuestion | None = field(default_factory=NearQuestion)
    """What finds near-duplicates among the questions; null merges equal ones alone."""
    shuffle: Shuffle = field(default_factory=Shuffle)
    benchmarks: str = ""
    """Questions that no task may come from, in the form that ``input.path`` takes; empty checks nothing, and the card says so."""
    embedder: EmbedderSpec | None = None
    """What finds pictures of benchmarks that were altered; null leaves it to hashes."""
    contamination: Contamination = field(default_factory=Contamination)
    verifiers: VerifierSpec = field(default_factory=VerifierSpec)
    judge: JudgeSpec | None = None
    """What decides where no rule can; null leaves such answers without a verdict, and questions without a rule leave."""
    rewriter: RewriterSpec | None = field(default_factory=RewriterSpec)
    """What asks multiple choice without its options; null leaves it as it is, for guessing to pay."""
    fill_in: FillInRules = field(default_factory=FillInRules)
    graders: Mapping[str, ReasonerSpec] = field(default_factory=dict[str, ReasonerSpec], hash=False)
    """The models that tell how hard a question is, by a name of yours: several, or earlier checkpoints (paper 5.1)."""
    grading: Stages = field(default_factory=Stages)
    response_format: ResponseFormat = field(default_factory=ResponseFormat)
    rewards: RewardAtLeast = field(default_factory=RewardAtLeast)
    hope: Hope = field(default_factory=Hope)
    limits: Limits = field(default_factory=Limits)
    output: Output = field(default_factory=Output)

    @property
    def models(self) -> Models:
        """Return the served models, by section."""
        sections = {**{grader(name): spec for name, spec in self.graders.items()}, "rewriter": self.rewriter, "judge": self.judge}
        return {role: spec for role, spec in sections.items() if spec}

    @property
    def annotator(self) -> Annotator:
        """Return what each question is put to before any model is asked."""
        return Annotator(self.decode, self.lid)


def grader(name: str) -> str:
    """Return the section of the grader ``name``."""
    return f"graders.{name}"


def grade_digest(job: Job, benchmarks: BenchmarkSpec) -> str:
    """Return the identity of the pass that makes and grades tasks: the annotations, every rule, every model, the benchmarks."""
    rules = (job.questions, job.near, job.contamination, job.verifiers, job.fill_in, SoundLabel(), LabelCheck(), Verify())
    graded = (job.grading, job.response_format, job.rewards, job.hope, Grading())
    models = {role: spec.digest for role, spec in sorted(job.models.items())}
    return digest("rl-tasks", job.version, annotate_digest(job.input, job.annotator), rules, graded, models, benchmarks.identity)


def run_id(job: Job, source: Source, benchmarks: BenchmarkSpec) -> str:
    """Return the name of the run: its passes over exactly this input, laid out in exactly these shards."""
    layout = (job.output.shard_mb, job.output.seed, job.output.described_as_samples)
    return digest(grade_digest(job, benchmarks), source.input, source.identity, *layout)
