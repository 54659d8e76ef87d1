"""Labelled texts that were written before the code that is held against them."""

from pathlib import Path


def rows(name: str, split: str) -> list[tuple[str, str]]:
    """Return (label, text) of each line of ``split`` in the table ``name``; lines with ``#`` are comments."""
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    parts = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(label, text) for of, label, text in parts if of == split]
