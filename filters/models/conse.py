"""A relevance score from registry packages alone: ConSE, which is not CLIP.

An image is what a classifier sees in it, as the mean of the class names' text vectors (ConSE, Norouzi 2013); a text is its
own vector in the same space. It knows 1,000 things and no others: see docs/relevance.md for what that is worth.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from filters.models.labels import LabelSpec
from filters.models.minilm import MiniLmSpec
from schemas.protocols import Classifier, Embedder, Failure, Pixels
from schemas.weights import path_of

MICRO_BATCH = 32
"""Images that are decoded at a time (ours)."""


class TextEncoder(Protocol):
    """Puts texts into a space of their own."""

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, d), float32."""
        ...


@dataclass(frozen=True)
class ConseSpec:
    """EfficientNet-lite2 and all-MiniLM-L6-v2, fetched by ``jobs.fetch efficientnet minilm``; English texts only."""

    version: ClassVar[int] = 1

    labels: LabelSpec = field(default_factory=LabelSpec)
    texts: MiniLmSpec = field(default_factory=MiniLmSpec)
    template: str = "This is a picture of a {}."
    """How a class name becomes a text (ours: eight templates hardly differed on stamps)."""
    temperature: float = 2.0
    """The probabilities' exponent is 1/temperature: second guesses count for more (ours: flat from 1.5 to 3)."""

    @property
    def model(self) -> str:
        """Name under which scores and thresholds are kept."""
        return "conse"

    def load(self) -> Embedder:
        """Return the model; raises ``EnvironmentFault`` where the weights have not been fetched."""
        names = sorted(set(json.loads(path_of("imagenet", self.labels.names_sha256).read_text(encoding="utf-8"))))
        return Conse(self.labels.load(), self.texts.load(), names, self.template, self.temperature)


class Conse:
    """A loaded embedder; see ``schemas.protocols.Embedder``."""

    def __init__(self, classifier: Classifier, texts: TextEncoder, names: Sequence[str], template: str, temperature: float) -> None:
        """Embed by ``classifier``, whose labels are ``names``, and ``texts``."""
        self._classifier, self._texts, self._temperature = classifier, texts, temperature
        self._place: Mapping[str, int] = {name: place for place, name in enumerate(names)}
        vectors = texts.embed_texts([template.format(name) for name in names])
        # What all classes share says nothing of one image. Without it the score of unlike pairs is 0, whatever the text:
        # AUC rises from .77 to .86 on stamps and from .61 to .67 on paintings.
        self._centre = vectors.mean(axis=0)
        self._classes = vectors - self._centre

    def embed_images(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, d), float32."""
        weights = np.zeros((len(images), len(self._place)))
        for row, labels in enumerate(self._classifier.classify(images, len(self._place))):
            for name, probability in labels:
                weights[row, self._place[name]] = probability ** (1 / self._temperature)
        return _unit(weights / weights.sum(axis=1, keepdims=True) @ self._classes)

    def embed_encoded(
        self, encoded: Iterable[bytes], decode: Callable[[bytes], Pixels | Failure]
    ) -> Iterator[npt.NDArray[np.float32] | Failure]:
        """Yield for each encoded image its unit vector, shape (d,), or the failure of ``decode``, in order, ``MICRO_BATCH`` at a time."""
        source = iter(encoded)
        while part := [decode(data) for data in islice(source, MICRO_BATCH)]:
            vectors = iter(self.embed_images([pixels for pixels in part if not isinstance(pixels, Failure)]))
            yield from (outcome if isinstance(outcome, Failure) else next(vectors) for outcome in part)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, d), float32."""
        return _unit(self._texts.embed_texts(texts) - self._centre)


def _unit(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
