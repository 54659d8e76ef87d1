"""From buckets to pairs and from pairs to clusters, against dicts, sets and a union-find in plain Python."""

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters import near
from filters.components import Edges, both_ways, distinct, downwards, joined, large_star, small_star, stray
from schemas.protocols import Buckets

CROWD = 64
"""Members up to which a bucket is not crowded, as it is documented."""
SPLITS = ["0" * 32, "00ff" * 8, "f" * 30 + "00", "ab" * 16]
"""Ids of splits, among them some that end in or are made of zero bytes."""
Place = tuple[str, int]
unhurried = settings(deadline=None, max_examples=60)


def place_bytes(place: Place) -> bytes:
    return bytes.fromhex(place[0]) + place[1].to_bytes(4, "big")


def as_places(places: Sequence[Place]) -> near.Places:
    return np.array([place_bytes(place) for place in places], "S20")


def as_tuples(places: near.Places) -> list[Place]:
    """Read places out of an array by the bytes that lie in memory."""
    raw = np.ascontiguousarray(places).tobytes()
    return [(raw[at : at + 16].hex(), int.from_bytes(raw[at + 16 : at + 20], "big")) for at in range(0, len(raw), 20)]


# Places.

ROWS = st.sampled_from([0, 1, 255, 256, 257, 65_535, 65_536, 2**24, 2**31 - 1]) | st.integers(0, 2**31 - 1)
PLACES = st.tuples(st.sampled_from(SPLITS), ROWS)


@pytest.mark.parametrize("split_id", SPLITS)
def test_places_are_the_bytes_of_split_and_row_whatever_bytes_they_end_with(split_id: str):
    rows = [0, 1, 255, 256, 65_536, 2**24, 2**31 - 1]
    found = near.places_of(split_id, np.array(rows, np.int32))
    assert found.dtype == np.dtype("S20")
    assert as_tuples(found) == [(split_id, row) for row in rows]
    assert near.to_arrow(found).to_pylist() == [place_bytes((split_id, row)) for row in rows]


@unhurried
@given(st.lists(PLACES, max_size=20), st.data())
def test_places_survive_the_column_its_slices_and_the_way_back_to_their_splits(places: list[Place], data: st.DataObject):
    column = near.to_arrow(as_places(places))
    assert column.type == pa.binary(20)
    start = data.draw(st.integers(0, len(places)))
    length = data.draw(st.integers(0, len(places) - start))
    assert as_tuples(near.from_arrow(column.slice(start, length))) == places[start : start + length]
    back: dict[int, Place] = {}
    splits = []
    for split_id, rows, at in near.by_split(as_places(places)):
        splits.append(split_id)
        back |= {int(where): (split_id, int(row)) for row, where in zip(rows, at, strict=True)}
    assert [back[number] for number in range(len(places))] == places
    assert sorted(set(splits)) == sorted(splits) == sorted({split_id for split_id, _ in places})


@unhurried
@given(st.lists(PLACES, min_size=2, max_size=10))
def test_places_compare_as_split_and_row_do(places: list[Place]):
    found = as_places(places)
    assert as_tuples(np.sort(found)) == sorted(places)
    assert (found[:-1] < found[1:]).tolist() == [a < b for a, b in pairwise(places)]


# From buckets to pairs.

Hit = tuple[int, Place, int]
"""A key, a place that is sought under it, and its sketch."""


def agree(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A screen that lets pass what is equal in the lowest bit."""
    return (left ^ right) & np.uint64(1) == 0


def anything(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.ones(len(left), np.bool_)


def batch_of(hits: Sequence[Hit]) -> pa.RecordBatch:
    keys, sketches = (np.array([hit[part] for hit in hits], np.uint64) for part in (0, 2))
    return near.bucket_batch(Buckets(np.arange(len(hits)), keys, sketches), as_places([place for _, place, _ in hits]))


def pairs(batches: Iterable[pa.RecordBatch], screen: Callable = anything) -> list[tuple[Place, Place]]:
    """Return the pairs that are found, smaller place first, those that come again too."""
    found = near.pairs_in(list(batches), screen)
    return [(min(pair), max(pair)) for left, right in found for pair in zip(as_tuples(left), as_tuples(right), strict=True)]


def expected(hits: Sequence[Hit], may: Callable[[int, int], bool] | None = None) -> set[tuple[Place, Place]]:
    """Each against each in a bucket of up to 64 members, each against the smallest in a larger one, and nothing against itself."""
    buckets: dict[int, list[tuple[Place, int]]] = {}
    for key, place, sketch in hits:
        buckets.setdefault(key, []).append((place, sketch))
    found: set[tuple[Place, Place]] = set()
    for members in buckets.values():
        held = combinations(members, 2) if len(members) <= CROWD else ((min(members), member) for member in members)
        found |= {(min(a, b), max(a, b)) for (a, one), (b, other) in held if a != b and (may is None or may(one, other))}
    return found


@st.composite
def pools(draw: st.DrawFn) -> list[Hit]:
    """Small buckets of all sizes and, often, one around the limit; a place may stand in a bucket by two sketches."""
    some = st.tuples(st.sampled_from([0, 1, 2, 2**64 - 1]), st.tuples(st.sampled_from(SPLITS), st.integers(0, 12)), st.integers(0, 3))
    hits = draw(st.lists(some, max_size=30))
    size = draw(st.sampled_from([0, 0, 63, 64, 65, 70]))
    seed = draw(st.integers(0, 9))
    return [*hits, *((7, (SPLITS[(n * seed) % 4], n), n % 4) for n in range(size))]


@unhurried
@given(pools(), st.data())
def test_pairs_are_those_of_the_definition_however_the_buckets_are_cut_and_ordered(hits: list[Hit], data: st.DataObject):
    shuffled = hits.copy()
    random.Random(data.draw(st.integers(0, 99))).shuffle(shuffled)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(hits)), max_size=4)))
    parts = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(hits)], strict=True)]
    assert set(pairs([batch_of(part) for part in parts])) == expected(hits)
    screened = expected(hits, lambda one, other: (one ^ other) & 1 == 0)
    assert set(pairs([batch_of(part) for part in parts], agree)) == screened


@pytest.mark.parametrize(("members", "count"), [(2, 1), (63, 63 * 62 // 2), (64, 64 * 63 // 2), (65, 64), (1000, 999)])
def test_a_bucket_is_paired_in_full_until_it_is_crowded_and_then_by_its_smallest(members: int, count: int):
    places = [(SPLITS[3], row) for row in range(members)]
    hits = [(5, place, 0) for place in places]
    random.Random(members).shuffle(hits)
    found = pairs([batch_of(hits[: members // 3]), batch_of(hits[members // 3 :])])
    assert len(found) == len(set(found)) == count
    if members > CROWD:
        assert set(found) == {(places[0], other) for other in places[1:]}


def test_a_place_is_never_paired_with_itself_in_any_bucket():
    place = (SPLITS[0], 0)
    few = [(1, place, sketch) for sketch in range(3)]
    crowded = [(2, place, sketch) for sketch in range(3)] + [(2, (SPLITS[1], row), 0) for row in range(70)]
    found = pairs([batch_of([*few, *crowded])])
    assert all(left != right for left, right in found)
    assert set(found) == {(place, (SPLITS[1], row)) for row in range(70)}


def test_no_buckets_make_no_pairs():
    assert pairs([]) == []
    assert pairs([batch_of([])]) == []
    assert pairs([batch_of([(key, (SPLITS[0], key), 0) for key in range(100)])]) == []


# From pairs to clusters.


def union_find(edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return for each node the smallest of its component, by definition."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for one, other in edges:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return {node: root(node) for node in list(parent)}


def edges_of(pairs_: Iterable[tuple[int, int]]) -> Edges:
    """Return edges between rows of one split, from the larger to the smaller."""
    ends = [(max(pair), min(pair)) for pair in pairs_]
    return distinct(Edges(*(as_places([(SPLITS[1], pair[side]) for pair in ends]) for side in (0, 1))))


def as_pairs(edges: Edges) -> list[tuple[int, int]]:
    return [(a, b) for (_, a), (_, b) in zip(as_tuples(edges.node), as_tuples(edges.neighbour), strict=True)]


def by_partition(edges: Edges, move: Callable[[Edges], Edges], partitions: int) -> Edges:
    """Send the edges of each partition of the nodes through ``move`` by itself."""
    number = np.array([row % partitions for _, row in as_tuples(edges.node)], np.int64)
    return joined(move(Edges(edges.node[number == part], edges.neighbour[number == part])) for part in range(partitions))


def contracted(edges: Edges, rounds: int, partitions: int = 1) -> Edges:
    for _ in range(rounds):
        edges = by_partition(both_ways(edges), large_star, partitions)
        edges = by_partition(downwards(edges), small_star, partitions)
    return edges


def unfinished(edges: Edges, partitions: int = 1) -> int:
    """Return what ``stray`` says over all partitions."""
    ways, found = both_ways(edges), 0
    number = np.array([row % partitions for _, row in as_tuples(ways.node)], np.int64)
    for part in range(partitions):
        node, neighbour = ways.node[number == part], ways.neighbour[number == part]
        is_star = neighbour < node
        found += stray(Edges(node[is_star], neighbour[is_star]), np.unique(node[~is_star]))
    return found


def is_whole(edges: Iterable[tuple[int, int]]) -> bool:
    """Whether each node hangs on one centre, on which nothing but nodes hang: the definition of a star."""
    found = list(edges)
    nodes = [node for node, _ in found]
    return len(set(nodes)) == len(nodes) and not set(nodes) & {centre for _, centre in found}


GRAPH = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)).filter(lambda pair: pair[0] != pair[1]), max_size=60)
"""Edges between few nodes, 0 and 256 among them, whose places end in zero bytes."""


@unhurried
@given(GRAPH, st.sampled_from([1, 3]))
def test_random_graphs_contract_to_the_components_of_a_union_find(graph: list[tuple[int, int]], partitions: int):
    whole = contracted(edges_of(graph), 10, partitions)
    components = union_find(graph)
    assert sorted(as_pairs(whole)) == sorted((node, low) for node, low in components.items() if node != low)
    assert unfinished(whole, partitions) == 0


@unhurried
@given(GRAPH, st.integers(0, 4), st.sampled_from([1, 3]))
def test_no_round_loses_or_joins_a_component_and_stray_tells_whether_all_are_stars(
    graph: list[tuple[int, int]], rounds: int, partitions: int
):
    part = contracted(edges_of(graph), rounds, partitions)
    assert union_find(as_pairs(part)) == union_find(graph)
    assert all(node > neighbour for node, neighbour in as_pairs(part))
    assert (unfinished(part, partitions) == 0) == is_whole(set(as_pairs(part)))


def path(length: int, seed: int | None) -> list[tuple[int, int]]:
    """A chain of rows, in order or, by a seed, in any."""
    rows = list(range(length))
    if seed is not None:
        random.Random(seed).shuffle(rows)
    return list(pairwise(rows))


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("length", [3, 100, 1000])
def test_chains_of_a_thousand_are_whole_after_ten_rounds(length: int, seed: int | None):
    edges = edges_of(path(length, seed))
    assert unfinished(edges) > 0
    whole = contracted(edges, 10)
    assert sorted(as_pairs(whole)) == [(row, 0) for row in range(1, length)]
    assert unfinished(whole) == 0


def test_a_chain_too_long_for_the_rounds_is_told():
    assert unfinished(contracted(edges_of(path(1000, 3)), 2)) > 0


@pytest.mark.parametrize("centre", [0, 500, 999])
def test_a_star_is_whole_after_one_round_wherever_its_centre_is(centre: int):
    edges = edges_of((centre, row) for row in range(1000) if row != centre)
    assert (unfinished(edges) == 0) == (centre == 0)
    whole = contracted(edges, 1)
    assert sorted(as_pairs(whole)) == [(row, 0) for row in range(1, 1000)]
    assert unfinished(whole) == 0


def test_no_edges_contract_to_none():
    whole = contracted(joined([]), 2)
    assert len(whole.node) == len(whole.neighbour) == 0
    assert unfinished(whole) == 0
