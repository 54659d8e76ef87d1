"""What a launch on Dataflow would send, caught before it leaves: the job, the files that are staged, and what is wrong with them."""

import base64
import bz2
import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam
import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2 as api
from apache_beam.runners.dataflow.internal import apiclient
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.cloud import dataflow
from google.protobuf import json_format

from tests.jobs import ROOT
from tests.test_readers_remote import MemoryFiles

ELSEWHERE = "captioner.test"
"""Name of a host that is not this machine, as far as a launch can tell."""
ACCELERATOR = "beam:resources:accelerator:v1"
MIN_RAM = "beam:resources:min_ram_bytes:v1"
PAR_DO = common_urns.primitives.PAR_DO.urn


@dataclass
class Sent:
    """What has left this machine, or would have."""

    does_jobs: bool
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The bucket: what is staged, and what the job reads and writes."""
    jobs: list[dataflow.Job] = field(default_factory=list[dataflow.Job])
    """The bodies of the requests."""

    def staged(self, name: str) -> bytes:
        """Return the one file that was staged under ``name``."""
        (data,) = [data for path, data in self.files.items() if path.startswith("gs://bucket/temp/") and path.endswith("/" + name)]
        return data

    @property
    def pipeline(self) -> api.Pipeline:
        """The graph that was staged."""
        return api.Pipeline.FromString(self.staged("pipeline.pb"))

    @property
    def environment(self) -> Mapping[str, Any]:
        """Machines, experiments and options in the one request."""
        (job,) = self.jobs
        return json_format.MessageToDict(job._pb)["environment"]


class Service(apiclient.DataflowApplicationClient):
    """Stands where Beam's client of the service does: stages into the bucket, and does the job that it was sent right here."""

    sent: Sent

    def __init__(self, options: PipelineOptions, root_staging_location: str | None = None) -> None:
        self.google_cloud_options = options.view_as(GoogleCloudOptions)
        self.environment_version = "8"
        self._root_staging_location = root_staging_location
        self._enable_caching = False
        self._sdk_image_overrides = {}

    def stage_file_with_retry(self, gcs_or_local_path, file_name, stream_or_path, mime_type="", total_size=None):
        data = Path(stream_or_path).read_bytes() if isinstance(stream_or_path, str) else stream_or_path.read()
        self.sent.files[f"{gcs_or_local_path}/{file_name}"] = data

    def submit_job_description(self, job: apiclient.Job) -> dataflow.Job:
        self.sent.jobs.append(job.proto)
        state = dataflow.JobState.JOB_STATE_FAILED
        if self.sent.does_jobs:
            FnApiRunner().run_via_runner_api(_here(self.sent.pipeline), job.options)
            state = dataflow.JobState.JOB_STATE_DONE
        return dataflow.Job(id="job-1", current_state=state)


def _here(pipeline: api.Pipeline) -> api.Pipeline:
    """Return ``pipeline`` with workers in this process in place of containers."""
    for environment in pipeline.components.environments.values():
        environment.urn, environment.payload = python_urns.EMBEDDED_PYTHON, b""
        del environment.dependencies[:]
    return pipeline


@contextmanager
def service(patch: pytest.MonkeyPatch, does_jobs: bool = True) -> Iterator[Sent]:
    """Put a service and a bucket of our own in place of Google's, and answer for the host ``ELSEWHERE`` on this machine."""
    sent = Sent(does_jobs)
    resolve = socket.getaddrinfo
    hosts = {ELSEWHERE: "127.0.0.1", ELSEWHERE.encode(): "127.0.0.1"}
    patch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: resolve(hosts.get(host, host), *rest, **more))
    patch.setattr(apiclient, "DataflowApplicationClient", Service)
    patch.setattr(Service, "sent", sent, raising=False)
    patch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *_: None)
    patch.setattr(FileSystems, "get_filesystem", staticmethod(lambda _: MemoryFiles(PipelineOptions([]))))
    patch.setattr(MemoryFiles, "files", sent.files)
    patch.setattr(MemoryFiles, "used", [])
    yield sent


def texts(pipeline: api.Pipeline) -> list[bytes]:
    """Return the bytes of ``pipeline``, and of everything pickled in it: Beam keeps a pickle as base64 of bz2."""
    whole = pipeline.SerializeToString()
    runs = re.findall(rb"QlpoO[A-Za-z0-9+/]+", whole)
    return [whole, *(bz2.BZ2Decompressor().decompress(base64.b64decode(run[: len(run) // 4 * 4])) for run in runs)]


def local_paths(found: Iterable[bytes]) -> set[str]:
    """Return the paths in ``found`` that lie below the checkout, the home folder or the folder of temporaries.

    Beam pickles lambdas of its own with the path of the module that they are from; those tell of nothing but Beam.
    """
    paths = {path.decode() for text in found for path in re.findall(rb"/[\w.+-]+(?:/[\w.+-]+)+", text)}
    roots = tuple(os.path.join(root, "") for root in (str(ROOT), str(Path.home()), tempfile.gettempdir()))
    return {path for path in paths if path.startswith(roots) and not path.startswith(os.path.dirname(apache_beam.__file__))}


def leaves(pipeline: api.Pipeline) -> dict[str, api.PTransform]:
    """Return the transforms that are executed, by their ids."""
    return {key: step for key, step in pipeline.components.transforms.items() if not step.subtransforms and step.spec.urn}


def hints(pipeline: api.Pipeline, step: api.PTransform) -> dict[str, bytes]:
    return dict(pipeline.components.environments[step.environment_id].resource_hints) if step.environment_id else {}


def gpu_faults(pipeline: api.Pipeline, labels: Iterable[str]) -> list[str]:
    """Return what is wrong with the pass that needs a GPU, which is the steps ``labels``: nothing, where it is one fused stage."""
    wanted = set(labels)
    steps = leaves(pipeline)
    ours = {key: step for key, step in steps.items() if step.unique_name.split("/")[0] in wanted}
    found = {step.unique_name.split("/")[0] for step in ours.values()}
    return [
        *(f"no step {label!r}" for label in sorted(wanted - found)),
        *(f"{s.unique_name}: no accelerator" for s in ours.values() if ACCELERATOR not in hints(pipeline, s)),
        *(f"{s.unique_name}: has an accelerator" for k, s in steps.items() if k not in ours and ACCELERATOR in hints(pipeline, s)),
        *(["the pass has several environments"] if len({step.environment_id for step in ours.values()}) > 1 else []),
        *(f"{s.unique_name}: {why}" for s in ours.values() for why in _breaks(s)),
        *(f"{steps[key].unique_name}: stands within the pass" for key in sorted(_between(steps, set(ours)) - set(ours))),
    ]


def _breaks(step: api.PTransform) -> list[str]:
    """Return why ``step`` cannot be fused with what is before and after it."""
    if step.spec.urn != PAR_DO:
        return [f"{step.spec.urn} is not fused"]
    payload = api.ParDoPayload.FromString(step.spec.payload)
    kinds = {"side input": payload.side_inputs, "state": payload.state_specs, "splittable": payload.restriction_coder_id}
    return [f"{kind} is not fused" for kind, there in kinds.items() if there]


def _between(steps: Mapping[str, api.PTransform], ours: set[str]) -> set[str]:
    """Return the steps that lie on a way from one of ``ours`` to another of them."""
    after = {key: {other for other, step in steps.items() if set(step.inputs.values()) & set(steps[key].outputs.values())} for key in steps}
    before = {key: {other for other in steps if key in after[other]} for key in steps}
    return _reached(after, ours) & _reached(before, ours)


def _reached(edges: Mapping[str, set[str]], start: set[str]) -> set[str]:
    reached: set[str] = set()
    front = {other for key in start for other in edges[key]}
    while front:
        reached |= front
        front = {other for key in front for other in edges[key]} - reached
    return reached
