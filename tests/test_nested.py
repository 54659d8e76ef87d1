"""Rows that a step multiplies: they rest on their parent, come back as they were, and their sums are checked apart."""

import pyarrow as pa
import pytest

from pipelines.spine import forgotten, nested
from pipelines.spine.funnel import SumsDoNotAddUp
from pipelines.spine.steps import run_step, start
from schemas.exits import Rule, Verdict, judge
from schemas.records import EXITS

SCHEMA = pa.schema([pa.field("text", pa.string()), pa.field("unseen", pa.int32()), *EXITS])


def parents(rows: int = 4) -> pa.RecordBatch:
    places = {"split_id": ["s"] * rows, "row": pa.array(range(rows), pa.int32()), "sample_id": [f"id-{n}" for n in range(rows)]}
    return start(pa.record_batch({**places, "reason_": [None] * rows}))


def children(rows: list[int]) -> pa.RecordBatch:
    batch = start(pa.record_batch({"row": pa.array(rows, pa.int32()), "text": [f"{row}.{n}" for n, row in enumerate(rows)]}))
    return run_step(batch, "Drop what is odd", odd)


def odd(batch: pa.RecordBatch) -> Verdict:
    numbers = [int(text.split(".")[1]) % 2 == 1 for text in batch.column("text").to_pylist()]
    return judge(len(batch), Rule("odd", pa.array(numbers).to_numpy(zero_copy_only=False)))


def test_children_come_back_in_their_order_beside_what_is_asked_of_their_parents():
    batch = nested.nest(parents(), "children", children([2, 0, 2, 3]), SCHEMA)
    rows = nested.rows_of(batch, "children", ["sample_id"]).to_pylist()
    assert [(row["text"], row["sample_id"], row["exit"]) for row in rows] == [
        ("0.1", "id-0", "dropped"),
        ("2.0", "id-2", "kept"),
        ("2.2", "id-2", "kept"),
        ("3.3", "id-3", "dropped"),
    ]
    assert [len(found) for found in batch.column("children").to_pylist()] == [1, 0, 2, 1]


def test_a_column_that_no_step_came_to_is_null():
    batch = nested.nest(parents(), "children", children([1]), SCHEMA)
    assert nested.rows_of(batch, "children").column("unseen").to_pylist() == [None]


def test_a_child_without_a_parent_is_refused():
    with pytest.raises(ValueError, match="row 9"):
        nested.nest(parents(), "children", children([9]), SCHEMA)


def test_the_sums_of_fragments_are_those_of_their_rows():
    told = nested.total(nested.told(nested.nest(parents(), "children", children(rows), SCHEMA)) for rows in ([0, 1, 2], [3, 3], []))
    nested.check("children", told["children"])
    assert told["children"].exits == {"dropped": 2, "kept": 3}


def test_a_row_that_was_lost_below_its_parent_stops_the_run():
    batch = nested.nest(parents(), "children", children([0, 1, 2]), SCHEMA)
    cut = batch.set_column(
        batch.schema.get_field_index("children"), batch.schema.field("children"), pa.nulls(4, batch.schema.field("children").type)
    )
    with pytest.raises(SumsDoNotAddUp, match="children"):
        nested.check("children", nested.told(cut)["children"])


def test_what_is_taken_down_takes_its_children_along_and_the_sums_still_hold():
    batch = nested.nest(parents(), "children", children([0, 1, 1, 2]), SCHEMA)
    left = forgotten.take_down(batch, pa.array([False, True, False, False]).to_numpy(zero_copy_only=False))
    found = nested.told(left)["children"]
    nested.check("children", found)
    assert sum(found.exits.values()) == 2
    assert "1." not in str(nested.rows_of(left, "children").to_pylist())
