"""Near-duplicate images: no pair within the radius is missed, and copies of real photographs are found and nothing else."""

import dataclasses
import io
import math
import pickle
import zipfile
from collections import defaultdict
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.copies import FOUND, NOT_CLAIMED, copy_of
from filters.decode import Decoder
from filters.near_image import NearImage
from filters.perceptual import SCALE, perceptual
from filters.signals import measure
from jobs.fetch import fetch
from schemas import columns as c
from schemas.batches import from_rows
from schemas.weights import TABLE, cache_dir

SCHEMA = pa.schema([c.PERCEPTUAL_HASHES, c.IMAGE_EMBEDDING])
WORD = st.integers(0, 2**64 - 1)
HASHES = st.lists(WORD, min_size=12, max_size=12)
ROWS = st.lists(st.none() | st.just([]) | HASHES, max_size=5)
few = settings(max_examples=60, deadline=None)


def batch(hashes: list[list[int] | None], embeddings: list[list[float] | None] | None = None) -> pa.RecordBatch:
    vectors = embeddings or [None] * len(hashes)
    return from_rows([{"perceptual_hashes": h, "image_embedding": e} for h, e in zip(hashes, vectors, strict=True)], SCHEMA)


def row_of(coarse: int) -> list[int]:
    """Hashes of a row whose three coarse words are one, so that its keys are those of one hash."""
    return [coarse, 0, 0, 0] * 3


def keys_of(rule: NearImage, rows: pa.RecordBatch) -> list[dict[int, set[int]]]:
    """For each row, its sketches by key."""
    found = rule.buckets(rows)
    by_row: list[dict[int, set[int]]] = [defaultdict(set) for _ in range(len(rows))]
    for row, key, sketch in zip(found.rows.tolist(), found.keys.tolist(), found.sketches.tolist(), strict=True):
        by_row[row][key].add(sketch)
    return by_row


@few
@given(st.integers(0, 6), st.integers(1, 4), WORD, st.data())
def test_any_two_hashes_within_the_radius_share_a_key(radius: int, intact: int, word: int, data: st.DataObject):
    turned = data.draw(st.lists(st.integers(0, 63), max_size=radius, unique=True))
    other = word ^ sum(1 << bit for bit in turned)
    rule = NearImage(max_distance=radius, intact_blocks=intact)
    first, second = keys_of(rule, batch([row_of(word), row_of(other)]))
    assert first.keys() & second.keys()
    assert rule.screen(np.array([word], np.uint64), np.array([other], np.uint64)).tolist() == [True]


@few
@given(st.integers(0, 6), st.integers(1, 3), WORD, WORD)
def test_two_hashes_share_a_key_for_each_choice_of_blocks_that_agree(radius: int, intact: int, word: int, mask: int):
    other = word ^ (mask & (mask >> 7) & (mask << 9) & (2**64 - 1))
    rule = NearImage(max_distance=radius, intact_blocks=intact)
    bits, turned = radius + intact, [bit for bit in range(64) if (word ^ other) >> bit & 1]
    edges = [64 * block // bits for block in range(bits + 1)]
    agreeing = sum(not any(start <= bit < end for bit in turned) for start, end in pairwise(edges))
    first, second = keys_of(rule, batch([row_of(word), row_of(other)]))
    assert len(first) == len(second) == math.comb(bits, intact)
    assert len(first.keys() & second.keys()) == math.comb(agreeing, intact)


@few
@given(WORD, WORD)
def test_the_screen_lets_pass_what_lies_within_the_radius(left: int, right: int):
    near = left ^ (right & 0x0101010101)
    for other in (right, near):
        expected = (left ^ other).bit_count() <= 6
        assert NearImage().screen(np.array([left], np.uint64), np.array([other], np.uint64)).tolist() == [expected]
        assert NearImage().screen(np.array([other], np.uint64), np.array([left], np.uint64)).tolist() == [expected]


def close_to(draw: st.DrawFn, hashes: list[int]) -> list[int]:
    """The hashes with a few bits of each word turned."""
    turned = [draw(st.lists(st.integers(0, 63), max_size=limit, unique=True)) for limit in (8, 15, 15, 15) * 3]
    return [word ^ sum(1 << bit for bit in bits) for word, bits in zip(hashes, turned, strict=True)]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[int] | None, list[int] | None]:
    left = draw(HASHES)
    right = draw(st.one_of(st.none(), st.just([]), st.just(left), HASHES, st.builds(lambda: close_to(draw, left))))
    return (right, left) if draw(st.booleans()) else (left, right)


def agreement(left: list[int] | None, right: list[int] | None, rule: NearImage) -> float | None:
    """The definition, one pair of hashes after the other."""
    best = None
    for i, j in product(range(len(left or []) // 4), range(len(right or []) // 4)):
        turned = [(left[4 * i + word] ^ right[4 * j + word]).bit_count() for word in range(4)]
        if turned[0] <= rule.max_distance and sum(turned) <= rule.max_detail:
            best = sum(turned) if best is None else min(best, sum(turned))
    return None if best is None else round(1 - best / 256, 4)


def as_list(values: np.ndarray) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


@settings(max_examples=200, deadline=None)
@given(st.lists(pairs(), max_size=5), st.sampled_from([NearImage(), NearImage(max_distance=2, max_detail=20)]))
def test_alike_is_the_share_of_agreeing_bits_of_the_best_pair_of_hashes(drawn: list[Any], rule: NearImage):
    left, right = batch([pair[0] for pair in drawn]), batch([pair[1] for pair in drawn])
    expected = [agreement(*pair, rule) for pair in drawn]
    assert as_list(rule.alike(left, right)) == expected
    assert as_list(rule.alike(right, left)) == expected


@few
@given(ROWS, st.data())
def test_keys_belong_to_the_row_wherever_it_stands(rows: list[list[int] | None], data: st.DataObject):
    keys = keys_of(NearImage(), batch(rows))
    order = data.draw(st.permutations(range(len(rows))))
    assert keys_of(NearImage(), batch([rows[row] for row in order])) == [keys[row] for row in order]
    start = data.draw(st.integers(0, len(rows)))
    assert keys_of(NearImage(), batch(rows).slice(start)) == keys[start:]
    assert [bool(key) for key in keys] == [bool(row) for row in rows]


@few
@given(st.lists(pairs(), min_size=1, max_size=5), st.data())
def test_alike_judges_each_pair_alone(drawn: list[Any], data: st.DataObject):
    left, right = batch([pair[0] for pair in drawn]), batch([pair[1] for pair in drawn])
    whole = as_list(NearImage().alike(left, right))
    start = data.draw(st.integers(0, len(drawn)))
    assert as_list(NearImage().alike(left.slice(start), right.slice(start))) == whole[start:]


def test_no_rows_have_no_keys_and_no_pairs():
    found = NearImage().buckets(batch([]))
    assert [(len(array), array.dtype) for array in found] == [(0, np.int64), (0, np.uint64), (0, np.uint64)]
    assert NearImage(min_cosine=0.9).alike(batch([]), batch([])).tolist() == []
    assert NearImage().buckets(batch([None, [], None])).rows.tolist() == []


def test_equal_hashes_of_a_row_have_their_keys_once_and_differing_ones_each():
    assert len(NearImage().buckets(batch([row_of(5)])).keys) == math.comb(8, 2)
    assert len(NearImage().buckets(batch([[1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]])).keys) == 2 * math.comb(8, 2)


def test_a_cosine_confirms_where_both_rows_have_an_embedding():
    hashes: list[list[int] | None] = [row_of(5)] * 5
    left = batch(hashes, [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], None, None])
    right = batch(hashes, [[0.8, 0.6], [0.96, 0.28], None, [0.0, 1.0], None])
    assert as_list(NearImage(min_cosine=0.9).alike(left, right)) == [None, 1.0, 1.0, 1.0, 1.0]
    assert as_list(NearImage().alike(left, right)) == [1.0] * 5
    sliced = NearImage(min_cosine=0.9).alike(left.slice(1), right.slice(1))
    assert as_list(sliced) == [1.0] * 4
    assert as_list(NearImage(min_cosine=0.9).alike(left.slice(0, 1), batch([row_of(2**63 - 1)], [[1.0, 0.0]]))) == [None]


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"max_distance": -1}, "max_distance"),
        ({"max_distance": 40, "max_detail": 36}, "max_detail"),
        ({"max_detail": 257}, "256"),
        ({"intact_blocks": 0}, "at least 1"),
        ({"max_distance": 6, "intact_blocks": 59}, "64"),
        ({"max_distance": 10, "intact_blocks": 8}, "at most 1000 keys for each hash, found 43758"),
        ({"min_cosine": 1.5}, "cosine"),
    ],
)
def test_settings_that_no_pair_or_no_shuffle_can_meet_are_refused(settings_: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        NearImage(**settings_)


def test_hashes_of_another_make_are_refused():
    with pytest.raises(ValueError, match=r"expected 12 words or none in perceptual_hashes, found \[3\]"):
        NearImage().buckets(batch([[1, 2, 3], None]))


def test_the_rule_is_a_frozen_picklable_value_with_a_version():
    assert pickle.loads(pickle.dumps(NearImage())) == NearImage()
    assert NearImage.version >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        NearImage().max_distance = 3


def test_vectors_are_read_where_a_cosine_is_asked_for_and_nowhere_else():
    """What a finder reads crosses the shuffles: a vector is ten times as long as the hashes."""
    assert NearImage().columns == ("perceptual_hashes",)
    assert NearImage(min_cosine=0.9).columns == ("perceptual_hashes", "image_embedding")
    hashes = batch([row_of(5)], [[1.0, 0.0]]).select(["perceptual_hashes"])
    assert as_list(NearImage().alike(hashes, hashes)) == [1.0]


# Real photographs.

KINDS = (*FOUND, *NOT_CLAIMED)


@pytest.fixture(scope="module")
def photographs() -> list[bytes]:
    with zipfile.ZipFile(fetch(TABLE["museum"], cache_dir())) as museum:
        return [museum.read(name) for name in sorted(museum.namelist()) if name.endswith(".jpg")]


@pytest.fixture(scope="module")
def files(photographs: list[bytes]) -> list[bytes]:
    """All photographs, then of every third one copy of each kind."""
    return [*photographs, *(copy_of(data, kind) for data in photographs[::3] for kind in KINDS)]


@pytest.fixture(scope="module")
def hashed(files: list[bytes]) -> pa.RecordBatch:
    columns = perceptual(measure(files, Decoder(scale=SCALE))[1])
    return pa.record_batch({**columns, "image_embedding": pa.nulls(len(files), c.IMAGE_EMBEDDING.type)})


@pytest.fixture(scope="module")
def found(hashed: pa.RecordBatch) -> dict[tuple[int, int], float]:
    """Near-duplicates among all pairs, without the keys."""
    first, second = np.triu_indices(len(hashed), 1)
    near: dict[tuple[int, int], float] = {}
    for start in range(0, len(first), 20_000):
        part = slice(start, start + 20_000)
        left, right = (hashed.take(pa.array(rows[part])) for rows in (first, second))
        alike = NearImage().alike(left, right)
        near |= {(int(i), int(j)): a for i, j, a in zip(first[part], second[part], alike, strict=True) if not math.isnan(a)}
    return near


def originals_and_kinds(photographs: list[bytes]) -> list[tuple[int, str]]:
    planted = [(place, kind) for place in range(0, len(photographs), 3) for kind in KINDS]
    return [*((place, "original") for place in range(len(photographs))), *planted]


def test_every_copy_of_a_photograph_is_found_and_no_other_pair(photographs: list[bytes], found: dict[tuple[int, int], float]):
    of = originals_and_kinds(photographs)
    assert len(photographs) == 174
    missed = [of[row] for row in range(174, len(of)) if of[row][1] in FOUND and (of[row][0], row) not in found]
    false = [(of[i], of[j]) for i, j in found if of[i][0] != of[j][0]]
    assert (missed, false) == ([], [])


def test_the_keys_lead_to_every_pair_that_the_rule_finds(hashed: pa.RecordBatch, found: dict[tuple[int, int], float]):
    rule, rows_of = NearImage(), defaultdict[int, set[int]](set)
    for row, keys in enumerate(keys_of(rule, hashed)):
        for key in keys:
            rows_of[key].add(row)
    together = {pair for rows in rows_of.values() for pair in combinations(sorted(rows), 2)}
    assert found.keys() <= together
    assert len(together) < len(hashed) ** 2 / 20


def phash(data: bytes) -> int:
    """pHash by its definition: 32 x 32 greys, cosine transform, the 8 x 8 lowest against their median."""
    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L").resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    cosines = np.array([[math.cos(math.pi * k * (2 * n + 1) / 64) for n in range(32)] for k in range(8)])
    low = (cosines @ grey @ cosines.T).ravel()
    return sum(1 << bit for bit in np.flatnonzero(low > np.median(low)).tolist())


def test_ordinary_phash_agrees_on_what_is_near(files: list[bytes], found: dict[tuple[int, int], float]):
    """What it finds at a sure radius we find, and whatever we find it does not call unrelated (unrelated: 32 bits on average)."""
    hashes = [phash(data) for data in files]
    sure = {(i, j) for i, j in combinations(range(len(files)), 2) if (hashes[i] ^ hashes[j]).bit_count() <= 2}
    assert len(sure) > 200
    assert sure - found.keys() == set()
    assert max((hashes[i] ^ hashes[j]).bit_count() for i, j in found) <= 20
