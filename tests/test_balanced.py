"""The part of a batch that is trained on, held against all choices that there are."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.balanced import choose_balanced

GROUPS = st.lists(st.integers(0, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=9)


def worth(groups: list[tuple[int, int]]) -> tuple[int, int, list[int]]:
    """What a choice is compared by, smaller is better: flat groups, right less wrong, distances from half in rising order."""
    flat = sum(c in (0, n) for n, c in groups)
    return flat, abs(sum(c - (n - c) for n, c in groups)), sorted(abs(c - (n - c)) for n, c in groups)


@given(GROUPS, st.integers(0, 10))
@settings(deadline=None, max_examples=300)
def test_no_choice_of_that_size_is_better(groups: list[tuple[int, int]], wanted: int):
    judged = [group for group in groups if group[0]]
    best = min(worth(list(choice)) for choice in combinations(judged, min(wanted, len(judged))))
    ids = [f"p{i}" for i in range(len(groups))]
    chosen = choose_balanced(ids, [n for n, _ in groups], [c for _, c in groups], wanted)
    assert worth([groups[ids.index(sample)] for sample in chosen]) == best
    assert len({*chosen}) == len(chosen)
    assert chosen == sorted(chosen)


@given(st.permutations(range(12)))
def test_the_order_of_groups_does_not_matter(order: list[int]):
    correct = [0, 1, 1, 2, 4, 4, 4, 4, 6, 7, 8, 8]
    chosen = choose_balanced([f"p{i}" for i in order], [8] * 12, [correct[i] for i in order], 5)
    assert {*chosen} == {*choose_balanced([f"p{i}" for i in range(12)], [8] * 12, correct, 5)}


def test_among_equal_groups_a_draw_decides_that_depends_on_the_seed():
    ids = [f"p{i}" for i in range(40)]
    found = [choose_balanced(ids, [8] * 40, [4] * 40, 10, seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]


def test_a_trainers_batch_takes_no_time_worth_saving():
    correct = np.random.default_rng(0).binomial(16, np.random.default_rng(1).beta(0.5, 1, 1024))
    chosen = choose_balanced([f"p{i}" for i in range(1024)], np.full(1024, 16), correct, 512)
    taken = correct[[int(sample[1:]) for sample in chosen]]
    assert (len(chosen), int((2 * taken - 16).sum())) == (512, 0)
    assert ((taken > 0) & (taken < 16)).all()


def test_impossible_counts_are_refused():
    for ids, n, correct, wanted in ((["a"], [1], [2], 1), (["a"], [1, 1], [0, 0], 1), (["a"], [1], [0], -1)):
        with pytest.raises(ValueError, match="0 <= correct <= n"):
            choose_balanced(ids, n, correct, wanted)
