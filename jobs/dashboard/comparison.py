"""Two runs side by side: how their measurements moved, their funnels, and which samples both keep."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from jobs.dashboard import drift, reports
from jobs.dashboard.runs import SAMPLES, Opened
from jobs.dashboard.store import Rows, Store
from pipelines.spine.funnel import StepCount
from schemas.exits import KEPT

Binned = Mapping[str, Any]

SETS = """
with a as (select distinct sample_id from {a} where exit = '{kept}' and sample_id is not null),
    b as (select distinct sample_id from {b} where exit = '{kept}' and sample_id is not null)
select count(*) filter (where a.sample_id is not null and b.sample_id is not null) as both,
    count(*) filter (where b.sample_id is null) as only_a, count(*) filter (where a.sample_id is null) as only_b
from a full join b on a.sample_id = b.sample_id
"""


def compare(store: Store, a: tuple[int, Opened], b: tuple[int, Opened]) -> dict[str, Any]:
    """Return what the contract of ``/api/compare`` says of two runs, each with its index.

    ``metrics`` is empty where one has no report, as ``without_report`` then says by its index.
    """
    found = [reports.numbers(*run) for run in (a, b)]
    return {
        "metrics": metrics(*found) if all(found) else [],
        "funnel": funnels(*(run.funnels[SAMPLES] for _, run in (a, b))),
        "sets": store.query(*_sets(store.ledger(*a), store.ledger(*b)))[0],
        "without_report": [index for (index, _), one in zip((a, b), found, strict=True) if one is None],
    }


def metrics(a: reports.Report | None, b: reports.Report | None) -> list[dict[str, Any]]:
    """Return how far each measurement of both reports moved, by the edges that both have, largest PSI first; without any it is left out."""
    ours, theirs = dict(_binned(a or {})), dict(_binned(b or {}))
    moved = [told for name in ours if name in theirs and (told := _moved(name, ours[name], theirs[name])) is not None]
    return sorted(moved, key=lambda metric: (-metric["psi"], metric["name"]))


def funnels(a: Sequence[StepCount], b: Sequence[StepCount]) -> list[dict[str, Any]]:
    """Return the steps of both, those of ``a`` in its order and before each those that ``b`` alone has there; null where one has none."""
    ours, theirs = {count.step: count for count in a}, {count.step: count for count in b}
    return [
        {"step": step, **_cells("a", ours.get(step)), **_cells("b", theirs.get(step))}
        for step in _in_order([count.step for count in a], [count.step for count in b])
    ]


def _sets(a: Rows, b: Rows) -> tuple[str, dict[str, Any]]:
    """Return the question of ``SETS`` over two ledgers, whose values get names of their own."""
    named = {"a": a.sql.replace("$files", "$files_a"), "b": b.sql.replace("$files", "$files_b")}
    values = {f"files_{letter}": rows.values["files"] for letter, rows in (("a", a), ("b", b)) if rows.values}
    return SETS.format(**named, kept=KEPT), values


def _binned(report: Mapping[str, Any]) -> Iterator[tuple[str, Binned]]:
    """Yield by name what a report has as bins: all rows of each, by whichever door they left, and which side of an edge is closed."""
    for told in report.get("distributions", ()):
        yield told["name"], {**told, "rows": _sum(told["kept"], told["left"]), "side": "min"}
    for told in report.get("bars", ()):
        yield told["name"], {**told, "rows": _sum(told["kept"], told["left_here"], told["left_later"])}


def _moved(name: str, a: Binned, b: Binned) -> dict[str, Any] | None:
    edges = drift.common(a["edges"], b["edges"]) if a["side"] == b["side"] else []
    if not edges:
        return None
    rows = [drift.rebinned(told["edges"], told["rows"], edges) for told in (a, b)]
    sides = {letter: {"edges": told["edges"], "rows": told["rows"]} for letter, told in (("a", a), ("b", b))}
    return {"name": name, "title": a["title"], "psi": drift.psi(*rows), "ks": drift.ks(*rows), **sides}


def _sum(*counts: Sequence[int]) -> list[int]:
    return [sum(bins) for bins in zip_longest(*counts, fillvalue=0)]


def _in_order(a: Sequence[str], b: Sequence[str]) -> list[str]:
    steps: list[str] = []
    waiting = list(b)
    for step in a:
        if step in waiting:
            steps += [other for other in waiting[: waiting.index(step)] if other not in a]
            waiting = waiting[waiting.index(step) + 1 :]
        steps.append(step)
    return [*steps, *(step for step in waiting if step not in a)]


def _cells(letter: str, count: StepCount | None) -> dict[str, int | None]:
    return {f"{letter}_entered": count and count.entered, f"{letter}_kept": count and count.kept}
