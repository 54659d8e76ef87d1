"""MinHash: a signature of a set, from which pairs of similar sets are found without comparing all of them.

Two sets of Jaccard similarity s agree in each place of their signatures with probability s. Signatures are cut into bands,
and sets that agree in a whole band are candidates (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from filters.shingles import Shingles, mixed

VERSION = 1
"""Signatures of two versions do not compare: part of the identity of a pass that makes them."""
PLACES = 128
"""Places of a signature (rensa, datasketch)."""
SKETCH = 64
"""Bits of a sketch, one for each of the last places of the signature (ours)."""
SCREEN_MISSES = 0.001
"""Share of the pairs at the least similarity that may be lost to the sketches (ours)."""

_EMPTY = np.uint32(0xFFFFFFFF)
_BIN = np.uint64(64 - PLACES.bit_length() + 1)
_RANK = np.uint32((1 << 24) - 1)
_STEP = 0x9E3779B97F4A7C15

Signatures = npt.NDArray[np.uint16]
"""Shape (n, 128)."""


def signatures(sets: Shingles) -> Signatures:
    """Return the signature of each set, shape (n, 128), uint16; that of an empty set is without meaning.

    In each round a shingle draws one place and a rank there, and a place keeps the least rank of the first round in which
    it was drawn: one pass over a text of some hundred words instead of 128 (Fast Similarity Sketching, arXiv 1704.04370).
    A set that has not filled its places after 128 rounds fills one more in each of the next.
    """
    filled = np.full(len(sets.counts) * PLACES, _EMPTY, np.uint32)
    rows = np.repeat(np.arange(len(sets.counts)) * PLACES, sets.counts)
    values = sets.values.astype(np.uint64)
    for number in range(2 * PLACES):
        drawn = mixed(values + np.uint64((number + 1) * _STEP % 2**64))
        places = rows + ((drawn >> _BIN).astype(np.int64) if number < PLACES else number - PLACES)
        ranks = (drawn.astype(np.uint32) & _RANK) | np.uint32(min(number, PLACES) << 24)
        np.minimum.at(filled, places, ranks)
        open_ = (filled.reshape(-1, PLACES) == _EMPTY).any(axis=1)[rows // PLACES]
        rows, values = rows[open_], values[open_]
        if not len(rows):
            break
    return filled.reshape(-1, PLACES).astype(np.uint16)


@cache
def banding(similarity: float, recall: float) -> tuple[int, int]:
    """Return (bands, places of a band): the longest bands, and the fewest of them, that find ``recall`` of the pairs.

    That is 1 - (1 - s ** places) ** bands at similarity s. Raises ``ValueError`` where even bands of one place are too few.
    """
    for places in range(PLACES, 0, -1):
        for bands in range(1, PLACES // places + 1):
            if 1 - (1 - similarity**places) ** bands >= recall:
                return bands, places
    raise ValueError(f"{PLACES} hashes find no {recall:.0%} of the pairs of Jaccard similarity {similarity}: raise it, or ask for fewer")


def band_keys(signed: Signatures, bands: int, places: int) -> npt.NDArray[np.uint64]:
    """Return shape (n, bands): a number for each band of each signature, seeded by the place of the band."""
    keys = np.broadcast_to(mixed(np.arange(1, bands + 1, dtype=np.uint64)), (len(signed), bands))
    cut = signed[:, : bands * places].reshape(-1, bands, places)
    for place in range(places):
        keys = mixed(keys ^ cut[:, :, place])
    return keys


def sketches(signed: Signatures) -> npt.NDArray[np.uint64]:
    """Return shape (n,): a bit of each of the last 64 places, which two sets of similarity s share with probability (1 + s) / 2."""
    bits = np.packbits((signed[:, -SKETCH:] & 1).astype(np.uint8), axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view("<u8").reshape(-1).astype(np.uint64)


@cache
def least_agreement(similarity: float) -> int:
    """Return how many bits of their sketches two sets of at least ``similarity`` share, all but ``SCREEN_MISSES`` of them."""
    share, missed = (1 + similarity) / 2, 0.0
    for bits in range(SKETCH):
        missed += math.comb(SKETCH, bits) * share**bits * (1 - share) ** (SKETCH - bits)
        if missed > SCREEN_MISSES:
            return bits
    return SKETCH
