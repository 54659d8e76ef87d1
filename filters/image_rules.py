"""Rules on what one decode says of an image: its size, its shape, its colours, its bytes.

A signal that is null was not measured and breaks no rule: an image that would not decode is a dead letter before it
comes here.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import columns as c
from schemas.batches import numbers
from schemas.exits import Rule, Verdict, judge


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Drops images that are too small or too elongated. Reads ``width`` and ``height``."""

    version: ClassVar[int] = 1

    min_side: int = 200
    """Pixels that the shorter side must have (DataComp, COYO)."""
    max_aspect: float = 3.0
    """Longer side over shorter side at most (DataComp, COYO)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``too_small`` (value: shorter side) or ``too_elongated`` (value: aspect) for each row."""
        width, height = numbers(batch.column(c.WIDTH.name)), numbers(batch.column(c.HEIGHT.name))
        shorter, longer = np.minimum(width, height), np.maximum(width, height)
        aspect = longer / np.maximum(shorter, 1)
        return judge(
            len(batch),
            Rule("too_small", shorter < self.min_side, shorter, self.min_side),
            Rule("too_elongated", aspect > self.max_aspect, aspect, self.max_aspect),
        )


@dataclass(frozen=True, slots=True)
class ImageContent:
    """Drops solid colours and tiny files. Reads ``colour_std`` and ``source_bytes``."""

    version: ClassVar[int] = 1

    min_colour_std: float = 5.0
    """Standard deviation, 0-255, that some colour channel must reach (ours; paper 3.1 names the rule without a number)."""
    min_bytes: int = 5120
    """Bytes that the encoded image must have: 5 KB (LAION, COYO)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``solid_colour`` (value: standard deviation) or ``tiny_file`` (value: bytes) for each row."""
        spread, size = numbers(batch.column(c.COLOUR_STD.name)), numbers(batch.column(c.SOURCE_BYTES.name))
        return judge(
            len(batch),
            Rule("solid_colour", spread < self.min_colour_std, spread, self.min_colour_std),
            Rule("tiny_file", size < self.min_bytes, size, self.min_bytes),
        )
