"""What is done with near-duplicates inside a split or a partition: the functions between the shuffles of ``pipelines.pairs.near``.

A partition is a share of the keys or of the places, and arrives as Arrow IPC streams of the schemas of ``filters.near``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters import near
from filters.components import Edges, distinct, downwards, joined, small_star, stray
from filters.duplicates import Member, quality
from pipelines.pairs import duplicates
from pipelines.pairs.annotate import ABOUT, KEY
from pipelines.pairs.embed import with_scores
from pipelines.spine import fragments
from pipelines.spine.coder import from_ipc, to_ipc
from pipelines.spine.steps import under_way
from schemas import columns as c
from schemas.batches import take_rows, undocumented
from schemas.exits import EnvironmentFault
from schemas.protocols import NearDuplicates
from schemas.records import TWINS

PLACE, CLUSTER = "place", "cluster"
SIGNALS, PAIRS, LABELS = "signals", "pairs", "labels"
MEMBER = tuple(field.name for field in (c.ALT_TEXT, c.WIDTH, c.HEIGHT, c.CLIP_SCORE, c.SOURCE_BYTES))
"""Annotations that a row of a cluster is told by."""


@dataclass(frozen=True)
class Signals:
    """Where the signals of the rows lie that decisions are about."""

    scored: str | None
    """Folder of the embed pass, null where there is none."""

    def of(self, decided: pa.RecordBatch, *columns: str) -> pa.RecordBatch:
        """Return the annotations and scores of the split that ``decided`` is about, row by row: of ``columns``, or all."""
        annotations = fragments.read(decided.schema.metadata[ABOUT].decode(), columns)
        return with_scores(annotations, decided.schema.metadata[KEY].decode(), self.scored)

    def told(self, decided: pa.RecordBatch, rows: Sequence[int]) -> tuple[list[str | None], list[tuple[float, ...]]]:
        """Return of ``rows`` the text that a cluster is told by, and what makes one of them its representative."""
        batch = self.of(decided, *MEMBER).take(pa.array(rows, pa.int32()))
        return batch.column(c.ALT_TEXT.name).to_pylist(), quality(batch)


def live(decided: pa.RecordBatch, signals: Signals) -> Iterator[pa.RecordBatch]:
    """Yield the place and the signals of the rows under way."""
    mask = under_way(decided)
    if mask.any():
        rows = take_rows(signals.of(decided), mask)
        yield undocumented(rows.append_column(PLACE, near.to_arrow(_places(decided, mask))).replace_schema_metadata(None))


def _places(decided: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> near.Places:
    split_id = decided.column(c.SPLIT_ID.name)[0].as_py()
    return near.places_of(split_id, np.flatnonzero(mask).astype(np.int32))


def by_key(rows: pa.RecordBatch, finder: NearDuplicates, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield the buckets of ``rows`` under the partition of their keys."""
    batch = near.bucket_batch(finder.buckets(rows), near.from_arrow(rows.column(PLACE)))
    yield from _cut(batch, batch.column("key").to_numpy() % np.uint64(partitions))


def by_place(rows: pa.RecordBatch, finder: NearDuplicates, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield what ``finder`` holds against each other, under the partition of the places."""
    yield from _cut(rows.select([PLACE, *finder.columns]), _partition(near.from_arrow(rows.column(PLACE)), partitions))


def paired(bucket: tuple[int, Iterable[bytes]], finder: NearDuplicates, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield the pairs of one partition of keys, each once, under the partition of the left place."""
    _, found = bucket
    right, left = distinct(downwards(joined(Edges(*piece) for piece in near.pairs_in(_Batches(found), finder.screen))))
    yield from _cut(near.pair_batch(left, right), _partition(left, partitions))


def with_left(group: tuple[int, Mapping[str, Iterable[bytes]]], finder: NearDuplicates, partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield the pairs of one partition of left places with the signals of the left, under the partition of the right."""
    _, found = group
    pairs = _Pairs.of(found[PAIRS])
    if len(pairs.left):
        signals = _signals_at(pairs.left, found[SIGNALS], finder.columns)
        whole = signals.append_column("left", near.to_arrow(pairs.left)).append_column("right", near.to_arrow(pairs.right))
        yield from _cut(whole, _partition(pairs.right, partitions))


def alike(group: tuple[int, Mapping[str, Iterable[bytes]]], finder: NearDuplicates) -> Iterator[bytes]:
    """Yield the pairs of one partition of right places that are near-duplicates in truth, contracted among each other."""
    _, found = group
    batches = [from_ipc(data) for data in found[PAIRS]]
    if batches:
        pairs = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
        left, right = (near.from_arrow(pairs.column(name)) for name in ("left", "right"))
        signals = _signals_at(right, found[SIGNALS], finder.columns)
        true = ~np.isnan(finder.alike(pairs.select([*finder.columns]), signals))
        yield from _as_bytes(small_star(Edges(right[true], left[true])))


def spread(data: bytes, direction: Callable[[Edges], Edges], partitions: int) -> Iterator[tuple[int, bytes]]:
    """Yield edges, turned to ``direction``, under the partition of their nodes."""
    yield from _edges_by_node(direction(_edges_of([data])), partitions)


def contracted(
    group: tuple[int, Iterable[bytes]], star: Callable[[Edges], Edges], direction: Callable[[Edges], Edges], partitions: int
) -> Iterator[tuple[int, bytes]]:
    """Yield what ``star`` makes of one partition of nodes, turned to ``direction``, under the partition of the nodes then."""
    _, found = group
    yield from _edges_by_node(direction(star(_edges_of(found))), partitions)


def stars(group: tuple[int, Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the small stars of one partition of nodes."""
    _, found = group
    yield from _as_bytes(small_star(_edges_of(found)))


def labels(group: tuple[int, Iterable[bytes]], rounds: int) -> Iterator[tuple[str, bytes]]:
    """Yield, under their split, the rows of one partition with their cluster; raises ``EnvironmentFault`` where it is not whole."""
    _, found = group
    edges = _edges_of(found)
    is_star = edges.neighbour < edges.node
    stars, centres = Edges(edges.node[is_star], edges.neighbour[is_star]), np.unique(edges.node[~is_star])
    if left := stray(stars, centres):
        raise EnvironmentFault(
            f"expected whole clusters of near-duplicates after {rounds} rounds, found {left} samples that still hang on several; "
            "raise near.rounds, or seek closer duplicates (long chains of samples of which each is like the next are the cause)"
        )
    nodes, clusters = np.concatenate([stars.node, centres]), np.concatenate([stars.neighbour, centres])
    for split_id, rows, at in near.by_split(nodes):
        yield split_id, to_ipc(pa.record_batch({c.ROW.name: rows, CLUSTER: near.to_arrow(clusters[at])}))


def verdicts(decided: pa.RecordBatch) -> tuple[str, bytes]:
    """Return what was decided on a split, under its id."""
    return decided.column(c.SPLIT_ID.name)[0].as_py(), to_ipc(undocumented(decided))


def members(split: tuple[str, Mapping[str, Iterable[bytes]]], signals: Signals) -> Iterator[tuple[str, Member]]:
    """Yield the clustered rows of a split, each under its cluster."""
    split_id, found = split
    labels = [from_ipc(data) for data in found[LABELS]]
    if not labels:
        return
    (verdict,) = (from_ipc(data) for data in found[duplicates.VERDICTS])
    clusters = {row: cluster for part in labels for row, cluster in zip(*(column.to_pylist() for column in part.columns), strict=True)}
    rows = sorted(clusters)
    texts, ranks = signals.told(verdict, rows)
    twins = verdict.take(pa.array(rows, pa.int32()))
    about = zip(rows, texts, ranks, *(twins.column(field.name).to_pylist() for field in TWINS), strict=True)
    for row, *known in about:
        yield clusters[row].hex(), duplicates.member(split_id, row, *known)


@dataclass(frozen=True, slots=True)
class _Batches:
    """Batches that crossed a shuffle, decoded anew at each reading."""

    encoded: Iterable[bytes]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return map(from_ipc, self.encoded)


@dataclass(frozen=True, slots=True)
class _Pairs:
    left: near.Places
    right: near.Places

    @staticmethod
    def of(encoded: Iterable[bytes]) -> "_Pairs":
        """Return the pairs in ``encoded``, each once: they may share keys of several partitions."""
        right, left = distinct(
            joined(Edges(near.from_arrow(b.column("right")), near.from_arrow(b.column("left"))) for b in _Batches(encoded))
        )
        return _Pairs(left, right)


def _signals_at(places: near.Places, encoded: Iterable[bytes], columns: Sequence[str]) -> pa.RecordBatch:
    """Return the signals of the rows at ``places``, in their order; every place is among those of ``encoded``."""
    signals = pa.Table.from_batches(list(_Batches(encoded))).combine_chunks().to_batches()[0]
    known = near.from_arrow(signals.column(PLACE))
    order = np.argsort(known, kind="stable")
    return signals.select([*columns]).take(pa.array(order[np.searchsorted(known[order], places)]))


def _edges_of(encoded: Iterable[bytes]) -> Edges:
    batches = list(_Batches(encoded))
    return joined(Edges(near.from_arrow(b.column("left")), near.from_arrow(b.column("right"))) for b in batches)


def _as_bytes(edges: Edges) -> Iterator[bytes]:
    if len(edges.node):
        yield to_ipc(near.pair_batch(edges.node, edges.neighbour))


def _edges_by_node(edges: Edges, partitions: int) -> Iterator[tuple[int, bytes]]:
    yield from _cut(near.pair_batch(edges.node, edges.neighbour), _partition(edges.node, partitions))


def _partition(places: near.Places, partitions: int) -> npt.NDArray[np.uint64]:
    """Return the partition of each place: bytes of the split_id, which is a hash, and of the row."""
    raw = np.ascontiguousarray(places).view(np.uint8).reshape(-1, 20)
    words = np.ascontiguousarray(raw[:, 12:20]).view(">u8").ravel().astype(np.uint64)
    return words % np.uint64(partitions)


def _cut(batch: pa.RecordBatch, partition: npt.NDArray[np.uint64]) -> Iterator[tuple[int, bytes]]:
    """Cut ``batch`` by the partition of each row."""
    if not len(batch):
        return
    order = np.argsort(partition, kind="stable")
    sorted_ = batch.take(pa.array(order))
    edges = [0, *(np.flatnonzero(np.diff(partition[order])) + 1).tolist(), len(batch)]
    for first, last in pairwise(edges):
        yield int(partition[order[first]]), to_ipc(sorted_.slice(first, last - first))
