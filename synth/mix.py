"""The mix of originals and recaptions: which of the two a sample's training text is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import columns as c
from schemas.batches import draw
from schemas.exits import Addition, Verdict

ORIGINAL, RECAPTION = "original", "recaption"
FAULTS_OF_THE_CAPTION = (
    *("empty", "thinking", "truncated", "unknown_finish", "refusal", "too_long", "repetition", "prompt_echo", "copy"),
    "unsupported",
)
"""Reasons that tell of the captioner and not of the sample, whose alt text has passed its own rules (ours). What a server's
``content_filter`` stopped at may be the sample's fault."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Chooses between the alt text and the caption (paper 3.1: merge original and recaptioned data at a predetermined ratio)."""

    version: ClassVar[int] = 1

    recaption_share: float = 0.5
    """Share of the captioned samples that train on the caption, 0-1 (ours: the paper gives no number)."""
    seed: int = 0
    keep_original_of_dropped: bool = False
    """Whether a sample whose caption alone was at fault stays with its alt text (ours)."""
    faults: tuple[str, ...] = FAULTS_OF_THE_CAPTION
    """Reasons for which it may, if it may at all."""

    def __call__(self, batch: pa.RecordBatch) -> Addition:
        """Return ``text`` and ``caption_source`` of each row; no row fails.

        A row without a caption, or with a ``caption_fault``, has its original; one without an alt text has its caption. The draw is
        salted, so that it has nothing to do with other draws over the same seed and samples.
        """
        drawn = draw(self.seed, (f"mix:{sample}" for sample in batch.column(c.SAMPLE_ID.name).to_pylist())) < self.recaption_share
        faults = batch.column(c.CAPTION_FAULT.name).to_pylist() if c.CAPTION_FAULT.name in batch.schema.names else [None] * len(batch)
        texts = [batch.column(field.name).to_pylist() for field in (c.ALT_TEXT, c.CAPTION)]
        chosen = [_choose(alt, None if fault else caption, bool(d)) for alt, caption, fault, d in zip(*texts, faults, drawn, strict=True)]
        nothing = pa.nulls(len(batch), pa.string())
        return Addition(
            added={
                c.TEXT.name: pa.array([text for text, _ in chosen], pa.string()),
                c.CAPTION_SOURCE.name: pa.array([source for _, source in chosen], pa.string()),
            },
            reason=nothing,
            error=nothing,
        )

    def spare(self, verdict: Verdict, before: pa.Array) -> Verdict:
        """Return ``verdict`` with the rows kept that may stay with their alt text; ``caption_fault`` says why they were to leave.

        ``before`` is that column as earlier rules left it: a caption that was set aside is not judged again. The column is added
        in any case, so that a batch has the same columns whatever the rows are.
        """
        earlier = before.is_valid().to_numpy(zero_copy_only=False)
        kept = earlier | stays_with_original(verdict.reason, self.faults if self.keep_original_of_dropped else ())
        reasons = zip(before.to_pylist(), verdict.reason.to_pylist(), kept, strict=True)
        fault = [old or (reason if keep else None) for old, reason, keep in reasons]
        return Verdict(
            reason=_without(verdict.reason, kept),
            value=_without(verdict.value, kept),
            threshold=_without(verdict.threshold, kept),
            added={**verdict.added, c.CAPTION_FAULT.name: pa.array(fault, pa.string())},
        )


def stays_with_original(reasons: pa.StringArray, faults: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return shape (n,), bool: whether a row that was dropped for ``reasons`` may stay, because only its caption was at fault."""
    return np.array([reason is not None and reason in faults for reason in reasons.to_pylist()], np.bool_)


def _choose(alt_text: str | None, caption: str | None, drawn: bool) -> tuple[str | None, str]:
    if caption is None or (alt_text is not None and not drawn):
        return alt_text, ORIGINAL
    return caption, RECAPTION


def _without(array: pa.Array, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pa.Array:
    """Return ``array`` with nulls where ``rows`` is true."""
    return pa.array(array.to_pylist(), array.type, mask=rows)
