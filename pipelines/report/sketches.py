"""Counts that can be added up in any order and any grouping: a billion rows make the same small report as a thousand.

A ``Sketch`` holds sums over fixed edges, counts by label, and rows chosen by a hash. Each fragment is counted where it is written into a
shard, shards are added, and no order of the workers changes a bit of the sum.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LABELS = 200
"""Labels that are counted one by one; the rest is counted together (ours)."""

Name = tuple[str, ...]
Sums = npt.NDArray[np.int64]
Order = tuple[float, str]
"""What rows are chosen by, the smallest first: a number, and the place that decides between equals."""


@dataclass(frozen=True)
class Labels:
    """Rows by label, in columns such as (kept, left).

    Where there are more than ``LABELS``, those with the smallest hashes are kept. A label among the smallest of the whole is among the
    smallest of every part, so that no count of one that is shown has ever been put to the others.
    """

    of: Mapping[str, Sums] = field(default_factory=dict[str, Sums])
    others: Sums | None = None

    def __add__(self, other: "Labels") -> "Labels":
        """Return the counts of both."""
        return _bounded(_added(self.of, other.of), _both(self.others, other.others))


@dataclass(frozen=True)
class Pick:
    """A row that was chosen, and its columns."""

    order: Order
    row: Mapping[str, Any]


@dataclass(frozen=True)
class Picks:
    """The ``most`` rows that come first, out of ``rows`` that could have been chosen."""

    most: int
    rows: int = 0
    chosen: tuple[Pick, ...] = ()

    def __add__(self, other: "Picks") -> "Picks":
        """Return the first rows of both."""
        chosen = sorted((*self.chosen, *other.chosen), key=lambda pick: pick.order)
        return Picks(self.most, self.rows + other.rows, tuple(chosen[: self.most]))

    def with_rows(self, orders: Iterable[tuple[Order, int]], row: Callable[[int], Mapping[str, Any]]) -> "Picks":
        """Return the first of these and of the rows with ``orders``, each with its number; ``row`` reads the columns of a number.

        Only a row that is chosen is read.
        """
        new = sorted(orders)
        last = self.chosen[-1].order if len(self.chosen) == self.most else None
        read = [Pick(order, row(number)) for order, number in new[: self.most] if last is None or order < last]
        return self + Picks(self.most, len(new), tuple(read))


@dataclass(frozen=True)
class Sketch:
    """All that is counted of some rows."""

    sums: Mapping[Name, Sums] = field(default_factory=dict[Name, Sums])
    """Arrays of counts, which are added where their names are equal."""
    labels: Mapping[Name, Labels] = field(default_factory=dict[Name, Labels])
    picks: Mapping[Name, Picks] = field(default_factory=dict[Name, Picks])

    def __add__(self, other: "Sketch") -> "Sketch":
        """Return the sketch of the rows of both."""
        return Sketch(_added(self.sums, other.sums), _added(self.labels, other.labels), _added(self.picks, other.picks))


def labelled(labels: Iterable[str], columns: Sums) -> Labels:
    """Return how often each of n ``labels`` occurs in each column of ``columns``, shape (n, k), ones where a row counts."""
    found: dict[str, Sums] = {}
    for label, counted in zip(labels, columns, strict=True):
        found[label] = found[label] + counted if label in found else counted
    return _bounded(found, None)


def _bounded(found: dict[str, Sums], others: Sums | None) -> Labels:
    if len(found) <= LABELS:
        return Labels(found, others)
    ordered = sorted(found, key=lambda label: hashlib.blake2b(label.encode(), digest_size=8).digest())
    for label in ordered[LABELS:]:
        others = _both(others, found.pop(label))
    return Labels(found, others)


def _both(one: Sums | None, other: Sums | None) -> Sums | None:
    return one if other is None else other if one is None else one + other


def _added(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> dict[Any, Any]:
    return {**one, **{name: one[name] + found if name in one else found for name, found in other.items()}}
