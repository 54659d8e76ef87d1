"""Image rules: which sizes, shapes, colours and file lengths stay."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from filters.image_rules import ImageContent, ImageSize
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import Verdict

BUMP = "the result of this filter changed: if that is meant, raise its `version` and the literals here together"


def sizes(*pairs: Sequence[int | None]) -> pa.RecordBatch:
    return from_rows([{"width": width, "height": height} for width, height in pairs], pa.schema([c.WIDTH, c.HEIGHT]))


def contents(*pairs: tuple[float | None, int | None]) -> pa.RecordBatch:
    rows: list[dict[str, Any]] = [{"colour_std": spread, "source_bytes": size} for spread, size in pairs]
    return from_rows(rows, pa.schema([c.COLOUR_STD, c.SOURCE_BYTES]))


def rows(verdict: Verdict) -> list[tuple[str | None, float | None, float | None]]:
    return list(zip(verdict.reason.to_pylist(), verdict.value.to_pylist(), verdict.threshold.to_pylist(), strict=True))


def test_an_image_exactly_at_both_limits_of_size_stays():
    assert rows(ImageSize()(sizes((200, 600), (600, 200), (200, 200)))) == [(None, None, None)] * 3


def test_an_image_one_pixel_short_leaves_with_its_shorter_side():
    assert rows(ImageSize()(sizes((199, 200), (4000, 199)))) == [("too_small", 199, 200), ("too_small", 199, 200)]


def test_an_elongated_image_leaves_with_its_aspect_either_way_round():
    assert rows(ImageSize()(sizes((800, 200), (200, 800)))) == [("too_elongated", 4, 3), ("too_elongated", 4, 3)]
    assert ImageSize()(sizes((200, 601))).reason.to_pylist() == ["too_elongated"]


def test_small_is_said_before_elongated():
    assert ImageSize()(sizes((10, 1000))).reason.to_pylist() == ["too_small"]


def test_a_side_of_no_pixels_is_too_small_and_divides_by_nothing():
    assert rows(ImageSize()(sizes((0, 0), (0, 900)))) == [("too_small", 0, 200), ("too_small", 0, 200)]


def test_an_image_that_was_not_measured_breaks_no_rule():
    assert rows(ImageSize()(sizes((None, None), (None, 10)))) == [(None, None, None)] * 2
    assert rows(ImageContent()(contents((None, None)))) == [(None, None, None)]


def test_thresholds_of_size_are_those_of_the_instance():
    assert rows(ImageSize(min_side=10, max_aspect=1.5)(sizes((10, 15), (10, 16), (9, 9)))) == [
        (None, None, None),
        ("too_elongated", 1.6, 1.5),
        ("too_small", 9, 10),
    ]


def test_content_exactly_at_both_limits_stays():
    assert rows(ImageContent()(contents((5.0, 5120)))) == [(None, None, None)]


def test_a_solid_colour_leaves_with_its_spread_and_a_tiny_file_with_its_bytes():
    assert rows(ImageContent()(contents((4.75, 90_000), (60.0, 5119)))) == [("solid_colour", 4.75, 5), ("tiny_file", 5119, 5120)]


def test_solid_is_said_before_tiny():
    assert ImageContent()(contents((0.0, 1))).reason.to_pylist() == ["solid_colour"]


def test_a_file_longer_than_32_bits_can_count_stays():
    assert ImageContent()(contents((60.0, 2**40))).reason.to_pylist() == [None]


def test_golden_image_size():
    verdict = ImageSize()(sizes((1024, 768), (640, 480), (150, 300), (200, 601), (600, 200), (None, 300)))
    golden = [
        (None, None, None),
        (None, None, None),
        ("too_small", 150.0, 200.0),
        ("too_elongated", 3.005, 3.0),
        (None, None, None),
        (None, None, None),
    ]
    assert (ImageSize.version, rows(verdict)) == (1, golden), BUMP


def test_golden_image_content():
    verdict = ImageContent()(contents((61.5, 80_000), (4.5, 80_000), (5.0, 5120), (5.5, 5000), (0.0, 100)))
    golden = [
        (None, None, None),
        ("solid_colour", 4.5, 5.0),
        (None, None, None),
        ("tiny_file", 5000.0, 5120.0),
        ("solid_colour", 0.0, 5.0),
    ]
    assert (ImageContent.version, rows(verdict)) == (1, golden), BUMP
