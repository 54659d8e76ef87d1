"""What an image shows, as bits that survive another encoding, another size, another brightness and a light crop.

A bit is the sign of one cosine coefficient of the grey image, as in pHash. Ours differs from it in three ways. The
coefficients are exact integrals over the pixels as they are, without a second scaling. There are 256 of them, coarse to
fine: the 64 coarse ones find pairs, the rest tells pages and drawings of one layout apart. And two slight crops are
hashed beside the whole image, so that a cropped copy meets the crop of its original.
"""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas import columns as c
from schemas.protocols import Pixels

VERSION = 1
"""Hashes of two versions do not compare: part of the identity of a pass that makes them."""
SCALE = 96
"""Pixels of the longer side that the hashes need: at 64 a copy of another size is scaled too unevenly (docs/near-duplicates.md)."""
CROPS = (0.0, 0.015, 0.03)
"""Share of each side that is cut off before an image is hashed; the whole image first (ours, measured)."""
WORDS = 4
"""Words of 64 bits for each crop; the first is the coarse one."""
MIN_COEFFICIENT = 0.2
"""Grey levels: a smaller coefficient may be an artefact of scaling, whose error is about that large (ours, measured)."""
MIN_COEFFICIENTS = 24
"""Coarse coefficients of at least that size that an image needs to have hashes. A gradient or a square on white has 4 to 19, a page of
text at least 31, a photograph at least 45 of 64 (ours, measured)."""

_POSITIVE = 1e-3
"""Least coefficient whose bit is set: what is 0 but for rounding has the bit 0 on any machine."""
_BITS = 64 * WORDS


def _spectrum() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return vertical and horizontal frequency of each bit, shapes (256,): the lowest without the mean, the coarse ones mixed.

    Mixed means that consecutive bits are far apart in frequency, so that no block of a hash holds the most common shapes alone.
    """
    square = ((i, j) for i in range(24) for j in range(24))
    lowest = sorted(square, key=lambda f: (f[0] ** 2 + f[1] ** 2, f))[1 : 1 + _BITS]
    mixed = [lowest[8 * bit + block] for block in range(8) for bit in range(8)]
    vertical, horizontal = np.array(mixed + lowest[64:]).T
    return vertical, horizontal


_VERTICAL, _HORIZONTAL = _spectrum()
_FREQUENCIES = int(max(_VERTICAL.max(), _HORIZONTAL.max())) + 1


def perceptual(pixels: Sequence[Pixels | None]) -> dict[str, pa.Array]:
    """Return ``perceptual_hashes`` and ``sharpness`` of n decoded images, null where there is none."""
    hashes = [None if image is None else image_hashes(image) for image in pixels]
    sharp = [None if image is None else sharpness(image) for image in pixels]
    return {
        c.PERCEPTUAL_HASHES.name: pa.array(hashes, c.PERCEPTUAL_HASHES.type),
        c.SHARPNESS.name: pa.array(sharp, c.SHARPNESS.type),
    }


def image_hashes(pixels: Pixels) -> npt.NDArray[np.uint64]:
    """Return the hashes of one image, shape (12,), uint64: ``WORDS`` for each of ``CROPS``; shape (0,) where it shows next to nothing."""
    spectra = _coefficients(_grey(pixels).astype(np.float32))
    if np.count_nonzero(np.abs(spectra[0, :64]) >= MIN_COEFFICIENT) < MIN_COEFFICIENTS:
        return np.empty(0, np.uint64)
    return np.packbits(spectra > _POSITIVE).view(">u8").astype(np.uint64)


def sharpness(pixels: Pixels) -> float:
    """Return the variance of the Laplacian of the grey image, rounded to 4 decimals.

    NeMo-Curator takes less than 100 at full scale for blurred. The number follows the scale: see docs/near-duplicates.md.
    """
    _, deviation = cv2.meanStdDev(cv2.Laplacian(_grey(pixels), cv2.CV_32F))
    return round(float(deviation[0, 0]) ** 2, 4)


def _grey(pixels: Pixels) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _coefficients(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the cosine coefficients in grey levels of each crop, shape (3, 256), in the order of the bits."""
    rows, columns = (_waves(length) for length in grey.shape)
    spectra = (rows @ grey).reshape(len(CROPS), _FREQUENCIES, -1) @ columns.reshape(len(CROPS), _FREQUENCIES, -1).transpose(0, 2, 1)
    return np.asarray(spectra[:, _VERTICAL, _HORIZONTAL], np.float32)


@lru_cache(maxsize=4096)
def _waves(length: int) -> npt.NDArray[np.float32]:
    """Return what each of ``length`` pixels adds to each coefficient, shape (3 * frequencies, length): integrals of cosines over it."""
    frequency = np.arange(_FREQUENCIES)[:, None]
    crops: list[npt.NDArray[np.float64]] = []
    for crop in CROPS:
        edges = np.clip((np.arange(length + 1) / length - crop) / (1 - 2 * crop), 0, 1)
        primitive = np.where(frequency == 0, edges, np.sin(np.pi * frequency * edges) / (np.pi * np.maximum(frequency, 1)))
        crops.append(np.diff(primitive, axis=1) * np.where(frequency == 0, 1, np.sqrt(2)))
    return np.concatenate(crops).astype(np.float32)
