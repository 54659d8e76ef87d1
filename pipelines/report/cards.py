"""From a row to the card that the page shows: its texts with marks, its verdict, its boxes, its small print."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.report.assemble import source
from pipelines.spine.tables import place_of
from synth.verifiers.boxes import NotBoxes, parse_boxes

LONG = 600
"""Characters from which on a text is folded (ours)."""
AT_MOST = 20_000
"""Characters of a text that a card holds: the rest stands in the ledger (ours)."""
FULL = 1000
"""What coordinates of a box are thousandths of (paper 2: 0 to 999)."""
NOTES_LISTED = 20
"""Entries of a list in a note, at most (ours)."""
NOTED = (
    *("clip_score", "caption_clip_score", "clip_model", "names_kept", "names_lost", "names_added", "words_added", "words_seen"),
    *("words_unsupported", "concepts", "echo", "language", "caption_source", "caption_fault"),
    *("nsfw_score", "faces", "ocr_text", "duplicate_count", "url", "http_status", "domain", "model", "reward"),
    *("reward_reason", "rewarded_by", "forced", "human_tier", "tier", "pass_rate", "n_correct", "n_samples", "hopeless", "seen"),
    *("label_fault", "benchmark"),
)
"""Columns that stand in the small print, as far as a row has them."""
COUNTED = frozenset({"duplicate_count", "faces"})
"""Columns of which zero is nothing to say."""
LABELLED = {"clip_score": "alt text fits", "caption_clip_score": "caption fits", "clip_model": "scored by", "echo": "adds no word"}
"""What they are called there, where not by their name."""
COLUMNS = (
    *("split_id", "row", "sample_id", "exit", "step", "reason", "value", "threshold", "error", "merged_into", "source_path"),
    *("source_member", "width", "height", "alt_text", "alt_texts", "caption", "question", "rewritten_from", "choices", "truth", "answer"),
    *("response", "other_answer", "second_opinions", *NOTED),
)
"""Columns that a card is made of, as far as a table has them."""

Json = dict[str, Any]
Row = Mapping[str, Any]
Texts = Callable[[Row], Iterator[Json]]


def card(row: Row, texts: Texts, thumbnail: str | None = None, size: tuple[int, int] | None = None) -> Json:
    """Return the card of ``row``; ``size`` are width and height of its image where the row does not know them."""
    width, height = size or (row.get("width"), row.get("height"))
    into = row.get("merged_into")
    return {
        "place": place_of(row),
        "sample_id": row.get("sample_id") or "",
        "exit": row["exit"],
        **{name: row.get(name) for name in ("step", "reason", "value", "threshold", "error")},
        "into": place_of(into) if into else None,
        "source": source(row),
        "thumbnail": thumbnail,
        "width": width,
        "height": height,
        "boxes": [*_boxes(row, "truth", size), *_boxes(row, "answer", size)],
        "texts": list(texts(row)),
        "notes": [[name, said] for name, said in _notes(row)],
    }


def pair(row: Row) -> Iterator[Json]:
    """Yield alt text and caption, with the names that were kept, lost and added."""
    kept = row.get("names_kept") or ()
    added = [*(row.get("names_added") or ()), *(row.get("words_added") or ()), *(row.get("words_seen") or ())]
    yield text("alt text", row.get("alt_text") or "(none)", kept=kept, lost=row.get("names_lost") or ())
    if row.get("caption") is not None:
        yield text("caption", row["caption"] or "(empty)", kept=kept, added=added)
    others = [other for other in row.get("alt_texts") or () if other != row.get("alt_text")]
    if others:
        yield text("alt texts of its twins", "\n".join(others))


def question(row: Row) -> Iterator[Json]:
    """Yield question, choices and truth; of a rollout, its thoughts and its answer."""
    for name, label in (("question", "question"), ("rewritten_from", "before it was rewritten")):
        if row.get(name):
            yield text(label, row[name])
    if row.get("choices"):
        yield text("choices", "\n".join(f"{chr(65 + at)}. {choice}" for at, choice in enumerate(row["choices"][:26])))
    for name, label in (("truth", "truth"), ("answer", "answer"), ("response", "response"), ("other_answer", "what rollouts agree on")):
        if row.get(name) is not None:
            yield text(label, row[name])


TEXTS: Mapping[str, Texts] = {"pair": pair, "question": question}
"""What a card says, by what it is of."""


def text(name: str, said: str, **marked: Sequence[str]) -> Json:
    """Return a text of a card with every place where one of the words of ``marked`` stands, in order and none inside another."""
    said = said[:AT_MOST]
    return {"name": name, "text": said, "marks": list(_marks(said, marked)), "is_long": len(said) > LONG}


def _marks(said: str, marked: Mapping[str, Sequence[str]]) -> Iterator[Json]:
    kinds = {word.casefold(): kind for kind, words in marked.items() for word in words if word}
    if not kinds:
        return
    longest_first = sorted(kinds, key=len, reverse=True)
    for found in re.finditer("|".join(map(re.escape, longest_first)), said, re.IGNORECASE):
        kind = kinds.get(found.group().casefold())
        if kind:
            yield {"start": found.start(), "end": found.end(), "kind": kind}


def _boxes(row: Row, name: str, size: tuple[int, int] | None) -> list[Json]:
    """Return the boxes that the text of the column ``name`` holds, in pixels of the image; a text without any has none."""
    if row.get("domain") != "grounding" or size is None or not row.get(name):
        return []
    try:
        found = parse_boxes(row[name])
    except NotBoxes:
        return []
    (width, height), corners = size, ("x1", "y1", "x2", "y2")
    scale = (width / FULL, height / FULL, width / FULL, height / FULL)
    boxed = [{corner: round(getattr(box, corner) * by, 1) for corner, by in zip(corners, scale, strict=True)} for box in found]
    return [{**box, "label": name, "kind": name} for box in boxed]


def _notes(row: Row) -> Iterator[tuple[str, str]]:
    for name in NOTED:
        value = row.get(name)
        if not (value is None or value is False or value in ("", []) or (value == 0 and name in COUNTED)):
            yield LABELLED.get(name, name.replace("_", " ")), _said(value)
    for also in row.get("second_opinions") or ():
        yield f"{also['by'].replace('_', ' ')} says too", also["reason"]


def _said(value: Any) -> str:
    if isinstance(value, list):
        more = f", and {len(value) - NOTES_LISTED:,} more" if len(value) > NOTES_LISTED else ""
        return ", ".join(map(str, value[:NOTES_LISTED])) + more
    return f"{value:.4g}" if isinstance(value, float) else str(value)
