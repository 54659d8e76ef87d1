"""Signals: one decode of each image, its measures and its pixels, row by row."""

import pyarrow as pa
import xxhash
from PIL import Image

from filters.decode import Decoder
from filters.signals import measure
from schemas.records import SIGNALS
from tests.images import (
    animated_gif,
    encoded,
    html,
    photo,
    solid,
)

RED = (255, 0, 0)


def test_signals_pixels_and_failures_stand_row_by_row() -> None:
    images = [photo(1), None, html(), animated_gif(), b""]
    addition, pixels = measure(images, Decoder())
    assert list(addition.added) == [field.name for field in SIGNALS]
    assert [array.type for array in addition.added.values()] == [field.type for field in SIGNALS]
    assert addition.reason.to_pylist() == [None, None, "html", None, "empty_file"]
    assert addition.error.is_null().to_pylist() == [True, True, False, True, False]
    for array in addition.added.values():
        assert array.is_valid().to_pylist() == [True, False, False, True, False]
    assert addition.added["image_hash"][0].as_py() == xxhash.xxh3_128_hexdigest(photo(1))
    assert addition.added["image_format"].to_pylist() == ["JPEG", None, None, "GIF", None]
    assert addition.added["width"].to_pylist() == [320, None, None, 320, None]
    assert addition.added["height"].to_pylist() == [240, None, None, 240, None]
    assert addition.added["animated"].to_pylist() == [False, None, None, True, None]
    assert [None if p is None else p.shape for p in pixels] == [(48, 64, 3), None, None, (48, 64, 3), None]


def test_colour_std_is_that_of_the_channel_that_varies_most() -> None:
    image = Image.new("RGB", (64, 64), (10, 100, 200))
    image.paste((30, 100, 100), (0, 0, 32, 64))
    addition, pixels = measure([encoded(image, "PNG"), solid(RED)], Decoder())
    assert addition.added["colour_std"].to_pylist() == [50.0, 0.0]
    assert pixels[0] is not None
    assert pixels[0][0, 0].tolist() == [30, 100, 100]


def test_no_images_give_no_rows() -> None:
    addition, pixels = measure([], Decoder())
    assert pixels == []
    assert [len(array) for array in (*addition.added.values(), addition.reason, addition.error)] == [0] * 8
    assert addition.reason.type == pa.string()


def test_measuring_in_parts_says_the_same() -> None:
    images = [photo(1), html(), photo(2), None]
    whole = measure(images, Decoder())[0]
    parts = [measure(part, Decoder())[0] for part in (images[:1], images[1:])]
    for name, array in whole.added.items():
        assert pa.concat_arrays([part.added[name] for part in parts]).equals(array)
