"""Relevance by two real models: ConSE for English, and a small random CLIP of open_clip for what that does not read."""

import io
import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pytest
import torch
from PIL import Image

from filters.models.clip import import_open_clip
from jobs import fetch
from pipelines.captions.launch import main
from schemas.weights import cache_dir, entry_of
from tests import curating, images, jobs
from tests.test_clip import PREPARED_AS, TINY

TEXTS = {
    "en": ["An old church in the middle of a village", "A small boat on the river at dawn", "Two dogs play on the lawn of a park"],
    "zh": ["山村的清晨, 绿树环绕着古老的小屋和石桥", "一只小船停在黎明的河边", "公园的草地上有两只狗在玩耍", "海边的灯塔和渔船"],
    "ru": ["Старая церковь посреди деревни у реки", "Маленькая лодка на реке на рассвете"],
}
PICTURES = {text: curating.picture(number, (400, 300)) for number, text in enumerate(chain(*TEXTS.values()))}
"""No larger than the embedders decode them, so that nothing is scaled before a model's own preparation."""


@dataclass(frozen=True)
class Ran:
    folder: Path
    model: str
    scores: dict[str, float]
    """Of the Chinese texts, as open_clip computes them, one pair at a time."""

    def flags(self, least: float | None, *more: str) -> list[str]:
        off = [f"--set={name}=null" for name in ("near_image", "near_text", "balance")]
        models = ["--set=embedder={}", f"--set=multilingual={{model: '{self.model}', languages: [zh]}}"]
        limits = ["--set=clip.min_score=-1", *([] if least is None else [f"--set=clip.min_multilingual_score={least:.4f}"])]
        return [f"--input={self.folder / 'pool.tar'}", f"--output={self.folder / 'out'}", *off, *models, *limits, *more]

    def run(self, least: float, *more: str) -> dict[str, dict[str, Any]]:
        """Run the job and return the rows of its ledger by their alt text."""
        before = set(self.folder.glob("out/captions/*"))
        assert main(self.flags(least, *more)) == 0
        (run,) = set(self.folder.glob("out/captions/*")) - before
        with duckdb.connect() as base:
            rows = base.sql(f"select * from read_parquet('{run}/ledger/*.parquet')").to_arrow_table().to_pylist()
        return {row["alt_text"]: row for row in rows}

    @property
    def between(self) -> float:
        """A threshold that parts the Chinese texts in two."""
        return sum(sorted(self.scores.values())[1:3]) / 2


def cosine(network: Any, prepare: Any, tokenize: Any, picture: bytes, text: str) -> float:
    with torch.inference_mode():
        image = network.encode_image(prepare(Image.open(io.BytesIO(picture)).convert("RGB")).unsqueeze(0))
        return torch.nn.functional.cosine_similarity(image, network.encode_text(tokenize([text]))).item()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    for name in ("efficientnet", "imagenet", "minilm", "lid"):
        fetch.fetch(entry_of(name), cache_dir())
    folder, open_clip = tmp_path_factory.mktemp("multilingual"), import_open_clip()[0]
    weights = folder / "clip"
    weights.mkdir()
    (weights / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": PREPARED_AS}))
    torch.manual_seed(11)
    torch.save(open_clip.CLIP(**TINY).state_dict(), weights / "open_clip_pytorch_model.bin")
    model = f"local-dir:{weights}"
    images.write_tar(folder / "pool.tar", [{"jpg": picture, "txt": text} for text, picture in PICTURES.items()])
    network, prepare = open_clip.create_model_from_pretrained(model)
    tools = network.eval(), prepare, open_clip.get_tokenizer(model)
    return Ran(folder, model, {text: cosine(*tools, PICTURES[text], text) for text in TEXTS["zh"]})


@pytest.fixture(scope="module")
def rows(ran: Ran) -> dict[str, dict[str, Any]]:
    return ran.run(ran.between)


def test_each_text_is_scored_by_the_model_that_reads_it_or_passed_by_with_a_reason(ran: Ran, rows: dict[str, dict[str, Any]]):
    said = {text: (row["language"], row["clip_model"], row["unscored"], row["clip_score"] is None) for text, row in rows.items()}
    told_by = {"en": ("en", "conse", None, False), "zh": ("zh", ran.model, None, False), "ru": ("ru", None, "language", True)}
    assert said == {text: told_by[language] for language, texts in TEXTS.items() for text in texts}
    assert len({round(score, 3) for score in ran.scores.values()}) == 4
    assert {text: rows[text]["clip_score"] for text in TEXTS["zh"]} == pytest.approx(ran.scores, abs=2e-4)


def test_each_score_is_held_against_the_threshold_of_its_own_model(ran: Ran, rows: dict[str, dict[str, Any]]):
    exits = {text: (row["exit"], row["reason"], row["value"], row["threshold"]) for text, row in rows.items() if row["exit"] != "kept"}
    below = [text for text, score in ran.scores.items() if score < ran.between]
    assert len(below) == 2
    assert exits == {
        text: ("dropped", "irrelevant", pytest.approx(ran.scores[text], abs=2e-4), pytest.approx(ran.between, abs=1e-4)) for text in below
    }


def test_another_threshold_of_the_second_model_decides_again_without_either(ran: Ran, rows: dict[str, dict[str, Any]], monkeypatch: Any):
    monkeypatch.setenv("GLMV_CACHE", jobs.charts_alone(ran.folder / "no weights here"))
    weights = Path(ran.model.partition(":")[2])
    weights.rename(weights.with_name("gone"))
    try:
        again = ran.run(1.0)
        left = ran.run(-1.0, "--set=clip.require_score=true")
    finally:
        weights.with_name("gone").rename(weights)
    assert {text for text, row in again.items() if row["reason"] == "irrelevant"} == set(TEXTS["zh"])
    assert {text: row["reason"] for text, row in left.items() if row["exit"] != "kept"} == dict.fromkeys(TEXTS["ru"], "no_score")
    assert {text: row["clip_score"] for text, row in again.items()} == {text: row["clip_score"] for text, row in rows.items()}


def test_a_second_model_without_a_threshold_is_refused_with_the_command_that_measures_one(ran: Ran, capsys: pytest.CaptureFixture[str]):
    assert main(ran.flags(None)) == 2
    error = capsys.readouterr().err
    assert f"no threshold is calibrated for {ran.model}" in error
    assert "then set clip.min_multilingual_score to what it proposes" in error
