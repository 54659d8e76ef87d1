"""``jobs.why`` tells of a sample what the ledger, the funnel and the manifest say, and where it lies."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import why
from tests import finished, jobs
from tests.finished import CUT, REFUSED, SMALL, TWIN
from tests.scripted_server import ScriptedServer

NONE = "0" * 32


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    pool = finished.write_pool(folder / "pool")
    with ScriptedServer(finished.reply) as server:
        jobs.run(*finished.flags(pool, folder / "runs", server.endpoint))
    return jobs.run_folder(folder / "runs")


def told(capsys: pytest.CaptureFixture[str], run: Path, *words: str) -> dict:
    assert why.main([str(run), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def line(run: Path, number: int) -> dict:
    (row,) = [row for row in finished.rows(run) if row["alt_text"] == finished.text(number)]
    return row


def test_a_kept_sample_passed_every_step_and_is_told_with_its_caption_and_files(run: Path, capsys: pytest.CaptureFixture[str]):
    row = line(run, 0)
    (story,) = told(capsys, run, row["sample_id"])["rows"]
    steps = [count["step"] for count in json.loads((run / "funnel.json").read_text())]
    assert story["steps"] == [{"step": step, "said": "passed"} for step in steps]
    assert story["source"]["url"] == finished.url(0)
    assert (story["source"]["corpus"], story["source"]["source_license"]) == ("test", "unknown")
    said = {name: value for group in story["measured"].values() for name, value in group.items()}
    everything = {**said, **story["source"]}
    for name, value in row.items():
        if name not in ("exit", "step", "reason", "value", "threshold", "error", "merged_into"):
            assert everything.get(name) == (value if value not in (None, []) else None), name
    assert {"sample", "signals", "twins", "answer", "mixed"} <= story["measured"].keys()
    hashes = {entry["path"]: entry["xxh3_128"] for entry in json.loads((run / "manifest.json").read_text())["files"]}
    assert sorted(place["file"].split("/")[0] for place in story["lies_in"]) == ["ledger", "samples"]
    for place in story["lies_in"]:
        assert place["xxh3_128"] == hashes[place["file"]]
        assert pq.read_table(run / place["file"], columns=["sample_id"]).to_pylist()[place["row"]]["sample_id"] == row["sample_id"]


@pytest.mark.parametrize(("number", "reason"), [(SMALL, "too_small"), (REFUSED, "refusal"), (CUT, None)])
def test_a_sample_that_left_says_where_and_why_and_what_it_never_reached(
    run: Path, capsys: pytest.CaptureFixture[str], number: int, reason: str | None
):
    row = line(run, number)
    (story,) = told(capsys, run, "--row", f"{row['split_id']}:{row['row']}")["rows"]
    said = [step["said"] for step in story["steps"]]
    at = said.index("left")
    assert said == ["passed"] * at + ["left"] + ["never reached"] * (len(said) - at - 1)
    left = story["steps"][at]
    expected = {name: row[name] for name in ("step", "exit", "reason", "value", "threshold", "error") if row[name] is not None}
    assert {name: value for name, value in left.items() if name != "said"} == expected
    assert reason in (None, row["reason"])
    assert why.main([str(run), "--row", story["place"]]) == 0
    shown = capsys.readouterr().out
    assert f"{row['exit']}: {row['reason']}" in shown
    if row["value"] is not None:
        assert f"{row['value']:g} against {row['threshold']:g}" in shown
    if row["exit"] == "dead":
        assert {place["file"].split("/")[0] for place in story["lies_in"]} == {"ledger", "dead"}


def test_exact_duplicates_share_a_sample_id_and_each_tells_of_the_other(run: Path, capsys: pytest.CaptureFixture[str]):
    one, other = line(run, 3), line(run, TWIN)
    assert one["sample_id"] == other["sample_id"]
    first, second = sorted(told(capsys, run, "--image_hash", one["image_hash"])["rows"], key=lambda story: story["exit"])
    assert (first["exit"], second["exit"]) == ("kept", "merged")
    assert [place["place"] for place in second["merged_into"]] == [first["place"]]
    assert first["merged_from"] == {
        "rows": 1,
        "first": [
            {
                "place": second["place"],
                "sample_id": one["sample_id"],
                "exit": "merged",
                "reason": "exact_duplicate",
                "alt_text": second["measured"]["sample"]["alt_text"],
            }
        ],
    }
    assert why.main([str(run), one["sample_id"]]) == 0
    assert capsys.readouterr().out.startswith("2 rows bear that name")


@pytest.mark.parametrize("name", ["url", "row", "image_hash", "sample_id"])
def test_a_sample_is_found_by_whatever_names_it(run: Path, capsys: pytest.CaptureFixture[str], name: str):
    row = line(run, 7)
    place = f"{row['split_id']}:{row['row']}"
    words = {"url": ["--url", row["url"]], "row": ["--row", place], "image_hash": ["--image_hash", row["image_hash"]]}
    (story,) = told(capsys, run, *words.get(name, [row["sample_id"]]))["rows"]
    assert story["place"] == place


def test_little_of_the_run_is_read_and_that_is_said(run: Path, capsys: pytest.CaptureFixture[str]):
    found = told(capsys, run, line(run, 0)["sample_id"])
    everything = sum(path.stat().st_size for path in run.glob("*/*.parquet"))
    assert found["read"]["of_bytes"] == everything
    assert 0 < found["read"]["bytes"] < everything / 10
    assert not any("bytes" in group for group in found["rows"][0]["measured"].values())
    place = f"{'0' * 32}:0"
    assert why.main([str(run), "--row", place]) == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([NONE], "no row with sample_id '0000"),
        (["--url", "https://nowhere.example/"], "among the 21 rows in"),
        ([], "name the sample in one way"),
        ([NONE, "--url", "x"], "name the sample in one way"),
        (["--row", "7"], "expected SPLIT_ID:ROW"),
    ],
)
def test_what_is_not_there_is_said_with_what_was_searched(run: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str):
    assert why.main([str(run), *words]) == 1
    assert expected in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for folder in (tmp_path, tmp_path / "nothing", run.parent):
        assert why.main([str(folder), NONE]) == 1
        assert "holds no manifest.json: expected the folder of a finished run" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("[]")
    assert why.main([str(tmp_path), NONE]) == 1
    assert "expected a manifest with `files` and `passes`" in capsys.readouterr().err


def merged(number: int, into: tuple[str, int], step: str = finished.NEAR) -> dict:
    target = {"split_id": into[0], "row": into[1]}
    reason = "exact_duplicate" if step == finished.EXACT else "near_duplicate_image"
    return {
        "sample_id": f"{number:032x}",
        "alt_text": f"text {number}",
        "exit": "merged",
        "step": step,
        "reason": reason,
        "merged_into": target,
    }


def test_a_chain_of_merges_is_followed_to_the_last_representative(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = {"sample_id": "e" * 32, "alt_text": "the last", "exit": "kept", "image": {"bytes": b"x", "path": "x"}}
    twins = {"alt_texts": ["the last", *(f"text {n}" for n in range(14))], "alt_text_count": 15, "duplicate_count": 14}
    splits = {
        "a": [merged(0, ("b", 0), finished.EXACT), *(merged(n, ("c", 0)) for n in range(2, 14))],
        "b": [merged(1, ("c", 0))],
        "c": [{**kept, **twins}],
    }
    laid = finished.lay(tmp_path, splits)
    (story,) = told(capsys, laid.run, f"{0:032x}")["rows"]
    chain = [(other["place"], other["sample_id"], other["exit"]) for other in story["merged_into"]]
    assert chain == [("b:0", f"{1:032x}", "merged"), ("c:0", "e" * 32, "kept")]
    (last,) = told(capsys, laid.run, "e" * 32, "--twins", "5")["rows"]
    assert (last["merged_from"]["rows"], len(last["merged_from"]["first"])) == (13, 5)


def test_a_row_group_that_cannot_hold_the_name_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    splits = {name: [{"sample_id": name * 32, "exit": "dropped", "step": finished.RULE, "reason": "no"}] for name in "abc"}
    laid = finished.lay(tmp_path, splits)
    found = told(capsys, laid.run, "b" * 32)
    assert [story["place"] for story in found["rows"]] == ["b:0"]
    assert found["read"]["skipped"] >= 2


def test_vectors_and_bytes_are_told_in_short():
    assert why.brief([0.5] * 512) == "[0.5, 0.5, 0.5, 0.5, ... 512 numbers]"
    assert why.brief([1, 2, 3]) == [1, 2, 3]
    assert why.brief(["a"] * 100) == ["a"] * 100
    assert why.brief(b"\0" * 4096) == "4,096 bytes"


def test_columns_that_no_group_knows_are_told_too():
    row = {"sample_id": "s", "exit": "kept", "width": 3, "a_new_signal": 0.25, "an_empty_one": None}
    assert why.groups(row) == {"sample": {"a_new_signal": 0.25}, "signals": {"width": 3}}


def test_nothing_is_written(run: Path, capsys: pytest.CaptureFixture[str]):
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.parent.parent.rglob("*") if path.is_file()}
    told(capsys, run, line(run, 0)["sample_id"])
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.parent.parent.rglob("*") if path.is_file()} == before
