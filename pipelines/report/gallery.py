"""The rows that a report shows, as cards with their pictures."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pipelines.report.assemble import of
from pipelines.report.cards import Row, Texts, card
from pipelines.report.pictures import Picture, Thumbnail, thumbnail
from pipelines.report.sketches import Name, Pick, Picks, Sketch
from pipelines.report.telling import Telling
from pipelines.spine.tables import place_of
from schemas import columns as c

THREADS = 8
"""Pictures that are read at once: most of the time is a store's (ours)."""
_ORDER = ("kept", "random", "near", "left")
_HIDDEN = ("largest", "leading", "members")

Json = dict[str, Any]


@dataclass(frozen=True)
class Gallery:
    """Makes cards of rows; each picture is read once, however many groups show it."""

    texts: Texts
    """What a card says."""
    pictures: Mapping[str, Thumbnail]
    """By the place of the row."""

    def card(self, row: Row) -> Json:
        """Return the card of a row."""
        found = self.pictures.get(place_of(row))
        return card(row, self.texts, found and found.url, found and (found.width, found.height))

    def cards(self, chosen: Sequence[Pick]) -> list[Json]:
        """Return a card for each of ``chosen``."""
        return [self.card(pick.row) for pick in chosen]


def pictures_of(sketch: Sketch, picture: Picture, max_pixels: int) -> dict[str, Thumbnail]:
    """Return the pictures of the rows of ``sketch`` by their places, read by ``picture``; one that cannot be shown is left out."""
    rows = {place_of(pick.row): pick.row for name, picks in sorted(sketch.picks.items()) for pick in picks.chosen if name[0] == "ledger"}
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda row: _small(picture(row), max_pixels), rows.values())
        return {place: small for place, small in zip(rows, found, strict=True) if small}


def groups(sketch: Sketch, telling: Telling, gallery: Gallery) -> list[Json]:
    """Return the groups of the gallery: kept, at random, near each threshold, left for each reason; of questions first."""
    found = [(name, picks) for name, picks in sketch.picks.items() if name[1] not in _HIDDEN and picks.chosen]
    tables = list(telling.tables)
    ordered = sorted(found, key=lambda item: (tables.index(item[0][0]), _ORDER.index(item[0][1]), -item[1].rows, item[0]))
    return [_group(name, picks, telling, gallery) for name, picks in ordered]


def _group(name: Name, picks: Picks, telling: Telling, gallery: Gallery) -> Json:
    table, kind, *about = name
    step, reason = about if kind == "left" else _of_bar(telling, table, about[0]) if kind == "near" else (None, None)
    titles = {"kept": "Kept", "random": "At random", "near": about[0] if about else "", "left": reason or ""}
    title = titles[kind] if table == "ledger" else f"{of(table)}: {titles[kind]}"
    about_it = {"name": json.dumps(name, ensure_ascii=False), "title": title, "kind": kind, "step": step, "reason": reason}
    return {**about_it, "rows": picks.rows, "cards": gallery.cards(picks.chosen)}


def _of_bar(telling: Telling, table: str, key: str) -> tuple[str, str]:
    return next((bar.step, bar.reason) for bar in telling.tables[table].bars if bar.key == key)


def clusters(sketch: Sketch, gallery: Gallery, sizes: Json | None) -> Json:
    """Return the clusters of near-duplicates: their sizes, the largest, and some drawn by a hash with members of each."""
    chosen = {kind: sketch.picks.get(("ledger", kind), Picks(0)).chosen for kind in _HIDDEN}
    largest = [{"rows": 1 + pick.row[c.DUPLICATE_COUNT.name], "card": gallery.card(pick.row)} for pick in chosen["largest"]]
    return {"sizes": sizes, "largest": largest, "sampled": list(_sampled(chosen["leading"], chosen["members"], gallery))}


def sizes(distributions: Sequence[Json]) -> Json | None:
    """Return the representatives by the size of their cluster, None where nothing was sought."""
    for found in distributions:
        if found["name"] == c.DUPLICATE_COUNT.name:
            edges = [edge + 1 for edge in found["edges"]]  # itself, and those that were merged into it
            return {"edges": edges, "rows": [kept + left for kept, left in zip(found["kept"], found["left"], strict=True)]}
    return None


def _sampled(leading: Sequence[Pick], members: Sequence[Pick], gallery: Gallery) -> Iterator[Json]:
    for pick in leading:
        place = place_of(pick.row)
        own = [member for member in members if place_of(member.row[c.MERGED_INTO.name]) == place]
        if own:
            yield {"card": gallery.card(pick.row), "members": gallery.cards(own)}


def _small(data: bytes | None, max_pixels: int) -> Thumbnail | None:
    return None if data is None else thumbnail(data, max_pixels)
