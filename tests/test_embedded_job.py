"""The job on real photographs with real models: the embedded server, the classifier, the OCR. Small ones, and nothing scripted."""

from pathlib import Path

import datasets
import pytest

from jobs import demo_corpus, fetch
from schemas.weights import cache_dir, entry_of, path_of
from tests import jobs


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("smollm2", "efficientnet", "imagenet", "museum"):
        fetch.fetch(entry_of(name), cache_dir())
    folder = tmp_path_factory.mktemp("demo") / "pool"
    demo_corpus.build(folder, path_of("museum"))
    return folder


def test_the_demo_job_runs_on_the_small_model_and_again_without_it(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    demo = str(jobs.ROOT / "jobs/recaption/demo.yaml")
    small = ["--set=captioner.weights=smollm2", "--set=facts=null", "--limit=14"]
    flags = [f"--job={demo}", f"--input={pool}", f"--output={tmp_path / 'out'}", *small]
    shown = jobs.run(*flags).stdout
    run = jobs.run_folder(tmp_path / "out")
    assert f"described  {run}/described: captions written from a description" in shown
    kept = jobs.query(run, "select count(*) from ledger where exit = 'kept'")
    assert [jobs.query(run, "select count(*) from samples"), jobs.query(run, "select count(*) from described")] == [[(0,)], kept]
    asked = jobs.query(run, "select count(*) from ledger where caption is not null")[0][0]
    assert 3 <= asked <= 14
    assert "Rewrite the alt text with the captioner" in shown
    assert jobs.query(run, "select count(*) from described where seen <> 'description'") == [(0,)]
    assert jobs.query(run, "select count(*) from described where prompt_tokens between 1 and 99 or labels is null or ocr_text is null") == [
        (0,)
    ]
    stored = sum(len(path.read_bytes().splitlines()) - 1 for path in tmp_path.glob("out/answers/*/*/*.jsonl"))
    assert 3 <= stored <= asked, "of two samples with the same alt text and evidence, one is asked"

    assert kept != [(0,)]
    table = datasets.load_dataset("parquet", data_files=f"{run}/described/*.parquet", split="train", cache_dir=str(tmp_path / "hub"))
    assert len(table) == kept[0][0]
    assert all(row["image"].width >= 200 and row["caption"] for row in table)

    together = jobs.run(*flags, "--set=output.described_as_samples=true").stdout
    assert "described" not in together
    (other,) = {path.parent for path in tmp_path.glob("out/recaption/*/manifest.json")} - {run}
    assert jobs.query(other, "select count(*) from samples") == kept
    assert not (other / "described").exists()

    before = jobs.tree(tmp_path / "out")
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "no weights here"))
    assert jobs.run(*flags).stdout == shown
    assert jobs.tree(tmp_path / "out") == before


def test_missing_weights_are_answered_with_the_command_that_fetches_them(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "empty"))
    done = jobs.run(f"--input={pool}", f"--output={tmp_path / 'out'}", "--limit=5", status=1)
    assert "python -m jobs.fetch qwen" in done.stderr
