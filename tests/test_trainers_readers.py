"""What LLaMA-Factory and verl, of the releases that are pinned, make of ``sft/`` and ``rl/``: their own modules, run over a run of ours."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import finished, reasoning, trainers
from tests.scripted_server import Call, Reply, ScriptedServer

TURNS = [
    {"role": "system", "content": "You count."},
    {"role": "user", "content": "<image>How many are there?"},
    {"role": "assistant", "content": "There are 4."},
    {"role": "user", "content": "And with 4 + 5 in <image> as well?"},
]
ROWS = [
    reasoning.question("What is 2 + 3?", "5"),
    reasoning.question("<image>How many are 1 + 2?", "3", images=[reasoning.picture(1)]),
    {"prompt": TURNS, "truth": "9", "domain": "math", "language": "en", "images": [reasoning.picture(2), reasoning.picture(3)]},
    {**reasoning.question("Which of them barks at 1 + 1?", "B", domain="vqa"), "choices": ["a cat", "a dog"]},
]


def script(call: Call) -> Reply:
    if "barks" in call.text and "Repeat" not in call.text:
        return reasoning.choices(*(reasoning.tagged("B") for _ in range(call.body["n"])))
    return reasoning.solve(call)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("trainers")
    corpus = reasoning.write(folder / "questions", ROWS)
    with ScriptedServer(script) as server:
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, folder / "out", server.endpoint, "--set=sft.nothink_share=0.5"))
        given = [flag for flag in reasoning.rl_flags(corpus, folder / "out", server.endpoint) if "rewriter" not in flag]
        reasoning.run("rl_tasks", *given, "--set=rewriter=null")
    return {name: reasoning.run_folder(folder / "out", name) for name in ("cold_start", "rl_tasks")}


def shown(row: dict[str, Any]) -> list[list[Any]]:
    """Return size and mode of the pictures of a row, by a way of opening them of our own."""
    return [[list(Image.open(io.BytesIO(image["bytes"])).size), "RGB"] for image in row["images"]]


def test_llamafactory_reads_every_sample_by_the_registration_of_the_run(runs: dict[str, Path], tmp_path: Path):
    found = trainers.read("llamafactory", runs["cold_start"], tmp_path)
    assert set(found) == {"sft", "sft_glm41v"}
    for table, samples in found.items():
        rows = finished.rows(runs["cold_start"], table)
        assert len(samples) == len(rows) >= len(ROWS)
        for sample, row in zip(samples, rows, strict=True):
            system = [turn["content"] for turn in row["messages"] if turn["role"] == "system"]
            turns = [turn for turn in row["messages"] if turn["role"] != "system"]
            assert sample["_system"] == "".join(system)
            assert (sample["_prompt"], sample["_response"]) == (turns[:-1], turns[-1:])
            assert sample["_images"] == shown(row)
        assert sum(len(sample["_images"]) for sample in samples) >= 3
        assert any(sample["_system"] and len(sample["_prompt"]) == 3 for sample in samples)


def test_verl_reads_every_task_with_pictures_where_their_markers_stand(runs: dict[str, Path], tmp_path: Path):
    found = trainers.read("verl", runs["rl_tasks"], tmp_path)
    assert {"raw_prompt", "data_source", "reward_model", "extra_info", "ability", "dummy_tensor", "index"} <= set(found["columns"])
    tasks, rows = ({row["sample_id"]: row for row in listed} for listed in (found["tasks"], finished.rows(runs["rl_tasks"], "rl")))
    assert tasks.keys() == rows.keys()
    assert len(tasks) == len(ROWS)
    for name, row in rows.items():
        task, pictures = tasks[name], iter(shown(row))
        assert task["index"] == row["row"]
        assert [turn["role"] for turn in task["raw_prompt"]] == [turn["role"] for turn in row["prompt"]]
        for read, turn in zip(task["raw_prompt"], row["prompt"], strict=True):
            if not row["images"]:
                assert read["content"] == turn["content"]
                continue
            parts = [text for piece in turn["content"].split("<image>") for text in (None, piece)][1:]
            expected = [next(pictures) if text is None else text for text in parts if text != ""]
            assert read["content"] == expected
        assert next(pictures, None) is None


def test_verl_loads_our_reward_and_is_given_what_is_right_and_what_is_not(runs: dict[str, Path], tmp_path: Path):
    found = trainers.read("verl", runs["rl_tasks"], tmp_path)
    assert [task["rewards"] for task in found["tasks"]] == [[1.0, 0.0]] * len(ROWS)


@pytest.mark.parametrize(("pipeline", "tables"), [("cold_start", {"sft", "sft_glm41v"}), ("rl_tasks", {"rl"})])
def test_a_release_of_datasets_without_a_feature_for_lists_reads_every_row(
    runs: dict[str, Path], tmp_path: Path, pipeline: str, tables: set[str]
):
    found = trainers.read("datasets", runs[pipeline], tmp_path)
    assert set(found) == tables
    for table, samples in found.items():
        rows = finished.rows(runs[pipeline], table)
        assert len(samples) == len(rows) >= len(ROWS)
        turns = "prompt" if table == "rl" else "messages"
        assert [(sample["sample_id"], sample[turns]) for sample in samples] == [(row["sample_id"], row[turns]) for row in rows]
        assert [sample["images"] for sample in samples] == [shown(row) for row in rows]
