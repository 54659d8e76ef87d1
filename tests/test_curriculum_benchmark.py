"""The comparison of samplings: the same numbers each time, no more rollouts than allowed, and a figure that is one."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import curriculum
from benchmarks.curriculum_learners import LEARNERS, make_world, update


def test_the_same_numbers_come_out_of_every_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    tables: list[str] = []
    for name in ("one.svg", "other.svg"):
        curriculum.main(["--seeds", "2", "--budget", "6000", "--figure", str(tmp_path / name)])
        tables.append(capsys.readouterr().out.rpartition("\n\n")[0])
    assert tables[0] == tables[1]
    assert tables[0].count("\n| uniform |") == len(LEARNERS)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
    texts = [element.text for element in ElementTree.parse(tmp_path / "one.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"rollouts spent, thousands", "mean pass rate on held-out tasks", *curriculum.SAMPLINGS} <= {*texts}


@pytest.mark.parametrize("name", list(curriculum.SAMPLINGS))
def test_every_rollout_counts_against_the_budget(name: str, monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    sampling = curriculum.SAMPLINGS[name]

    def counted(world, seed, ask):
        def counting(prompts, times):
            asked.append(len(prompts) * times)
            return ask(prompts, times)

        for made in sampling(world, seed, counting):
            spent.append((made.spent, sum(asked)))
            yield made

    spent: list[tuple[int, int]] = []
    curriculum.run(LEARNERS[0], counted, seed=0, budget=40_000)
    told, made = np.cumsum([step for step, _ in spent]), np.array([total for _, total in spent])
    graded_before = name == "RLCS, graded before"
    unpaid = (made - told)[0]
    assert ((made - told) == unpaid).all()
    assert (unpaid > 0) == graded_before


def test_a_learner_gains_from_mixed_groups_alone_and_loses_by_wrong_references():
    plain, wrong, forgetful = LEARNERS
    world = make_world(wrong, np.random.default_rng(0))
    right, misled = (np.flatnonzero(world.wrong_truth == kind)[:1] for kind in (False, True))
    skill = np.zeros(20)
    assert (update(plain, world, skill, right, np.array([1.0]), 64) == skill).all()
    assert (update(plain, world, skill, right, np.array([0.0]), 64) == skill).all()
    assert (
        update(plain, world, skill, right, np.array([0.5]), 64).sum() > 0 > update(plain, world, skill, misled, np.array([0.5]), 64).sum()
    )
    after = update(forgetful, world, skill, right, np.array([0.5]), 64)
    assert (np.delete(after, world.topic[right]) < 0).all()
