"""From the sketch of a run to its report, the document that page, server and comparison read (docs/dashboard.md)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.report import rollouts
from pipelines.report.metrics import Bar, Metric, Plane, Told
from pipelines.report.sketches import Labels, Name, Sketch
from pipelines.report.telling import Telling
from pipelines.spine import funnel

VERSION = 1
LEDGER, SAMPLES = "ledger", "samples"

Json = dict[str, Any]


def counted(telling: Telling, sketch: Sketch, funnels: Mapping[str, funnel.Funnel], titles: Mapping[str, str]) -> Json:
    """Return the parts of the report that are numbers; ``funnels`` and ``titles`` are by table, the ledger's first."""
    each = [(of(table), table, told) for table, told in telling.tables.items()]
    return {
        "exits": funnel.exits(funnels[LEDGER]),
        "funnels": [
            {"name": of(table), "title": titles[table], "steps": [asdict(count) for count in told]} for table, told in funnels.items()
        ],
        "serving": _serving(sketch),
        "bars": [_bar(name, bar, sketch.sums[key]) for name, key, bar in _found(each, sketch, "bar")],
        "distributions": [
            _distribution(name, metric, sketch.sums[key])
            for name, key, metric in _found(each, sketch, "metric")
            if sketch.sums[key][:, :-1].any()  # nobody looked
        ],
        "shares": [_share(name, sketch.labels[key], *about) for name, key, about in _found(each, sketch, "labels")],
        "planes": [_plane(plane, sketch.sums[key]) for _, key, plane in _found(each, sketch, "plane")],
        "dead": _dead(sketch),
        "reasoning": _reasoning(sketch),
    }


def of(table: str) -> str:
    """Return the name under which the rows of ``table`` stand in a report."""
    return SAMPLES if table == LEDGER else table


def _found(each: Sequence[tuple[str, str, Told]], sketch: Sketch, kind: str) -> Iterator[tuple[str, Name, Any]]:
    """Yield what is told of a ``kind`` and has been counted: name in the report, name in the sketch, and what it is."""
    for name, table, told in each:
        listed = {"bar": told.bars, "metric": told.metrics, "labels": told.labels, "plane": told.planes}[kind]
        for about in listed:
            key = (kind, table, about[0] if isinstance(about, tuple) else about.key if isinstance(about, Bar) else about.name)
            if key in sketch.sums or key in sketch.labels:
                yield name, key, about


def _bar(name: str, bar: Bar, sums: Any) -> Json:
    kept, here, later = (row[:-1].tolist() for row in sums)
    metric = bar.metric
    return {
        "name": bar.key,
        "title": metric.title,
        "unit": metric.unit,
        "of": name,
        "step": bar.step,
        "reason": bar.reason,
        "side": bar.side,
        "threshold": float(bar.threshold),
        "scale": metric.scale,
        "edges": list(bar.edges),
        "kept": kept,
        "left_here": here,
        "left_later": later,
        "unmeasured": int(sums[:, -1].sum()),
    }


def _distribution(name: str, metric: Metric, sums: Any) -> Json:
    kept, left = (row[:-1].tolist() for row in sums)
    missing = {"kept": int(sums[0, -1]), "left": int(sums[1, -1])}
    about = {"name": metric.name, "title": metric.title, "unit": metric.unit, "of": name, "scale": metric.scale}
    return {**about, "edges": list(metric.edges), "kept": kept, "left": left, "missing": missing}


def _share(name: str, labels: Labels, column: str, title: str) -> Json:
    others = [0, 0] if labels.others is None else labels.others.tolist()
    values = [[label, *map(int, sums)] for label, sums in _most(labels)]
    return {"name": column, "title": title, "of": name, "values": values, "others": {"kept": others[0], "left": others[1]}}


def _plane(plane: Plane, sums: Any) -> Json:
    axes = {axis: {"title": m.title, "unit": m.unit, "edges": list(m.edges)} for axis, m in (("x", plane.x), ("y", plane.y))}
    filled = np.argwhere(sums.sum(axis=0) > 0).tolist()
    return {"name": plane.name, "title": plane.title, **axes, "counts": [[x, y, int(sums[0, x, y]), int(sums[1, x, y])] for x, y in filled]}


def _most(labels: Labels) -> list[tuple[str, Any]]:
    return sorted(labels.of.items(), key=lambda found: (-int(found[1].sum()), found[0]))


def _dead(sketch: Sketch) -> list[Json]:
    found: list[Json] = []
    for (kind, table), labels in ((name, labels) for name, labels in sketch.labels.items() if name[0] == "dead"):
        assert kind
        for label, sums in _most(labels):
            step, reason, error = json.loads(label)
            example = _example(sketch, (table, "left", step or "", reason or ""))
            found.append({"step": step, "reason": reason, "error": error, "rows": int(sums[0]), "example": example})
    return sorted(found, key=lambda dead: -dead["rows"])


def _example(sketch: Sketch, group: Name) -> str:
    """Return the source of the first row that is shown of ``group``; rows of rollouts have none."""
    chosen = sketch.picks[group].chosen if group in sketch.picks else ()
    return source(chosen[0].row) if chosen else ""


def source(row: Mapping[str, Any]) -> str:
    """Return where a row came from: the file, and what names it in there."""
    path = (row.get("source_path") or "").rsplit("/", 1)[-1]
    return "/".join(name for name in (path, row.get("source_member")) if name)


def _serving(sketch: Sketch) -> Json:
    served: Json = {}
    for (_, table), labels in ((name, labels) for name, labels in sketch.labels.items() if name[0] == "served"):
        ends = sketch.labels.get(("finish", table), Labels())
        for model, sums in _most(labels):
            known = served.setdefault(model, {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "seconds": 0.0, "finish": {}})
            for name, number in zip(("requests", "prompt_tokens", "completion_tokens"), sums, strict=False):
                known[name] += int(number)
            known["seconds"] = round(known["seconds"] + int(sums[3]) / 1000, 3)
            for label, rows in _most(ends):
                asked, end = json.loads(label)
                if asked == model:
                    known["finish"][end] = known["finish"].get(end, 0) + int(rows[0])
    return served


def _reasoning(sketch: Sketch) -> Json | None:
    by_kind: dict[str, Labels] = {}
    for (kind, _), labels in ((name, labels) for name, labels in sketch.labels.items() if len(name) == 2):
        by_kind[kind] = by_kind[kind] + labels if kind in by_kind else labels
    if not {"passes", "verdicts"} & set(by_kind):
        return None
    return {
        "pass_rates": [
            {**_named(label, "domain", "model"), **_numbered(("questions", "rollouts", "passed"), sums), "histogram": sums[3:].tolist()}
            for label, sums in _most(by_kind.get("passes", Labels()))
        ],
        "tiers": [{"domain": label, "tiers": _numbered(rollouts.TIERS, sums)} for label, sums in _most(by_kind.get("tiers", Labels()))],
        "verdicts": [
            {**_named(label, "domain", "by"), **_numbered(rollouts.OUTCOMES, sums)}
            for label, sums in _most(by_kind.get("verdicts", Labels()))
        ],
        "forced": {label: int(sums[0]) for label, sums in _most(by_kind.get("forced", Labels()))},
        "hopeless": {label: int(sums[0]) for label, sums in _most(by_kind.get("hopeless", Labels()))},
        "agreement": [
            {**_named(label, "first", "second", "said"), **_numbered(rollouts.OUTCOMES, sums)}
            for label, sums in sorted(by_kind.get("second", Labels()).of.items())
        ],
    }


def _named(label: str, *names: str) -> Json:
    return dict(zip(names, json.loads(label), strict=True))


def _numbered(names: Sequence[str], sums: Any) -> Json:
    return {name: int(number) for name, number in zip(names, sums, strict=False)}
