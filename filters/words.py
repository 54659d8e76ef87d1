"""What the rules on text share: the normal form, the words, and measures over many texts."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Character ranges of kana, CJK ideographs and Hangul syllables, for use inside ``[]`` of a regular expression (ours)."""

_ALONE = re.compile(rf"[{UNSPACED}]")
_WORD = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")


def normalised(text: str) -> str:
    """Return ``text`` in Unicode NFC without outer whitespace: the form in which texts are measured and compared."""
    return unicodedata.normalize("NFC", text).strip()


def words(text: str) -> list[str]:
    """Return the words of ``text`` in order: runs of letters and digits, as they stand.

    A CJK ideograph, a kana or a Hangul syllable is one word by itself, because text in those scripts has no
    (or, for Korean, few) spaces that would tell words apart (ours).
    """
    return _WORD.findall(text)


def weights(terms: Sequence[str]) -> list[float]:
    """Return how much of a word each of ``terms`` is: one half for a character of an unspaced script by itself, else 1.

    Text in those scripts has about two characters to a word (ours). How many words a sequence holds is the sum over it.
    """
    if not _ALONE.search("".join(terms)):
        return [1.0] * len(terms)
    return [0.5 if _ALONE.match(term) else 1.0 for term in terms]


def has_letter(text: str) -> bool:
    """Whether any character of ``text`` is a letter of any script."""
    return any(map(str.isalpha, text))


def where(test: Callable[[str], object], texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return shape (n,): whether ``test`` answers something true for each text."""
    return np.fromiter((bool(test(text)) for text in texts), np.bool_, len(texts))


def measured(measure: Callable[[T], float], items: Sequence[T]) -> npt.NDArray[np.float64]:
    """Return ``measure`` of each item, shape (n,), float64."""
    return np.fromiter(map(measure, items), np.float64, len(items))
