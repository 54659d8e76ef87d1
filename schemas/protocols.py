"""What a model must do. Arguments are numpy arrays, bytes and str, so that any library fits behind them.

A backend is two objects: a small frozen *spec* (name, weights, revision), which is picklable and part of the pass's
identity, and the model that its ``load()`` returns, which never leaves the worker.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UNDETERMINED = "und"
"""Language of a text that is of none, or of one that cannot be told (ISO 639-2)."""

Pixels = npt.NDArray[np.uint8]
"""One decoded image, shape (height, width, 3), uint8 RGB."""


CUT = ("length", "max_tokens")
"""Finish reasons of an answer that ran into its limit, casefolded."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a served model answered to one request."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    reasoning: str = ""
    """What the server put apart from the text as its reasoning, where it does that."""

    @property
    def is_cut(self) -> bool:
        """Tell whether the answer ran into its limit."""
        return self.finish_reason.casefold() in CUT


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one item has no result: ``reason`` is a name for the ledger, ``error`` says what was expected and found."""

    reason: str
    error: str


@dataclass(frozen=True, slots=True)
class CaptionTask:
    """What a captioner may look at: the encoded image, its alt text, and evidence in words (empty if none)."""

    image: bytes
    image_format: str
    alt_text: str
    evidence: str


class Captioner(Protocol):
    """Writes a caption for each task."""

    def caption(self, split_id: str, tasks: Sequence[CaptionTask]) -> Sequence[Answer | Failure]:
        """Return one outcome per task, in order. Answers already stored for ``split_id`` are reused, not asked again.

        Raises ``EnvironmentFault`` when the model, and not a sample, is at fault.
        """
        ...


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion: OpenAI messages, images inline as data URLs."""

    messages: Sequence[dict[str, Any]]
    key: str
    """Hash of the whole request, images by content hash: the name under which its answer is stored."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of this request that stand before those of the model's spec: ``seed``, ``n``, ``max_tokens``, ..."""


class ChatModel(Protocol):
    """A served model behind the OpenAI-compatible HTTP API."""

    def ask(self, requests: Sequence[ChatRequest]) -> Iterable[tuple[int, Answer | Failure]]:
        """Yield (index, outcome) for every request, in the order in which they finish."""
        ...

    def sample(self, requests: Sequence[ChatRequest]) -> Iterable[tuple[int, tuple[Answer, ...] | Failure]]:
        """Yield likewise all choices of every request: as many as its ``n``."""
        ...


class Classifier(Protocol):
    """Names what an image shows."""

    def classify(self, images: Sequence[Pixels], top: int) -> Sequence[Sequence[tuple[str, float]]]:
        """Return for each image its ``top`` (label, probability), best first, probabilities rounded to 4 decimals."""
        ...


class Ocr(Protocol):
    """Reads the text in an image."""

    def read(self, images: Sequence[Pixels]) -> Sequence[Sequence[tuple[str, float]]]:
        """Return for each image its (line, confidence) in reading order, confidences rounded to 4 decimals."""
        ...


class Embedder(Protocol):
    """Puts images and texts into one space."""

    def embed_images(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, d), float32."""
        ...

    def embed_encoded(
        self, encoded: Iterable[bytes], decode: Callable[[bytes], "Pixels | Failure"]
    ) -> Iterator[npt.NDArray[np.float32] | Failure]:
        """Yield for each encoded image its unit vector, shape (d,), or the failure of ``decode``, in order, in bounded memory."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, d), float32."""
        ...


class Detector(Protocol):
    """Finds things in an image."""

    def detect(self, images: Sequence[Pixels]) -> Sequence[Sequence[tuple[str, float, tuple[float, float, float, float]]]]:
        """Return for each image (label, score, box), boxes xyxy in pixels of the array given."""
        ...


class LanguageIdentifier(Protocol):
    """Tells the language of short texts."""

    def identify(self, texts: Sequence[str]) -> Sequence[tuple[str, float]]:
        """Return for each text its language and how sure that is, 0 to 1, rounded to 4 decimals.

        The language is an ISO 639-1 code, an ISO 639-3 code where there is no shorter one, or ``UNDETERMINED``.
        """
        ...


class ImageScorer(Protocol):
    """Gives each image one number."""

    def scores(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Return shape (n,), float32, 0 to 1, rounded to 4 decimals."""
        ...


@dataclass(frozen=True, slots=True)
class Name:
    """A proper name as it stands in a text."""

    text: str
    kind: str
    """`person`, `place`, `organisation`, `product`, `work`, `species`; `name` where the finder cannot tell."""


class NameFinder(Protocol):
    """Finds the proper names in texts."""

    def find(self, texts: Sequence[str]) -> Sequence[Sequence[Name]]:
        """Return for each text its names in reading order; a text in a language that the finder does not know has none."""
        ...


class Buckets(NamedTuple):
    """Under which keys the rows of a batch are sought, and by what they are screened there."""

    rows: npt.NDArray[np.int64]
    """Shape (m,): the row of the batch; a row has any number of keys."""
    keys: npt.NDArray[np.uint64]
    """Shape (m,): rows that share a key may be near-duplicates."""
    sketches: npt.NDArray[np.uint64]
    """Shape (m,): what `screen` compares, so that most pairs of a bucket need nothing more of their rows."""


class NearDuplicates(Protocol):
    """Finds pairs of rows that are nearly the same: cheap buckets first, then the truth about each pair."""

    reason: ClassVar[str]
    """Reason of a row that is merged."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that `alike` reads of both rows, and no others: they are what crosses the shuffles."""
        ...

    def buckets(self, batch: pa.RecordBatch) -> Buckets:
        """Return the keys of each row; a row without the signal has none."""
        ...

    def screen(self, left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return shape (p,): whether the sketches of a pair allow it to be one."""
        ...

    def alike(self, left: pa.RecordBatch, right: pa.RecordBatch) -> npt.NDArray[np.float64]:
        """Return shape (p,): how alike row i of `left` and row i of `right` are, NaN where they are no near-duplicates."""
        ...
