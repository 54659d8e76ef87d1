"""Measure what one decode of each image tells, and hand the pixels on to whatever else wants to see them."""

from collections.abc import Sequence

import cv2
import pyarrow as pa
import xxhash

from filters.decode import Decoded, Decoder
from filters.headers import Encoded, Header
from schemas import columns as c
from schemas.exits import Addition
from schemas.protocols import Failure, Pixels

_COLUMNS = (c.IMAGE_HASH, c.IMAGE_FORMAT, c.WIDTH, c.HEIGHT, c.ANIMATED, c.COLOUR_STD)


def measure(
    images: Sequence[Encoded | None], decoder: Decoder, hashes: Sequence[str | None] | None = None
) -> tuple[Addition, list[Pixels | None]]:
    """Decode each of n encoded images once and return their signals and pixels.

    The addition has the columns of ``schemas.records.SIGNALS`` and the failures of ``filters.decode``; a null image has
    null signals and no failure. The pixels are n arrays (h, w, 3), uint8 RGB, None where there is no image, and all None with a null
    ``colour_std`` where the decoder reads headers alone. ``hashes`` are the xxh3-128 of the images where whoever read them has them
    already, 32 hex digits each.
    """
    if hashes is None:
        hashes = [None if image is None else xxhash.xxh3_128_hexdigest(image) for image in images]
    outcomes = [None if image is None else decoder.look(image) for image in images]
    signals = [None if o is None or isinstance(o, Failure) else (hashed, *_signals(o)) for hashed, o in zip(hashes, outcomes, strict=True)]
    failures = [o if isinstance(o, Failure) else None for o in outcomes]
    addition = Addition(
        added={f.name: pa.array([s and s[i] for s in signals], f.type) for i, f in enumerate(_COLUMNS)},
        reason=pa.array([f and f.reason for f in failures], pa.string()),
        error=pa.array([f and f.error for f in failures], pa.string()),
    )
    return addition, [o.pixels if isinstance(o, Decoded) else None for o in outcomes]


def colour_std(pixels: Pixels) -> float:
    """Return the largest standard deviation of a colour channel, 0 to 127.5, rounded to 4 decimals."""
    _, deviations = cv2.meanStdDev(pixels)
    return round(float(deviations.max()), 4)


def _signals(found: Decoded | Header) -> tuple[str, int, int, bool, float | None]:
    """Return the signals of one image in the order of ``_COLUMNS``, but for its hash."""
    spread = colour_std(found.pixels) if isinstance(found, Decoded) else None
    return found.image_format, found.width, found.height, found.animated, spread
