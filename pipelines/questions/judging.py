"""What rollouts go through once they are there: their tags, their style, their answer, what it earned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import pyarrow as pa

from filters.response_format import ResponseFormat
from filters.response_style import ResponseStyle
from filters.rewards import RewardAtLeast
from pipelines.questions.roll_out import Step
from pipelines.questions.verifiers import VerifierSpec
from pipelines.spine.loaded import loaded
from schemas import columns as c
from schemas import questions as q
from schemas.exits import Addition, Verdict
from schemas.protocols import Failure
from schemas.response import Style
from synth.judge import Judged
from synth.second_opinion import SecondOpinions
from synth.verifiers.maths import Maths
from synth.verifiers.reward import Reward, Task
from synth.verify import Verify

FORMAT = "Drop responses that break the format"
STYLE = "Drop responses that ramble, repeat or mix languages"
VERIFY = "Hold the answers against the truth"
PASSED = "Drop answers that did not pass"


class Judge(Protocol):
    """A served model that says whether an answer means what the truth means."""

    def judge(self, split_id: str, answers: Sequence[tuple[str, Task]]) -> Judged:
        """Return one outcome for each answer, and how the canaries fared."""
        ...


class JudgeBackend(Protocol):
    """A frozen, hashable object that makes the judge inside a worker."""

    def load(self) -> Judge:
        """Return the judge, ready."""
        ...


@dataclass(frozen=True)
class Judging:
    """The rules on rollouts, in order."""

    response_format: ResponseFormat
    response_style: ResponseStyle | None
    """Null where rollouts only grade a question, and their style is nobody's."""
    verifiers: VerifierSpec
    rewards: RewardAtLeast
    judge: JudgeBackend | None = None
    """What decides where no rule can; null leaves such answers without a verdict."""

    @property
    def of_base(self) -> "Judging":
        """Return the rules on rollouts that only grade a question: their style is nobody's."""
        return replace(self, response_style=None)

    def written_in(self, style: Style) -> "Judging":
        """Return the rules on responses in the tags of ``style``."""
        look = self.response_style and replace(self.response_style, style=style)
        return replace(self, response_format=replace(self.response_format, style=style), response_style=look)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the sentence and the rule of each step."""
        style: tuple[Step, ...] = ((STYLE, partial(_styled, self.response_style)),) if self.response_style else ()
        return (
            (FORMAT, partial(_formatted, self.response_format)),
            *style,
            (VERIFY, partial(_verified, self.verifiers, self.judge)),
            (PASSED, self.rewards),
        )


def _formatted(rule: ResponseFormat, rows: pa.RecordBatch) -> Verdict:
    return rule(rows, verifiable=rows.column(q.TRUTH.name).is_valid().to_numpy(zero_copy_only=False))


def _styled(rule: ResponseStyle, rows: pa.RecordBatch) -> Verdict:
    pairs = zip(rows.column(q.IMAGE_COUNT.name).to_pylist(), rows.column(q.QUESTION_TEXT.name).to_pylist(), strict=True)
    return rule(rows, questions=[q.MARKER * count + text for count, text in pairs])


def _verified(verifiers: VerifierSpec, judge: JudgeBackend | None, rows: pa.RecordBatch) -> Addition:
    split_id = rows.column(c.SPLIT_ID.name)[0].as_py()
    ask = None if judge is None else partial(_said, judge, split_id)
    by_domain = loaded(verifiers)
    maths = by_domain["math"]
    second = SecondOpinions(verifiers.second_opinions, maths if isinstance(maths, Maths) else None)
    return Verify()(rows, verifiers=by_domain, judge=ask, second=second)


def _said(judge: JudgeBackend, split_id: str, answers: Sequence[tuple[str, Task]]) -> list[Reward]:
    """Return what the judge says; a request that failed is no verdict."""
    outcomes = loaded(judge).judge(split_id, answers).outcomes
    return [Reward(None, outcome.reason, "judge") if isinstance(outcome, Failure) else outcome for outcome in outcomes]
