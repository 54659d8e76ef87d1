"""Every row of every step leaves by exactly one door, whatever the step does."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.spine import funnel
from pipelines.spine.steps import counts, merge_step, run_step, start
from schemas import columns as c
from schemas.exits import Addition, EnvironmentFault, Rule, Verdict, judge


def rows(values: list[int]) -> pa.RecordBatch:
    return start(pa.record_batch({"number": pa.array(values, pa.int64())}))


def drop_odd(batch: pa.RecordBatch) -> Verdict:
    numbers = batch.column("number").to_numpy()
    return judge(len(batch), Rule("odd", numbers % 2 == 1, numbers.astype("float64"), 2.0), added={"half": pa.array(numbers // 2)})


def double(batch: pa.RecordBatch) -> Addition:
    """Add twice the number; 13 cannot be doubled, and 99 breaks the step."""
    numbers = batch.column("number").to_pylist()
    if 99 in numbers:
        raise ValueError("99 is not a number to double")
    bad = [n == 13 for n in numbers]
    return Addition(
        {"twice": pa.array([None if b else 2 * n for n, b in zip(numbers, bad, strict=True)], pa.int64())},
        pa.array(["unlucky" if b else None for b in bad], pa.string()),
        pa.array(["13 found" if b else None for b in bad], pa.string()),
    )


def test_a_dropped_row_carries_step_reason_value_and_threshold():
    left = run_step(rows([2, 3]), "Drop odd numbers", drop_odd).to_pylist()[1]
    assert (left["exit"], left["step"], left["reason"], left["value"], left["threshold"]) == (
        "dropped",
        "Drop odd numbers",
        "odd",
        3.0,
        2.0,
    )


def test_rows_that_left_pass_by_later_steps_untouched():
    batch = run_step(run_step(rows([2, 3, 13]), "Drop odd numbers", drop_odd), "Double", double)
    assert batch.column("twice").to_pylist() == [4, None, None]
    assert batch.column(c.REASON.name).to_pylist() == [None, "odd", "odd"]


def test_the_row_that_breaks_a_step_is_dead_and_the_others_go_on():
    batch = run_step(rows([1, 2, 99, 4, 13]), "Double", double)
    assert batch.column("twice").to_pylist() == [2, 4, None, 8, None]
    assert batch.column(c.EXIT.name).to_pylist() == [None, None, "dead", None, "dead"]
    assert batch.column(c.ERROR.name).to_pylist()[2] == "ValueError: 99 is not a number to double"
    assert counts(batch)[0].dead == {"exception": 1, "unlucky": 1}


def test_a_fault_of_the_environment_is_nobodys_dead_letter():
    def fail(_: pa.RecordBatch) -> Verdict:
        raise EnvironmentFault("no weights")

    with pytest.raises(EnvironmentFault, match="no weights"):
        run_step(rows([1, 2]), "Look", fail)


def test_memory_that_suffices_for_fewer_rows_is_made_to_suffice():
    def hungry(batch: pa.RecordBatch) -> Verdict:
        if len(batch) > 2:
            raise MemoryError
        return drop_odd(batch)

    assert counts(run_step(rows([1, 2, 3, 4, 5]), "Look", hungry))[0] == funnel.StepCount("Look", 5, 2, {"odd": 3})


def test_a_row_too_large_for_memory_stops_the_run():
    def starved(_: pa.RecordBatch) -> Verdict:
        raise MemoryError

    with pytest.raises(EnvironmentFault, match="memory"):
        run_step(rows([1, 2]), "Look", starved)


def test_a_step_without_rows_is_counted_and_not_called():
    batch = run_step(run_step(rows([1, 3]), "Drop odd numbers", drop_odd), "Double", lambda _: pytest.fail("called without rows"))
    assert counts(batch)[1] == funnel.StepCount("Double", 0, 0)


def test_a_step_that_answers_too_few_rows_is_refused():
    with pytest.raises(ValueError, match=r"unequal length|one entry"):
        run_step(rows([1, 2, 3]), "Look", lambda _: judge(2))


def test_merged_rows_say_where_they_live_on():
    target = pa.array([None, {"split_id": "s", "row": 0}], c.PLACE_TYPE)
    batch = merge_step(rows([2, 4]), "Merge", "twin", target)
    assert batch.column(c.MERGED_INTO.name).to_pylist() == [None, {"split_id": "s", "row": 0}]
    assert counts(batch)[0] == funnel.StepCount("Merge", 2, 1, merged={"twin": 1})


@given(st.lists(st.integers(0, 120), max_size=40))
def test_the_doors_of_every_step_add_up(values: list[int]):
    batch = run_step(run_step(rows(values), "Double", double), "Drop odd numbers", drop_odd)
    told = counts(batch)
    funnel.check(told, "here")
    exits = batch.column(c.EXIT.name).to_pylist()
    assert told[0].entered == len(values)
    assert told[1].kept == exits.count(None)
    assert sum(told[0].dead.values()) == sum(v in (13, 99) for v in values)
    assert told[1].dropped.get("odd", 0) == sum(v % 2 == 1 and v not in (13, 99) for v in values)
