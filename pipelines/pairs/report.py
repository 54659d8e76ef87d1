"""The pages of a finished run: the resolved job, and ``look.html`` with samples that were kept and samples that left."""

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from filters.decode import decode
from pipelines.pairs.rules import PairJob
from pipelines.readers.fetch import fetch
from pipelines.spine import storage
from pipelines.spine.config import resolved
from schemas.batches import draw
from schemas.exits import DEAD, KEPT
from schemas.protocols import Failure

SHOWN = 24
"""Samples shown of those kept, and of those that left (issue)."""
LOOKED_AT = 20_000
"""Rows that samples are drawn from, at most (ours)."""
THUMBNAIL = 256
"""Longer side of a thumbnail in pixels (ours)."""


@dataclass(frozen=True)
class Card:
    """One sample on the page."""

    place: str
    """``split_id:row``, by which the card is found again where the sample is taken down."""
    alt_text: str
    caption: str | None
    exit: str
    reason: str
    source: str
    thumbnail: str | None
    """JPEG as base64, None where there is no image to show."""
    notes: tuple[tuple[str, str], ...]
    """What was measured, in small print: a name and what is said of it."""


@dataclass(frozen=True)
class Pages:
    """Renders the pages of a run of ``job``; picklable, so that the last step of the graph can call it in a worker."""

    job: PairJob
    card: str
    """The dataset card, but for what the run itself tells."""
    model: str = ""
    """What wrote the captions, empty where the run has none."""

    def __call__(self, run: str, captions: Mapping[str, int]) -> dict[str, bytes]:
        """Return ``job.yaml``, the dataset card and ``look.html`` for the shards below ``run``, whose kept captions are of those kinds."""
        added = f"\n## What the captions add\n\n{adds(captions)}\n" if captions else ""
        return {"job.yaml": resolved(self.job), "README.md": (self.card + added).encode(), "look.html": self.look(run).encode()}

    def look(self, run: str) -> str:
        """Return one self-contained page over the first shard, which is a random one: shards are ordered by a hash."""
        rows = _first_ledger(run)
        kept = self._smallest_draws([row for row in rows if row["exit"] == KEPT])[:SHOWN]
        left = self._by_turns([row for row in rows if row["exit"] != KEPT])[:SHOWN]
        page = Environment(loader=PackageLoader("pipelines.pairs", "."), autoescape=True, undefined=StrictUndefined).get_template(
            "look.html"
        )
        cards = {"kept": [self._card(row) for row in kept], "left": [self._card(row) for row in left]}
        return page.render(corpus=self.job.input.corpus, model=self.model, **cards)

    def _smallest_draws(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        order = draw(self.job.output.seed, [f"{row['split_id']}:{row['row']}" for row in rows])
        return [rows[i] for i in order.argsort(kind="stable")]

    def _by_turns(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Order ``rows`` so that each reason has its turn before any has its second, and a rare one is seen."""
        reasons = sorted({row["reason"] for row in rows})
        piles = [self._smallest_draws([row for row in rows if row["reason"] == reason]) for reason in reasons]
        return [row for turn in zip_longest(*piles) for row in turn if row is not None]

    def _card(self, row: dict[str, Any]) -> Card:
        place = f"{row['split_id']}:{row['row']}"
        said = row["alt_text"] or "", row.get("caption"), row["exit"], _why(row), _source(row)
        return Card(place, *said, self._thumbnail(_image(row)), tuple(_notes(row)))

    def _thumbnail(self, data: bytes | None) -> str | None:
        decoded = None if data is None else decode(data, max_pixels=self.job.decode.max_pixels, scale=THUMBNAIL)
        if decoded is None or isinstance(decoded, Failure):
            return None
        file = io.BytesIO()
        Image.fromarray(decoded.pixels).save(file, "JPEG", quality=80)
        return base64.b64encode(file.getvalue()).decode()


def adds(captions: Mapping[str, int]) -> str:
    """Return in a sentence what the kept ``captions``, counted by kind, add to their alt texts (``pipelines.spine.shards.CAPTIONS``)."""
    said = {
        "enriched": "add a word that the evidence or the image supports",
        "echo": "are echoes, which add none",
        "unsupported": "add only words that nothing supports",
        "unjudged": "could not be judged",
    }
    told = ", ".join(f"{captions.get(kind, 0):,} {what}" for kind, what in said.items())
    return f"Of {sum(captions.values()):,} kept captions: {told}."


def _first_ledger(run: str) -> list[dict[str, Any]]:
    """Return the first rows of the first ledger, few enough to hold."""
    for path in storage.list_files(storage.join(run, "ledger")):
        with storage.parquet(path) as file:
            return next((batch.to_pylist() for batch in file.iter_batches(LOOKED_AT)), [])
    return []


def _image(row: dict[str, Any]) -> bytes | None:
    """Return the image from its source; a page is not worth a run, so one that is gone by now is not shown."""
    try:
        place = ([row[name]] for name in ("source_path", "source_member", "source_offset", "source_bytes"))
        return None if row["exit"] == DEAD else next(fetch(*place))
    except OSError:
        return None


def _notes(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what scores, names and added words say of ``row``, where there is anything; a ledger may lack the columns."""
    for name, label in (("clip_score", "alt text fits"), ("caption_clip_score", "caption fits")):
        if (score := row.get(name)) is not None:
            yield label, f"{score:.4f}" + (f" by {row['clip_model']}" if row.get("clip_model") else "")
    for name in ("names_lost", "names_added", "words_added", "words_seen"):
        if found := row.get(name):
            yield name.replace("_", " "), ", ".join(found)
    if row.get("echo"):
        yield "echo", "adds no word"


def _source(row: dict[str, Any]) -> str:
    return "/".join(name for name in (row["source_path"].rsplit("/", 1)[-1], row["source_member"]) if name)


def _why(row: dict[str, Any]) -> str:
    number = "" if row["value"] is None or row["threshold"] is None else f" ({row['value']:.4g} against {row['threshold']:g})"
    return f"{row['reason'] or ''}{number}" + (f": {row['error']}" if row["error"] else "")
