"""Which of a question's rollouts become samples: never one that was made to answer, never one that rambles, never two that are alike."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.choose import Choose


def batch(rows: list[tuple[int, str, str | None]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [[], [], []]
    kinds = (pa.int32(), pa.string(), pa.string())
    return pa.record_batch([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=["row", "thinking", "forced"])


def reasons(rule: Choose, rows: list[tuple[int, str, str | None]]) -> list[str | None]:
    return rule(batch(rows)).reason.to_pylist()


def test_the_one_nearest_to_the_median_length_stays():
    assert reasons(Choose(), [(0, "a" * 10, None), (0, "b" * 60, None), (0, "c" * 30, None)]) == ["not_chosen", "not_chosen", None]


def test_an_answer_that_was_asked_for_by_a_second_call_never_stays_and_one_held_by_a_grammar_does():
    assert reasons(Choose(), [(0, "abc", "answer"), (1, "abc", "grammar")]) == ["forced_answer", None]
    assert reasons(Choose(keep_forced=()), [(1, "abc", "grammar")]) == ["forced_answer"]


def test_a_thought_far_longer_than_its_fellows_rambles():
    rows = [(0, "x" * 10, None), (0, "y" * 12, None), (0, "z" * 400, None)]
    assert reasons(Choose(per_question=3), rows)[2] == "rambling"


def test_the_second_is_the_least_like_the_first_and_a_copy_is_none():
    thoughts = ["one two three four five", "one two three four fiv3", "quite another way to go"]
    found = reasons(Choose(per_question=2), [(0, thought, None) for thought in thoughts])
    assert found[2] is None
    assert Counter(found) == {None: 2, "not_chosen": 1}
    assert reasons(Choose(per_question=2), [(0, "the same", None), (0, "the same", None)]).count("similar") == 1


def test_to_choose_nothing_is_refused():
    with pytest.raises(ValueError, match="per_question"):
        Choose(per_question=0)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text("abc ", max_size=30), st.sampled_from([None, "answer"])), max_size=12), st.integers(1, 3)
)
def test_every_question_keeps_as_many_as_it_may_and_questions_do_not_touch_each_other(rows, most):
    rule = Choose(per_question=most)
    found = reasons(rule, rows)
    for question in {row for row, *_ in rows}:
        own = [one for one in rows if one[0] == question]
        kept = [reason for (row, *_), reason in zip(rows, found, strict=True) if row == question]
        assert kept == reasons(rule, own)
        could = sum(forced is None for *_, forced in own)
        assert (kept.count(None) > 0) == (could > 0)
        assert kept.count(None) <= most
