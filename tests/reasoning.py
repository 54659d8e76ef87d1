"""A small corpus of questions, a scripted model that answers them, and the reasoning jobs run over both as a user runs them."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from tests import images
from tests.jobs import ROOT
from tests.scripted_server import Call, Reply

THOUGHT = "First I add the two numbers, then I check the sum by counting on."
LATER = ("Then I look at it once more.", "Counting fingers gives nothing else.", "A number line ends at that same place too.")
ENDLESS = "<think>I add the apples to the pears, lose the thread, and begin again with"
_SUM = re.compile(r"(\d+) \+ (\d+)")
_REPEAT = "write nothing else:\n"


def choices(*texts: str, finish: str = "stop", prompt_tokens: int = 11) -> Reply:
    """Return a completion with several choices, whose tokens are words."""
    listed = [{"index": i, "message": {"role": "assistant", "content": t}, "finish_reason": finish} for i, t in enumerate(texts)]
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": sum(len(t.split()) for t in texts)}
    return Reply(body=json.dumps({"object": "chat.completion", "choices": listed, "usage": usage}).encode())


def tagged(box: str, thought: str = THOUGHT) -> str:
    return f"<think>{thought}</think>\n<answer>It is <|begin_of_box|>{box}<|end_of_box|>.</answer>"


def solve(call: Call) -> Reply:
    """Answer a sum; what the question asks for besides decides how it goes wrong. Choice i of seed s is the rollout s + i."""
    text, n, seed = call.text, call.body.get("n", 1), call.body["seed"]
    if _REPEAT in text:
        return choices(*[text.partition(_REPEAT)[2]] * n)
    if call.body["messages"][-1]["role"] == "assistant":  # a thought that was cut, and is to be ended
        return choices(f"It is <|begin_of_box|>{_total(_question(call))}<|end_of_box|>.</answer>")
    rollouts = range(seed, seed + n)
    if "endlessly" in text:
        return choices(*(ENDLESS for _ in rollouts), finish="length")
    return choices(*(_said(text, rollout) for rollout in rollouts))


def solve_one(call: Call) -> str:
    """Return the one choice of a server that does not take ``n``."""
    return call.text.partition(_REPEAT)[2] if _REPEAT in call.text else _said(call.text, call.body["seed"])


def _said(text: str, rollout: int) -> str:
    if "poem" in text:
        verse = f"Rain falls on the quiet roof, {rollout} times over."
        return f"<think>A poem needs a picture, number {rollout}.</think>\n<answer>{verse}</answer>"
    total = _total(text)
    if "never" in text or ("sometimes" in text and rollout % 2):
        return tagged(str(int(total) + 1 + rollout))
    if "always wrong" in text:
        return tagged("99")
    if "untagged" in text:
        return f"The answer is {total}."
    return tagged(total, f"{THOUGHT} " + " ".join(LATER[:rollout]))


def _question(call: Call) -> str:
    users = [m for m in call.body["messages"] if m["role"] == "user"]
    content = users[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _total(text: str) -> str:
    found = _SUM.search(text)
    return str(int(found[1]) + int(found[2])) if found else "0"


def question(text: str, truth: str | None, **more: Any) -> dict[str, Any]:
    return {"question": text, "truth": truth, "domain": "math" if truth else "writing", "language": "en", **more}


def picture(number: int) -> str:
    return base64.b64encode(images.photo(number)).decode()


def write(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "questions") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return folder


def command(pipeline: str, *flags: str) -> list[str]:
    return [sys.executable, "-m", f"pipelines.{pipeline}", *flags]


def run(pipeline: str, *flags: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(pipeline, *flags), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def cold_start_flags(corpus: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    settings = {
        "solver.served.endpoint": endpoint,
        "solver.served.model": "scripted",
        "solver.served.backoff_seconds": 0.01,
        "solver.per_request": 2,
        "rollouts": 4,
        "lid": "null",
        "input.corpus": "sums",
        "input.split_samples": 4,
    }
    return [f"--input={corpus}", f"--output={output}", *(f"--set={key}={value}" for key, value in settings.items()), *more]


def run_folder(output: Path, pipeline: str) -> Path:
    (manifest,) = output.glob(f"{pipeline}/*/manifest.json")
    return manifest.parent


def query(run: Path, sql: str) -> list[tuple]:
    """Run ``sql`` over the tables of a run, each a view of its name."""
    with duckdb.connect() as base:
        for folder in sorted(path for path in run.iterdir() if path.is_dir()):
            base.sql(f"create view {folder.name} as select * from read_parquet('{folder}/*.parquet')")
        return base.sql(sql).fetchall()


def rl_flags(corpus: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    settings: dict[str, Any] = {"rewriter.served.endpoint": endpoint, "rewriter.served.model": "scripted", "lid": "null"}
    for name in ("one", "two"):
        served = {"endpoint": endpoint, "model": "scripted", "revision": name, "backoff_seconds": 0.01}
        settings |= {f"graders.{name}.served.{key}": value for key, value in served.items()}
        settings[f"graders.{name}.per_request"] = 2
    settings |= {"grading.first": 2, "grading.most": 6, "input.corpus": "tasks", "input.split_samples": 5}
    return [f"--input={corpus}", f"--output={output}", *(f"--set={key}={value}" for key, value in settings.items()), *more]
