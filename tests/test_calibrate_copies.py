"""Calibrating the cosine of near-duplicate images: counted by hand on an embedder that is easily understood, then the command."""

import io
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from filters.models.clip import import_open_clip
from filters.near_image import NearImage
from jobs import calibrate_copies
from schemas.protocols import Pixels
from tests import curating, images
from tests.test_clip import PREPARED_AS, TINY


class Thumbnails:
    """Embeds an image as its colours in 8 x 8 fields, without their mean."""

    def embed_images(self, images: Sequence[Pixels]) -> np.ndarray:
        vectors = np.stack([self._vector(image) for image in images])
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def _vector(self, image: Pixels) -> np.ndarray:
        rows, columns = (np.linspace(0, length, 9).astype(int) for length in image.shape[:2])
        fields = np.array([[image[a:b, c:d].mean() for c, d in pairwise(columns)] for a, b in pairwise(rows)])
        return (fields - fields.mean()).ravel()


PICTURES = [curating.picture(number) for number in range(24)]
TWICE = images.encoded(Image.open(io.BytesIO(PICTURES[0])), "JPEG", quality=50)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """24 pictures, one of them twice, another in a second encoding, one that is cut, and a text without an image."""
    whole = [{"jpg": data, "txt": "x"} for data in (*PICTURES, PICTURES[3], TWICE, images.truncated(PICTURES[5]))]
    return images.write_tar(tmp_path_factory.mktemp("pool") / "pool.tar", [*whole, {"txt": "no image"}])


def test_images_are_taken_once_and_in_order_and_what_does_not_decode_is_passed_over(pool: str):
    assert calibrate_copies.images_in(pool, 100) == [*PICTURES, TWICE]
    assert calibrate_copies.images_in(pool, 21) == PICTURES[:21]
    with pytest.raises(ValueError, match="holds 5 different images that decode, expected at least 20"):
        calibrate_copies.images_in(pool, 5)


def test_different_pairs_are_all_but_those_that_the_hashes_take_for_one_picture():
    found = calibrate_copies.measured([*PICTURES, TWICE], Thumbnails())  # type: ignore[arg-type]
    assert found.left_out == 1
    assert len(found.different) == 25 * 24 // 2 - 1
    assert {kind: len(scores) for kind, scores in found.copies.items()} == dict.fromkeys(calibrate_copies.EDITS, 25)
    assert min(scores.min() for scores in found.copies.values()) > 0.9 > found.different.max()


def test_what_is_proposed_keeps_its_share_of_the_copies_and_a_higher_one_would_not(pool: str):
    found = calibrate_copies.measured(PICTURES, Thumbnails())  # type: ignore[arg-type]
    every = np.sort(np.concatenate(list(found.copies.values())))
    for keep in (1.0, 0.9, 0.5):
        lines = list(calibrate_copies.report("thumbnails", found, keep))
        (proposed,) = [float(line.split()[0]) for line in lines if "<- proposed" in line]
        assert (every >= proposed).mean() >= keep
        assert (every > proposed).mean() < keep
        assert f"    --set near_image.min_cosine={proposed:.4f}    # beside the embedder thumbnails" in lines
        NearImage(min_cosine=proposed)


def test_the_command_prints_what_it_measured(pool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": PREPARED_AS}))
    torch.save(import_open_clip()[0].CLIP(**TINY).state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    assert calibrate_copies.main(["--input", pool, "--model", f"local-dir:{tmp_path}", "--limit", "20"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"local-dir:{tmp_path}: 20 images, 80 copies, 190 pairs of different images (0 pairs that the hashes take")
    assert re.search(r"near_image\.min_cosine=-?0\.\d{4}  ", said)
    assert calibrate_copies.main(["--input", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("error: ")
