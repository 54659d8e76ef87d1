"""Ways to pick prompts for ``benchmarks.curriculum``: uniform, DAPO's resampling, and the curriculum itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.curriculum_learners import DOMAINS, TOPICS_A_DOMAIN, World
from schemas.questions import TIERS
from synth.curriculum import Curriculum, Mixture, Outcome, State, draw_batch, record, start
from synth.curriculum_reader import choose_groups
from synth.pass_rate import Grading, more_rollouts

Ints = npt.NDArray[np.int64]

GROUPS, ROLLOUTS = 64, 8
DAPO_ROUNDS = 10
"""Batches that DAPO generates for one update at most, after which it trains on what it has (verl's `max_num_gen_batches`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What one update asked, in rollouts, and trained on: prompts, and how many rollouts of each were rewarded."""

    spent: int
    trained: Ints
    correct: Ints


Ask = Callable[[Ints, int], Ints]
"""Rolls out each of the prompts, shape (n,), so many times, and returns how many rollouts were rewarded."""
Sampling = Callable[[World, int, Ask], Iterator[Update]]
"""Yields updates without end; it is handed the world, the seed, and how to ask."""


def uniform(world: World, seed: int, ask: Ask) -> Iterator[Update]:
    """Yield updates on all domains in their proportions, each prompt once before any twice."""
    for prompts in _batches(world, seed):
        yield Update(GROUPS * ROLLOUTS, prompts, ask(prompts, ROLLOUTS))


def dapo(world: World, seed: int, ask: Ask) -> Iterator[Update]:
    """Yield updates of uniform batches, drawn until ``GROUPS`` groups are mixed; what is over is thrown away."""
    batches = _batches(world, seed)
    while True:
        trained, correct, rounds = np.zeros(0, np.int64), np.zeros(0, np.int64), 0
        while len(trained) < GROUPS and rounds < DAPO_ROUNDS:
            prompts = next(batches)
            right = ask(prompts, ROLLOUTS)
            mixed = (right > 0) & (right < ROLLOUTS)
            trained, correct, rounds = np.append(trained, prompts[mixed]), np.append(correct, right[mixed]), rounds + 1
        yield Update(rounds * GROUPS * ROLLOUTS, trained[:GROUPS], correct[:GROUPS])


def _batches(world: World, seed: int) -> Iterator[Ints]:
    """Yield batches with the same number of prompts from each domain, shuffled anew when a domain is through."""
    rng = np.random.default_rng([seed, 1])
    domains = [np.flatnonzero(world.topic // TOPICS_A_DOMAIN == domain) for domain in range(len(DOMAINS))]
    shuffled = [_epochs(of, rng) for of in domains]
    while True:
        yield np.array([next(prompts) for prompts in shuffled for _ in range(GROUPS // len(DOMAINS))])


def _epochs(prompts: Ints, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(prompts).tolist()


def rlcs(world: World, seed: int, ask: Ask) -> Iterator[Update]:
    """Yield the curriculum's updates with tiers from an offline grading, whose rollouts count."""
    state, spent = _graded(world, seed, ask)
    nothing = np.zeros(0, np.int64)
    yield Update(spent, nothing, nothing)
    yield from _curriculum(state, ask)


def rlcs_graded_before(world: World, seed: int, ask: Ask) -> Iterator[Update]:
    """Yield the curriculum's updates with tiers from an offline grading that was paid for before."""
    yield from _curriculum(_graded(world, seed, ask)[0], ask)


def rlcs_ungraded(world: World, seed: int, ask: Ask) -> Iterator[Update]:
    """Yield the curriculum's updates without an offline grading: every prompt starts as medium."""
    none = np.zeros(len(world.topic), np.int64)
    yield from _curriculum(_start(world, seed, none, none), ask)


def _curriculum(state: State, ask: Ask) -> Iterator[Update]:
    while True:
        ids = draw_batch(state)
        correct = ask(np.array([int(sample) for sample in ids]), ROLLOUTS)
        outcomes = [Outcome(sample, ROLLOUTS, right) for sample, right in zip(ids, correct.tolist(), strict=True)]
        chosen = choose_groups(state, outcomes)
        right_of = {outcome.sample_id: outcome.correct for outcome in outcomes}
        yield Update(len(ids) * ROLLOUTS, np.array([int(sample) for sample in chosen]), np.array([right_of[sample] for sample in chosen]))
        state = record(state, outcomes)


def _graded(world: World, seed: int, ask: Ask) -> tuple[State, int]:
    """Return the state after two stages of rollouts at each prompt, and what they cost."""
    everyone = np.arange(len(world.topic))
    n, correct = np.zeros(len(everyone), np.int64), np.zeros(len(everyone), np.int64)
    while (again := np.array([more_rollouts(int(a), int(b)) for a, b in zip(n, correct, strict=True)])).any():
        for k in {*again.tolist()} - {0}:
            asked = everyone[again == k]
            correct[asked] += ask(asked, k)
            n[asked] += k
    return _start(world, seed, n, correct), int(n.sum())


def _start(world: World, seed: int, n: Ints, correct: Ints) -> State:
    tiers = [TIERS[place] for place in Grading().places(n, correct)]
    domains = [DOMAINS[topic // TOPICS_A_DOMAIN] for topic in world.topic.tolist()]
    ids = [f"{place:06d}" for place in range(len(n))]
    settings = Curriculum(Mixture.of(dict.fromkeys(DOMAINS, 1)), groups=GROUPS, seed=seed)
    return start(settings, ids, domains, tiers, n.tolist(), correct.tolist())
