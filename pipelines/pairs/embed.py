"""*Embed*: put images and alt texts into one space, and leave vectors and scores on disk.

A pass of its own: on Dataflow each of its steps asks for the machine with the GPU, and such a hint inside another pass would cut
that one in two. *Decide* reads the score of the original, *take* holds the caption against the vector: no image is embedded twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from filters.decode import Decoder
from filters.models.embedder import EmbedderSpec
from filters.relevance import VECTOR_DECIMALS, score_vectors
from pipelines.pairs.annotate import ABOUT, COMMITTED, KEY, open_annotations
from pipelines.pairs.images import images_of
from pipelines.spine import fragments
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import under_way
from schemas import columns as c
from schemas.batches import conform, set_columns
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure, Pixels
from schemas.records import SCORED, SCORES

Vector = Sequence[float]
"""Shape (d,)."""
OPEN = "Open the splits to embed"
EMBED = "Embed images and alt texts"
WRITE = "Write the scores"
STEPS = (OPEN, EMBED, WRITE)
"""The whole pass, from what opens its input to what writes its fragments."""


class OpenToEmbed(beam.DoFn):
    """Yields the annotations of each split that has no scores yet; one that has goes to the output ``committed`` by its key alone."""

    def __init__(self, annotations: str, folder: str) -> None:
        self._annotations, self._folder = annotations, folder

    def process(self, key: str) -> Iterator[pa.RecordBatch | TaggedOutput[Literal["committed"], str]]:
        """Open the annotations of ``key`` unless its scores are there."""
        if fragments.find(self._folder, key):
            yield TaggedOutput(COMMITTED, key)
        else:
            yield open_annotations(key, self._annotations)


@dataclass(frozen=True)
class EmbedStep:
    """Embeds the rows under way; what an embedder needs of an image is decoded here, beside it."""

    specs: tuple[EmbedderSpec, ...]
    """The embedder of the images and of the texts that it reads, then others for texts that no earlier one reads."""
    decoder: Decoder

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows of ``batch`` with the columns of ``schemas.records.SCORES``; a text that no model reads has no score.

        Vectors and scores that the input brought along, by a model of that name, are taken as they are.
        """
        mask, first = under_way(batch), self.specs[0]
        vectors = self._vectors(batch, mask, first, _brought_vectors(batch, first.name))
        scored = _brought_scores(batch, [spec.name for spec in self.specs])
        texts = batch.column(c.ALT_TEXT.name).to_pylist()
        waiting = [text if live and not done else None for text, live, done in zip(texts, mask, scored, strict=True)]
        for spec in self.specs:
            read = spec.readable(waiting, batch.column(c.LANGUAGE.name).to_pylist())
            images = vectors if spec is first else self._vectors(batch, np.array([bool(text) for text in read], np.bool_), spec)
            scores = score_vectors(images, read, lambda words, spec=spec: loaded(spec).embed_texts(words))
            scored = [done if score is None else (score, spec.name) for done, score in zip(scored, scores, strict=True)]
            waiting = [None if ours else text for text, ours in zip(waiting, read, strict=True)]
        return set_columns(batch, _columns(mask, vectors, first.name, scored, waiting), SCORED)

    def _vectors(
        self, batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], spec: EmbedderSpec, brought: Sequence[Vector | None] = ()
    ) -> list[Vector | None]:
        """Return a unit vector, shape (d,), for each row of ``mask``, rounded so that no last bit tells of its neighbours."""
        vectors = list(brought) or [None] * len(batch)
        wanted = mask & np.array([vector is None for vector in vectors], np.bool_)
        encoded = (found.data for found in images_of(batch, wanted, batch.schema.metadata[ABOUT].decode()))
        made = loaded(spec).embed_encoded(encoded, partial(_decode, replace(self.decoder, scale=spec.scale))) if wanted.any() else ()
        for row, vector in zip(np.flatnonzero(wanted), made, strict=True):
            if isinstance(vector, Failure):
                raise EnvironmentFault(f"row {row} was decoded when it was annotated, and is not now: {vector.error}; run it again")
            vectors[row] = vector.round(VECTOR_DECIMALS).tolist()
        return vectors


def _brought_vectors(batch: pa.RecordBatch, model: str) -> list[Vector | None]:
    """Return the vectors of ``model`` that the input brought along."""
    rows = zip(batch.column(c.IMAGE_EMBEDDING.name).to_pylist(), batch.column(c.EMBEDDING_MODEL.name).to_pylist(), strict=True)
    return [vector if by == model else None for vector, by in rows]


def _brought_scores(batch: pa.RecordBatch, models: Sequence[str]) -> list[tuple[float, str] | None]:
    """Return the scores by one of ``models`` that the input brought along, each with its model."""
    rows = zip(batch.column(c.CLIP_SCORE.name).to_pylist(), batch.column(c.CLIP_MODEL.name).to_pylist(), strict=True)
    return [(score, by) if score is not None and by in models else None for score, by in rows]


def _columns(
    mask: npt.NDArray[np.bool_],
    vectors: Sequence[Vector | None],
    model: str,
    scored: Sequence[tuple[float, str] | None],
    waiting: Sequence[str | None],
) -> dict[str, pa.Array]:
    """Return the columns of ``schemas.records.SCORES``, null for rows that are not under way."""
    rows = list(zip(mask, vectors, scored, waiting, strict=True))
    columns: dict[pa.Field, list[Any]] = {
        c.CLIP_SCORE: [done[0] if live and done else None for live, _, done, _ in rows],
        c.CLIP_MODEL: [done[1] if live and done else None for live, _, done, _ in rows],
        c.UNSCORED: ["language" if text else None for *_, text in rows],
        c.IMAGE_EMBEDDING: [vector if live else None for live, vector, *_ in rows],
        c.EMBEDDING_MODEL: [model if live and vector is not None else None for live, vector, *_ in rows],
    }
    return {field.name: pa.array(values, field.type) for field, values in columns.items()}


def _decode(decoder: Decoder, data: bytes) -> Pixels | Failure:
    decoded = decoder(data)
    return decoded if isinstance(decoded, Failure) else decoded.pixels


def write_scores(batch: pa.RecordBatch, folder: str) -> str:
    """Commit the scores of ``batch`` and return its key."""
    metadata = dict(batch.schema.metadata)
    key = metadata.pop(KEY).decode()
    del metadata[ABOUT]
    fragments.write(folder, key, conform(batch.select(SCORED.names), SCORED).replace_schema_metadata(metadata))
    return key


def open_scored(key: str, annotations: str, folder: str | None) -> pa.RecordBatch:
    """Return the annotations of the split ``key`` with its scores."""
    return with_scores(open_annotations(key, annotations), key, folder)


def with_scores(batch: pa.RecordBatch, key: str, folder: str | None) -> pa.RecordBatch:
    """Return ``batch``, annotations of the split ``key``, with its scores; where ``folder`` is null, with those that the input brought."""
    if folder is None:
        return batch
    path = fragments.find(folder, key)
    if path is None:
        raise EnvironmentFault(f"no scores of split {key} in {folder}: they were removed during the run; run the same command again")
    found = fragments.read(path)
    return set_columns(batch, {field.name: found.column(field.name) for field in SCORES}, SCORED)
