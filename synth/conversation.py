"""A conversation before its answer, as it goes to a served model: turns, and encoded images where their markers stand."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.questions import MARKER


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns as (role, text), and the images of all of them, each after its MIME type.

    Raises ``ValueError`` where there is not a marker for each image.
    """

    turns: tuple[tuple[str, str], ...]
    images: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        markers = sum(text.count(MARKER) for _, text in self.turns)
        if markers != len(self.images):
            raise ValueError(f"expected an {MARKER} for each image, found {markers} markers and {len(self.images)} images")

    @property
    def question(self) -> str:
        """Return the last turn's text, without markers."""
        return self.turns[-1][1].replace(MARKER, "").strip() if self.turns else ""

    def after(self, instructions: str) -> "Conversation":
        """Return the conversation behind a system turn; itself where there are no instructions."""
        return replace(self, turns=(("system", instructions), *self.turns)) if instructions else self

    def then(self, answer: str) -> "Conversation":
        """Return the conversation with the beginning of an answer, which the model is to continue."""
        return replace(self, turns=(*self.turns, ("assistant", answer.replace(MARKER, ""))))

    def key(self, identity: Mapping[str, Any]) -> str:
        """Return 32 hex digits over the whole request, each image by its own hash; ``identity`` is all that is not in the turns."""
        images = [(mime, hashlib.blake2b(data, digest_size=16).hexdigest()) for mime, data in self.images]
        request = json.dumps([identity, images, self.turns], sort_keys=True)
        return hashlib.blake2b(request.encode(), digest_size=16).hexdigest()

    def messages(self) -> list[dict[str, Any]]:
        """Return the turns as OpenAI messages, images as data URLs where their markers stood."""
        urls = iter([f"data:{mime};base64,{b64encode(data).decode()}" for mime, data in self.images])
        return [{"role": role, "content": _content(text, urls)} for role, text in self.turns]


def _content(text: str, urls: Iterator[str]) -> str | list[dict[str, Any]]:
    pieces = text.split(MARKER)
    if len(pieces) == 1:
        return text
    parts: list[dict[str, Any]] = []
    for number, piece in enumerate(pieces):
        if number:
            parts.append({"type": "image_url", "image_url": {"url": next(urls)}})
        if piece.strip():
            parts.append({"type": "text", "text": piece.strip()})
    return parts


def turns_of(prompt: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the column ``prompt`` of one row as turns."""
    return tuple((turn["role"], turn["content"]) for turn in prompt)
