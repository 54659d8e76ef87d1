"""The graph as Beam sees it: its labels, its coders, and what is encoded on the way."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.pairs import annotate, duplicates
from pipelines.pairs.rules import decisions
from pipelines.pairs.source import Input
from pipelines.recaption import caption, graph
from pipelines.recaption.job import Job, caption_steps
from pipelines.recaption.plan import Plan, plan_run
from pipelines.spine import coder
from pipelines.spine.commit import Output
from schemas.protocols import Answer, CaptionTask
from synth.captioner import CaptionerSpec
from tests import images

SPLITS, SAMPLES = 10, 4
MAIN = "None"
"""Tag that Beam gives to an output without one."""
JOIN = "Bring the decisions back to their splits"


@dataclass(frozen=True)
class Silent:
    """Answers at once, without a server."""

    def load(self) -> "Silent":
        return self

    def caption(self, split_id: str, tasks: Sequence[CaptionTask]) -> Sequence[Answer]:
        return [Answer(f"Small boats lie still before wall {split_id[:4]}-{n}.", "stop", 0, 0, 0.0) for n in range(len(tasks))]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("graph")
    samples = [images.sample(n, f"A small harbour at dusk, print number {n}") for n in range(SPLITS * SAMPLES - 1)]
    images.write_tar(folder / "pool" / "pool.tar", [*samples, {**samples[0], "__key__": "twin"}])
    captioner = replace(CaptionerSpec(), prompt="recaption", endpoint="http://silent/v1")
    source = Input(path=str(folder / "pool"), split_samples=SAMPLES)
    return plan_run(Job(input=source, captioner=captioner, facts=None, output=Output(folder=str(folder / "out"))))


@pytest.fixture(scope="module")
def pipeline(plan: Plan) -> beam.Pipeline:
    made = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    graph.build(made, plan, Silent())
    return made


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[pa.Schema]:
    """The schemas of the batches that any coder encodes from now on in this process."""
    schemas: list[pa.Schema] = []

    def to_ipc(batch: pa.RecordBatch) -> bytes:
        schemas.append(batch.schema)
        return original(batch)

    original = coder.to_ipc
    monkeypatch.setattr(coder, "to_ipc", to_ipc)
    return schemas


def with_images(schemas: list[pa.Schema]) -> list[pa.Schema]:
    return [schema for schema in schemas if "image" in schema.names]


def test_no_batch_with_images_is_encoded_between_steps(plan: Plan, pipeline: beam.Pipeline, encoded: list[pa.Schema]):
    pipeline.run().wait_until_finish()
    funnel = json.loads(Path(plan.at.run, "funnel.json").read_text())
    assert [funnel[0]["entered"], funnel[-1]["kept"]] == [SPLITS * SAMPLES, SPLITS * SAMPLES - 1]
    assert with_images(encoded) == []


def test_what_would_be_encoded_is_counted(encoded: list[pa.Schema]):
    def batch(number: int) -> pa.RecordBatch:
        return pa.record_batch({"image": [f"{number}".encode()]})

    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as broken:
        _ = broken | beam.Create(range(SPLITS)) | beam.Map(batch).with_output_types(pa.RecordBatch) | beam.Reshuffle()
    assert len(with_images(encoded)) >= SPLITS


def test_every_step_of_the_funnel_is_a_label_of_the_graph(plan: Plan, pipeline: beam.Pipeline):
    pipeline.run().wait_until_finish()
    labels = {step.unique_name for step in pipeline.to_runner_api().components.transforms.values()}
    steps = [count["step"] for count in json.loads(Path(plan.at.run, "funnel.json").read_text())]
    rules, checks = ([sentence for sentence, _ in steps_of(plan.job)] for steps_of in (decisions, caption_steps))
    assert steps == [annotate.READ, annotate.DECODE, *rules, duplicates.DUPLICATES, caption.CAPTION, *checks, caption.MIX]
    assert [step for step in steps if step not in labels] == []


def test_every_collection_of_batches_has_the_arrow_coder_and_every_tag_a_coder_of_its_own(pipeline: beam.Pipeline):
    found = {name: (kind, how) for name, kind, how in collections(pipeline)}
    batches = {name for name, (kind, _) in found.items() if kind is pa.RecordBatch}
    passed_on = {
        annotate.READ,
        annotate.DECODE,
        *(sentence for sentence, _ in decisions(Job())),
        duplicates.DUPLICATES,
        caption.CAPTION,
        *(sentence for sentence, _ in caption_steps(Job(facts=None))),
        caption.MIX,
    }
    assert {f"{step}:{MAIN}" for step in passed_on} <= batches
    assert {name for name in batches if type(found[name][1]) is not coder.ArrowBatchCoder} == set()
    tagged = [how for name, (_, how) in found.items() if name.endswith(":committed")]
    assert len(tagged) >= 2
    assert {type(how) for how in tagged} == {StrUtf8Coder}


def test_every_step_of_ours_says_what_its_collections_hold(pipeline: beam.Pipeline):
    """Beam pickles what it does not know the type of, batches too; the join of its own is the one exception."""
    unknown = {name.split("/")[0] for name, kind, _ in collections(pipeline) if "Any" in str(kind)}
    assert unknown == {f"{JOIN}:{MAIN}", JOIN}


def collections(pipeline: beam.Pipeline) -> Iterator[tuple[str, Any, Any]]:
    """Yield (label:tag, type, coder) for each output of each transform, with the coder that the runner is told of."""
    proto, context = pipeline.to_runner_api(return_context=True)
    for step in proto.components.transforms.values():
        for tag, collection in step.outputs.items():
            how = context.coders.get_by_id(proto.components.pcollections[collection].coder_id)
            yield f"{step.unique_name}:{tag}", context.pcollections.get_by_id(collection).element_type, how
