"""The job that a launch sends to Dataflow, read and run here: no request leaves this machine, and no credentials are asked for."""

import io
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
import yaml
from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2 as api
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

from filters.models.embedder import EmbedderSpec
from pipelines.pairs import embed
from pipelines.pairs.rules import decisions
from pipelines.pairs.source import Input
from pipelines.recaption import launch
from pipelines.recaption.job import Job, caption_steps
from pipelines.recaption.plan import plan_run
from pipelines.spine import config, dataflow, flags
from pipelines.spine.commit import Output
from pipelines.spine.config import ConfigError
from pipelines.spine.served import OnEndpoint
from pipelines.spine.wheel import write_wheel
from schemas.exits import EnvironmentFault
from synth.captioner import CaptionerSpec
from tests import images, job_proto, jobs
from tests.scripted_server import ScriptedServer

IMAGE = "us-docker.pkg.dev/project-1/curation/glmv-worker:1"
PRESET = jobs.ROOT / "jobs/recaption/dataflow.yaml"
ENDPOINT = f"http://{job_proto.ELSEWHERE}:8000/v1"
LAUNCH = ["--project=project-1", "--region=europe-west4", "--temp_location=gs://bucket/temp", f"--sdk_container_image={IMAGE}"]
JOB = [
    "--input=gs://bucket/pool/*.tar",
    "--output=gs://bucket/runs",
    "--set=captioner.model=scripted",
    "--set=input.split_samples=5",
    "--set=facts=null",
]
MACHINES = ["--runner=DataflowRunner", "--machine_type=n2-standard-2", "--max_num_workers=4"]
SECRET = "sk-marker-4711-never-to-be-sent"
SAMPLES = 12


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[job_proto.Sent]:
    """What `python -m pipelines.recaption --job=jobs/recaption/dataflow.yaml ...` sent, and what came of it."""
    with pytest.MonkeyPatch.context() as patch, ScriptedServer() as server, job_proto.service(patch) as sent:
        patch.setenv("CAPTIONER_KEY", SECRET)
        sent.files["gs://bucket/pool/0.tar"] = tar(tmp_path_factory.mktemp("pool"))
        port = server.endpoint.split(":")[2]
        assert launch.main([f"--job={PRESET}", *LAUNCH, *JOB, f"--set=captioner.endpoint=http://{job_proto.ELSEWHERE}:{port}"]) == 0
        yield sent


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[job_proto.Sent]:
    """A service that takes a job and says that it failed."""
    with job_proto.service(monkeypatch, does_jobs=False) as sent:
        sent.files["gs://bucket/pool/0.tar"] = tar(tmp_path)
        yield sent


def tar(folder: Path) -> bytes:
    samples = [images.sample(n, f"A small harbour at dusk, print number {n}") for n in range(SAMPLES)]
    return Path(images.write_tar(folder / "0.tar", samples)).read_bytes()


def send(gpu: str = "", **captioner: str) -> None:
    """Launch a job past every check of what it asks for, with an embedder where a ``gpu`` is named.

    Raises ``EnvironmentFault`` where the service says that it failed.
    """
    command = flags.parse([*MACHINES, *LAUNCH], "")
    spec = CaptionerSpec(endpoint=ENDPOINT, model="scripted", **captioner)
    embedder = EmbedderSpec(model="ViT-B-32", pretrained="openai") if gpu else None
    source, output = Input(path="gs://bucket/pool/*.tar"), Output(folder="gs://bucket/runs")
    plan = plan_run(Job(input=source, captioner=spec, embedder=embedder, gpu=gpu, output=output))
    dataflow.make_ready(command.options, {}, gpu)
    launch.execute(plan, OnEndpoint(plan.job.captioner, plan.at.answers, 1), command)


def toy(*steps: Any, runner: str = "DataflowRunner") -> api.Pipeline:
    """Return the graph of ``steps`` one after another, as Dataflow gets it."""
    flags_ = [f"--runner={runner}", "--dry_run=true", "--no_save_main_session", f"--experiments={dataflow.NO_FREEZE}", *LAUNCH]
    pipeline = beam.Pipeline(options=PipelineOptions(flags_))
    collection = pipeline | "Name the splits" >> beam.Create([1])
    for step in steps:
        collection = collection | step
    result: Any = pipeline.run()
    return result.job.proto_pipeline


# What was sent


def test_the_job_that_was_sent_does_its_work(sent: job_proto.Sent):
    (manifest,) = [json.loads(data) for path, data in sent.files.items() if path.endswith("/manifest.json")]
    assert manifest["exits"]["kept"] == SAMPLES
    (samples,) = [data for path, data in sent.files.items() if "/samples/" in path and path.startswith("gs://bucket/runs/recaption/")]
    assert pq.read_table(io.BytesIO(samples)).column("caption").null_count == 0


def test_every_step_runs_in_the_image_that_was_named(sent: job_proto.Sent):
    environments = sent.pipeline.components.environments.values()
    assert {api.DockerPayload.FromString(environment.payload).container_image for environment in environments} == {IMAGE}
    assert [pool["workerHarnessContainerImage"] for pool in sent.environment["workerPools"]] == [IMAGE]


def test_what_is_installed_on_a_worker_is_the_code_that_was_launched(sent: job_proto.Sent, tmp_path: Path):
    (name,) = sent.staged("extra_packages.txt").decode().split()
    site = tmp_path / "site"
    (tmp_path / name).write_bytes(sent.staged(name))
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--force-reinstall", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(site), str(tmp_path / name)], check=True)
    folders = (jobs.ROOT / package for package in ("schemas", "filters", "synth", "pipelines", "jobs"))
    kinds = ("*.py", "*.md", "*.html", "*.css", "*.js")
    found = (path for folder in folders for kind in kinds for path in folder.rglob(kind))
    here = {path.relative_to(jobs.ROOT) for path in found if path.suffix != ".md" or path.parent.name == "prompts"}
    assert len(here) > 60
    assert {path: (site / path).read_bytes() for path in here} == {path: (jobs.ROOT / path).read_bytes() for path in here}
    look = "import pipelines.recaption.graph as g, synth.prompt as p; p.load_prompt('recaption'); print(g.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(site / "pipelines/recaption/graph.py")


def test_equal_code_gives_an_equal_wheel(tmp_path: Path):
    (tmp_path / "again").mkdir()
    assert write_wheel(tmp_path).read_bytes() == write_wheel(tmp_path / "again").read_bytes()


def test_workers_fetch_what_is_staged_from_the_bucket_and_nothing_else(sent: job_proto.Sent):
    for environment in sent.pipeline.components.environments.values():
        urls = [api.ArtifactUrlPayload.FromString(found.type_payload).url for found in environment.dependencies]
        assert sorted(url.rsplit("/")[-1] for url in urls) == ["extra_packages.txt", "glmv_curation-0.1.0-py3-none-any.whl"]
        assert [url for url in urls if not url.startswith("gs://bucket/temp/")] == []


def test_no_path_of_this_machine_is_in_the_graph_or_in_what_is_pickled_in_it(sent: job_proto.Sent):
    assert job_proto.local_paths(job_proto.texts(sent.pipeline)) == set()
    told = dict(sent.environment["sdkPipelineOptions"]["options"])
    (wheel,) = told.pop("extra_packages")
    assert re.fullmatch(r"/\S+/glmv_curation-0\.1\.0-py3-none-any\.whl", wheel), "where Beam took it from; it is staged"
    assert job_proto.local_paths([json.dumps(told).encode()]) == set()


def test_a_path_of_this_machine_would_be_found():
    assert job_proto.local_paths(job_proto.texts(toy("Lambda" >> beam.Map(lambda x: x)))) == {str(Path(__file__))}
    here = str(Path(tempfile.gettempdir(), "pool"))
    assert job_proto.local_paths(job_proto.texts(toy("Argument" >> beam.Map(min, here)))) == {here}


def test_nothing_is_pickled_from_the_main_module(sent: job_proto.Sent):
    assert [text for text in job_proto.texts(sent.pipeline) if b"__main__" in text] == []
    assert len(job_proto.texts(sent.pipeline)) > 40
    assert sent.environment["sdkPipelineOptions"]["options"]["save_main_session"] is False
    assert [path for path in sent.files if "main_session" in path] == []


def test_what_is_pickled_from_the_main_module_would_be_found(monkeypatch: pytest.MonkeyPatch):
    class Planted:
        def __call__(self, x: int) -> int:
            return x

    Planted.__module__ = "__main__"
    assert any(b"__main__" in text for text in job_proto.texts(toy("From main" >> beam.Map(Planted()))))


def test_no_key_is_sent(failing: job_proto.Sent, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CAPTIONER_KEY", SECRET)
    with pytest.raises(EnvironmentFault, match="FAILED"):
        send(api_key_env="CAPTIONER_KEY")
    texts = [*job_proto.texts(failing.pipeline), json.dumps(failing.environment).encode(), *failing.files.values()]
    assert any(b"CAPTIONER_KEY" in text for text in texts), "the name of the key goes along"
    assert [text for text in texts if SECRET.encode() in text] == []


def test_nothing_that_was_sent_holds_what_the_environment_holds(sent: job_proto.Sent):
    assert [path for path, data in sent.files.items() if SECRET.encode() in data] == []
    assert [text for text in job_proto.texts(sent.pipeline) if SECRET.encode() in text] == []


def test_a_prompt_from_a_file_of_this_machine_goes_along(failing: job_proto.Sent, tmp_path: Path):
    (tmp_path / "mine.md").write_text("version: mine-1\nseen: image\n\nSay it in the words of a lighthouse keeper.\nAlt text: {alt_text}\n")
    with pytest.raises(EnvironmentFault, match="FAILED"):
        send(prompt=str(tmp_path / "mine.md"))
    assert any(b"lighthouse keeper" in text for text in job_proto.texts(failing.pipeline))


def test_the_preset_is_what_the_service_is_asked_for(sent: job_proto.Sent):
    preset = yaml.safe_load(PRESET.read_text())["beam"]
    (pool,) = sent.environment["workerPools"]
    assert {
        "machine_type": pool["machineType"],
        "disk_size_gb": pool["diskSizeGb"],
        "max_num_workers": pool["autoscalingSettings"]["maxNumWorkers"],
    } == {name: preset[name] for name in ("machine_type", "disk_size_gb", "max_num_workers")}
    assert pool["autoscalingSettings"]["algorithm"] == "AUTOSCALING_ALGORITHM_BASIC"
    assert {"use_runner_v2", "shuffle_mode=service", "use_multiple_sdk_containers"} <= set(sent.environment["experiments"])


def test_one_thing_that_is_written_has_one_name_so_that_the_service_runs_one_job_of_it_at_a_time(sent: job_proto.Sent):
    name = sent.jobs[0].name
    assert re.fullmatch(r"recaption-[0-9a-f]{16}", name)
    command = flags.parse([*MACHINES, *LAUNCH, "--job_name=mine"], "")
    with dataflow.staging(command.options, name):
        assert command.options.get_all_options()["job_name"] == "mine"


# What is refused, and what is told


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("--set=captioner.endpoint=embedded", "'captioner.endpoint' is 'embedded', which serves local runners only"),
        ("--set=captioner.endpoint=http://localhost:8000/v1", "'http://localhost:8000/v1', this machine"),
        ("--set=captioner.endpoint=http://127.0.0.1:8000/v1", "'http://127.0.0.1:8000/v1', this machine"),
        ("--set=captioner.endpoint=http://[::1]:8000/v1", "this machine, which workers on Dataflow cannot reach"),
        ("--set=captioner.endpoint=http://0.0.0.0:8000/v1", "this machine, which workers on Dataflow cannot reach"),
        ("--set=captioner.api_key_env=HOME", "'captioner.api_key_env' names the variable 'HOME'"),
        ("--set=captioner.max_in_flight=7", "'captioner.max_in_flight' is 7, but the job may have 8 processes"),
        ("--input=pool/*.tar", "'input.path' is 'pool/*.tar', on this machine"),
        ("--output=runs", "'output.folder' is 'runs', on this machine"),
        ("--project=", "--project=PROJECT"),
        ("--region=", "--region=REGION"),
        ("--temp_location=", "--temp_location=gs://BUCKET/temp"),
        ("--temp_location=/tmp/x", "--temp_location is '/tmp/x'"),
        ("--staging_location=staging", "--staging_location is 'staging'"),
        ("--sdk_container_image=", "docker build -f jobs/worker.Dockerfile -t IMAGE ."),
        ("--machine_type=", "--machine_type=n2-standard-8"),
        ("--machine_type=e2-medium", "does not tell its vCPUs"),
        ("--max_num_workers=0", "--max_num_workers=N"),
        ("--save_main_session", "--save_main_session: nothing of a job is in __main__"),
    ],
)
def test_what_workers_elsewhere_cannot_do_is_refused_before_anything_is_asked(
    flag: str, answer: str, failing: job_proto.Sent, capsys: pytest.CaptureFixture[str]
):
    assert launch.main([*MACHINES, *LAUNCH, *JOB, f"--set=captioner.endpoint={ENDPOINT}", flag]) == 2
    assert answer in capsys.readouterr().err
    assert failing.jobs == []


@pytest.mark.parametrize("runner", ["dataflow", "DataFlowRunner", "apache_beam.runners.dataflow.dataflow_runner.DataflowRunner"])
def test_every_name_of_dataflow_is_known(runner: str, failing: job_proto.Sent):
    assert launch.main([*MACHINES, f"--runner={runner}", *LAUNCH, *JOB, "--set=captioner.endpoint=http://localhost/v1"]) == 2


def test_what_is_missing_is_named_all_at_once(capsys: pytest.CaptureFixture[str]):
    assert launch.main(["--runner=DataflowRunner", *JOB, f"--set=captioner.endpoint={ENDPOINT}"]) == 2
    told = capsys.readouterr().err
    assert [flag for flag in dataflow.NEEDED if f"--{flag}=" not in told] == []


def test_a_dry_run_needs_the_listing_alone(failing: job_proto.Sent, capsys: pytest.CaptureFixture[str]):
    assert launch.main(["--runner=DataflowRunner", "--dry_run", *JOB, f"--set=captioner.endpoint={ENDPOINT}"]) == 0
    assert f"1 shards, 3 splits, {SAMPLES} samples" in capsys.readouterr().out
    assert failing.jobs == []


def test_the_fault_of_a_worker_far_away_is_told_like_one_of_here(failing: job_proto.Sent, monkeypatch: pytest.MonkeyPatch):
    text = "Traceback (most recent call last):\n  ...\nschemas.exits.EnvironmentFault: the disk is full; free it [while running 'Write']\n"
    monkeypatch.setattr(DataflowRunner, "last_error_msg", text, raising=False)
    with pytest.raises(EnvironmentFault, match=r"^the disk is full; free it$"):
        send()


def test_a_job_that_is_running_already_is_told_and_not_started_twice(failing: job_proto.Sent, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise DataflowJobAlreadyExistsError("There is already active job named recaption-1 with id: 7.")

    monkeypatch.setattr(job_proto.Service, "submit_job_description", refuse)
    with pytest.raises(EnvironmentFault, match=r"already active job named recaption-1 .* wait for its end"):
        send()


def test_requests_in_flight_are_divided_among_all_processes_of_all_machines():
    assert flags.parse([f"--job={PRESET}"], "").workers == 32 * 8
    assert flags.parse([f"--job={PRESET}", "--machine_type=custom-4-8192", "--max_num_workers=3"], "").workers == 12
    assert flags.parse([f"--job={PRESET}", f"--experiments={dataflow.ONE_PROCESS}"], "").workers == 32
    assert flags.parse(["--runner=FlinkRunner", "--max_num_workers=3"], "").workers == 3


def test_a_job_file_may_hold_flags_of_beam_and_the_command_line_wins(tmp_path: Path):
    (tmp_path / "job.yaml").write_text("beam: {runner: DataflowRunner, max_num_workers: 5, experiments: [a, b], no_use_public_ips: true}\n")
    told = flags.parse(
        [f"--job={tmp_path / 'job.yaml'}", "--set=beam.region=us-east1", "--max_num_workers=9"], ""
    ).options.get_all_options()
    assert [told[name] for name in ("max_num_workers", "experiments", "use_public_ips", "region")] == [9, ["a", "b"], False, "us-east1"]
    (tmp_path / "job.yaml").write_text("beam: {max_num_worker: 5}\n")
    with pytest.raises(ConfigError, match="did you mean '--max_num_workers'"):
        flags.parse([f"--job={tmp_path / 'job.yaml'}"], "")
    (tmp_path / "job.yaml").write_text("beam: fast\n")
    with pytest.raises(ConfigError, match="'beam': expected a mapping of flags, found 'fast'"):
        flags.parse([f"--job={tmp_path / 'job.yaml'}"], "")


# The pass that needs a GPU

PASS = (OPEN, EMBED, WRITE) = embed.STEPS


def options(*more: str) -> PipelineOptions:
    return PipelineOptions([*MACHINES, *LAUNCH, *more])


HINTS = dataflow.gpu_hints("l4", options())


def embedding(**steps: Any) -> api.Pipeline:
    """Return a graph that embeds; each of ``steps`` stands in place of the one of its name."""
    parts = {
        "opened": dataflow.hinted(OPEN >> beam.Map(abs), HINTS),
        "then": None,
        "embedded": dataflow.hinted(EMBED >> beam.Map(abs), HINTS),
        "written": dataflow.hinted(WRITE >> beam.Map(abs), HINTS),
        "waited": "Wait for the scores" >> beam.Reshuffle(),
        "decided": "Drop what is not relevant" >> beam.Map(abs),
        **steps,
    }
    return toy(*(step for step in parts.values() if step is not None))


def test_a_pass_whose_every_step_has_the_hint_and_no_other_has_is_found_good():
    pipeline = embedding()
    assert job_proto.gpu_faults(pipeline, PASS) == []
    with_gpu = [step for step in job_proto.leaves(pipeline).values() if job_proto.hints(pipeline, step)]
    assert len(with_gpu) == 3
    for step in with_gpu:
        told = job_proto.hints(pipeline, step)
        assert told[job_proto.ACCELERATOR] == b"type:nvidia-l4;count:1;machine_type:g2-standard-8;install-nvidia-driver"
        assert int(told[job_proto.MIN_RAM]) == 24 * 10**9


def test_the_pass_of_the_job_that_embeds_has_the_gpu_and_no_other_has(failing: job_proto.Sent):
    with pytest.raises(EnvironmentFault):
        send(gpu="l4")
    assert job_proto.gpu_faults(failing.pipeline, embed.STEPS) == []


def test_a_job_that_embeds_nothing_asks_for_no_gpu(failing: job_proto.Sent):
    with pytest.raises(EnvironmentFault):
        send()
    assert [name for name, step in job_proto.leaves(failing.pipeline).items() if job_proto.hints(failing.pipeline, step)] == []


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ({"embedded": EMBED >> beam.Map(abs)}, f"{EMBED}: no accelerator"),
        ({"written": WRITE >> beam.Map(abs)}, f"{WRITE}: no accelerator"),
        ({"decided": dataflow.hinted("Drop" >> beam.Map(abs), HINTS)}, "Drop: has an accelerator"),
        ({"waited": dataflow.hinted("Wait" >> beam.Reshuffle(), HINTS)}, "has an accelerator"),
        ({"then": "Spread" >> beam.Reshuffle()}, "Spread/ReshufflePerKey/GroupByKey: stands within the pass"),
        ({"then": "Look" >> beam.Map(abs)}, "Look: stands within the pass"),
        ({"embedded": dataflow.hinted(EMBED >> beam.Reshuffle(), HINTS)}, "beam:transform:group_by_key:v1 is not fused"),
        ({"embedded": dataflow.hinted(EMBED >> beam.Map(abs), {**HINTS, "min_ram": "30GB"})}, "the pass has several environments"),
        ({"embedded": None}, f"no step {EMBED!r}"),
    ],
)
def test_what_is_wrong_with_a_pass_is_found(planted: dict[str, Any], fault: str):
    assert any(fault in found for found in job_proto.gpu_faults(embedding(**planted), PASS))


def passing(open_: Callable[[Any], Any], side: bool = False) -> api.Pipeline:
    """Return a graph whose first step of the pass is made by ``open_``, and whose second has a side input if so asked."""
    pipeline = beam.Pipeline(options=options("--dry_run=true", "--no_save_main_session", f"--experiments={dataflow.NO_FREEZE}"))
    other = [beam.pvalue.AsSingleton(pipeline | "Other" >> beam.Create([1]))] if side else [1]
    embedded = open_(pipeline | "Name the splits" >> beam.Create([1])).batches | dataflow.hinted(EMBED >> beam.Map(max, *other), HINTS)
    _ = embedded | dataflow.hinted(WRITE >> beam.Map(abs), HINTS)
    result: Any = pipeline.run()
    return result.job.proto_pipeline


def test_a_side_input_within_the_pass_is_found():
    pipeline = passing(lambda splits: splits | dataflow.hinted(OPEN >> beam.ParDo(Open()).with_outputs(main="batches"), HINTS), side=True)
    assert job_proto.gpu_faults(pipeline, PASS) == [f"{EMBED}: side input is not fused"]


class Open(beam.DoFn):
    def process(self, split: int) -> Iterator[Any]:
        yield split
        yield beam.pvalue.TaggedOutput("committed", split)


@pytest.mark.parametrize("hinted_after", [True, False], ids=["hinted after its outputs are named", "before"])
def test_a_step_with_two_outputs_bears_its_hint(hinted_after: bool):
    def opened(splits: Any) -> Any:
        step = OPEN >> beam.ParDo(Open()) if hinted_after else dataflow.hinted(OPEN >> beam.ParDo(Open()), HINTS)
        outputs = step.with_outputs("committed", main="batches")
        return splits | (dataflow.hinted(outputs, HINTS) if hinted_after else outputs)

    assert job_proto.gpu_faults(passing(opened), PASS) == []


@pytest.mark.parametrize("gpu", dataflow.GPUS)
def test_a_machine_with_a_gpu_runs_one_process_with_the_threads_of_its_preset(gpu: str):
    ready = options()
    dataflow.make_ready(ready, {"max_in_flight": 4}, gpu)
    debug = ready.view_as(DebugOptions)
    assert debug.lookup_experiment(dataflow.ONE_PROCESS)
    assert debug.number_of_worker_harness_threads == dataflow.GPUS[gpu].threads
    assert dataflow.processes(ready) == 4
    own = options("--number_of_worker_harness_threads=2")
    dataflow.make_ready(own, {}, gpu)
    assert own.view_as(DebugOptions).number_of_worker_harness_threads == 2


def test_a_gpu_that_is_asked_for_twice_is_refused():
    with pytest.raises(ConfigError, match="worker_accelerator"):
        dataflow.make_ready(options("--dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1"), {}, "l4")
    with pytest.raises(ConfigError, match="--flexrs_goal"):
        dataflow.make_ready(options("--flexrs_goal=COST_OPTIMIZED"), {}, "l4")


def test_no_hint_is_given_on_this_machine_or_where_no_gpu_is_named():
    assert dataflow.gpu_hints("l4", PipelineOptions(["--runner=FnApiRunner"])) == {}
    assert dataflow.gpu_hints("", options()) == {}
    with pytest.raises(ConfigError, match="known are t4, l4, a100"):
        dataflow.gpu_hints("h100", options())


# The image


def test_the_worker_image_agrees_with_what_is_locked():
    lines = (jobs.ROOT / "jobs/worker.Dockerfile").read_text().splitlines()
    (base,) = [line for line in lines if line.startswith("FROM ")]
    python, release = re.fullmatch(r"FROM apache/beam_python(\d+\.\d+)_sdk:(\d+\.\d+\.\d+)", base).groups()  # pyright: ignore
    lock = dict(line.split("==") for line in (jobs.ROOT / "requirements.lock").read_text().splitlines() if "==" in line)
    assert release == lock["apache-beam"]
    project = tomllib.loads((jobs.ROOT / "pyproject.toml").read_text())
    assert f">={python}," in project["project"]["requires-python"]
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    assert {package.split(".")[0] for package in project["tool"]["setuptools"]["packages"]} | {
        "requirements.lock",
        "pyproject.toml",
    } <= copied
    assert [name for name in copied if not (jobs.ROOT / name).exists()] == []
    assert lines[-1] == 'ENTRYPOINT ["/opt/apache/beam/boot"]'


def test_the_commented_example_of_relevance_on_a_gpu_is_a_job():
    text = re.sub(r"^# (?=gpu|embedder|clip|enrichment|  )", "", PRESET.read_text(), flags=re.MULTILINE)
    settings = yaml.safe_load(text)
    del settings["beam"]
    job = config.build(Job, settings)
    sentences = [sentence for sentence, _ in (*decisions(job), *caption_steps(job))]
    assert (job.gpu, job.embedder and job.embedder.name) == ("l4", "ViT-B-32/openai")
    assert sum("fit their image" in sentence for sentence in sentences) == 2
    assert sentences[-1] == "Drop captions that add only what nothing supports"
