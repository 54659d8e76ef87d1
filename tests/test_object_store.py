"""The whole job with its input and its output on a store, by the command that a user types: the same run as on a disk."""

import io
import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
import yaml

from pipelines.report import page
from tests import images, jobs
from tests.gcs_server import GcsServer
from tests.scripted_server import Call, Reply, ScriptedServer, answer

POOL = "gs://in/pool"
SPLIT_SAMPLES = "--set=input.split_samples=10"
PLACE = {"source_path", "split_id", "row", "merged_into"}
"""Columns that say where a row lies: a split is named by the path of its file, and the time of its change."""
CLOCK = {"answer_seconds"}


def samples() -> list[images.Sample]:
    """Return 40 good samples of which six show pictures of others, one without words, one that is no image, and one without any."""
    good = [images.sample(n % 34, f"A small harbour at dusk, print number {n}", number=n) for n in range(40)]
    words = {"txt": "A broken harbour, print number 40"}
    return [*good, {"jpg": images.photo(50), "txt": "IMG_0001.jpg"}, {"jpg": images.html(), **words}, words]


@dataclass
class World:
    """A pool on a disk and on a store, and a captioner that can be made to hang."""

    gcs: GcsServer
    server: ScriptedServer
    disk: Path
    hang_after: list[int] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)

    def flags(self, output: str, *more: str) -> list[str]:
        pool = POOL if output.startswith("gs://") else str(self.disk / "pool")
        return jobs.flags_for(pool, output, self.server.endpoint, SPLIT_SAMPLES, *more)  # type: ignore[arg-type]

    def run(self, output: str, *more: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        return jobs.run(*self.flags(output, *more), status=status)

    def asked(self) -> list[str]:
        """Return the alt texts asked for since the last time, and forget them."""
        asked = self.server.alt_texts
        self.server.calls.clear()
        return asked

    def tree(self, output: str) -> dict[str, bytes]:
        """Return the objects below ``output``, without when runs were launched."""
        return {name: jobs.timeless(data) for name, data in self.gcs.tree(output).items()}

    def finished(self, output: str) -> dict[str, bytes]:
        """Return the files of the one finished run below ``output``."""
        if output.startswith("gs://"):
            return {name.partition("/")[2]: data for name, data in self.tree(f"{output}/recaption").items()}
        run = jobs.run_folder(Path(output))
        return {str(path.relative_to(run)): jobs.timeless(path.read_bytes()) for path in sorted(run.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")

    def reply(call: Call) -> Reply:
        if not made.hang_after or call.number < made.hang_after[0]:
            return answer(call)
        made.hanging.set()
        return Reply(hold=threading.Event())

    with GcsServer() as gcs, ScriptedServer(reply) as server, pytest.MonkeyPatch.context() as monkeypatch:
        gcs.stand_in(folder, monkeypatch)
        made = World(gcs, server, folder)
        for number in range(3):
            path = images.write_tar(
                folder / "pool" / f"{number}.tar", [{"__key__": f"{n:03d}", **s} for n, s in enumerate(samples())][number::3]
            )
            gcs.put(f"{POOL}/{number}.tar", Path(path).read_bytes())
        yield made


@pytest.fixture(scope="module")
def here(world: World) -> dict[str, bytes]:
    world.run(str(world.disk / "out"))
    world.asked()
    return world.finished(str(world.disk / "out"))


@pytest.fixture(scope="module")
def there(world: World) -> dict[str, bytes]:
    world.run("gs://out/runs")
    assert len(world.asked()) == 34
    return world.finished("gs://out/runs")


def rows(files: dict[str, bytes], table: str, pool: str) -> list[dict]:
    """Return the rows of one table by their place in ``pool``, with the place that a merged row went to in the pool's terms."""
    everywhere = {(row["split_id"], row["row"]): row for row in _rows(files, "ledger")}
    found = _rows(files, table)
    for row in found:
        row["source_path"] = row["source_path"].rpartition("/")[2]
        if row.get("merged_into"):
            row["into"] = everywhere[row["merged_into"]["split_id"], row["merged_into"]["row"]]["source_member"]
        if row.get("error"):
            row["error"] = row["error"].replace(pool, "POOL")
    return sorted(found, key=lambda row: (row["source_path"], row["source_offset"]))


def _rows(files: dict[str, bytes], table: str) -> list[dict]:
    tables = [pq.read_table(io.BytesIO(data)) for name, data in files.items() if name.startswith(table + "/")]
    return pa.concat_tables(tables).to_pylist()


@pytest.mark.parametrize("table", ["samples", "ledger", "dead"])
def test_only_columns_that_name_the_place_or_the_clock_differ(world: World, here: dict[str, bytes], there: dict[str, bytes], table: str):
    ours, theirs = rows(here, table, str(world.disk / "pool")), rows(there, table, POOL)
    assert len(ours) == len(theirs) == {"samples": 34, "ledger": 43, "dead": 2}[table]
    differing = {
        name for mine, other in zip(ours, theirs, strict=True) for name in mine.keys() | other if mine.get(name) != other.get(name)
    }
    assert differing <= PLACE | CLOCK
    assert {row["source_path"].rpartition("/")[0] for row in _rows(there, table)} == {POOL}


def test_the_funnel_is_the_same_byte_for_byte_and_the_manifest_but_for_names_and_sizes(here: dict[str, bytes], there: dict[str, bytes]):
    assert there["funnel.json"] == here["funnel.json"]
    ours, theirs = (json.loads(files["manifest.json"]) for files in (here, there))
    for key in ("pipeline", "passes", "code", "exits"):
        assert theirs[key] == ours[key]
    assert [(f["path"], f["rows"]) for f in theirs["files"]] == [(f["path"], f["rows"]) for f in ours["files"]]
    for name in ("prompt_tokens", "completion_tokens"):
        assert theirs["spent"][name] == ours["spent"][name]


def test_the_manifest_describes_the_objects_and_the_pages_lie_beside_them(there: dict[str, bytes], here: dict[str, bytes]):
    listed = {f["path"]: (f["bytes"], f["xxh3_128"]) for f in json.loads(there["manifest.json"])["files"]}
    shards = {name: (len(data), xxhash.xxh3_128_hexdigest(data)) for name, data in there.items() if name.endswith(".parquet")}
    assert listed == shards
    assert set(there) == set(here) == {*shards, "README.md", "funnel.json", "job.yaml", "report.html", "report.json", "manifest.json"}
    job, local = yaml.safe_load(there["job.yaml"]), yaml.safe_load(here["job.yaml"])
    assert job["input"].pop("path") == POOL
    local["input"].pop("path")
    assert job == local
    kept = [page.embedded(files["report.html"])["gallery"][0] for files in (there, here)]
    pictures = [{card["thumbnail"] for card in group["cards"]} - {None} for group in kept]
    assert len(pictures[0]) > 20
    assert pictures[0] == pictures[1]


def test_a_finished_run_is_shown_again_and_nothing_is_asked_or_written(world: World, there: dict[str, bytes]):
    world.gcs.uses.clear()
    done = world.run("gs://out/runs")
    assert "kept 34 samples" in done.stdout
    assert "gs://out/runs/recaption/" in done.stdout
    assert world.server.calls == []
    assert {use.kind for use in world.gcs.uses} <= {"list", "look", "read"}


def test_a_dry_run_counts_the_stored_answers_and_writes_nothing(world: World, there: dict[str, bytes]):
    world.gcs.uses.clear()
    done = world.run("gs://out/runs", "--dry_run")
    assert "model calls  at most 9 (34 answers are stored already)" in done.stdout
    assert "3 shards, 6 splits, 43 samples" in done.stdout
    assert world.server.calls == []
    assert {use.kind for use in world.gcs.uses} <= {"list", "look", "read"}


def test_damaged_fragments_and_shards_of_another_attempt_change_nothing(world: World, there: dict[str, bytes]):
    before = world.tree("gs://out/runs")
    planted = {}
    for name, data in before.items():
        folder, _, file = name.rpartition("/")
        if folder.startswith(("annotate/", "recaption-pass/")):
            planted[f"{folder}/{file.split('.')[0]}.{'0' * 32}.parquet"] = data[: len(data) // 2]
            planted[f"{folder}/{file.split('.')[0]}.{'1' * 32}.parquet"] = b""
        if folder.startswith("recaption/"):
            del world.gcs.objects[f"gs://out/runs/{name}"]
    run = next(name for name in before if name.endswith("manifest.json")).removesuffix("manifest.json")
    for name, data in planted.items():
        world.gcs.put(f"gs://out/runs/{name}", data)
    for name in ("samples/", "samples/samples-00009.parquet", "ledger/ledger-00000.parquet"):
        world.gcs.put(f"gs://out/runs/{run}{name}", b"half a shard")
    world.run("gs://out/runs")
    assert world.asked() == []
    marks = {f"{run}samples/": b"half a shard"}
    assert world.tree("gs://out/runs") == {**before, **planted, **marks}
    for name in (*planted, *marks):
        del world.gcs.objects[f"gs://out/runs/{name}"]


def test_a_kill_costs_no_stored_answer_and_changes_no_byte(world: World, there: dict[str, bytes]):
    one_at_a_time = "--set=captioner.max_in_flight=1"
    world.asked()
    world.hang_after.append(29)
    job = jobs.start(*world.flags("gs://out/killed", one_at_a_time))
    assert world.hanging.wait(60)
    job.send_signal(signal.SIGKILL)
    job.wait()
    world.hang_after.clear()
    first = Counter(world.asked())
    stored = [data for name, data in world.gcs.tree("gs://out/killed").items() if name.startswith("answers/")]
    kept = {json.loads(line)["key"] for data in stored for line in data.splitlines()[1:]}
    assert world.finished("gs://out/killed") == {}
    assert len(kept) > 10
    world.run("gs://out/killed", one_at_a_time)
    again = Counter(world.asked())
    assert len(first | again) == 34
    assert sum((first & again).values()) <= sum(first.values()) - len(kept)

    give_answers(world, "gs://out/killed", "gs://out/undisturbed")
    world.run("gs://out/undisturbed", one_at_a_time)
    assert world.asked() == []
    but_answers = [
        {name: data for name, data in world.tree(f"gs://out/{output}").items() if not name.startswith("answers/")}
        for output in ("killed", "undisturbed")
    ]
    assert but_answers[0] == but_answers[1]


def give_answers(world: World, source: str, target: str) -> None:
    for name, data in world.gcs.tree(source).items():
        if name.startswith("answers/"):
            world.gcs.put(f"{target}/{name}", data)


def test_two_processes_write_the_same_bytes_and_fragments_are_let_go_once_the_manifest_stands(world: World, there: dict[str, bytes]):
    give_answers(world, "gs://out/runs", "gs://out/let-go")
    world.run("gs://out/let-go", "--set=output.keep_fragments=false", "--direct_num_workers=2", "--direct_running_mode=multi_processing")
    assert world.asked() == []
    assert {name for name in world.gcs.tree("gs://out/let-go") if name.startswith("recaption-pass/")} == set()
    left = world.finished("gs://out/let-go")
    telling_the_job = {"job.yaml", "report.html", "report.json"}
    assert {n: d for n, d in left.items() if n not in telling_the_job} == {n: d for n, d in there.items() if n not in telling_the_job}
    reports = [page.embedded(files["report.html"]) for files in (left, there)]
    for report in reports:
        del report["run"]["config"]
    assert reports[0] == reports[1]
    assert "kept 34 samples" in world.run("gs://out/let-go", "--set=output.keep_fragments=false").stdout


def test_a_store_that_refuses_stops_the_run_in_one_line_and_what_was_done_is_kept(world: World, there: dict[str, bytes]):
    give_answers(world, "gs://out/runs", "gs://out/refused")
    for kind, where in (("list", "/pool"), ("read", "/pool/1.tar"), ("write", "/recaption-pass/"), ("write", "/manifest.json")):
        world.gcs.refuse = lambda use, kind=kind, where=where: use.kind == kind and where in use.path
        done = world.run("gs://out/refused", status=1)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("stopped: expected to reach")
        assert where in last
        assert "run the same command again" in last
        assert "manifest.json" not in world.finished("gs://out/refused")
    world.gcs.refuse = lambda _: False
    world.run("gs://out/refused")
    assert world.asked() == []
    assert world.finished("gs://out/refused") == there
