"""DuckDB over the tables of the runs: it reads their folders and nothing else, and no request can change that."""

import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from jobs.dashboard.runs import LEDGER, Opened, open_run

COPIED = 5_000_000
"""Rows of a ledger at most that are copied into DuckDB's own format, in which a page of scattered rows costs a tenth (ours).

A million rows take about 6 seconds and 60 MB on disk (``benchmarks.dashboard``). A larger ledger is read from its Parquet.
"""
MEMORY = "2GB"
"""What DuckDB may hold in memory; past that it spills into the folder of the store (ours)."""
NO_ROWS = (
    '(select null::varchar as sample_id, null::varchar as split_id, 0 as "row", null::varchar as corpus, null::varchar as "exit", '
    "null::varchar as step, null::varchar as reason where false)"
)
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rows:
    """What stands behind ``from``: SQL that the server wrote, and the values that it names."""

    sql: str
    values: Values = field(default_factory=dict[str, Any])
    key: str | None = None
    """Column by which a row is found again at once, where there is one."""


@dataclass(frozen=True)
class Store:
    """The connection that all requests share. Make one by ``opened``."""

    runs: tuple[str, ...]
    """Folders of the runs, by their index."""
    base: duckdb.DuckDBPyConnection
    copied: dict[int, tuple[tuple[int, int], str]] = field(default_factory=dict[int, tuple[tuple[int, int], str]])
    """Of each run whose ledger is copied, the stamp of its manifest and the name of the copy."""
    copying: threading.Lock = field(default_factory=threading.Lock)

    def query(self, sql: str, values: Values) -> list[dict[str, Any]]:
        """Return the rows that ``sql`` selects by ``values``, on a cursor of its own; a request never writes any of ``sql``."""
        with self.base.cursor() as cursor:
            found = cursor.execute(sql, dict(values))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def ledger(self, index: int, run: Opened) -> Rows:
        """Return the ledger of ``run``, copied first where it has changed since."""
        if not run.is_complete or sum(file["rows"] for file in run.told["files"] if _is_ledger(file["path"])) > COPIED:
            return parquet(run.files())
        with self.copying:
            known = self.copied.get(index)
            if known is None or known[0] != run.stamp:
                self.copied[index] = known = (run.stamp, self._copy(index, run, known))
            return Rows(known[1], key="rowid")

    def _copy(self, index: int, run: Opened, before: tuple[tuple[int, int], str] | None) -> str:
        """Copy the ledger beside the copy ``before``, which is dropped: it may hold what has been taken down."""
        name, rows = f"ledger_{index}_{run.stamp[0]}", parquet(run.files())
        with self.base.cursor() as cursor:
            cursor.execute(f"create or replace table {name} as select * from {rows.sql}", dict(rows.values))  # noqa: S608  numbers alone
            if before is not None and before[1] != name:
                cursor.execute(f"drop table {before[1]}")
        return name


@contextmanager
def opened(runs: Sequence[str], reads: Sequence[str], scratch: str) -> Generator[Store]:
    """Yield a store over ``runs`` that can read files below the folders ``reads`` alone; ``scratch`` is an empty folder for its own."""
    with duckdb.connect(f"{scratch}/dashboard.duckdb") as base:
        base.execute("set parquet_metadata_cache = true")
        base.execute(f"set memory_limit = '{MEMORY}'")
        base.execute(f"set allowed_directories = [{', '.join(_quoted(folder.rstrip('/') + '/') for folder in reads)}]")
        base.execute("set enable_external_access = false")
        base.execute("set lock_configuration = true")
        yield Store(tuple(runs), base)


def parquet(files: Sequence[str]) -> Rows:
    """Return the rows of ``files``, of one schema; of no file, no rows with the columns that every ledger has."""
    return Rows("read_parquet($files)", {"files": list(files)}) if files else Rows(NO_ROWS)


def warm(store: Store) -> None:
    """Copy every ledger that is to be copied, so that no request waits for it."""
    for index, folder in enumerate(store.runs):
        store.ledger(index, open_run(folder))


def _is_ledger(path: str) -> bool:
    return path.split("/")[0] == LEDGER


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
