"""The report of a run as its files hold it or, where it has none, what can be counted without one."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from jobs.dashboard.runs import SAMPLES, Opened
from jobs.dashboard.store import Store
from pipelines.report import page
from pipelines.spine import funnel, storage
from schemas.exits import DEAD

PAGE, NUMBERS, CONFIG = "report.html", "report.json", "job.yaml"
DEAD_SHOWN = 50
"""Kinds of dead letters that are told, the most frequent first (ours)."""
Report = Mapping[str, Any]


def report(store: Store, index: int, run: Opened) -> Report:
    """Return the report of ``run``: of its page, which has pictures too, else its numbers, else what ``counted`` finds."""
    if run.is_complete and storage.exists(path := storage.join(run.folder, PAGE)):
        return page.embedded(storage.read(path))
    return numbers(run) or counted(store, index, run)


def numbers(run: Opened) -> Report | None:
    """Return the report of ``run`` without pictures, None where its folder has none."""
    path = storage.join(run.folder, NUMBERS)
    return json.loads(storage.read(path)) if run.is_complete and storage.exists(path) else None


def counted(store: Store, index: int, run: Opened) -> Report:
    """Return a report with header, funnels, cost and dead letters of a run that goes on or is older than reports.

    Thresholds, distributions, shares and the gallery are empty: ``pipelines.report`` would compute them of the rows, which is not done.
    """
    funnels = run.funnels
    lists = ("bars", "distributions", "shares", "planes", "gallery")
    return {
        "version": 1,
        "run": _header(store, index, run),
        "exits": funnel.exits(funnels[SAMPLES]),
        "funnels": [{"name": name, "title": name.capitalize(), "steps": [asdict(step) for step in told]} for name, told in funnels.items()],
        "spent": run.told.get("spent", {}),
        "serving": {},
        **{name: [] for name in lists},
        "dead": _dead(store, index, run),
        "clusters": {"sizes": None, "largest": [], "sampled": []},
        "concepts": None,
        "reasoning": None,
    }


def _header(store: Store, index: int, run: Opened) -> dict[str, Any]:
    rows = store.ledger(index, run)
    found = store.query(f"select * from {rows.sql} limit 1", rows.values)  # noqa: S608  no word of a request
    first: Mapping[str, Any] = found[0] if found else {}
    config = storage.join(run.folder, CONFIG)
    return {
        **{name: str(run.told.get(name, "")) for name in ("pipeline", "run_id", "code")},
        "corpus": first.get("corpus") or "",
        "license": first.get("source_license") or "",
        "input": "",
        "passes": run.told["passes"],
        "seconds": None,
        "started": run.told.get("started"),
        "models": [[role, name] for role, name in run.told.get("models", {}).items()],
        "config": storage.read(config).decode() if storage.exists(config) else "",
        "is_complete": run.is_complete,
    }


def _dead(store: Store, index: int, run: Opened) -> list[dict[str, Any]]:
    if not run.files():
        return []
    rows = store.ledger(index, run)
    sql = (
        f"select step, reason, min(error) as error, count(*)::bigint as rows, min(split_id || ':' || \"row\") as example from {rows.sql} "  # noqa: S608
        f"where \"exit\" = '{DEAD}' group by step, reason order by rows desc, step, reason limit {DEAD_SHOWN}"
    )
    return store.query(sql, rows.values)
