"""Every number that a report counts rows by, once: what it is called, over which edges, and how it is read from a row.

A bar is a threshold on one of them, so each is measured exactly as the filter measures that judges by it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from filters.alt_text import weight
from filters.words import measured, normalised, words
from pipelines.report.metrics import BYTES, CHARS, COSINE, COUNTS, SHARE, SIDES, Column, Metric, Numbers, Plane, decades, steps
from schemas import columns as c
from schemas import questions as q
from schemas.batches import numbers, strings

ASPECTS = tuple(sorted({*steps(1, 4, 0.1), *steps(4, 20, 0.5)}))
TOKENS = decades(1, 100_000, 12)
SECONDS = tuple(edge / 100 for edge in decades(1, 100_000, 12))
COARSE = decades(10, 20_000, 8)
LOG_FROM = 100
"""Ratio of the last edge to the first from which on bins are shown by ratio (ours)."""


@dataclass(frozen=True)
class OfText:
    """Measures the text column ``name``; picklable."""

    name: str
    measure: Callable[[str], float]
    is_null_empty: bool = True
    """Whether a null text is one without characters, or one that nobody measures."""

    def __call__(self, batch: pa.RecordBatch) -> Numbers:
        """Return the measure of each text, shape (n,), NaN where it is null and that is not the empty text."""
        found = measured(self.measure, strings(batch.column(self.name)))
        if not self.is_null_empty:
            found[~batch.column(self.name).is_valid().to_numpy(zero_copy_only=False)] = np.nan
        return found


def _chars(text: str) -> int:
    return len(normalised(text))


def _weight(text: str) -> int:
    return weight(normalised(text))


def _words(text: str) -> int:
    return len(words(normalised(text)))


def _stripped(text: str) -> int:
    return len(text.strip())


def _shorter(batch: pa.RecordBatch) -> Numbers:
    return np.minimum(numbers(batch.column(c.WIDTH.name)), numbers(batch.column(c.HEIGHT.name)))


def _aspect(batch: pa.RecordBatch) -> Numbers:
    width, height = numbers(batch.column(c.WIDTH.name)), numbers(batch.column(c.HEIGHT.name))
    return np.maximum(width, height) / np.maximum(np.minimum(width, height), 1)


def _reward(batch: pa.RecordBatch) -> Numbers:
    """Return the reward of what a rule or judge can decide; what has no truth is held against nothing."""
    stated = batch.column(q.TRUTH.name).is_valid().to_numpy(zero_copy_only=False)
    return np.where(stated, numbers(batch.column(q.REWARD.name)), np.nan)


def _column(field: pa.Field, title: str, unit: str, edges: tuple[float, ...], decimals: int | None = None) -> Metric:
    """Return the metric that a numeric column is; ``decimals`` as the filter that judges it rounds."""
    return Metric(field.name, title, unit, edges, Column(field.name, decimals), _scale(edges), (field.name,))


def _text(name: str, title: str, field: pa.Field, measure: Callable[[str], float], unit: str = "characters") -> Metric:
    """Return the metric that a measure of a text is; a null alt text or question is one without characters."""
    is_null_empty = field in (c.ALT_TEXT, q.QUESTION_TEXT)
    return Metric(name, title, unit, CHARS, OfText(field.name, measure, is_null_empty), "log", (field.name,))


def _scale(edges: tuple[float, ...]) -> Literal["linear", "log"]:
    return "log" if edges[0] > 0 and edges[-1] / edges[0] > LOG_FROM else "linear"


_SIZE = (c.WIDTH.name, c.HEIGHT.name)
_ALL: Sequence[Metric] = (
    Metric("shorter_side", "Shorter side", "pixels", SIDES, _shorter, "log", _SIZE),
    Metric("aspect", "Longer side over shorter side", "", ASPECTS, _aspect, "linear", _SIZE),
    _column(c.WIDTH, "Width", "pixels", COARSE),
    _column(c.HEIGHT, "Height", "pixels", COARSE),
    _column(c.SOURCE_BYTES, "Bytes in the source", "bytes", BYTES),
    _column(c.COLOUR_STD, "Spread of the strongest colour, of 255", "", steps(0, 128, 1)),
    _column(c.SHARPNESS, "Sharpness", "", decades(1, 100_000, 12)),
    _column(c.NSFW_SCORE, "Score of sexual content, 0 to 1", "", SHARE, 4),
    _column(c.FACES, "Faces", "faces", COUNTS),
    _text("alt_text_chars", "Characters of the alt text", c.ALT_TEXT, _chars),
    _text("alt_text_weight", "Characters of the alt text, ideographs twice", c.ALT_TEXT, _weight),
    _text("alt_text_words", "Words of the alt text", c.ALT_TEXT, _words, "words"),
    _column(c.LANGUAGE_CONFIDENCE, "Confidence in the language, 0 to 1", "", SHARE, 4),
    _column(c.CLIP_SCORE, "How image and alt text fit, as a cosine", "", COSINE, 4),
    _column(c.CAPTION_CLIP_SCORE, "How image and caption fit, as a cosine", "", COSINE, 4),
    _text("caption_chars", "Characters of the caption", c.CAPTION, _chars),
    _column(c.COPY_SIMILARITY, "Likeness of caption and alt text, 0 to 1", "", SHARE),
    _column(c.DUPLICATE_COUNT, "Rows merged into a sample", "rows", decades(1, 1_000_000, 12)),
    _column(c.COMPLETION_TOKENS, "Tokens of an answer", "tokens", TOKENS),
    _column(c.ANSWER_SECONDS, "Seconds until an answer", "s", SECONDS),
    _text("question_chars", "Characters of the question", q.QUESTION_TEXT, _stripped),
    _text("truth_chars", "Characters of the truth", q.TRUTH, _stripped),
    _column(q.IMAGE_COUNT, "Pictures of a question", "images", COUNTS),
    _column(q.PASS_RATE, "Pass rate, 0 to 1", "", SHARE),
    Metric("reward", "Reward, 0 to 1", "", SHARE, _reward, "linear", (q.REWARD.name, q.TRUTH.name)),
    _text("thinking_chars", "Characters of the thought", q.THINKING, len),
    _text("response_chars", "Characters of the response", q.RESPONSE, len),
    _column(c.ATTEMPTS, "Attempts at a download", "attempts", COUNTS),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
"""By name, which a finished report names them by."""
PLANES: Mapping[str, Plane] = {"resolution": Plane("resolution", "Width and height", METRICS["width"], METRICS["height"])}
