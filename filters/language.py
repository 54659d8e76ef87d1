"""The language of a text: what its script says, the columns it is labelled with, and the rule on them."""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import columns as c
from schemas.batches import numbers
from schemas.exits import Rule, Verdict, judge
from schemas.protocols import LanguageIdentifier

HAN, KANA = "HAN", "KANA"
UNSPACED_LETTER_WEIGHT = 3
"""Letters that one ideograph, kana or Hangul syllable counts for when scripts are weighed against each other (ours)."""

_UNSPACED_SCRIPTS = frozenset((HAN, KANA, "HANGUL"))
_SCRIPT_OF_NAME = {"CJK": HAN, "IDEOGRAPHIC": HAN, "HIRAGANA": KANA, "KATAKANA": KANA, "KATAKANA-HIRAGANA": KANA, "MODIFIER": ""}


@dataclass(frozen=True, slots=True)
class Language:
    """Keeps some languages, or labels only. Reads ``language`` and ``language_confidence``, which ``label`` wrote."""

    version: ClassVar[int] = 1

    keep: tuple[str, ...] = ()
    """Codes that stay, ``und`` among them if texts of no language shall; none keeps all (ours: the paper names no language)."""
    min_confidence: float = 0.0
    """Confidence below which a row is ``language_unsure``, 0-1 (ours: 0, nothing leaves by it)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return ``language`` or ``language_unsure`` (value: confidence) for each row; one that was not labelled breaks no rule."""
        codes = batch.column(c.LANGUAGE.name).to_pylist()
        confidence = numbers(batch.column(c.LANGUAGE_CONFIDENCE.name)).round(4)
        other = [bool(self.keep) and code is not None and code not in self.keep for code in codes]
        return judge(
            len(batch),
            Rule("language", np.array(other, np.bool_)),
            Rule("language_unsure", confidence < self.min_confidence, confidence, self.min_confidence),
        )


def label(texts: Sequence[str | None], model: LanguageIdentifier) -> dict[str, pa.Array]:
    """Return the columns ``language``, ``language_confidence`` and ``other_script_share`` of ``texts``; a null text has nulls."""
    found = model.identify([text or "" for text in texts])
    rows = [(None, None, None) if t is None else (*f, other_script_share(t)) for t, f in zip(texts, found, strict=True)]
    fields = (c.LANGUAGE, c.LANGUAGE_CONFIDENCE, c.OTHER_SCRIPT_SHARE)
    return {field.name: pa.array([row[i] for row in rows], field.type) for i, field in enumerate(fields)}


def other_script_share(text: str) -> float:
    """Return the share of letters that stand in another script than most do, 0 to 1, rounded to 4 decimals; 0 without letters."""
    weights = script_weights(text)
    return round(1 - max(weights.values()) / sum(weights.values()), 4) if weights else 0.0


def script_weights(text: str) -> Mapping[str, int]:
    """Return the letters of ``text`` in each script; ideographs count as kana where kana stand beside them, as in Japanese.

    A letter without spaces around its word counts for ``UNSPACED_LETTER_WEIGHT``, so that "Nike 运动鞋" is mostly Chinese.
    """
    counts = Counter(map(script_of, unicodedata.normalize("NFKC", text)))
    counts.pop(None, None)
    weights = {script: n * (UNSPACED_LETTER_WEIGHT if script in _UNSPACED_SCRIPTS else 1) for script, n in counts.items() if script}
    if KANA in weights:
        weights[KANA] += weights.pop(HAN, 0)
    return weights


@lru_cache(maxsize=65_536)
def script_of(character: str) -> str | None:
    """Return the script of a letter as the first word of its Unicode name (``LATIN``, ``CYRILLIC``, ...), None for anything else."""
    if not unicodedata.category(character).startswith("L"):
        return None
    first = unicodedata.name(character, "").split(" ")[0]
    return _SCRIPT_OF_NAME.get(first, first) or None
