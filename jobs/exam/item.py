"""A question before it is a row, and how a generator draws at random."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EN, ZH = "en", "zh"
USER, ASSISTANT = "user", "assistant"


@dataclass(frozen=True, slots=True)
class Item:
    """One question as its generator made it."""

    domain: str
    """Names the verifier (paper 5.2, Table 1)."""
    question: str | Sequence[tuple[str, str]] | None
    """The user's turn, or all turns as (role, content); a marker stands where a picture comes, none at all means in front."""
    truth: str | None
    images: tuple[bytes, ...] = ()
    description: str = ""
    """The pictures in words, as complete as the question needs, from the numbers that they were drawn from."""
    choices: tuple[str, ...] = ()
    human_tier: str | None = None
    facts: Mapping[str, Any] | None = None
    """What the generator drew, for whoever checks the truth."""


Generator = Callable[[random.Random, str], Item]
"""Makes a question in a language; equal states of the generator of numbers give equal questions."""


def pick(language: str, en: str, zh: str) -> str:
    """Return the text in ``language``."""
    return zh if language == ZH else en
