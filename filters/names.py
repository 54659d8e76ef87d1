"""Words as names are compared by: folded, in any script, number and case."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import opencc

from filters.words import UNSPACED

COMPOUND = 6
"""Letters from which on the beginning of a word is taken for a word of a compound, Beethovenstatue (ours)."""
_PIECE = re.compile(rf"[{UNSPACED}]|[^\W\d_{UNSPACED}]+|\d+")
CODE = re.compile(rf"[{UNSPACED}]+|[^\W_{UNSPACED}]+")
"""A word or a code of letters and digits, folded."""
_POSSESSIVE = re.compile(r"['’`´]s?(?!\w)")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
NOT_IN_NAME = re.compile(r"[\s·・•‧.,'’\-]+")


def listed(words: str) -> tuple[str, ...]:
    """Return the words of a table that is written as one text."""
    return tuple(words.split())


@cache
def _converter(name: str) -> Any:
    return opencc.OpenCC(name)


def simplified(text: str) -> str:
    """Return ``text`` with simplified Chinese characters, by OpenCC's `t2s`."""
    return _converter("t2s").convert(text) if _HAN.search(text) else text


def is_japanese_writing(text: str) -> bool:
    """Whether no Chinese character of ``text`` has another form in Japan."""
    return _converter("t2jp").convert(_converter("s2t").convert(text)) == text


@lru_cache(maxsize=65536)
def folded(text: str) -> str:
    """Return ``text`` as it is compared: NFKC, casefolded, simplified Chinese, Latin and Cyrillic letters without marks."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    if plain.isascii():
        return plain
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not "\u0300" <= c <= "\u036f")
    return simplified(unicodedata.normalize("NFC", bare))


def pieces(text: str) -> list[str]:
    """Return the folded runs of letters, runs of digits and single CJK characters of ``text``, possessive endings left off."""
    return _PIECE.findall(_POSSESSIVE.sub(" ", folded(text)))


def stem(word: str) -> str:
    """Return a folded word without an English plural ending."""
    if len(word) < 4 or not word.isascii() or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):
        return word[:-2]
    return word.removesuffix("s")


def same_word(left: str, right: str) -> bool:
    """Whether two folded words are one word in two forms: number, or in Cyrillic also case."""
    if left == right or stem(left) == stem(right):
        return True
    return "\u0400" <= left[0] <= "\u04ff" and _inflected(left, right)


def _inflected(left: str, right: str) -> bool:
    shared = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        shared += 1
    return shared >= 3 and max(len(left), len(right)) - shared <= 3 and min(len(left), len(right)) - shared <= 2


def _compound(left: str, right: str) -> bool:
    short, long = sorted((left, right), key=len)
    return len(short) >= COMPOUND and len(long) - len(short) >= 3 and long.startswith(short)


@dataclass(frozen=True, slots=True)
class Words:
    """A text, prepared for looking names up in it."""

    joined: str
    """Folded, without spaces and marks."""
    pieces: tuple[str, ...]
    codes: tuple[str, ...]
    """Words, and codes of letters and digits, such as `gt500`."""
    stems: frozenset[str]

    @classmethod
    def of(cls, *texts: str) -> "Words":
        """Return the words of several texts together."""
        found = tuple(piece for text in texts for piece in pieces(text))
        joined = "\n".join(NOT_IN_NAME.sub("", folded(text)) for text in texts)
        codes = tuple(code for text in texts for code in CODE.findall(_POSSESSIVE.sub(" ", folded(text))))
        return cls(joined, found, codes, frozenset(map(stem, found)))

    def holds(self, word: str) -> bool:
        """Whether a folded word stands in the text, in any form, also as the beginning of a compound or taken out of one."""
        if stem(word) in self.stems:
            return True
        return len(word) > 2 and any(same_word(word, piece) or _compound(word, piece) for piece in self.pieces)


def is_cjk(name: str) -> bool:
    """Whether a text holds characters that are written without spaces."""
    return bool(_UNSPACED.search(name))
