"""Concept balance against its definition, computed with fractions, and against the coin that it stands for."""

import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from math import prod, sqrt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.concepts import ConceptBalance, count, coverage, named, probabilities, tail_threshold
from filters.vocabulary import Vocabulary

ENTRIES = 6
COUNTS = st.lists(st.integers(0, 50), min_size=ENTRIES, max_size=ENTRIES).map(lambda values: np.array(values, np.int64))
ROW = st.sets(st.integers(0, ENTRIES - 1)).map(sorted)
MATCHES = st.lists(ROW, max_size=8)
unhurried = settings(deadline=None)


def ids(rows: int) -> list[str]:
    return [f"{row:032x}" for row in range(rows)]


def by_definition(row: list[int], counts: np.ndarray[Any, Any], t: int) -> Fraction:
    """The probability that at least one of the matched entries says keep, each with t / count, at most 1."""
    return 1 - prod((1 - min(Fraction(1), Fraction(t, max(int(counts[entry]), 1))) for entry in row), start=Fraction(1))


@unhurried
@given(matches=MATCHES, counts=COUNTS, t=st.integers(1, 60))
def test_the_probability_is_that_one_of_independent_draws_says_keep(matches: list[list[int]], counts: np.ndarray[Any, Any], t: int):
    expected = [by_definition(row, counts, t) for row in matches]
    assert probabilities(matches, counts, t).tolist() == pytest.approx([float(p) for p in expected], abs=6e-10)


@unhurried
@given(matches=MATCHES, more=MATCHES)
def test_counts_of_parts_add_up_to_those_of_the_whole(matches: list[list[int]], more: list[list[int]]):
    expected = Counter(entry for row in matches + more for entry in row)
    whole = count(matches + more, ENTRIES)
    assert whole.dtype == np.int64
    assert whole.tolist() == [expected[entry] for entry in range(ENTRIES)]
    assert (count(matches, ENTRIES) + count(more, ENTRIES)).tolist() == whole.tolist()


def test_a_position_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match="positions below 2, the entries of the vocabulary, found 5"):
        count([[0], [1, 5]], 2)


@unhurried
@given(counts=COUNTS, percent=st.integers(1, 99))
def test_t_is_the_least_at_which_the_tail_holds_the_share(counts: np.ndarray[Any, Any], percent: int):
    total = int(counts.sum())
    holds = [t for t in range(1, 51) if sum(int(n) for n in counts if n <= t) * 100 >= percent * total]
    assert tail_threshold(counts, percent / 100) == (holds[0] if total else 1)


@pytest.mark.parametrize(("counts", "share", "t"), [([1, 9], 0.1, 1), ([7, 0, 2, 1], 0.3, 2), ([1] * 10, 0.1, 1), ([5], 0.01, 5)])
def test_a_share_that_is_held_exactly_is_held(counts: list[int], share: float, t: int):
    assert tail_threshold(np.array(counts), share) == t


@unhurried
@given(counts=COUNTS, times=st.integers(1, 1000))
def test_t_grows_with_the_pool(counts: np.ndarray[Any, Any], times: int):
    if counts.any():
        assert tail_threshold(counts * times, 0.1) == tail_threshold(counts, 0.1) * times


@unhurried
@given(matches=MATCHES, counts=COUNTS, t=st.integers(1, 60), seed=st.integers(0, 5))
def test_a_sample_is_kept_with_certainty_as_soon_as_one_entry_is_rare(
    matches: list[list[int]], counts: np.ndarray[Any, Any], t: int, seed: int
):
    verdict = ConceptBalance(t=t, tail_share=None, seed=seed).decide(ids(len(matches)), matches, counts=counts)
    for row, reason in zip(matches, verdict.reason.to_pylist(), strict=True):
        if any(counts[entry] <= t for entry in row):
            assert reason is None
        if not row:
            assert reason == "unmatched"


@unhurried
@given(matches=MATCHES, counts=COUNTS, share=st.sampled_from([0.01, 0.1, 0.5]), data=st.data())
def test_rows_are_decided_alone_in_any_order_and_alike_once_t_is_solved(
    matches: list[list[int]], counts: np.ndarray[Any, Any], share: float, data: st.DataObject
):
    balance, names = ConceptBalance(tail_share=share), ids(len(matches))

    def verdicts(filter_: ConceptBalance, rows: list[int]) -> list[tuple[Any, ...]]:
        verdict = filter_.decide([names[row] for row in rows], [matches[row] for row in rows], counts=counts)
        columns = (verdict.reason, verdict.value, verdict.threshold, verdict.added["concept_probability"])
        return list(zip(*(column.to_pylist() for column in columns), strict=True))

    all_rows = list(range(len(matches)))
    whole = verdicts(balance, all_rows)
    order = data.draw(st.permutations(all_rows))
    assert verdicts(balance, order) == [whole[row] for row in order]
    assert [found for row in all_rows for found in verdicts(balance, [row])] == whole
    assert verdicts(balance.solved(counts), all_rows) == whole


VOCABULARY = Vocabulary(["dog", "cat", "okapi", "new york", "york"])
POOL = np.array([400, 90, 3, 5, 8])


def batch(*texts: str | None) -> pa.RecordBatch:
    return pa.record_batch({"sample_id": ids(len(texts)), "alt_text": pa.array(texts, pa.string())})


def test_a_batch_gets_its_concepts_and_its_probabilities():
    verdict = ConceptBalance(t=10, tail_share=None)(
        batch("A dog and a CAT", "okapi", "nothing", None, ""), vocabulary=VOCABULARY, counts=POOL
    )
    assert verdict.added["concepts"].to_pylist() == [["dog", "cat"], ["okapi"], [], [], []]
    assert verdict.added["concept_probability"].to_pylist() == [round(1 - 39 / 40 * 8 / 9, 9), 1.0, 0.0, 0.0, 0.0]
    assert verdict.reason.to_pylist()[1:] == [None, "unmatched", "unmatched", "unmatched"]


def test_a_sample_without_a_concept_may_stay():
    verdict = ConceptBalance(unmatched="keep")(batch("nothing", None), vocabulary=VOCABULARY, counts=POOL)
    assert verdict.reason.to_pylist() == [None, None]
    assert verdict.added["concept_probability"].to_pylist() == [1.0, 1.0]


def test_a_dropped_sample_has_its_draw_and_the_probability_that_it_did_not_reach():
    dogs = ConceptBalance(t=10, tail_share=None)(batch(*["dog"] * 200), vocabulary=VOCABULARY, counts=POOL)
    dropped = [row for row, reason in enumerate(dogs.reason.to_pylist()) if reason == "over_represented"]
    assert len(dropped) > 150
    assert all(dogs.value[row].as_py() >= dogs.threshold[row].as_py() == 0.025 for row in dropped)


def test_an_empty_pool_has_no_counts_to_balance_by():
    nothing = np.zeros(5, np.int64)
    verdict = ConceptBalance()(batch(), vocabulary=VOCABULARY, counts=nothing)
    assert (len(verdict.reason), verdict.added["concepts"].type) == (0, pa.list_(pa.string()))
    assert tail_threshold(nothing, 0.1) == 1
    assert coverage(nothing, nothing, 1).tail_matches_kept == 1.0


def zipf_pool(samples: int, entries: int) -> list[list[int]]:
    """Texts of 1 to 3 concepts of which the k-th is drawn 1/k as often as the first."""
    source = random.Random(7)
    weights = [1 / rank for rank in range(1, entries + 1)]
    return [sorted(set(source.choices(range(entries), weights, k=source.randint(1, 3)))) for _ in range(samples)]


def test_shares_kept_over_20000_samples_fit_the_probabilities():
    matches = zipf_pool(20_000, 2_000)
    counts = count(matches, 2_000)
    balance = ConceptBalance(tail_share=0.1, seed=3).solved(counts)
    assert balance.t is not None
    verdict = balance.decide(ids(len(matches)), matches, counts=counts)
    kept = np.array([reason is None for reason in verdict.reason.to_pylist()])
    expected = np.array([float(by_definition(row, counts, balance.t)) for row in matches])

    uncertain = expected < 1
    deviation = sqrt((expected[uncertain] * (1 - expected[uncertain])).sum())
    assert abs(kept[uncertain].sum() - expected[uncertain].sum()) <= 3 * deviation < 0.07 * expected[uncertain].sum()
    edges = [0, 0.02, 0.05, 0.1, 0.3, 0.6, 1]
    for low, high in pairwise(edges):
        inside = (expected > low) & (expected <= high) & (expected < 1)
        spread = sqrt((expected[inside] * (1 - expected[inside])).sum())
        assert abs(kept[inside].sum() - expected[inside].sum()) <= 4 * spread
    assert kept[expected == 1].all()
    assert 0.2 < kept.mean() < 0.9


def test_the_head_comes_down_and_the_tail_stays_whole():
    matches = zipf_pool(20_000, 2_000)
    before = count(matches, 2_000)
    balance = ConceptBalance(tail_share=0.1).solved(before)
    assert balance.t is not None
    reasons = balance.decide(ids(len(matches)), matches, counts=before).reason.to_pylist()
    after = count((row for row, reason in zip(matches, reasons, strict=True) if reason is None), 2_000)
    seen = coverage(before, after, balance.t)

    whole = [entry for entry in range(2_000) if 0 < before[entry] <= balance.t]
    assert (seen.tail_entries, seen.tail_entries_kept, seen.tail_matches_kept) == (len(whole), len(whole), 1.0)
    assert after[whole].tolist() == before[whole].tolist()
    assert (seen.entries, seen.matches_before, seen.matches_after) == (2_000, sum(map(len, matches)), after.sum())
    assert seen.matched_before == seen.head_entries + seen.tail_entries
    assert seen.matched_after >= seen.tail_entries
    assert before[before < balance.t].sum() / before.sum() < 0.1 <= 1 - seen.head_share_before
    assert seen.head_share_after < seen.head_share_before
    assert after[0] / before[0] < 0.5


def test_coverage_is_worked_out_by_hand():
    seen = coverage(np.array([100, 10, 4, 2, 0]), np.array([30, 6, 4, 0, 0]), 4)
    assert (seen.t, seen.entries, seen.matched_before, seen.matched_after) == (4, 5, 4, 3)
    assert (seen.matches_before, seen.matches_after, seen.head_entries) == (116, 40, 2)
    assert (seen.head_share_before, seen.head_share_after) == (round(110 / 116, 4), 0.9)
    assert (seen.tail_entries, seen.tail_entries_kept, seen.tail_matches_kept) == (2, 1, round(4 / 6, 4))


@pytest.mark.parametrize("after", [np.array([1, 2]), np.array([1, 9, 0])])
def test_counts_of_two_pools_have_no_coverage(after: np.ndarray[Any, Any]):
    with pytest.raises(ValueError, match="counts of one pool"):
        coverage(np.array([1, 2, 3]), after, 1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"t": 5}, "expected one of t and tail_share, found t=5 and tail_share=0.1"),
        ({"tail_share": None}, "expected one of t and tail_share"),
        ({"t": 0, "tail_share": None}, "at least 1, found 0"),
        ({"tail_share": 1.0}, "less than 1, found 1.0"),
        ({"tail_share": 0.0}, "more than 0"),
        ({"unmatched": "maybe"}, "drop or keep, found 'maybe'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        ConceptBalance(**fields)


def test_concepts_are_named_by_their_entries():
    assert named([[1, 2], []], VOCABULARY.entries).to_pylist() == [["cat", "okapi"], []]
