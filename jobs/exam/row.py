"""A question as a row of the corpus, and what the labels say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from jobs.exam.item import USER, Item
from schemas.columns import IMAGE_TYPE, MESSAGES_TYPE
from schemas.questions import SEEN_DESCRIPTION, SEEN_IMAGE, SEEN_TEXT
from schemas.records import with_features

OWN_LICENSE = "CC0 (made for this demo)"
SCHEMA = with_features(
    pa.schema(
        [
            pa.field("question", pa.string()),
            pa.field("prompt", MESSAGES_TYPE),
            pa.field("images", pa.list_(IMAGE_TYPE)),
            pa.field("truth", pa.string()),
            pa.field("domain", pa.string()),
            pa.field("choices", pa.list_(pa.string())),
            pa.field("language", pa.string()),
            pa.field("human_tier", pa.string()),
            pa.field("seen", pa.string()),
            pa.field("source_license", pa.string()),
        ]
    )
)
"""The columns of a shard; a question of one turn is in ``question``, one of several in ``prompt``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row and its label."""

    item: Item
    language: str
    kind: str
    """Name of the generator."""
    twin: str
    """Equal for the two forms of one question: with its picture, and with the picture in words."""
    planted: str | None = None
    reason: str | None = None
    """Why the reader, or the decoder, is to refuse it."""
    right: str | None = None
    """The right truth where the row has another."""
    cluster: str | None = None
    """Equal for rows that say the same, or almost."""
    benchmark: str | None = None
    """Question of the benchmark that the row leaks."""
    license: str = OWN_LICENSE

    def columns(self) -> dict[str, Any]:
        """Return the values of ``SCHEMA``."""
        item = self.item
        single = item.question is None or isinstance(item.question, str)
        return {
            "question": item.question if single else None,
            "prompt": None if single else [{"role": role, "content": content} for role, content in item.question or ()],
            "images": [{"bytes": image, "path": f"{self.twin}-{place}.png"} for place, image in enumerate(item.images)],
            "truth": item.truth,
            "domain": item.domain,
            "choices": list(item.choices) or None,
            "language": self.language,
            "human_tier": item.human_tier,
            "seen": SEEN_IMAGE if item.images else SEEN_DESCRIPTION if item.description else SEEN_TEXT,
            "source_license": self.license,
        }

    def label(self) -> dict[str, Any]:
        """Return what is known of the row, but for its place."""
        names = ("kind", "twin", "language", "planted", "reason", "cluster", "benchmark")
        found: Mapping[str, Any] = {name: getattr(self, name) for name in names}
        truth = self.item.truth if self.right is None else self.right
        return {**found, "domain": self.item.domain, "seen": self.columns()["seen"], "truth": truth, "facts": self.item.facts}


def described(item: Item, marker: str) -> Item:
    """Return ``item`` with its pictures in words in front of the question and none attached."""
    question = item.question if isinstance(item.question, str) else ""
    bare = "\n".join(line for line in question.split("\n") if marker not in line)
    return replace(item, question=f"{item.description}\n\n{bare}", images=())


def turns_of(item: Item) -> list[tuple[str, str]]:
    """Return the turns of a question that has one."""
    return [(USER, item.question)] if isinstance(item.question, str) else list(item.question or ())
