"""Merging duplicates: the pure pieces of a shuffle that never holds a group in a list.

The members of a group are rows whose encoded images are equal, or rows of one near-duplicate cluster. They are read twice:
``gather`` folds them into a ``Group``, then ``decisions`` says for each what becomes of it. Neither result depends on the
order of the members.
"""

import hashlib
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from filters.words import normalised
from schemas import columns as c

VERSION = 2
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
    quality: tuple[float, ...] = ()
    """What makes it the representative, the greatest first; of equal images there is nothing to tell."""
    others: tuple[str, ...] = ()
    """Alt texts of what was merged into it before."""
    alt_text_count: int = 1
    """Distinct alt texts that it stands for."""
    duplicate_count: int = 0
    """Rows that were merged into it before."""


class Decision(NamedTuple):
    """What becomes of one member; a merged one has a target, the representative has the rest."""

    place: Place
    merged_into: Place | None = None
    """Place of the representative; null on the representative itself."""
    alt_texts: tuple[str, ...] | None = None
    """The representative's own alt text, then the other distinct ones in code-point order, ``MAX_ALT_TEXTS`` at most."""
    alt_text_count: int | None = None
    """Distinct alt texts before that cut; those that a member no longer lists count as texts of nobody else."""
    duplicate_count: int | None = None
    """Rows merged into the representative, those among them that were merged into a member before."""


@dataclass(frozen=True, slots=True)
class Group:
    """What a group of exact duplicates comes to."""

    representative: Place
    """The member of the greatest quality, then with the longest alt text (in code points), then the smallest alt text, then the
    smallest place (ours)."""
    alt_texts: tuple[str, ...]
    """As in ``Decision``."""
    alt_text_count: int
    """As in ``Decision``."""
    size: int
    """Members, representative included."""
    rows: int
    """Rows that the members stand for, themselves included."""


def gather(members: Iterable[Member]) -> Group:
    """Fold ``members`` into their group, reading them once.

    Memory: a 16-byte digest for each distinct alt text (about 100 bytes as a Python set holds it) and 17 alt texts,
    whatever the number of members. Raises ``ValueError`` without members.
    """
    best: tuple[tuple[float, ...], int, str, Place] | None = None
    smallest: list[str] = []
    seen: set[bytes] = set()
    size = rows = unlisted = 0
    for member in members:
        text = normalised(member.alt_text or "")
        rank = (tuple(-number for number in member.quality), -len(text), text, Place(member.split_id, member.row))
        best = rank if best is None else min(best, rank)
        listed = {text, *member.others}
        for known in listed:
            _note(known, seen, smallest)
        unlisted += max(0, member.alt_text_count - len(listed))
        size, rows = size + 1, rows + 1 + member.duplicate_count
    if best is None:
        raise ValueError("a group of duplicates needs at least one member, found none; group by a key that rows carry")
    _, _, own, place = best
    others = [text for text in smallest if text != own]
    return Group(place, (own, *others[: MAX_ALT_TEXTS - 1]), len(seen) + unlisted, size, rows)


def decisions(group: Group, members: Iterable[Member]) -> Iterator[Decision]:
    """Yield what becomes of each of ``members``, in their order, reading them once more; ``group`` is what they gathered to."""
    for member in members:
        place = Place(member.split_id, member.row)
        if place == group.representative:
            yield Decision(place, None, group.alt_texts, group.alt_text_count, group.rows - 1)
        else:
            yield Decision(place, merged_into=group.representative)


def quality(batch: pa.RecordBatch) -> list[tuple[float, ...]]:
    """Return what makes each row a representative: pixels, then the CLIP score, then bytes (ours); what is null counts as least.

    Reads ``width``, ``height``, ``clip_score`` and ``source_bytes``.
    """
    width, height, score, size = (batch.column(f.name).to_pylist() for f in (c.WIDTH, c.HEIGHT, c.CLIP_SCORE, c.SOURCE_BYTES))
    rows = zip(width, height, score, size, strict=True)
    return [(float((w or 0) * (h or 0)), -2.0 if cosine is None else round(cosine, 4), float(length)) for w, h, cosine, length in rows]


def _note(text: str, seen: set[bytes], smallest: list[str]) -> None:
    """Record ``text`` if it is new: its digest in ``seen``, itself in ``smallest`` while it is among the first by code point."""
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    if digest in seen:
        return
    seen.add(digest)
    insort(smallest, text)
    del smallest[MAX_ALT_TEXTS:]
