"""``jobs.forget`` on runs of curation, with its chains of merges, and of ingest, whose one pass holds images."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from jobs import forget
from pipelines.spine import forgotten
from pipelines.spine.forgotten import Forgotten
from tests import finished, images, ingesting, jobs
from tests.hostile_server import HostileServer, picture
from tests.test_forget import check_fragments, check_sums, found_in

BIG = images.photo(50, (640, 480))
SMALL = images.encoded(Image.open(io.BytesIO(BIG)).resize((480, 360)), "JPEG", quality=70)
POOL = {
    "big": (BIG, "An old lighthouse on the rocks of Bergen"),
    "small": (SMALL, "The lighthouse of Cordoba in winter light"),
    "again": (SMALL, "Tower by the sea near Dresden at noon"),
    "other": (images.photo(51, (640, 480)), "Fishing boats in the harbour of Oslo"),
}
"""``again`` is an exact twin of ``small``, which is ``big`` at another size."""


def url(name: str) -> str:
    return f"https://images.example/{name}.jpg"


def curate(pool: Path, output: Path) -> Path:
    """Run curation without its models and return the finished run."""
    flags = [f"--input={pool}", f"--output={output}", "--set=balance=null", "--set=embedder=null", "--set=near_text=null"]
    done = subprocess.run([sys.executable, "-m", "pipelines.captions", *flags], cwd=jobs.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return run_in(output)


def run_in(output: Path) -> Path:
    (manifest,) = output.glob("captions/*/manifest.json")
    return manifest.parent


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curated")
    every = [{"__key__": name, "jpg": data, "txt": text, "json": {"url": url(name)}} for name, (data, text) in POOL.items()]
    for shard in range(2):
        images.write_tar(folder / "pool" / f"{shard}.tar", every[shard::2])
    curate(folder / "pool", folder / "runs")
    return folder


@pytest.fixture
def output(curated: Path, tmp_path: Path) -> Path:
    """Return a copy of what the run wrote."""
    shutil.copytree(curated / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def by_place(run: Path) -> dict[tuple, dict]:
    return {(row["split_id"], row["row"]): row for row in finished.rows(run)}


def test_a_chain_loses_what_is_taken_down_and_a_rerun_decides_the_same(curated: Path, output: Path):
    run = run_in(output)
    (big,) = [row for row in finished.rows(run, "samples") if row["url"] == url("big")]
    assert sorted(big["alt_texts"]) == sorted(text for name, (_, text) in POOL.items() if name != "other")
    assert forget.main([str(run), "--url", url("again")]) == 0
    for name in ("small", "again"):
        for needle in (POOL[name][1].encode(), url(name).encode(), SMALL):
            assert found_in(output, needle) == set()
    (big,) = [row for row in finished.rows(run, "samples") if row["url"] == url("big")]
    assert (big["alt_texts"], big["alt_text_count"], big["duplicate_count"]) == ([POOL["big"][1]], 1, 0)
    check_sums(run)
    check_fragments(output)
    rows, told = by_place(run), (run / "funnel.json").read_bytes()
    shutil.rmtree(run)
    assert by_place(curate(curated / "pool", output)) == rows
    assert (run / "funnel.json").read_bytes() == told


def test_after_a_representative_was_taken_down_a_rerun_brings_one_of_its_twins(
    curated: Path, output: Path, capsys: pytest.CaptureFixture[str]
):
    run = run_in(output)
    assert forget.main([str(run), "--url", url("big")]) == 0
    assert "1 rows with other images were merged into them and stay out" in capsys.readouterr().out
    assert {row["url"] for row in finished.rows(run, "samples")} == {url("other")}
    check_sums(run)
    shutil.rmtree(run)
    rows = by_place(curate(curated / "pool", output))
    kept = {row["url"]: row["alt_texts"] for row in rows.values() if row["exit"] == "kept"}
    assert kept.keys() - {url("other")} in ({url("small")}, {url("again")})
    assert found_in(output, POOL["big"][1].encode()) == found_in(output, BIG) == set()
    check_sums(run)


def test_ingest_asks_no_more_for_what_was_taken_down(tmp_path: Path):
    with HostileServer() as server:
        rows = [{"url": server.url(f"image/{n}"), "caption": f"A small harbour, number {n}"} for n in range(12)]
        ingesting.write_list(tmp_path / "a.parquet", rows)
        flags = ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out")
        ingesting.run(*flags)
        run = ingesting.run_folder(tmp_path / "out")
        assert {"ingest/samples", "download"} <= found_in(tmp_path / "out", picture(3))
        assert forget.main([str(run), "--url", server.url("image/3")]) == 0
        for needle in (picture(3), b"image/3", b"number 3"):
            assert found_in(tmp_path / "out", needle) == set()
        check_sums(run)
        check_fragments(tmp_path / "out")
        left, told = by_place(run), json.loads((run / "funnel.json").read_text())
        shutil.rmtree(run)
        ingesting.run(*flags)  # from the fragments: some of them know the step, others do not
        assert by_place(run) == left
        assert json.loads((run / "funnel.json").read_text()) == told
        by_image = frozenset(row["image_hash"] for row in left.values() if row["url"] == server.url("image/4"))
        asked_for = Forgotten(image_hashes=by_image, urls=frozenset([forgotten.url_hash(server.url("image/3"))]))
        forgotten.add(str(tmp_path / "fresh"), asked_for)
        before = server.paths["/image/3"]
        ingesting.run(*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "fresh"))
    fresh = by_place(ingesting.run_folder(tmp_path / "fresh"))
    assert server.paths["/image/3"] == before > 0
    proof = [row for row in fresh.values() if row["reason"] == "taken_down"]
    assert sorted(row["image_hash"] is None for row in proof) == [False, True]
    for needle in (picture(3), b"image/3", b"number 3", picture(4), b"image/4", b"number 4"):
        assert found_in(tmp_path / "fresh", needle) == set()
    check_sums(ingesting.run_folder(tmp_path / "fresh"))
