"""The whole job against a real vLLM. Random weights write no captions, so what is held here are the sums and the ways out."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from tests import images, jobs
from tests.serving import vllm_server

SENTENCE = "A [a-z]{3,8}( [a-z]{3,8}){6}\\."
"""What the caption rules have nothing against, as a grammar."""
NO_THINKING = "--set=captioner.extra.chat_template_kwargs.enable_thinking=false"
SAMPLES = 16
START_SECONDS = 120.0


def pool(folder: Path, samples: int) -> Path:
    images.write_folder(folder, [images.sample(n, f"A small harbour at dusk, print number {n}") for n in range(samples)])
    return folder


def exits(run: Path) -> dict[str, int]:
    return dict(jobs.query(run, "select exit, count(*) from ledger group by 1"))


def stored(output: Path) -> int:
    return sum(len(path.read_text().splitlines()) - 1 for path in output.glob("answers/*/*/*.jsonl"))


def test_four_images_go_through_the_job_and_the_one_that_the_server_refuses_is_a_dead_letter(server: vllm_server.Server, tmp_path: Path):
    folder, output = pool(tmp_path / "pool", 3), tmp_path / "out"
    images.write_folder(folder, [{"__key__": "ribbon", "jpg": images.photo(3, (6000, 24)), "txt": "A ribbon of silk from Lyon"}])
    let_pass = ["--set=image_size.min_side=20", "--set=image_size.max_aspect=300"]  # GLM takes no image longer than 200 times its width
    flags = [f"--set=captioner.endpoint={server.endpoint}", f"--set=captioner.model={vllm_server.MODEL}", "--set=captioner.max_tokens=32"]
    jobs.run("--input", str(folder), "--output", str(output), NO_THINKING, *flags, *let_pass)
    run = jobs.run_folder(output)
    ((member, reason, error),) = jobs.query(run, "select source_path, reason, error from dead")
    assert (Path(member).name, reason) == ("ribbon.jpg", "captioner_failed")
    assert "HTTP 400" in error
    assert sum(exits(run).values()) == 4
    assert exits(run)["dead"] == 1
    assert jobs.query(run, "select count(*) from ledger where exit <> 'kept' and reason is null") == [(0,)]
    asked = [json.loads(line) for line in contents(output).values()]
    assert len(asked) == 3
    assert min(answer["prompt_tokens"] for answer in asked) > 11 * 9, "an image of 320 x 240 pixels is 11 x 9 patches of 28"
    assert max(answer["completion_tokens"] for answer in asked) <= 32


def test_captions_that_a_grammar_shapes_are_kept_with_their_images(server: vllm_server.Server, tmp_path: Path):
    folder, output = pool(tmp_path / "pool", 4), tmp_path / "out"
    grammar = f"--set=captioner.extra.structured_outputs.regex='{SENTENCE}'"
    jobs.run(f"--input={folder}", f"--output={output}", f"--set=captioner.endpoint={server.endpoint}", NO_THINKING, grammar)
    run = jobs.run_folder(output)
    assert exits(run) == {"kept": 4}
    rows = jobs.query(run, f"select regexp_full_match(caption, '{SENTENCE}'), finish_reason, seen, caption_model from samples")
    assert rows == [(True, "stop", "image", vllm_server.MODEL)] * 4
    kept = {bytes(data) for (data,) in jobs.query(run, "select image.bytes from samples")}
    assert kept == {path.read_bytes() for path in folder.glob("*.jpg")}


def test_a_server_that_is_killed_stops_the_job_and_another_one_of_the_same_model_ends_it(
    server: vllm_server.Server, mortal: vllm_server.Server, tmp_path: Path
):
    folder, output = pool(tmp_path / "pool", SAMPLES), tmp_path / "out"
    killed_while_captioning(mortal, output, flags(folder, output, mortal))
    assert list(output.glob("recaption/*/manifest.json")) == []
    kept = stored(output)
    assert 0 < kept < SAMPLES

    before = contents(output)
    jobs.run(*flags(folder, output, server), "--set=captioner.max_in_flight=8")
    assert sum(exits(jobs.run_folder(output)).values()) == stored(output) == SAMPLES
    assert before.items() <= contents(output).items(), "what was answered is not asked again"


def flags(folder: Path, output: Path, server: vllm_server.Server) -> list[str]:
    settings = {
        "endpoint": server.endpoint,
        "model": vllm_server.MODEL,
        "max_in_flight": 1,
        "max_tokens": 32,
        "extra.ignore_eos": "true",
        "backoff_seconds": 0.01,
    }
    return [
        f"--input={folder}",
        f"--output={output}",
        NO_THINKING,
        *(f"--set=captioner.{name}={value}" for name, value in settings.items()),
    ]


def killed_while_captioning(server: vllm_server.Server, output: Path, job: Sequence[str]) -> None:
    """Run the job, kill the server once it has answered twice, and hold what the job then says."""
    with subprocess.Popen(jobs.command(*job), cwd=jobs.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            Retrying(retry=retry_if_result(lambda n: n < 2), stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.05))(stored, output)
            server.kill()
            _, told = process.communicate(timeout=START_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 1, told
    last = told.strip().splitlines()[-1]
    assert last.startswith(f"stopped: expected {vllm_server.MODEL} to answer at {server.endpoint}")
    assert "start a server" in last


def contents(output: Path) -> dict[str, str]:
    """Return the stored answers by key."""
    lines = [json.loads(line) for path in output.glob("answers/*/*/*.jsonl") for line in path.read_text().splitlines()[1:]]
    return {line["key"]: json.dumps(line, sort_keys=True) for line in lines}
