"""*Embed*: put images and alt texts into one space, and leave vectors and scores on disk.

A pass of its own: on Dataflow each of its steps asks for the machine with the GPU, and such a hint inside another pass would cut
that one in two. *Decide* reads the score of the original, *take* holds the caption against the vector: no image is embedded twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

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
        """Return the rows of ``batch`` with the columns of ``schemas.records.SCORES``; a text that no model reads has no score."""
        mask = under_way(batch)
        languages = batch.column(c.LANGUAGE.name).to_pylist()
        waiting = [text if live else None for text, live in zip(batch.column(c.ALT_TEXT.name).to_pylist(), mask, strict=True)]
        scores, models = [None] * len(batch), [None] * len(batch)
        vectors: list[Sequence[float] | None] = []
        for spec in self.specs:
            texts = spec.readable(waiting, languages)
            wanted = mask if not vectors else np.array([bool(text) for text in texts], np.bool_)
            found = self._vectors(batch, wanted, spec)
            vectors = vectors or found
            for row, score in enumerate(score_vectors(found, texts, loaded(spec).embed_texts) if wanted.any() else ()):
                if score is not None:
                    scores[row], models[row] = score, spec.name
            waiting = [None if text is not None else other for text, other in zip(texts, waiting, strict=True)]
        columns = {c.CLIP_SCORE: scores, c.CLIP_MODEL: models, c.IMAGE_EMBEDDING: vectors}
        columns[c.UNSCORED] = ["language" if text else None for text in waiting]
        return set_columns(batch, {field.name: pa.array(values, field.type) for field, values in columns.items()})

    def _vectors(self, batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], spec: EmbedderSpec) -> list[Sequence[float] | None]:
        """Return a unit vector, shape (d,), for each row of ``mask``, rounded so that no last bit tells of its neighbours."""
        encoded = (found.data for found in images_of(batch, mask, batch.schema.metadata[ABOUT].decode()))
        vectors: list[Sequence[float] | None] = [None] * len(batch)
        found = loaded(spec).embed_encoded(encoded, partial(_decode, replace(self.decoder, scale=spec.scale))) if mask.any() else ()
        for row, vector in zip(np.flatnonzero(mask), found, strict=True):
            if isinstance(vector, Failure):
                raise EnvironmentFault(f"row {row} was decoded when it was annotated, and is not now: {vector.error}; run it again")
            vectors[row] = vector.round(VECTOR_DECIMALS).tolist()
        return vectors


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
    """Return ``batch``, annotations of the split ``key``, with its scores: null ones where ``folder`` is, as no embedder was asked for."""
    if folder is None:
        return set_columns(batch, {field.name: pa.nulls(len(batch), field.type) for field in SCORES}, SCORED)
    path = fragments.find(folder, key)
    if path is None:
        raise EnvironmentFault(f"no scores of split {key} in {folder}: they were removed during the run; run the same command again")
    found = fragments.read(path)
    return set_columns(batch, {field.name: found.column(field.name) for field in SCORES}, SCORED)
