"""The verifiers of a worker: Table 1 of the paper, with the child process that symbolic maths runs in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from synth.verifiers.domains import verifiers_by_domain
from synth.verifiers.reward import Verifier


@dataclass(frozen=True)
class VerifierSpec:
    """Which verifiers judge; made once for each worker process."""

    version: ClassVar[int] = 1

    def load(self) -> Mapping[str, Verifier]:
        """Return the verifier of each domain."""
        return verifiers_by_domain()
