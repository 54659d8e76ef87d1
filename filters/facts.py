"""Facts kept: a caption may leave out what nobody can see and add what everybody can, but not touch what its alt text knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from filters.facts_language import is_changed, language_of
from filters.facts_quoted import misquoted
from filters.facts_words import added_words
from filters.names import Words
from filters.names_credits import without_credits
from filters.names_kept import is_new, sort_names
from filters.numbers import invented, numbers_in
from filters.words import normalised
from schemas import columns as c
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge
from schemas.protocols import Name, NameFinder

REASONS = ("language_changed", "quoted_text_changed", "name_changed", "number_invented", "name_lost")


@dataclass(frozen=True, slots=True)
class Pair:
    """One alt text and its caption, with what was found in the image."""

    alt_text: str
    """Without credits."""
    caption: str
    labels: tuple[str, ...]
    lines: tuple[str, ...]
    """Lines of text read in the image."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What became of the facts of one pair."""

    names_kept: list[str]
    names_lost: list[str]
    names_added: list[str]
    words_added: list[str]
    words_unsupported: list[str]
    broken: frozenset[str]
    """Reasons of this row, in no order."""


@dataclass(frozen=True, slots=True)
class FactsKept:
    """Drops captions that break a fact of their alt text. Reads ``alt_text``, ``caption``, ``labels`` and ``ocr_text`` (paper 3.1).

    New names are flagged in ``names_added``; they are a reason only with ``drop_new_names``.
    """

    version: ClassVar[int] = 2

    drop_new_names: bool = False
    """Whether a proper name that neither alt text nor evidence holds ends a caption (ours)."""

    def __call__(self, batch: pa.RecordBatch, *, names: NameFinder) -> Verdict:
        """Return for each row the first reason by which its caption breaks a fact, and the columns of ``schemas.records.FACTS``.

        A row without caption or alt text breaks none and has null columns.
        """
        pairs = _pairs(batch)
        facts = _facts(pairs, names)
        reasons = REASONS + (("name_added",) if self.drop_new_names else ())
        rules = [Rule(r, np.array([f is not None and _breaks(f, r) for f in facts], np.bool_)) for r in reasons]
        return judge(len(facts), *rules, added=_columns(facts))


def _breaks(facts: Facts, reason: str) -> bool:
    return bool(facts.names_added) if reason == "name_added" else reason in facts.broken


def _pairs(batch: pa.RecordBatch) -> list[Pair | None]:
    alt_texts, captions = (map(normalised, strings(batch.column(name))) for name in (c.ALT_TEXT.name, c.CAPTION.name))
    labels = [tuple(item["label"] for item in row or () if item and item["label"]) for row in batch.column(c.LABELS.name).to_pylist()]
    lines = [tuple(line for line in row or () if line) for row in batch.column(c.OCR_TEXT.name).to_pylist()]
    rows = zip(alt_texts, captions, labels, lines, strict=True)
    return [Pair(without_credits(alt), caption, seen, read) if alt and caption else None for alt, caption, seen, read in rows]


def _facts(pairs: Sequence[Pair | None], names: NameFinder) -> list[Facts | None]:
    """Judge every pair, with all texts through the finder at once."""
    texts = [text for pair in pairs if pair for text in (pair.alt_text, pair.caption)]
    found = iter(names.find(texts))
    return [pair and facts_of(pair, next(found), next(found)) for pair in pairs]


def facts_of(pair: Pair, alt_names: Sequence[Name], caption_names: Sequence[Name]) -> Facts:
    """Hold the caption of one pair against its sources, given the names of alt text and caption."""
    alt_text, caption, evidence = Words.of(pair.alt_text), Words.of(pair.caption), Words.of(*pair.labels, *pair.lines)
    known = Words.of(pair.alt_text, *pair.labels, *pair.lines)
    new = [name for name in caption_names if is_new(name, known, pair.caption)]
    kept, lost, altered = sort_names(pair.alt_text, alt_names, caption, caption_names, new)
    words = added_words(pair.caption, alt_text)
    return Facts(
        names_kept=[name.text for name in kept],
        names_lost=[name.text for name in (*altered, *lost)],
        names_added=[name.text for name in new],
        words_added=[word for word in words if evidence.holds(word)],
        words_unsupported=[word for word in words if not evidence.holds(word)],
        broken=_broken(pair, lost, altered),
    )


def _broken(pair: Pair, lost: Sequence[Name], altered: Sequence[Name]) -> frozenset[str]:
    language = language_of(pair.caption)
    stated, seen = (
        numbers_in(pair.alt_text, language_of(pair.alt_text)),
        [n for text in (*pair.labels, *pair.lines) for n in numbers_in(text)],
    )
    found = {
        "language_changed": is_changed(pair.alt_text, pair.caption),
        "quoted_text_changed": bool(misquoted(pair.caption, pair.alt_text, pair.lines)),
        "name_changed": bool(altered),
        "number_invented": bool(invented(numbers_in(pair.caption, language), stated, seen)),
        "name_lost": bool(lost),
    }
    return frozenset(reason for reason, is_broken in found.items() if is_broken)


def _columns(facts: Sequence[Facts | None]) -> dict[str, pa.Array]:
    """Return the columns of ``schemas.records.FACTS``; null where there is nothing to compare."""
    lists = (c.NAMES_KEPT, c.NAMES_LOST, c.NAMES_ADDED, c.WORDS_ADDED, c.WORDS_UNSUPPORTED)
    columns = {field.name: pa.array([f and getattr(f, field.name) for f in facts], field.type) for field in lists}
    echo = [f and not f.words_added and not f.words_unsupported for f in facts]
    return {**columns, c.ECHO.name: pa.array(echo, pa.bool_())}
