"""What the job promises of languages, personal data, added words and the mix, for texts that keep to a small grammar.

It has no embedder, so that no image is asked: what evidence alone does not support is counted, and stays.
An alt text in Latin letters is English. Evidence is what the run says that it found: which labels an image has is not judged here.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LANGUAGE = "Drop alt texts in other languages"
ALT_TEXT_DATA = "Drop alt texts with personal data"
NO_CAPTION = "Drop captions that are no captions"
CAPTION_DATA = "Drop captions with personal data"

GLUE = {"a", "an", "the", "with", "and", "of", "in", "on", "by", "beside", "near", "under", "above", "behind", "to", "at", "is"}
"""All words of the grammar that carry no content."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of one sample; None where the run has no value."""

    step: str | None
    reason: str | None
    text: str | None
    source: str | None
    words_added: frozenset[str] | None
    words_unsupported: frozenset[str] | None
    enriched: bool | None
    echo: bool | None


def outcome(alt: str, caption: str, finish: str | None, evidence: Sequence[str], sample_id: str, share: float) -> Outcome:
    """Return what becomes of a sample whose image shows ``evidence``; ``share`` is that of the recaptions in the mix."""
    if any(ord(character) > 0x250 and character.isalpha() for character in alt):
        return left(LANGUAGE, "language")
    if kinds := personal_data(alt):
        return left(ALT_TEXT_DATA, kinds[0])
    if finish == "content_filter":
        return left(NO_CAPTION, "content_filter")
    if finish in ("length", "max_tokens"):
        return left(NO_CAPTION, "truncated")
    if finish not in (None, "stop", "eos_token", "end_turn"):
        return left(NO_CAPTION, "unknown_finish")
    if kinds := personal_data(caption):
        return left(CAPTION_DATA, kinds[0])
    shown = content(" ".join(evidence))
    added = content(caption) - content(alt)
    known, unknown = frozenset(added & shown), frozenset(added - shown)
    told = {"words_added": known, "words_unsupported": unknown, "enriched": bool(known), "echo": not added}
    drawn = fraction(f"0:mix:{sample_id}") < share
    return Outcome(None, None, caption if drawn else alt, "recaption" if drawn else "original", **told)


def left(step: str, reason: str) -> Outcome:
    """Return the outcome of a sample that leaves before its words are looked at."""
    return Outcome(step, reason, None, None, None, None, None, None)


def personal_data(text: str) -> list[str]:
    """Return the kinds of personal data, cards first: numbers of cards stand in groups of four, phones begin with +1."""
    found: list[str] = []
    if any(luhn(match.replace(" ", "")) for match in re.findall(r"\d{4} \d{4} \d{4} \d{4}", text)):
        found.append("card_number")
    if re.search(r"\w@\w+\.\w", text):
        found.append("email")
    if re.search(r"\+1 \d{3} \d{3} \d{4}", text):
        found.append("phone")
    return found


def luhn(digits: str) -> bool:
    """Say whether the check digit is right: every second digit from the right counts double, its digits summed."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


def content(text: str) -> set[str]:
    """Return the words of three letters and more that carry content, without a plural s."""
    words = {word for word in re.findall("[a-z]+", text.lower()) if len(word) >= 3 and word not in GLUE}
    return {word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word for word in words}


def fraction(text: str) -> float:
    """Return a number in [0, 1) for ``text``: the first 53 bits of its BLAKE2b of 8 bytes."""
    bits = "".join(f"{byte:08b}" for byte in hashlib.blake2b(text.encode(), digest_size=8).digest())
    return sum(2.0 ** -(place + 1) for place, bit in enumerate(bits[:53]) if bit == "1")


def evidence_of(row: Mapping[str, Any]) -> list[str]:
    """Return labels and lines of text of a row of the ledger."""
    return [label["label"] for label in row["labels"] or ()] + list(row["ocr_text"] or ())
