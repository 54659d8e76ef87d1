"""``jobs.why`` and ``jobs.forget`` on runs that lie on a store: the words and the bytes of the same files on a disk."""

import gc
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobs import forget, why
from tests import curating, finished, images, jobs
from tests.finished import TWIN
from tests.gcs_server import GcsServer
from tests.scripted_server import ScriptedServer
from tests.test_forget import check_fragments, check_sums, found_in
from tests.test_forget_pipelines import POOL as CHAIN
from tests.test_forget_pipelines import url

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""Beam makes a client of the store for each call and leaves its connection to the collector."""
OUT = "gs://out/runs"


@dataclass(frozen=True)
class Store:
    """A store that holds pools and finished runs of two pipelines over them."""

    gcs: GcsServer
    server: ScriptedServer

    def run(self, pipeline: str, output: str = OUT) -> str:
        """Return the one finished run of ``pipeline`` below ``output``."""
        (manifest,) = [name for name in self.gcs.tree(output) if name.startswith(f"{pipeline}/") and name.endswith("/manifest.json")]
        return f"{output}/{manifest.removesuffix('/manifest.json')}"

    def recaption(self) -> None:
        jobs.run(*finished.flags("gs://in/pool", OUT, self.server.endpoint))  # type: ignore[arg-type]

    def curate(self) -> None:
        off = [f"--set={name}=null" for name in ("balance", "embedder", "near_text")]
        curating.run("--input=gs://in/chain", f"--output={OUT}", *off)

    def on_disk(self, folder: Path) -> Path:
        """Write what lies below the output folder to a disk, and return where."""
        for name, data in self.gcs.tree(OUT).items():
            images.write_file(folder / name, data)
        return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    chain = [{"__key__": name, "jpg": data, "txt": text, "json": {"url": url(name)}} for name, (data, text) in CHAIN.items()]
    pools = {"pool": finished.write_pool(folder / "pool"), "chain": Path(images.write_tar(folder / "chain" / "0.tar", chain)).parent}
    with GcsServer() as gcs, ScriptedServer(finished.reply) as server, pytest.MonkeyPatch.context() as monkeypatch:
        gcs.stand_in(folder, monkeypatch)
        for name, pool in pools.items():
            for path in sorted(pool.iterdir()):
                gcs.put(f"gs://in/{name}/{path.name}", path.read_bytes())
        made = Store(gcs, server)
        made.recaption()
        made.curate()
        yield made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def as_it_was(store: Store) -> Iterator[None]:
    """Put the store back after each test."""
    before = dict(store.gcs.objects)
    yield
    store.gcs.objects.clear()
    store.gcs.objects.update(before)


def left_on(disk: Path) -> dict[str, bytes]:
    """Return the files below ``disk`` but its locks, which a store has none of."""
    files = {str(path.relative_to(disk)): path for path in sorted(disk.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith("locks/")}


def told(capsys: pytest.CaptureFixture[str], run: str, *words: str) -> dict:
    assert why.main([run, "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("pipeline", "address"), [("recaption", finished.url(TWIN)), ("recaption", finished.url(5)), ("captions", url("again"))]
)
def test_the_story_is_that_of_the_same_run_on_a_disk(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], pipeline: str, address: str
):
    there = store.run(pipeline)
    here = store.on_disk(tmp_path) / there.removeprefix(OUT + "/")
    store.gcs.uses.clear()
    story = told(capsys, there, "--url", address)
    assert {use.kind for use in store.gcs.uses} <= {"list", "look", "read"}
    expected = told(capsys, str(here), "--url", address)
    assert story == {**expected, "run": there}
    assert story["rows"]
    if pipeline == "captions":
        assert [row["exit"] for row in story["rows"][0]["merged_into"]] == ["merged", "kept"], "an exact twin of a near-duplicate"


@pytest.mark.parametrize(("pipeline", "address"), [("recaption", finished.url(3)), ("captions", url("again"))])
def test_a_take_down_leaves_the_bytes_that_one_on_a_disk_leaves(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], pipeline: str, address: str
):
    there = store.run(pipeline)
    here = store.on_disk(tmp_path) / there.removeprefix(OUT + "/")
    assert forget.main([str(here), "--url", address]) == 0
    said = capsys.readouterr().out.replace(str(tmp_path), OUT)
    assert forget.main([there, "--url", address]) == 0
    assert capsys.readouterr().out == said
    assert store.gcs.tree(OUT) == left_on(tmp_path)
    assert found_in(tmp_path, address.encode()) == set()
    check_sums(here)
    check_fragments(tmp_path)
    assert why.main([there, "--url", address]) == 1
    assert "it is on the list of what was taken down" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(store: Store, capsys: pytest.CaptureFixture[str]):
    before = dict(store.gcs.objects)
    assert forget.main([store.run("recaption"), "--url", finished.url(0), "--dry_run"]) == 0
    assert "1 rows would be taken down (1 kept, 0 dropped, 0 merged, 0 dead)" in capsys.readouterr().out
    assert store.gcs.objects == before


def test_a_store_that_refuses_stops_in_one_line_and_the_same_command_goes_on(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Ended by answers, fragments, tables and the manifest: what is done is found done."""
    there, words = store.run("recaption"), ["--url", finished.url(3)]
    here = store.on_disk(tmp_path) / there.removeprefix(OUT + "/")
    assert forget.main([str(here), *words]) == 0
    for kind, where in (("write", "/answers/"), ("delete", "/recaption-pass/"), ("write", "/ledger/"), ("write", "/manifest.json")):
        capsys.readouterr()
        store.gcs.refuse = lambda use, kind=kind, where=where: use.kind == kind and where in use.path
        assert forget.main([there, *words]) == 1, where
        said = capsys.readouterr().err
        assert said.startswith("error: expected to reach"), said
        assert where in said
    store.gcs.refuse = lambda _: False
    assert forget.main([there, *words]) == 0
    assert store.gcs.tree(OUT) == left_on(tmp_path)


def test_what_was_taken_down_does_not_come_back_with_the_same_command(store: Store):
    run = store.run("recaption")
    assert forget.main([run, "--url", finished.url(3)]) == 0
    for name in store.gcs.tree(run):
        del store.gcs.objects[f"{run}/{name}"]
    asked = len(store.server.alt_texts)
    store.recaption()
    assert len(store.server.alt_texts) == asked
    for text in (finished.text(3), finished.text(TWIN), finished.url(3)):
        assert [name for name, data in store.gcs.tree(OUT).items() if text.encode() in data] == []
