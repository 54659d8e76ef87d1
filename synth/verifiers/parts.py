"""Answers of several parts: lists in brackets, in quotation marks, or separated by commas and "and"."""

import re
from collections.abc import Callable, Sequence

from synth.verifiers.listing import items
from synth.verifiers.numerals import numeral
from synth.verifiers.reward import DIFFERENT, EQUAL, UNDECIDED, Reward

LIST = "list"
LONGEST = 10_000
"""Characters of a list; a longer truth is a text (ours)."""
MOST_PARTS = 64
"""Parts of a list that is compared (ours)."""

_QUOTED = re.compile(r"'([^']{0,400})'|\"([^\"]{0,400})\"")
_ASKS_ORDER = re.compile(
    r"\b(?:in order|order(?:ed)?|sort(?:ed)?|rank(?:ed|ing)?|respectively|sequence|from (?:the )?\w+ to)\b|顺序|依次|排序|分别|从.{1,8}到",
    re.I,
)


def parts_of(text: str) -> list[str]:
    """Return the parts of ``text``, without the brackets and quotation marks around them."""
    inner = text.strip()
    if is_bracketed(inner):
        quoted = [one or other for one, other in _QUOTED.findall(inner)]
        if quoted and not re.search(r"\w", _QUOTED.sub("", inner)):
            return quoted
    return [part.strip(" '\"“”.。") for part in items(inner)]


def is_bracketed(text: str) -> bool:
    """Tell whether ``text`` is marked as a list by square brackets."""
    return text.strip().startswith("[") and text.strip().endswith("]")


def is_list(truth: str) -> bool:
    """Tell whether ``truth`` is a list for certain: in square brackets, or two numbers and more."""
    if len(truth) > LONGEST:
        return False
    return is_bracketed(truth) or (len(parts := parts_of(truth)) > 1 and all(numeral(part) for part in parts))


def compare_parts(answer: str, truth: str, question: str, compare: Callable[[str, str], Reward], *, free: bool | None = None) -> Reward:
    """Hold two lists against each other, part by part with ``compare``.

    Numbers have an order, and in another one they are ``undecided``; words have none unless the question asks for one.
    ``free`` overrides that. A list of another length is ``different``, and so is one that lacks a part for certain.
    """
    said, true = parts_of(answer), parts_of(truth)
    if max(len(said), len(true)) > MOST_PARTS:
        return Reward(None, UNDECIDED, LIST)
    if len(said) != len(true):
        return Reward(0.0, "count", LIST)
    rewards = [[compare(one, other).value for one in said] for other in true]
    if all(row[place] == 1 for place, row in enumerate(rewards)):
        return Reward(1.0, EQUAL, LIST)
    if _matched(rewards):
        return _out_of_order(question, true, free)
    missing = any(all(value == 0 for value in row) for row in rewards) or any(
        all(value == 0 for value in column) for column in zip(*rewards, strict=True)
    )
    return Reward(0.0, DIFFERENT, LIST) if missing else Reward(None, UNDECIDED, LIST)


def _out_of_order(question: str, true: Sequence[str], free: bool | None) -> Reward:
    if _ASKS_ORDER.search(question):
        return Reward(0.0, "order", LIST)
    is_free = free if free is not None else not any(numeral(part) for part in true)
    return Reward(1.0, EQUAL, LIST) if is_free else Reward(None, UNDECIDED, LIST)


def _matched(rewards: Sequence[Sequence[float | None]]) -> bool:
    """Tell whether every row finds an equal column of its own, the first that is left."""
    left = set(range(len(rewards)))
    for row in rewards:
        place = next((place for place in sorted(left) if row[place] == 1), None)
        if place is None:
            return False
        left.remove(place)
    return True
