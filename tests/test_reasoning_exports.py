"""What trainers and catalogues are told of a run over questions is true of its files; verl's reward is our verifiers'."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synth.verl_reward import compute_score
from tests import reasoning
from tests.scripted_server import ScriptedServer

CHOICE = {"verifier": "choice", "verifier_args": '{"choices": ["x", "y"]}'}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    rows = [reasoning.question("What is 2 + 3?", "5"), reasoning.question("<image>How many are 1 + 2?", "3", images=[reasoning.picture(1)])]
    corpus = reasoning.write(folder / "questions", rows)
    with ScriptedServer(reasoning.solve) as server:
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, folder / "out", server.endpoint))
    return reasoning.run_folder(folder / "out", "cold_start")


def test_llama_factory_finds_folders_of_parquet_alone_with_the_columns_that_it_is_told(run: Path):
    registered = json.loads((run / "dataset_info.json").read_text())
    assert set(registered) == {"sft", "sft_glm41v"}
    for entry in registered.values():
        files = list((run / entry["file_name"]).iterdir())
        assert {file.suffix for file in files} == {".parquet"}
        rows = pq.read_table(files[0]).to_pylist()
        for row in rows:
            markers = sum(turn["content"].count("<image>") for turn in row[entry["columns"]["messages"]])
            assert markers == len(row[entry["columns"]["images"]])
            assert [turn["role"] for turn in row["messages"]] == ["user", "assistant"]


def test_croissant_names_files_and_columns_that_are_there(run: Path):
    told = json.loads((run / "croissant.json").read_text())
    sets = {entry["@id"]: entry["includes"] for entry in told["distribution"] if entry["@type"] == "cr:FileSet"}
    assert set(sets) == {"sft", "sft_glm41v"}
    for records in told["recordSet"]:
        for field in records["field"]:
            (file, *_) = run.glob(sets[field["source"]["fileSet"]["@id"]])
            assert field["source"]["extract"]["column"] in pq.read_schema(file).names


@pytest.mark.parametrize(
    ("response", "truth", "info", "score", "by"),
    [
        ("<think>a</think>\nIt is <|begin_of_box|>5<|end_of_box|>.", "5", {"verifier": "counting"}, 1.0, None),
        ("<think>a</think>\nIt is <|begin_of_box|>6<|end_of_box|>.", "5", {"verifier": "counting"}, 0.0, None),
        ("<think>a</think>\nIt is 5.", "5", {"verifier": "counting"}, 0.0, "format"),
        ("It is <|begin_of_box|>5<|end_of_box|>.", "5", {"verifier": "counting"}, 0.0, "format"),
        ("<think>a</think>\n<|begin_of_box|>\\int_0^1 x dx<|end_of_box|>", "\\frac{1}{2}", {"verifier": "math"}, 1.0, "math_verify"),
        ("<think>a</think>\n<|begin_of_box|>(x+1)^2<|end_of_box|>", "x^2+2x", {"verifier": "math"}, 0.0, "value"),
        (
            "<think>a</think>\n<|begin_of_box|>B<|end_of_box|>",
            "B",
            {"verifier": "choice", "verifier_args": '{"choices": ["x", "y"]}'},
            1.0,
            None,
        ),
    ],
)
def test_verl_is_given_what_our_verifier_gives(response: str, truth: str, info: dict, score: float, by: str | None):
    found = compute_score("corpus", response, truth, info)
    assert found["score"] == score
    assert by is None or found["by"] == by


def test_a_task_without_a_verifier_of_ours_is_an_error_and_no_zero():
    with pytest.raises(KeyError, match="poetry"):
        compute_score("corpus", "<think>a</think>\n<|begin_of_box|>5<|end_of_box|>", "5", {"verifier": "poetry"})
