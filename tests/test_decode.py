"""Decoding: the right colours, sides and frames for every kind of image."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.decoding import BLACK, BLUE, FORMATS, LIME, RED, WHITE, assert_colour, good
from tests.images import (
    cmyk_jpeg,
    encoded,
    exif_rotated_jpeg,
    grey16_png,
    palette_png_with_transparency,
    photo,
    solid,
)


@pytest.mark.parametrize("image_format", FORMATS)
def test_every_format_is_recognised_by_its_content(image_format: str) -> None:
    found = good(solid((200, 30, 90), (320, 200), image_format))
    assert (found.width, found.height, found.image_format, found.animated) == (320, 200, image_format, False)
    assert found.pixels.shape == (40, 64, 3)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.flags.writeable
    assert_colour(found.pixels, (200, 30, 90))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_pixels_are_those_of_the_whole_image_made_small(image_format: str) -> None:
    data = encoded(Image.open(io.BytesIO(photo(5, (640, 480)))), image_format)
    with Image.open(io.BytesIO(data)) as image:
        full = np.asarray(image.convert("RGB"), dtype=float)
    means = full.reshape(48, 10, 64, 10, 3).mean(axis=(1, 3))
    assert np.abs(good(data).pixels - means).mean() < 6


@pytest.mark.parametrize(
    ("size", "scale", "shape"),
    [
        ((320, 240), 64, (48, 64)), ((240, 320), 64, (64, 48)), ((40, 30), 64, (30, 40)), ((64, 64), 64, (64, 64)),
        ((3000, 2), 64, (1, 64)), ((320, 240), 320, (240, 320)), ((320, 240), 1000, (240, 320)), ((1, 1), 64, (1, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("image_format", ["JPEG", "PNG"])
def test_the_longer_side_has_at_most_scale_pixels_and_nothing_is_enlarged(image_format: str, size, scale: int, shape) -> None:
    found = good(solid(RED, size, image_format), scale)
    assert found.pixels.shape == (*shape, 3)
    assert (found.width, found.height) == size


@pytest.mark.parametrize("colour", [RED, LIME, BLUE, WHITE, BLACK])
def test_cmyk_jpegs_with_adobe_s_inverted_inks_keep_their_colours(colour) -> None:
    assert b"Adobe" in cmyk_jpeg(colour)
    assert_colour(good(cmyk_jpeg(colour)).pixels, colour, within=8)


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (255, 0), (32768, 128), (65535, 255)])
def test_16_bit_greys_are_scaled_and_not_clipped(value: int, grey: int) -> None:
    assert_colour(good(grey16_png(value)).pixels, (grey,) * 3, within=1)
    tiff = encoded(Image.fromarray(np.full((20, 20), value, np.uint16)), "TIFF")
    assert_colour(good(tiff).pixels, (grey,) * 3, within=1)


def test_32_bit_and_float_greys_span_from_black_to_white() -> None:
    ramp = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    for values in (ramp, ramp * 1e6 - 5e5, (ramp * 1e9).astype(np.int32)):
        pixels = good(encoded(Image.fromarray(values), "TIFF")).pixels
        assert_colour(pixels[:, 0], BLACK)
        assert_colour(pixels[:, 30], (128,) * 3)
        assert_colour(pixels[:, -1], WHITE)


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (320, 240), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (160, 0, 320, 240))
    image.paste((0, 0, 255, 128), (0, 120, 160, 240))
    for data in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True), encoded(image, "TIFF")):
        pixels = good(data).pixels
        assert_colour(pixels[:23, :31], RED)
        assert_colour(pixels[:, 33:], WHITE)
        assert_colour(pixels[25:, :31], (127, 127, 255))


def test_grey_palette_key_colour_and_one_bit_transparency_are_laid_on_white() -> None:
    grey = Image.new("LA", (320, 240), (0, 0))
    grey.paste((50, 255), (0, 0, 160, 240))
    pixels = good(encoded(grey, "PNG")).pixels
    assert_colour(pixels[:, :31], (50, 50, 50))
    assert_colour(pixels[:, 33:], WHITE)
    pixels = good(palette_png_with_transparency()).pixels
    assert_colour(pixels[:, :31], BLUE)
    assert_colour(pixels[:, 33:], WHITE)
    key = Image.new("RGB", (320, 240), RED)
    key.paste(LIME, (160, 0, 320, 240))
    pixels = good(encoded(key, "PNG", transparency=LIME)).pixels
    assert_colour(pixels[:, :31], RED)
    assert_colour(pixels[:, 33:], WHITE)


def test_palette_and_one_bit_images_are_averaged_and_not_picked_from() -> None:
    checks = Image.fromarray((np.indices((240, 320)).sum(axis=0) % 2 * 255).astype(np.uint8))
    for mode in ("1", "P", "L"):
        assert_colour(good(encoded(checks.convert(mode), "PNG")).pixels, (128,) * 3, within=8)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_counts(image_format: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    found = good(encoded(frames[0], image_format, save_all=True, lossless=True, append_images=frames[1:]))
    assert found.animated
    assert_colour(found.pixels, RED)


CORNERS = {
    1: "top left",
    2: "top right",
    3: "bottom right",
    4: "bottom left",
    5: "top left",
    6: "top right",
    7: "bottom right",
    8: "bottom left",
}


@pytest.mark.parametrize("orientation", CORNERS)
def test_exif_orientation_turns_pixels_and_sides(orientation: int) -> None:
    found = good(exif_rotated_jpeg(orientation))
    assert (found.width, found.height) == ((320, 240) if orientation < 5 else (240, 320))
    assert found.pixels.shape == ((48, 64, 3) if orientation < 5 else (64, 48, 3))
    corners = {
        "top left": found.pixels[:6, :6],
        "top right": found.pixels[:6, -6:],
        "bottom left": found.pixels[-6:, :6],
        "bottom right": found.pixels[-6:, -6:],
    }
    for name, patch in corners.items():
        assert_colour(patch, RED if name == CORNERS[orientation] else WHITE, within=20)


@pytest.mark.parametrize("image_format", [f for f in FORMATS if f not in ("GIF", "BMP")])
def test_orientation_is_applied_once_in_every_format_that_has_it(image_format: str) -> None:
    with Image.open(io.BytesIO(exif_rotated_jpeg(1))) as upright:
        exif = Image.Exif()
        exif[0x0112] = 6
        found = good(encoded(upright, image_format, exif=exif))
    assert (found.width, found.height) == (240, 320)
    assert_colour(found.pixels[:6, -6:], RED, within=20)
    assert_colour(found.pixels[-6:, :6], WHITE, within=20)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"nonsense",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0",
    ],
)
def test_a_spoilt_exif_block_leaves_the_image_as_it_lies(exif: bytes) -> None:
    assert good(encoded(Image.new("RGB", (32, 16)), "JPEG", exif=exif)).width == 32


def test_progressive_jpegs_are_read() -> None:
    data = encoded(Image.new("RGB", (320, 240), RED), "JPEG", progressive=True)
    assert b"\xff\xc2" in data
    assert_colour(good(data).pixels, RED)
