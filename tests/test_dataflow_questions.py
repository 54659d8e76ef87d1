"""The jobs over questions as a launch sends them to Dataflow, read and run here: staged code, nothing of this machine, no secret."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.cold_start import launch as cold_start
from pipelines.rl_tasks import launch as rl_tasks
from pipelines.spine import dataflow
from tests import asked, job_proto
from tests.scripted_server import ScriptedServer
from tests.test_dataflow import IMAGE, LAUNCH, MACHINES, SECRET

LAUNCHES = {"cold_start": cold_start.main, "rl_tasks": rl_tasks.main}
KEPT = {"cold_start": "sft", "rl_tasks": "rl"}
BUCKET = ["--input=gs://bucket/questions/*.jsonl", "--output=gs://bucket/runs"]
ELSEWHERE = f"http://{job_proto.ELSEWHERE}:8000/v1"
HERE = {"lid": "null", "input.split_samples": 4, "grading.first": 2, "grading.most": 2}


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def served(role: str, endpoint: str) -> dict[str, Any]:
    return {f"{role}.endpoint": endpoint, f"{role}.model": "scripted"}


def settings(pipeline: str, endpoint: str) -> list[str]:
    """Return the flags of a job whose every model is at ``endpoint``."""
    roles = (
        ["solver.served", "base.served"] if pipeline == "cold_start" else ["graders.one.served", "graders.two.served", "rewriter.served"]
    )
    values = {**HERE, **{key: value for role in (*roles, "judge.served") for key, value in served(role, endpoint).items()}}
    extra = {"rollouts": 2, "band.max_rate": 1} if pipeline == "cold_start" else {"benchmarks": "gs://bucket/exam/*.jsonl"}
    return [*BUCKET, *(f"--set={key}={value}" for key, value in {**values, **extra}.items())]


@dataclass(frozen=True)
class Launched:
    pipeline: str
    sent: job_proto.Sent


@pytest.fixture(scope="module", params=LAUNCHES)
def launched(request: pytest.FixtureRequest) -> Iterator[Launched]:
    """What ``python -m pipelines.<pipeline> --runner=DataflowRunner ...`` sent, and what came of it."""
    with pytest.MonkeyPatch.context() as patch, ScriptedServer(asked.reply) as server, job_proto.service(patch) as sent:
        patch.setenv("SOLVER_KEY", SECRET)
        sent.files["gs://bucket/questions/q.jsonl"] = jsonl(asked.COLD if request.param == "cold_start" else asked.TASKS)
        sent.files["gs://bucket/exam/e.jsonl"] = jsonl(asked.EXAM)
        endpoint = f"http://{job_proto.ELSEWHERE}:{server.endpoint.split(':')[2]}"
        assert LAUNCHES[request.param]([*MACHINES, *LAUNCH, *settings(request.param, endpoint)]) == 0
        yield Launched(request.param, sent)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[job_proto.Sent]:
    with job_proto.service(monkeypatch, does_jobs=False) as sent:
        sent.files["gs://bucket/questions/q.jsonl"] = jsonl(asked.COLD)
        sent.files["gs://bucket/exam/e.jsonl"] = jsonl(asked.EXAM)
        yield sent


def test_the_job_that_was_sent_does_its_work(launched: Launched):
    (manifest,) = [json.loads(data) for path, data in launched.sent.files.items() if path.endswith("/manifest.json")]
    assert manifest["exits"]["kept"] > 5
    folder = f"gs://bucket/runs/{launched.pipeline}/{manifest['run_id']}/{KEPT[launched.pipeline]}/"
    tables = [data for path, data in launched.sent.files.items() if path.startswith(folder)]
    assert sum(pq.read_table(io.BytesIO(data)).num_rows for data in tables) > 4


def test_workers_are_sent_the_code_that_was_launched_and_fetch_nothing_else(launched: Launched):
    assert b"pipelines/cold_start/graph.py" in launched.sent.staged("glmv_curation-0.1.0-py3-none-any.whl")
    environments = launched.sent.pipeline.components.environments.values()
    assert {job_proto.api.DockerPayload.FromString(found.payload).container_image for found in environments} == {IMAGE}
    for environment in environments:
        urls = [job_proto.api.ArtifactUrlPayload.FromString(found.type_payload).url for found in environment.dependencies]
        assert sorted(url.rsplit("/")[-1] for url in urls) == ["extra_packages.txt", "glmv_curation-0.1.0-py3-none-any.whl"]
        assert [url for url in urls if not url.startswith("gs://bucket/temp/")] == []


def test_no_path_of_this_machine_is_in_the_graph_or_in_what_is_pickled_in_it(launched: Launched):
    assert job_proto.local_paths(job_proto.texts(launched.sent.pipeline)) == set()
    told = {name: value for name, value in launched.sent.environment["sdkPipelineOptions"]["options"].items() if name != "extra_packages"}
    assert job_proto.local_paths([json.dumps(told).encode()]) == set()


def test_nothing_is_pickled_from_the_main_module(launched: Launched):
    texts = job_proto.texts(launched.sent.pipeline)
    assert [text for text in texts if b"__main__" in text] == []
    assert len(texts) > 30
    assert launched.sent.environment["sdkPipelineOptions"]["options"]["save_main_session"] is False


def test_no_secret_of_the_environment_is_sent(launched: Launched):
    assert [path for path, data in launched.sent.files.items() if SECRET.encode() in data] == []
    texts = [*job_proto.texts(launched.sent.pipeline), json.dumps(launched.sent.environment).encode()]
    assert [text for text in texts if SECRET.encode() in text] == []


ROLES = [
    ("cold_start", "solver.served"),
    ("cold_start", "base.served"),
    ("cold_start", "judge.served"),
    ("rl_tasks", "graders.two.served"),
    ("rl_tasks", "rewriter.served"),
    ("rl_tasks", "judge.served"),
]


@pytest.mark.parametrize(("pipeline", "role"), ROLES)
@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({"endpoint": "embedded", "model": "''"}, "'{role}.endpoint' is 'embedded', which serves local runners only"),
        ({"endpoint": "http://localhost:8000/v1"}, "'{role}.endpoint' is 'http://localhost:8000/v1', this machine"),
        ({"api_key_env": "HOME"}, "'{role}.api_key_env' names the variable 'HOME'"),
        ({"max_in_flight": 7}, "'{role}.max_in_flight' is 7, but the job may have 8 processes"),
    ],
)
def test_a_model_that_workers_elsewhere_cannot_use_is_refused_before_anything_is_asked(
    failing: job_proto.Sent, capsys: pytest.CaptureFixture[str], pipeline: str, role: str, values: dict[str, Any], answer: str
):
    flags = [f"--set={role}.{name}={value}" for name, value in values.items()]
    assert LAUNCHES[pipeline]([*MACHINES, *LAUNCH, *settings(pipeline, ELSEWHERE), *flags]) == 2
    assert answer.format(role=role) in capsys.readouterr().err
    assert failing.jobs == []


@pytest.mark.parametrize("pipeline", LAUNCHES)
@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--input=questions", "'input.path' is 'questions', on this machine"),
        ("--output=runs", "'output.folder' is 'runs', on this machine"),
        ("--temp_location=", "--temp_location=gs://BUCKET/temp"),
        ("--save_main_session", "nothing of a job is in __main__"),
    ],
)
def test_a_launch_that_cannot_be_is_refused(
    failing: job_proto.Sent, capsys: pytest.CaptureFixture[str], pipeline: str, flag: str, answer: str
):
    assert LAUNCHES[pipeline]([*MACHINES, *LAUNCH, *settings(pipeline, ELSEWHERE), flag]) == 2
    assert answer in capsys.readouterr().err
    assert failing.jobs == []


def test_benchmarks_that_lie_on_this_machine_are_refused(failing: job_proto.Sent, capsys: pytest.CaptureFixture[str]):
    assert rl_tasks.main([*MACHINES, *LAUNCH, *settings("rl_tasks", ELSEWHERE), "--set=benchmarks=exam"]) == 2
    assert "'benchmarks' is 'exam', on this machine" in capsys.readouterr().err
    assert failing.jobs == []


def test_what_is_missing_is_named_all_at_once(capsys: pytest.CaptureFixture[str]):
    assert cold_start.main(["--runner=DataflowRunner", *settings("cold_start", ELSEWHERE)]) == 2
    told = capsys.readouterr().err
    assert [flag for flag in dataflow.NEEDED if f"--{flag}=" not in told] == []
