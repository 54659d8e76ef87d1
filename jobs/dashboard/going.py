"""The report of a run that goes on, counted of the fragments that are committed."""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dashboard import pictures
from jobs.dashboard.runs import SAMPLES, Opened
from pipelines.questions.tables import rollouts
from pipelines.report.assemble import LEDGER, VERSION, counted
from pipelines.report.cards import TEXTS
from pipelines.report.declared import telling_of
from pipelines.report.files import TITLES
from pipelines.report.gallery import Gallery, clusters, groups, sizes
from pipelines.report.pictures import Thumbnail
from pipelines.report.sketches import Sketch
from pipelines.report.telling import Telling
from pipelines.spine import fragments
from pipelines.spine.shards import steps_of
from pipelines.spine.tables import place_of
from schemas import columns as c

COUNTED = 4096
"""Fragments whose counts are remembered; those of one are some 100 KB (ours)."""


def report(index: int, run: Opened) -> dict[str, Any]:
    """Return the report of ``run`` so far; its pictures are asked of the server one by one."""
    telling, declared = telling_of(run.told["declared"]), json.dumps(run.told["declared"])
    sketch = sum((_sketch(path, declared) for path in run.pieces), Sketch())
    funnels = {LEDGER if name == SAMPLES else name: told for name, told in run.funnels.items()}
    numbers = counted(telling, sketch, funnels, TITLES)
    gallery = Gallery(TEXTS["question" if run.is_over_questions else "pair"], dict(_pictures(index, sketch)))
    return {
        "version": VERSION,
        "run": _header(run, sketch),
        **numbers,
        "spent": _spent(numbers["serving"]),
        "clusters": clusters(sketch, gallery, sizes(numbers["distributions"])),
        "concepts": None,
        "gallery": groups(sketch, telling, gallery),
    }


@functools.lru_cache(COUNTED)
def _sketch(path: str, declared: str) -> Sketch:
    """Return what is ``declared`` to be counted, of one fragment, whose name holds the hash of what is in it."""
    telling = telling_of(json.loads(declared))
    names = [name for name in pq.read_schema(path).names if name not in telling.hidden]
    batch = fragments.one_batch(pq.read_table(path, columns=names))
    return telling(dict(_tables(batch, telling)), steps_of(batch), Sketch())


def _tables(batch: pa.RecordBatch, telling: Telling) -> Iterator[tuple[str, pa.RecordBatch]]:
    yield LEDGER, batch.select([name for name in batch.schema.names if name not in telling.tables])
    for name in telling.tables:
        if name in batch.schema.names:
            yield name, rollouts(name).rows(batch)


def _pictures(index: int, sketch: Sketch) -> Iterator[tuple[str, Thumbnail]]:
    """Yield where the pictures of the rows that are shown are served, by their places."""
    rows = [pick.row for name, picks in sketch.picks.items() if name[0] == LEDGER for pick in picks.chosen]
    for row in rows:
        address = pictures.address(index, row)
        if address and row.get(c.WIDTH.name):
            yield place_of(row), Thumbnail(f"{address}?side=256", row[c.WIDTH.name], row[c.HEIGHT.name])


def _header(run: Opened, sketch: Sketch) -> dict[str, Any]:
    picks = sketch.picks.get((LEDGER, "random"))
    first: Mapping[str, Any] = picks.chosen[0].row if picks and picks.chosen else {}
    return {
        **{name: str(run.told.get(name, "")) for name in ("pipeline", "run_id", "code")},
        "corpus": first.get(c.CORPUS.name) or "",
        "license": first.get(c.SOURCE_LICENSE.name) or "",
        "input": "",
        "passes": run.told["passes"],
        "seconds": None,
        "started": run.told.get("started"),
        "models": [],
        "config": "",
        "is_complete": False,
    }


def _spent(serving: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    names = {c.PROMPT_TOKENS.name: "prompt_tokens", c.COMPLETION_TOKENS.name: "completion_tokens", c.ANSWER_SECONDS.name: "seconds"}
    return {column: round(sum(told[name] for told in serving.values()), 3) for column, name in names.items()} if serving else {}
