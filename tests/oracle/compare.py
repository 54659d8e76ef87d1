"""Where two runs over the same corpus disagree: the oracle's rows, and rows made from the ledger and samples of a real run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.oracle.recaption import Place, Row

FACTS = (
    "place", "alt_text", "image_hash", "exit", "step", "reason", "value", "merged_into",
    "alt_texts", "alt_text_count", "duplicate_count", "caption", "copy_similarity",
)  # fmt: skip


def differences(expected: Sequence[Row], found: Sequence[Row], facts: Sequence[str] = FACTS) -> list[str]:
    """Say where two runs disagree on ``facts``, a line for each row; nothing to say is agreement.

    Which of several fully tied rows represents them depends on ``split_id``, which the oracle cannot know. Tied rows therefore
    go by one name, and runs are compared as multisets: the tied rows must leave by the same doors, in any order. (So compare
    ``place`` with ``source_offset`` in a call of its own.) Numbers are compared to 4 decimals.
    """
    names = {row.place: min(row.tied_with, key=str) for row in expected if row.tied_with}

    def told(row: Row) -> tuple[Any, ...]:
        return tuple(comparable(getattr(row, fact), names) for fact in facts)

    wanted, got = Counter(map(told, expected)), Counter(map(told, found))
    lines = [(line, "expected") for line in (wanted - got).elements()] + [(line, "found") for line in (got - wanted).elements()]
    return [f"{side} {dict(zip(facts, line, strict=True))}" for line, side in sorted(lines, key=str)]


def comparable(value: Any, names: Mapping[Place, Place]) -> Any:
    """Return a fact as it is compared: places by the name of their tie, numbers to 4 decimals, lists as tuples."""
    if isinstance(value, float):
        return round(value, 4)
    return tuple(value) if isinstance(value, list) else names.get(value, value)
