"""Rules on what a captioner wrote: drop what is no caption, or only the alt text again."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import eq
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz import fuzz

from filters.refusals import OPENINGS, UNSURE, is_refusal
from filters.words import has_letter, measured, normalised, weights, where, words
from schemas import columns as c
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

WHOLE = ("stop", "eos", "eos_token", "end_turn", "stop_sequence")
"""What servers say of an answer that the model ended itself: OpenAI and vLLM, TGI, Anthropic's API and gateways to it."""
CUT = ("length", "max_tokens")
"""What they say of one that ran into the limit."""
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
        ends = [reason.casefold() for reason in strings(batch.column(c.FINISH_REASON.name))]
        similar = [copy_similarity(text, alt) if text else None for text, alt in zip(texts, alts, strict=True)]
        rules = self._rules(texts, instructions)
        close = np.array(similar, np.float64)
        return judge(
            len(texts),
            Rule("empty", ~where(has_letter, texts)),
            Rule("thinking", where(_CONTROL_TOKEN.search, texts)),
            Rule("truncated", where(CUT.__contains__, ends)),
            Rule("content_filter", where("content_filter".__eq__, ends)),
            Rule("unknown_finish", where(lambda end: end not in ("", *self.whole), ends)),
            *rules,
            Rule("copy", close > self.max_similarity, close, self.max_similarity),
            added={c.COPY_SIMILARITY.name: pa.array(similar, c.COPY_SIMILARITY.type)},
        )

    def _rules(self, texts: Sequence[str], instructions: str) -> list[Rule]:
        """Return the rules that look at the caption alone, in order."""
        chars = measured(len, texts)
        terms = [_folded_words(text) for text in texts]
        times = measured(lambda t: _most_frequent(t, self.repeat_ngram), terms)
        runs = measured(_longest_run, terms)
        echo = self._echo(terms, _folded_words(normalised(instructions)))
        return [
            Rule("refusal", where(lambda text: is_refusal(text, self.refusals, self.unsure_refusals), texts)),
            Rule("too_long", chars > self.max_chars, chars, self.max_chars),
            Rule("repetition", times >= self.repeat_times, times, self.repeat_times),
            Rule("repetition", runs >= self.repeat_ngram, runs, self.repeat_ngram),
            Rule("prompt_echo", echo >= self.echo_words, echo, self.echo_words),
        ]

    def _echo(self, terms: Sequence[Sequence[str]], prompt: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return shape (n,): the length in words of the longest run shared with ``prompt``, 0 where it is no echo."""
        known = set(_sequences(prompt, self.echo_words))
        return measured(lambda t: 0 if known.isdisjoint(_sequences(t, self.echo_words)) else _longest_common_run(t, prompt), terms)


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


def _folded_words(text: str) -> list[str]:
    return [word.casefold() for word in words(text)]


def _sequences(terms: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield, from each place on, the shortest sequence of at least ``size`` words, as long as there is one."""
    before = [0.0, *accumulate(weights(terms))]
    for start, skipped in enumerate(before):
        end = bisect_left(before, skipped + size)
        if end == len(before):
            return
        yield tuple(terms[start:end])


def _most_frequent(terms: Sequence[str], size: int) -> int:
    return max(Counter(_sequences(terms, size)).values(), default=0)


def _longest_run(terms: Sequence[str]) -> float:
    """Return the length in words of the longest run of one word."""
    shares = weights(terms)
    if not any(map(eq, terms, terms[1:])):
        return max(shares, default=0.0)
    return max(sum(share for _, share in run) for _, run in groupby(zip(terms, shares, strict=True)))


def _longest_common_run(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the length in words of the longest sequence that stands in both."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(right):
        places[word].append(place)
    longest, ending = 0.0, dict[int, float]()
    for word, share in zip(left, weights(left), strict=True):
        ending = {place: ending.get(place - 1, 0.0) + share for place in places.get(word, ())}
        longest = max(longest, *ending.values(), 0.0)
    return longest
