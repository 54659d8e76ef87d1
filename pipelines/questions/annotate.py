"""*Annotate*: read each question once, decode its pictures once, and leave what was found on disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import xxhash

from filters import perceptual
from filters.decode import Decoder
from filters.language import label
from filters.models.lid import LidSpec
from filters.near_text import minhashes
from pipelines.pairs.annotate import KEY
from pipelines.questions.source import QuestionInput
from pipelines.readers import questions
from pipelines.spine import forgotten, fragments
from pipelines.spine.identity import digest
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step
from schemas import columns as c
from schemas import questions as q
from schemas.batches import conform
from schemas.exits import Addition
from schemas.protocols import Failure
from schemas.records import SCHEMA_VERSION

LOOK = "Decode each picture of the questions once"
VERSION = 1


@dataclass(frozen=True)
class Annotator:
    """What each question is put to."""

    decoder: Decoder
    lid: LidSpec | None
    """What tells the language of a question whose source states none; null leaves it empty."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the signals of each question; one with a picture that cannot be decoded is dead."""
        return run_step(batch, LOOK, self._look)

    def _look(self, rows: pa.RecordBatch) -> Addition:
        pictures = encoded_in(rows)
        found = [self._hashes(images) for images in pictures]
        texts = [question_of(prompt) for prompt in rows.column(q.PROMPT.name).to_pylist()]
        failures = [hashes if isinstance(hashes, Failure) else None for hashes in found]
        seen = [[] if isinstance(hashes, Failure) else hashes for hashes in found]
        added = {
            q.QUESTION_TEXT.name: pa.array(texts, pa.string()),
            q.IMAGE_COUNT.name: pa.array([len(images) for images in pictures], pa.int32()),
            q.IMAGE_HASHES.name: pa.array(
                [[xxhash.xxh3_128_hexdigest(image) for image in images] for images in pictures], pa.list_(pa.string())
            ),
            q.PICTURE_HASHES.name: pa.array(seen, pa.list_(pa.uint64())),
            **minhashes(texts),
            **self._languages(rows, texts),
        }
        reasons = pa.array([failure and failure.reason for failure in failures], pa.string())
        return Addition(added, reasons, pa.array([failure and failure.error for failure in failures], pa.string()))

    def _hashes(self, images: Sequence[bytes]) -> list[int] | Failure:
        """Return 64 bits of what each picture shows, or the failure of the first that cannot be decoded."""
        decode = replace(self.decoder, scale=max(self.decoder.scale, perceptual.SCALE))
        hashes: list[int] = []
        for number, image in enumerate(images, start=1):
            decoded = decode(image)
            if isinstance(decoded, Failure):
                return Failure(decoded.reason, f"image {number} of {len(images)}: {decoded.error}")
            words = perceptual.perceptual([decoded.pixels])[c.PERCEPTUAL_HASHES.name][0].as_py()
            hashes.append(words[0] if words else 0)
        return hashes

    def _languages(self, rows: pa.RecordBatch, texts: Sequence[str]) -> dict[str, pa.Array]:
        """Return the language of each question: what its source states, else what its text is in."""
        stated = rows.column(c.LANGUAGE.name).to_pylist()
        if self.lid is None:
            return {}
        told = label(texts, loaded(self.lid))
        names = [own or guess for own, guess in zip(stated, told[c.LANGUAGE.name].to_pylist(), strict=True)]
        confidence = told[c.LANGUAGE_CONFIDENCE.name].to_numpy(zero_copy_only=False)
        sure = np.where([bool(own) for own in stated], 1.0, confidence)
        return {c.LANGUAGE.name: pa.array(names, pa.string()), c.LANGUAGE_CONFIDENCE.name: pa.array(sure, pa.float32())}


def annotate_digest(asked: QuestionInput, annotator: Annotator) -> str:
    """Return the identity of the pass that reads the questions: every job over the same input shares it."""
    reading = (asked.corpus, asked.license, asked.split_samples, asked.split_mb)
    return digest("questions", SCHEMA_VERSION, questions.VERSION, VERSION, reading, annotator)


def encoded_in(rows: pa.RecordBatch) -> list[list[bytes]]:
    """Return the encoded pictures of each question."""
    return [[image["bytes"] for image in images or ()] for images in rows.column(q.IMAGES.name).to_pylist()]


def question_of(prompt: Sequence[dict[str, str]] | None) -> str:
    """Return the last turn of a prompt without the markers of its pictures."""
    return prompt[-1]["content"].replace(q.MARKER, "").strip() if prompt else ""


def write_annotations(batch: pa.RecordBatch, folder: str) -> str:
    """Commit ``batch`` without prompts and pictures, and without anything of what was taken down, and return its key."""
    key = batch.schema.metadata[KEY].decode()
    kept = [name for name in batch.schema.names if name in q.QUESTION_ANNOTATION.names]
    fragments.write(folder, key, forgotten.leave(conform(batch.select(kept), q.QUESTION_ANNOTATION), folder))
    return key
