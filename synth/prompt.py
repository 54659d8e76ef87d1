"""Prompts are files: a header with ``version`` and ``seen``, a blank line, and a template with slots.

    version: recaption-1
    seen: image

    Rewrite the alt text ...
    Alt text: {alt_text}

A recaption prompt that works from the image has the slot ``{alt_text}``; one that works from a description has ``{evidence}``
too. A judge's prompt sees two answers to a question: ``{question}``, ``{first}`` and ``{second}``.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

SLOTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "image": frozenset({"alt_text"}),
        "description": frozenset({"alt_text", "evidence"}),
        "answers": frozenset({"question", "first", "second"}),
        "question": frozenset(),
        "choice": frozenset({"question", "options", "answer"}),
    }
)
"""The slots of a prompt, by what its model has seen."""
RECAPTION = frozenset({"image", "description"})
"""What a captioner may have seen."""
REASONER = frozenset({"question"})
"""What a reasoner may have seen: its prompt goes before the question and has no slots."""
REWRITER = frozenset({"choice"})
"""What a rewriter may have seen: a multiple choice with its answer."""
JUDGE = frozenset({"answers"})
"""What a judge may have seen: words alone."""

_SLOT = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt. Raises ``ValueError`` for an empty version, an unknown ``seen``, or slots other than those of ``SLOTS``."""

    version: str
    """Name and number of the wording; a column of whatever is written by it."""
    seen: str
    """One of ``SLOTS``."""
    text: str
    """The template."""

    def __post_init__(self) -> None:
        if not self.version:
            raise ValueError("a prompt needs a version")
        if self.seen not in SLOTS:
            raise ValueError(f"prompt {self.version}: expected seen to be one of {sorted(SLOTS)}, found {self.seen!r}")
        found = frozenset[str](_SLOT.findall(self.text))
        if found != SLOTS[self.seen]:
            raise ValueError(f"prompt {self.version}: expected the slots {sorted(SLOTS[self.seen])}, found {sorted(found)}")

    @property
    def digest(self) -> str:
        """Return 32 hex digits over everything that the prompt says."""
        return hashlib.blake2b(json.dumps([self.version, self.seen, self.text]).encode(), digest_size=16).hexdigest()

    @property
    def instructions(self) -> str:
        """Return the prompt's own words, without the slots: what a caption that echoes the prompt repeats."""
        return _SLOT.sub("", self.text)

    def fill(self, alt_text: str, evidence: str) -> str:
        """Return the text of one request for a caption."""
        return self.filled({"alt_text": alt_text, "evidence": evidence})

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the text with a value in each slot. Braces in the data stay as they are: the template is passed over once."""
        return _SLOT.sub(lambda slot: values[slot[1]], self.text)


def load_prompt(name_or_path: str, seen: Collection[str] = RECAPTION) -> Prompt:
    """Return the packaged prompt of that name, or the one in a file if it ends in ``.md``.

    Raises ``ValueError`` that names the file when there is none, when it is no prompt, and when it is for a model that has seen
    something else than ``seen`` allows.
    """
    packaged = Path(__file__).parent / "prompts"
    file = Path(name_or_path) if name_or_path.endswith(".md") else packaged / f"{name_or_path}.md"
    if not file.is_file():
        known = sorted(entry.stem for entry in packaged.glob("*.md"))
        raise ValueError(f"no prompt {name_or_path!r}; known are {', '.join(known)}, or give the path of a file that ends in .md")
    try:
        prompt = parse_prompt(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if prompt.seen not in seen:
        raise ValueError(f"{file}: expected seen to be one of {sorted(seen)} here, found {prompt.seen!r}")
    return prompt


def parse_prompt(text: str) -> Prompt:
    """Return the prompt that a file's ``text`` holds; raises ``ValueError`` unless its header has ``version`` and ``seen`` alone."""
    header, _, template = text.partition("\n\n")
    lines = [line.partition(":") for line in header.splitlines()]
    if sorted(key for key, _, _ in lines) != ["seen", "version"] or not template.strip():
        raise ValueError(f"expected a header of version and seen, a blank line and a template, found {header[:80]!r}")
    fields = {key: value.strip() for key, _, value in lines}
    return Prompt(fields["version"], fields["seen"], template.strip())
