"""Caption curation run as a user runs it, against plain loops that share no code with it."""

import io
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import duckdb
import psutil
import pyarrow as pa
import pytest
from PIL import Image

from filters import signals
from jobs import fetch
from pipelines.captions import difference
from pipelines.captions.launch import main
from pipelines.pairs import annotate
from schemas import records
from schemas.weights import cache_dir, entry_of
from tests import curating, images, jobs
from tests.curating import Expected, Planted
from tests.scripted_server import ScriptedServer


@dataclass(frozen=True)
class Ran:
    """A finished run, and all that went into it."""

    pool: Path
    planted: list[Planted]
    output: Path

    @property
    def run(self) -> Path:
        return curating.run_folder(self.output)

    @property
    def flags(self) -> list[str]:
        return curating.flags_for(self.pool, self.output)

    def expected(self, t: int = curating.T, but: Sequence[str] = ()) -> Expected:
        rows = {name_of(row): row for row in ledger(self.run)}
        places = {name: (row["split_id"], row["row"]) for name, row in rows.items()}
        return curating.oracle(self.planted, places, {name: row["sample_id"] for name, row in rows.items()}, t, but)


def ledger(run: Path, table: str = "ledger") -> list[dict[str, Any]]:
    with duckdb.connect() as base:
        return base.sql(f"select * from read_parquet('{run}/{table}/*.parquet')").to_arrow_table().to_pylist()


def name_of(row: dict[str, Any]) -> str:
    return row["source_member"].removesuffix(".jpg")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("captions")
    planted = curating.write(folder / "pool")
    curating.run(*curating.flags_for(folder / "pool", folder / "out", "--direct_num_workers=1"))
    return Ran(folder / "pool", planted, folder / "out")


@pytest.fixture(scope="module")
def rows(ran: Ran) -> dict[str, dict[str, Any]]:
    return {name_of(row): row for row in ledger(ran.run)}


@pytest.fixture(scope="module")
def expected(ran: Ran) -> Expected:
    return ran.expected()


# What becomes of each sample.


def exits(rows: dict[str, dict[str, Any]]) -> dict[str, tuple]:
    names = {(row["split_id"], row["row"]): name for name, row in rows.items()}
    into = {name: row["merged_into"] and names[row["merged_into"]["split_id"], row["merged_into"]["row"]] for name, row in rows.items()}
    return {name: (row["exit"], row["step"], row["reason"], into[name]) for name, row in rows.items()}


def fates(expected: Expected) -> dict[str, tuple]:
    return {name: (fate.exit, fate.step, fate.reason, fate.into) for name, fate in expected.fates.items()}


def test_every_sample_leaves_by_the_door_that_the_oracle_says(ran: Ran, rows: dict[str, dict[str, Any]], expected: Expected):
    assert len(rows) == len(ran.planted)
    assert exits(rows) == fates(expected)
    met = Counter(row["reason"] for row in rows.values())
    assert met["exact_duplicate"] >= 7
    assert met["near_duplicate_image"] >= 15
    assert met["near_duplicate_text"] >= 6
    assert met["over_represented"] >= 20
    assert met["unmatched"] >= 4
    assert met[None] >= 20


def test_what_was_planted_is_what_the_oracle_was_told(rows: dict[str, dict[str, Any]]):
    """The oracle could share a mistake about the pool: some fates are said here in words."""
    found = exits(rows)
    assert {found[name][0] for name in ("short-0", "short-1", "crop10-50")} == {"kept"}, "short equal texts and strong crops stay"
    assert found["half-of-large"][2:] == ("near_duplicate_image", "large"), "the larger picture stays, whatever its alt text"
    assert found["copy-that-leaves"][2:] == ("no_alt_text", None)
    assert {found[f"text-{n}-upper"][2] for n in range(3)} | {found[f"text-{n}"][2] for n in range(3)} == {"near_duplicate_text"}
    assert {found[f"text-{n}-again"][0] == "merged" for n in range(3)} == {False}
    assert found["q40-of-20"][0] == found["twin-of-q40-of-20"][0] == "merged"
    assert {found[name][2] for name in ("inside-a-word", "nothing-0")} == {"unmatched"}


def test_representatives_carry_the_texts_and_counts_of_all_that_they_stand_for(ran: Ran, expected: Expected):
    samples = {name_of(row): row for row in ledger(ran.run, "samples")}
    kept = {name: fate for name, fate in expected.fates.items() if fate.exit == "kept"}
    assert samples.keys() == kept.keys()
    told = {name: (tuple(row["alt_texts"]), row["alt_text_count"], row["duplicate_count"]) for name, row in samples.items()}
    assert told == {name: (fate.alt_texts, fate.alt_text_count, fate.duplicate_count) for name, fate in kept.items()}
    assert max(len(texts) for texts, _, _ in told.values()) >= 3


def test_concepts_probabilities_and_draws_are_the_oracles(rows: dict[str, dict[str, Any]], expected: Expected):
    for name, fate in expected.fates.items():
        row = rows[name]
        concepts = None if fate.concepts is None else list(fate.concepts)
        assert (row["concepts"], row["concept_probability"]) == (concepts, fate.probability)
        if fate.reason == "over_represented":
            assert (row["value"], row["threshold"]) == (fate.drawn, fate.probability)
    tail = [name for name, fate in expected.fates.items() if any(expected.before[entry] <= curating.T for entry in fate.concepts or ())]
    assert len(tail) >= 3
    assert {rows[name]["exit"] for name in tail} == {"kept"}


def test_the_page_of_concepts_tells_what_became_of_head_and_tail(ran: Ran, expected: Expected):
    told = json.loads((ran.run / "concepts.json").read_text())
    before, after = expected.before, expected.after
    head = {entry for entry, number in before.items() if number > curating.T}
    tail = before.keys() - head
    share = {when: sum(counts[entry] for entry in head) / sum(counts.values()) for when, counts in (("before", before), ("after", after))}
    assert head
    assert told == {
        "t": curating.T,
        "entries": len(curating.ENTRIES),
        "matched_before": len(before),
        "matched_after": len(after),
        "matches_before": sum(before.values()),
        "matches_after": sum(after.values()),
        "head_entries": len(head),
        "head_share_before": pytest.approx(share["before"], abs=6e-5),
        "head_share_after": pytest.approx(share["after"], abs=6e-5),
        "tail_entries": len(tail),
        "tail_entries_kept": len(tail),
        "tail_matches_kept": 1.0,
    }


# Sums, files, readers.


def test_the_funnel_adds_up_and_is_that_of_the_oracle(ran: Ran, expected: Expected):
    funnel = json.loads((ran.run / "funnel.json").read_text())
    assert funnel[0]["entered"] == len(ran.planted)
    for step, later in zip(funnel, [*funnel[1:], None], strict=True):
        left = Counter(fate.reason for fate in expected.fates.values() if fate.step == step["step"])
        assert Counter({**step["dropped"], **step["merged"], **step["dead"]}) == left
        assert step["entered"] == step["kept"] + left.total()
        assert later is None or later["entered"] == step["kept"]
    manifest = json.loads((ran.run / "manifest.json").read_text())
    doors = Counter(fate.exit for fate in expected.fates.values())
    assert {door: number for door, number in manifest["exits"].items() if number} == doors
    assert funnel[-1]["kept"] == doors["kept"]
    assert {file["path"] for file in manifest["files"]} == {str(path.relative_to(ran.run)) for path in ran.run.glob("*/*.parquet")}
    assert sum(file["rows"] for file in manifest["files"] if file["path"].startswith("ledger")) == len(ran.planted)
    assert manifest["pipeline"] == "captions"


def test_the_ledger_has_its_columns_and_no_image(ran: Ran):
    with duckdb.connect() as base:
        for table, schema in (("samples", records.CURATED), ("ledger", records.CURATED_LEDGER), ("dead", records.DEAD_LETTER)):
            found = base.sql(f"describe select * from read_parquet('{ran.run}/{table}/*.parquet')").fetchall()
            assert [name for name, *_ in found] == schema.names
    ledger_names = records.CURATED_LEDGER.names
    assert {"exit", "step", "reason", "merged_into", "concepts", "perceptual_hashes", "alt_text_words", "clip_score"} <= set(ledger_names)
    assert not {"image", "image_embedding", "shingles", "minhash"} & set(ledger_names)
    assert {row["source_member"] for row in ledger(ran.run, "dead")} == {f"{name}.jpg" for name in ("cut", "page", "empty", "noise")}


def test_datasets_opens_the_kept_images_as_they_came(ran: Ran, tmp_path: Path):
    found = datasets.load_dataset(str(ran.run), split="train", cache_dir=str(tmp_path))
    data = {one.name: one.data for one in ran.planted}
    for row in found:
        with Image.open(io.BytesIO(data[name_of(row)])) as image:
            assert row["image"].size == image.size == (row["width"], row["height"])
    stored = {name_of(row): row["image"]["bytes"] for row in ledger(ran.run, "samples")}
    assert stored == {name: data[name] for name in stored}
    assert len(found) == len(stored)


def test_the_card_says_what_samples_went_through_and_what_is_off(ran: Ran):
    card = (ran.run / "README.md").read_text()
    for step in (
        curating.SIZE,
        curating.TEXTS,
        curating.EXACT,
        f"{curating.NEAR_IMAGE}: NearImage(",
        f"{curating.BALANCE}: ConceptBalance(",
    ):
        assert f"- {step}" in card
    assert "- Drop alt texts that do not fit their image: off" in card
    for off in ("Language", "Sexual content", "Faces", "Blocklist"):
        assert f"- {off}: off, nothing was left out for it." in card
    assert "- Personal data: dropped for card_number, email, phone in alt_text." in card
    assert "other languages" not in card


# The same bytes.


@pytest.mark.parametrize("mode", ["multi_threading", "multi_processing"])
def test_the_bytes_do_not_depend_on_the_workers(ran: Ran, tmp_path: Path, mode: str):
    curating.run(*curating.flags_for(ran.pool, tmp_path, "--direct_num_workers=2", f"--direct_running_mode={mode}"))
    assert jobs.tree(tmp_path) == jobs.tree(ran.output)


def kill_once(flags: list[str], reached: Callable[[], bool]) -> bool:
    """Start the job and kill it as soon as it has ``reached`` something; tell whether it had ended by itself."""
    job = curating.start(*flags)
    ended = False
    while not ended and not reached():
        try:
            job.wait(0.005)
            ended = True
        except subprocess.TimeoutExpired:
            continue
    job.send_signal(signal.SIGKILL)
    job.wait()
    _, alive = psutil.wait_procs([process for process in psutil.process_iter() if of_session(process, job.pid)], timeout=10)
    assert alive == []
    return ended


def of_session(process: psutil.Process, session: int) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def test_kills_at_four_moments_change_nothing_and_no_annotation_is_made_again(ran: Ran, tmp_path: Path):
    flags = curating.flags_for(ran.pool, tmp_path)

    def committed(pattern: str) -> dict[str, int]:
        return {
            str(path.relative_to(tmp_path)): path.stat().st_mtime_ns for path in tmp_path.glob(pattern) if not path.name.startswith(".")
        }

    whole = len(list(ran.output.glob("annotate/*/*.parquet")))
    assert whole >= 6
    moments = [("annotate/*/*.parquet", 1), ("annotate/*/*.parquet", whole // 2), ("captions-pass/*/*.parquet", 1)]
    annotated: dict[str, int] = {}
    for pattern, number in moments:
        assert not kill_once(flags, lambda pattern=pattern, number=number: len(committed(pattern)) >= number)
        assert committed("annotate/*/*.parquet").items() >= annotated.items()
        annotated = committed("annotate/*/*.parquet")
    assert len(annotated) == whole
    passed = committed("captions-pass/*/*.parquet")
    kill_once(flags, lambda: bool(committed("captions/*/samples/*.parquet")))
    curating.run(*flags)
    assert committed("annotate/*/*.parquet") == annotated
    assert committed("captions-pass/*/*.parquet").items() >= passed.items()
    assert jobs.tree(tmp_path) == jobs.tree(ran.output)


# Once more.


@pytest.fixture
def copied(ran: Ran, tmp_path: Path) -> Ran:
    """The finished run in a folder of its own, files as old as they were."""
    shutil.copytree(ran.output, tmp_path / "out", copy_function=shutil.copy2)
    return Ran(ran.pool, ran.planted, tmp_path / "out")


def stamped(folder: Path) -> dict[str, tuple[str, int]]:
    return {name: (digest, (folder / name).stat().st_mtime_ns) for name, digest in jobs.tree(folder).items()}


def test_a_finished_run_is_shown_again_and_nothing_is_done(ran: Ran, expected: Expected, capsys: pytest.CaptureFixture[str]):
    before = stamped(ran.output)
    assert main(ran.flags) == 0
    said = capsys.readouterr().out
    assert curating.NEAR_IMAGE in said
    merged = sum(fate.reason == "near_duplicate_image" for fate in expected.fates.values())
    assert f"{merged} merged: near_duplicate_image" in said
    kept = len(ledger(ran.run, "samples"))
    assert f"kept {kept:,} samples" in said
    assert "against" not in said
    assert stamped(ran.output) == before


def kept_and_left(run: Path) -> tuple[set[str], dict[str, tuple[str, str]]]:
    found = ledger(run)
    return {name_of(row) for row in found if row["exit"] == "kept"}, {name_of(row): (row["reason"], row["step"]) for row in found}


def test_another_threshold_decides_again_and_tells_what_it_changed(
    copied: Ran, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    expected, old = copied.expected(5, but=["too_small"]), copied.run
    before = stamped(copied.output / "annotate")

    def decoded(*_: object) -> None:
        raise AssertionError("an image was decoded again")

    monkeypatch.setattr(annotate, "measure", decoded)
    again = [*copied.flags, "--set=image_size.min_side=90", "--set=image_content.min_bytes=100", "--set=balance.t=5"]
    assert main(again) == 0
    said = capsys.readouterr().out
    assert stamped(copied.output / "annotate") == before
    (new,) = {path.parent for path in copied.output.glob("captions/*/manifest.json")} - {old}
    assert exits({name_of(row): row for row in ledger(new)}) == fates(expected)

    (kept_before, left_before), (kept_now, left_now) = kept_and_left(old), kept_and_left(new)
    came, went = kept_now - kept_before, kept_before - kept_now
    assert went, "fewer of the common ones stay"
    assert came, "a small picture of something rare stays"
    assert difference.main([str(old), str(new)]) == 0
    assert capsys.readouterr().out in said + "\n"
    with pytest.raises(SystemExit):
        difference.main([str(old), str(new.parent)])
    assert "is no finished run" in capsys.readouterr().err
    lines = said.splitlines()
    assert f"against {old}: {len(kept_before & kept_now):,} samples kept by both" in lines
    changes = [(came, left_before, "kept now", "which had left by"), (went, left_now, "left now", "which had been kept, by")]
    for changed, left, head, tail in changes:
        assert f"  {len(changed):,} {head}, {tail}" in lines if changed else f"  0 {head}" in said
        for (reason, step), number in Counter(left[name] for name in changed).items():
            assert any(line.startswith(f"    {number:,} {reason} ({step}), such as ") for line in lines)
    named = {sample for line in lines if ", such as " in line for sample in line.rpartition("such as ")[2].split(", ")}
    assert named <= {row["sample_id"] for row in ledger(new) if name_of(row) in came | went}

    standing = stamped(copied.output)
    assert main(again) == 0
    assert f"against {old}: " in capsys.readouterr().out
    assert stamped(copied.output) == standing


def test_what_decodes_images_is_what_that_test_forbids():
    assert annotate.measure is signals.measure


# What is refused, and what is only looked at.


def test_a_dry_run_says_what_is_to_do_and_writes_nothing_but_the_plan(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*curating.flags_for(ran.pool, tmp_path), "--dry_run"]) == 0
    said = capsys.readouterr().out
    splits = len(list(ran.output.glob("annotate/*/*.parquet")))
    assert f"3 shards, {splits} splits, {len(ran.planted)} samples" in said
    assert f"{splits} splits to do" in said
    assert {path.name for path in tmp_path.iterdir()} == {"plan"}
    before = stamped(ran.output)
    assert main([*ran.flags, "--dry_run"]) == 0
    assert "0 splits to do" in capsys.readouterr().out
    assert stamped(ran.output) == before


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("near_image.max_distanse=4", "did you mean 'max_distance'"),
        ("balence.t=4", "did you mean 'balance'"),
        ("multilingual={languages: []}", "'multilingual' scores what 'embedder' does not read: set embedder too"),
        ("near.rounds=0", "rounds: expected at least 1, found 0"),
        ("decode.pixels=false", "near_image look at pixels"),
        ("balance.tail_share=0.5", "expected one of t and tail_share"),
    ],
)
def test_a_config_that_cannot_be_meant_is_refused(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, said: str):
    assert main([*curating.flags_for(ran.pool, tmp_path), f"--set={setting}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("refused: ")
    assert said in error
    assert list(tmp_path.glob("[!p]*")) == []


def test_a_missing_vocabulary_stops_the_run_and_names_the_command_that_builds_one(
    ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "empty"))
    assert main([*curating.flags_for(ran.pool, tmp_path / "out"), "--set=vocabulary=null"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("stopped: expected a vocabulary at ")
    assert "python -m jobs.vocabulary" in error
    named = "--set=vocabulary.file=/nowhere/concepts.txt"
    assert main([*curating.flags_for(ran.pool, tmp_path / "out"), named]) in (1, 2)
    assert "/nowhere/concepts.txt" in capsys.readouterr().err


# Next to other pipelines.


def test_recaptioning_reads_the_samples(ran: Ran, tmp_path: Path):
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(ran.run / "samples", tmp_path, server.endpoint, "--set=lid=null"))
    kept = {row["alt_text"] for row in ledger(ran.run, "samples")}
    found = jobs.query(jobs.run_folder(tmp_path), "select alt_text, image_hash from ledger")
    assert {text for text, _ in found} == kept
    assert len(found) == len(ledger(ran.run, "samples"))
    assert {digest for _, digest in found} == {row["image_hash"] for row in ledger(ran.run, "samples")}
    assert set(server.alt_texts) == kept


CHINESE = "山村的清晨, 绿树环绕着古老的小屋和石桥"


def test_a_text_that_the_embedder_does_not_read_has_no_score_and_is_not_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for name in ("efficientnet", "imagenet", "minilm", "lid"):
        fetch.fetch(entry_of(name), cache_dir())
    texts = [CHINESE, "An old church in the middle of a village", "A small boat on the river at dawn"]
    images.write_tar(tmp_path / "pool.tar", [{"jpg": curating.picture(n), "txt": text} for n, text in enumerate(texts)])
    off = [f"--set={name}=null" for name in ("near_image", "near_text", "balance")]
    flags = [f"--input={tmp_path / 'pool.tar'}", f"--output={tmp_path / 'out'}", *off, "--set=embedder={}", "--set=clip.min_score=1"]
    assert main(flags) == 0
    found = {row["alt_text"]: row for row in ledger(curating.run_folder(tmp_path / "out"))}
    chinese = found.pop(CHINESE)
    assert (chinese["language"], chinese["clip_score"], chinese["clip_model"], chinese["unscored"]) == ("zh", None, None, "language")
    assert chinese["exit"] == "kept"
    for row in found.values():
        assert (row["exit"], row["reason"], row["clip_model"], row["unscored"]) == ("dropped", "irrelevant", "conse", None)
        assert row["value"] == pytest.approx(row["clip_score"], abs=1e-6)
        assert row["threshold"] == 1
    (kept,) = ledger(curating.run_folder(tmp_path / "out"), "samples")
    assert pa.array(kept["image_embedding"]).null_count == 0
    assert len(kept["image_embedding"]) > 100
    assert not (curating.run_folder(tmp_path / "out") / "concepts.json").exists()
    assert "concepts:" not in capsys.readouterr().out
