"""What no sample is to blame for stops the run, and is never a dead letter."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.pairs.images import images_of
from pipelines.pairs.source import Input
from pipelines.recaption.job import Job
from pipelines.recaption.launch import execute
from pipelines.recaption.plan import plan_run
from pipelines.spine import flags, storage
from pipelines.spine.answers import ObjectStorage
from pipelines.spine.commit import Output
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step, start
from schemas.exits import EnvironmentFault
from schemas.protocols import Answer
from synth.answers import AnswerStore
from synth.captioner import CaptionerSpec
from tests import images, jobs
from tests.scripted_server import ScriptedServer

ANSWER = Answer("A boat.", "stop", 1, 1, 0.1)


@dataclass(frozen=True)
class Broken:
    def load(self) -> object:
        raise ImportError("no module named torch")


def test_a_model_that_cannot_be_loaded_stops_the_run():
    with pytest.raises(EnvironmentFault, match="no module named torch; run: make doctor"):
        run_step(start(pa.record_batch({"n": [1, 2]})), "Look", lambda _: loaded(Broken()))


def test_a_store_that_cannot_be_reached_stops_the_run(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> list[str]:
        raise OSError("503 slow down")

    monkeypatch.setattr(storage, "list_files", refuse)
    with pytest.raises(EnvironmentFault, match="503 slow down"):
        AnswerStore("gs://bucket/answers", "model", ObjectStorage()).open("split")


def put_sixteen(store: AnswerStore) -> None:
    with store.open("s") as answers:
        answers.expect([str(n) for n in range(16)])
        for n in range(16):
            answers.put(str(n), ANSWER)


def test_answers_that_a_store_did_not_take_are_offered_again():
    class Hiccup:
        def __init__(self) -> None:
            self.files: dict[str, bytes] = {}
            self.calls = 0

        def list(self, folder: str) -> list[str]:
            return [path for path in self.files if path.startswith(folder)]

        def read(self, path: str) -> bytes:
            return self.files[path]

        def append(self, path: str, data: bytes) -> None:
            self.calls += 1
            if self.calls == 1:
                raise EnvironmentFault("hiccup")
            self.files[path] = data

    store = Hiccup()
    with pytest.raises(EnvironmentFault):
        put_sixteen(AnswerStore("gs://b/answers", "m", store))
    (data,) = store.files.values()
    header, *lines = data.splitlines()
    assert json.loads(header)["requests"] == 16
    assert {json.loads(line)["key"] for line in lines} == {str(n) for n in range(16)}


def test_a_disk_that_takes_nothing_is_answered_with_what_to_do_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(EnvironmentFault, match="No space left on device; free the disk"):
        storage.write(str(tmp_path / "file"), b"data")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_stops_the_job_in_one_line(tmp_path: Path):
    images.write_tar(tmp_path / "pool" / "pool.tar", [images.sample(1)])
    (tmp_path / "file").write_text("not a folder")
    with ScriptedServer() as server:
        done = jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "file", server.endpoint), status=1)
    assert done.stderr.splitlines()[-1].startswith("stopped: expected to write")


def test_a_second_run_of_the_same_job_waits_for_nobody_and_says_so(tmp_path: Path):
    images.write_tar(tmp_path / "pool" / "pool.tar", [images.sample(n, f"A small harbour, print {n}") for n in range(3)])
    with ScriptedServer() as server:
        flags = jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint)
        jobs.run(*flags)
        shutil.rmtree(tmp_path / "out" / "recaption")
        (lock,) = tmp_path.glob("out/locks/*")
        shutil.copytree(tmp_path / "pool", tmp_path / "other")
        other = jobs.flags_for(tmp_path / "other", tmp_path / "out", server.endpoint)
        with storage.locked(str(lock)):
            refused = jobs.run(*flags, "--set=image_size.min_side=10", status=1)
            jobs.run(*other)
        assert refused.stderr.splitlines()[-1].startswith("stopped: another run of this job holds")
        jobs.run(*flags)
    assert len(server.alt_texts) == 6


@pytest.mark.parametrize("setting", ["input.split_samples=0", "input.split_mb=-3", "output.shard_mb=0", "limits.max_dead_ratio=-1"])
def test_a_size_of_nothing_is_refused_with_its_section(tmp_path: Path, setting: str):
    section, name = setting.split("=")[0].split(".")
    assert f"refused: '{section}': {name}" in jobs.run(f"--set={setting}", f"--input={tmp_path}", status=2).stderr


def test_a_source_that_goes_while_the_run_is_on_is_a_fault_with_advice(tmp_path: Path):
    source = {"source_path": str(tmp_path / "gone.jpg"), "source_offset": 0, "source_bytes": 1, "source_member": None, "image_hash": "x"}
    batch = pa.RecordBatch.from_pylist([source])
    with pytest.raises(EnvironmentFault, match="put it back"):
        list(images_of(batch, np.array([True]), "annotation"))


def test_a_file_that_is_gone_when_a_block_reads_it_is_not_told_as_a_full_disk(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="other"):
        copy(tmp_path / "other", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def copy(source: Path, target: Path) -> None:
    with storage.writing(str(target)) as file:
        file.write(source.read_bytes())


def test_a_folder_that_changes_after_the_run_was_named_stops_it(tmp_path: Path):
    images.write_file(tmp_path / "pool" / "a.jpg", images.photo(1))
    plan = plan_run(
        Job(input=Input(path=str(tmp_path / "pool")), captioner=CaptionerSpec(prompt="recaption"), output=Output(folder=str(tmp_path)))
    )
    images.write_file(tmp_path / "pool" / "b.jpg", images.photo(2))
    with pytest.raises(EnvironmentFault, match="changed after the run was named"):
        execute(plan, Broken(), flags.parse([], ""))
    assert not Path(plan.at.run).exists()


def test_equal_lines_in_different_splits_are_all_accounted_for(tmp_path: Path):
    images.write_file(tmp_path / "pool" / "a.jpg", images.photo(1))
    line = json.dumps({"file_name": "a.jpg", "text": "A small harbour at dusk"})
    images.write_file(tmp_path / "pool" / "metadata.jsonl", "\n".join([line] * 5))
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint, "--set=input.split_samples=2"))
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select exit, count(*) from ledger group by 1 order by 1") == [("kept", 1), ("merged", 4)]


@pytest.mark.parametrize("name", ["photos #1", "2024", "no", "a: b", "*.tar"])
def test_a_path_is_taken_as_it_is(name: str):
    assert flags.parse(["--input", name], "").settings == {"input": {"path": name}}
