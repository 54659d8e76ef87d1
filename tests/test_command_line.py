"""What a user types, and what a user who mistypes is told."""

import socket
import time
from pathlib import Path

import pytest

from tests import images, jobs
from tests.scripted_server import ScriptedServer


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    images.write_tar(tmp_path / "pool" / "pool.tar", [images.sample(n, f"A small harbour at dusk, print number {n}") for n in range(30)])
    return tmp_path / "pool"


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--set=captioner.endpont=http://x/v1", "refused: unknown key 'captioner.endpont'; did you mean 'endpoint'?"),
        ("--set=image_size.min_side=small", "refused: 'image_size.min_side': expected int, found 'small'"),
        ("--direct_num_worker=2", "refused: unknown flag '--direct_num_worker=2'; did you mean '--direct_num_workers'?"),
        ("--job=nowhere.yaml", "refused: --job: no file 'nowhere.yaml'"),
        ("--set=captioner.prompt=recaptoin", "refused: 'captioner.prompt': "),
        ("--input=/nowhere", "refused: 'input.path': no input: /nowhere is no file"),
        ("--input=nowhere", f"refused: 'input.path': no input: {jobs.ROOT}/nowhere is no file"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_read(pool: Path, tmp_path: Path, flag: str, answer: str):
    done = jobs.run(*jobs.flags_for(pool, tmp_path / "out", "http://127.0.0.1:9/v1"), flag, status=2)
    assert done.stderr.splitlines()[-1].startswith(answer)
    assert not (tmp_path / "out").exists()


def test_no_input_is_answered_with_the_flag_that_names_it():
    assert "give --input FOLDER" in jobs.run(status=2).stderr


@pytest.mark.parametrize("named", [True, False], ids=["model named", "model asked for"])
def test_a_dead_endpoint_fails_within_ten_seconds_with_the_command_that_starts_it(pool: Path, tmp_path: Path, named: bool):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers here, and nobody else takes the port
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        began = time.monotonic()
        done = jobs.run(*jobs.flags_for(pool, tmp_path / "out", endpoint), *([] if named else ["--set=captioner.model=''"]), status=1)
    assert time.monotonic() - began < 20, "ten seconds, and the start of an interpreter on a busy machine"
    assert endpoint in done.stderr
    assert "vllm.entrypoints.openai.api_server --model" in done.stderr


def test_the_one_model_of_an_endpoint_need_not_be_named(pool: Path, tmp_path: Path):
    with ScriptedServer() as server:
        jobs.run(f"--input={pool}", f"--output={tmp_path / 'out'}", f"--set=captioner.endpoint={server.endpoint}")
    assert jobs.query(jobs.run_folder(tmp_path / "out"), "select distinct caption_model, seen from samples") == [("scripted", "image")]


def test_a_dry_run_tells_what_a_run_would_take_and_asks_nothing(pool: Path, tmp_path: Path):
    prices = ["--set=prices.per_million_prompt_tokens=1000.0", "--set=prices.per_million_completion_tokens=5000.0"]
    with ScriptedServer() as server:
        flags = jobs.flags_for(pool, tmp_path / "out", server.endpoint, *prices)
        told = jobs.run(*flags, "--dry_run").stdout
        assert server.calls == []
        assert "1 shards, 2 splits, 30 samples" in told
        assert "at most 30 (0 answers are stored already)" in told
        assert "at most 6,000 out" in told
        # An image of 320 x 240 pixels is 12 x 9 patches of 28; the prompt's words come on top.
        tokens = int(told.split("about ")[1].split(" in")[0].replace(",", ""))
        assert 30 * 108 < tokens < 30 * 600
        assert f"at most {tokens / 1000 + 30:,.2f} USD" in told
        assert not list((tmp_path / "out").glob("recaption/*"))
        jobs.run(*flags)
        assert "at most 0 (30 answers are stored already)" in jobs.run(*flags, "--dry_run").stdout


def test_a_job_file_and_settings_over_it(pool: Path, tmp_path: Path):
    job = tmp_path / "job.yaml"
    with ScriptedServer() as server:
        job.write_text(
            f"input: {{corpus: harbours}}\ncaptioner: {{endpoint: '{server.endpoint}', model: one}}\nimage_size: {{min_side: 1000}}\n"
        )
        jobs.run(f"--job={job}", f"--input={pool}", f"--output={tmp_path / 'out'}", "--set=image_size.min_side=100", "--limit=3")
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select corpus, count(*) from samples group by 1") == [("harbours", 3)]
    assert "min_side: 100\n" in (run / "job.yaml").read_text()


def test_the_summary_shows_funnel_cost_and_paths(pool: Path, tmp_path: Path):
    with ScriptedServer() as server:
        shown = jobs.run(*jobs.flags_for(pool, tmp_path / "out", server.endpoint)).stdout
    run = jobs.run_folder(tmp_path / "out")
    assert "      30       30        0        0        0  Read the images and their alt texts" in shown
    assert "kept 30 samples; for each: " in shown
    assert str(run / "report.html") in shown
    assert str(run / "samples") in shown


def test_a_report_that_could_not_be_drawn_in_the_end_stops_the_run_before_anything_is_asked(
    pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GLMV_CACHE", str(tmp_path / "empty"))
    with ScriptedServer() as server:
        done = jobs.run(*jobs.flags_for(pool, tmp_path / "out", server.endpoint, "--set=lid=null", "--set=facts=null"), status=1)
        assert server.alt_texts == []
    assert "python -m jobs.fetch echarts" in done.stderr
    assert not (tmp_path / "out" / "recaption").exists()
