"""What a request asks of the rows, as SQL: names from the allow-list, operators from a fixed map, values as parameters."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jobs.dashboard.columns import BOOL, NUMBER, TEXT, Column, named
from jobs.dashboard.refusals import Refused
from schemas import columns as c
from schemas.exits import DEAD, DROPPED, KEPT, MERGED

HAS, ANY = "has", "true"
COMPARED: Mapping[str, str] = MappingProxyType({"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=", "ne": "<>"})
ABOVE_NAN = frozenset({"gt", "ge", "ne"})
"""Operators that DuckDB, to which NaN is the greatest number, holds true of NaN."""
DOORS = (KEPT, DROPPED, MERGED, DEAD)
MOST = 20
"""Conditions in one request (ours)."""


@dataclass(frozen=True)
class Where:
    """A condition on rows, ``ANY`` where there is none, and the values that it names."""

    sql: str
    values: Mapping[str, Any]


def where(columns: Sequence[Column], asked: Mapping[str, str], conditions: Sequence[str]) -> Where:
    """Return what rows have to meet: ``exit``, ``step`` and ``reason`` as ``asked``, and each COLUMN:OP:VALUE of ``conditions``.

    Null and NaN meet no operator, ``ne`` among them. A number is compared as the column holds it: 0.28 finds the float32 next to 0.28.
    Raises ``Refused`` for an unknown column, operator or door, and for a value that is none of the column's type.
    """
    if len(conditions) > MOST:
        raise Refused(f"where: expected at most {MOST} conditions, found {len(conditions)}")
    parts = [*_exits(columns, asked), *(_condition(columns, text, f"where_{n}") for n, text in enumerate(conditions))]
    values = {name: value for part in parts for name, value in part.values.items()}
    return Where(" and ".join(part.sql for part in parts) or ANY, values)


def order(columns: Sequence[Column], sort: str, descending: bool) -> str:
    """Return what rows are ordered by: the column ``sort``, if any, without a value last, and then their place."""
    place = f'"{c.SPLIT_ID.name}", "{c.ROW.name}"'
    if not sort:
        return place
    return f"{named(columns, sort).measured} {'desc' if descending else 'asc'} nulls last, {place}"


def _exits(columns: Sequence[Column], asked: Mapping[str, str]) -> list[Where]:
    if (door := asked.get(c.EXIT.name, "")) and door not in DOORS:
        raise Refused(f"exit: expected one of {', '.join(DOORS)}, found {door[:100]!r}")
    given = {name: asked[name] for name in (c.EXIT.name, c.STEP.name, c.REASON.name) if asked.get(name)}
    return [Where(f"{named(columns, name).sql} = ${name}", {name: value}) for name, value in given.items()]


def _condition(columns: Sequence[Column], text: str, name: str) -> Where:
    column_name, _, rest = text.partition(":")
    operator, colon, value = rest.partition(":")
    if not colon or operator not in (*COMPARED, HAS):
        raise Refused(f"where: expected COLUMN:OP:VALUE with OP of {', '.join(COMPARED)}, {HAS}, found {text[:100]!r}")
    column = named(columns, column_name)
    if operator == HAS:
        return _has(column, value, name)
    if column.kind == BOOL and operator not in ("eq", "ne"):
        raise Refused(f"where: {column.name} is true or false, expected the operator eq or ne, found {operator}")
    number = f" and not isnan({column.sql})" if column.is_float and operator in ABOVE_NAN else ""
    return Where(f"({column.sql} {COMPARED[operator]} {_parameter(column, name)}{number})", {name: _value(column, value)})


def _has(column: Column, value: str, name: str) -> Where:
    if column.kind != TEXT:
        raise Refused(f"where: {HAS} looks for words in a text, {column.name} is a {column.kind}")
    return Where(f"contains(lower({column.sql}), lower(${name}))", {name: value})


def _parameter(column: Column, name: str) -> str:
    """Return the parameter ``name``, rounded as the column is; a whole number stays whole, as a large one would not as a float."""
    return f"${name}::{column.sql_type}" if column.is_float else f"${name}"


def _value(column: Column, text: str) -> Any:
    if column.kind == TEXT:
        return text
    if column.kind == BOOL:
        return _bool(column, text)
    try:
        number = int(text) if not column.is_float and text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        number = math.nan
    if not -(2.0**63) < number < 2.0**63:
        raise Refused(f"where: {column.name} is a {NUMBER}, expected one between -2**63 and 2**63, found {text[:100]!r}")
    return number


def _bool(column: Column, text: str) -> bool:
    if text not in ("true", "false"):
        raise Refused(f"where: {column.name} is a {BOOL}, expected true or false, found {text[:100]!r}")
    return text == "true"
