"""What may not go on to a lenient matcher or a judge: answers that say nothing, say several things, or speak to the judge.

Judges accept ":" and "Thought process:" as answers in up to 90 % of cases (arXiv 2507.08794), and models that are rewarded for it
learn to answer "a correct number between 0 and 10" (paper 5.2). A gate of plain rules in front of them costs microseconds.
"""

import unicodedata
from collections.abc import Callable

from synth.verifiers.gate_phrases import (
    BETWEEN_OPENERS,
    COMPARED,
    DASH,
    HEDGES,
    INEQUALITY,
    INSTRUCTIONS,
    INTERVAL,
    OPENERS,
    RATIO,
    SEVERAL_IN_TRUTH,
    SPAN,
    VAGUE,
)
from synth.verifiers.listing import items, lists_several, plain
from synth.verifiers.reward import Reward, Task

GATE = "gate"
LONGEST_FACTOR, LONGEST_REST = 4, 64
"""An answer has at most 4 times the characters of the truth and 64 more (ours)."""
MEANINGFUL_SYMBOLS = frozenset("∞∅♠♣♥♦♯♭←→↑↓±√")
"""Symbols that are an answer though they are neither letter nor digit (ours)."""


def gate(answer: str, task: Task) -> Reward | None:
    """Return why ``answer`` is wrong before anybody compares it, or None where it may go on.

    Every rejection is 0.0 by ``gate``, for the first of these reasons that applies (rules and limits are ours; the hacks are those
    of paper 5.2, arXiv 2507.08794 and arXiv 2505.22203):

    - ``empty``: nothing but space and invisible characters.
    - ``too_long``: more than 4 times the characters of the truth and 64 more.
    - ``symbols``: no letter and no digit of any script, where the truth has some.
    - ``instruction``: words to a judge, roles, tags, verdicts as JSON.
    - ``master_key``: how an answer begins ("Solution", "Let's solve this step by step"), without the answer.
    - ``hedged``: "or", "maybe", "可能", unless the truth says so or has several parts.
    - ``range``: a span, an inequality or a vague phrase where the truth is none.
    - ``several``: a list, where the truth is one.

    What is the truth itself but for case and space passes, whatever it looks like.
    """
    if not _visible(answer):
        return _rejected("empty")
    if len(answer) > LONGEST_FACTOR * len(task.truth) + LONGEST_REST:
        return _rejected("too_long")
    said, truth = plain(answer), plain(task.truth)
    if said == truth:
        return None
    for reason, applies in _RULES:
        if applies(said, truth):
            return _rejected(reason)
    return None


def _rejected(reason: str) -> Reward:
    return Reward(0.0, reason, GATE)


def _visible(text: str) -> bool:
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def _has_content(text: str) -> bool:
    return any(character.isalnum() or character in MEANINGFUL_SYMBOLS for character in text)


def _is_symbols(said: str, truth: str) -> bool:
    return not _has_content(said) and _has_content(truth)


def _is_instruction(said: str, truth: str) -> bool:
    return bool(INSTRUCTIONS.search(said)) and not INSTRUCTIONS.search(truth)


def _is_master_key(said: str, truth: str) -> bool:
    """Tell whether nothing is left once the ways to begin an answer are taken off, one after the other."""
    if not any(character.isalnum() for character in said):
        return False
    start = _skipped(said, 0)
    while start < len(said):
        opener = OPENERS.match(said, start)
        if (
            opener is None
            or opener.end() == start
            or (said[opener.end() : opener.end() + 1].isalnum() and said[opener.end() - 1].isascii())
        ):
            return False
        start = _skipped(said, opener.end())
    return not _master_key_itself(truth)


def _master_key_itself(truth: str) -> bool:
    opener = OPENERS.match(truth)
    return opener is not None and opener.end() == len(truth)


def _skipped(text: str, start: int) -> int:
    match = BETWEEN_OPENERS.match(text, start)
    return match.end() if match else start


def _is_hedged(said: str, truth: str) -> bool:
    return bool(HEDGES.search(said)) and not HEDGES.search(truth) and not _has_parts(truth)


def _has_parts(truth: str) -> bool:
    return len(items(truth)) > 1 or bool(SEVERAL_IN_TRUTH.search(truth))


def _is_range(said: str, truth: str) -> bool:
    if _vague(said) and not _vague(truth):
        return True
    return _spans(said, truth) and not (_spans(truth, "") or RATIO.search(truth))


def _vague(text: str) -> bool:
    return bool(VAGUE.search(text))


def _spans(text: str, truth: str) -> bool:
    """Tell whether ``text`` names a span of numbers. Inequalities and brackets count only where ``truth`` is not words."""
    if SPAN.search(text) or COMPARED.search(text) or _dashed(text, truth):
        return True
    is_words = bool(truth) and not any(character.isdigit() for character in truth)
    return not is_words and bool(INEQUALITY.search(text) or (INTERVAL.search(text) and not _has_parts(truth)))


def _is_several(said: str, truth: str) -> bool:
    """Tell whether a list was given for one answer; the two ends of an interval are none where the truth is an inequality."""
    return lists_several(said, truth) and not INEQUALITY.search(truth)


def _dashed(text: str, truth: str) -> bool:
    """Tell whether ``text`` is ``0-10``: a smaller number, a dash, a larger one. As a difference it is negative, as is then the truth."""
    match = DASH.fullmatch(text)
    if match is None or truth.startswith(("-", "−")):
        return False
    low, high = (number.replace(",", "").rstrip(".") for number in match.groups())
    return len(low) < len(high) or (len(low) == len(high) and low < high)


_RULES: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ("symbols", _is_symbols),
    ("instruction", _is_instruction),
    ("master_key", _is_master_key),
    ("hedged", _is_hedged),
    ("range", _is_range),
    ("several", _is_several),
)
