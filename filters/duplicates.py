"""Merging exact duplicates: the pure pieces of a shuffle that never holds a group in a list.

The members of a group are the rows whose encoded images are equal. They are read twice: ``gather`` folds them into a
``Group``, then ``decisions`` says for each what becomes of it. Neither result depends on the order of the members.
"""

import hashlib
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from filters.words import normalised

VERSION = 1
"""Step version: part of the identity of what the merge decides."""
EXACT_DUPLICATE = "exact_duplicate"
"""Reason of a row that is merged."""
MAX_ALT_TEXTS = 16
"""Alt texts that a representative carries at most (issue/ours)."""


class Place(NamedTuple):
    """Where a row stands: rows join on it."""

    split_id: str
    row: int


class Member(NamedTuple):
    """A row of a group, as it crosses the shuffle."""

    split_id: str
    row: int
    alt_text: str | None
    """Null counts as the empty text."""


class Decision(NamedTuple):
    """What becomes of one member; a merged one has a target, the representative has the rest."""

    place: Place
    merged_into: Place | None = None
    """Place of the representative; null on the representative itself."""
    alt_texts: tuple[str, ...] | None = None
    """The representative's own alt text, then the other distinct ones in code-point order, ``MAX_ALT_TEXTS`` at most."""
    alt_text_count: int | None = None
    """Distinct alt texts before that cut."""
    duplicate_count: int | None = None
    """Rows merged into the representative."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a group of exact duplicates comes to."""

    representative: Place
    """The member with the longest alt text (in code points), then the smallest alt text, then the smallest place (ours)."""
    alt_texts: tuple[str, ...]
    """As in ``Decision``."""
    alt_text_count: int
    """As in ``Decision``."""
    size: int
    """Members, representative included."""


def gather(members: Iterable[Member]) -> Group:
    """Fold ``members`` into their group, reading them once.

    Memory: a 16-byte digest for each distinct alt text (about 100 bytes as a Python set holds it) and 17 alt texts,
    whatever the number of members. Raises ``ValueError`` without members.
    """
    best: tuple[int, str, Place] | None = None
    smallest: list[str] = []
    seen: set[bytes] = set()
    size = 0
    for member in members:
        text = normalised(member.alt_text or "")
        rank = (-len(text), text, Place(member.split_id, member.row))
        best = rank if best is None else min(best, rank)
        _note(text, seen, smallest)
        size += 1
    if best is None:
        raise ValueError("a group of duplicates needs at least one member, found none; group by a key that rows carry")
    others = [text for text in smallest if text != best[1]]
    return Group(best[2], (best[1], *others[: MAX_ALT_TEXTS - 1]), len(seen), size)


def decisions(group: Group, members: Iterable[Member]) -> Iterator[Decision]:
    """Yield what becomes of each of ``members``, in their order, reading them once more; ``group`` is what they gathered to."""
    for member in members:
        place = Place(member.split_id, member.row)
        if place == group.representative:
            yield Decision(place, None, group.alt_texts, group.alt_text_count, group.size - 1)
        else:
            yield Decision(place, merged_into=group.representative)


def _note(text: str, seen: set[bytes], smallest: list[str]) -> None:
    """Record ``text`` if it is new: its digest in ``seen``, itself in ``smallest`` while it is among the first by code point."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    if digest in seen:
        return
    seen.add(digest)
    insort(smallest, text)
    del smallest[MAX_ALT_TEXTS:]
