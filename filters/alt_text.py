"""Rules on the text that came with an image: drop what says nothing about it."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar
from unicodedata import category

import pyarrow as pa

from filters.words import UNSPACED, has_letter, measured, normalised, where, words
from schemas import columns as c
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

_FILE_NAME = re.compile(
    r"\S*\.(?:jpe?g|png|gif|webp|bmp|tiff?|svg|heic|avif)"
    r"|(?:IMG|DSC|DSCN|DSCF|PXL|MVIMG|Screenshot|image|photo|picture|untitled|P)[-_ ]?\d[\d_\- ]*",
    re.IGNORECASE,
)
_WEB_ADDRESS = re.compile(r"https?://|www\.|\S\.(?:com|net|org)(?![^\W_])", re.IGNORECASE)
# Possessive, so that a long text is read once: no part of a date begins with what is left of another.
_DATE = re.compile(
    r"(?:\d(?:st|nd|rd|th)?|[\W_年月日]|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)*+",
    re.IGNORECASE,
)
_UNSPACED = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class AltText:
    """Drops alt texts that say nothing. Reads ``alt_text``, normalised as in ``filters.words.normalised``."""

    version: ClassVar[int] = 1

    min_chars: int = 5
    """Characters at least (LAION-400M); one that is a word by itself counts as two (ours)."""
    max_chars: int = 1000
    """Characters at most (COYO)."""
    min_words: int = 3
    """Words at least (COYO; DataComp: more than 2)."""
    max_words: int = 256
    """Words at most (COYO)."""
    max_digit_run: int = 8
    """Digits in a row at most (ours, after EVLM's "long digit runs")."""
    max_word_share: float = 0.5
    """Share of all words that the most frequent one may have (ours, after EVLM's "duplicate words")."""
    min_words_for_share: int = 4
    """Words from which on that share is looked at: below, one repeated word would decide (ours)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return for each row the first rule that its alt text breaks, with the count or share that broke it."""
        texts = [normalised(text) for text in strings(batch.column(c.ALT_TEXT.name))]
        split = [words(text) for text in texts]
        chars, weighed, count = measured(len, texts), measured(weight, texts), measured(len, split)
        digits, share = measured(self._digit_run, split), measured(self._share, split)
        return judge(
            len(texts),
            Rule("no_alt_text", chars == 0),
            Rule("file_name", where(_FILE_NAME.fullmatch, texts)),
            Rule("web_address", where(_WEB_ADDRESS.search, texts)),
            Rule("no_letters", ~where(has_letter, texts)),
            Rule("date_only", where(_is_date, texts)),
            Rule("long_digit_run", digits > self.max_digit_run, digits, self.max_digit_run),
            Rule("too_short", weighed < self.min_chars, weighed, self.min_chars),
            Rule("too_long", chars > self.max_chars, chars, self.max_chars),
            Rule("too_few_words", count < self.min_words, count, self.min_words),
            Rule("too_many_words", count > self.max_words, count, self.max_words),
            Rule("repeated_words", share > self.max_word_share, share, self.max_word_share),
        )

    def _digit_run(self, terms: Sequence[str]) -> int:
        """Return the longest run of digits, 0 where it is within the limit: a longer one stands in a word longer than that."""
        suspects = [term for term in terms if len(term) > self.max_digit_run]
        return max((_longest_digit_run(term) for term in suspects), default=0)

    def _share(self, terms: Sequence[str]) -> float:
        if len(terms) < max(self.min_words_for_share, 1):
            return 0.0
        return max(Counter(map(str.casefold, terms)).values()) / len(terms)


def _is_date(text: str) -> bool:
    """Whether digits, months, punctuation and space are all there is; a symbol, such as a star, is something more."""
    return _DATE.fullmatch(text) is not None and not any(category(character).startswith("S") for character in text)


def _longest_digit_run(term: str) -> int:
    return max((len(list(run)) for is_digit, run in groupby(term, str.isdigit) if is_digit), default=0)


def weight(text: str) -> int:
    """Return the characters of ``text``, of which one that is a word by itself counts twice."""
    return len(text) + len(_UNSPACED.findall(text))
