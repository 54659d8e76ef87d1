"""The histogram of a column, kept rows apart from those that left."""

from typing import Any

from jobs.dashboard import columns, conditions
from jobs.dashboard.columns import NUMBER
from jobs.dashboard.refusals import Refused
from jobs.dashboard.runs import Opened
from jobs.dashboard.store import Store
from schemas.exits import KEPT

Counts = dict[str, Any]


def histogram(store: Store, index: int, run: Opened, name: str, bins: int, exit_: str) -> Counts:
    """Return ``bins`` equal bins of the column ``name`` over the rows whose exit is ``exit_``, or all.

    ``edges`` has bins + 1 numbers; ``kept`` and ``left`` have bins + 2 counts as in a report: bin i holds edges[i-1] <= v < edges[i],
    but for the greatest value, which the last of the bins holds too, so the first and the last count are 0. ``missing`` counts rows
    whose value is null, NaN or infinite. Without a value there are no edges.
    """
    column = columns.named(known := columns.allowed(run.schema), name)
    if column.kind != NUMBER:
        raise Refused(f"column: a histogram is of numbers, {name} is a {column.kind}")
    rows, met = store.ledger(index, run), conditions.where(known, {"exit": exit_}, ())
    value = f"case when isfinite({column.sql}) then {column.sql}::double end" if column.is_float else f"{column.sql}::double"
    source = f"(select {value} as v, \"exit\" = '{KEPT}' as is_kept from {rows.sql} where {met.sql})"  # noqa: S608  names of the allow-list
    values = {**rows.values, **met.values}
    (about,) = store.query(f"select min(v) as low, max(v) as high, {_missing()} from {source}", values)  # noqa: S608
    missing = {"kept": about["missing_kept"], "left": about["missing_left"]}
    if about["low"] is None:
        return {"edges": [], "kept": [], "left": [], "missing": missing}
    low, width = about["low"], _width(about["low"], about["high"], bins)
    counted = store.query(_binned(source), {**values, "low": low, "width": width, "last": bins - 1})
    edges = [low + number * width for number in range(bins + 1)]
    return {"edges": edges, "kept": _filled(counted, bins, True), "left": _filled(counted, bins, False), "missing": missing}


def _missing() -> str:
    return (
        "count(*) filter (where v is null and is_kept) as missing_kept, "
        "count(*) filter (where v is null and is_kept is distinct from true) as missing_left"
    )


def _width(low: float, high: float, bins: int) -> float:
    """Return the width of a bin; where all values are one, that of ``bins`` to 1, or of a large number to what still tells them apart."""
    return (high - low) / bins or max(1.0, abs(low) * 2**-40) / bins


def _binned(source: str) -> str:
    """Return SQL that counts the values of each bin: a first guess by division, mended by the very edges that are returned."""
    guess = "least(greatest(floor((v - $low) / $width), 0), $last)::bigint"
    mended = "guess - (v < $low + guess * $width)::bigint + (v >= $low + (guess + 1) * $width)::bigint"
    placed = f"select v, is_kept is not distinct from true as is_kept, {guess} as guess from {source} where v is not null"  # noqa: S608
    return f"select least(greatest({mended}, 0), $last) as bin, is_kept, count(*) as n from ({placed}) group by bin, is_kept"  # noqa: S608


def _filled(counted: list[dict[str, Any]], bins: int, is_kept: bool) -> list[int]:
    found = {row["bin"]: row["n"] for row in counted if row["is_kept"] == is_kept}
    return [0, *(found.get(number, 0) for number in range(bins)), 0]
