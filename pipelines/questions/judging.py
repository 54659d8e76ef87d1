"""What rollouts go through once they are there: their tags, their style, their answer, what it earned."""

from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from filters.response_format import ResponseFormat
from filters.response_style import ResponseStyle
from filters.rewards import RewardAtLeast
from pipelines.questions.roll_out import Step
from pipelines.questions.verifiers import VerifierSpec
from pipelines.spine.loaded import loaded
from schemas import questions as q
from schemas.exits import Addition, Verdict
from schemas.response import Style
from synth.verify import Verify

FORMAT = "Drop responses that break the format"
STYLE = "Drop responses that ramble, repeat or mix languages"
VERIFY = "Hold the answers against the truth"
PASSED = "Drop answers that did not pass"


@dataclass(frozen=True)
class Judging:
    """The rules on rollouts, in order."""

    response_format: ResponseFormat
    response_style: ResponseStyle | None
    """Null where rollouts only grade a question, and their style is nobody's."""
    verifiers: VerifierSpec
    rewards: RewardAtLeast

    @property
    def of_base(self) -> "Judging":
        """Return the rules on rollouts that only grade a question: their style is nobody's."""
        return replace(self, response_style=None)

    def written_in(self, style: Style) -> "Judging":
        """Return the rules on responses in the tags of ``style``."""
        return replace(self, response_format=replace(self.response_format, style=style))

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the sentence and the rule of each step."""
        style: tuple[Step, ...] = ((STYLE, self.response_style),) if self.response_style else ()
        return (
            (FORMAT, partial(_formatted, self.response_format)),
            *style,
            (VERIFY, partial(_verified, self.verifiers)),
            (PASSED, self.rewards),
        )


def _formatted(rule: ResponseFormat, rows: pa.RecordBatch) -> Verdict:
    return rule(rows, verifiable=rows.column(q.TRUTH.name).is_valid().to_numpy(zero_copy_only=False))


def _verified(verifiers: VerifierSpec, rows: pa.RecordBatch) -> Addition:
    return Verify()(rows, verifiers=loaded(verifiers))
