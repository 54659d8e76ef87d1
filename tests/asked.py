"""Runs over questions to ask and to take from: each question names a place of its own, and so does all that the models say of it."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import xxhash

from pipelines.spine.steps import FUNNEL
from tests import finished, images, reasoning
from tests.scripted_server import Call, Reply, completion

SHARED, ALONE, HARD, PLAIN = 2, 1, 3, 4
"""Pictures: one that two questions show, one that the first of them shows besides, one of a question that nothing solves, and another."""
MEAL = "A cook in Porto has seventeen plums in the larder and buys five more at the market on Monday; how many plums are there now, 17 + 5"
RIDDLE = {"domain": "riddles"}
QUESTIONS = [
    reasoning.question("In Amsterdam, what is 2 + 3?", "5"),
    reasoning.question(
        "<image>How many boats are 3 + 6 in <image> Bergen?", "9", images=[reasoning.picture(ALONE), reasoning.picture(SHARED)]
    ),
    reasoning.question("<image>What is 4 + 5 in Cordoba?", "9", images=[reasoning.picture(SHARED)]),
    reasoning.question("<image>What is 1 + 1 in Dresden, if you never get it right?", "2", images=[reasoning.picture(HARD)]),
    reasoning.question("What is 7 + 8 in Edinburgh, thinking endlessly?", "15"),
    reasoning.question("What is 12 + 30 in Innsbruck, sometimes?", "42"),
    reasoning.question("The chart of Granada shows two bars of 5 + 6. What is their sum?", "11", seen="description"),
    reasoning.question("<image>What is 1 + 2 in Hamburg?", "3", images=["bm90IGFuIGltYWdl"]),
    {**reasoning.question("What dries you in Krakow and gets wetter while it does?", "a towel"), **RIDDLE},
    reasoning.question("<image>What is 6 + 3 in Jena?", "9", images=[reasoning.picture(PLAIN)]),
]
COLD = [
    *QUESTIONS,
    QUESTIONS[0],
    reasoning.question("Write a poem about rain in Florence.", None),
    {**reasoning.question("What is 5 + 5 in Lisbon?", "10"), "responses": [reasoning.tagged("10", "Somebody in Lisbon thought so.")]},
]
TASKS = [
    *QUESTIONS,
    reasoning.question("What is 6 + 1 in Oslo, by a label that is wrong?", "8"),
    reasoning.question(f"{MEAL}?", "22"),
    reasoning.question(f"{MEAL} in all?", "22", human_tier="hard"),
    {**reasoning.question("Which animal barks in Nantes at 1 + 1?", "B", domain="vqa"), "choices": ["a cat", "a dog", "a cow"]},
    reasoning.question("How many arches does the oldest bridge of Turin have, 4 + 4 in total?", "8"),
]
EXAM = [reasoning.question("How many arches does the oldest bridge of Turin have 4 + 4 in total?", "8")]
_PLACE = re.compile(
    r"\b(Amsterdam|Bergen|Cordoba|Dresden|Edinburgh|Florence|Granada|Innsbruck|Jena|Krakow|Lisbon|Nantes|Oslo|Porto|Turin)\b"
)


def reply(call: Call) -> Reply:
    """Answer as ``reasoning.solve`` does, and name the place of the question in every answer."""
    said = json.dumps(call.body["messages"])
    place = _PLACE.search(said)
    found = _answer(call, said)
    return found if place is None else _at(found, place[1])


def _answer(call: Call, said: str) -> Reply:
    if "<first>" in said:
        texts = {json.loads(text) for text in re.findall(r"^<(?:first|second)>(.*)</", call.text, re.MULTILINE)}
        return completion(json.dumps({"equivalent": texts == {"a towel", "cloth"}, "reason": "so it seems, First I add"}))
    if "Options:" in said:
        return reasoning.choices("What kind of animal barks in Nantes at 1 + 1 visitors?")
    if "Repeat this line" not in said and ("Krakow" in said or "barks" in said):
        box = "cloth" if "Krakow" in said else "a dog"
        return reasoning.choices(*(reasoning.tagged(box) for _ in range(call.body["n"])))
    return reasoning.solve(call)


def _at(found: Reply, place: str) -> Reply:
    body = found.body.decode()
    for word in ("First I add", "I add the apples", "Rain falls on"):
        body = body.replace(word, f"{word} in {place}")
    return Reply(body=body.encode())


def cold_start(corpus: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    """Return the flags of a cold start whose base model grades and whose judge decides what no rule can."""
    base = {"base.served.endpoint": endpoint, "base.served.model": "small", "base.per_request": 2, "band.min_rate": 0, "band.max_rate": 1}
    settings = {**base, "grading.first": 2, "grading.most": 2, **_judge(endpoint)}
    return reasoning.cold_start_flags(corpus, output, endpoint, *_set(settings), *more)


def rl_tasks(corpus: Path, exam: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    """Return the flags of RL tasks with a benchmark, a rewriter, two graders and a judge."""
    return reasoning.rl_flags(corpus, output, endpoint, *_set({"benchmarks": exam, **_judge(endpoint)}), *more)


def _judge(endpoint: str) -> dict[str, Any]:
    return {"judge.served.endpoint": endpoint, "judge.served.model": "scripted", "judge.served.backoff_seconds": 0.01}


def _set(settings: dict[str, Any]) -> list[str]:
    return [f"--set={key}={value}" for key, value in settings.items()]


@dataclass
class Ran:
    """What a job wrote, and what makes it again."""

    output: Path
    pipeline: str
    again: list[str] = field(default_factory=list[str])
    """Flags of the same job, but for its output."""

    @property
    def run(self) -> Path:
        return reasoning.run_folder(self.output, self.pipeline)


def line(run: Path, words: str) -> dict[str, Any]:
    """Return the first row of the ledger whose question has ``words``."""
    return next(row for row in finished.rows(run) if words in (row["question"] or ""))


def photo(number: int) -> bytes:
    return images.photo(number)


def check_sums(run: Path) -> None:
    """Hold manifest, funnels and tables of a run over questions against each other."""
    manifest, ledger = json.loads((run / "manifest.json").read_text()), finished.rows(run)
    assert {str(path.relative_to(run)) for path in run.glob("*/*.parquet")} == {entry["path"] for entry in manifest["files"]}
    for entry in manifest["files"]:
        data = (run / entry["path"]).read_bytes()
        assert (xxhash.xxh3_128_hexdigest(data), len(data)) == (entry["xxh3_128"], entry["bytes"])
        assert pq.read_metadata(run / entry["path"]).num_rows == entry["rows"]
    assert manifest["exits"] == _check_funnel(json.loads((run / "funnel.json").read_text()), ledger)
    spent: Counter[str] = Counter()
    for name in ("rollouts", "graded"):
        if (run / name).exists():
            rows = finished.rows(run, name)
            _check_funnel(json.loads((run / f"funnel-{name}.json").read_text()), rows)
            for row in rows:
                spent.update({key: row[key] or 0 for key in ("prompt_tokens", "completion_tokens", "answer_seconds")})
    assert spent["completion_tokens"] > 0
    assert {key: round(value, 3) for key, value in manifest["spent"].items()} == {key: round(value, 3) for key, value in spent.items()}
    assert len(finished.rows(run, "dead")) == sum(row["exit"] == "dead" for row in ledger)


def _check_funnel(steps: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, int]:
    """Hold a funnel against the rows that it tells of, and return their doors."""
    entered = len(rows)
    for step in steps:
        here = [row for row in rows if row["step"] == step["step"]]
        doors = {door: Counter(row["reason"] for row in here if row["exit"] == door) for door in ("dropped", "merged", "dead")}
        assert {door: step[door] for door in doors} == {door: dict(found) for door, found in doors.items()}, step["step"]
        assert (step["entered"], step["kept"]) == (entered, entered - len(here)), step["step"]
        entered -= len(here)
    told = Counter(row["exit"] for row in rows)
    assert told["kept"] == entered
    return {door: told[door] for door in ("kept", "dropped", "merged", "dead")}


def check_fragments(output: Path) -> None:
    """Hold the name, the funnels and the sum of pictures of every fragment against its bytes and its rows."""
    for path in output.glob("*/*/*.parquet"):
        assert xxhash.xxh3_128_hexdigest(path.read_bytes()) == path.name.split(".")[1]
        table = pq.read_table(path)
        rows, about = table.to_pylist(), table.schema.metadata
        if b"kept_bytes" not in about:
            continue
        _check_funnel(json.loads(about[FUNNEL]), rows)
        for name in ("rollouts", "graded"):
            if name in table.column_names:
                _check_funnel(json.loads(about[FUNNEL + b":" + name.encode()]), [one for row in rows for one in row[name] or ()])
        assert int(about[b"kept_bytes"]) == sum(len(image["bytes"]) for row in rows for image in row["images"] or ())
