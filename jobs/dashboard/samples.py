"""Rows of a ledger: a page of those that meet a request, and every column of one."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobs.dashboard import columns, conditions, pictures
from jobs.dashboard.refusals import Missing, Refused
from jobs.dashboard.runs import Opened
from jobs.dashboard.store import Rows, Store
from pipelines.report.cards import COLUMNS, TEXTS, card
from schemas import columns as c
from schemas import questions as q

PLACE = re.compile(r"([0-9a-f]{32}):([0-9]{1,9})")
SAFE = 2**53
"""Whole numbers from here on are no longer exact in a browser (ECMA-262, Number.MAX_SAFE_INTEGER)."""
MET = "rows_that_meet"
"""What the number of rows behind a page is called in its SQL; no column of a ledger has that name."""
UNTOLD = frozenset({c.IMAGE.name, q.IMAGES.name})
"""Columns that a fragment has and no JSON holds: encoded images."""


def page(store: Store, index: int, run: Opened, asked: Mapping[str, str], where: Sequence[str], offset: int, limit: int) -> dict[str, Any]:
    """Return how many rows meet ``asked`` and ``where``, and the cards of ``limit`` of them from ``offset`` on.

    Every row has its place in every order, so that the pages of an order hold each row once. ``asked`` may name ``exit``, ``step``,
    ``reason``, ``sort`` and ``descending``.
    """
    schema, rows = run.schema, store.ledger(index, run)
    known = columns.allowed(schema)
    met = conditions.where(known, asked, where)
    order = conditions.order(known, asked.get("sort", ""), _flag(asked, "descending"))
    names = ", ".join(f'"{name}"' for name in dict.fromkeys((*COLUMNS, *pictures.NAMES)) if name in schema.names) or "*"
    values = {**rows.values, **met.values}
    found = store.query(_page(rows, names, met.sql, order), {**values, "limit": limit, "offset": offset})
    texts = TEXTS["question" if run.is_over_questions else "pair"]
    cards = [plain({**card(row, texts), "image": pictures.address(index, row)}) for row in found]
    counted = _told(found, offset, limit)
    return {"rows": _count(store, rows, met.sql, values) if counted is None else counted, "samples": cards}


def _told(found: Sequence[Mapping[str, Any]], offset: int, limit: int) -> int | None:
    """Return how many rows meet a request as far as its page tells; a first page without rows tells that there are none."""
    if found:
        return found[0].get(MET)
    return 0 if limit and not offset else None


def _count(store: Store, rows: Rows, met: str, values: Mapping[str, Any]) -> int:
    return store.query(f"select count(*) as n from {rows.sql} where {met}", values)[0]["n"]  # noqa: S608  names are of the allow-list


def _page(rows: Rows, names: str, met: str, order: str) -> str:
    """Return the question for a page.

    Where rows have a key the condition is asked once, for ``MET`` and the page alike, and what is not sorted by is read of the page alone.
    """
    page = f"order by {order} limit $limit offset $offset"
    if rows.key is None:
        return f"select {names} from {rows.sql} where {met} {page}"  # noqa: S608  names are of the allow-list
    keys = f"select {rows.key} from {rows.sql} where"  # noqa: S608  the same
    shown = f"from {rows.sql} where {rows.key} in"
    if met == conditions.ANY:
        return f"select {names} {shown} ({keys} {met} {page}) order by {order}"
    named = f"select {names}, (select count(*) from met) as {MET} {shown}"  # noqa: S608  the same
    page_of_met = f"({keys} {rows.key} in (select key from met) {page})"  # noqa: S608  the same
    return f"with met(key) as materialized ({keys} {met}) {named} {page_of_met} order by {order}"


def sample(store: Store, index: int, run: Opened, place: str) -> dict[str, Any]:
    """Return every column of the row at ``place`` but its encoded images; raises ``Missing`` where there is none."""
    left_out = [name for name in run.schema.names if name in UNTOLD]
    return plain(at(store, store.ledger(index, run), place, f"* exclude ({', '.join(left_out)})" if left_out else "*"))


def at(store: Store, rows: Rows, place: str, selected: str = "*") -> dict[str, Any]:
    """Return what is ``selected``, in SQL of the server's own, of the row at ``place``; raises ``Missing`` where there is none."""
    split_id, row = parsed(place)
    sql = f'select {selected} from {rows.sql} where split_id = $split_id and "row" = $row limit 1'  # noqa: S608  names of the schema
    found = store.query(sql, {**rows.values, "split_id": split_id, "row": row})
    if not found:
        raise Missing(f"no row {place} in this run; while a run goes on, its rows come as their splits are committed")
    return found[0]


def parsed(place: str) -> tuple[str, int]:
    """Return split and row of ``place``; raises ``Refused`` where it is none."""
    found = PLACE.fullmatch(place)
    if found is None:
        raise Refused(f"place: expected SPLIT_ID:ROW, 32 hex digits and a number, found {place[:100]!r}")
    return found[1], int(found[2])


def plain(value: Any) -> Any:
    """Return ``value`` as JSON has it: what is no number and whole numbers past ``SAFE`` as text, bytes by their length."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    is_unsafe = abs(value) >= SAFE if isinstance(value, int) else isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_unsafe else value


def _flag(asked: Mapping[str, str], name: str) -> bool:
    value = asked.get(name, "0") or "0"
    if value not in ("0", "1"):
        raise Refused(f"{name}: expected 0 or 1, found {value[:100]!r}")
    return value == "1"
