"""Video: when something happens, by temporal IoU; any other answer by rule, or left to a judge (paper 5.2, Table 1)."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from synth.verifiers.boxes import PLAIN
from synth.verifiers.gate import gate
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward, Task, graded

Span = tuple[float, float]
"""Start and end in seconds."""

MOST_CHARACTERS = 100
"""Characters of a span of time at most (ours: two times and a few words)."""

_SECONDS = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_CLOCK = r"(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-9]{2}(?:\.[0-9]{1,6})?"
_MINUTES = rf"[0-9]{{1,4}}\s?分(?:{_SECONDS}\s?秒)?"
_TIME = rf"({_CLOCK}|{_MINUTES}|{_SECONDS})\s?(?:seconds?|secs?|s|秒)?"
_SPANS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\[\s?{_TIME}\s?,\s?{_TIME}\s?\]",
        rf"\(\s?{_TIME}\s?,\s?{_TIME}\s?\)",
        rf"(?:from )?{_TIME}\s?(?:-|–|—|~|to)\s?{_TIME}",
        rf"between {_TIME} and {_TIME}",
        rf"(?:从\s?)?第?\s?{_TIME}\s?(?:到|至)\s?第?\s?{_TIME}",
    )
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_AFFIRMED = frozenset({"yes", "true", "是", "是的", "对", "有", "能", "会"})
_DENIED = frozenset({"no", "false", "否", "不", "不是", "不对", "没有", "不能", "不会"})


@dataclass(frozen=True, slots=True)
class VideoVerifier:
    """Holds a span of time against the true one by IoU, and any other answer by what a rule can tell.

    The paper names no formats; they are what people and models write (ours): ``[3.2, 5.0]``, ``3.2-5.0 s``,
    ``from 00:03 to 00:05``, ``1分5秒到1分20秒``.
    """

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the temporal IoU where the truth is a span; else a verdict where words or numbers allow one, or ``undecided``."""
        true = parse_span(task.truth)
        if true is None:
            return _in_words(answer, task)
        if true[1] <= true[0]:
            return Reward(None, UNDECIDED, "truth")
        found = parse_span(answer)
        if found is None:
            return Reward(0.0, "format" if answer.strip() else "empty", "span")
        if found[1] <= found[0]:
            return Reward(0.0, "degenerate", "span")
        return graded(temporal_iou(found, true), "iou")


def temporal_iou(one: Span, other: Span) -> float:
    """Return the intersection over union of two spans, 0 to 1; a span that ends before it starts meets nothing."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    if shared <= 0 or one[1] <= one[0] or other[1] <= other[0]:
        return 0.0
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)


def parse_span(text: str) -> Span | None:
    """Return the start and end that ``text`` says and nothing else, in seconds; None where it says none."""
    if len(text) > MOST_CHARACTERS:
        return None
    plain = " ".join(text.translate(PLAIN).casefold().split()).removesuffix("。").removesuffix(".")
    for pattern in _SPANS:
        if found := pattern.fullmatch(plain):
            start, end = map(_seconds, found.groups())
            return None if start is None or end is None else (start, end)
    return None


def _seconds(time: str) -> float | None:
    """Return a time in seconds; None for a clock with 60 seconds or minutes and more where a larger unit stands before them."""
    parts = [float(part) for part in re.split(r"[:分]", time.replace("秒", "")) if part.strip()]
    if "分" in time and len(parts) == 1:
        parts.append(0.0)
    if any(part >= 60 for part in parts[1:]):
        return None
    return sum(part * 60**power for power, part in enumerate(reversed(parts)))


def _in_words(answer: str, task: Task) -> Reward:
    """Judge an answer that is no span of time: what differs for certain is ``different``, what may mean the same is ``undecided``."""
    if len(answer) <= 2 * len(task.truth) + 8 and _bare(answer) == _bare(task.truth) != "":
        return Reward(1.0, EQUAL, "exact")
    if refused := gate(answer, task):
        return refused
    found, true = _bare(answer), _bare(task.truth)
    if _NUMBER.fullmatch(found) and _NUMBER.fullmatch(true):
        equal = Decimal(found) == Decimal(true)
        return Reward(float(equal), EQUAL if equal else DIFFERENT, "number")
    letters = len(found) == len(true) == 1 and found.isascii() and true.isascii()
    opposed = (found in _AFFIRMED and true in _DENIED) or (found in _DENIED and true in _AFFIRMED)
    return Reward(0.0, DIFFERENT, "exact") if letters or opposed else Reward(None, UNDECIDED, "exact")


def _bare(text: str) -> str:
    """Return a text in lower case, with single blanks and without the full stop at its end."""
    return " ".join(text.casefold().split()).rstrip(".。")
