"""``jobs.forget`` on runs over questions: nothing of one, its pictures, its rollouts and its answers is left, and nothing else goes."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jobs import forget
from pipelines.spine import forgotten
from pipelines.spine.forgotten import Forgotten
from tests import asked, finished, jobs, reasoning
from tests.asked import ALONE, HARD, SHARED, Ran, check_fragments, check_sums, line, photo
from tests.scripted_server import Call, Reply, ScriptedServer
from tests.test_forget import STEP, check_every_kill, found_in, left_of, take_down

COLD, RL = "cold_start", "rl_tasks"
PROOF = {"sample_id", "image_hashes", "split_id", "row", "corpus", "exit", "step", "reason"}
PLACEHOLDERS = {"source_path", "source_license", "source_offset", "source_bytes"}


@dataclass(frozen=True)
class Made:
    """A finished run of each job in an output folder of its own, and the server that both asked."""

    runs: dict[str, Ran]
    calls: list[Call]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder, calls = tmp_path_factory.mktemp("questions"), list[Call]()

    def noted(call: Call) -> Reply:
        calls.append(call)
        return asked.reply(call)

    cold, tasks = reasoning.write(folder / "cold", asked.COLD), reasoning.write(folder / "tasks", asked.TASKS)
    exam = reasoning.write(folder / "exam", asked.EXAM, "exam")
    with ScriptedServer(noted) as server:
        flags = {
            COLD: asked.cold_start(cold, folder / "out-cold", server.endpoint),
            RL: asked.rl_tasks(tasks, exam, folder / "out-rl", server.endpoint),
        }
        for pipeline, words in flags.items():
            reasoning.run(pipeline, *words)
        runs = {
            COLD: Ran(folder / "out-cold", COLD, [word for word in flags[COLD] if not word.startswith("--output=")]),
            RL: Ran(folder / "out-rl", RL, [word for word in flags[RL] if not word.startswith("--output=")]),
        }
        yield Made(runs, calls)


def copied(made: Made, pipeline: str, folder: Path) -> Ran:
    """Return a run of its own for a test, among its passes and answers."""
    ran = made.runs[pipeline]
    shutil.copytree(ran.output, folder / "runs")
    return Ran(folder / "runs", pipeline, ran.again)


def again(ran: Ran, made: Made) -> list[Call]:
    """Make the run again in its folder, and return what was asked for but the first look at each server."""
    before = len(made.calls)
    reasoning.run(ran.pipeline, *ran.again, f"--output={ran.output}")
    return [call for call in made.calls[before:] if any(place in json.dumps(call.body["messages"]) for place in (" in ", "In "))]


EVERYWHERE = {
    (COLD, "Amsterdam"): {"questions", "cold-start-pass", "answers", "sft", "sft_glm41v", "rollouts", "graded", "ledger"},
    (COLD, "Bergen"): {"questions", "cold-start-pass", "answers", "sft", "sft_glm41v", "rollouts", "graded", "ledger"},
    (COLD, "Dresden"): {"questions", "cold-start-pass", "answers", "rollouts", "graded", "ledger"},
    (COLD, "Edinburgh"): {"questions", "cold-start-pass", "answers", "rollouts", "graded", "ledger"},
    (COLD, "Florence"): {"questions", "cold-start-pass", "answers", "sft", "sft_glm41v", "rollouts", "graded", "ledger"},
    (COLD, "Granada"): {"questions", "cold-start-pass", "answers", "described", "rollouts", "graded", "ledger"},
    (COLD, "Hamburg"): {"questions", "cold-start-pass", "ledger"},
    (COLD, "Krakow"): {"questions", "cold-start-pass", "answers", "sft", "sft_glm41v", "rollouts", "graded", "ledger"},
    (COLD, "Lisbon"): {"questions", "cold-start-pass", "answers", "rollouts", "graded", "ledger"},
    (RL, "Amsterdam"): {"questions", "rl-tasks-pass", "answers", "rl", "graded", "ledger"},
    (RL, "Bergen"): {"questions", "rl-tasks-pass", "answers", "rl", "graded", "ledger"},
    (RL, "Granada"): {"questions", "rl-tasks-pass", "answers", "described", "graded", "ledger"},
    (RL, "Krakow"): {"questions", "rl-tasks-pass", "answers", "rl", "graded", "ledger"},
    (RL, "Oslo"): {"questions", "rl-tasks-pass", "answers", "audit", "graded", "ledger"},
    (RL, "Nantes"): {"questions", "rl-tasks-pass", "answers", "rl", "ledger"},
    (RL, "Turin"): {"questions", "rl-tasks-pass", "ledger"},
}


@pytest.mark.parametrize(("pipeline", "place"), EVERYWHERE)
def test_nothing_of_a_question_is_left_anywhere_and_its_hashes_are(made: Made, tmp_path: Path, pipeline: str, place: str):
    ran = copied(made, pipeline, tmp_path)
    row = line(ran.run, place)
    assert {name.split("/")[-1] for name in found_in(ran.output, place.encode())} >= EVERYWHERE[pipeline, place]
    take_down(ran.run, "--sample_id", row["sample_id"])
    assert found_in(ran.output, place.encode()) == set()
    (proof, *twins) = [left for left in finished.rows(ran.run) if left["sample_id"] == row["sample_id"]]
    assert {name for name, value in proof.items() if value is not None} == PROOF | PLACEHOLDERS
    assert proof["image_hashes"] == row["image_hashes"]
    assert (proof["exit"], proof["step"], proof["reason"]) == ("dropped", STEP, "taken_down")
    assert len(twins) == ((pipeline, place) == (COLD, "Amsterdam"))
    check_sums(ran.run)
    check_fragments(ran.output)
    assert json.loads((ran.run / "manifest.json").read_text())["exits"]["kept"] > 0


@pytest.mark.parametrize("pipeline", [COLD, RL])
def test_a_picture_takes_every_question_with_it_that_shows_it_and_no_picture_besides(made: Made, tmp_path: Path, pipeline: str):
    ran = copied(made, pipeline, tmp_path)
    both, one = line(ran.run, "Bergen"), line(ran.run, "Cordoba")
    (shared,) = set(both["image_hashes"]) & set(one["image_hashes"])
    assert found_in(ran.output, photo(SHARED))
    take_down(ran.run, "--image_hash", shared)
    assert left_of({"picture": photo(SHARED), "one": b"Cordoba", "both": b"Bergen", "other": photo(ALONE)}, ran.output) == {}
    gone = {row["sample_id"] for row in finished.rows(ran.run) if row["reason"] == "taken_down"}
    assert gone == {both["sample_id"], one["sample_id"]}
    listed = forgotten.read(str(ran.output))
    assert listed == Forgotten(frozenset(gone), frozenset([shared]))
    check_sums(ran.run)
    check_fragments(ran.output)


def test_a_question_takes_those_with_it_that_show_one_of_its_pictures(made: Made, tmp_path: Path):
    ran = copied(made, COLD, tmp_path)
    take_down(ran.run, "--sample_id", line(ran.run, "Cordoba")["sample_id"])
    assert left_of({"other": b"Bergen", "picture": photo(SHARED)}, ran.output) == {}
    take_down(ran.run, "--image_hash", *line(ran.run, "Dresden")["image_hashes"])
    assert left_of({"dropped": b"Dresden", "picture": photo(HARD)}, ran.output) == {}
    assert found_in(ran.output, b"Jena") == found_in(made.runs[COLD].output, b"Jena")
    check_sums(ran.run)


def stored(output: Path) -> Counter[str]:
    """Return the stored answers, each by its segment's folder and its text."""
    files = output.glob("answers/*/*/*.jsonl")
    lines = [(path.parent.parent.name, json.loads(text)) for path in files for text in path.read_text().splitlines()]
    return Counter(f"{model} {found['text']}" for model, found in lines if "text" in found)


def models(ran: Ran) -> dict[str, str]:
    """Return the folder of each model's answers by what its answers look like."""
    kinds: dict[str, str] = {}
    for path in ran.output.glob("answers/*/*/*.jsonl"):
        text, folder = path.read_text(), path.parent.parent.name
        kinds["judge" if "equivalent" in text else "rewriter" if "What kind of animal" in text else folder] = folder
    return kinds


@pytest.mark.parametrize(("pipeline", "place"), [(COLD, "Edinburgh"), (COLD, "Innsbruck"), (RL, "Innsbruck")])
def test_of_the_rollouts_only_its_own_go(made: Made, tmp_path: Path, pipeline: str, place: str):
    ran = copied(made, pipeline, tmp_path)
    apart = {folder for kind, folder in models(ran).items() if kind in ("judge", "rewriter")}
    before = Counter({text: n for text, n in stored(ran.output).items() if text.split(" ")[0] not in apart})
    row = line(ran.run, place)
    take_down(ran.run, "--sample_id", row["sample_id"])
    after = Counter({text: n for text, n in stored(ran.output).items() if text.split(" ")[0] not in apart})
    gone = before - after
    assert after - before == Counter()
    tables = ("rollouts", "graded") if pipeline == COLD else ("graded",)
    rollouts = [rollout for table in tables for rollout in finished.rows(made.runs[pipeline].run, table)]
    own = [rollout["response"] for rollout in rollouts if rollout["sample_id"] == row["sample_id"]]
    assert sum(gone.values()) >= len(own) >= 4
    assert all(any(text.split(" ", 1)[1] in response for response in own) for text in gone)
    assert list(ran.output.glob(f"answers/*/{row['split_id']}/*.jsonl"))


def test_verdicts_and_rewritten_questions_of_its_split_go_together_and_that_is_said(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    ran = copied(made, RL, tmp_path)
    row = line(ran.run, "Nantes")
    take_down(ran.run, "--sample_id", row["sample_id"])
    assert not list(ran.output.glob(f"answers/{models(made.runs[RL])['rewriter']}/{row['split_id']}/*"))
    assert f"answers of split {row['split_id']} were removed" in capsys.readouterr().out


@pytest.mark.parametrize("pipeline", [COLD, RL])
def test_a_run_made_again_takes_nothing_in_and_asks_no_rollout_again(made: Made, tmp_path: Path, pipeline: str):
    ran = copied(made, pipeline, tmp_path)
    for place in ("Cordoba", "Amsterdam", "Edinburgh"):
        take_down(ran.run, "--sample_id", line(ran.run, place)["sample_id"])
    rows, tables = timeless(ran.run)
    funnels = {path.name: path.read_bytes() for path in ran.run.glob("funnel*.json")}
    assert again(ran, made) == []
    assert timeless(ran.run) == (rows, tables)
    shutil.rmtree(ran.run)
    calls = again(ran, made)
    assert {"<first>" in call.text or "Options:" in call.text for call in calls} <= {True}
    assert timeless(ran.run) == (rows, tables)
    assert {path.name: path.read_bytes() for path in ran.run.glob("funnel*.json")} == funnels
    for place in ("Cordoba", "Bergen", "Amsterdam", "Edinburgh"):
        assert found_in(ran.output, place.encode()) == set()
    assert found_in(ran.output, photo(SHARED)) == set()
    check_sums(ran.run)
    check_fragments(ran.output)


def timeless(run: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the ledger, which tells no time, and how many rows each table has."""
    rows = sorted(finished.rows(run), key=lambda row: (row["split_id"], row["row"]))
    return rows, {folder.name: len(finished.rows(run, folder.name)) for folder in sorted(run.iterdir()) if folder.is_dir()}


def test_a_fresh_folder_that_is_given_the_list_asks_nothing_about_what_is_on_it(made: Made, tmp_path: Path):
    row = line(made.runs[COLD].run, "Dresden")
    forgotten.add(str(tmp_path / "fresh"), Forgotten(image_hashes=frozenset(row["image_hashes"])))
    ran = Ran(tmp_path / "fresh", COLD, made.runs[COLD].again)
    before = len(made.calls)
    again(ran, made)
    assert not any("Dresden" in json.dumps(call.body["messages"]) for call in made.calls[before:])
    assert left_of({"text": b"Dresden", "picture": photo(HARD)}, ran.output) == {}
    check_sums(ran.run)


def test_what_a_near_duplicate_was_merged_into_stands_for_fewer(made: Made, tmp_path: Path):
    ran = copied(made, RL, tmp_path)
    merged = next(row for row in finished.rows(ran.run) if row["exit"] == "merged")
    assert merged["question"] == f"{asked.MEAL}?"
    assert line(ran.run, "in all?")["duplicate_count"] == 1
    take_down(ran.run, "--sample_id", merged["sample_id"])
    assert line(ran.run, "in all?")["duplicate_count"] == 0
    assert found_in(ran.output, b"17 + 5?") == set()
    check_sums(ran.run)
    check_fragments(ran.output)


def test_a_near_duplicate_of_what_goes_is_named_and_stays_out(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ran = copied(made, RL, tmp_path)
    take_down(ran.run, "--sample_id", line(ran.run, "in all?")["sample_id"])
    assert "1 rows with other images were merged into them and stay out" in capsys.readouterr().out
    assert line(ran.run, "17 + 5?")["exit"] == "merged"
    check_sums(ran.run)


@pytest.mark.parametrize(("pipeline", "place"), [(COLD, "Bergen"), (RL, "Porto")])
def test_killed_before_any_of_its_writes_it_ends_in_the_same_state(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pipeline: str, place: str
):
    row = line(made.runs[pipeline].run, place)
    check_every_kill(made.runs[pipeline].output, tmp_path, monkeypatch, "--sample_id", row["sample_id"])


def test_answers_that_were_stored_without_the_question_that_they_are_to_go_with_their_split(made: Made, tmp_path: Path):
    ran = copied(made, COLD, tmp_path)
    row = line(ran.run, "Innsbruck")
    for path in ran.output.glob("answers/*/*/*.jsonl"):
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        path.write_text("".join(json.dumps({k: v for k, v in found.items() if k != "of"}) + "\n" for found in lines))
    take_down(ran.run, "--sample_id", row["sample_id"])
    assert not list(ran.output.glob(f"answers/*/{row['split_id']}/*.jsonl"))
    assert list(ran.output.glob("answers/*/*/*.jsonl"))


def test_a_run_of_the_other_job_that_shows_the_picture_is_named_and_loses_it_in_its_turn(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cold = copied(made, COLD, tmp_path)
    shutil.copytree(made.runs[RL].output, cold.output, dirs_exist_ok=True)
    tasks = Ran(cold.output, RL)
    (shared,) = line(cold.run, "Cordoba")["image_hashes"]
    take_down(cold.run, "--image_hash", shared)
    assert f"2 such rows are in another run still: python -m jobs.forget {tasks.run}" in capsys.readouterr().out
    take_down(tasks.run, "--image_hash", shared)
    assert left_of({"one": b"Cordoba", "both": b"Bergen", "picture": photo(SHARED)}, cold.output) == {}
    for ran in (cold, tasks):
        check_sums(ran.run)
    check_fragments(cold.output)


def test_a_run_that_loses_its_only_question_adds_up_to_nothing_and_so_does_it_made_again(made: Made, tmp_path: Path):
    corpus = reasoning.write(tmp_path / "questions", [asked.COLD[0]])
    with ScriptedServer(asked.reply) as server:
        flags = asked.cold_start(corpus, tmp_path / "runs", server.endpoint)
        reasoning.run(COLD, *flags)
        run = reasoning.run_folder(tmp_path / "runs", COLD)
        take_down(run, "--sample_id", line(run, "Amsterdam")["sample_id"])
        told = [json.loads((run / name).read_text()) for name in ("funnel.json", "funnel-rollouts.json", "funnel-graded.json")]
        exits, spent = (json.loads((run / "manifest.json").read_text())[name] for name in ("exits", "spent"))
        shutil.rmtree(run)
        reasoning.run(COLD, *flags)
    assert exits == {"kept": 0, "dropped": 1, "merged": 0, "dead": 0}
    assert set(spent.values()) == {0}
    assert [funnel[-1]["kept"] for funnel in told] == [0, 0, 0]
    assert {step["entered"] for step in (*told[1], *told[2])} == {0}
    assert [json.loads((run / name).read_text())[0]["entered"] for name in ("funnel.json", "funnel-rollouts.json")] == [1, 0]
    assert found_in(tmp_path / "runs", b"Amsterdam") == set()


def test_a_dry_run_writes_nothing(made: Made, tmp_path: Path):
    ran = copied(made, COLD, tmp_path)
    before = jobs.tree(ran.output)
    assert forget.main([str(ran.run), "--sample_id", line(ran.run, "Bergen")["sample_id"], "--dry_run"]) == 0
    assert jobs.tree(ran.output) == before
