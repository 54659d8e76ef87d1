"""What a run tells of its rows, as a document: a report can be counted again from it, without the job that it was made by."""

from collections.abc import Mapping
from typing import Any

from pipelines.report.measured import METRICS, PLANES
from pipelines.report.metrics import Bar, Told
from pipelines.report.telling import Telling

Json = dict[str, Any]
_OF_BAR = ("key", "step", "reason", "side", "threshold")


def declared(telling: Telling) -> Json:
    """Return ``telling`` as JSON, metrics and planes by their names."""
    return {"seed": telling.seed, "tables": {name: _told(told) for name, told in telling.tables.items()}}


def telling_of(found: Mapping[str, Any]) -> Telling:
    """Return what ``declared`` was given."""
    return Telling({name: _read(told) for name, told in found["tables"].items()}, found["seed"])


def _told(told: Told) -> Json:
    return {
        "bars": [
            {**{name: getattr(bar, name) for name in _OF_BAR}, "metric": bar.metric.name, "before": list(bar.before)} for bar in told.bars
        ],
        "metrics": [metric.name for metric in told.metrics],
        "labels": [list(label) for label in told.labels],
        "planes": [plane.name for plane in told.planes],
        "verdicts": told.verdicts,
        "columns": list(told.columns),
    }


def _read(found: Json) -> Told:
    return Told(
        bars=tuple(_bar(bar) for bar in found["bars"]),
        metrics=tuple(METRICS[name] for name in found["metrics"]),
        labels=tuple((name, title) for name, title in found["labels"]),
        planes=tuple(PLANES[name] for name in found["planes"]),
        verdicts=found["verdicts"],
        columns=tuple(found["columns"]),
    )


def _bar(found: Json) -> Bar:
    return Bar(metric=METRICS[found["metric"]], before=tuple(found["before"]), **{name: found[name] for name in _OF_BAR})
