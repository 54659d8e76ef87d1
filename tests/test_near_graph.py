"""Near-duplicates as a Beam graph, held against every pair in plain loops; and the whole graph of curation as Beam sees it."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.coders import StrUtf8Coder
from apache_beam.options.pipeline_options import PipelineOptions

from filters.concepts import Counts
from filters.decode import Decoder
from filters.image_rules import ImageContent
from filters.vocabulary import VocabularySpec
from pipelines.captions import balance, graph
from pipelines.captions.job import Job
from pipelines.captions.plan import Plan, plan_run
from pipelines.pairs import annotate, duplicates, near_partitions
from pipelines.pairs.annotate import ABOUT, KEY
from pipelines.pairs.near import MergeNear, Shuffle
from pipelines.pairs.near_partitions import Signals
from pipelines.pairs.rules import decisions
from pipelines.pairs.source import Input
from pipelines.spine import coder, fragments, funnel
from pipelines.spine.commit import Output
from pipelines.spine.steps import FUNNEL
from schemas.batches import from_rows
from schemas.exits import EnvironmentFault
from schemas.protocols import Buckets
from schemas.records import ANNOTATION, CURATION, SCORED
from tests import images

SENTENCE = "Merge rows with numbers next to each other"
MAIN = "None"
"""Tag that Beam gives to an output without one."""


@dataclass(frozen=True)
class NextTo:
    """Finds rows whose numbers, which stand in ``faces``, differ by 1 at most; a null is next to nothing."""

    reason: ClassVar[str] = "next_to"
    columns: ClassVar[tuple[str, ...]] = ("faces",)

    def buckets(self, batch: pa.RecordBatch) -> Buckets:
        """Runs of four numbers, twice, so that each two neighbours share one at least and many others do too."""
        numbers = np.array(batch.column("faces").drop_null().to_pylist(), np.uint64)
        rows = np.flatnonzero(batch.column("faces").is_valid().to_numpy(zero_copy_only=False))
        keys = np.concatenate([numbers // 4, 1000 + (numbers + 1) // 4])
        return Buckets(np.tile(rows, 2), keys.astype(np.uint64), np.tile(numbers, 2))

    def screen(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.abs(left.astype(np.int64) - right.astype(np.int64)) <= 2

    def alike(self, left: pa.RecordBatch, right: pa.RecordBatch) -> np.ndarray:
        """Distances, in pairs that share a key; a row without a number must never come here."""
        ours, theirs = (np.array(batch.column("faces").to_pylist(), np.int64) for batch in (left, right))
        return np.where(np.abs(ours - theirs) <= 1, 1.0, np.nan)


# A pool of numbers, laid as fragments by hand.


@dataclass
class Row:
    """What is known of one row, and what was decided on it before."""

    split_id: str
    row: int
    number: int | None
    alt_text: str | None
    width: int | None = 10
    clip_score: float | None = None
    size: int = 1
    exit: str | None = None
    others: list[str] = field(default_factory=list)
    count: int | None = None
    duplicates: int | None = None

    @property
    def place(self) -> tuple[str, int]:
        return self.split_id, self.row


def write(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Write annotations of each split; returns for each the path of its fragment."""
    known = {"corpus": "c", "source_license": "l", "source_path": "p", "source_offset": 0, "height": 1}
    paths = []
    for split_id in sorted({row.split_id for row in rows}):
        here = [
            {
                **known,
                "split_id": split_id,
                "row": row.row,
                "faces": row.number,
                "alt_text": row.alt_text,
                "width": row.width,
                "source_bytes": row.size,
            }
            for row in rows
            if row.split_id == split_id
        ]
        paths.append(fragments.write(str(folder / "annotate"), split_id, from_rows(here, ANNOTATION)))
        write_scores(folder, [row for row in rows if row.split_id == split_id])
    return paths


def write_scores(folder: Path, rows: Sequence[Row]) -> None:
    scores = [{"split_id": row.split_id, "row": row.row, "clip_score": row.clip_score} for row in rows]
    fragments.write(str(folder / "embed"), rows[0].split_id, from_rows(scores, SCORED))


def decided(path: str, rows: Sequence[Row]) -> pa.RecordBatch:
    """What was decided on a split before."""
    split_id = fragments.key_of(path)
    here = [
        {
            "split_id": split_id,
            "row": row.row,
            "exit": row.exit,
            "step": row.exit and "earlier",
            "reason": row.exit and "earlier",
            **({"alt_texts": [row.alt_text, *row.others], "alt_text_count": row.count} if row.count else {}),
            "duplicate_count": row.duplicates,
        }
        for row in rows
        if row.split_id == split_id
    ]
    metadata = {KEY: split_id.encode(), ABOUT: path.encode(), FUNNEL: funnel.dumps([])}
    return from_rows(here, CURATION).replace_schema_metadata(metadata)


def save(batch: pa.RecordBatch, folder: str) -> None:
    Path(folder, batch.schema.metadata[KEY].decode()).write_bytes(coder.to_ipc(batch))


def merge(folder: Path, rows: Sequence[Row], shuffle: Shuffle) -> list[pa.RecordBatch]:
    """Run the graph and return the decisions on each split."""
    paths, result = write(folder, rows), folder / f"result-{shuffle.partitions}"
    result.mkdir()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        batches = pipeline | beam.Create(paths) | "Decided" >> beam.Map(decided, rows).with_output_types(pa.RecordBatch)
        merged = batches | SENTENCE >> MergeNear(SENTENCE, NextTo(), Signals(str(folder / "embed")), shuffle)
        _ = merged | "Save" >> beam.Map(save, str(result))
    return [coder.from_ipc(path.read_bytes()) for path in sorted(result.iterdir())]


def clusters(rows: Sequence[Row]) -> list[list[Row]]:
    """Every pair of rows under way, and a search through whoever is next to whom."""
    live = [row for row in rows if row.exit is None and row.number is not None]
    near: dict[tuple[str, int], list[Row]] = {row.place: [] for row in live}
    for one, other in combinations(live, 2):
        if abs(one.number - other.number) <= 1:
            near[one.place].append(other)
            near[other.place].append(one)
    seen: set[tuple[str, int]] = set()
    found = []
    for row in live:
        waiting, members = [row], []
        while waiting:
            member = waiting.pop()
            if member.place not in seen:
                seen.add(member.place)
                members.append(member)
                waiting += near[member.place]
        if len(members) > 1:
            found.append(members)
    return found


def rank(row: Row) -> tuple:
    text = row.alt_text or ""
    return (-(row.width or 0), -(-2.0 if row.clip_score is None else row.clip_score), -row.size, -len(text), text, row.place)


def expected(rows: Sequence[Row]) -> dict[tuple[str, int], dict[str, Any]]:
    """What each row comes to: its exit, where it was merged into, and the texts and counts that it then stands for."""
    said: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        texts = [row.alt_text, *row.others] if row.count else None
        said[row.place] = {"exit": row.exit, "into": None, "texts": texts, "count": row.count, "duplicates": row.duplicates}
    for members in clusters(rows):
        best = min(members, key=rank)
        own = best.alt_text or ""
        listed = {text for member in members for text in (member.alt_text or "", *member.others)}
        unlisted = sum((member.count or 1) - len({member.alt_text or "", *member.others}) for member in members)
        for member in members:
            said[member.place] |= {"exit": "merged", "into": best.place}
        said[best.place] = {
            "exit": None,
            "into": None,
            "texts": [own, *sorted(listed - {own})[:15]],
            "count": len(listed) + unlisted,
            "duplicates": len(members) - 1 + sum(member.duplicates or 0 for member in members),
        }
    return said


def told(batches: Iterable[pa.RecordBatch]) -> dict[tuple[str, int], dict[str, Any]]:
    rows = [row for batch in batches for row in batch.to_pylist()]
    names = {"texts": "alt_texts", "count": "alt_text_count", "duplicates": "duplicate_count", "exit": "exit"}
    return {
        (row["split_id"], row["row"]): {
            **{name: row[column] for name, column in names.items()},
            "into": row["merged_into"] and (row["merged_into"]["split_id"], row["merged_into"]["row"]),
        }
        for row in rows
    }


SPLITS = [f"{n:02x}" * 15 + "00" for n in range(5)]


def pool(seed: int) -> list[Row]:
    """Rows of five splits over few numbers: chains, crowds, rows that left, rows without a number, rows that stand for others."""
    chance = random.Random(seed)
    rows = []
    for split_id in SPLITS:
        for number in range(chance.choice([3, 30, 60])):
            row = Row(
                split_id,
                number,
                chance.choice([None, *range(0, 400, 2), *[7] * 150, *[*range(300, 320)] * 2]),
                f"text {chance.randrange(40)}",
            )
            row.width, row.clip_score = chance.choice([None, 10, 20]), chance.choice([None, 0.25, 0.5])
            row.size, row.alt_text = chance.randrange(3), chance.choice([row.alt_text, None, ""])
            row.exit = chance.choice([None] * 5 + ["dropped", "merged", "dead"])
            if row.alt_text and chance.random() < 0.3:
                row.others = sorted({f"other {chance.randrange(30)}" for _ in range(chance.randrange(15))})
                row.count, row.duplicates = 1 + len(row.others) + chance.choice([0, 4]), chance.randrange(1, 9)
            rows.append(row)
    return rows


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], list[pa.RecordBatch]]:
    rows = pool(5)
    return rows, merge(tmp_path_factory.mktemp("near"), rows, Shuffle(partitions=3, rounds=8))


def test_clusters_representatives_texts_and_counts_are_those_of_all_pairs(merged: tuple[list[Row], list[pa.RecordBatch]]):
    rows, batches = merged
    assert told(batches) == expected(rows)
    sizes = sorted(len(members) for members in clusters(rows))
    assert len(sizes) > 10, "the pool has clusters"
    assert sizes[-1] > 20, "one of them is large"
    assert max(said["count"] or 0 for said in told(batches).values()) > 16, "more texts than are listed"


def test_the_merge_is_a_step_of_the_funnel_and_touches_nobody_who_left(merged: tuple[list[Row], list[pa.RecordBatch]]):
    rows, batches = merged
    live = [row for row in rows if row.exit is None]
    gone = sum(len(members) - 1 for members in clusters(rows))
    (step,) = funnel.total(funnel.loads(batch.schema.metadata[FUNNEL]) for batch in batches)
    assert (step.step, step.entered, step.kept, step.merged) == (SENTENCE, len(live), len(live) - gone, {"next_to": gone})
    reasons = [(row["step"], row["reason"]) for batch in batches for row in batch.to_pylist() if row["exit"]]
    assert sorted(set(reasons)) == [(SENTENCE, "next_to"), ("earlier", "earlier")]


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_number_of_partitions_changes_no_byte(merged: tuple[list[Row], list[pa.RecordBatch]], tmp_path: Path, partitions: int):
    rows, batches = merged
    others = merge(tmp_path, rows, Shuffle(partitions=partitions, rounds=8))
    without = [
        batch.replace_schema_metadata({k: v for k, v in batch.schema.metadata.items() if k != ABOUT}) for batch in (*batches, *others)
    ]
    found = [coder.to_ipc(batch) for batch in without]
    assert found[: len(batches)] == found[len(batches) :]


def chain(length: int) -> list[Row]:
    numbers = random.Random(1).sample(range(length), length)
    return [Row(SPLITS[row % 2], row // 2, number, "x") for row, number in enumerate(numbers)]


def test_a_chain_is_one_cluster_and_one_longer_than_the_rounds_bear_is_told(tmp_path: Path):
    rows = chain(120)
    (tmp_path / "enough").mkdir()
    whole = told(merge(tmp_path / "enough", rows, Shuffle(partitions=2, rounds=8)))
    assert whole == expected(rows)
    assert sum(said["exit"] == "merged" for said in whole.values()) == 119
    with pytest.raises((RuntimeError, EnvironmentFault), match=r"whole clusters of near-duplicates after 1 rounds.*raise near\.rounds"):
        merge(tmp_path, rows, Shuffle(partitions=3, rounds=1))


def test_where_nothing_is_near_nothing_is_merged(tmp_path: Path):
    rows = [Row(SPLITS[0], 0, 5, "a"), Row(SPLITS[0], 1, 9, "b"), Row(SPLITS[1], 0, None, None), Row(SPLITS[2], 0, 5, "c", exit="dropped")]
    assert told(merge(tmp_path, rows, Shuffle(partitions=2, rounds=1))) == expected(rows)


def test_no_partitions_and_no_rounds_are_refused():
    with pytest.raises(ValueError, match="partitions: expected at least 1, found 0"):
        Shuffle(partitions=0)
    with pytest.raises(ValueError, match="rounds: expected at least 1, found 0"):
        Shuffle(rounds=0)


# The whole graph.

SAMPLES = 24
JOINS = {"Bring the decisions back to their splits", "Bring the decisions back"}
"""Joins by Beam itself, whose type it does not tell: of exact duplicates, and of near ones."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("graph")
    texts = [f"A small harbour at dusk with many fishing boats before wall number {n} of the old town" for n in range(SAMPLES)]
    samples = [images.sample(n % (SAMPLES - 2), text) for n, text in enumerate(texts)]
    images.write_tar(folder / "pool" / "pool.tar", [{**sample, "__key__": f"{n:04}"} for n, sample in enumerate(samples)])
    (folder / "vocabulary.txt").write_text("harbour\ndusk\nwall\n")
    job = Job(
        input=Input(path=str(folder / "pool"), split_samples=4),
        decode=Decoder(),
        image_content=ImageContent(min_bytes=100),
        lid=None,
        near=Shuffle(partitions=2, rounds=2),
        vocabulary=VocabularySpec(file=str(folder / "vocabulary.txt")),
        output=Output(folder=str(folder / "out")),
    )
    return plan_run(job)


@pytest.fixture(scope="module")
def pipeline(plan: Plan) -> beam.Pipeline:
    made = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    graph.build(made, plan)
    return made


@pytest.fixture(scope="module")
def encoded(pipeline: beam.Pipeline) -> list[pa.Schema]:
    """Run the graph, and return the schemas of the batches that coders and shuffles encoded."""
    schemas: list[pa.Schema] = []
    original = coder.to_ipc

    def to_ipc(batch: pa.RecordBatch) -> bytes:
        schemas.append(batch.schema)
        return original(batch)

    with pytest.MonkeyPatch.context() as patched:
        for module in (coder, near_partitions, duplicates):
            patched.setattr(module, "to_ipc", to_ipc)
        pipeline.run().wait_until_finish()
    return schemas


def test_no_batch_with_images_is_encoded_between_steps(plan: Plan, encoded: list[pa.Schema]):
    told = json.loads(Path(plan.at.run, "funnel.json").read_text())
    assert told[0]["entered"] == SAMPLES
    assert sum(step["merged"].get("exact_duplicate", 0) for step in told) == 2
    assert len(encoded) > 20
    assert [schema for schema in encoded if "image" in schema.names] == []


def test_signals_leave_a_split_by_the_columns_that_the_finder_reads_alone(plan: Plan, encoded: list[pa.Schema]):
    """Between partitions. Before they are cut, the rows of one split stand beside each other as annotations do."""
    assert plan.job.near_image
    assert plan.job.near_text
    finders = {*plan.job.near_image.columns, *plan.job.near_text.columns}
    cut = [set(schema.names) for schema in encoded if "place" in schema.names and "key" not in schema.names]
    assert len(cut) > 4
    assert [names - finders - {"place", "left", "right"} for names in cut] == [set()] * len(cut)
    assert [names for names in cut if "image_embedding" in names] == []


def test_every_step_of_the_funnel_is_a_label_of_the_graph(plan: Plan, pipeline: beam.Pipeline, encoded: list[pa.Schema]):
    labels = {step.unique_name for step in pipeline.to_runner_api().components.transforms.values()}
    steps = [count["step"] for count in json.loads(Path(plan.at.run, "funnel.json").read_text())]
    rules = [sentence for sentence, _ in decisions(plan.job)]
    merges = [duplicates.DUPLICATES, graph.NEAR_IMAGES, graph.NEAR_TEXTS, balance.BALANCE]
    assert steps == [annotate.READ, annotate.DECODE, *rules, *merges]
    assert [step for step in steps if step not in labels] == []


def test_every_collection_of_batches_has_the_arrow_coder_and_every_tag_a_coder_of_its_own(plan: Plan, pipeline: beam.Pipeline):
    found = {name: (kind, how) for name, kind, how in collections(pipeline)}
    batches = {name for name, (kind, _) in found.items() if kind is pa.RecordBatch}
    sentences = [annotate.READ, annotate.DECODE, *(sentence for sentence, _ in decisions(plan.job)), duplicates.DUPLICATES, balance.BALANCE]
    merges = [f"{step}/{part}" for step in (graph.NEAR_IMAGES, graph.NEAR_TEXTS) for part in ("Open their signals", "Merge")]
    assert {f"{step}:{MAIN}" for step in (*sentences, *merges)} <= batches
    assert {name for name in batches if type(found[name][1]) is not coder.ArrowBatchCoder} == set()
    tagged = [how for name, (_, how) in found.items() if name.endswith(":committed")]
    assert len(tagged) >= 2
    assert {type(how) for how in tagged} == {StrUtf8Coder}


def test_every_step_of_ours_says_what_its_collections_hold(pipeline: beam.Pipeline):
    """Beam pickles what it does not know the type of, batches too; joins of decisions from two sides are the one exception."""
    kinds = {name.rpartition(":")[0]: str(kind).replace(str(Counts), "Counts") for name, kind, _ in collections(pipeline)}
    unknown = {part for name, kind in kinds.items() if "Any" in kind for part in name.split("/") if part.startswith("Bring")}
    assert [name for name, kind in kinds.items() if "Any" in kind and not any(join in name.split("/") for join in JOINS)] == []
    assert unknown == JOINS


def collections(pipeline: beam.Pipeline) -> Iterator[tuple[str, Any, Any]]:
    """Yield (label:tag, type, coder) for each output of each transform, with the coder that the runner is told of."""
    proto, context = pipeline.to_runner_api(return_context=True)
    for step in proto.components.transforms.values():
        for tag, collection in step.outputs.items():
            how = context.coders.get_by_id(proto.components.pcollections[collection].coder_id)
            yield f"{step.unique_name}:{tag}", context.pcollections.get_by_id(collection).element_type, how
