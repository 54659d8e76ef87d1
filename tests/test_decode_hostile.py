"""Hostile files: a failure by name for each, before it takes memory, whatever the bytes."""

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from filters.decode import Decoded, Decoder, decode
from schemas.protocols import Failure
from tests.decoding import FORMATS, LIMIT, RED, bad, good
from tests.images import (
    animated_gif,
    bomb_png,
    encoded,
    exif_rotated_jpeg,
    grey16_png,
    html,
    palette_png_with_transparency,
    photo,
    png,
    solid,
    truncated,
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (html(), "html"),
        (b"\xef\xbb\xbf <html>", "html"),
        ("\ufeff<!doctype html>".encode("utf-16-le"), "html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "html"),
        (b"\0" * 5000, "not_an_image"),
        (b"< 5 ms", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
        (b"P6 2 2 255\n" + bytes(12), "not_an_image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"GIF89a", "truncated"),
        (b"RIFF\xff\0\0\0WEBPVP8 ", "truncated"),
        (b"BM" + bytes(12) + b"\x29" + bytes(400), "undecodable"),
        (png(100, 100, b"not deflated"), "undecodable"),
        (b"RIFF\x24\0\0\0WEBPVP8L\x18\0\0\0\x2f" + bytes(4) + b"\xff" * 19, "undecodable"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_a_failure_by_name(data: bytes, reason: str) -> None:
    failure = bad(data)
    assert failure.reason == reason
    assert failure.error


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_truncated_image_is_no_image(image_format: str, keep: float) -> None:
    with Image.open(io.BytesIO(photo(1))) as image:
        data = encoded(image, image_format)
    assert bad(truncated(data, keep)).reason == "truncated"


def test_truncation_shows_in_progressive_jpegs_and_behind_exif() -> None:
    with Image.open(io.BytesIO(photo(1))) as image:
        assert bad(truncated(encoded(image, "JPEG", progressive=True))).reason == "truncated"
    assert bad(truncated(exif_rotated_jpeg(), 0.9)).reason == "truncated"


# Bombs


def huge_headers() -> dict[str, bytes]:
    """Return files of every format whose headers claim 60,000 by 60,000 pixels or more."""
    side = 60_000
    tiff = struct.pack("<2sHIH", b"II", 42, 8, 9)
    claimed = ((256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, side), (279, 4))
    tiff += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in claimed) + bytes(200)
    tiled = struct.pack("<2sHIH", b"II", 42, 8, 11)
    claimed = ((256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side), (324, 200), (325, 9), (339, 1))
    tiled += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in claimed) + bytes(200)
    jpeg = bytearray(solid(RED, image_format="JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", side, side)
    progressive = bytearray(encoded(Image.new("RGB", (320, 240), RED), "JPEG", progressive=True))
    at = progressive.index(b"\xff\xc2") + 5
    progressive[at : at + 4] = struct.pack(">HH", side, side)
    gif = bytearray(animated_gif())
    gif[6:10] = struct.pack("<HH", side, side)
    webp = bytearray(encoded(Image.new("RGB", (64, 64), "red"), "WEBP", save_all=True, append_images=[Image.new("RGB", (64, 64), "blue")]))
    webp[24:30] = (side - 1).to_bytes(3, "little") * 2
    lossless = bytearray(encoded(Image.new("RGB", (64, 64), "red"), "WEBP", lossless=True))
    lossless[21:25] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")
    bmp = bytearray(solid(RED, image_format="BMP"))
    bmp[18:26] = struct.pack("<II", side, side)
    return {
        "png": png(side, side, zlib.compress(bytes(1000))), "whole png": bomb_png(), "bmp": bytes(bmp), "gif": bytes(gif),
        "jpeg": bytes(jpeg), "progressive jpeg": bytes(progressive), "tiff": tiff, "tiled tiff": tiled,
        "animated webp": bytes(webp), "lossless webp": bytes(lossless),
    }  # fmt: skip


@pytest.mark.parametrize(("name", "data"), huge_headers().items(), ids=huge_headers())
def test_an_image_of_too_many_pixels_is_refused_by_its_header(name: str, data: bytes) -> None:
    assert bad(data, max_pixels=Decoder().max_pixels).reason == "too_many_pixels"


def test_the_limit_is_on_pixels_and_holds_at_its_edge() -> None:
    data = solid(RED, (100, 50))
    assert isinstance(decode(data, max_pixels=5000, scale=64), Decoded)
    assert bad(data, max_pixels=4999).reason == "too_many_pixels"


PEAK = """
import sys
from pathlib import Path
from filters.decode import decode
def peak(): return int(Path("/proc/self/status").read_text().split("VmPeak:")[1].split()[0]) // 1024
decode(Path(sys.argv[3]).read_bytes(), max_pixels=10**6, scale=64)
data = Path(sys.argv[1]).read_bytes()
before = peak()
found = decode(data, max_pixels=int(sys.argv[2]), scale=64)
print(getattr(found, "reason", "decoded"), peak() - before)
"""
measures_memory = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")


def taken(tmp_path: Path, data: bytes, max_pixels: int) -> tuple[str, int]:
    """Decode in a process of its own and return the outcome and the MiB by which the peak of its address space rose."""
    (tmp_path / "image").write_bytes(data)
    (tmp_path / "warm-up").write_bytes(photo(1))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "image"), str(max_pixels), str(tmp_path / "warm-up")]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, capture_output=True, text=True)
    reason, mebibytes = done.stdout.split()
    return reason, int(mebibytes)


@measures_memory
def test_a_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    bomb = bomb_png(18_000)
    assert len(bomb) < 200_000
    reason, mebibytes = taken(tmp_path, bomb, max_pixels=400_000_000)
    assert reason == "decoded"
    assert mebibytes > 30, "this test sees no memory being taken, so it proves nothing"
    reason, mebibytes = taken(tmp_path, bomb, max_pixels=10_000_000)
    assert reason == "too_many_pixels"
    assert mebibytes < 20


@measures_memory
def test_an_animated_bomb_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4000, 4000), colour) for colour in ("red", "blue")]
    bomb = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], method=0)
    assert taken(tmp_path, bomb, max_pixels=20_000_000)[1] > 60, "this test sees no memory being taken, so it proves nothing"
    reason, mebibytes = taken(tmp_path, bomb, max_pixels=10_000_000)
    assert reason == "too_many_pixels"
    assert mebibytes < 20


@measures_memory
def test_an_animated_gif_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    side = struct.pack("<HH", 9000, 9000)
    dispose_to_background = b"!\xf9\x04\x08\0\0\0\0"
    frame = b"," + bytes(4) + side + b"\0\x08\x01\0\0"
    reason, mebibytes = taken(tmp_path, b"GIF89a" + side + bytes(3) + dispose_to_background + frame * 2 + b";", max_pixels=10_000_000)
    assert reason == "too_many_pixels"
    assert mebibytes < 20


@measures_memory
def test_a_run_length_encoded_bmp_is_not_read(tmp_path: Path) -> None:
    skip_255_rows = b"\0\x02\0\xff"
    sizes = struct.pack("<IiiHHIIiiII", 40, 2_000_000, 1, 1, 8, 1, 0, 1, 1, 256, 0)
    palette = bytes(range(256)) * 4
    data = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(palette)) + sizes + palette + skip_255_rows
    reason, mebibytes = taken(tmp_path, data, max_pixels=10_000_000)
    assert reason == "undecodable"
    assert mebibytes < 20


def test_out_of_memory_is_no_fault_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "thumbnail", exhausted)
    with pytest.raises(MemoryError):
        decode(photo(1), max_pixels=LIMIT, scale=64)


# What holds for any bytes

EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010E], EXIF[0x011A] = 6, "a description", 72.0
WITH_EXIF = {f: {"exif": EXIF} for f in FORMATS if f not in ("GIF", "BMP")}


def seeds() -> list[bytes]:
    with Image.open(io.BytesIO(photo(3, (40, 30)))) as image:
        image.load()
        still = [encoded(image, f, **WITH_EXIF.get(f, {})) for f in FORMATS]
        moving = [encoded(image, f, save_all=True, append_images=[image.rotate(90)]) for f in ("PNG", "GIF", "WEBP", "TIFF")]
        odd = [encoded(image.convert(mode), f) for mode, f in (("P", "PNG"), ("1", "PNG"), ("F", "TIFF"), ("CMYK", "JPEG"))]
    return [*still, *moving, *odd, grey16_png(9, (20, 20)), palette_png_with_transparency((20, 20))]


SEEDS = seeds()


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.tuples(st.sampled_from([seed[:16] for seed in SEEDS]), st.binary(max_size=300)).map(b"".join)))
def test_arbitrary_bytes_give_a_failure_or_an_image(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(decode(data, max_pixels=LIMIT, scale=64), Failure | Decoded)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=5))
def test_truncated_and_spoilt_images_give_a_failure_or_an_image(seed: bytes, keep: float, spoilt) -> None:
    data = bytearray(seed)
    for place, value in spoilt:
        data[int(place * len(data))] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(bytes(data[: round(keep * len(data))]), max_pixels=LIMIT, scale=64)
    assert isinstance(found, Failure | Decoded)
    if isinstance(found, Decoded):
        assert found.pixels.ndim == 3
        assert max(found.pixels.shape[:2]) <= 64


def spoilt_tiff() -> bytes:
    """Return a readable TIFF with a tag that points behind the end of the file, at which Pillow warns."""
    data = bytearray(encoded(Image.new("RGB", (32, 16)), "TIFF", tiffinfo={270: "d" * 50}))
    directory = struct.unpack_from("<I", data, 4)[0]
    for entry in range(struct.unpack_from("<H", data, directory)[0]):
        at = directory + 2 + 12 * entry
        if struct.unpack_from("<H", data, at)[0] == 270:
            struct.pack_into("<II", data, at + 4, 50, 2**30)
    return bytes(data)


def test_pillow_s_warnings_stay_inside_and_the_filters_of_the_process_as_they_were() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0e\x01\x02\0\xff\0\0\0\xf0\xff\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    jpeg = encoded(Image.new("RGB", (32, 16)), "JPEG", exif=exif)
    with pytest.warns(UserWarning, match="(?i)corrupt|truncated"):
        Image.open(io.BytesIO(jpeg)).getexif()
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        decode(jpeg, max_pixels=LIMIT, scale=64)
        decode(spoilt_tiff(), max_pixels=LIMIT, scale=64)
        for data in huge_headers().values():
            decode(data, max_pixels=LIMIT, scale=64)
    assert leaked == []
    assert list(warnings.filters) == before
    assert (Image.MAX_IMAGE_PIXELS, good(jpeg).width) == (89_478_485, 16)


def test_threads_decode_what_one_thread_decodes() -> None:
    images = [photo(n, (200, 150)) for n in range(12)] + [animated_gif(), spoilt_tiff(), grey16_png(500), truncated()] * 3
    alone = [decode(data, max_pixels=LIMIT, scale=64) for data in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data, max_pixels=LIMIT, scale=64), images * 4))
    for one, other in zip(alone * 4, together, strict=True):
        if isinstance(one, Failure):
            assert one == other
        else:
            assert isinstance(other, Decoded)
            assert np.array_equal(one.pixels, other.pixels)
