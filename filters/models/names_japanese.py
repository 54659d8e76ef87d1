"""Names in Japanese: the proper nouns of Janome's IPADIC."""

from itertools import groupby
from types import MappingProxyType
from typing import Any

from schemas.protocols import Name

KIND_OF_TAG = MappingProxyType({"人名": "person", "地域": "place", "組織": "organisation", "一般": "name"})
"""Third part of IPADIC's part of speech for proper nouns."""


class JapaneseNames:
    """A loaded finder for texts in Japanese."""

    def __init__(self) -> None:
        """Find with Janome's dictionary."""
        from janome.tokenizer import Tokenizer

        self._tokenizer: Any = Tokenizer()

    def find(self, text: str) -> list[Name]:
        """Return the names of one text in reading order; family and given name are one."""
        tags = [(token.surface, _kind(token.part_of_speech)) for token in self._tokenizer.tokenize(text)]
        groups = [(kind, [word for word, _ in group]) for kind, group in groupby(tags, key=lambda tag: tag[1])]
        return [
            Name(word, kind)
            for kind, words in groups
            if kind
            for word in (["".join(words)] if kind == "person" else words)
            if len(word) > 1
        ]


def _kind(part_of_speech: str) -> str:
    parts = part_of_speech.split(",")
    return KIND_OF_TAG.get(parts[2], "name") if parts[1] == "固有名詞" else ""
