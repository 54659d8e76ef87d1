"""Which columns of a Parquet file, or keys of a line of JSON, hold a question and what is known of it, and as what they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.types as is_

from pipelines.readers.parquet_columns import Column, image_type, is_list, text_column
from schemas.exits import EnvironmentFault

QUESTION, PROMPT, IMAGES, CHOICES, RESPONSES = "question", "prompt", "images", "choices", "responses"
LICENSE = "license"
USUAL: Mapping[str, tuple[str, ...]] = {
    QUESTION: ("question", "problem", "query"),
    PROMPT: ("prompt", "messages"),
    IMAGES: ("images", "image"),
    "truth": ("truth", "answer", "ground_truth"),
    "domain": ("domain", "ability"),
    CHOICES: ("choices", "options"),
    "language": ("language", "lang"),
    "human_tier": ("human_tier",),
    "seen": ("seen",),
    LICENSE: ("source_license", "license", "LICENSE"),
    RESPONSES: ("responses",),
    "responses_by": ("responses_by",),
}
"""The roles, and the names by which corpora call them (verl: prompt, images, ability; LLaMA-Factory: messages; MathVision: options)."""
NUMBERS = ("truth", CHOICES)
"""Roles in which a number stands for the text that it is written as."""
_BYTES, _TEXT = pa.large_binary(), pa.large_string()


@dataclass(frozen=True)
class QuestionColumns:
    """Which columns hold what. One that is named has to be there; another is the first of its usual names that fits, or is there."""

    version: ClassVar[int] = 1

    question: str | None = None
    """Text; else question, problem or query."""
    prompt: str | None = None
    """`list<struct<role, content>>`, or text; else prompt or messages. Where a row has a question as well, this counts."""
    images: str | None = None
    """`list<struct<bytes, path>>`, binary, or one image; in JSON a path or base64; else images or image."""
    truth: str | None = None
    """Text or a number, null where nothing can hold one; else truth, answer or ground_truth."""
    domain: str | None = None
    """Text; else domain or ability."""
    choices: str | None = None
    """List of texts or numbers; else choices or options."""
    language: str | None = None
    """Text; else language or lang."""
    human_tier: str | None = None
    """One of the five tiers; else human_tier."""
    seen: str | None = None
    """`image`, `text` or `description`; else seen. Where null, `image` with images and `text` without."""
    license: str | None = None
    """Text; else source_license, license or LICENSE."""
    responses: str | None = None
    """List of texts; else responses."""
    responses_by: str | None = None
    """Text; else responses_by."""

    def names(self, role: str) -> tuple[str, ...]:
        """Return the names that the column of ``role`` may have, the best first."""
        named: str | None = getattr(self, role)
        return (named,) if named else USUAL[role]


def choose(path: str, schema: pa.Schema, columns: QuestionColumns) -> dict[str, Column]:
    """Return the column of each role that has one in the file ``path``; one of a wrong type is read as it is, and fails row by row.

    Raises ``EnvironmentFault`` with the columns that are there where a named one is not, or none holds questions.
    """
    chosen: dict[str, Column] = {}
    for role in USUAL:
        there = [name for name in columns.names(role) if schema.get_field_index(name) >= 0]
        fitting = [found for name in there if (found := _fitting(schema, role, name))]
        if fitting or there:
            chosen[role] = fitting[0] if fitting else Column(there[0], schema.field(there[0]).type)
        elif getattr(columns, role):
            raise EnvironmentFault(_missing(path, schema, role, columns.names(role)))
    if QUESTION not in chosen and PROMPT not in chosen:
        raise EnvironmentFault(_missing(path, schema, QUESTION, columns.names(QUESTION) + columns.names(PROMPT)))
    return chosen


def cells_of(record: Mapping[str, Any], columns: QuestionColumns) -> dict[str, Any]:
    """Return the values of one line of JSON by role: of a role's names the first that is not null."""
    found = {role: next((value for name in columns.names(role) if (value := record.get(name)) is not None), None) for role in USUAL}
    return {role: value for role, value in found.items() if value is not None}


def _missing(path: str, schema: pa.Schema, role: str, names: tuple[str, ...]) -> str:
    there = ", ".join(f"{field.name} ({field.type})" for field in schema)
    return (
        f"{path}: expected a column {' or '.join(names)}, found {there or 'no columns'}; name the one that holds it: "
        f"--set input.columns.{role}=NAME"
    )


def _fitting(schema: pa.Schema, role: str, name: str) -> Column | None:
    kind = schema.field(name).type
    if role == IMAGES:
        read = image_type(kind)
    elif role == PROMPT:
        read = _turns(kind) or _text(kind, role)
    elif role in (CHOICES, RESPONSES):
        read = pa.large_list(one) if is_list(kind) and (one := _text(kind.value_type, role)) else None
    else:
        read = _text(kind, role)
    return None if read is None else Column(name, read)


def _text(kind: pa.DataType, role: str) -> pa.DataType | None:
    """Return the type that texts of type ``kind`` are read as: bytes, so that what is no UTF-8 is the fault of its row alone."""
    if text_column(pa.schema([("it", kind)]), "it"):
        return _BYTES
    number = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind)
    return _TEXT if number and role in NUMBERS else None


def _turns(kind: pa.DataType) -> pa.DataType | None:
    if not is_list(kind) or not is_.is_struct(kind.value_type):
        return None
    fields = {field.name: field.type for field in kind.value_type}
    texts = all(name in fields and _text(fields[name], PROMPT) for name in ("role", "content"))
    return pa.large_list(pa.struct([("role", _BYTES), ("content", _BYTES)])) if texts else None
