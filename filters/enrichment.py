"""Enrichment: a caption that adds words has to add one that the evidence or the image supports (paper 3.1, "denoises and enriches").

What the evidence holds is told by ``filters.facts``. Of the other added words the image is asked: a word is *seen* where it fits
the image better than nine of ten distractors do. A rank needs no threshold of the model's own, and holds from corpus to corpus
where a cosine does not (docs/facts.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.names import listed
from filters.relevance import DECIMALS
from schemas import columns as c
from schemas.exits import EnvironmentFault, Rule, Verdict, judge

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Returns the unit vectors of texts, shape (n, d), float32."""

PROMPT = "a photo of {}"
"""How a word becomes a text (ours: no worse than two others on stamps and paintings)."""
DISTRACTORS = listed(
    "dog cat bird fish horse insect flower tree grass mountain river sea sky cloud snow beach"
    " road bridge house church castle window door table chair bed lamp clock book letter map coin"
    " man woman child crowd face hand hat dress shoe crown jewel sword gun car boat train bicycle aeroplane"
    " bread fruit cup bottle plate knife guitar drum ball toy computer telephone camera painting statue flag"
    " red green blue wooden golden striped sleeping running"
)
"""Everyday words that a photograph may or may not show, the same for every image (ours)."""


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Finds captions that add words of which none is supported, and may drop them.

    Reads what ``FactsKept`` found, ``image_embedding`` and the evidence.

    A caption that adds no word is an echo and stays; so does one whose image cannot be asked: a handful of labels and lines of text
    says too little of an image to drop a caption by (ours).
    """

    version: ClassVar[int] = 2

    min_share: float = 0.9
    """Share of the distractors that a word must beat to be seen (ours: one foreign word in ten is seen, with ConSE on both corpora)."""
    drop_unsupported: bool = True
    """Whether such captions leave where the image was asked; if not, they are measured and counted. ConSE sees less than half of what is
    there: set it to false there (docs/facts.md)."""

    def __post_init__(self) -> None:
        if not 0 < self.min_share <= 1:
            raise ValueError(f"enrichment.min_share is a share, expected above 0 and at most 1, found {self.min_share}")

    def __call__(self, batch: pa.RecordBatch, *, embed: Embed | None) -> Verdict:
        """Return ``unsupported`` (value: the best share that a word reached, where the image was asked) for each row that breaks the rule.

        Adds ``words_seen``, null where the image was not asked, and ``enriched``, null where neither evidence nor image was.
        Without ``embed`` no image is asked. Raises ``EnvironmentFault`` for a cosine that is not finite.
        """
        known, unknown = (_words(batch.column(field.name)) for field in (c.WORDS_ADDED, c.WORDS_UNSUPPORTED))
        shares = word_shares(batch.column(c.IMAGE_EMBEDDING.name).to_pylist(), unknown, embed)
        seen = [None if found is None else [word for word, share in found.items() if share >= self.min_share] for found in shares]
        has_evidence = [a or b for a, b in zip(_valid(batch, c.LABELS), _valid(batch, c.OCR_TEXT), strict=True)]
        rows = zip(known, seen, has_evidence, strict=True)
        enriched = [None if k is None or (s is None and not evidence) else bool(k or s) for k, s, evidence in rows]
        asked = [e is False and bool(found) for e, found in zip(enriched, shares, strict=True)]
        best = np.array([max(found.values(), default=None) if found else None for found in shares], np.float64)
        return judge(
            len(batch),
            Rule("unsupported", np.array(asked, np.bool_) & self.drop_unsupported, best, self.min_share),
            added={c.WORDS_SEEN.name: pa.array(seen, c.WORDS_SEEN.type), c.ENRICHED.name: pa.array(enriched, c.ENRICHED.type)},
        )


def word_shares(
    images: Sequence[Sequence[float] | None], words: Sequence[Sequence[str] | None], embed: Embed | None
) -> list[dict[str, float] | None]:
    """Return for each of n images, given as unit vectors, the share of ``DISTRACTORS`` that each of its words fits better than, 0-1.

    None where image or words are null, or ``embed`` is. Each distinct word is embedded once. Cosines are compared at 4 decimals.
    """
    if embed is None:
        return [None] * len(images)
    asked = [found if image is not None else None for image, found in zip(images, words, strict=True)]
    distinct = list(dict.fromkeys(word for found in asked for word in found or ()))
    if not distinct:
        return [None if found is None else {} for found in asked]
    vectors = embed([PROMPT.format(word) for word in (*DISTRACTORS, *distinct)])
    places = {word: len(DISTRACTORS) + place for place, word in enumerate(distinct)}
    rows = zip(images, asked, strict=True)
    return [None if found is None else _shares(np.array(image, np.float32), found, vectors, places) for image, found in rows]


def _shares(
    image: npt.NDArray[np.float32], words: Sequence[str], vectors: npt.NDArray[np.float32], places: dict[str, int]
) -> dict[str, float]:
    rows = vectors[[*range(len(DISTRACTORS)), *(places[word] for word in words)]]
    scores = np.einsum("d,nd->n", image, rows, dtype=np.float64).round(DECIMALS)
    if not np.isfinite(scores).all():
        raise EnvironmentFault("expected cosines, found one that is not finite; run the embedder in float32, or name other weights")
    distractors, own = np.split(scores, [len(DISTRACTORS)])
    return {word: round(float((score > distractors).mean()), DECIMALS) for word, score in zip(words, own, strict=True)}


def _words(column: pa.Array) -> list[list[str] | None]:
    return [None if row is None else [word for word in row if word] for row in column.to_pylist()]


def _valid(batch: pa.RecordBatch, field: pa.Field) -> list[bool]:
    return batch.column(field.name).is_valid().to_pylist()
