"""A finished run to ask and to take from: made by the job itself, or laid by hand where no job makes such merges."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from pipelines.report.sketches import Sketch
from pipelines.spine import commit, fragments, funnel
from pipelines.spine.commit import KEPT_BYTES, Commit, Limits, Output
from pipelines.spine.finished import Finished
from pipelines.spine.layout import Layout
from pipelines.spine.shards import ShardPlan, write_shard
from pipelines.spine.steps import FUNNEL
from schemas.batches import conform, from_rows
from schemas.records import ANNOTATION, DEAD_LETTER, FRAGMENT, LEDGER, RECAPTIONED
from tests import images, jobs
from tests.scripted_server import Call, Reply, answer, completion

TWIN, SAME_URL, SMALL, CUT, REFUSED = 16, 17, 18, 19, 20
"""An exact twin of sample 3, another image at the address of sample 5, and samples that leave by a rule, as dead, and for their caption."""
PLACES = [
    *("Amsterdam", "Bergen", "Cordoba", "Dresden", "Edinburgh", "Florence", "Granada", "Hamburg", "Innsbruck", "Jena", "Krakow", "Lisbon"),
    *("Malmo", "Nantes", "Oslo", "Porto", "Quito", "Riga", "Seville", "Turin", "Utrecht"),
]


def text(number: int) -> str:
    return f"Fishing boats in the old harbour of {PLACES[number]}"


def url(number: int) -> str:
    return f"https://images.example/{PLACES[5 if number == SAME_URL else number].lower()}.jpg"


def picture(number: int) -> bytes:
    if number == CUT:
        return images.truncated(images.photo(number, (480, 360)))
    return images.photo(3 if number == TWIN else number, (120, 90) if number == SMALL else (480, 360))


def write_pool(folder: Path) -> Path:
    """Write the 21 samples into three tars, each name, text and address once."""
    every = [
        {"__key__": f"{PLACES[n].lower()}-{n}", "jpg": picture(n), "txt": text(n), "json": {"caption": text(n), "url": url(n)}}
        for n in range(len(PLACES))
    ]
    for shard in range(3):
        images.write_tar(folder / f"{shard}.tar", every[shard::3])
    return folder


def reply(call: Call) -> Reply:
    return completion("I'm sorry, I cannot describe this.") if PLACES[REFUSED] in (call.alt_text or "") else answer(call)


def flags(pool: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    """Return the flags of a job over the pool that writes several splits and shards."""
    small = ["--set=input.split_samples=4", "--set=output.shard_mb=1", "--set=image_content.min_bytes=100"]
    return jobs.flags_for(pool, output, endpoint, *small, *more)


def rows(run: Path, table: str = "ledger") -> list[dict]:
    """Return the rows of a table, by an own way of reading."""
    return [row for path in sorted((run / table).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


@dataclass(frozen=True)
class Laid:
    output: Path
    run: Path


READ, RULE, EXACT, NEAR, END = "Read", "Judge", "Merge exact duplicates", "Merge near-duplicates", "End"


KNOWN = {"corpus": "c", "source_license": "l", "source_path": "/gone.tar", "source_offset": 0, "source_bytes": 1, "image_format": "JPEG"}
DECIDED = {"exit", "step", "reason", "merged_into", "alt_texts", "alt_text_count", "duplicate_count"}


def lay(output: Path, splits: Mapping[str, Sequence[dict]]) -> Laid:
    """Commit rows by hand as a run of a pipeline with near-duplicates: a fragment and a shard for each split, and its annotations."""
    passes, run, layout = ["annotate/a", "take/t"], output / "captions" / "run", Layout(LEDGER, DEAD_LETTER, RECAPTIONED)
    annotated, taken = (str(output / name) for name in passes)
    written = []
    for number, (split, some) in enumerate(splits.items()):
        whole = [{**KNOWN, "split_id": split, "row": n, **row} for n, row in enumerate(some)]
        early = [{name: row[name] for name in row.keys() & (set(ANNOTATION.names) - DECIDED)} for row in whole]
        reading = funnel.dumps([funnel.StepCount(READ, len(whole), len(whole))])
        fragments.write(annotated, split, from_rows(early, ANNOTATION).replace_schema_metadata({FUNNEL: reading}))
        size = sum(len(row["image"]["bytes"]) for row in whole if row.get("image"))
        footer = {FUNNEL: funnel.dumps(by_hand(whole)), KEPT_BYTES: str(size).encode()}
        path = fragments.write(taken, f"{split}-0", conform(from_rows(whole, FRAGMENT), FRAGMENT).replace_schema_metadata(footer))
        written.append((number, write_shard(ShardPlan(number, (path,)), str(run), layout)))
    identity = {"run_id": "run", "pipeline": "captions", "passes": passes}
    commit._finish(written, Commit(taken, (), str(run), layout, Limits(), Output(), identity, pages), (), Sketch())
    return Laid(output, run)


def pages(run: Finished) -> dict[str, bytes]:
    return {"README.md": b"---\n---\n\n# c\n", "job.yaml": b"input: {}\n"}


def by_hand(some: Sequence[dict]) -> list[funnel.StepCount]:
    """Count rows step by step."""
    counts = []
    entered = len(some)
    for step in (READ, RULE, EXACT, NEAR, END):
        here = [row for row in some if row.get("step") == step]
        doors = {door: dict(Counter(row["reason"] for row in here if row["exit"] == door)) for door in ("dropped", "merged", "dead")}
        counts.append(funnel.StepCount(step, entered, entered - len(here), *doors.values()))
        entered -= len(here)
    return counts
