"""Exact duplicates: who represents a group, what it takes over from the others, and that order changes nothing."""

import pickle
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.duplicates import EXACT_DUPLICATE, MAX_ALT_TEXTS, VERSION, Decision, Group, Member, Place, decisions, gather

BUMP = "the result of this merge changed: if that is meant, raise `VERSION` and the literals here together"

ALT_TEXTS = st.sampled_from(
    ["", "a", "b", "ab", "ba", "a cat", "雪山", "雪山下的村庄", "Zürich", "Zu\u0308rich", " a cat ", None]
) | st.text(max_size=4)
PLACES = st.tuples(st.sampled_from(["s0", "s1", "s2"]), st.integers(0, 60))


@st.composite
def groups(draw: st.DrawFn) -> list[Member]:
    """One to forty members at different places, their alt texts often equal."""
    places = draw(st.lists(PLACES, min_size=1, max_size=40, unique=True))
    return [Member(split_id, row, draw(ALT_TEXTS)) for split_id, row in places]


def decided(members: Sequence[Member]) -> dict[Place, Decision]:
    return {decision.place: decision for decision in decisions(gather(iter(members)), iter(members))}


def representative(members: Sequence[Member]) -> Decision:
    (decision,) = [decision for decision in decided(members).values() if decision.merged_into is None]
    return decision


def test_the_longest_alt_text_represents_whatever_its_place():
    assert representative([Member("a", 0, "cat"), Member("b", 9, "a cat on a mat"), Member("a", 1, "zebra")]).place == ("b", 9)


def test_length_counts_code_points_and_not_bytes():
    assert representative([Member("a", 0, "雪山村"), Member("b", 0, "snow")]).place == ("b", 0)


def test_of_equally_long_alt_texts_the_first_by_code_point_represents():
    assert representative([Member("a", 0, "b c"), Member("b", 0, "a d"), Member("c", 0, "Z z")]).place == ("c", 0)
    assert representative([Member("a", 0, "\U0001f600"), Member("b", 0, "\uffee")]).place == ("b", 0)


def test_of_equal_alt_texts_the_first_place_represents_and_rows_compare_as_numbers():
    assert representative([Member("s", 10, "cat"), Member("s", 9, "cat"), Member("t", 0, "cat")]).place == ("s", 9)


def test_the_others_point_at_the_representative_and_carry_nothing_else():
    found = decided([Member("s", 1, "cat"), Member("s", 2, "a cat"), Member("t", 1, "cat")])
    assert found[Place("s", 1)] == Decision(Place("s", 1), merged_into=Place("s", 2))
    assert found[Place("t", 1)] == (("t", 1), ("s", 2), None, None, None)


def test_the_representative_lists_its_own_alt_text_and_then_the_others_by_code_point():
    members = [Member("s", row, text) for row, text in enumerate(["b", "雪", "a", "the cat", "b", "Z", "the cat"])]
    assert representative(members) == (("s", 3), None, ("the cat", "Z", "a", "b", "雪"), 5, 6)


def test_a_row_without_duplicates_keeps_its_own_alt_text():
    assert decided([Member("s", 4, "a cat")]) == {Place("s", 4): Decision(Place("s", 4), None, ("a cat",), 1, 0)}


def test_sixteen_alt_texts_are_carried_and_all_are_counted():
    members = [Member("s", row, f"text {row:02d}") for row in range(40)] + [Member("t", 0, "the longest text")]
    found = representative(members)
    assert found.alt_texts == ("the longest text", *(f"text {row:02d}" for row in range(15)))
    assert (found.alt_text_count, found.duplicate_count) == (41, 40)


def test_the_cut_keeps_sixteen_when_the_representative_is_among_the_smallest():
    members = [Member("s", row, f"text {row:02d}") for row in range(17)]
    assert representative(members).alt_texts == tuple(f"text {row:02d}" for row in range(16))
    assert representative(members[:16]).alt_texts == tuple(f"text {row:02d}" for row in range(16))


def test_alt_texts_that_are_equal_in_nfc_are_one():
    found = representative([Member("s", 0, "Zürich"), Member("s", 1, "Zu\u0308rich"), Member("s", 2, " Zürich ")])
    assert found == (("s", 0), None, ("Zürich",), 1, 2)


def test_a_null_alt_text_counts_as_empty():
    assert representative([Member("s", 0, None)]) == (("s", 0), None, ("",), 1, 0)
    assert representative([Member("s", 0, None), Member("s", 1, ""), Member("s", 2, "x")]).alt_texts == ("x", "")


def test_a_group_without_members_is_refused():
    with pytest.raises(ValueError, match="at least one member"):
        gather([])


def test_members_are_only_ever_asked_for_the_next_one():
    def once() -> Iterator[Member]:
        yield from (Member("s", row, "cat") for row in range(3))

    stream = decisions(gather(once()), once())
    assert next(stream).place == ("s", 0)
    assert len(list(stream)) == 2


def test_members_decisions_and_groups_can_be_pickled():
    members = [Member("s", 0, "cat"), Member("s", 1, None)]
    group = gather(members)
    carried = (members, group, list(decisions(group, members)))
    assert pickle.loads(pickle.dumps(carried)) == carried


@settings(deadline=None)
@given(members=groups(), data=st.data())
def test_the_order_of_the_members_changes_nothing(members: list[Member], data: st.DataObject):
    shuffled = data.draw(st.permutations(members))
    assert decided(shuffled) == decided(members)
    assert gather(shuffled) == gather(members)


@settings(deadline=None)
@given(members=groups())
def test_every_member_but_one_is_merged_into_that_one(members: list[Member]):
    found = decided(members)
    (kept,) = [place for place, decision in found.items() if decision.merged_into is None]
    assert len(found) == len(members)
    assert {decision.merged_into for decision in found.values()} - {None} <= {kept}
    assert found[kept].duplicate_count == len(members) - 1
    carried, count = found[kept].alt_texts, found[kept].alt_text_count
    assert carried is not None
    assert count is not None
    assert len(carried) == len(set(carried)) == min(count, 16)
    assert list(carried[1:]) == sorted(carried[1:])


def test_golden_merge():
    members = [Member("s1", 7, "harbour"), Member("s0", 12, "Old harbour"), Member("s0", 3, "Old harbour"), Member("s2", 0, "旧港")]
    group = gather(members)
    golden = [
        (("s1", 7), ("s0", 3), None, None, None),
        (("s0", 12), ("s0", 3), None, None, None),
        (("s0", 3), None, ("Old harbour", "harbour", "旧港"), 3, 3),
        (("s2", 0), ("s0", 3), None, None, None),
    ]
    assert (VERSION, EXACT_DUPLICATE, MAX_ALT_TEXTS) == (2, "exact_duplicate", 16), BUMP
    assert group == Group(Place("s0", 3), ("Old harbour", "harbour", "旧港"), 3, 4, 4), BUMP
    assert list(decisions(group, members)) == golden, BUMP
