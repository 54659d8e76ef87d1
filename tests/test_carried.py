"""What an earlier run found out comes along in its Parquet: scores and vectors are not made again, merged alt texts stay known."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.decode import Decoder
from filters.models.embedder import EmbedderSpec
from pipelines.pairs import embed
from pipelines.pairs.annotate import Annotator, open_annotations, read_split, write_annotations
from pipelines.pairs.duplicates import members
from pipelines.pairs.looks import Looks
from pipelines.readers.splits import cut, list_shards
from pipelines.spine.loaded import _load
from schemas import columns as c
from schemas.exits import EnvironmentFault
from schemas.records import CARRIED
from tests import images

VECTOR = [0.6, 0.8, 0.0]
BROUGHT = {
    "clip_score": 0.31, "clip_model": "conse", "unscored": None, "image_embedding": VECTOR, "embedding_model": "conse",
    "alt_texts": ["A small harbour at dusk", "Harbour"], "alt_text_count": 2, "duplicate_count": 3,
}  # fmt: skip


def annotated(folder: Path, rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Write ``rows`` as Parquet, read and decode them as a run does, and open what it leaves."""
    kinds = {field.name: field.type for field in CARRIED}
    columns = {name: pa.array([row.get(name) for row in rows], kind) for name, kind in kinds.items()}
    texts = {"image": [images.photo(n) for n in range(len(rows))], "alt_text": [row["alt_text"] for row in rows]}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**texts, **columns}), folder / "0.parquet")
    (shard,) = list_shards(str(folder / "0.parquet"))
    (split,) = cut(shard, 100, 2**30, str(folder / "plan"))
    batch = Annotator(Decoder(), Looks(None, None, None, None, None, ()))(read_split(split, "corpus", "CC0"))
    batch = batch.append_column(c.LANGUAGE, pa.array([row.get("language", "en") for row in rows], pa.string()))
    return open_annotations(write_annotations(batch, str(folder / "annotate")), str(folder / "annotate"))


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model can be loaded: whoever asks for one is stopped."""
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "empty"))
    _load.cache_clear()


def test_no_embedder_is_loaded_for_what_came_with_vectors_and_scores(tmp_path: Path, no_weights: None):
    batch = annotated(tmp_path, [{"alt_text": "A small harbour at dusk", **BROUGHT}, {"alt_text": "A wide river", **BROUGHT}])
    done = embed.EmbedStep((EmbedderSpec(),), Decoder())(batch)
    assert done.column("clip_score").to_pylist() == [pytest.approx(0.31)] * 2
    assert done.column("clip_model").to_pylist() == done.column("embedding_model").to_pylist() == ["conse"] * 2
    assert done.column("image_embedding").to_pylist() == [pytest.approx(VECTOR)] * 2
    assert done.column("unscored").to_pylist() == [None, None]


@pytest.mark.parametrize("without", ["image_embedding", "embedding_model", "clip_score", "clip_model"])
def test_what_is_missing_or_another_models_is_made(tmp_path: Path, no_weights: None, without: str):
    other = "ViT-B-32/openai" if without.endswith("model") else None
    batch = annotated(tmp_path, [{"alt_text": "A small harbour at dusk", **BROUGHT, without: other}])
    with pytest.raises(EnvironmentFault, match=r"jobs\.fetch"):
        embed.EmbedStep((EmbedderSpec(),), Decoder())(batch)


def test_a_text_that_no_model_reads_is_left_out_with_its_reason(tmp_path: Path, no_weights: None):
    row = {"alt_text": "雪山下的村庄", **BROUGHT, "clip_score": None, "clip_model": None, "language": "zh"}
    done = embed.EmbedStep((EmbedderSpec(),), Decoder())(annotated(tmp_path, [row]))
    assert done.column("clip_score").to_pylist() == done.column("clip_model").to_pylist() == [None]
    assert done.column("unscored").to_pylist() == ["language"]
    assert done.column("image_embedding").to_pylist() == [pytest.approx(VECTOR)]


def test_merged_alt_texts_and_their_counts_come_along(tmp_path: Path):
    batch = annotated(tmp_path, [{"alt_text": "A small harbour at dusk", **BROUGHT}, {"alt_text": "A wide river"}])
    (_, carried), (_, alone) = members(batch)
    assert (carried.others, carried.alt_text_count, carried.duplicate_count) == (("Harbour",), 2, 3)
    assert (alone.others, alone.alt_text_count, alone.duplicate_count) == ((), 1, 0)


def test_a_column_of_that_name_and_another_type_is_none_of_ours(tmp_path: Path):
    pq.write_table(pa.table({"image": [images.photo(0)], "alt_text": ["A wide river"], "clip_score": ["high"]}), tmp_path / "0.parquet")
    (shard,) = list_shards(str(tmp_path / "0.parquet"))
    (split,) = cut(shard, 100, 2**30, str(tmp_path / "plan"))
    assert read_split(split, "corpus", "CC0").column("clip_score").to_pylist() == [None]
