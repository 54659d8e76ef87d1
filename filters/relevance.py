"""Relevance: how well a text fits its image by the cosine of their embeddings, and how well it has to.

Scoring and deciding are apart, so that another threshold costs no model: ``score`` fills columns, ``Relevance`` reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import columns as c
from schemas.batches import numbers
from schemas.exits import Addition, EnvironmentFault, Rule, Verdict, judge
from schemas.protocols import Embedder, Pixels

DECIMALS = 4
"""Places that a score is rounded to before it is stored or decides (design)."""
VECTOR_DECIMALS = 5
"""Places that the elements of a stored vector are rounded to: a score moves by less than 0.0001 for it (ours)."""


class Threshold(NamedTuple):
    """The least score that a pair is kept with, and where the number comes from."""

    min_score: float
    source: str


THRESHOLDS: Mapping[str, Threshold] = MappingProxyType(
    {
        # LAION-5B took 0.28 with these weights, and 0.26 with a multilingual model; both dropped nine of ten candidates.
        "ViT-B-32/openai": Threshold(0.3, "LAION-400M, chosen by eye for these weights; paper 3.1 has the number without a model"),
        "conse": Threshold(0.21, "ours: keeps 5 % of mismatched pairs; .213 on stamps, .211 and .218 on paintings, see docs/relevance.md"),
    }
)
"""Calibrated thresholds by model. Scales differ: a number means nothing to another model, hence no default for the others."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """Drops pairs whose score is too low. Reads one column of scores, and ``clip_model``, which says whose they are.

    Raises ``ValueError`` for a model without a calibrated threshold where ``min_score`` is not given.
    """

    version: ClassVar[int] = 2

    model: str = "conse"
    """Name of the model that scored, as its spec says it: `conse`, `ViT-B-32/openai`."""
    min_score: float | None = None
    """Cosine that a pair must reach; null takes the model's own (``THRESHOLDS``)."""
    score: str = c.CLIP_SCORE.name
    """Column of scores: `clip_score` for alt texts, `caption_clip_score` for captions."""
    require_score: bool = False
    """Whether a pair without a score leaves; if not, a text that the model does not read is not judged by it (ours)."""
    setting: str = "clip.min_score"
    """Key of the job that ``min_score`` comes from, which errors name."""

    def __post_init__(self) -> None:
        if self.min_score is None and self.model not in THRESHOLDS:
            raise ValueError(
                f"no threshold is calibrated for {self.model}, and those of {', '.join(THRESHOLDS)} are of no use to it; measure one "
                f"on your pairs: python -m jobs.calibrate --input POOL --model {self.model} (with --weights FILE if they lie in one), "
                f"then set {self.setting} to what it proposes"
            )
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise ValueError(f"{self.setting} is a cosine, expected -1 to 1, found {self.min_score}")
        if self.score not in (c.CLIP_SCORE.name, c.CAPTION_CLIP_SCORE.name):
            raise ValueError(f"relevance.score is {c.CLIP_SCORE.name} or {c.CAPTION_CLIP_SCORE.name}, found {self.score!r}")

    @property
    def threshold(self) -> float:
        """The cosine that a pair must reach."""
        return THRESHOLDS[self.model].min_score if self.min_score is None else self.min_score

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``irrelevant`` (value: the cosine) for each row, or ``no_score`` where one is required.

        Raises ``EnvironmentFault`` where the scores are another model's: no sample is to blame, and the threshold means nothing to them.
        """
        self._refuse_others(batch)
        scores = numbers(batch.column(self.score)).round(DECIMALS)  # a float32 0.7 lies below 0.7
        return judge(
            len(batch),
            Rule("no_score", np.isnan(scores) & self.require_score),
            Rule("irrelevant", scores < self.threshold, scores, self.threshold),
        )

    def _refuse_others(self, batch: pa.RecordBatch) -> None:
        others = sorted(set(batch.column(c.CLIP_MODEL.name).drop_null().to_pylist()) - {self.model})
        if others:
            raise EnvironmentFault(
                f"expected scores by {self.model} in {self.score}, found those of {', '.join(others)}, whose scale is another; "
                "name the model that scored, or score the pairs again"
            )


def score(
    pixels: Sequence[Pixels | None], texts: Sequence[str | None], embedder: Embedder, model: str, column: pa.Field = c.CLIP_SCORE
) -> Addition:
    """Return the cosine of each of n images with its text, and ``clip_model``; both null where image or text is missing or empty.

    ``column`` is ``clip_score`` or ``caption_clip_score``. Failure ``score_not_finite`` where ``embedder``, called ``model``, gives
    no number for a pair: a model run in too few bits, or an image or text that it cannot place.
    """
    rows = [row for row, (image, text) in enumerate(zip(pixels, texts, strict=True)) if image is not None and text]
    seen = [image for row in rows if (image := pixels[row]) is not None]
    found = cosines(embedder.embed_images(seen), embedder.embed_texts([text for row in rows if (text := texts[row])]))
    scores = dict(zip(rows, found.tolist(), strict=True))
    finite = {row for row in rows if np.isfinite(scores[row])}
    failed = [row in scores and row not in finite for row in range(len(texts))]
    error = f"{model}: expected a cosine, found one that is not finite; the model or its precision is at fault if many rows say so"
    return Addition(
        added={
            column.name: pa.array([scores[row] if row in finite else None for row in range(len(texts))], column.type),
            c.CLIP_MODEL.name: pa.array([model if row in finite else None for row in range(len(texts))], c.CLIP_MODEL.type),
        },
        reason=pa.array(["score_not_finite" if bad else None for bad in failed], pa.string()),
        error=pa.array([error if bad else None for bad in failed], pa.string()),
    )


def score_vectors(
    images: Sequence[Sequence[float] | None], texts: Sequence[str | None], embed: Callable[[Sequence[str]], npt.NDArray[np.float32]]
) -> list[float | None]:
    """Return the cosine of each of n images, given as unit vectors, with its text, rounded; null where either is null or empty.

    ``embed`` returns the unit vectors of texts, and is not called where there is none. Raises ``EnvironmentFault`` for a cosine
    that is not finite: the model or its precision is at fault, not a sample.
    """
    rows = [row for row, (image, text) in enumerate(zip(images, texts, strict=True)) if image is not None and text]
    if not rows:
        return [None] * len(texts)
    vectors = np.array([images[row] for row in rows], np.float32)
    found = cosines(vectors, embed([text for row in rows if (text := texts[row])]))
    if not np.isfinite(found).all():
        raise EnvironmentFault("expected cosines, found one that is not finite; run the embedder in float32, or name other weights")
    scores = dict(zip(rows, found.tolist(), strict=True))
    return [scores.get(row) for row in range(len(texts))]


def cosines(images: npt.NDArray[np.float32], texts: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the cosine of each pair of unit vectors, shape (n,), rounded to 4 decimals."""
    return np.einsum("nd,nd->n", images, texts, dtype=np.float64).round(DECIMALS)
