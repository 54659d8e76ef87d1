"""What a launch on Dataflow needs beyond Beam's own flags: refused before anything is sent, or seen to here.

Beam by itself saves the main session, uploads a ``pip freeze`` of this machine, stages none of our code, and where
``--temp_location`` is missing makes a bucket of its own.
"""

import ipaddress
import logging
import re
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from pipelines.spine import storage
from pipelines.spine.config import ConfigError
from pipelines.spine.wheel import write_wheel
from schemas.exits import EnvironmentFault

RUNNERS = ("dataflowrunner", "dataflow")
"""What Beam takes for Dataflow, in any case and with or without a module before it."""
BUILD = "docker build -f jobs/worker.Dockerfile -t IMAGE . && docker push IMAGE (jobs/dataflow.md)"
NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "project": "--project=PROJECT",
        "region": "--region=REGION, where the bucket is",
        "temp_location": "--temp_location=gs://BUCKET/temp",
        "sdk_container_image": f"--sdk_container_image=IMAGE, which holds what our code needs: {BUILD}",
        "machine_type": "--machine_type=n2-standard-8 or the like",
        "max_num_workers": "--max_num_workers=N, by which the requests in flight are divided",
    }
)
"""Flags that a launch must have, by Beam's name, with what to write."""
ONE_PROCESS = "no_use_multiple_sdk_containers"
"""Experiment that gives each machine one SDK process; without it there is one for each vCPU, and each loads the models."""
NO_FREEZE = "disable_logging_submission_environment"
"""Experiment that keeps Beam from uploading ``pip freeze``, in which paths of this machine and addresses with tokens stand."""

_Step = TypeVar("_Step", bound="beam.PTransform[Any, Any]")


@dataclass(frozen=True)
class Gpu:
    """A GPU machine, and how a pass uses it."""

    accelerator: str
    """Name of the GPU at Compute Engine."""
    machine: str
    """Machine type; those of the other passes are unaffected."""
    min_ram: str
    """Memory of the machine at least: less than the type has, so that it is not ruled out (ours)."""
    threads: int
    """Splits under way on a machine: one on the GPU while others are read, decoded and written (ours)."""


GPUS: Mapping[str, Gpu] = MappingProxyType(
    {
        "t4": Gpu("nvidia-tesla-t4", "n1-standard-8", "24GB", 4),
        "l4": Gpu("nvidia-l4", "g2-standard-8", "24GB", 4),
        "a100": Gpu("nvidia-tesla-a100", "a2-highgpu-1g", "64GB", 6),
    }
)
"""Presets by name; machine types are those that Compute Engine offers each GPU on."""


@dataclass(frozen=True)
class Reach:
    """What workers of a job must be able to reach, each by its key in the job."""

    files: Mapping[str, str]
    endpoints: Mapping[str, str]
    key_variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Environment variables that hold the keys of endpoints."""


def is_asked_for(options: PipelineOptions) -> bool:
    """Tell whether ``options`` name Dataflow."""
    return (options.view_as(StandardOptions).runner or "").rpartition(".")[2].lower() in RUNNERS


def refuse_unreachable(options: PipelineOptions, reach: Reach) -> None:
    """Raise ``ConfigError`` for the first path, endpoint or key that only this machine has; passes where Dataflow is not asked for."""
    if not is_asked_for(options):
        return
    for key, path in reach.files.items():
        if path and storage.is_local(path):
            raise ConfigError(
                f"{key!r} is {path!r}, on this machine, which workers on Dataflow cannot reach: give gs://BUCKET/... "
                "(what is here goes there by: gcloud storage cp --recursive)"
            )
    for key, endpoint in reach.endpoints.items():
        if _is_here(endpoint):
            raise ConfigError(
                f"{key!r} is {endpoint!r}, this machine, which workers on Dataflow cannot reach: "
                f"--set {key}=http://HOST:8000/v1 with an address of their network"
            )
    for key, variable in reach.key_variables.items():
        if variable:
            raise ConfigError(
                f"{key!r} names the variable {variable!r}, and workers on Dataflow do not have this machine's environment: "
                "put the key into Secret Manager (jobs/dataflow.md, Keys)"
            )


def make_ready(options: PipelineOptions, in_flight: Mapping[str, int], gpu: str = "") -> None:
    """Complete ``options`` for a launch; does nothing where Dataflow is not asked for.

    ``in_flight`` holds, by its key in the job, each bound on requests, of which every process gets one at least. ``gpu`` is the
    preset of the pass that needs one: a machine then runs one process, with as many threads, so that a GPU holds one model. Raises
    ``ConfigError`` for flags that are missing or in the way, with what to write.
    """
    if not is_asked_for(options):
        return
    _refuse_missing(options)
    _refuse_in_the_way(options, gpu)
    options.view_as(SetupOptions).save_main_session = False
    debug = options.view_as(DebugOptions)
    debug.add_experiment(NO_FREEZE)
    if gpu:
        debug.add_experiment(ONE_PROCESS)
        debug.number_of_worker_harness_threads = debug.number_of_worker_harness_threads or GPUS[gpu].threads
    _refuse_crowd(options, in_flight)


def processes(options: PipelineOptions) -> int:
    """Return how many SDK processes a remote job has at most: each has clients and models of its own."""
    workers = options.view_as(WorkerOptions)
    most = max(1, int(workers.max_num_workers or 0), int(workers.num_workers or 0))
    alone = not is_asked_for(options) or options.view_as(DebugOptions).lookup_experiment(ONE_PROCESS)
    return most if alone else most * _vcpus(workers.machine_type or "")


def gpu_hints(gpu: str, options: PipelineOptions) -> Mapping[str, str]:
    """Return the resource hints of the pass that needs the preset ``gpu``; none for "", and none where Dataflow is not asked for.

    Raises ``ConfigError`` for an unknown preset.
    """
    if gpu not in GPUS and gpu:
        raise ConfigError(f"no GPU preset is called {gpu!r}; known are {', '.join(GPUS)}")
    if not gpu or not is_asked_for(options):
        return {}
    chosen = GPUS[gpu]
    accelerator = f"type:{chosen.accelerator};count:1;machine_type:{chosen.machine};install-nvidia-driver"
    return {"accelerator": accelerator, "min_ram": chosen.min_ram}


def hinted(step: _Step, hints: Mapping[str, str]) -> _Step:
    """Return ``step`` with ``hints``. Every step of a pass bears the same ones: where they change, every image is encoded."""
    return cast(_Step, step.with_resource_hints(**hints))


@contextmanager
def staging(options: PipelineOptions, job_name: str) -> Generator[None]:
    """Send the running code along as a wheel while the block builds and runs a pipeline; nothing where Dataflow is not asked for.

    ``job_name`` stands for what is written: of one name Dataflow runs one job at a time.
    Raises ``EnvironmentFault`` where such a job is running, and, with its last error, where the job failed.
    """
    if not is_asked_for(options):
        yield
        return
    from apache_beam.runners.dataflow import dataflow_runner
    from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError

    with tempfile.TemporaryDirectory(prefix="glmv-launch-") as folder:
        setup, cloud = options.view_as(SetupOptions), options.view_as(GoogleCloudOptions)
        setup.extra_packages = [*(setup.extra_packages or []), str(write_wheel(Path(folder)))]
        cloud.job_name = cloud.job_name or job_name
        logging.basicConfig(format="%(message)s")
        logging.getLogger(dataflow_runner.__name__).setLevel(logging.INFO)  # what becomes of the job
        try:
            yield
        except DataflowJobAlreadyExistsError as error:
            raise EnvironmentFault(f"{error} It writes what this one would: wait for its end, and run the same command again") from error
        except dataflow_runner.DataflowRuntimeException as error:
            raise EnvironmentFault(str(error)) from error


def _refuse_missing(options: PipelineOptions) -> None:
    given = options.get_all_options()
    missing = [how for flag, how in NEEDED.items() if not given.get(flag)]
    if missing:
        raise ConfigError(f"a launch on Dataflow needs {'; '.join(missing)}")
    for flag in ("temp_location", "staging_location"):
        if not (given.get(flag) or "gs://").startswith("gs://"):
            raise ConfigError(f"--{flag} is {given[flag]!r}; Dataflow reads it from gs://BUCKET/...")


def _refuse_in_the_way(options: PipelineOptions, gpu: str) -> None:
    given = options.get_all_options()
    if given.get("save_main_session"):
        raise ConfigError("--save_main_session: nothing of a job is in __main__, and pickling it takes along what is; leave it out")
    services = options.view_as(GoogleCloudOptions).dataflow_service_options or []
    if gpu and (given.get("flexrs_goal") or any(service.startswith("worker_accelerator") for service in services)):
        raise ConfigError("worker_accelerator and --flexrs_goal exclude the hint by which one pass asks for its GPU; leave them out")


def _refuse_crowd(options: PipelineOptions, in_flight: Mapping[str, int]) -> None:
    for key, bound in in_flight.items():
        if bound < processes(options):
            raise ConfigError(
                f"{key!r} is {bound}, but the job may have {processes(options)} processes (--max_num_workers times "
                f"the vCPUs of --machine_type), each with one request in flight at least: --set {key}=N to what the server bears, or "
                "lower --max_num_workers"
            )


def _vcpus(machine_type: str) -> int:
    """Return the vCPUs that the name of a machine type tells: n2-standard-8, custom-4-8192; a2-highgpu-1g tells its GPUs."""
    found = re.search(r"-(\d+)(?:-|$)", machine_type)
    if found is None:
        raise ConfigError(
            f"--machine_type={machine_type} does not tell its vCPUs, each of which runs a process: "
            f"give one that does, such as n2-standard-8, or --experiments={ONE_PROCESS}"
        )
    return int(found[1])


def _is_here(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
