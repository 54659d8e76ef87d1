"""Decode what must be an image, or must not be one."""

import numpy as np
from PIL import features

from filters.decode import Decoded, decode
from schemas.protocols import Failure

FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else [])]
LIMIT = 10_000_000
WHITE, BLACK, RED, LIME, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)


def good(data: bytes, scale: int = 64) -> Decoded:
    found = decode(data, max_pixels=LIMIT, scale=scale)
    assert isinstance(found, Decoded), found
    return found


def bad(data: bytes, max_pixels: int = LIMIT) -> Failure:
    found = decode(data, max_pixels=max_pixels, scale=64)
    assert isinstance(found, Failure)
    return found


def assert_colour(pixels: np.ndarray, expected: tuple[int, int, int], within: int = 6) -> None:
    assert np.abs(pixels.astype(int) - expected).max() <= within, (pixels.reshape(-1, 3).mean(axis=0), expected)
