"""One GUI action as text: a JSON object, or a call with named arguments. Both become names and values; nothing is evaluated."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

MOST_CHARACTERS = 4096
"""Characters of an action at most (ours: a typed text and a few arguments)."""
MOST_DEPTH = 3
"""Nesting of a JSON action at most: the object, a list of boxes, a box (repository)."""
NAME = "action"
"""Under which a call keeps the name of what it calls; no argument is called so."""

_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*(\()?")
_ARGUMENT = re.compile(
    r"""\s*([A-Za-z_][A-Za-z0-9_]{0,63})\s*=\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|(-?[0-9]{1,9}(?:\.[0-9]{1,9})?|true|false))\s*"""
)
_ESCAPED = re.compile(r"\\(.)")


class Malformed(ValueError):
    """A text that is no action; the message is the reason, as a name for the ledger."""


def parse_json(text: str) -> Mapping[str, Any]:
    """Return the members of the one JSON object that ``text`` is.

    Raises ``Malformed`` with ``empty``, ``too_long``, ``duplicate_keys``, ``too_deep`` or ``format``: also for NaN, infinity,
    a fence around the object, two objects, and a list.
    """
    _measure(text)
    try:
        found = json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except RecursionError:
        raise Malformed("too_deep") from None
    except Malformed:
        raise
    except ValueError:
        raise Malformed("format") from None
    if not isinstance(found, dict):
        raise Malformed("format")
    if not found:
        raise Malformed("empty")
    if _depth(found) > MOST_DEPTH:
        raise Malformed("too_deep")
    return {str(key): value for key, value in found.items()}


def parse_call(text: str) -> Mapping[str, str]:
    """Return name and arguments of ``name(key='value', key="value", key=3)``, or of a bare name such as ``DONE``.

    In quotes a backslash stands before a character that is meant as it is, ``n`` and ``t`` apart. Raises ``Malformed`` with
    ``empty``, ``too_long``, ``duplicate_keys`` or ``format``: also for a second call.
    """
    _measure(text)
    call = _CALL.match(text)
    if not call:
        raise Malformed("format")
    arguments, end = _arguments(text, call.end()) if call[2] else ({}, call.end())
    if text[end:].strip():
        raise Malformed("format")
    return {NAME: call[1], **arguments}


def _arguments(text: str, at: int) -> tuple[dict[str, str], int]:
    """Return the arguments from ``at``, which is behind the opening bracket, and the place behind the closing one."""
    found: dict[str, str] = {}
    if text[at:].lstrip().startswith(")"):
        return found, text.index(")", at) + 1
    while argument := _ARGUMENT.match(text, at):
        key, single, double, bare = argument.groups()
        if key in found or key == NAME:
            raise Malformed("duplicate_keys")
        quoted = single if single is not None else double
        found[key] = bare if quoted is None else _ESCAPED.sub(lambda one: {"n": "\n", "t": "\t"}.get(one[1], one[1]), quoted)
        at = argument.end()
        if text[at : at + 1] == ")":
            return found, at + 1
        if text[at : at + 1] != ",":
            break
        at += 1
    raise Malformed("format")


def _measure(text: str) -> None:
    if not text.strip():
        raise Malformed("empty")
    if len(text) > MOST_CHARACTERS:
        raise Malformed("too_long")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of two members with one name a reader would see the last and a person the first."""
    if len({key for key, _ in pairs}) < len(pairs):
        raise Malformed("duplicate_keys")
    return dict(pairs)


def _no_constant(_: str) -> NoReturn:
    raise Malformed("format")


def _depth(value: Any) -> int:
    """Return how deep values stand in lists and objects."""
    deep, level = 0, [value]
    while level := [inner for outer in level for inner in _inside(outer)]:
        deep += 1
    return deep


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
