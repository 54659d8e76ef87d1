"""Scores as columns, and the threshold that belongs to the model that scored."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from filters.relevance import THRESHOLDS, Relevance, cosines, score
from schemas import columns as c
from schemas.exits import EnvironmentFault
from schemas.protocols import Pixels

ANGLES = {"same": 0.0, "near": 0.5, "across": np.pi / 2, "against": np.pi, "broken": float("nan")}


class Compass:
    """Every image points east, every text where its word says."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def embed_images(self, images: Sequence[Pixels]) -> np.ndarray:
        return np.tile(np.array([[1, 0]], np.float32), (len(images), 1))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([(np.cos(ANGLES[text]), np.sin(ANGLES[text])) for text in texts], np.float32).reshape(-1, 2)


IMAGE = np.zeros((4, 4, 3), np.uint8)


def batch(scores: Sequence[float | None], column: pa.Field = c.CLIP_SCORE, models: Sequence[str | None] | None = None) -> pa.RecordBatch:
    models = [None] * len(scores) if models is None else models
    return pa.RecordBatch.from_arrays(
        [pa.array(scores, column.type), pa.array(models, pa.string())], names=[column.name, c.CLIP_MODEL.name]
    )


def test_a_score_is_the_cosine_to_four_places_beside_the_name_of_its_model() -> None:
    addition = score([IMAGE] * 4, ["same", "near", "across", "against"], Compass(), "compass")
    assert addition.added["clip_score"] == pa.array([1.0, 0.8776, 0.0, -1.0], pa.float32())
    assert addition.added["clip_model"] == pa.array(["compass"] * 4)
    assert addition.reason.null_count == addition.error.null_count == 4


def test_a_caption_is_scored_into_a_column_of_its_own() -> None:
    addition = score([IMAGE], ["near"], Compass(), "compass", c.CAPTION_CLIP_SCORE)
    assert list(addition.added) == ["caption_clip_score", "clip_model"]


def test_a_row_without_image_or_text_has_no_score_and_shifts_no_other() -> None:
    addition = score([None, IMAGE, IMAGE, IMAGE, IMAGE], ["same", "near", None, "", "against"], Compass(), "compass")
    assert addition.added["clip_score"] == pa.array([None, 0.8776, None, None, -1.0], pa.float32())
    assert addition.added["clip_model"] == pa.array([None, "compass", None, None, "compass"])
    assert addition.reason.null_count == 5
    assert [len(array) for array in score([], [], Compass(), "compass").added.values()] == [0, 0]
    assert score([None], [None], Compass(), "compass").added["clip_score"] == pa.nulls(1, pa.float32())


def test_a_score_that_is_no_number_is_a_failure_of_that_row_alone() -> None:
    addition = score([IMAGE] * 3, ["same", "broken", "near"], Compass(), "compass")
    assert addition.reason.to_pylist() == [None, "score_not_finite", None]
    assert addition.error.to_pylist()[1].startswith("compass: expected a cosine, found one that is not finite")
    assert addition.added["clip_score"] == pa.array([1.0, None, 0.8776], pa.float32())


def test_more_images_than_texts_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="shorter"):
        score([IMAGE, IMAGE], ["same"], Compass(), "compass")


def test_cosines_agree_with_the_sum_of_products() -> None:
    rng = np.random.default_rng(3)
    images, texts = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 50, 7)).astype(np.float32))
    expected = [round(sum(float(a) * float(b) for a, b in zip(i, t, strict=True)), 4) for i, t in zip(images, texts, strict=True)]
    assert cosines(images, texts).tolist() == expected


def test_a_pair_below_the_threshold_leaves_with_its_score() -> None:
    verdict = Relevance("ViT-B-32/openai")(batch([0.3, 0.2999, 0.31, -0.2, None]))
    assert verdict.reason.to_pylist() == [None, "irrelevant", None, "irrelevant", None]
    assert verdict.value.to_pylist() == [None, 0.2999, None, -0.2, None]
    assert verdict.threshold.to_pylist() == [None, 0.3, None, 0.3, None]


def test_the_threshold_itself_is_kept_at_each_of_its_ten_thousand_places() -> None:
    places = np.arange(-10_000, 10_001) / 10_000
    stored = batch(places.tolist())
    for least in (0.7, 0.28, 0.3333, 0.0, -0.1):
        verdict = Relevance("mine", least)(stored)
        assert verdict.reason.null_count == sum(place >= least for place in places.tolist())


def test_captions_are_judged_by_their_own_column() -> None:
    judged = Relevance("conse", 0.5, "caption_clip_score")(batch([0.4, 0.6], c.CAPTION_CLIP_SCORE))
    assert judged.reason.to_pylist() == ["irrelevant", None]


@pytest.mark.parametrize("column", [c.CLIP_SCORE, c.CAPTION_CLIP_SCORE])
def test_a_score_of_another_model_is_no_sample_s_fault_and_stops_the_run(column: pa.Field) -> None:
    judge = Relevance("conse", score=column.name)
    assert judge(batch([0.5, 0.1, None], column, ["conse", "conse", None])).reason.to_pylist() == [None, "irrelevant", None]
    with pytest.raises(EnvironmentFault, match=r"expected scores by conse in .*, found those of ViT-B-32/openai"):
        judge(batch([0.5, 0.3], column, ["conse", "ViT-B-32/openai"]))


def test_each_model_has_the_threshold_of_its_own_scale() -> None:
    assert Relevance("ViT-B-32/openai").threshold == 0.3
    assert Relevance("conse").threshold == THRESHOLDS["conse"].min_score != 0.3
    assert Relevance("ViT-B-32/openai", 0.28).threshold == 0.28
    assert all("LAION" in t.source or "paper" in t.source or "ours" in t.source for t in THRESHOLDS.values())


@pytest.mark.parametrize("model", ["ViT-L-14/openai", "ViT-B-32/laion2b_s34b_b79k", "ViT-B-32/mine.pt", ""])
def test_a_model_without_a_calibrated_threshold_is_refused_with_the_command_that_measures_one(model: str) -> None:
    with pytest.raises(
        ValueError, match=rf"calibrated for {model},.* python -m jobs\.calibrate --input POOL --model {model} .*clip\.min_score"
    ):
        Relevance(model)
    assert Relevance(model, 0.2).threshold == 0.2


@pytest.mark.parametrize(
    ("changed", "said"), [({"min_score": 30.0}, "-1 to 1, found 30"), ({"min_score": float("nan")}, "nan"), ({"score": "width"}, "'width'")]
)
def test_a_number_or_a_column_that_is_none_is_refused(changed: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Relevance(**{"model": "conse", **changed})
