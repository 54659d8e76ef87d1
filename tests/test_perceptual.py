"""Perceptual hashes: each bit is the sign of one cosine in the picture, and a picture without structure has none."""

import io
import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from filters.decode import Decoded, Decoder
from filters.perceptual import SCALE, image_hashes, perceptual, sharpness
from schemas import columns as c
from schemas.protocols import Pixels
from tests.images import encoded, photo, solid

SIDE = 96


def decoded(data: bytes, scale: int = SCALE) -> Pixels:
    outcome = Decoder(scale=scale)(data)
    assert isinstance(outcome, Decoded)
    return outcome.pixels


def lowest() -> list[tuple[int, int]]:
    """The 256 lowest frequencies without the mean, by their length."""
    return sorted(((i, j) for i in range(30) for j in range(30)), key=lambda f: (math.hypot(*f), f))[1:257]


def wave(i: int, j: int) -> np.ndarray:
    middle = (np.arange(SIDE) + 0.5) / SIDE
    return np.outer(np.cos(math.pi * i * middle), np.cos(math.pi * j * middle))


def drawn(heights: Mapping[tuple[int, int], float]) -> Pixels:
    """A grey picture that is the sum of one cosine of each frequency."""
    grey = 128 + sum(4 * height * wave(i, j) for (i, j), height in heights.items())
    return np.repeat(np.clip(np.round(grey), 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


SIGNS = {frequency: int(sign) for frequency, sign in zip(lowest(), np.random.default_rng(5).choice([-1, 1], 256), strict=True)}


@pytest.mark.parametrize("place", [0, 1, 5, 20, 40, 60, 70, 120, 200, 250])
def test_a_cosine_of_the_other_sign_turns_one_bit_of_the_whole_image(place: int):
    frequency = lowest()[place]
    differing = image_hashes(drawn(SIGNS))[:4] ^ image_hashes(drawn({**SIGNS, frequency: -SIGNS[frequency]}))[:4]
    turned = [int(word).bit_count() for word in differing]
    assert sum(turned) == 1
    assert (turned[0] == 1) == (place < 64)


def test_the_negative_of_a_picture_has_every_bit_turned():
    words = image_hashes(drawn(SIGNS)) ^ image_hashes(255 - drawn(SIGNS))
    assert min(int(word).bit_count() for word in words) >= 62


@pytest.mark.parametrize(("crop", "words"), [(0.015, slice(4, 8)), (0.03, slice(8, 12))])
def test_the_other_words_are_those_of_the_crops(crop: float, words: slice):
    heights = dict(zip(lowest(), np.random.default_rng(6).normal(size=256), strict=True))
    fine = Image.fromarray(drawn(heights)).resize((2000, 2000), Image.Resampling.BICUBIC)
    cut = round(2000 * crop)
    hashes = image_hashes(np.asarray(fine))
    cropped = image_hashes(np.asarray(fine.crop((cut, cut, 2000 - cut, 2000 - cut))))
    assert turned(hashes[words], cropped[:4]) <= 2
    assert turned(hashes[:4], cropped[:4]) >= 6


def turned(left: np.ndarray, right: np.ndarray) -> int:
    return sum(int(word).bit_count() for word in left ^ right)


def grey_ramp(low: int, high: int, down: float, across: float) -> bytes:
    y, x = np.mgrid[0:480, 0:640]
    slope = down * y / 479 + across * x / 639
    grey = low + (high - low) * slope / slope.max()
    return encoded(Image.fromarray(grey.astype(np.uint8)), "JPEG", quality=85)


def square_on_white() -> bytes:
    image = Image.new("RGB", (640, 480), "white")
    image.paste("black", (300, 220, 340, 260))
    return encoded(image, "JPEG")


def grain(spread: float) -> bytes:
    noise = np.random.default_rng(1).normal(128, spread, (480, 640, 3))
    return encoded(Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)), "JPEG")


FLAT = {
    "white": solid((255, 255, 255)),
    "black": solid((0, 0, 0)),
    "blue": solid((20, 40, 160), image_format="JPEG"),
    "ramp down": grey_ramp(20, 220, 1, 0),
    "ramp across": grey_ramp(90, 150, 0, 1),
    "ramp aslant": grey_ramp(0, 255, 1, 0.7),
    "square on white": square_on_white(),
    "faint grain": grain(2),
    "grain": grain(20),
    "one pixel": solid((9, 9, 9), size=(1, 1)),
    "a line": solid((9, 200, 9), size=(300, 1)),
}


@pytest.mark.parametrize("data", FLAT.values(), ids=FLAT)
def test_a_picture_without_structure_has_no_hash(data: bytes):
    assert image_hashes(decoded(data)).shape == (0,)


def test_no_structure_is_an_empty_list_and_no_image_is_null():
    columns = perceptual([decoded(photo(1)), None, decoded(FLAT["white"])])
    assert {name: array.type for name, array in columns.items()} == {
        name: field.type for name, field in (("perceptual_hashes", c.PERCEPTUAL_HASHES), ("sharpness", c.SHARPNESS))
    }
    hashes = columns["perceptual_hashes"].to_pylist()
    assert [row and len(row) for row in hashes] == [12, None, []]
    assert columns["sharpness"].is_valid().to_pylist() == [True, False, True]
    assert columns["sharpness"][2].as_py() == 0


def test_no_images_give_no_rows():
    assert {name: (len(array), array.type) for name, array in perceptual([]).items()} == {
        "perceptual_hashes": (0, pa.list_(pa.uint64())),
        "sharpness": (0, pa.float32()),
    }


def test_hashing_in_parts_says_the_same():
    images = [decoded(photo(1)), None, decoded(FLAT["white"]), decoded(photo(2))]
    whole = perceptual(images)
    for name, array in whole.items():
        assert pa.concat_arrays([perceptual(images[:1])[name], perceptual(images[1:])[name]]).equals(array)


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 130), width=st.integers(1, 130), seed=st.integers(0, 9))
def test_a_picture_of_any_shape_has_all_hashes_or_none(height: int, width: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert image_hashes(pixels).shape in {(0,), (12,)}
    assert image_hashes(pixels).dtype == np.uint64
    assert image_hashes(pixels).tolist() == image_hashes(np.asfortranarray(pixels)).tolist()


def test_pixels_of_a_larger_decode_hash_nearly_the_same():
    small, large = (image_hashes(decoded(photo(4, (1200, 900)), scale)) for scale in (SCALE, 256))
    assert turned(small[:4], large[:4]) <= 36


def test_sharpness_is_the_variance_of_the_four_neighbours_against_the_middle():
    grey = np.random.default_rng(3).integers(0, 256, (20, 31))
    around = np.pad(grey, 1, mode="reflect")
    laplacian = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:] - 4 * grey
    pixels = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    assert sharpness(pixels) == pytest.approx(laplacian.var(), rel=1e-6)


def test_a_blurred_picture_is_less_sharp():
    image = Image.open(io.BytesIO(photo(6)))
    blurred = [np.asarray(image.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 1, 2, 4)]
    values = [sharpness(pixels) for pixels in blurred]
    assert values == sorted(values, reverse=True)
    assert values[0] > 10 * values[-1]
