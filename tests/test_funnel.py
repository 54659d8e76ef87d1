"""The sums are checked, and a run whose sums do not hold is not committed."""

import pytest

from pipelines.spine import funnel
from pipelines.spine.commit import Limits, check_plan, check_rows, refuse_too_many_dead
from pipelines.spine.funnel import StepCount, SumsDoNotAddUp
from pipelines.spine.shards import WrittenShard
from schemas.exits import EnvironmentFault

GOOD = [StepCount("Read", 10, 8, dead={"empty_file": 2}), StepCount("Judge", 8, 5, dropped={"small": 2}, merged={"twin": 1})]


def test_a_funnel_that_adds_up_passes():
    funnel.check(GOOD, "run")
    assert funnel.exits(GOOD) == {"kept": 5, "dropped": 2, "merged": 1, "dead": 2}


def test_a_row_lost_inside_a_step_is_found():
    with pytest.raises(SumsDoNotAddUp, match="'Read' took in 10 rows, but 8 stayed and 1 left"):
        funnel.check([StepCount("Read", 10, 8, dead={"empty_file": 1})], "run")


def test_a_row_lost_between_steps_is_found():
    with pytest.raises(SumsDoNotAddUp, match="'Read' kept 8 rows, but 'Judge' took in 7"):
        funnel.check([GOOD[0], StepCount("Judge", 7, 7)], "run")


def test_rows_that_differ_from_the_footers_are_found():
    with pytest.raises(SumsDoNotAddUp, match="'kept': 4"):
        check_rows(GOOD, [WrittenShard((), tuple(GOOD), {"kept": 4, "dropped": 2, "merged": 1, "dead": 2}, {}, {})])


def test_funnels_are_summed_step_by_step():
    assert funnel.total([GOOD, GOOD])[1] == StepCount("Judge", 16, 10, {"small": 4}, {"twin": 2}, {})


def test_funnels_of_different_steps_are_not_summed():
    with pytest.raises(SumsDoNotAddUp, match="different steps"):
        funnel.total([GOOD, GOOD[:1]])


def test_a_funnel_survives_its_json():
    assert funnel.loads(funnel.dumps(GOOD)) == GOOD


@pytest.mark.parametrize(
    ("dead", "floor", "ratio", "refused"), [(30, 0, 0.3, False), (31, 0, 0.3, True), (31, 31, 0.3, False), (1, 0, 0.0, True)]
)
def test_too_many_dead_letters_fail_the_run_above_the_floor(dead: int, floor: int, ratio: float, refused: bool):
    told = [StepCount("Read", 100, 100 - dead, dead={"html": dead})]
    if not refused:
        refuse_too_many_dead(told, Limits(ratio, floor))
        return
    with pytest.raises(EnvironmentFault, match=f"{dead} of 100 samples are dead letters"):
        refuse_too_many_dead(told, Limits(ratio, floor))


def test_a_split_that_was_cut_and_not_committed_is_found():
    with pytest.raises(SumsDoNotAddUp, match="2 splits were cut"):
        check_plan([("a", 6), ("b", 4)], ["a-0123"], GOOD)


def test_two_splits_of_one_name_are_found():
    with pytest.raises(SumsDoNotAddUp, match="1 distinct"):
        check_plan([("a", 5), ("a", 5)], ["a-0123"], GOOD)


def test_rows_that_were_cut_and_never_read_are_found():
    with pytest.raises(SumsDoNotAddUp, match="hold 11 rows, but the first step took in 10"):
        check_plan([("a", 6), ("b", 5)], ["a-0123", "b-4567"], GOOD)


def test_dead_letters_are_counted_at_each_step_too():
    told = [StepCount("Read", 100, 20, dropped={"small": 80}), StepCount("Caption", 20, 0, dead={"captioner_failed": 20})]
    with pytest.raises(EnvironmentFault, match="20 of 20 samples are dead letters"):
        refuse_too_many_dead(told, Limits(0.3, 10))


def test_one_reason_at_two_steps_is_counted_twice():
    told = [StepCount("Read", 100, 80, dead={"exception": 20}), StepCount("Judge", 80, 60, dead={"exception": 20})]
    with pytest.raises(EnvironmentFault, match="40 of 100 samples are dead letters"):
        refuse_too_many_dead(told, Limits(0.3, 10))
