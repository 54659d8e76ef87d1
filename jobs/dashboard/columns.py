"""The columns of a ledger that a request may name: the allow-list, by which names become SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from jobs.dashboard.refusals import Refused

NUMBER, TEXT, BOOL = "number", "text", "bool"


@dataclass(frozen=True)
class Column:
    """A scalar column of a ledger."""

    name: str
    kind: str
    """``number``, ``text`` or ``bool``."""
    sql_type: str
    """What DuckDB holds it as, ``FLOAT`` for instance."""
    doc: str
    unit: str

    @property
    def sql(self) -> str:
        """The quoted name."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def is_float(self) -> bool:
        """Whether it may hold what is no number."""
        return self.sql_type in ("FLOAT", "DOUBLE")

    @property
    def measured(self) -> str:
        """SQL for the value, null where it is NaN."""
        return f"case when isnan({self.sql}) then null else {self.sql} end" if self.is_float else self.sql


def allowed(schema: pa.Schema) -> list[Column]:
    """Return the scalar columns of ``schema`` in its order; lists, structs and bytes are none."""
    return [column for field in schema if (column := _column(field)) is not None]


def named(columns: Sequence[Column], name: str) -> Column:
    """Return the column ``name``; raises ``Refused`` where the allow-list has none of it."""
    for column in columns:
        if column.name == name:
            return column
    raise Refused(
        f"column {name[:100]!r}: expected one of {', '.join(column.name for column in columns) or 'none, for there is no row yet'}"
    )


def told(columns: Sequence[Column]) -> list[dict[str, str]]:
    """Return the allow-list as the page reads it."""
    return [{"name": column.name, "type": column.kind, "doc": column.doc, "unit": column.unit} for column in columns]


def _column(field: pa.Field) -> Column | None:
    kinds = {"float": (NUMBER, "FLOAT"), "double": (NUMBER, "DOUBLE"), "string": (TEXT, "VARCHAR"), "bool": (BOOL, "BOOLEAN")}
    found = (NUMBER, "BIGINT") if pa.types.is_integer(field.type) else kinds.get(str(field.type))
    about: Mapping[bytes, Any] = field.metadata or {}
    return found and Column(field.name, *found, about.get(b"doc", b"").decode(), about.get(b"unit", b"").decode())
