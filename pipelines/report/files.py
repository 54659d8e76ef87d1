"""``report.html`` and ``report.json`` of a run: the page with pictures, and the numbers alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipelines.report import page
from pipelines.report.assemble import VERSION, counted
from pipelines.report.cards import TEXTS
from pipelines.report.declared import telling_of
from pipelines.report.gallery import Gallery, clusters, groups, pictures_of, sizes
from pipelines.report.pictures import Picture, Thumbnail, from_source
from pipelines.report.sketches import Sketch
from pipelines.report.telling import Telling
from pipelines.spine import storage
from pipelines.spine.finished import Finished

REPORT, DATA = "report.html", "report.json"
CONCEPTS = "concepts.json"
TITLES = {"ledger": "Samples", "rollouts": "Rollouts", "graded": "Rollouts that grade"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """Makes the report of a run; picklable, so that the last step of the graph can call it in a worker."""

    telling: Telling
    kind: str
    """What the cards are of: a key of ``pipelines.report.cards.TEXTS``."""
    corpus: str
    license: str
    input: str
    config: bytes
    """``job.yaml``."""
    max_pixels: int
    models: tuple[tuple[str, str], ...] = ()
    """Roles, and the models that play them."""
    picture: Picture = from_source

    def __call__(self, run: Finished) -> dict[str, bytes]:
        """Return both files of ``run``."""
        return _files(self.telling, self.kind, self.header(run), run, pictures_of(run.sketch, self.picture, self.max_pixels))

    def header(self, run: Finished) -> Json:
        """Return what the report says of the run itself."""
        return {
            **{name: run.identity[name] for name in ("pipeline", "run_id", "code")},
            "corpus": self.corpus,
            "license": self.license,
            "input": self.input,
            "passes": list(run.identity["passes"]),
            "seconds": run.seconds,
            "started": run.started and datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
            "models": [list(model) for model in self.models],
            "config": self.config.decode(),
            "is_complete": True,
        }


def retold(run: Finished, tables: Mapping[str, Any], old_page: bytes, old_data: bytes) -> dict[str, bytes]:
    """Return the report of ``run`` made anew of its ``tables``: batches by table, as they are after a take-down.

    Nothing is read of the input: the pictures are those of the page before, without those of rows that are gone.
    """
    data, shown = json.loads(old_data), page.embedded(old_page)
    telling = telling_of(data["declared"])
    steps = {table: [count.step for count in told] for table, told in run.funnels.items()}
    sketch = Sketch()
    for table, batches in tables.items():
        for batch in batches:
            sketch = telling({table: batch}, steps, sketch)
    return _files(telling, data["declared"]["kind"], data["run"], replace(run, sketch=sketch), dict(_thumbnails(shown)))


def _files(telling: Telling, kind: str, header: Json, run: Finished, pictures: Mapping[str, Thumbnail]) -> dict[str, bytes]:
    numbers: Json = {
        "version": VERSION,
        "run": header,
        **counted(telling, run.sketch, run.funnels, TITLES),
        "spent": dict(sorted(run.spent.items())),
        "clusters": {"sizes": None, "largest": [], "sampled": []},
        "concepts": _concepts(run),
        "gallery": [],
    }
    gallery = Gallery(TEXTS[kind], pictures)
    cards = {"clusters": clusters(run.sketch, gallery, sizes(numbers["distributions"])), "gallery": groups(run.sketch, telling, gallery)}
    return {
        REPORT: page.render({**numbers, **cards}, page.library()),
        DATA: _json({**numbers, "declared": {**telling.declared(), "kind": kind}}),
    }


def _concepts(run: Finished) -> Json | None:
    """Return what concept balance did: the page of the graph, or that of a run that stands."""
    path = storage.join(run.run, CONCEPTS)
    found = run.further.get(CONCEPTS) or (storage.read(path) if storage.exists(path) else b"null")
    return json.loads(found)


def _thumbnails(shown: Json) -> Any:
    """Yield the pictures of a page by the place of their rows."""
    cards = [card for group in shown["gallery"] for card in group["cards"]]
    for found in (*shown["clusters"]["largest"], *shown["clusters"]["sampled"]):
        cards += [found["card"], *found.get("members", ())]
    for card in cards:
        if card["thumbnail"]:
            yield card["place"], Thumbnail(card["thumbnail"], card["width"], card["height"])


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
