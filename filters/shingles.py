"""The shingles of texts: by what two texts are compared to tell whether they are nearly the same.

A shingle is three words in a row, as one number. All of it is numpy over the code points of many texts at once: a
Python loop over words costs more than everything that is done with them afterwards.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from filters.words import UNSPACED, normalised

LENGTH = 3
"""Words of a shingle (ours). text-dedup, datatrove and Data-Juicer take five, for documents: an alt text of ten words has
six of those, and one word that differs spoils five of them."""
CHUNK = 1 << 15
"""Code points that are worked on at once, unless one text has more (ours). Arrays of twice as many are returned to the system and
faulted in again each time, which costs half as much as the work on them (measured)."""

_UNSPACED_TOO = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
"""Thai and Lao, Tibetan, Burmese, Khmer: no spaces tell their words apart either."""
_SEPARATOR, _LETTER, _ALONE = 0, 1, 2
_START = np.uint64(1 << 21)
"""Added to the first character of a word; no code point is as large."""
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MULTIPLIER = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


class Shingles(NamedTuple):
    """The shingles of n texts."""

    values: npt.NDArray[np.uint32]
    """Shape (m,): those of the first text, ascending and distinct, then those of the second, and so on."""
    counts: npt.NDArray[np.int64]
    """Shape (n,): how many each text has; none where it has fewer than three words."""
    words: npt.NDArray[np.float32]
    """Shape (n,): words of each text; a character of a script without spaces is half of one (``filters.words.weights``)."""


def shingles(texts: Sequence[str]) -> Iterator[Shingles]:
    """Yield the shingles of ``texts``, of some texts at a time and in their order.

    Texts are compared in NFC and casefolded, by their letters, digits and marks alone; a character of a script without
    spaces is a word by itself. A shingle depends on its three words and on nothing else: it is the same number in every
    process and on every machine whose Python knows their characters. Two others have one number with a chance of 2**-32.
    """
    folded = [normalised(text).casefold() for text in texts]
    for span in spans(map(len, folded), CHUNK):
        yield _of_chunk(folded[span])


def spans(sizes: Iterable[int], limit: int) -> Iterator[slice]:
    """Yield the ranges into which items of ``sizes`` are cut so that each holds ``limit`` at most, or a single item."""
    first = held = place = 0
    for place, size in enumerate(sizes, 1):
        held += size
        if held > limit and place - first > 1:
            yield slice(first, place - 1)
            first, held = place - 1, size
    if place > first:
        yield slice(first, place)


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return ``values`` with each bit spread over the 64, one to one."""
    values = (values ^ (values >> _HALF)) * _MULTIPLIER
    values ^= values >> _HALF
    values *= _MULTIPLIER
    values ^= values >> _HALF
    return values


def _of_chunk(texts: Sequence[str]) -> Shingles:
    points = np.frombuffer("\n".join(texts).encode("utf-32-le", "surrogatepass"), "<u4")
    kinds = _kinds().take(points)
    letters = kinds != _SEPARATOR
    starts = letters.copy()
    starts[1:] &= (kinds[1:] == _ALONE) | (kinds[:-1] != _LETTER)
    counts, words = _counts(np.flatnonzero(starts), kinds, texts)
    hashes = _hashes(np.compress(letters, points), np.compress(letters, starts))
    rows = np.repeat(np.arange(len(texts)), counts)
    first, last = rows[: len(hashes)], rows[len(rows) - len(hashes) :]
    return Shingles(*_distinct(hashes[first == last], first[first == last], len(texts)), words)


def _distinct(
    values: npt.NDArray[np.uint32], rows: npt.NDArray[np.int64], count: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return the distinct values of each row, ascending, and how many it has; ``rows`` ascends.

    Each row is sorted by itself, which is thirteen times as fast as all of them at once under their numbers.
    """
    ends = np.cumsum(np.bincount(rows, minlength=count)).tolist()
    for begin, end in pairwise([0, *ends]):
        values[begin:end].sort()
    kept = np.append(True, (values[1:] != values[:-1]) | (rows[1:] != rows[:-1]))[: len(values)]
    return np.compress(kept, values), np.bincount(np.compress(kept, rows), minlength=count)


def _counts(
    places: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint8], texts: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return for each text how many of ``places``, where words start, are in it, and how many words they come to."""
    ends = np.cumsum([len(text) + 1 for text in texts])
    before = np.searchsorted(places, ends)
    alone = np.append(0, np.cumsum(kinds[places] == _ALONE))[before]
    counts = np.diff(before, prepend=0)
    return counts, (counts - np.diff(alone, prepend=0) / 2).astype(np.float32)


def _hashes(points: npt.NDArray[np.uint32], starts: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    """Return a hash for each run of three words of the characters ``points``, of which some start a word.

    A run is a polynomial over its characters; that of any run is a difference of two sums from the beginning.
    """
    terms = (points + starts * _START) * _powers(_BASE, max(len(points), CHUNK))[: len(points)]
    sums = np.append(np.uint64(0), np.cumsum(terms, dtype=np.uint64))
    first = np.append(np.flatnonzero(starts), len(points))
    begin = first[: max(len(first) - LENGTH, 0)]
    whole = mixed((sums[first[LENGTH:]] - sums[begin]) * _powers(_INVERSE, max(len(points), CHUNK))[begin])
    return (whole >> _HALF).astype(np.uint32)


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    """Return for each code point whether it separates words, is a part of one, or is one by itself."""
    points = range(sys.maxunicode + 1)
    kinds = np.fromiter((unicodedata.category(chr(point))[0] in "LMN" for point in points), np.uint8, len(points))
    for first, last in re.findall("(.)-(.)", UNSPACED + _UNSPACED_TOO):
        kinds[ord(first) : ord(last) + 1] *= _ALONE
    return kinds


@lru_cache(maxsize=2)
def _powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    """Return the first ``count`` powers of ``base`` modulo 2**64."""
    powers = np.full(count, base, np.uint64)
    powers[:1] = 1
    return np.multiply.accumulate(powers)
