"""Who was merged into whom in a finished run, and what a representative stands for once some of those are gone."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipelines.spine.erase import Twins, lessened, twins_of
from pipelines.spine.tables import INTO, Run, place_of
from schemas import columns as c

Row = dict[str, Any]


def without(run: Run, going: Collection[Row], places: Collection[str], begun: Mapping[str, Any]) -> Iterator[tuple[str, Twins]]:
    """Yield the representatives that stay of the rows ``going``, with what each stands for then.

    What a take-down has ``begun`` to make of one is where it starts from: its ledger may tell of it, and may not yet.
    """
    leaving = {place_of(row): row for row in going}
    for _, row in run.rows(run.by_place("ledger", set(above(run, going)) - set(places))):
        place = place_of(row)
        merged = below(run, place)
        texts = [_alt_text(other) for other in (row, *(merged[p] for p in merged.keys() - set(places)))]
        gone = [leaving[p] for p in merged.keys() & leaving.keys()]
        if row.get(c.ALT_TEXTS.name) or row.get(c.DUPLICATE_COUNT.name):
            yield place, lessened(twins_of(begun.get(place, row)), list(map(_alt_text, _counted(row, gone))), texts)


def _counted(row: Row, gone: Collection[Row]) -> Collection[Row]:
    """Return those of ``gone`` that ``row`` counts among its duplicates: of equal questions it counts one."""
    return gone if c.ALT_TEXTS.name in row else {other[c.SAMPLE_ID.name]: other for other in gone}.values()


def _alt_text(row: Row) -> str:
    return row.get(c.ALT_TEXT.name) or ""


def above(run: Run, rows: Collection[Row]) -> list[str]:
    """Return what ``rows`` were merged into, and what that was merged into, to the last."""
    found: dict[str, None] = {}
    front = list(rows)
    while into := {place_of(row[INTO]) for row in front if row.get(INTO)} - found.keys():
        found |= dict.fromkeys(sorted(into))
        front = [row for _, row in run.rows(run.by_place("ledger", into))]
    return list(found)


def below(run: Run, place: str) -> dict[str, Row]:
    """Return what was merged into the row at ``place``, and what had been merged into that, by their places."""
    found: dict[str, Row] = {}
    front = {place}
    while front:
        rows = {place_of(row): row for _, row in run.rows(run.merged_into(front))}
        front = rows.keys() - found.keys()
        found |= rows
    return found
