"""From buckets to pairs: which rows may be near-duplicates, told from the keys that they share.

A row is named by its place, 20 bytes: those of its split_id, then its row as a big-endian number, so that places compare as
(split_id, row) do. Everything here is one partition of the keys: its batches are read more than once, and a bucket is never held
whole once it is crowded.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.protocols import Buckets

CROWD = 64
"""Members of a bucket up to which each is held against each; in a larger one each is held against the smallest alone (ours)."""
AT_ONCE = 1 << 20
"""Rows of buckets whose keys are sorted at once, at least (ours): 8 MiB of them."""
PLACE = pa.binary(20)
BUCKETS = pa.schema([("key", pa.uint64()), ("place", PLACE), ("sketch", pa.uint64())])
PAIRS = pa.schema([("left", PLACE), ("right", PLACE)])
"""Two places: of a pair the smaller is left; of an edge of a contraction, left is the node and right its neighbour."""

Places = npt.NDArray[np.bytes_]
"""Shape (n,), dtype S20. Compared as bytes; to read one out, view it as uint8: numpy cuts the zeros at the end."""
Screen = Callable[[npt.NDArray[np.uint64], npt.NDArray[np.uint64]], npt.NDArray[np.bool_]]


def places_of(split_id: str, rows: npt.NDArray[np.int32]) -> Places:
    """Return the places of ``rows``, shape (n,), of one split."""
    made = np.empty((len(rows), 20), np.uint8)
    made[:, :16] = np.frombuffer(bytes.fromhex(split_id), np.uint8)
    made[:, 16:] = rows.astype(">u4").view(np.uint8).reshape(-1, 4)
    return made.view("S20").ravel()


def by_split(places: Places) -> Iterator[tuple[str, npt.NDArray[np.int32], npt.NDArray[np.int64]]]:
    """Yield for each split its id, the rows of its places, and where they stand in ``places``."""
    raw = np.ascontiguousarray(places).view(np.uint8).reshape(-1, 20)
    splits, inverse = np.unique(np.ascontiguousarray(raw[:, :16]).view("S16").ravel(), return_inverse=True)
    rows = np.ascontiguousarray(raw[:, 16:]).view(">u4").ravel().astype(np.int32)
    order = np.argsort(inverse, kind="stable")
    for at in np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1) if len(splits) else []:
        yield raw[at[0], :16].tobytes().hex(), rows[at], at


def to_arrow(places: Places) -> pa.Array:
    """Return ``places`` as a column."""
    return pa.Array.from_buffers(PLACE, len(places), [None, pa.py_buffer(np.ascontiguousarray(places).tobytes())])


def from_arrow(column: pa.Array) -> Places:
    """Return the places in a column without nulls."""
    if not len(column):
        return np.empty(0, "S20")
    whole: Any = np.frombuffer(column.buffers()[1], "S20", count=column.offset + len(column))  # what a stream brings is padded
    return whole[column.offset :]


def bucket_batch(found: Buckets, places: Places) -> pa.RecordBatch:
    """Return the buckets that rows at ``places`` are sought in, as they cross the shuffle."""
    return pa.RecordBatch.from_arrays([pa.array(found.keys), to_arrow(places[found.rows]), pa.array(found.sketches)], schema=BUCKETS)


def pair_batch(left: Places, right: Places) -> pa.RecordBatch:
    """Return pairs as a batch."""
    return pa.RecordBatch.from_arrays([to_arrow(left), to_arrow(right)], schema=PAIRS)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of buckets, shape (n,) each."""

    keys: npt.NDArray[np.uint64]
    places: Places
    sketches: npt.NDArray[np.uint64]

    def at(self, which: Any) -> "_Rows":
        return _Rows(self.keys[which], self.places[which], self.sketches[which])


def pairs_in(batches: Iterable[pa.RecordBatch], screen: Screen) -> Iterator[tuple[Places, Places]]:
    """Yield, in pieces, the pairs of places that share a key and pass ``screen``; a pair may come more than once.

    ``batches`` have the schema ``BUCKETS`` and are read twice, where a bucket is crowded three times. Held are 16 bytes for each
    distinct key, then the members of the buckets of two and more that are not crowded: the result does not depend on the order
    of the batches.
    """
    keys, counts = _counted(batches)
    crowded, shared = keys[counts > CROWD], keys[(counts > 1) & (counts <= CROWD)]
    heads = _heads(batches, crowded)
    rest: list[_Rows] = []
    for rows in map(_rows_of, batches):
        rest.append(rows.at(_among(shared, rows.keys)))
        if len(crowded):
            members = rows.at(_among(crowded, rows.keys))
            yield _screened(heads.at(np.searchsorted(crowded, members.keys)), members, screen)
    if rest:
        yield from _all_pairs(_joined(rest), screen)


def _counted(batches: Iterable[pa.RecordBatch]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Return the distinct keys, ascending, and the members of each.

    Batches wait until they come to as many rows as there are keys: to sort these again for each batch would cost the square.
    """
    keys, counts, waiting, size = np.empty(0, np.uint64), np.empty(0, np.int64), list[npt.NDArray[np.uint64]](), 0
    for batch in batches:
        waiting.append(batch.column("key").to_numpy())
        size += len(batch)
        if size >= max(len(keys), AT_ONCE):
            (keys, counts), waiting, size = _added_up(keys, counts, waiting), [], 0
    return _added_up(keys, counts, waiting)


def _added_up(
    keys: npt.NDArray[np.uint64], counts: npt.NDArray[np.int64], more: list[npt.NDArray[np.uint64]]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    new, members = np.unique(np.concatenate([keys[:0], *more]), return_counts=True)
    if not len(keys):
        return new, members.astype(np.int64)
    both = np.concatenate([keys, new])
    order = np.argsort(both, kind="stable")
    starts = _starts(both[order])
    return both[order][starts], np.add.reduceat(np.concatenate([counts, members])[order], starts)


def _heads(batches: Iterable[pa.RecordBatch], crowded: npt.NDArray[np.uint64]) -> _Rows:
    """Return the smallest member of each bucket of ``crowded``, in its order."""
    heads = _Rows(crowded[:0], np.empty(0, "S20"), np.empty(0, np.uint64))
    for rows in map(_rows_of, batches) if len(crowded) else ():
        members = _joined([heads, rows.at(_among(crowded, rows.keys))])
        order = np.lexsort((members.sketches, members.places, members.keys))
        heads = members.at(order[_starts(members.keys[order])])
    return heads


def _among(known: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return which of ``keys`` are among ``known``, which ascend."""
    at = np.searchsorted(known, keys)
    inside = at < len(known)
    inside[inside] = known[at[inside]] == keys[inside]
    return inside


def _all_pairs(rows: _Rows, screen: Screen) -> Iterator[tuple[Places, Places]]:
    rows = rows.at(np.lexsort((rows.sketches, rows.places, rows.keys)))
    for distance in range(1, CROWD):
        (first,) = np.nonzero(rows.keys[distance:] == rows.keys[:-distance])
        if not len(first):
            return
        yield _screened(rows.at(first), rows.at(first + distance), screen)


def _screened(left: _Rows, right: _Rows, screen: Screen) -> tuple[Places, Places]:
    kept = (left.places != right.places) & screen(left.sketches, right.sketches)
    return left.places[kept], right.places[kept]


def _starts(ordered: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return where each run of equal values begins."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.empty(0, np.int64)


def _rows_of(batch: pa.RecordBatch) -> _Rows:
    keys, sketches = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("key", "sketch"))
    return _Rows(keys, from_arrow(batch.column("place")), sketches)


def _joined(parts: list[_Rows]) -> _Rows:
    return _Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("keys", "places", "sketches")))
