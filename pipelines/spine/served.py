"""Served models as workers meet them: each is made from its spec, with the answers of earlier attempts."""

from dataclasses import dataclass
from typing import Any, Protocol

from pipelines.spine.answers import ObjectStorage
from synth.answers import AnswerStore


class ServedSpec(Protocol):
    """A frozen, hashable description of a served model."""

    @property
    def name(self) -> str:
        """Model and revision."""
        ...

    @property
    def digest(self) -> str:
        """What its answers depend on."""
        ...

    def load(self, answers: AnswerStore, workers: int = 1) -> Any:
        """Return the client, with its share of the requests in flight among so many workers."""
        ...


@dataclass(frozen=True)
class OnEndpoint:
    """Makes the client of ``spec`` inside one of so many ``workers``, with the answers that are stored below ``answers``."""

    spec: ServedSpec
    answers: str
    workers: int

    @property
    def name(self) -> str:
        """Model and revision."""
        return self.spec.name

    def load(self) -> Any:
        """Return the client."""
        return self.spec.load(AnswerStore(self.answers, self.spec.digest, ObjectStorage()), self.workers)
