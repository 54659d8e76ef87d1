"""``jobs.forget``: nothing of a sample is left anywhere below the output folder, its hashes stay, and no later run brings it back."""

import base64
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
import xxhash

from jobs import forget
from pipelines.report import page
from pipelines.spine import forgotten, funnel, storage
from pipelines.spine.forgotten import Forgotten
from pipelines.spine.steps import FUNNEL
from tests import finished, jobs
from tests.finished import CUT, EXACT, NEAR, PLACES, REFUSED, SAME_URL, SMALL, TWIN
from tests.scripted_server import ScriptedServer

STEP = "Take samples down on request"
PROOF = {"sample_id", "image_hash", "split_id", "row", "corpus", "exit", "step", "reason"}
PLACEHOLDERS = {"source_path": "taken_down", "source_license": "taken_down", "source_offset": 0, "source_bytes": 0}


@dataclass(frozen=True)
class Ran:
    pool: Path
    output: Path
    server: ScriptedServer
    asked: int
    """Requests of the first run."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("forget")
    pool = finished.write_pool(folder / "pool")
    with ScriptedServer(finished.reply) as server:
        jobs.run(*finished.flags(pool, folder / "runs", server.endpoint))
        yield Ran(pool, folder / "runs", server, len(server.alt_texts))


@pytest.fixture
def run(ran: Ran, tmp_path: Path) -> Path:
    """Return a run of its own for a test, among its passes and answers."""
    shutil.copytree(ran.output, tmp_path / "runs")
    return jobs.run_folder(tmp_path / "runs")


def line(run: Path, number: int) -> dict:
    (row,) = [row for row in finished.rows(run) if row["alt_text"] == finished.text(number)]
    return row


def shown(run: Path) -> int:
    """Return a kept sample without a twin that the report has a picture of."""
    rows = {number: line(run, number) for number in range(TWIN) if number not in (3, 5)}
    places = {card["place"] for card in cards(run) if card["thumbnail"]}
    return next(number for number, row in rows.items() if f"{row['split_id']}:{row['row']}" in places)


def cards(run: Path) -> list[dict]:
    """Return every card of the report, as often as it is shown."""
    shown = page.embedded((run / "report.html").read_bytes())
    clusters = [*shown["clusters"]["largest"], *shown["clusters"]["sampled"]]
    grouped = [card for group in shown["gallery"] for card in group["cards"]]
    return [*grouped, *(card for found in clusters for card in (found["card"], *found.get("members", ())))]


def take_down(run: Path, *words: str) -> None:
    assert forget.main([str(run), *words]) == 0


def contents(value: object) -> Iterator[bytes]:
    """Yield every string and every bytes in ``value``, at any depth."""
    if isinstance(value, (str, bytes)):
        yield value.encode() if isinstance(value, str) else value
    elif isinstance(value, dict):
        for inner in (*value.keys(), *value.values()):
            yield from contents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from contents(inner)


def readings(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, as it lies there and as a reader of its kind unpacks it."""
    data = path.read_bytes()
    yield data
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        yield from contents(table.to_pylist())
        yield from contents({k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()})
    elif path.suffix == ".jsonl":
        yield from (text for line in data.splitlines() for text in contents(json.loads(line)))
    elif path.suffix == ".json":
        yield from contents(json.loads(data))
    elif path.suffix == ".html":
        yield from (base64.b64decode(found) for found in re.findall(rb"base64,([\w+/=]+)", data))


def found_in(output: Path, needle: bytes) -> set[str]:
    """Return the kinds of files below ``output`` that hold ``needle``: the first folder, and in a run the table or page."""
    holding = [path for path in output.rglob("*") if path.is_file() and any(needle in reading for reading in readings(path))]
    return {"/".join(p for p in path.relative_to(output).parts if not re.search(r"[0-9a-f]{16}|\.parquet", p)) for path in holding}


def needles(run: Path, number: int) -> dict[str, bytes]:
    row = line(run, number)
    member = f"{PLACES[number].lower()}-{number}.".encode()
    texts = {"alt text": finished.text(number), "url": finished.url(number), "caption": row["caption"]}
    return {"image": finished.picture(number), "member": member, **{name: text.encode() for name, text in texts.items() if text}}


def left_of(sought: dict[str, bytes], output: Path) -> dict[str, set[str]]:
    """Return where each of ``sought`` is still found; what is found nowhere is left out."""
    return {name: places for name, needle in sought.items() if (places := found_in(output, needle))}


def check_sums(run: Path) -> None:
    """Hold manifest, funnel and tables of a run against each other."""
    manifest = json.loads((run / "manifest.json").read_text())
    assert {str(path.relative_to(run)) for path in run.glob("*/*.parquet")} == {entry["path"] for entry in manifest["files"]}
    for entry in manifest["files"]:
        data = (run / entry["path"]).read_bytes()
        assert (xxhash.xxh3_128_hexdigest(data), len(data)) == (entry["xxh3_128"], entry["bytes"])
        assert pq.read_metadata(run / entry["path"]).num_rows == entry["rows"]
    steps = json.loads((run / "funnel.json").read_text())
    entered = len(finished.rows(run))
    for step in steps:
        left = sum(sum(step[door].values()) for door in ("dropped", "merged", "dead"))
        assert (step["entered"], step["kept"]) == (entered, entered - left)
        entered = step["kept"]
    doors = {door: sum(sum(step[door].values()) for step in steps) for door in ("dropped", "merged", "dead")}
    told = [row["exit"] for row in finished.rows(run)]
    assert manifest["exits"] == {"kept": entered, **doors} == {door: told.count(door) for door in ("kept", "dropped", "merged", "dead")}
    tables = [row for table in ("samples", "described") if (run / table).exists() for row in finished.rows(run, table)]
    assert len(tables) == entered
    assert len(finished.rows(run, "dead")) == doors["dead"]
    if manifest.get("spent"):
        assert manifest["spent"]["completion_tokens"] == sum(row["completion_tokens"] or 0 for row in finished.rows(run))


def check_fragments(output: Path) -> None:
    """Hold the name and the funnel of every fragment against its bytes and its rows."""
    for path in output.glob("*/*/*.parquet"):
        assert xxhash.xxh3_128_hexdigest(path.read_bytes()) == path.name.split(".")[1]
        table = pq.read_table(path)
        told = {step["step"]: step for step in json.loads(table.schema.metadata[FUNNEL])}
        if "exit" in table.column_names:
            rows = table.to_pylist()
            for name, step in told.items():
                here = [row for row in rows if row["step"] == name]
                assert sum(sum(step[door].values()) for door in ("dropped", "merged", "dead")) == len(here)
        if b"kept_bytes" in table.schema.metadata:
            held = sum(len(row["image"]["bytes"]) for row in table.to_pylist() if row["image"])
            assert held == int(table.schema.metadata[b"kept_bytes"])


@pytest.mark.parametrize("by", ["url", "sample_id", "image_hash", "file", "file of hashes"])
def test_nothing_of_a_sample_is_left_anywhere_and_its_hashes_are(run: Path, tmp_path: Path, by: str):
    output, number = run.parent.parent, shown(run)
    row, sought = line(run, number), needles(run, number)
    before = {name: found_in(output, needle) for name, needle in sought.items()}
    assert before["image"] == {"recaption-pass", "recaption/samples"}
    assert before["url"] == {"annotate", "recaption-pass", "recaption/ledger", "recaption/report.html", "recaption/samples"}
    assert {"answers", "recaption/samples", "recaption/ledger", "recaption-pass"} <= before["caption"]
    place = f"{row['split_id']}:{row['row']}"
    assert place in {card["place"] for card in cards(run)}
    words = {
        "url": ["--url", finished.url(number)],
        "sample_id": ["--sample_id", row["sample_id"]],
        "image_hash": ["--image_hash", row["image_hash"]],
    }
    (tmp_path / "list").write_text(f"# from a letter\n\n{finished.url(number) if by == 'file' else row['sample_id']}\n")
    take_down(run, *words.get(by, ["--file", str(tmp_path / "list")]))
    assert left_of(sought, output) == {}
    assert place not in {card["place"] for card in cards(run)}
    assert len(cards(run)) > 20
    (proof,) = [left for left in finished.rows(run) if left["sample_id"] == row["sample_id"]]
    assert {name for name, value in proof.items() if value is not None} == PROOF | PLACEHOLDERS.keys()
    assert proof == {
        **dict.fromkeys(row),
        **PLACEHOLDERS,
        **{name: row[name] for name in PROOF},
        "exit": "dropped",
        "step": STEP,
        "reason": "taken_down",
    }
    check_sums(run)
    check_fragments(output)
    listed = next(iter((output / "forgotten").iterdir())).read_text()
    assert {row["sample_id"], row["image_hash"]} <= set(re.findall(r"[0-9a-f]{32}", listed))
    assert "1 rows were taken down" in (run / "README.md").read_text()


def test_a_thumbnail_leaves_with_its_card_and_the_others_stay(run: Path):
    row = line(run, shown(run))
    place = f"{row['split_id']}:{row['row']}"
    pictures = {card["place"]: card["thumbnail"] for card in cards(run)}
    take_down(run, "--sample_id", row["sample_id"])
    assert pictures[place] not in (run / "report.html").read_text()
    left = {card["place"]: card["thumbnail"] for card in cards(run)}
    assert {name: left[name] for name in pictures if name in left} == {name: pictures[name] for name in pictures if name in left}
    assert pictures.keys() - left.keys() == {place}


def test_the_report_counts_what_is_left(run: Path):
    number = shown(run)
    before = json.loads((run / "report.json").read_text())
    take_down(run, "--url", finished.url(number))
    after = json.loads((run / "report.json").read_text())
    assert after["exits"] == json.loads((run / "manifest.json").read_text())["exits"]
    assert after["run"] == before["run"]
    assert after["declared"] == before["declared"]
    assert {bar["name"]: sum(bar["kept"]) for bar in after["bars"]} == {bar["name"]: sum(bar["kept"]) - 1 for bar in before["bars"]}


def others(run: Path, table: str, *numbers: int) -> dict[tuple, dict]:
    gone = {finished.text(number) for number in numbers}
    every = {(row["split_id"], row["row"]): row for row in finished.rows(run, table)}
    return {place: row for place, row in every.items() if row.get("alt_text") not in gone | {None} or row.get("exit") == "dead"}


def test_every_other_row_stays_as_it_was_and_every_other_file_to_the_byte(run: Path):
    number = shown(run)
    before, tables = jobs.tree(run), {table: others(run, table, number) for table in ("samples", "ledger", "dead")}
    schemas = {path.name: pq.read_schema(path) for path in run.glob("*/*.parquet")}
    take_down(run, "--url", finished.url(number))
    assert {table: others(run, table, number) for table in tables} == tables
    changed = {name for name, digest in jobs.tree(run).items() if before[name] != digest}
    assert {name.split("/")[0] for name in changed} == {
        "samples",
        "ledger",
        "README.md",
        "report.html",
        "report.json",
        "funnel.json",
        "manifest.json",
    }
    assert len([name for name in before if name.startswith("samples/")]) > 1
    assert len([name for name in changed if name.startswith("samples/")]) == 1
    assert len([name for name in changed if name.startswith("ledger/")]) == 1
    for path in run.glob("*/*.parquet"):
        assert pq.read_schema(path).equals(schemas[path.name], check_metadata=True)


def test_duckdb_and_datasets_read_what_is_left(run: Path, tmp_path: Path):
    kept = {row["alt_text"] for row in finished.rows(run) if row["exit"] == "kept"}
    take_down(run, "--url", finished.url(0))
    assert {text for (text,) in jobs.query(run, "select alt_text from samples")} == kept - {finished.text(0)}
    assert jobs.query(run, f"select exit, reason, count(*) from ledger where step = '{STEP}' group by all") == [
        ("dropped", "taken_down", 1)
    ]
    files = [str(path) for path in sorted((run / "samples").glob("*.parquet"))]
    shown = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert {row["alt_text"]: row["image"].size for row in shown} == dict.fromkeys(kept - {finished.text(0)}, (480, 360))


def test_images_lie_in_the_shards_as_they_did(run: Path):
    take_down(run, "--url", finished.url(0))
    for path in (run / "samples").glob("*.parquet"):
        groups = pq.read_metadata(path).to_dict()["row_groups"]
        assert {column["compression"] for group in groups for column in group["columns"] if column["path_in_schema"] == "image.bytes"} == {
            "UNCOMPRESSED"
        }


def test_an_exact_twin_goes_too_whichever_of_the_two_is_named(run: Path, ran: Ran, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(ran.output, other)
    for output, number in ((run.parent.parent, 3), (other, TWIN)):
        here = jobs.run_folder(output)
        sought = {
            **{f"{k} of 3": v for k, v in needles(here, 3).items()},
            **{f"{k} of its twin": v for k, v in needles(here, TWIN).items()},
        }
        take_down(here, "--url", finished.url(number))
        assert left_of(sought, output) == {}
        check_sums(here)
        assert len([row for row in finished.rows(here) if row["reason"] == "taken_down"]) == 2
    assert sorted(map(str, finished.rows(run))) == sorted(map(str, finished.rows(jobs.run_folder(other))))


def test_an_address_takes_every_image_with_it_that_came_from_there(run: Path):
    row, image_hash = line(run, SAME_URL), line(run, 5)["image_hash"]
    take_down(run, "--image_hash", image_hash)
    gone = {left["image_hash"] for left in finished.rows(run) if left["reason"] == "taken_down"}
    assert gone == {image_hash, row["image_hash"]}
    assert found_in(run.parent.parent, finished.picture(SAME_URL)) == set()


@pytest.mark.parametrize("number", [SMALL, CUT])
def test_a_sample_that_had_left_before_leaves_again_and_no_dead_letter_tells_of_it(run: Path, number: int):
    sought = needles(run, number)
    del sought["image"]
    assert all(found_in(run.parent.parent, needle) for needle in sought.values())
    take_down(run, "--url", finished.url(number))
    assert left_of(sought, run.parent.parent) == {}
    check_sums(run)
    check_fragments(run.parent.parent)


def answers(output: Path) -> dict[str, set[str]]:
    """Return the texts of the stored answers by split."""
    stored: dict[str, set[str]] = {}
    for path in output.glob("answers/*/*/*.jsonl"):
        texts = {json.loads(line).get("text") for line in path.read_text().splitlines()} - {None}
        stored.setdefault(path.parent.name, set()).update(texts)
    return stored


def test_only_its_own_answers_go(run: Path):
    row, before = line(run, 0), answers(run.parent.parent)
    take_down(run, "--url", finished.url(0))
    assert answers(run.parent.parent) == {**before, row["split_id"]: before[row["split_id"]] - {row["caption"]}}


def test_an_answer_whose_request_cannot_be_made_again_takes_those_of_its_split_along(
    run: Path, ran: Ran, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def gone(*_: object) -> Iterator[bytes]:
        raise FileNotFoundError("the tar was removed")

    monkeypatch.setattr("jobs.forget_answers.fetch", gone)
    row, before = line(run, REFUSED), answers(run.parent.parent)
    assert row["reason"] == "refusal"
    take_down(run, "--url", finished.url(REFUSED))
    split = row["split_id"]
    assert answers(run.parent.parent) == {name: texts for name, texts in before.items() if name != split}
    assert f"answers of split {split} were removed, since the image of row {row['row']} is gone" in capsys.readouterr().out


def again(ran: Ran, run: Path, *more: str) -> list[str]:
    """Run the same job in the copy; returns the alt texts that were asked for."""
    before = len(ran.server.alt_texts)
    jobs.run(*finished.flags(ran.pool, run.parent.parent, ran.server.endpoint, *more))
    return ran.server.alt_texts[before:]


def by_place(run: Path) -> dict[tuple, dict]:
    return {(row["split_id"], row["row"]): row for row in finished.rows(run)}


def test_the_same_command_shows_the_run_and_brings_nothing_back(run: Path, ran: Ran):
    take_down(run, "--url", finished.url(3))
    before = jobs.tree(run.parent.parent)
    assert again(ran, run) == []
    assert jobs.tree(run.parent.parent) == before


def test_a_run_made_again_from_its_passes_says_what_the_old_one_says_and_asks_no_model(run: Path, ran: Ran):
    sought = needles(run, 3)
    take_down(run, "--url", finished.url(3))
    rows, pages = by_place(run), {name: (run / name).read_bytes() for name in ("funnel.json", "README.md")}
    exits = json.loads((run / "manifest.json").read_text())["exits"]
    shutil.rmtree(run)
    assert again(ran, run) == []
    assert by_place(run) == rows
    assert {name: (run / name).read_bytes() for name in pages} == pages
    assert json.loads((run / "manifest.json").read_text())["exits"] == exits
    assert left_of(sought, run.parent.parent) == {}
    check_sums(run)


def test_another_threshold_uses_the_annotations_that_are_there_and_brings_nothing_back(run: Path, ran: Ran):
    sought = needles(run, 0)
    take_down(run, "--url", finished.url(0))
    annotations = jobs.tree(run.parent.parent / "annotate")
    asked = again(ran, run, "--set=image_size.min_side=80")
    assert asked == [finished.text(SMALL)]
    assert jobs.tree(run.parent.parent / "annotate") == annotations
    assert left_of(sought, run.parent.parent) == {}


def test_a_pass_that_is_older_than_the_list_and_one_that_is_newer_both_leave_it_out(run: Path, ran: Ran, tmp_path: Path):
    row = line(run, 3)
    output = run.parent.parent
    listed = Forgotten(image_hashes=frozenset([row["image_hash"]]), urls=frozenset([forgotten.url_hash(finished.url(CUT))]))
    forgotten.add(str(output), listed)
    shutil.rmtree(run)  # its annotations are older than the list
    assert again(ran, run) == []
    older = by_place(run)
    fresh = tmp_path / "fresh"
    shutil.copytree(output / "forgotten", fresh / "forgotten")
    before = len(ran.server.alt_texts)
    jobs.run(*finished.flags(ran.pool, fresh, ran.server.endpoint))
    asked = ran.server.alt_texts[before:]
    assert len(asked) == ran.asked - 1
    assert not {finished.text(3), finished.text(TWIN)} & set(asked)
    newer = by_place(jobs.run_folder(fresh))
    timeless = [{place: {**r, "answer_seconds": None} for place, r in rows.items()} for rows in (older, newer)]
    assert timeless[0] == timeless[1]
    assert sorted(r["reason"] for r in newer.values() if r["step"] == STEP) == ["taken_down"] * 3
    for text in (finished.text(3), finished.text(TWIN), finished.text(CUT)):
        assert found_in(fresh, text.encode()) == set()
    check_sums(jobs.run_folder(fresh))
    check_fragments(fresh)


def test_twice_is_as_once_and_what_is_new_joins_what_was_known(run: Path, capsys: pytest.CaptureFixture[str]):
    take_down(run, "--url", finished.url(0))
    once = jobs.tree(run.parent.parent)
    take_down(run, "--url", finished.url(0))
    assert jobs.tree(run.parent.parent) == once
    assert "0 rows taken down" in capsys.readouterr().out.splitlines()[-3]
    take_down(run, "--url", finished.url(7))
    assert len([row for row in finished.rows(run) if row["reason"] == "taken_down"]) == 2
    check_sums(run)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@contextmanager
def killed_after(patch: pytest.MonkeyPatch, changes: int) -> Iterator[None]:
    """Let so many files be written or removed, and end whatever would be the next."""
    left = [changes]
    writing, remove = storage.writing, storage.remove

    def count() -> None:
        if left[0] == 0:
            raise Killed
        left[0] -= 1

    @contextmanager
    def counted(path: str) -> Iterator[object]:
        count()
        with writing(path) as file:
            yield file

    def removed(paths: object) -> None:
        for path in list(paths):  # type: ignore[call-overload]
            count()
            remove([path])

    with patch.context() as here:
        here.setattr(storage, "writing", counted)
        here.setattr(storage, "remove", removed)
        yield


def check_every_kill(start: Path, folder: Path, patch: pytest.MonkeyPatch, *words: str) -> Path:
    """Kill a take-down before each of its changes in turn, and go on; returns the output of the one that was left alone."""
    whole, kills = folder / "whole", 0
    shutil.copytree(start, whole)
    run = next(whole.glob("*/*/manifest.json")).parent.relative_to(whole)
    take_down(whole / run, *words)
    expected = jobs.tree(whole)
    while True:
        output = folder / f"killed-{kills}"
        shutil.copytree(start, output)
        try:
            with killed_after(patch, kills):
                forget.main([str(output / run), *words])
        except Killed:
            take_down(output / run, *words)
            assert jobs.tree(output) == expected, f"killed before change {kills}"
            shutil.rmtree(output)
            kills += 1
        else:
            assert kills > 10
            return whole


def test_killed_before_any_of_its_writes_it_ends_in_the_same_state(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_every_kill(ran.output, tmp_path, monkeypatch, "--url", finished.url(3))


DIE = """
import os, signal, sys
from contextlib import contextmanager
from pipelines.spine import storage
from jobs import forget
writing = storage.writing
@contextmanager
def dying(path):
    with writing(path) as file:
        yield file
        if sys.argv[1] in path:
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
storage.writing = dying
forget.main(sys.argv[2:])
"""


@pytest.mark.parametrize("at", ["recaption-pass", "samples-"])
def test_after_kill_9_in_the_middle_of_a_write_no_half_file_is_left(ran: Ran, tmp_path: Path, at: str):
    for name in ("whole", "killed"):
        shutil.copytree(ran.output, tmp_path / name)
    words = ["--url", finished.url(0)]
    take_down(jobs.run_folder(tmp_path / "whole"), *words)
    run = jobs.run_folder(tmp_path / "killed")
    died = subprocess.run([sys.executable, "-c", DIE, at, str(run), *words], cwd=jobs.ROOT, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert any(path.name.startswith(".writing-") for path in (tmp_path / "killed").rglob("*"))
    take_down(run, *words)
    assert jobs.tree(tmp_path / "killed") == jobs.tree(tmp_path / "whole")


def test_half_files_of_killed_writers_are_not_left_with_what_was_taken_down(run: Path):
    (folder,) = (run.parent.parent / "recaption-pass").iterdir()
    (folder / ".writing-1-a-b.parquet").write_bytes(finished.picture(0))
    (folder / "a-b.0123.parquet").write_bytes(finished.picture(0)[:5000])
    (folder / "a-00000.going").write_text("[]")  # no fragment, and no half of one
    take_down(run, "--url", finished.url(0))
    assert found_in(run.parent.parent, finished.picture(0)[:5000]) == set()
    assert (folder / "a-00000.going").exists()


def test_without_fragments_the_shards_alone_are_rewritten(run: Path):
    shutil.rmtree(run.parent.parent / "recaption-pass")
    sought = needles(run, 0)
    take_down(run, "--url", finished.url(0))
    assert left_of(sought, run.parent.parent) == {}
    check_sums(run)


def test_a_dry_run_says_what_would_leave_and_writes_nothing(run: Path, capsys: pytest.CaptureFixture[str]):
    before = jobs.tree(run.parent.parent)
    take_down(run, "--url", finished.url(3), "--dry_run")
    assert jobs.tree(run.parent.parent) == before
    assert "2 rows would be taken down (1 kept, 0 dropped, 1 merged, 0 dead)" in capsys.readouterr().out


def test_other_runs_that_hold_it_are_named(run: Path, capsys: pytest.CaptureFixture[str]):
    other = run.parent / "other"
    shutil.copytree(run, other)
    take_down(run, "--url", finished.url(0))
    assert f"1 such rows are in another run still: python -m jobs.forget {other}" in capsys.readouterr().out
    take_down(other, "--url", finished.url(0))
    assert found_in(run.parent.parent, finished.text(0).encode()) == set()
    assert "another run" not in capsys.readouterr().out


def test_a_name_that_no_row_bears_is_listed_and_said(run: Path, capsys: pytest.CaptureFixture[str]):
    before = jobs.tree(run)
    assert forget.main([str(run), "--url", "https://nowhere.example/a.jpg"]) == 1
    assert "no row of" in capsys.readouterr().err
    assert jobs.tree(run) == before
    listed = [path.read_text() for path in (run.parent.parent / "forgotten").iterdir()]
    assert len(listed) == 1
    assert "nowhere" not in listed[0]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sample_id", "abc"], "expected 32 hex digits of a sample_id or image_hash, found 'abc'"),
        (["--file", "{list}"], "list, line 2: expected a url or 32 hex digits"),
        (["--file", "{nothing}"], "No such file"),
    ],
)
def test_what_names_nothing_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
):
    (tmp_path / "list").write_text("https://images.example/a.jpg\nwhat\n")
    before = jobs.tree(run.parent.parent)
    words = [word.format(list=tmp_path / "list", nothing=tmp_path / "nothing") for word in words]
    assert forget.main([str(run), *words]) == 1
    assert expected in capsys.readouterr().err
    assert jobs.tree(run.parent.parent) == before


def test_while_a_run_is_at_work_it_is_refused(run: Path, capsys: pytest.CaptureFixture[str]):
    (lock,) = (run.parent.parent / "locks").iterdir()
    before = jobs.tree(run.parent.parent, but=["locks"])
    with storage.locked(str(lock)):
        assert forget.main([str(run), "--url", finished.url(0)]) == 1
    assert "another run of this job holds" in capsys.readouterr().err
    assert jobs.tree(run.parent.parent, but=["locks"]) == before


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert forget.main([str(tmp_path), "--url", "https://a.example/"]) == 1
    assert "holds no manifest.json" in capsys.readouterr().err


# Near-duplicates: rows with other images that were merged, in chains.


def row(name: str, text: str, **more: object) -> dict:
    digest = xxhash.xxh3_128_hexdigest(name.encode())
    return {"sample_id": digest[::-1], "image_hash": digest, "alt_text": text, "url": f"https://images.example/{name}.jpg", **more}


def kept(name: str, *texts: str) -> dict:
    twins = {"alt_texts": list(texts), "alt_text_count": len(texts), "duplicate_count": len(texts) - 1} if texts else {}
    image = {"bytes": name.encode() * 9, "path": f"{name}.jpg"}
    return row(name, texts[0] if texts else f"only {name}", exit="kept", image=image, **twins)


def merged(name: str, text: str, split: str, number: int, step: str = NEAR, **more: object) -> dict:
    return row(name, text, exit="merged", step=step, reason="twin", merged_into={"split_id": split, "row": number}, **more)


def near(output: Path) -> finished.Laid:
    """Lay a run in which ``mid`` stands for ``low`` and was merged into ``top`` with it; ``low2`` has the image of ``low``."""
    own = {"alt_texts": ["a mid", "b low", "c low2"], "alt_text_count": 3, "duplicate_count": 2}
    a = [merged("low", "b low", "b", 0), kept("alone"), merged("side", "d shared", "c", 0)]
    b = [merged("mid", "a mid", "c", 0, **own), merged("low", "c low2", "a", 0, EXACT), merged("pair", "d shared", "c", 0)]
    top = {**kept("top", "top", "a mid", "b low", "c low2", "d shared", "e late"), "duplicate_count": 6}
    c = [top, {**kept("bystander", "by", "d shared"), "duplicate_count": 1}]
    d = [merged("far", "d shared", "c", 1), merged("late", "e late", "c", 0)]
    return finished.lay(output, {"a": a, "b": b, "c": c, "d": d})


def everywhere(laid: finished.Laid, name: str) -> set[str]:
    """Return what every table and fragment says that ``name`` stands for."""
    tables = [row for table in ("samples", "ledger") for row in finished.rows(laid.run, table)]
    taken = [row for path in (laid.output / "take" / "t").iterdir() for row in pq.read_table(path).to_pylist()]
    found = [r for r in (*tables, *taken) if r["url"] == f"https://images.example/{name}.jpg"]
    return {json.dumps([r["alt_texts"], r["alt_text_count"], r["duplicate_count"]]) for r in found}


def test_a_representative_loses_the_alt_texts_of_what_was_merged_into_it(tmp_path: Path):
    laid = near(tmp_path)
    take_down(laid.run, "--url", "https://images.example/low.jpg")
    assert found_in(tmp_path, b"b low") == found_in(tmp_path, b"c low2") == set()
    assert everywhere(laid, "top") == {json.dumps([["top", "a mid", "d shared", "e late"], 4, 4])}
    assert everywhere(laid, "mid") == {json.dumps([["a mid"], 1, 0])}
    check_sums(laid.run)
    check_fragments(tmp_path)


def test_an_alt_text_that_others_have_too_stays_with_them(tmp_path: Path):
    laid = near(tmp_path)
    take_down(laid.run, "--url", "https://images.example/side.jpg")
    assert everywhere(laid, "top") == {json.dumps([["top", "a mid", "b low", "c low2", "d shared", "e late"], 6, 5])}
    take_down(laid.run, "--url", "https://images.example/pair.jpg")
    assert everywhere(laid, "top") == {json.dumps([["top", "a mid", "b low", "c low2", "e late"], 5, 4])}
    assert everywhere(laid, "bystander") == {json.dumps([["by", "d shared"], 2, 1])}
    check_sums(laid.run)


def test_what_was_merged_into_a_row_that_goes_is_named_and_stays_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    laid = near(tmp_path)
    before = {r["url"]: r for r in finished.rows(laid.run)}
    take_down(laid.run, "--url", "https://images.example/top.jpg")
    said = capsys.readouterr().out
    assert "4 rows with other images were merged into them and stay out" in said
    assert before["https://images.example/mid.jpg"]["sample_id"] in said
    left = {r["url"]: r for r in finished.rows(laid.run) if r["url"]}
    assert left == {url: r for url, r in before.items() if url != "https://images.example/top.jpg"}
    assert len(finished.rows(laid.run, "samples")) == 2
    check_sums(laid.run)


def test_a_middle_of_a_chain_leaves_the_last_representative_with_the_texts_of_those_that_stay(tmp_path: Path):
    laid = near(tmp_path)
    take_down(laid.run, "--url", "https://images.example/mid.jpg")
    assert found_in(tmp_path, b"a mid") == set()
    assert everywhere(laid, "top") == {json.dumps([["top", "b low", "c low2", "d shared", "e late"], 5, 5])}


def test_a_chain_survives_kills_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    near(tmp_path / "start")
    (tmp_path / "list").write_text("https://images.example/mid.jpg\nhttps://images.example/late.jpg\n")
    whole = check_every_kill(tmp_path / "start", tmp_path, monkeypatch, "--file", str(tmp_path / "list"))
    laid = finished.Laid(whole, whole / "captions" / "run")
    assert everywhere(laid, "top") == {json.dumps([["top", "b low", "c low2", "d shared"], 4, 4])}


def test_another_request_after_a_kill_goes_on_from_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = ["--url", "https://images.example/mid.jpg"], ["--url", "https://images.example/late.jpg"]
    whole = near(tmp_path / "whole")
    take_down(whole.run, *first)
    take_down(whole.run, *second)
    for kills in range(4, 30):
        laid = near(tmp_path / str(kills))
        try:
            with killed_after(monkeypatch, kills):
                forget.main([str(laid.run), *first])
        except Killed:
            take_down(laid.run, *second)
            assert jobs.tree(laid.run) == jobs.tree(whole.run), f"killed before change {kills}"
        else:
            break
    assert kills > 10


def test_annotations_are_told_nothing_of_decisions(tmp_path: Path):
    laid = near(tmp_path)
    take_down(laid.run, "--url", "https://images.example/mid.jpg")
    rows = [row for path in (tmp_path / "annotate" / "a").iterdir() for row in pq.read_table(path).to_pylist()]
    assert {row["duplicate_count"] for row in rows} == {None}


def test_a_fragment_that_later_decisions_replaced_loses_the_text_as_well(tmp_path: Path):
    laid = near(tmp_path)
    (path,) = (tmp_path / "take" / "t").glob("a-*")
    table = pq.read_table(path).to_pylist()
    table[1] |= {"alt_texts": ["only alone", "b low"], "alt_text_count": 2, "duplicate_count": 1}
    old = pq.read_table(path)
    data = io.BytesIO()
    pq.write_table(type(old).from_pylist(table, old.schema), data)
    path.with_name(f"a-9.{xxhash.xxh3_128_hexdigest(data.getvalue())}.parquet").write_bytes(data.getvalue())
    take_down(laid.run, "--url", "https://images.example/low.jpg")
    assert found_in(tmp_path, b"b low") == set()


# The pieces.


def test_the_funnel_of_every_fragment_and_of_the_run_is_what_its_rows_say(run: Path):
    for path in [*run.parent.parent.glob("recaption-pass/*/*.parquet"), *run.parent.parent.glob("annotate/*/*.parquet")]:
        table = pq.read_table(path)
        told = funnel.loads(table.schema.metadata[FUNNEL])
        assert funnel.recount([count.step for count in told], forgotten.exits_of(table.to_batches()[0])) == told
    told = funnel.loads((run / "funnel.json").read_bytes())
    exits = {(r["exit"], r["step"], r["reason"]): 0 for r in finished.rows(run)}
    for r in finished.rows(run):
        exits[r["exit"], r["step"], r["reason"]] += 1
    assert funnel.recount([count.step for count in told], exits) == told


def test_rows_that_left_at_a_step_that_is_none_are_found():
    with pytest.raises(funnel.SumsDoNotAddUp, match="'Guess', which is no step"):
        funnel.recount(["Read"], {("dropped", "Guess", "x"): 1})


def test_funnels_with_and_without_the_step_are_summed():
    plain = [funnel.StepCount("Read", 4, 4), funnel.StepCount("Judge", 4, 3, {"small": 1})]
    without = [funnel.StepCount("Read", 4, 4), funnel.StepCount(STEP, 4, 3, {"taken_down": 1}), funnel.StepCount("Judge", 3, 3)]
    expected = [
        funnel.StepCount("Read", 8, 8),
        funnel.StepCount(STEP, 8, 7, {"taken_down": 1}),
        funnel.StepCount("Judge", 7, 6, {"small": 1}),
    ]
    assert funnel.total([plain, without]) == funnel.total([without, plain]) == expected
    assert funnel.total([plain, plain])[1].step == "Judge"


def test_the_list_only_grows_and_gives_no_address_away(tmp_path: Path):
    one = Forgotten(frozenset(["a"]), frozenset(["b"]), frozenset([forgotten.url_hash("https://secret.example/")]))
    forgotten.add(str(tmp_path), one)
    forgotten.add(str(tmp_path), one)
    forgotten.add(str(tmp_path), one | Forgotten(frozenset(["c"])))
    assert len(list((tmp_path / "forgotten").iterdir())) == 2
    assert forgotten.read(str(tmp_path)) == one | Forgotten(frozenset(["c"]))
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "forgotten").iterdir())
