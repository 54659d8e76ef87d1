"""The verifiers of a worker: Table 1 of the paper, with the child process that symbolic maths runs in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from synth.models.math_verify import MathVerifySpec
from synth.verifiers.domains import verifiers_by_domain
from synth.verifiers.maths import Maths
from synth.verifiers.reward import Verifier


@dataclass(frozen=True)
class VerifierSpec:
    """Which verifiers judge; made once for each worker process."""

    version: ClassVar[int] = 1

    math_verify: MathVerifySpec | None = field(default_factory=MathVerifySpec)
    """What decides on expressions that our rules leave open, in a child process that a deadline kills; null leaves them undecided."""

    second_opinions: float = 0.05
    """Share of the verdicts that math-verify and the judge are asked about too: the report counts them, they change no reward (ours)."""

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.second_opinions <= 1:
            raise ValueError(f"second_opinions is a share, expected 0 to 1, found {self.second_opinions}")

    def load(self) -> Mapping[str, Verifier]:
        """Return the verifier of each domain."""
        return verifiers_by_domain(Maths(equivalence=self.math_verify and self.math_verify.load()))
