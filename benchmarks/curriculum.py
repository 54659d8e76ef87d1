"""Curriculum sampling against uniform sampling and DAPO's resampling at equal rollouts: ``python -m benchmarks.curriculum``.

Simulated learners (``benchmarks.curriculum_learners``), the curriculum itself is the real one. Each rollout counts against the budget:
those that DAPO throws away, those by which the curriculum oversamples, and in one of its rows those of the offline grading. The same
numbers come out of every run. ``--figure docs/curriculum.svg`` writes the curves.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.curriculum_figure import Axis, Line, Panel, figure
from benchmarks.curriculum_learners import DOMAINS, FIRST_SKILL, LEARNERS, TOPICS_A_DOMAIN, Learner, held_out, make_world, rewarded, update
from benchmarks.curriculum_samplings import GROUPS, ROLLOUTS, Sampling, dapo, rlcs, rlcs_graded_before, rlcs_ungraded, uniform

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BUDGET = 100_000
POINTS = 100
"""Places along the budget at which the curves are read off."""
HEADER = """| sampling | score at half | score | over uniform at half | over uniform | useful rollouts | updates | ahead from, thousands |
|---|---|---|---|---|---|---|---|"""
SAMPLINGS: dict[str, Sampling] = {
    "uniform": uniform,
    "DAPO": dapo,
    "RLCS, grading counted": rlcs,
    "RLCS, graded before": rlcs_graded_before,
    "RLCS, not graded": rlcs_ungraded,
}


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One learner under one sampling: held-out score along the budget, shape (POINTS + 1,), and the share of rollouts that taught."""

    curve: Floats
    useful: float
    updates: int


def run(learner: Learner, sampling: Sampling, seed: int, budget: int) -> Run:
    """Return how a learner fares until the next update would pass ``budget``. World and seed are the same under every sampling."""
    world = make_world(learner, np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 2])
    skill = np.full(len(DOMAINS) * TOPICS_A_DOMAIN, FIRST_SKILL)
    spent, useful, updates, scores = 0, 0, 0, [(0, held_out(world, skill))]

    def ask(prompts: Ints, times: int) -> Ints:
        return rng.binomial(times, rewarded(world, skill, prompts))

    for made in sampling(world, seed, ask):
        if spent + made.spent > budget:
            break
        spent, updates = spent + made.spent, updates + 1
        useful += ROLLOUTS * int(((made.correct > 0) & (made.correct < ROLLOUTS)).sum())
        skill = update(learner, world, skill, made.trained, made.correct / ROLLOUTS, GROUPS)
        scores.append((spent, held_out(world, skill)))
    return Run(_read_off(scores, budget), useful / max(spent, 1), updates)


def _read_off(scores: Sequence[tuple[int, float]], budget: int) -> Floats:
    """Return the last score at each of the places along the budget."""
    at = np.array([spent for spent, _ in scores])
    places = np.searchsorted(at, np.linspace(0, budget, POINTS + 1), side="right") - 1
    return np.array([score for _, score in scores])[places]


def interval(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean and 95 % interval over seeds, the first axis of ``values``, by 2,000 bootstrap samples of the seeds."""
    drawn = np.random.default_rng(0).integers(0, len(values), (2000, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975], axis=0)
    return values.mean(axis=0), low, high


def row(name: str, runs: Sequence[Run], baseline: Sequence[Run], budget: int) -> str:
    """Return a line of the table.

    Score at half and at all of the budget, the distance of both from uniform on the same seeds, useful rollouts, updates, and the
    thousands of rollouts from which on the mean score stays above uniform's.
    """
    curves, plain = np.array([r.curve for r in runs]), np.array([r.curve for r in baseline])
    cells = [_cell(values) for values in (curves[:, POINTS // 2], curves[:, -1], (curves - plain)[:, POINTS // 2], (curves - plain)[:, -1])]
    useful = _cell(np.array([r.useful for r in runs]))
    behind = np.flatnonzero((curves - plain).mean(axis=0) <= 0)
    ahead = "never" if behind[-1] == POINTS else f"{(behind[-1] + 1) * budget / POINTS / 1000:.0f}"
    return f"| {name} | {' | '.join(cells)} | {useful} | {np.mean([r.updates for r in runs]):.0f} | {ahead} |"


def _cell(values: Floats) -> str:
    mean, low, high = interval(values)
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def drawn(found: dict[str, dict[str, list[Run]]], budget: int) -> str:
    """Return the figure: a panel for each learner, a curve for each sampling."""
    xs = np.linspace(0, budget / 1000, POINTS + 1).tolist()
    across = Axis("rollouts spent, thousands", (0, budget / 1000), [(x, f"{x:g}") for x in np.linspace(0, budget / 1000, 5).tolist()])
    up = Axis("mean pass rate on held-out tasks", (0.3, 1.0), [(y / 10, f"{y / 10:.1f}") for y in range(3, 11)])
    panels = [
        Panel(learner, [Line(*(c.tolist() for c in interval(np.array([r.curve for r in runs])))) for runs in of_it.values()])
        for learner, of_it in found.items()
    ]
    return figure("Held-out pass rate against rollouts spent, by sampling", xs, across, up, list(SAMPLINGS), panels)


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each learner, and write the figure where one is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curriculum", description="Compare samplings at equal rollouts.")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=BUDGET, help="rollouts of each run")
    parser.add_argument("--figure", type=Path, help="where to write the curves, as SVG")
    options = parser.parse_args(argv)
    began, found = time.process_time(), dict[str, dict[str, list[Run]]]()
    for learner in LEARNERS:
        of_it = {name: [run(learner, how, seed, options.budget) for seed in range(options.seeds)] for name, how in SAMPLINGS.items()}
        found[learner.name] = of_it
        print(f"\n{learner.name}\n\n{HEADER}")
        print("\n".join(row(name, runs, of_it["uniform"], options.budget) for name, runs in of_it.items()))
    print(f"\n{options.seeds} seeds, {options.budget:,} rollouts each: {time.process_time() - began:.0f} CPU-seconds")
    if options.figure:
        options.figure.write_text(drawn(found, options.budget), encoding="utf-8")


if __name__ == "__main__":
    main()
