"""The synth step of recaptioning: one caption for each sample, from its image, its alt text and its evidence."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from schemas import columns as c
from schemas.batches import strings
from schemas.exits import Addition
from schemas.protocols import Answer, Captioner, CaptionTask, Failure
from synth.captioner import CaptionerSpec
from synth.evidence import in_words
from synth.spoken import spoken


@dataclass(frozen=True)
class Recaption:
    """Adds the caption columns of ``schemas.records.ANSWER`` (without copy_similarity, which a filter measures)."""

    version: ClassVar[int] = 2

    captioner: CaptionerSpec

    def __call__(self, batch: pa.RecordBatch, *, captioner: Captioner) -> Addition:
        """Return the captions of ``batch``, all of whose rows lie in one split; a row without an answer has a reason."""
        if not len(batch):
            return self._addition([])
        return self._addition(captioner.caption(batch.column(c.SPLIT_ID.name)[0].as_py(), tasks(batch, self.captioner.seen)))

    def _addition(self, outcomes: Sequence[Answer | Failure]) -> Addition:
        answers = [o if isinstance(o, Answer) else None for o in outcomes]
        failures = [o if isinstance(o, Failure) else None for o in outcomes]
        said = [None if a is None else spoken(a.text) for a in answers]
        about = {c.CAPTION_MODEL: self.captioner.name, c.PROMPT_VERSION: self.captioner.prompt_version, c.SEEN: self.captioner.seen}
        columns: dict[pa.Field, list[Any]] = {
            c.CAPTION: [None if text is None else unicodedata.normalize("NFC", text).strip() for text in said],
            c.UNWRAPPED: [a and a.text != text for a, text in zip(answers, said, strict=True)],
            c.FINISH_REASON: [(a and a.finish_reason) or None for a in answers],
            c.PROMPT_TOKENS: [a and a.prompt_tokens for a in answers],
            c.COMPLETION_TOKENS: [a and a.completion_tokens for a in answers],
            c.ANSWER_SECONDS: [a and a.seconds for a in answers],
            **{field: [a and value for a in answers] for field, value in about.items()},
        }
        return Addition(
            added={field.name: pa.array(values, field.type) for field, values in columns.items()},
            reason=pa.array([f and f.reason for f in failures], pa.string()),
            error=pa.array([f and f.error for f in failures], pa.string()),
        )


def tasks(batch: pa.RecordBatch, seen: str) -> list[CaptionTask]:
    """Return what the captioner gets of each row: the evidence goes along only where it takes the place of the image."""
    images = batch.column(c.IMAGE.name).field("bytes").to_pylist()
    formats, alt_texts = strings(batch.column(c.IMAGE_FORMAT.name)), strings(batch.column(c.ALT_TEXT.name))
    labels, ocr = batch.column(c.LABELS.name).to_pylist(), batch.column(c.OCR_TEXT.name).to_pylist()
    words = [in_words(*found) if seen == "description" else "" for found in zip(labels, ocr, strict=True)]
    return [CaptionTask(*row) for row in zip(images, formats, alt_texts, words, strict=True)]
