"""The curriculum: proportions, weights, what is remembered, and a run that stops and goes on."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.questions import TIERS
from synth.curriculum import (
    Curriculum,
    Mixture,
    Outcome,
    State,
    domain_quotas,
    draw_batch,
    expansion_ratio,
    record,
    start,
    tier_weights,
)
from synth.curriculum_reader import Reader, open_reader
from synth.pass_rate import tier_of
from synth.pilot import Names, read_log, take_in
from synth.quotas import least_asked, quotas
from synth.state_file import dumps, load, loads, save

MIXTURE = Mixture.of({"chart": 1, "math": 3})


def table(prompts: int = 400) -> dict[str, list]:
    """Prompts of two domains, all five tiers in each, graded by 8 rollouts."""
    correct = [(7 * i) % 9 for i in range(prompts)]
    return {
        "ids": [f"{(i * 7919) % prompts:05d}" for i in range(prompts)],
        "domains": ["math" if i % 2 else "chart" for i in range(prompts)],
        "tiers": [tier_of(8, c) for c in correct],
        "n_samples": [8] * prompts,
        "n_correct": correct,
    }


def begin(prompts: int = 400, **numbers: object) -> State:
    return start(Curriculum(MIXTURE, **{"groups": 32, **numbers}), **table(prompts))


def rolled(state: State, ids: list[str], seed: int = 0) -> list[Outcome]:
    """Outcomes that depend on prompt, iteration and seed alone."""
    return [Outcome(i, 8, int(np.random.default_rng([seed, state.iteration, int(i)]).binomial(8, int(i) % 11 / 10))) for i in ids]


def after(state: State, iterations: int) -> State:
    for _ in range(iterations):
        state = record(state, rolled(state, draw_batch(state)))
    return state


def columns_of(state: State, ids: list[str]) -> list[tuple[str, str]]:
    """The domain and tier of each id."""
    places = [state.prompts.ids.index(sample) for sample in ids]
    return [(state.settings.mixture.domains[state.prompts.domain[p]], TIERS[state.prompts.tier[p]]) for p in places]


def test_the_expansion_ratio_makes_up_for_what_is_not_valid():
    assert [expansion_ratio(rate) for rate in (0, 0.5, 0.8)] == pytest.approx([1, 2, 5])
    assert [expansion_ratio(rate) for rate in (0.875, 0.9999, 1.0)] == [8, 8, 8]
    assert expansion_ratio(1.0, most=3) == 3
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        expansion_ratio(1.1)


def test_the_expansion_is_a_moving_average():
    state, rates = begin(), [0.5, 0.9, 0.0, 0.25, 1.0]
    first, keep = state.expansion, state.settings.ratio_keep
    for rate in rates:
        ids = draw_batch(state)[:20]
        state = record(state, [Outcome(sample, 8, 0 if i < rate * 20 else 3) for i, sample in enumerate(ids)])
    closed = keep ** len(rates) * first + sum(
        (1 - keep) * keep ** (len(rates) - 1 - i) * (8 if rate == 1 else min(8, 1 / (1 - rate))) for i, rate in enumerate(rates)
    )
    assert state.expansion == pytest.approx(closed, rel=1e-12)


def test_a_prompts_pass_rate_is_a_moving_sum_on_top_of_its_offline_one():
    state = begin(keep=0.6, offline_weight=3)
    sample = state.prompts.ids[5]
    offline = state.prompts.correct[5]
    seen = [(8, 2), (8, 6), (4, 4)]
    for n, c in seen:
        state = record(state, [Outcome(sample, n, c)])
    assert state.prompts.n[5] == pytest.approx(3 * 0.6**3 + sum(n * 0.6 ** (2 - i) for i, (n, _) in enumerate(seen)))
    assert state.prompts.correct[5] == pytest.approx(offline * 0.6**3 + sum(c * 0.6 ** (2 - i) for i, (_, c) in enumerate(seen)))
    assert TIERS[state.prompts.tier[5]] == tier_of(state.prompts.n[5], state.prompts.correct[5])
    assert (state.prompts.asked[5], state.prompts.asked.sum()) == (3, 3)


def test_a_tiers_pass_rate_takes_in_what_its_prompts_did_and_others_stay():
    state = begin(tier_keep=0.5, tier_weight=10)
    places = np.flatnonzero((state.prompts.domain == 1) & (state.prompts.tier == TIERS.index("hard")))[:4]
    found = record(state, [Outcome(state.prompts.ids[p], 8, 5) for p in places])
    cell = (1, TIERS.index("hard"))
    assert found.tier_n[cell] == pytest.approx(5 + 32)
    assert found.tier_correct[cell] == pytest.approx(5 * 0.1875 + 20)
    others = np.ones_like(found.tier_n, dtype=bool)
    others[cell] = False
    assert (found.tier_n[others] == state.tier_n[others]).all()


def test_weights_are_a_bell_around_one_half_above_a_floor():
    state = begin(width=0.2, floor=0.1)
    rates = np.array([[1.0, 0.7, 0.5, 0.3, 0.0], [0.95, 0.9, 0.6, 0.5, 0.5]])
    found = tier_weights(replace(state, tier_correct=rates * state.tier_n))
    assert found[0].tolist() == pytest.approx([0.1 + 0.9 * np.exp(-((r - 0.5) ** 2) / 0.08) for r in rates[0]])
    assert found.min() > 0.1
    assert found.max() == 1
    assert (found[0, 2], found[1, 3], found[1, 4]) == (1, 1, 1)


def test_offline_tiers_stand_and_their_rates_move_into_their_band():
    numbers = Curriculum(Mixture.of({"math": 1}), offline_weight=2)
    tiers = ["very_hard", "very_easy", "medium", "hard"]
    state = start(numbers, list("abcd"), ["math"] * 4, tiers, [8, 8, 8, 0], [8, 8, 4, 0])
    assert [TIERS[t] for t in state.prompts.tier] == tiers
    assert (state.prompts.correct / 2).tolist() == pytest.approx([0.0625, 8.5 / 9, 0.5, 0.1875])


@given(st.lists(st.floats(0, 5), min_size=1, max_size=8).filter(any), st.integers(0, 200), st.floats(0, 0.999))
def test_quotas_are_within_one_of_their_share(shares: list[float], total: int, offset: float):
    found = quotas(np.array(shares), total, offset)
    assert found.sum() == total
    assert np.abs(found - np.array(shares) / sum(shares) * total).max() < 1 + 1e-9
    assert all(count == 0 for count, share in zip(found, shares, strict=True) if share == 0)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 9)), min_size=1, max_size=6), st.integers(0, 60), st.floats(0, 0.999))
def test_quotas_never_pass_their_room(pairs: list[tuple[float, int]], total: int, offset: float):
    shares, room = (np.array(values) for values in zip(*pairs, strict=True))
    found = quotas(shares.astype(float), total, offset, room.astype(np.int64))
    assert found.sum() == min(total, room.sum())
    assert (found <= room).all()


def test_domains_have_their_share_in_every_batch_and_over_many():
    mixture = Mixture.of({"chart": 1, "math": 3.3})
    state = start(Curriculum(mixture, groups=10), **table())
    found = np.array([domain_quotas(replace(state, iteration=i)) for i in range(2000)])
    exact = np.array([share for _, share in mixture.shares]) * 10
    assert (found.sum(axis=1) == 10).all()
    assert np.abs(found - exact).max() < 1
    assert found.mean(axis=0) == pytest.approx(exact, abs=4 * 0.5 / 2000**0.5)


def test_tiers_are_drawn_in_proportion_to_their_size_and_weight():
    state = begin(1500, groups=50)
    expected, found, batches = Counter[tuple[str, str]](), Counter[tuple[str, str]](), 500
    weights = tier_weights(state)
    for d, (domain, share) in enumerate(MIXTURE.shares):
        sizes = np.array([((state.prompts.domain == d) & (state.prompts.tier == t)).sum() for t in range(5)])
        for t, tier in enumerate(TIERS):
            expected[domain, tier] = batches * 50 * state.expansion * share * (sizes * weights[d])[t] / (sizes * weights[d]).sum()
    tier_at = dict(zip(state.prompts.ids, columns_of(state, list(state.prompts.ids)), strict=True))
    for i in range(batches):
        found.update(tier_at[sample] for sample in draw_batch(replace(state, iteration=i)))
    chi_square = sum((found[cell] - expected[cell]) ** 2 / expected[cell] for cell in expected)
    assert sum(found.values()) == pytest.approx(sum(expected.values()), rel=0.02)
    assert chi_square < 29.6  # 99.9 % of chi-square with 10 degrees of freedom, which independent draws would have; these vary less


def test_no_tier_dies_and_the_middle_is_boosted():
    columns, state = table(2000), begin(2000)
    rates = {sample: c / 8 for sample, c in zip(columns["ids"], columns["n_correct"], strict=True)}
    for i in range(20):
        rng = np.random.default_rng(i)
        state = record(state, [Outcome(sample, 8, int(rng.binomial(8, rates[sample]))) for sample in draw_batch(state)])
    asked = Counter(columns_of(state, [sample for i in range(60) for sample in draw_batch(replace(state, iteration=100 + i))]))
    sizes = Counter(columns_of(state, list(state.prompts.ids)))
    for domain in MIXTURE.domains:
        ratios = [asked[domain, tier] / sizes[domain, tier] for tier in TIERS]
        assert min(ratios) > 0
        assert ratios[2] == max(ratios)
        assert ratios[2] > 10 * max(ratios[0], ratios[4])


def test_tiers_that_mean_nothing_lose_their_weights_once_their_prompts_are_asked():
    state = begin(2000)
    for i in range(20):
        rng = np.random.default_rng(i)
        state = record(state, [Outcome(sample, 8, int(rng.binomial(8, 0.5))) for sample in draw_batch(state)])
    assert tier_weights(begin(2000)).min() < 0.05
    assert tier_weights(state).min() > 0.5


def test_a_batch_has_the_oversampled_size_and_no_prompt_twice():
    state = replace(begin(), expansion=2.5)
    quota = domain_quotas(state)
    ids = draw_batch(state)
    assert len({*ids}) == len(ids)
    assert [sum(d == domain for d, _ in columns_of(state, ids)) for domain in MIXTURE.domains] == np.ceil(quota * 2.5).tolist()
    small = replace(begin(40), expansion=8.0)
    assert len(draw_batch(small)) == 40


def test_no_prompt_comes_again_before_all_of_its_tier_have_come():
    state = begin(50, groups=7)
    one_tier = replace(state, prompts=replace(state.prompts, tier=np.full(50, 2)), expansion=1.0)
    asked = Counter[str]()
    for _ in range(40):
        ids = draw_batch(one_tier)
        asked.update(ids)
        counted = np.array([asked[sample] for sample in one_tier.prompts.ids])
        one_tier = replace(one_tier, iteration=one_tier.iteration + 1, prompts=replace(one_tier.prompts, asked=counted))
        for domain in range(2):
            of_it = counted[one_tier.prompts.domain == domain]
            assert of_it.max() - of_it.min() <= 1
    assert asked.total() == 280


def test_the_next_round_through_a_tier_is_in_another_order():
    ids = [f"p{i}" for i in range(50)]
    first, second = (least_asked(0, ids, np.full(50, asked), 50).tolist() for asked in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert least_asked(0, ids, np.arange(50)[::-1], 3).tolist() == [47, 48, 49] or {*least_asked(0, ids, np.arange(50)[::-1], 3)} == {
        47,
        48,
        49,
    }


def test_a_batch_depends_on_the_state_alone_and_on_the_seed():
    state = begin()
    assert draw_batch(state) == draw_batch(state)
    assert draw_batch(state) != draw_batch(begin(seed=1))


def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path: Path):
    path = tmp_path / "curriculum.json"
    whole = after(begin(), 12)
    state = begin()
    for _ in range(12):
        state = record(state, rolled(state, draw_batch(state)))
        save(state, path)
        state = load(path)
    assert dumps(state) == dumps(whole) == path.read_bytes()
    assert state.expansion == whole.expansion  # to the last bit, which a file that rounds would hide on both sides
    for one, other in (
        (state.tier_n, whole.tier_n),
        (state.tier_correct, whole.tier_correct),
        (state.prompts.correct, whole.prompts.correct),
    ):
        assert (one == other).all()
    assert [p.name for p in tmp_path.iterdir()] == ["curriculum.json"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_outcomes_and_of_the_table_does_not_matter(random: object):
    columns = table(60)
    order = list(range(60))
    random.shuffle(order)
    shuffled = start(Curriculum(MIXTURE, groups=8), **{name: [values[i] for i in order] for name, values in columns.items()})
    state = start(Curriculum(MIXTURE, groups=8), **columns)
    assert dumps(shuffled) == dumps(state)
    outcomes = rolled(state, draw_batch(state))
    mixed = outcomes.copy()
    random.shuffle(mixed)
    assert dumps(record(shuffled, mixed)) == dumps(record(state, outcomes))


def test_outcomes_that_tell_nothing_change_nothing_but_the_count():
    state = begin()
    ids = draw_batch(state)[:3]
    found = record(state, [Outcome(sample, 0, 0) for sample in ids])
    assert found.expansion == state.expansion
    assert (found.tier_n == state.tier_n).all()
    assert (found.prompts.tier == state.prompts.tier).all()
    assert (found.prompts.n == state.prompts.n).all()
    assert (found.iteration, found.prompts.asked.sum()) == (1, 3)
    assert record(state, []).iteration == 1


def test_mistakes_are_refused():
    columns = table(20)
    numbers = Curriculum(MIXTURE)
    with pytest.raises(ValueError, match="id of another"):
        start(numbers, **{**columns, "ids": ["a"] * 20})
    with pytest.raises(ValueError, match=r"no share for \['math'\]"):
        start(Curriculum(Mixture.of({"chart": 1})), **columns)
    with pytest.raises(ValueError, match=r"share for \['ocr'\]"):
        start(Curriculum(Mixture.of({"chart": 1, "math": 1, "ocr": 1})), **columns)
    with pytest.raises(ValueError, match="'soft'"):
        start(numbers, **{**columns, "tiers": ["soft"] * 20})
    state = start(numbers, **columns)
    for outcomes in ([Outcome("zzz", 1, 1)], [Outcome("", 1, 1)]):
        with pytest.raises(ValueError, match="state lacks"):
            record(state, outcomes)
    with pytest.raises(ValueError, match="two outcomes"):
        record(state, [Outcome("00001", 1, 1)] * 2)
    with pytest.raises(ValueError, match="0 <= correct <= n"):
        Outcome("a", 1, 2)
    for wrong in ({"keep": 1.0}, {"floor": 0.0}, {"groups": 0}, {"most_expansion": 0.5}):
        with pytest.raises(ValueError, match="decays lie in"):
            Curriculum(MIXTURE, **wrong)
    with pytest.raises(ValueError, match="proportions"):
        Mixture.of({"a": 0.0})
    with pytest.raises(ValueError, match="version"):
        loads(dumps(state).replace(b'"version": 1}', b'"version": 99}').replace(b'"version": 1,', b'"version": 99,'))


def rl_folder(path: Path, prompts: int = 90) -> Path:
    """An RL table in three shards, with a column beside those that the curriculum reads."""
    columns = table(prompts)
    rows = pa.table({
        "sample_id": columns["ids"],
        "domain": columns["domains"],
        "tier": columns["tiers"],
        "n_samples": pa.array(columns["n_samples"], pa.int32()),
        "n_correct": pa.array(columns["n_correct"], pa.int32()),
        "truth": [f"truth of {sample}" for sample in columns["ids"]],
    })  # fmt: skip
    path.mkdir()
    for shard in range(3):
        pq.write_table(rows.slice(shard * prompts // 3, prompts // 3), path / f"train-{shard}.parquet")
    return path


def trained(reader: Reader, iterations: int) -> list[list[str]]:
    """What each iteration asked and what it trained on."""
    found: list[list[str]] = []
    for _ in range(iterations):
        ids = reader.next_batch()
        assert reader.rows(ids, ["truth"]).column("truth").to_pylist() == [f"truth of {sample}" for sample in ids]
        outcomes = rolled(reader.state(), ids)
        found += [ids, reader.choose(outcomes)]
        reader.record(outcomes)
    return found


def test_a_reader_of_parquet_resumes_in_the_middle(tmp_path: Path):
    folder, numbers = str(rl_folder(tmp_path / "rl")), Curriculum(MIXTURE, groups=8)
    whole = open_reader(folder, numbers)
    expected = trained(whole, 10)
    first = open_reader(folder, numbers)
    found = trained(first, 4)
    save(first.state(), tmp_path / "state.json")
    second = open_reader(folder, load(tmp_path / "state.json"))
    assert found + trained(second, 6) == expected
    assert dumps(second.state()) == dumps(whole.state())


def test_a_reader_trains_on_the_mixture_and_on_mixed_groups(tmp_path: Path):
    reader = open_reader(str(rl_folder(tmp_path / "rl", 300)), Curriculum(MIXTURE, groups=12))
    state, ids = reader.state(), reader.next_batch()
    assert len(ids) == 24
    domains = dict(zip(ids, (domain for domain, _ in columns_of(state, ids)), strict=True))
    chosen = reader.choose([Outcome(sample, 8, 4 if i % 2 else 8) for i, sample in enumerate(ids)])
    assert Counter(domains[sample] for sample in chosen) == dict(zip(MIXTURE.domains, domain_quotas(state).tolist(), strict=True))
    assert {*chosen} == {sample for i, sample in enumerate(ids) if i % 2}
    assert reader.rows(ids[:2]).column_names == ["sample_id", "domain", "tier", "n_samples", "n_correct", "truth"]


def test_a_reader_refuses_other_prompts_and_nulls(tmp_path: Path):
    folder = rl_folder(tmp_path / "rl")
    state = open_reader(str(folder), Curriculum(MIXTURE)).state()
    with pytest.raises(ValueError, match="not in the folder"):
        open_reader(str(folder), state).rows(["nobody"])
    (folder / "train-2.parquet").unlink()
    with pytest.raises(ValueError, match="differ in 30 prompts"):
        open_reader(str(folder), state)
    shard = pq.read_table(folder / "train-1.parquet")
    pq.write_table(shard.set_column(2, "tier", pa.array([None] * 30, pa.string())), folder / "train-1.parquet")
    with pytest.raises(ValueError, match="tier must not be null"):
        open_reader(str(folder), Curriculum(MIXTURE))


def test_a_trainer_needs_numpy_and_pyarrow_alone():
    names = "apache_beam", "PIL", "httpx", "torch", "cv2", "pydantic", "rapidfuzz", "yaml", "xxhash", "transformers"
    code = f"import sys, synth.curriculum_reader, synth.state_file, synth.pilot; print([n for n in {names} if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


PILOT = [("00003", 0, 8, 1), ("00005", 0, 8, 8), ("00003", 1, 4, 4), ("00003", 1, 4, 2), ("elsewhere", 1, 8, 0)]


def test_a_pilots_log_is_the_same_from_lines_and_from_parquet(tmp_path: Path):
    lines = [json.dumps(dict(zip(("sample_id", "iteration", "n", "correct"), row, strict=True))) for row in PILOT[::-1]]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, "", ""]))
    names = Names("uid", "step", "rollouts", "passed")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*PILOT, strict=True)), strict=True))), tmp_path / "log.parquet")
    expected = [
        (0, Outcome("00003", 8, 1)),
        (0, Outcome("00005", 8, 8)),
        (1, Outcome("00003", 8, 6)),
        (1, Outcome("elsewhere", 8, 0)),
    ]
    assert read_log(tmp_path / "log.jsonl") == read_log(tmp_path / "log.parquet", names) == expected


def test_a_pilot_teaches_tiers_and_nothing_of_the_run_itself(tmp_path: Path):
    (tmp_path / "log.jsonl").write_text(
        "\n".join(json.dumps({"sample_id": i, "iteration": t, "n": n, "correct": c}) for i, t, n, c in PILOT)
    )
    state = begin(20)
    found, used, unknown = take_in(state, read_log(tmp_path / "log.jsonl"))
    assert (used, unknown) == (3, 1)
    recorded = record(record(state, [Outcome("00003", 8, 1), Outcome("00005", 8, 8)]), [Outcome("00003", 8, 6)])
    assert (found.prompts.n == recorded.prompts.n).all()
    assert (found.prompts.tier == recorded.prompts.tier).all()
    assert (found.tier_correct == recorded.tier_correct).all()
    assert (found.iteration, found.expansion, found.prompts.asked.sum()) == (0, state.expansion, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"sample_id": "a", "iteration": 0, "n": 8}', "line 1.*correct missing"),
        ('{"sample_id": "a", "iteration": 0, "n": 8, "correct": 2.5}', "line 1.*whole numbers, found 2.5"),
        ('{"sample_id": "a", "iteration": 0, "n": 8, "correct": 9}', "0 <= correct <= n"),
    ],
)
def test_a_pilots_log_says_where_it_is_wrong(tmp_path: Path, line: str, message: str):
    (tmp_path / "log.jsonl").write_text(line)
    with pytest.raises(ValueError, match=message):
        read_log(tmp_path / "log.jsonl")
