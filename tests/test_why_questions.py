"""``jobs.why`` on runs over questions: where one came from, each rollout with its verdict, the counts of its grade, and where it lies."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs import why
from tests import asked, finished, reasoning
from tests.asked import line
from tests.scripted_server import ScriptedServer
from tests.test_why import told


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("why")
    cold, tasks = reasoning.write(folder / "cold", asked.COLD), reasoning.write(folder / "tasks", asked.TASKS)
    exam = reasoning.write(folder / "exam", asked.EXAM, "exam")
    with ScriptedServer(asked.reply) as server:
        reasoning.run("cold_start", *asked.cold_start(cold, folder / "out", server.endpoint))
        reasoning.run("rl_tasks", *asked.rl_tasks(tasks, exam, folder / "out", server.endpoint))
    return {name: reasoning.run_folder(folder / "out", name) for name in ("cold_start", "rl_tasks")}


@pytest.mark.parametrize("place", ["Innsbruck", "Edinburgh", "Granada", "Krakow", "Lisbon"])
def test_every_rollout_of_a_question_is_told_with_its_verdict_and_where_it_lies(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str], place: str
):
    run = runs["cold_start"]
    row = line(run, place)
    (story,) = told(capsys, run, row["sample_id"])["rows"]
    assert story["nested"].keys() == {"rollouts", "graded"}
    for table, found in story["nested"].items():
        expected = [rollout for rollout in finished.rows(run, table) if rollout["sample_id"] == row["sample_id"]]
        assert len(found) == len(expected) > 0
        for rollout in found:
            stored = pq.read_table(run / rollout["file"]).to_pylist()[rollout["row"]]
            assert stored in expected
            for name in ("model", "rollout", "response", "exit", "step", "reason", "reward", "reward_reason", "verifier", "forced"):
                assert rollout.get(name) == stored[name], name
    assert why.main([str(run), row["sample_id"]]) == 0
    shown = capsys.readouterr().out
    for rollout in story["nested"]["rollouts"]:
        door = "kept" if rollout["exit"] == "kept" else f"dropped: {rollout['reason']}"
        assert f"{rollout['model']} {rollout['rollout']}" in shown
        assert f"[{door}]" in shown


def test_source_counts_and_shards_of_a_question_are_told(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    run = runs["cold_start"]
    row = line(run, "Innsbruck")
    (story,) = told(capsys, run, row["sample_id"])["rows"]
    assert story["source"]["source_path"].endswith("questions.jsonl")
    assert story["source"]["source_member"] == "line 6"
    assert [(p["model"], p["n"], p["correct"]) for p in story["measured"]["difficulty"]["passes"]] == [("small", 2, 1)]
    assert story["measured"]["difficulty"]["n_correct"] == 1
    assert story["measured"]["sample"]["question"] == row["question"]
    tables = [place["file"].split("/")[0] for place in story["lies_in"]]
    assert set(tables) == {"ledger", "sft", "sft_glm41v", "rollouts", "graded"}
    for place in story["lies_in"]:
        assert pq.read_table(run / place["file"], columns=["sample_id"]).to_pylist()[place["row"]]["sample_id"] == row["sample_id"]
    hashes = {entry["path"]: entry["xxh3_128"] for entry in json.loads((run / "manifest.json").read_text())["files"]}
    assert all(place["xxh3_128"] == hashes[place["file"]] for place in story["lies_in"])


def test_a_task_tells_how_it_was_made_and_what_each_model_said(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    run = runs["rl_tasks"]
    (story,) = told(capsys, run, line(run, "Nantes")["sample_id"])["rows"]
    assert story["measured"]["made"]["rewritten_from"] == "Which animal barks in Nantes at 1 + 1?"
    assert {rollout["model"] for rollout in story["nested"]["graded"]} == {"scripted@one", "scripted@two"}
    assert {place["file"].split("/")[0] for place in story["lies_in"]} == {"ledger", "rl", "graded"}
    (suspect,) = told(capsys, run, line(run, "Oslo")["sample_id"])["rows"]
    assert (suspect["measured"]["made"]["hopeless"], suspect["measured"]["made"]["other_answer"]) == ("suspect_label", "7")
    assert {place["file"].split("/")[0] for place in suspect["lies_in"]} == {"ledger", "audit", "graded"}
    assert [step["reason"] for step in suspect["steps"] if step["said"] == "left"] == ["suspect_label"]


def test_a_question_is_found_by_any_of_its_pictures_and_named_where_others_were_merged_into_it(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
):
    run = runs["rl_tasks"]
    both, one = line(run, "Bergen"), line(run, "Cordoba")
    (shared,) = one["image_hashes"]
    stories = told(capsys, run, "--image_hash", shared)["rows"]
    assert {story["source"]["sample_id"] for story in stories} == {both["sample_id"], one["sample_id"]}
    assert stories[0]["measured"]["pictures"]["image_hashes"]
    merged = next(row for row in finished.rows(run) if row["exit"] == "merged")
    (story,) = told(capsys, run, merged["sample_id"])["rows"]
    assert [other["question"] for other in story["merged_into"]] == [f"{asked.MEAL} in all?"]
    assert why.main([str(run), merged["sample_id"]]) == 0
    assert f"{asked.MEAL} in all?" in capsys.readouterr().out
