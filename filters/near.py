"""From buckets to pairs: which rows may be near-duplicates, told from the keys that they share.

A row is named by its place, 20 bytes: those of its split_id, then its row as a big-endian number, so that places compare as
(split_id, row) do. Everything here is one partition of the keys: its batches are read twice, and a bucket is never held whole
once it is crowded.
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

    ``batches`` have the schema ``BUCKETS`` and are read twice. Held are one row for each distinct key, then the members of the
    buckets that are not crowded: the result does not depend on the order of the batches.
    """
    heads = _crowded(batches)
    rest: list[_Rows] = []
    for rows in map(_rows_of, batches):
        at = np.searchsorted(heads.keys, rows.keys)
        is_crowded = np.zeros(len(rows.keys), np.bool_)
        inside = at < len(heads.keys)
        is_crowded[inside] = heads.keys[at[inside]] == rows.keys[inside]
        rest.append(rows.at(~is_crowded))
        yield _screened(heads.at(at[is_crowded]), rows.at(is_crowded), screen)
    if rest:
        yield from _all_pairs(_joined(rest), screen)


def _crowded(batches: Iterable[pa.RecordBatch]) -> _Rows:
    """Return the smallest member of each crowded bucket, ordered by key."""
    heads, counts = _Rows(np.empty(0, np.uint64), np.empty(0, "S20"), np.empty(0, np.uint64)), np.empty(0, np.int64)
    for rows in map(_rows_of, batches):
        joined, weights = _joined([heads, rows]), np.concatenate([counts, np.ones(len(rows.keys), np.int64)])
        order = np.lexsort((joined.sketches, joined.places, joined.keys))
        starts = _starts(joined.keys[order])
        heads, counts = joined.at(order[starts]), np.add.reduceat(weights[order], starts) if len(starts) else counts
    return heads.at(counts > CROWD)


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
