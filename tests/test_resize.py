"""One decode, and at most one encode: what is smaller stays, what is larger is upright, small, and the same each time."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filters.resize import Resize, Sized, sized
from schemas.protocols import Failure
from tests import images

MOST = 10**7


def made(data: bytes, **resize: float) -> Sized:
    found = sized(data, MOST, Resize(**resize) if resize else None)  # type: ignore[arg-type]
    assert isinstance(found, Sized)
    return found


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


@pytest.mark.parametrize("data", [images.photo(1), images.animated_gif(), images.grey16_png(900), images.exif_rotated_jpeg(6)])
def test_an_image_that_is_small_enough_is_the_file_that_came(data: bytes):
    assert made(data).data == data
    assert made(data, longer_side=320).data == data


def test_the_size_is_that_on_display():
    found = made(images.exif_rotated_jpeg(6), longer_side=320)
    assert (found.width, found.height, found.original_width, found.original_height) == (240, 320, 240, 320)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_made_smaller_is_upright_and_has_no_orientation_left(orientation: int):
    data = images.exif_rotated_jpeg(orientation)
    found = made(data, longer_side=160)
    turned = Image.open(io.BytesIO(found.data))
    assert turned.getexif() == {}
    assert turned.size == (found.width, found.height) == ((160, 120) if orientation < 5 else (120, 160))
    red = np.argwhere((pixels(found.data) - (255, 0, 0)).__abs__().max(axis=2) < 60).mean(axis=0) / (found.height, found.width)
    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    assert np.round(red).astype(int).tolist() == list(corner)


@settings(max_examples=40, deadline=None)
@given(width=st.integers(1, 900), height=st.integers(1, 900), side=st.integers(1, 700), gap=st.sampled_from((1.0, 2.0)))
def test_the_longer_side_has_as_many_pixels_and_the_ratio_is_kept(width: int, height: int, side: int, gap: float):
    data = images.encoded(Image.new("RGB", (width, height), "teal"), "JPEG")
    found = made(data, longer_side=side, gap=gap)
    assert (found.original_width, found.original_height) == (width, height)
    if max(width, height) <= side:
        assert found.data == data
        return
    assert Image.open(io.BytesIO(found.data)).size == (found.width, found.height)
    assert max(found.width, found.height) == side
    share = side / max(width, height)
    assert abs(found.width - width * share) <= 1
    assert abs(found.height - height * share) <= 1


@pytest.mark.parametrize(("gap", "most"), [(1.0, 8.0), (2.0, 5.0)])
@pytest.mark.parametrize("side", [100, 200, 300])
def test_what_is_made_smaller_looks_like_the_whole(gap: float, most: float, side: int):
    """Against Pillow's Lanczos over all pixels, of squares with sharp edges; grey, since JPEG halves colours."""
    squares = Image.fromarray(np.random.default_rng(3).integers(0, 256, (48, 64), dtype=np.uint8))
    whole = squares.resize((640, 480), Image.Resampling.NEAREST)
    found = made(images.encoded(whole, "JPEG", quality=95), longer_side=side, gap=gap)
    expected = np.asarray(whole.resize((found.width, found.height), Image.Resampling.LANCZOS).convert("RGB")).astype(float)
    assert np.abs(pixels(found.data) - expected).mean() < most


@pytest.mark.parametrize(
    ("data", "colour"),
    [
        (images.cmyk_jpeg((200, 30, 60)), (200, 30, 60)),
        (images.encoded(Image.new("RGBA", (320, 240), (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
        (images.grey16_png(0x8000), (128, 128, 128)),
        (images.animated_gif(), (255, 0, 0)),
        (images.encoded(Image.new("1", (320, 240), 1), "PNG"), (255, 255, 255)),
    ],
    ids=["cmyk", "transparent", "grey16", "animated", "bits"],
)
def test_every_kind_becomes_a_jpeg_as_displayed(data: bytes, colour: tuple[int, int, int]):
    found = made(data, longer_side=100)
    assert (found.image_format, found.animated) == ("JPEG", False)
    assert np.abs(pixels(found.data) - colour).max() < 6


def test_equal_images_give_equal_bytes_and_quality_counts():
    first, again, coarse = (made(images.photo(5), longer_side=200, quality=q).data for q in (95, 95, 40))
    assert first == again
    assert len(coarse) < len(first)


@pytest.mark.parametrize("resize", [None, Resize(100)])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (images.html(), "html"),
        (b"no image", "not_an_image"),
        (images.truncated(), "truncated"),
        (images.bomb_png(), "too_many_pixels"),
    ],
)
def test_what_cannot_be_decoded_says_why(data: bytes, reason: str, resize: Resize | None):
    found = sized(data, MOST, resize)
    assert isinstance(found, Failure)
    assert found.reason == reason


@pytest.mark.parametrize("wrong", [{"longer_side": 0}, {"quality": 0}, {"quality": 96}, {"gap": 0.5}])
def test_sizes_of_nothing_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="expected longer_side >= 1"):
        Resize(**wrong)  # type: ignore[arg-type]
