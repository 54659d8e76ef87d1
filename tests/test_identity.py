"""The same input and the same answers give the same bytes, whatever the number of workers and whatever others left lying about."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.pairs.source import Input
from pipelines.recaption.job import Job
from pipelines.recaption.plan import Plan, plan_run
from pipelines.spine import fragments
from schemas.batches import set_columns
from synth.captioner import CaptionerSpec
from tests import images, jobs
from tests.scripted_server import ScriptedServer


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    samples = [images.sample(n % 80, f"A small harbour at dusk, print number {n}", number=n) for n in range(100)]
    for shard in range(2):
        images.write_tar(folder / f"{shard}.tar", samples[shard::2])
    return folder


@dataclass(frozen=True)
class First:
    """A finished run, and the server that it asked: the endpoint stands in ``job.yaml``."""

    output: Path
    server: ScriptedServer


@pytest.fixture(scope="module")
def first(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    output = tmp_path_factory.mktemp("first")
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(pool, output, server.endpoint))
        yield First(output, server)


def again(pool: Path, first: First, output: Path, *more: str) -> list[str]:
    """Run the job in ``output`` with the answers of ``first``; returns the alt texts that were asked for all the same."""
    shutil.copytree(first.output / "answers", output / "answers", dirs_exist_ok=True)
    before = len(first.server.alt_texts)
    jobs.run(*jobs.flags_for(pool, output, first.server.endpoint, *more))
    return first.server.alt_texts[before:]


@pytest.mark.parametrize(
    "workers",
    [
        ["--direct_num_workers=1"],
        ["--direct_num_workers=2", "--direct_running_mode=multi_threading"],
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
    ],
    ids=["one", "threads", "processes"],
)
def test_the_bytes_do_not_depend_on_the_workers(pool: Path, first: First, tmp_path: Path, workers: list[str]):
    assert again(pool, first, tmp_path, *workers) == []
    assert jobs.tree(tmp_path, but=["answers"]) == jobs.tree(first.output, but=["answers"])


def test_a_finished_run_is_shown_again_without_any_request(pool: Path, first: First):
    before, calls = jobs.tree(first.output), len(first.server.calls)
    shown = jobs.run(*jobs.flags_for(pool, first.output, first.server.endpoint))
    assert len(first.server.calls) == calls
    assert "Merge exact duplicates" in shown.stdout
    assert jobs.tree(first.output) == before


@pytest.mark.parametrize("name", ["annotate", "recaption-pass"])
def test_what_zombies_and_dying_writers_leave_changes_nothing(pool: Path, first: First, tmp_path: Path, name: str):
    output = tmp_path / "output"
    shutil.copytree(first.output, output)
    shutil.rmtree(output / "recaption")
    fragment = next(output.glob(f"{name}/*/*.parquet"))
    key = fragments.key_of(str(fragment))
    stray = pa.record_batch({"nothing": pa.array([1])})
    fragments.write(str(fragment.parent), "0" * 32, stray)
    fragment.with_name(f"{key}.{'0' * 32}.parquet").write_bytes(fragment.read_bytes()[:-9])
    fragment.with_name(f".writing-{'0' * 32}-{key}.{'1' * 32}.parquet").write_bytes(b"half")
    differing = fragments.write(str(fragment.parent), key, stray)
    if differing < str(fragment):  # only an attempt that sorts behind loses to what the first run took
        Path(differing).rename(fragment.with_name(f"{key}.{'f' * 32}.parquet"))
    assert again(pool, first, output) == []
    assert jobs.tree(output / "recaption") == jobs.tree(first.output / "recaption")
    assert list(output.glob("*/*/.writing-*")) == []


def test_a_new_shard_is_added_without_asking_again(pool: Path, tmp_path: Path):
    grown, output = tmp_path / "pool", tmp_path / "output"
    shutil.copytree(pool, grown, copy_function=shutil.copy2)
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(grown, output, server.endpoint))
        asked, fragments_before = len(server.alt_texts), jobs.tree(output / "recaption-pass")
        images.write_tar(grown / "9.tar", [images.sample(n, f"A wide river at dawn, print number {n}") for n in range(200, 210)])
        jobs.run(*jobs.flags_for(grown, output, server.endpoint))
    assert len(server.alt_texts) == asked + 10
    assert jobs.tree(output / "recaption-pass").items() > fragments_before.items()


def test_a_file_added_to_the_front_of_a_folder_asks_again_for_few_others(tmp_path: Path):
    folder, output = tmp_path / "pool", tmp_path / "output"
    for n in range(60):
        images.write_file(folder / f"{n:03}.jpg", images.photo(n))
        images.write_file(folder / f"{n:03}.txt", f"A small harbour at dusk, print number {n}")
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(folder, output, server.endpoint, "--set=input.split_samples=8"))
        images.write_file(folder / "000-new.jpg", images.photo(99))
        images.write_file(folder / "000-new.txt", "A wide river at dawn, print number 99")
        jobs.run(*jobs.flags_for(folder, output, server.endpoint, "--set=input.split_samples=8"))
    again = len(server.alt_texts) - 61
    assert 0 <= again <= 16, "the splits next to the new file are asked again, and no others"


def test_a_limit_takes_the_first_images_of_a_folder_of_many_splits(tmp_path: Path):
    for n in range(40):
        images.write_file(tmp_path / "pool" / f"{n:03}.jpg", images.photo(n))
        images.write_file(tmp_path / "pool" / f"{n:03}.txt", f"A small harbour at dusk, print number {n}")
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint, "--set=input.split_samples=6", "--limit=9"))
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select parse_filename(source_path) from ledger order by 1") == [(f"{n:03}.jpg",) for n in range(9)]


def test_the_input_is_the_same_from_whatever_folder_it_is_named(pool: Path, monkeypatch: pytest.MonkeyPatch):
    def planned(path: str) -> Plan:
        return plan_run(Job(input=Input(path=path), captioner=CaptionerSpec(prompt="recaption")))

    from_here = planned(str(pool))
    monkeypatch.chdir(pool.parent)
    assert planned(pool.name).run_id == planned(f"./{pool.name}/").run_id == from_here.run_id


def test_an_attempt_that_sorts_first_and_arrives_before_the_manifest_is_taken_whole(pool: Path, first: First, tmp_path: Path):
    """A run that ended between its shards and its manifest is finished from other fragments: nothing of the earlier shards may stay."""
    output = tmp_path / "output"
    shutil.copytree(first.output, output)
    run = jobs.run_folder(output)
    (run / "manifest.json").unlink()
    for fragment in output.glob("recaption-pass/*/*.parquet"):
        batch = fragments.read(str(fragment))
        twin = set_columns(batch, {"caption": pa.array(["A late twin of a caption."] * len(batch))}, batch.schema)
        other = Path(fragments.write(str(fragment.parent), fragments.key_of(str(fragment)), twin))
        if fragment < other:
            fragment.unlink()
    assert again(pool, first, output, "--set=output.shard_mb=2") == []
    listed = {file["path"]: file for file in json.loads((run / "manifest.json").read_text())["files"]}
    found = {f"{table}/{path.name}" for table in ("samples", "ledger", "dead") for path in (run / table).iterdir()}
    assert found == listed.keys()
    assert jobs.query(run, "select distinct caption from samples") == [("A late twin of a caption.",)]
    assert jobs.query(run, "select count(*) from ledger")[0][0] == 100


def test_another_threshold_decides_again_without_decoding_or_asking(pool: Path, first: First, tmp_path: Path):
    output = tmp_path / "output"
    shutil.copytree(first.output, output)
    annotations = jobs.tree(output / "annotate")
    assert again(pool, first, output, "--set=image_size.min_side=10") == []
    assert jobs.tree(output / "annotate") == annotations
    assert len(list(output.glob("recaption/*/manifest.json"))) == 2


def test_a_limit_takes_the_first_samples_and_a_higher_one_asks_only_for_the_rest(pool: Path, tmp_path: Path):
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(pool, tmp_path, server.endpoint, "--limit=25"))
        asked = len(server.alt_texts)
        jobs.run(*jobs.flags_for(pool, tmp_path, server.endpoint, "--limit=37"))
    assert asked == 25
    assert len(server.alt_texts) == 37
    rows = sorted(jobs.query(path.parent, "select count(*) from ledger")[0][0] for path in tmp_path.glob("recaption/*/manifest.json"))
    assert rows == [25, 37]


def test_fragments_go_once_the_manifest_stands_if_the_job_says_so(pool: Path, first: First, tmp_path: Path):
    again(pool, first, tmp_path, "--set=output.keep_fragments=false")
    assert list(tmp_path.glob("recaption-pass/*/*")) == []
    samples = {name: hashed for name, hashed in jobs.tree(jobs.run_folder(tmp_path)).items() if name.endswith(".parquet")}
    assert samples == {name: hashed for name, hashed in jobs.tree(jobs.run_folder(first.output)).items() if name.endswith(".parquet")}


def test_a_run_that_was_killed_behind_its_manifest_lets_its_fragments_go_at_the_next_start(pool: Path, first: First, tmp_path: Path):
    again(pool, first, tmp_path)
    kept = sorted(path for path in tmp_path.glob("recaption-pass/*/*"))
    name = jobs.run_folder(tmp_path).name
    others = kept[0].with_name("0" * 32 + "-0123456789abcdef.0.parquet")
    others.write_bytes(b"of a run over another input")
    keys = [path.name.split(".")[0] for path in kept]
    for number, part in enumerate((keys[::2], keys[1::2])):  # what stands there between the manifest and the end
        kept[0].with_name(f"{name}-{number:05d}.going").write_text(json.dumps(part))
    before = len(first.server.calls)
    assert again(pool, first, tmp_path) == []
    assert sorted(path for path in tmp_path.glob("recaption-pass/*/*.parquet")) == sorted([*kept, others]), "the job does not ask for it"
    assert again(pool, first, tmp_path, "--set=output.keep_fragments=false") == []
    assert list(tmp_path.glob("recaption-pass/*/*")) == [others]
    assert len(first.server.calls) == before
