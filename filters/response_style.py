"""The style of a response: what a trainer must not learn although every tag stands where it should.

The paper removes mixed languages, redundant thought and noisy reasoning from the cold start, and gives repeated blocks a low reward (paper
4 and 5.2); its thresholds are not published.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.mixing import Mixing, mixing, without_exempt
from filters.phrases import content, hedges, is_blind, leaks
from filters.refusals import is_refusal
from filters.repetition import NGRAM, Repetition, repetition
from filters.windows import Numbers, shared_share, terms, words_in
from filters.words import normalised, words
from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge
from schemas.response import Fault, Style, parse

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Part:
    """A thought or an answer, measured by itself."""

    text: str
    question: str
    repetition: Repetition
    mixing: Mixing
    echo: float


@dataclass(frozen=True, slots=True)
class ResponseStyle:
    """Drops responses by how they are written. Reads ``response``; thought and answer are measured apart, and the worse one decides.

    A response that cannot be read is measured as one answer.
    """

    version: ClassVar[int] = 1

    style: Style = "glm41v"
    """Which tags there are (paper 4)."""
    repeat_times: int = 10
    """Occurrences of one window of 50 characters that are a loop (GLM-V, ``detect_repeat``)."""
    max_compression: float = 4.5
    """Ratio of zlib at most, where words have spaces (ours: docs/responses.md)."""
    max_compression_unspaced: float = 4.5
    """The same where most characters are ideographs, kana or Hangul, three bytes each (ours: docs/responses.md)."""
    max_duplicates: float = 0.3
    """Share of sequences of 8 words, 16 characters in Chinese, that occurred before, 0-1 (ours: docs/responses.md)."""
    max_block: float = 0.35
    """Share of the text in one stretch that stood before, 0-1 (ours: docs/responses.md)."""
    max_other: float = 0.25
    """Share in sentences of another script than the question's, 0-1; from ``wrong_language`` on the whole is in another language (ours)."""
    wrong_language: float = 0.8
    """Share of the thought in sentences of another script than the question's that makes it another language, 0-1 (ours)."""
    drop_wrong_language: bool = False
    """Whether such a thought leaves; ``thinking_other_script`` tells of it in any case (ours: the paper names mixed languages alone)."""
    max_switches: float = 4.0
    """Switches into another script for a hundred words, if there are ``min_switches`` (ours: docs/responses.md)."""
    min_switches: int = 4
    """Switches below which a text is not mixed, however short it is (ours)."""
    max_echo: float = 0.6
    """Share of a text in runs of 8 words, 16 characters in Chinese, that the question has, 0-1 (ours)."""
    max_hedge: float = 0.4
    """Share of the thought's sentences that open with one and the same hedge, 0-1, if there are ``min_hedges`` (ours)."""
    max_hedges: float = 0.6
    """The same for all hedges together, 0-1 (ours)."""
    min_hedges: int = 6
    """Sentences with a hedge below which a thought is not redundant (ours)."""
    min_content: float = 2.5
    """Different words that say something, of a thought that is not empty (ours)."""

    def __call__(self, batch: pa.RecordBatch, *, questions: Sequence[str]) -> Verdict:
        """Return for each row the first rule that its response breaks; ``questions``, n of them, hold the text with its ``<image>``.

        Adds ``thinking_other_script``, float32: the share of the thought in sentences of another script than the question's.
        """
        rows = [self._parts(text, question) for text, question in zip(strings(batch.column(q.RESPONSE.name)), questions, strict=True)]
        thoughts = [thought for thought, _ in rows]
        other = np.array([thought.mixing.other for thought in thoughts], np.float64)
        leaves = (other >= self.wrong_language) & self.drop_wrong_language
        return judge(
            len(rows),
            _flag("blind", rows, lambda part: is_blind(part.text, part.question)),
            _flag("refusal", rows, lambda part: is_refusal(part.text)),
            _flag("answer_leakage", rows, lambda part: leaks(part.text, part.question)),
            *self._echo_and_repetition(rows),
            *self._thought(thoughts),
            *self._languages(rows),
            Rule("wrong_language", leaves, other, self.wrong_language),
            added={q.THINKING_OTHER_SCRIPT.name: pa.array(other, q.THINKING_OTHER_SCRIPT.type)},
        )

    def _parts(self, text: str, question: str) -> tuple[_Part, _Part]:
        found = parse(text, self.style)
        thought, answer = ("", text) if isinstance(found, Fault) else (found.thinking, found.answer)
        return _part(normalised(thought), question), _part(normalised(answer), question)

    def _echo_and_repetition(self, rows: Sequence[tuple[_Part, _Part]]) -> list[Rule]:
        def most(reason: str, measure: Callable[[_Part], float], limit: float) -> Rule:
            value = _worst(measure, rows)
            return Rule(reason, value > limit, value, limit)

        windows = _worst(lambda part: part.repetition.window, rows)
        return [
            most("prompt_echo", lambda part: part.echo, self.max_echo),
            Rule("repeated_window", windows >= self.repeat_times, windows, self.repeat_times),
            most("compressible", lambda p: 0.0 if p.repetition.unspaced else p.repetition.compression, self.max_compression),
            most("compressible", lambda p: p.repetition.compression if p.repetition.unspaced else 0.0, self.max_compression_unspaced),
            most("repeated_words", lambda part: part.repetition.duplicates, self.max_duplicates),
            most("repeated_block", lambda part: part.repetition.block, self.max_block),
        ]

    def _thought(self, thoughts: Sequence[_Part]) -> list[Rule]:
        """Return the rules on the thought alone; an empty one breaks none of them."""
        found = np.array([hedges(thought.text) for thought in thoughts], np.float64).reshape(-1, 3)
        enough = found[:, 2] >= self.min_hedges
        said = np.array([content(thought.text) if thought.text else np.inf for thought in thoughts], np.float64)
        return [
            Rule("redundant_thought", enough & (found[:, 0] > self.max_hedge), found[:, 0], self.max_hedge),
            Rule("redundant_thought", enough & (found[:, 1] > self.max_hedges), found[:, 1], self.max_hedges),
            Rule("meaningless_thinking", said < self.min_content, said, self.min_content),
        ]

    def _languages(self, rows: Sequence[tuple[_Part, _Part]]) -> list[Rule]:
        both = np.array([any(part.mixing.paragraphs for part in row) for row in rows], np.bool_)
        other = _worst(lambda part: part.mixing.other if part.mixing.other < self.wrong_language else 0.0, rows)
        dense = _worst(lambda part: part.mixing.density if part.mixing.switches >= self.min_switches else 0.0, rows)
        return [
            Rule("mixed_paragraphs", both),
            Rule("mixed_sentences", other > self.max_other, other, self.max_other),
            Rule("switches", dense > self.max_switches, dense, self.max_switches),
        ]


def _part(text: str, question: str) -> _Part:
    items = words(text.casefold())
    numbers = terms(items)
    echo = _echo(terms(words(without_exempt(text.casefold()))) if "```" in text else numbers, words(question.casefold()))
    return _Part(text, question, repetition(text, numbers, words_in(items, NGRAM)), mixing(text, question), echo)


def _echo(numbers: Numbers, asked: Sequence[str]) -> float:
    """Return the share of a text's words in runs that the question has; code is left out, which a task may ask to give back."""
    return shared_share(numbers, terms(asked), words_in(asked, NGRAM))


def _flag(reason: str, rows: Sequence[tuple[_Part, _Part]], test: Callable[[_Part], bool]) -> Rule:
    return Rule(reason, np.array([any(map(test, row)) for row in rows], np.bool_))


def _worst(measure: Callable[[_Part], float], rows: Sequence[tuple[_Part, _Part]]) -> Floats:
    return np.array([max(map(measure, row)) for row in rows], np.float64)
