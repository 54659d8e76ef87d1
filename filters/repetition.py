"""Repetition within one text, measured in four ways: no single one finds all loops of a model (GLM-V's reward code has the first)."""

import re
import zlib
from dataclasses import dataclass

from filters.windows import Numbers, characters, longest_block, repeats, windows

_RULES = re.compile(r"([=|\-~_#*.%+])\1{2,}")
WINDOW = 50
"""Characters of a window (GLM-V, ``detect_repeat``)."""
NGRAM = 8
"""Words of a sequence that is looked for again; 16 characters in Chinese (ours)."""
_MIN_SEQUENCES = 64
"""Sequences below which no share is told: a matrix or a short table repeats itself by nature (ours)."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a text repeats itself."""

    window: int
    """Occurrences of its most frequent window of ``WINDOW`` characters."""
    compression: float
    """Bytes in UTF-8 over bytes behind zlib, rounded to 4 decimals; 0 for no text."""
    duplicates: float
    """Share of its sequences of ``NGRAM`` words that occurred before, 0-1, rounded to 4 decimals; 0 for a short text."""
    block: float
    """Share of its characters in the longest stretch that stood before as a whole, 0-1, rounded to 4 decimals."""
    unspaced: bool
    """Whether most of its words are single ideographs, kana or Hangul syllables, which compress otherwise."""


def repetition(text: str, terms: Numbers, ngram: int) -> Repetition:
    """Return the measures of ``text``, from which lines drawn with one sign are taken out first (GLM-V).

    ``terms``, shape (words,), are its words as numbers, ``ngram`` how many of them make ``NGRAM`` words.
    """
    bare = _RULES.sub(" ", text)
    times, steps = repeats(windows(characters(bare), WINDOW))
    data = bare.encode("utf-8", "replace")
    return Repetition(
        window=times,
        compression=round(len(data) / len(zlib.compress(data)), 4) if data else 0.0,
        duplicates=_duplicates(terms, ngram),
        block=round(longest_block(steps, WINDOW) / len(bare), 4) if bare else 0.0,
        unspaced=ngram > NGRAM,
    )


def _duplicates(terms: Numbers, ngram: int) -> float:
    _, steps = repeats(windows(terms, ngram))
    return round(float((steps > 0).mean()), 4) if len(steps) >= _MIN_SEQUENCES else 0.0
