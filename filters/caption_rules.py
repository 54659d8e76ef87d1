"""Rules on what a captioner wrote: drop what is no caption, or only the alt text again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz import fuzz

from filters.finish import WHOLE, finish_rules
from filters.refusals import OPENINGS, UNSURE, is_refusal
from filters.sequences import folded_words, longest_common_run, longest_run, most_frequent, sequences
from filters.words import has_letter, measured, normalised, where
from schemas import columns as c
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

_CONTROL_TOKEN = re.compile(r"</?(?:think|answer)>|<\|[^\s|<>]+\|>")
"""What the chat formats of GLM-4.1V, GLM-4.5V and Qwen set around thinking, answers, boxes and turns (ours)."""


@dataclass(frozen=True, slots=True)
class CaptionRules:
    """Drops captions that are no captions. Reads ``caption``, ``finish_reason`` and ``alt_text``; texts are normalised first.

    Where the rules measure in words, a character of an unspaced script counts for half a word (``filters.words.weights``).
    """

    version: ClassVar[int] = 5

    max_chars: int = 800
    """Characters at most (ours)."""
    repeat_ngram: int = 4
    """Words of the sequence whose repetition is counted, and of a run of one word that is repetition too: 4 words in English, 8
    characters in Chinese (ours)."""
    repeat_times: int = 3
    """Occurrences of one such sequence, overlaps included, that make a repetition (ours)."""
    echo_words: int = 8
    """Consecutive words shared with the prompt's instructions that make an echo: 8 words in English, 16 characters in Chinese (ours)."""
    max_similarity: float = 0.95
    """Similarity to the alt text at most, 0-1 (ours)."""
    whole: tuple[str, ...] = WHOLE
    """Finish reasons, casefolded, of a whole answer; none stated counts as whole. ``length`` and ``max_tokens`` are ``truncated``,
    ``content_filter`` is a reason of its own, and every other one is ``unknown_finish`` until it is listed here (ours)."""
    refusals: tuple[str, ...] = OPENINGS
    """How a refusal begins, casefolded, with a straight apostrophe, unless the sentence names a work (``filters.refusals``)."""
    unsure_refusals: tuple[str, ...] = UNSURE
    """How refusals begin and titles do too: what follows has to tell of seeing, describing or helping."""

    def __call__(self, batch: pa.RecordBatch, *, instructions: str) -> Verdict:
        """Return for each row the first rule that its caption breaks; ``instructions`` is the prompt's own text.

        Adds ``copy_similarity``, float32, rounded to 4 decimals, null where there is no caption.
        """
        texts = [normalised(text) for text in strings(batch.column(c.CAPTION.name))]
        alts = [normalised(text) for text in strings(batch.column(c.ALT_TEXT.name))]
        similar = [copy_similarity(text, alt) if text else None for text, alt in zip(texts, alts, strict=True)]
        rules = self._rules(texts, instructions)
        close = np.array(similar, np.float64)
        return judge(
            len(texts),
            Rule("empty", ~where(has_letter, texts)),
            Rule("thinking", where(_CONTROL_TOKEN.search, texts)),
            *finish_rules(strings(batch.column(c.FINISH_REASON.name)), self.whole),
            *rules,
            Rule("copy", close > self.max_similarity, close, self.max_similarity),
            added={c.COPY_SIMILARITY.name: pa.array(similar, c.COPY_SIMILARITY.type)},
        )

    def _rules(self, texts: Sequence[str], instructions: str) -> list[Rule]:
        """Return the rules that look at the caption alone, in order."""
        chars = measured(len, texts)
        terms = [folded_words(text) for text in texts]
        times = measured(lambda t: most_frequent(t, self.repeat_ngram), terms)
        runs = measured(longest_run, terms)
        echo = self._echo(terms, folded_words(normalised(instructions)))
        return [
            Rule("refusal", where(lambda text: is_refusal(text, self.refusals, self.unsure_refusals), texts)),
            Rule("too_long", chars > self.max_chars, chars, self.max_chars),
            Rule("repetition", times >= self.repeat_times, times, self.repeat_times),
            Rule("repetition", runs >= self.repeat_ngram, runs, self.repeat_ngram),
            Rule("prompt_echo", echo >= self.echo_words, echo, self.echo_words),
        ]

    def _echo(self, terms: Sequence[Sequence[str]], prompt: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return shape (n,): the length in words of the longest run shared with ``prompt``, 0 where it is no echo."""
        known = set(sequences(prompt, self.echo_words))
        return measured(lambda t: 0 if known.isdisjoint(sequences(t, self.echo_words)) else longest_common_run(t, prompt), terms)


def copy_similarity(caption: str, alt_text: str) -> float:
    """Return the normalised Indel similarity of two texts, 0-1, rounded to 4 decimals; 1.0 is a copy.

    Compared are letters and digits, casefolded, with single spaces between words.
    """
    return round(fuzz.ratio(_bare(caption), _bare(alt_text)) / 100, 4)


def _bare(text: str) -> str:
    bare = (token if token.isalpha() else "".join(filter(_is_letter_or_digit, token)) for token in text.casefold().split())
    return " ".join(token for token in bare if token)


def _is_letter_or_digit(character: str) -> bool:
    return character.isalpha() or character.isdigit()
