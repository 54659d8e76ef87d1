"""Difficulty: pass@k, intervals, tiers, two stages of rollouts, and questions that no rollout passed."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questions import TIERS
from synth import beta
from synth.hopeless import Hopeless, split_hopeless
from synth.pass_rate import Grading, Passes, count, merged, more_rollouts, pass_at_k, tier_of, wilson

COUNTS = st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def enumerated(n: int, c: int, k: int) -> float:
    """The share of all choices of k rollouts that hold one of the c that passed."""
    choices = list(combinations([True] * c + [False] * (n - c), k))
    return sum(any(choice) for choice in choices) / len(choices)


def test_pass_at_k_is_the_share_of_all_choices_that_hold_a_pass():
    for n in range(1, 10):
        for k in range(1, n + 1):
            found = pass_at_k([n] * (n + 1), range(n + 1), k)
            assert found.tolist() == pytest.approx([enumerated(n, c, k) for c in range(n + 1)], abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(10**6, 1, 3), (10**9, 3, 7), (5000, 40, 100), (100_000, 99_990, 2), (10**12, 1, 1)])
def test_pass_at_k_keeps_its_digits_when_n_is_large(n: int, c: int, k: int):
    exact = 1 - Fraction(math.prod(n - c - j for j in range(k)), math.prod(n - j for j in range(k)))
    assert float(pass_at_k(n, c, k)) == pytest.approx(float(exact), rel=1e-12)


def test_pass_at_k_is_unknown_for_fewer_rollouts_than_k_and_refuses_impossible_counts():
    assert np.isnan(pass_at_k([3, 4], [3, 1], 4)).tolist() == [True, False]
    for n, c, k in ((4, 5, 1), (4, -1, 1), (4, 2, 0)):
        with pytest.raises(ValueError, match=r"0 <= c <= n|k of at least 1"):
            pass_at_k(n, c, k)


def scored(c: int, n: int, z: float, upper: bool) -> float:
    """The end of the interval by bisection: the rate p at which (c/n - p) is z of its own standard errors."""
    rate = c / n
    low, high = (rate, 1.0) if upper else (0.0, rate)
    for _ in range(200):
        p = (low + high) / 2
        inside = abs(rate - p) <= z * math.sqrt(p * (1 - p) / n)
        low, high = (p, high) if inside == upper else (low, p)
    return (low + high) / 2


@given(COUNTS.filter(lambda pair: pair[0] > 0), st.sampled_from([0.5, 1.0, 1.959963984540054, 3.0]))
def test_wilsons_ends_are_where_the_score_test_just_does_not_reject(pair: tuple[int, int], z: float):
    n, c = pair
    low, high = wilson(c, n, z)
    assert float(low) == pytest.approx(scored(c, n, z, upper=False), abs=1e-9)
    assert float(high) == pytest.approx(scored(c, n, z, upper=True), abs=1e-9)


def test_wilson_knows_nothing_without_rollouts_and_is_exact_at_its_ends():
    low, high = wilson([0, 0, 8, 1, 4], [0, 8, 8, 8, 8])
    assert (low[0], high[0], low[1], high[2]) == (0, 1, 0, 1)
    assert (low[3:].round(2).tolist(), high[3:].round(2).tolist()) == ([0.02, 0.22], [0.47, 0.78])
    with pytest.raises(ValueError, match="each other's place"):
        wilson(8, 4)


def integrated(x: float, a: float, b: float) -> float:
    """The distribution function by Simpson's rule over the angle whose squared sine is p, which tames the ends."""

    def simpson(end: float) -> float:
        angles = np.linspace(0, end, 20_001)
        height = np.sin(angles) ** (2 * a - 1) * np.cos(angles) ** (2 * b - 1)
        return float((height[0] + height[-1] + 4 * height[1::2].sum() + 2 * height[2:-1:2].sum()) * end / 60_000)

    return simpson(math.asin(math.sqrt(x))) / simpson(math.pi / 2)


HALF_OR_MORE = st.just(0.5) | st.floats(1, 40)


@given(st.floats(0.01, 0.99), HALF_OR_MORE, HALF_OR_MORE)
def test_the_beta_distribution_is_its_integral(x: float, a: float, b: float):
    assert float(beta.cdf(x, a, b)) == pytest.approx(integrated(x, a, b), abs=1e-5)


def test_the_beta_distribution_of_whole_parameters_is_a_sum_of_binomials():
    for a, b in ((1, 1), (3, 7), (20, 2), (1, 17)):
        for x in (Fraction(1, 16), Fraction(1, 2), Fraction(15, 16)):
            n = a + b - 1
            exact = sum(math.comb(n, j) * x**j * (1 - x) ** (n - j) for j in range(a, n + 1))
            assert float(beta.cdf(float(x), a, b)) == pytest.approx(float(exact), abs=1e-12)
    assert beta.cdf([0.0, 1.0, -1.0, 2.0], 2.5, 3.5).tolist() == [0, 1, 0, 1]
    assert float(beta.cdf(0.5, 5e5, 5e5)) == pytest.approx(0.5, abs=1e-9)
    with pytest.raises(ValueError, match="positive"):
        beta.cdf(0.5, 0, 1)


def test_eight_rollouts_are_graded_as_the_table_says():
    expected = ["very_hard", "hard", "hard", "medium", "medium", "easy", "easy", "very_easy", "very_easy"]
    assert [tier_of(8, c) for c in range(9)] == expected


@given(COUNTS)
def test_a_tier_is_the_one_from_which_the_pass_rate_is_fewest_tiers_off(pair: tuple[int, int]):
    masses = Grading().masses(*pair)
    off = [sum(mass * abs(place - other) for other, mass in enumerate(masses)) for place in range(len(TIERS))]
    assert masses.sum() == pytest.approx(1)
    assert off[TIERS.index(tier_of(*pair))] == pytest.approx(min(off), abs=1e-9)


@given(COUNTS, st.sampled_from([None, *TIERS]))
def test_more_passes_never_make_a_question_harder_and_labels_pull_their_way(pair: tuple[int, int], label: str | None):
    n, c = pair
    place = TIERS.index(tier_of(n + 1, c, label))
    assert TIERS.index(tier_of(n + 1, c + 1, label)) <= place
    by_label = [TIERS.index(tier_of(n + 1, c, tier)) for tier in TIERS]
    assert by_label == sorted(by_label)


def test_labels_decide_alone_count_as_four_rollouts_and_yield_to_many():
    assert [tier_of(0, 0, tier) for tier in TIERS] == list(TIERS)
    assert tier_of(0, 0) == "medium"
    assert (tier_of(4, 4), tier_of(4, 4, "very_hard"), tier_of(64, 64, "very_hard")) == ("very_easy", "medium", "very_easy")
    for n in (0, 8):
        with pytest.raises(ValueError, match="'impossible'"):
            tier_of(n, 0, "impossible")


def test_what_has_no_verdict_or_was_cut_off_is_in_no_pass_rate():
    found = count("m", [1.0, 0.0, None, 1.0, 0.6, None], [False, False, False, True, False, True])
    assert found == Passes("m", n=3, correct=1, truncated=2, failed=1)
    assert count("m", [0.6, 0.4], [False, False], bar=0.5).correct == 1
    assert count("m", [None, None], [False, False]) == Passes("m", 0, 0, 0, 2)


def test_models_are_merged_by_their_rollouts():
    assert merged([Passes("a", 4, 1, 2, 0), Passes("b", 16, 9, 0, 1)]) == Passes("a+b", 20, 10, 2, 1)
    assert merged([]) == Passes("", 0, 0)
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        Passes("a", 2, 3)


@pytest.mark.parametrize(
    ("n", "c", "further", "expected"),
    [
        (0, 0, {}, 4),
        (3, 3, {}, 1),
        (4, 4, {}, 0),
        (4, 1, {}, 12),
        (4, 0, {}, 0),
        (4, 0, {"tokens": 2048}, 12),
        (4, 0, {"tokens": 2049}, 0),
        (16, 3, {}, 0),
        (10, 3, {"excluded": 2}, 4),
        (0, 0, {"excluded": 4}, 4),
        (0, 0, {"excluded": 14}, 2),
        (0, 0, {"excluded": 16}, 0),
        (8, 2, {"first": 8, "most": 32}, 24),
    ],
)
def test_rollouts_are_added_where_a_pass_rate_is_worth_knowing(n: int, c: int, further: dict[str, int], expected: int):
    assert more_rollouts(n, c, **further) == expected


@given(st.lists(st.sampled_from(["right", "wrong", "lost"]), min_size=40, max_size=40))
def test_asking_for_more_comes_to_an_end_at_the_most(answers: list[str]):
    n = c = excluded = 0
    while more := more_rollouts(n, c, excluded=excluded, tokens=100):
        for answer in answers[n + excluded : n + excluded + more]:
            n, c, excluded = n + (answer != "lost"), c + (answer == "right"), excluded + (answer == "lost")
        assert n + excluded <= 16
    assert n + excluded == 16 or (n >= 4 and c == n)


def same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"a": ["7", "7", "8"], "b": ["7", "7 "]}, Hopeless("suspect_label", "7", 4)),
        ({"a": ["7", "7", "7", "7"], "b": ["1", "2"]}, Hopeless("too_hard", "7", 4)),
        ({"a": ["7", "7", "7", "7"]}, Hopeless("suspect_label", "7", 4)),
        ({"a": ["7", "7", "7", "7"], "b": [" ", ""]}, Hopeless("suspect_label", "7", 4)),
        ({"a": ["7", "7"], "b": ["7"]}, Hopeless("too_hard", "7", 3)),
        ({"a": ["x", "X", "x"], "b": ["x"]}, Hopeless("suspect_label", "x", 4)),
        ({"a": ["5"] * 9 + ["7"] * 3, "b": ["7"] * 3}, Hopeless("suspect_label", "7", 6)),
        ({"a": ["7"] * 2 + [str(i) for i in range(100, 130)], "b": ["7"] * 2}, Hopeless("too_hard", "7", 4)),
        ({"a": ["", "  "], "b": []}, Hopeless("too_hard", None, 0)),
        ({}, Hopeless("too_hard", None, 0)),
    ],
)
def test_a_label_is_suspect_where_models_agree_on_another_answer(answers: dict[str, list[str]], expected: Hopeless):
    assert split_hopeless(answers, same) == expected


@given(st.permutations(["7"] * 4 + ["3"] * 4 + ["9", "x", "X", ""]))
def test_the_order_of_rollouts_and_models_does_not_matter(answers: list[str]):
    assert split_hopeless({"a": answers, "b": answers[::-1]}, same) == Hopeless("suspect_label", "3", 8)
