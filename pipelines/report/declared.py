"""What a run tells of its rows, read back: a report can be counted again without the job that it was made by."""

from collections.abc import Mapping
from typing import Any

from pipelines.report.measured import METRICS, PLANES
from pipelines.report.metrics import Bar, Told
from pipelines.report.telling import OF_BAR, Telling


def telling_of(found: Mapping[str, Any]) -> Telling:
    """Return the ``Telling`` that ``found`` was ``declared`` by."""
    return Telling({name: _read(told) for name, told in found["tables"].items()}, found["seed"])


def _read(found: Mapping[str, Any]) -> Told:
    return Told(
        bars=tuple(_bar(bar) for bar in found["bars"]),
        metrics=tuple(METRICS[name] for name in found["metrics"]),
        labels=tuple((name, title) for name, title in found["labels"]),
        planes=tuple(PLANES[name] for name in found["planes"]),
        verdicts=found["verdicts"],
        columns=tuple(found["columns"]),
    )


def _bar(found: Mapping[str, Any]) -> Bar:
    return Bar(metric=METRICS[found["metric"]], before=tuple(found["before"]), **{name: found[name] for name in OF_BAR})
