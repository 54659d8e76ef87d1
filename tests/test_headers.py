"""Headers alone: the sides, format and frames that a decode would find, and the funnel and the job say what was not looked at."""

import json
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image

from filters.decode import Decoder, Header, decode, read_header
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
    funnel = {count["step"]: count for count in json.loads(Path(plan.run, "funnel.json").read_text())}
    assert funnel.keys() >= {annotate.HEADERS, CONTENT_OF_HEADERS}
    assert not funnel.keys() & {annotate.DECODE, CONTENT}
    assert (funnel[annotate.HEADERS]["dead"], funnel[CONTENT_OF_HEADERS]["dropped"]) == ({}, {})
    assert CONTENT_OF_HEADERS in Path(plan.run, "README.md").read_text()
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
