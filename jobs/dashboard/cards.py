"""One row of a ledger as the page shows it: a ``Card`` of the report without its thumbnail."""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pipelines.spine.tables import INTO, place_of
from schemas import columns as c
from schemas import questions as q

LONG = 600
"""Characters from which a text is shown folded (ours)."""
TEXTS = (c.ALT_TEXT, c.CAPTION, q.QUESTION_TEXT, q.REWRITTEN_FROM, q.TRUTH, q.OTHER_ANSWER)
MARKED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        c.ALT_TEXT.name: MappingProxyType({c.NAMES_KEPT.name: "kept", c.NAMES_LOST.name: "lost"}),
        c.CAPTION.name: MappingProxyType({c.NAMES_KEPT.name: "kept", c.NAMES_ADDED.name: "added", c.WORDS_ADDED.name: "added"}),
    }
)
"""For each text the columns whose names are marked in it, and how."""
NOTED = (
    *(c.LANGUAGE, c.IMAGE_FORMAT, c.CLIP_SCORE, c.CAPTION_CLIP_SCORE, c.CLIP_MODEL, c.COPY_SIMILARITY, c.CAPTION_MODEL, c.CAPTION_FAULT),
    *(c.NSFW_SCORE, c.FACES, c.DUPLICATE_COUNT, c.CONCEPTS, c.OCR_TEXT, c.WORDS_UNSUPPORTED, c.WORDS_SEEN, c.URL, c.HTTP_STATUS),
    *(q.DOMAIN, q.CHOICES, q.HUMAN_TIER, q.TIER, q.PASS_RATE, q.N_CORRECT, q.N_SAMPLES, q.LABEL_FAULT, q.HOPELESS, q.BENCHMARK),
)
NOTES_LISTED = 12
"""Entries of a list in a note, at most (ours)."""
EXITS = (c.EXIT, c.STEP, c.REASON, c.VALUE, c.THRESHOLD, c.ERROR, c.MERGED_INTO)
READ = (
    *(c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.SOURCE_PATH, c.SOURCE_MEMBER, c.SOURCE_BYTES, c.WIDTH, c.HEIGHT, q.IMAGE_COUNT),
    *(*EXITS, *TEXTS, c.NAMES_KEPT, c.NAMES_LOST, c.NAMES_ADDED, c.WORDS_ADDED, *NOTED),
)
NAMES = tuple(dict.fromkeys(field.name for field in READ))
"""Columns that a card is made of, as far as the ledger has them."""
Row = Mapping[str, Any]


def card(row: Row, image: str | None) -> dict[str, Any]:
    """Return the card of ``row``, whose picture is served at ``image``; None where there is none."""
    told = {name: row.get(name) for name in ("sample_id", "exit", "step", "reason", "value", "threshold", "error", "width", "height")}
    into = row.get(INTO)
    return {
        "place": place_of(row),
        **told,
        "into": place_of(into) if into else None,
        "source": "/".join(name for name in (str(row["source_path"]).rsplit("/", 1)[-1], row["source_member"]) if name),
        "thumbnail": None,
        "image": image,
        "boxes": [],
        "texts": [_text(row, field.name) for field in TEXTS if row.get(field.name) is not None],
        "notes": list(_notes(row)),
    }


def _text(row: Row, name: str) -> dict[str, Any]:
    text = str(row[name])
    marked = [mark for column, kind in MARKED.get(name, {}).items() for mark in marks(text, row.get(column) or (), kind)]
    return {"name": name.replace("_", " "), "text": text, "marks": _apart(marked), "is_long": len(text) > LONG}


def marks(text: str, names: Iterable[str], kind: str) -> Iterator[dict[str, Any]]:
    """Yield where each of ``names`` first stands in ``text``, whatever its case, in code points: names may be stored folded."""
    for name in names:
        if name and (found := re.search(re.escape(name), text, re.IGNORECASE)):
            yield {"start": found.start(), "end": found.end(), "kind": kind}


def _apart(marked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the marks in order, of those that overlap the longest of the first."""
    apart: list[dict[str, Any]] = []
    for mark in sorted(marked, key=lambda mark: (mark["start"], -mark["end"])):
        if not apart or mark["start"] >= apart[-1]["end"]:
            apart.append(mark)
    return apart


def _notes(row: Row) -> Iterator[list[str]]:
    for field in NOTED:
        value = row.get(field.name)
        if value is not None and value != []:
            yield [field.name.replace("_", " "), _said(value)]


def _said(value: Any) -> str:
    if isinstance(value, list):
        more = f", and {len(value) - NOTES_LISTED:,} more" if len(value) > NOTES_LISTED else ""
        return ", ".join(map(str, value[:NOTES_LISTED])) + more
    return f"{value:.4g}" if isinstance(value, float) else str(value)
