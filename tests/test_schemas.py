"""The contracts are documented, composed of declared columns, and read by the tools that users have."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import dictionary
from schemas import columns, records
from schemas.batches import conform, draw, from_rows, image_column, image_views, scatter

RECORDS = {name: value for name, value in vars(records).items() if isinstance(value, pa.Schema)}
DECLARED = {field.name: field for field in vars(columns).values() if isinstance(field, pa.Field)}


@pytest.mark.parametrize("schema", RECORDS.values(), ids=RECORDS)
def test_a_record_is_a_composition_of_declared_columns(schema: pa.Schema):
    assert [field for field in schema if not DECLARED[field.name].equals(field, check_metadata=True)] == []
    assert len(set(schema.names)) == len(schema.names)


@pytest.mark.parametrize("field", DECLARED.values(), ids=DECLARED)
def test_every_column_says_what_it_holds_and_where_that_comes_from(field: pa.Field):
    assert field.metadata[b"doc"]
    assert field.metadata[b"source"]
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
        assert field.metadata[b"unit"] or field.name in {"value", "threshold"}


def test_the_data_dictionary_is_the_one_that_the_schemas_make():
    written = Path(__file__).parent.parent / "docs" / "data-dictionary.md"
    assert written.read_text(encoding="utf-8") == dictionary.render(), "run `make docs`"


@pytest.mark.parametrize("table", [records.RECAPTIONED, records.LEDGER, records.DEAD_LETTER], ids=["samples", "ledger", "dead"])
def test_source_and_licence_ride_along_to_the_end(table: pa.Schema):
    assert {"source_license", "source_path", "source_member", "source_offset", "corpus", "url"} <= set(table.names)


def test_a_row_with_an_undeclared_column_is_refused():
    with pytest.raises(ValueError, match=r"\['colour'\]"):
        from_rows([{"colour": "red"}], records.DEAD_LETTER)


def test_a_column_that_the_schema_lacks_is_not_dropped_in_silence():
    with pytest.raises(ValueError, match=r"\['colour'\]"):
        conform(pa.record_batch({"colour": ["red"]}), records.DEAD_LETTER)


@given(st.lists(st.booleans(), max_size=50))
def test_scattered_values_stand_where_the_mask_is_true(mask: list[bool]):
    import numpy as np

    values = pa.array(range(sum(mask)), pa.int64())
    spread = scatter(values, np.array(mask, dtype=bool)).to_pylist()
    assert [v for v in spread if v is not None] == list(range(sum(mask)))
    assert [v is not None for v in spread] == mask


@given(st.lists(st.text(min_size=1), min_size=1, max_size=20), st.integers(0, 9))
def test_a_draw_depends_on_seed_and_sample_alone(names: list[str], seed: int):
    together = draw(seed, names)
    assert [float(draw(seed, [name])[0]) for name in names] == together.tolist()
    assert ((together >= 0) & (together < 1)).all()


def test_draws_are_spread_evenly():
    drawn = draw(1, [str(i) for i in range(20_000)])
    assert abs(drawn.mean() - 0.5) < 0.01
    assert abs((drawn < 0.1).mean() - 0.1) < 0.01


@pytest.mark.parametrize("images", [[], [None], [b"abc", None, b"", b"\xff" * 5_000_000], [b"a"] * 9])
def test_a_column_of_images_is_the_one_that_arrow_builds(images: list[bytes | None]):
    names = [f"{number}.jpg" for number in range(len(images))]
    column = image_column(images, names)
    column.validate(full=True)
    expected = [None if image is None else {"bytes": image, "path": name} for image, name in zip(images, names, strict=True)]
    assert column.equals(pa.array(expected, columns.IMAGE_TYPE))


@pytest.mark.parametrize(
    ("bounds", "is_copied"),
    [
        ([(0, 3), (3, 3), None, (3, 8)], False),
        ([(0, 3), (3, 6)], False),
        ([None, (0, 8), None], False),
        ([(0, 3), (4, 8)], True),
        ([(1, 3), (3, 8)], True),
        ([(3, 8), (0, 3)], True),
        ([(0, 3), (0, 3)], True),
    ],
)
def test_images_that_lie_one_behind_the_other_in_an_array_are_not_copied(bounds: list[tuple[int, int] | None], is_copied: bool):
    array = np.frombuffer(b"abcdefgh", np.uint8).copy()
    images = [None if bound is None else array.data[slice(*bound)] for bound in bounds]
    encoded = image_column(images, ["x"] * len(images)).field("bytes")
    assert encoded.to_pylist() == [None if bound is None else b"abcdefgh"[slice(*bound)] for bound in bounds]
    assert (encoded.buffers()[2].address != array.ctypes.data) == is_copied


@given(st.lists(st.none() | st.binary(max_size=9), max_size=6), st.integers(0, 6), st.integers(0, 6))
def test_views_of_a_column_are_its_images_wherever_it_is_cut(images: list[bytes | None], first: int, length: int):
    for column in (pa.array(images, pa.binary()), image_column(images, ["x"] * len(images)).field("bytes")):
        views = image_views(column.slice(first, length))
        assert [None if view is None else bytes(view) for view in views] == images[first : first + length]
        assert all(view.format == "B" for view in views if view is not None)


def test_views_outlive_their_column():
    views = image_views(pa.array([b"abc" * 1000, None, b"de"]))
    assert [view and bytes(view)[-2:] for view in views] == [b"bc", None, b"de"]


def test_a_view_beside_bytes_or_beside_a_view_of_another_array_is_copied():
    array, other = np.frombuffer(b"abc", np.uint8).copy(), np.frombuffer(b"def", np.uint8).copy()
    for second in (b"def", other.data):
        assert image_column([array.data, second], ["x", "y"]).field("bytes").to_pylist() == [b"abc", b"def"]
