"""Encoded images for test corpora: every kind that must stay, and every kind that must leave, by its reason.

Pictures are noise in blocks of 5 pixels: it survives a reduced decode, so that colour spreads are 0 or far above the threshold.
"""

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

Rng = np.random.Generator
File = tuple[str, bytes]
"""Extension and content."""
Maker = Callable[[Rng], File]

JPEG_ROTATED = 6
"""EXIF orientation: shown after a quarter turn."""


def noise(rng: Rng, width: int, height: int) -> Image.Image:
    """Return a colourful RGB picture of random blocks."""
    blocks = rng.integers(0, 256, (-(-height // 5), -(-width // 5), 3), np.uint8)
    return Image.fromarray(blocks.repeat(5, axis=0).repeat(5, axis=1)[:height, :width].copy())


def colour(rng: Rng, below: int) -> tuple[int, ...]:
    """Return a random RGB colour, each channel less than ``below``."""
    return tuple(int(level) for level in rng.integers(0, below, 3))


def sized(rng: Rng) -> Image.Image:
    """Return noise of a random size that breaks no rule."""
    return noise(rng, int(rng.integers(230, 330)), int(rng.integers(230, 330)))


def encode(picture: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the picture as a file."""
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


def jpeg(width: int, height: int) -> Maker:
    """Return a maker of JPEG noise of exactly this size."""
    return lambda rng: ("jpg", encode(noise(rng, width, height), "JPEG", quality=80))


def of_mode(mode: str, extension: str, image_format: str) -> Maker:
    """Return a maker of noise in another colour mode."""
    return lambda rng: (extension, encode(sized(rng).convert(mode), image_format))


def animated(extension: str, image_format: str) -> Maker:
    """Return a maker of noise with two frames."""
    return lambda rng: (extension, encode(noise(rng, 210, 200), image_format, save_all=True, append_images=[noise(rng, 210, 200)]))


def rotated(rng: Rng) -> File:
    """Return a JPEG that its EXIF orientation turns."""
    exif = Image.Exif()
    exif[0x0112] = JPEG_ROTATED
    return "jpg", encode(noise(rng, 240, 320), "JPEG", exif=exif)


def sixteen_bit(rng: Rng) -> File:
    """Return a grey PNG of 16 bits, all of it brighter than 255: clipped instead of scaled, it is white."""
    blocks = rng.integers(10_000, 65_536, (48, 52), np.uint16)
    return "png", encode(Image.fromarray(blocks.repeat(5, axis=0).repeat(5, axis=1).copy()), "PNG")


def translucent(rng: Rng) -> File:
    """Return an RGBA PNG, see-through in part but nowhere more than half."""
    picture = sized(rng).convert("RGBA")
    picture.putalpha(sized(rng).convert("L").resize(picture.size).point([128 + level // 2 for level in range(256)]))
    return "png", encode(picture, "PNG")


def with_trailing_byte(rng: Rng) -> File:
    """Return a JPEG that a careless server appended a newline to."""
    return "jpg", jpeg(260, 240)(rng)[1] + b"\n"


def of_bytes(size: int) -> Maker:
    """Return a maker of a JPEG of two colours that is exactly ``size`` bytes long, by a comment in its header."""

    def make(rng: Rng) -> File:
        picture = Image.new("RGB", (240, 220), colour(rng, 60))
        picture.paste((255, 240, 230), (int(rng.integers(60, 120)), 0, 240, 220))
        comment = b" " * (size - len(encode(picture, "JPEG", comment=b" ")) + 1)
        return "jpg", encode(picture, "JPEG", comment=comment)

    return make


def solid(extension: str, image_format: str, **options: Any) -> Maker:
    """Return a maker of images of one colour."""
    return lambda rng: (extension, encode(Image.new("RGB", (300, 260), colour(rng, 256)), image_format, **options))


def cut(maker: Maker) -> Maker:
    """Return a maker of files that end too early, after 30 to 80 percent."""

    def make(rng: Rng) -> File:
        extension, content = maker(rng)
        return extension, content[: int(len(content) * rng.uniform(0.3, 0.8))]

    return make


def scrambled_png(rng: Rng) -> File:
    """Return a PNG of full length whose pixel stream is no zlib stream."""
    head, mark, data = of_mode("RGB", "png", "PNG")(rng)[1].partition(b"IDAT")
    return "png", head + mark + b"\xff" * 64 + data[64:]


def huge(width: int, height: int) -> Maker:
    """Return a maker of a PNG of a few hundred bytes that says it is enormous."""

    def make(rng: Rng) -> File:
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        data = zlib.compress(rng.bytes(100))
        return "png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    return make


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def page(text: str) -> Maker:
    """Return a maker of what a server sends instead of an image; pages differ by a number."""
    return lambda rng: ("jpg", text.format(rng.integers(10**9)).encode())


GOOD: tuple[Maker, ...] = (
    jpeg(256, 256),
    lambda rng: ("jpeg", encode(sized(rng), "JPEG", quality=70)),
    lambda rng: ("png", encode(sized(rng), "PNG")),
    lambda rng: ("webp", encode(sized(rng), "WEBP", quality=60)),
    of_mode("CMYK", "jpg", "JPEG"),
    of_mode("L", "jpg", "JPEG"),
    of_mode("P", "png", "PNG"),
    of_mode("P", "gif", "GIF"),
    of_mode("1", "png", "PNG"),
    sixteen_bit,
    translucent,
    rotated,
    animated("gif", "GIF"),
    animated("webp", "WEBP"),
    lambda rng: ("JPG", encode(sized(rng), "PNG")),
    with_trailing_byte,
    jpeg(200, 200),
    jpeg(600, 200),
    jpeg(200, 600),
    of_bytes(5120),
)
"""Images that break no rule, in every format and mode, and at the edge of each rule; one is named for another format."""

BAD: Mapping[str, tuple[Maker, ...]] = {
    "too_small": (jpeg(199, 300), jpeg(300, 199), jpeg(64, 64), jpeg(199, 700)),
    "too_elongated": (jpeg(601, 200), jpeg(200, 601), jpeg(900, 240)),
    "solid_colour": (solid("jpg", "JPEG"), solid("png", "PNG"), solid("gif", "GIF"), solid("webp", "WEBP", lossless=True)),
    "tiny_file": (of_bytes(5119), of_bytes(3000)),
    "html": (
        page("<!DOCTYPE html><html><body>404, incident {}</body></html>"),
        page("\r\n  <HTML><head><title>Log in {}</title></head></HTML>"),
        page("<!doctype html>\n<title>Gone {}</title>" + "<p>This page has moved.</p>" * 400),
    ),
    "not_an_image": (
        lambda rng: ("jpg", b"\x00" + rng.bytes(7000)),
        page("Forbidden: request {}"),
        page('{{"error": "rate limited", "id": {}}}'),
    ),
    "truncated": (cut(jpeg(256, 300)), cut(of_mode("RGB", "png", "PNG")), cut(of_mode("P", "gif", "GIF"))),
    "undecodable": (scrambled_png,),
    "too_many_pixels": (huge(12_500, 8_001), huge(60_000, 60_000)),
    "empty_file": (lambda _: ("jpg", b""), lambda _: ("png", b"")),
}
"""Images that must leave, by reason."""
