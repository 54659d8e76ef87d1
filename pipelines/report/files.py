"""``report.html`` and ``report.json`` of a run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.report import page
from pipelines.report.assemble import VERSION, counted
from pipelines.report.cards import Texts
from pipelines.report.declared import declared
from pipelines.report.gallery import clusters, gallery_of, groups
from pipelines.report.pictures import Picture, from_source
from pipelines.report.telling import Telling
from pipelines.spine.finished import Finished

REPORT, DATA = "report.html", "report.json"
TITLES = {"ledger": "Samples", "rollouts": "Rollouts", "graded": "Rollouts that grade"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Report:
    """Makes the report of a run; picklable, so that the last step of the graph can call it in a worker."""

    telling: Telling
    texts: Mapping[str, Texts]
    """What a card says, by table."""
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
        """Return both files of ``run``: the page with pictures, and the numbers alone."""
        numbers = self.numbers(run)
        gallery = gallery_of(run.sketch, self.texts, self.picture, self.max_pixels)
        sizes = next((_sizes(found) for found in numbers["distributions"] if found["name"] == "duplicate_count"), None)
        shown = {
            **numbers,
            "clusters": clusters(run.sketch, gallery, sizes),
            "gallery": groups(run.sketch, self.telling, gallery),
        }
        return {REPORT: page.render(shown, page.library()), DATA: _json({**numbers, "declared": declared(self.telling)})}

    def numbers(self, run: Finished) -> Json:
        """Return the report without cards."""
        return {
            "version": VERSION,
            "run": self._header(run),
            **counted(self.telling, run.sketch, run.funnels, TITLES),
            "spent": dict(run.spent),
            "clusters": {"sizes": None, "largest": [], "sampled": []},
            "concepts": json.loads(run.further["concepts.json"]) if "concepts.json" in run.further else None,
            "gallery": [],
        }

    def _header(self, run: Finished) -> Json:
        about = {name: run.identity[name] for name in ("pipeline", "run_id", "code")}
        return {
            **about,
            "corpus": self.corpus,
            "license": self.license,
            "input": self.input,
            "passes": list(run.identity["passes"]),
            "seconds": run.seconds,
            "started": run.started and datetime.fromtimestamp(run.started, UTC).isoformat(timespec="seconds"),
            "models": [list(model) for model in self.models],
            "config": self.config.decode(),
            "is_complete": run.is_complete,
        }


def _sizes(found: Mapping[str, Any]) -> Json:
    """Return the rows by how many were merged into them, of those that have any."""
    return {"edges": found["edges"], "rows": [kept + left for kept, left in zip(found["kept"], found["left"], strict=True)]}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
