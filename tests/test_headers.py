"""Headers alone: the sides, format and frames that a decode would find, and the funnel and the job say what was not looked at."""

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from filters import decode as decoding
from filters.decode import Decoder, Header, decode, read_header
from filters.headers import ordinary
from filters.models.embedder import EmbedderSpec
from filters.models.nsfw import NsfwSpec
from filters.signals import measure
from pipelines.pairs import annotate
from pipelines.pairs.rules import CONTENT, CONTENT_OF_HEADERS, annotate_digest
from pipelines.pairs.source import Input
from pipelines.recaption import graph
from pipelines.recaption.card import card
from pipelines.recaption.job import Job
from pipelines.recaption.plan import plan_run
from pipelines.spine.commit import Output
from pipelines.spine.config import ConfigError
from schemas.protocols import Failure
from synth.captioner import CaptionerSpec
from tests import images
from tests.decoding import FORMATS, LIMIT, good
from tests.test_graph import Silent

BLIND = Decoder(pixels=False)


def header(data: bytes) -> Header:
    found = read_header(data, max_pixels=LIMIT)
    assert isinstance(found, Header), found
    return found


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", [f for f in FORMATS if f not in ("GIF", "BMP")])
def test_sides_are_those_on_display(image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = images.encoded(Image.new("RGB", (320, 200), "red"), image_format, exif=exif)
    assert header(data) == Header(*((320, 200) if orientation < 5 else (200, 320)), image_format, animated=False)


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_header_says_what_a_decode_finds(image_format: str) -> None:
    frames = [Image.new("RGB", (120, 80), colour) for colour in ("red", "blue")]
    several = {"save_all": True, "append_images": frames[1:]} if image_format not in ("JPEG", "BMP") else {}
    for data in (images.encoded(frames[0], image_format), images.encoded(frames[0], image_format, **several)):
        decoded = good(data)
        assert header(data) == Header(decoded.width, decoded.height, decoded.image_format, decoded.animated)


@pytest.mark.parametrize("data", [b"", images.html(), b"\0" * 5000, b"\xff\xd8\xff", b"GIF89a", images.bomb_png(), images.photo(1)[:100]])
def test_what_a_header_tells_fails_as_it_does_in_a_decode(data: bytes) -> None:
    failure = read_header(data, max_pixels=LIMIT)
    assert isinstance(failure, Failure)
    assert failure == decode(data, max_pixels=LIMIT, scale=64)


def test_a_cut_body_is_found_by_a_decode_alone() -> None:
    cut = images.truncated(images.photo(1))
    failure = decode(cut, max_pixels=LIMIT, scale=64)
    assert isinstance(failure, Failure)
    assert failure.reason == "truncated"
    assert header(cut) == header(images.photo(1))


def test_without_pixels_every_signal_but_the_colours_is_measured() -> None:
    files = [images.photo(1), None, images.html(), images.animated_gif()]
    with_pixels, _ = measure(files, Decoder())
    without, pixels = measure(files, BLIND)
    assert pixels == [None] * 4
    assert without.added["colour_std"].to_pylist() == [None] * 4
    assert without.added["colour_std"].type == with_pixels.added["colour_std"].type
    for name in with_pixels.added.keys() - {"colour_std"}:
        assert without.added[name].equals(with_pixels.added[name])
    assert without.reason.equals(with_pixels.reason)


FORMAT_OF = {b"\xff": "JPEG", b"\x89": "PNG", b"R": "WEBP"}


def pillow_says(data: bytes) -> Header | Failure:
    """Return what is read of a file where nothing in it counts as ordinary: Pillow's own word."""
    return decoding._opened(data, LIMIT, decoding._header)


def assert_pillow_agrees(data: bytes) -> None:
    found = ordinary(data)
    if found is not None and found.width * found.height <= LIMIT:
        assert found == pillow_says(data), data[:900]


def turned(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


def noise(mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((67, 41), 80).convert(mode)


TURNED = turned(8).tobytes().removeprefix(b"Exif\0\0")
ORDINARY = {
    "jpeg": images.encoded(noise(), "JPEG"),
    "grey jpeg": images.encoded(noise("L"), "JPEG"),
    "ink jpeg": images.encoded(noise("CMYK"), "JPEG"),
    "progressive jpeg": images.encoded(noise(), "JPEG", progressive=True, comment="by hand"),
    "turned jpeg": images.encoded(noise(), "JPEG", exif=turned(), icc_profile=b"p" * 200, dpi=(300, 300)),
    "png": images.encoded(noise(), "PNG", dpi=(300, 300)),
    "turned png": images.encoded(noise("RGBA"), "PNG", exif=turned()),
    "palette png": images.encoded(noise("P"), "PNG", transparency=3),
    "grey png": images.encoded(noise("I;16"), "PNG"),
    "lossy webp": images.encoded(noise(), "WEBP"),
    "lossless webp": images.encoded(noise("RGBA"), "WEBP", lossless=True),
}
APPLICATIONS = (b"", b"JFIF", b"Exif\0\0II*\0", b"Exif\0\0" + TURNED, b"ICC_PROFILE\0", b"Adobe", b"x" * 40)
EXTRA = {
    "JPEG": [segment(0xFFE0 + n, s) for n in range(16) for s in APPLICATIONS]
    + [segment(0xFFED, b"Photoshop 3.0\x008BIM\x03\xed"), segment(0xFFDB, b"\0" + b"q" * 63), segment(0xFFDB, b"\x10" + b"q" * 128)]
    + [segment(0xFFC0, b"\x08\0\x33\0\x22\x01\x01\x11\0"), b"\xff", b"\0", b"\xff\xd8", b"\xff\xda", b"\xff\xfe\0\0"],
    "PNG": [chunk(name, s) for name in (b"gAMA", b"tEXt", b"zTXt", b"iTXt", b"tRNS", b"eXIf", b"iCCP", b"acTL", b"fcTL", b"IDAT", b"prIv")
            for s in (b"", b"a\0b", b"exif\0II*\0", b"exif\0\0\0\0\0x", b"exif\0" + TURNED, TURNED, bytes(3) + b"\2" + bytes(28))]
    + [chunk(b"IEND", b""), chunk(b"IHDR", bytes.fromhex("00000009000000090802000000")), chunk(b"tEXt", b"k\0" + b"v" * 99999), bytes(12)],
    "WEBP": [struct.pack("<4sI", name, 4) + b"abcd" for name in (b"EXIF", b"VP8 ", b"VP8L", b"ALPH", b"none")],
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_header_is_read_without_pillow_as_pillow_reads_it(name: str) -> None:
    found = ordinary(ORDINARY[name])
    assert found == Header(*((41, 67) if "turned" in name else (67, 41)), FORMAT_OF[ORDINARY[name][:1]], animated=False)
    assert found == ordinary(memoryview(ORDINARY[name])) == header(ORDINARY[name]) == pillow_says(ORDINARY[name])


@pytest.mark.parametrize("name", ORDINARY)
def test_of_any_one_spoilt_byte_nothing_is_said_that_pillow_does_not_say(name: str) -> None:
    whole = ORDINARY[name]
    for at in range(1, min(len(whole), 700)):
        for value in {0, 1, 255, whole[at] ^ 16} - {whole[at]}:
            assert_pillow_agrees(whole[:at] + bytes([value]) + whole[at + 1 :])


@given(st.sampled_from(sorted(ORDINARY)), st.data())
def test_of_a_spoilt_header_nothing_is_said_that_pillow_does_not_say(name: str, data: st.DataObject) -> None:
    spoilt = bytearray(ORDINARY[name])
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(1, min(len(spoilt), 900) - 1))] = data.draw(st.integers(0, 255))
    assert_pillow_agrees(bytes(spoilt))


@pytest.mark.parametrize("name", ORDINARY)
def test_wherever_a_file_ends_nothing_is_said_that_pillow_does_not_say(name: str) -> None:
    for end in range(1, min(len(ORDINARY[name]), 900)):
        assert_pillow_agrees(ORDINARY[name][:end])


@pytest.mark.parametrize("name", ORDINARY)
def test_whatever_is_put_into_a_header_nothing_is_said_that_pillow_does_not_say(name: str) -> None:
    whole = ORDINARY[name]
    kind = FORMAT_OF[whole[:1]]
    for extra in EXTRA[kind]:
        for at in bounds(whole, kind):
            put = whole[:at] + extra + whole[at:]
            assert_pillow_agrees(put)
            if kind == "WEBP":  # with a length that says so, too
                assert_pillow_agrees(put[:4] + struct.pack("<I", len(put) - 8) + put[8:])


def bounds(data: bytes, kind: str) -> list[int]:
    """Return where the parts of a header begin, and the end of the file."""
    at = {"JPEG": 2, "PNG": 8, "WEBP": 12}[kind]
    found = [at]
    while kind != "WEBP" and data[at + 4 : at + 8] != b"IDAT" and data[at : at + 2] != b"\xff\xda":
        at += 12 + int.from_bytes(data[at : at + 4]) if kind == "PNG" else 2 + int.from_bytes(data[at + 2 : at + 4])
        found.append(at)
    return [*found, len(data)]


@pytest.mark.parametrize(("kind", "width", "height"), [(k, w, h) for k in ("JPEG", "PNG") for w, h in ((0, 9), (9, 0), (0, 0))])
def test_an_image_without_sides_is_not_ordinary(kind: str, width: int, height: int) -> None:
    if kind == "PNG":
        whole = ORDINARY["png"]
        data = whole[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + whole[24:29]) + whole[33:]
    else:
        data = ORDINARY["jpeg"].replace(struct.pack(">HH", 41, 67), struct.pack(">HH", height, width))
    assert ordinary(data) is None
    assert isinstance(read_header(data, max_pixels=LIMIT), Failure)


def test_a_header_that_claims_too_much_is_refused_as_it_is_in_a_decode() -> None:
    for whole in (ORDINARY["jpeg"], ORDINARY["png"], ORDINARY["lossless webp"]):
        failure = read_header(whole, max_pixels=67 * 41 - 1)
        assert isinstance(failure, Failure)
        assert failure == decode(whole, max_pixels=67 * 41 - 1, scale=64)
        assert isinstance(read_header(whole, max_pixels=67 * 41), Header)


def blind_job(folder: Path) -> Job:
    captioner = CaptionerSpec(prompt="recaption", endpoint="http://silent/v1")
    source, output = Input(path=str(folder / "pool")), Output(folder=str(folder / "out"))
    return Job(input=source, decode=BLIND, captioner=captioner, lid=None, facts=None, output=output)


def solid_jpeg() -> bytes:
    return images.solid((10, 90, 180), (1600, 1200), "JPEG")


def test_funnel_and_card_say_that_no_pixels_were_looked_at(tmp_path: Path) -> None:
    files = {1: images.photo(1), 2: images.truncated(images.photo(2, (640, 480))), 3: solid_jpeg(), 4: images.photo(4, (100, 100), 100)}
    images.write_tar(tmp_path / "pool" / "0.tar", [{**images.sample(n), "jpg": data} for n, data in files.items()])
    plan = plan_run(blind_job(tmp_path))
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        graph.build(pipeline, plan, Silent())
    funnel = {count["step"]: count for count in json.loads(Path(plan.at.run, "funnel.json").read_text())}
    assert funnel.keys() >= {annotate.HEADERS, CONTENT_OF_HEADERS}
    assert not funnel.keys() & {annotate.DECODE, CONTENT}
    assert (funnel[annotate.HEADERS]["dead"], funnel[CONTENT_OF_HEADERS]["dropped"]) == ({}, {})
    assert CONTENT_OF_HEADERS in Path(plan.at.run, "README.md").read_text()
    assert CONTENT_OF_HEADERS not in card(replace(plan.job, decode=Decoder()), described=False)


def test_annotations_of_headers_are_not_those_of_pixels(tmp_path: Path) -> None:
    job = blind_job(tmp_path)
    assert annotate_digest(job) != annotate_digest(replace(job, decode=Decoder()))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"nsfw": NsfwSpec()}, "nsfw"),
        ({"embedder": EmbedderSpec()}, "embedder"),
        ({"captioner": CaptionerSpec(prompt="recaption_described")}, "description"),
    ],
)
def test_what_looks_at_pixels_is_refused_without_them(tmp_path: Path, change: dict[str, object], named: str) -> None:
    images.write_tar(tmp_path / "pool" / "0.tar", [images.sample(1)])
    job = replace(blind_job(tmp_path), **change)
    with pytest.raises(ConfigError, match=f"'decode.pixels' is false, but .*{named}"):
        plan_run(job)


def test_with_pixels_the_solid_image_of_the_funnel_above_is_found() -> None:
    signals, _ = measure([solid_jpeg()], Decoder())
    assert len(solid_jpeg()) > 5120
    assert signals.added["colour_std"][0].as_py() < 5
