"""A run as it lies there now: by its manifest where it is finished, by the fragments of its last pass where it goes on."""

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.dashboard.refusals import Refused
from pipelines.spine import fragments, funnel, nested, storage
from pipelines.spine import tables as finished
from pipelines.spine.commit import MANIFEST, under_way
from pipelines.spine.steps import FUNNEL
from schemas import questions as q

LEDGER, SAMPLES = "ledger", "samples"
OPEN = 4096
"""Footers of fragments that are remembered; one is a few KB (ours)."""


@dataclass(frozen=True)
class Opened:
    """A run. Make one by ``open_run``, for each request anew: a run grows, ends, and loses what is taken down."""

    folder: str
    told: Mapping[str, Any]
    """The manifest, or what the launcher said of a run that has none yet."""
    is_complete: bool
    pieces: tuple[str, ...] = ()
    """Fragments of a run that goes on, one of each split that is committed."""
    stamp: tuple[int, int] = (0, 0)
    """Changes whenever the manifest does: time of its last change in ns, bytes."""

    def files(self, table: str = LEDGER) -> list[str]:
        """Return the paths of the Parquet files of ``table``; of a run that goes on, the fragments are its ledger and its samples."""
        if not self.is_complete:
            return list(self.pieces) if table in (LEDGER, SAMPLES) else []
        return [storage.join(self.folder, path) for path in self._finished.files(table)]

    @property
    def tables(self) -> list[str]:
        """Names of the tables, the ledger last."""
        return self._finished.tables if self.is_complete else [SAMPLES, LEDGER]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the ledger, none where nothing is committed yet."""
        files = self.files()
        return pq.read_schema(files[0]) if files else pa.schema([])

    @property
    def is_over_questions(self) -> bool:
        """Whether its rows are questions and not pairs of image and text."""
        return q.QUESTION_TEXT.name in self.schema.names

    @property
    def funnels(self) -> dict[str, list[funnel.StepCount]]:
        """The funnel of the ``samples``, and those of the rows nested in them, such as rollouts, by name."""
        if self.is_complete:
            run = self._finished
            return {SAMPLES: run.funnel(), **{name: run.funnel(name) for name in run.nested}}
        told = [_funnels_in(path) for path in self.pieces]
        return {name: funnel.total(funnel.loads(one[name]) for one in told) for name in (told[0] if told else {SAMPLES: b""})}

    @property
    def _finished(self) -> finished.Run:
        return finished.Run(self.folder, self.told)


def open_run(folder: str) -> Opened:
    """Return the run in ``folder`` as it is now; raises ``Refused`` where there is none, and for one that lies on an object store."""
    path = _local(folder)
    manifest = storage.join(path, MANIFEST)
    if storage.exists(manifest):
        about = os.stat(manifest)
        return Opened(path, finished.open_run(path).manifest, is_complete=True, stamp=(about.st_mtime_ns, about.st_size))
    going = under_way(path) if path.count("/") > 2 else None  # a run lies in the folder of its pipeline, in that of the output
    if going is None or not storage.exists(going):
        known = f", and {going} is not there" if going else ""
        raise Refused(f"{folder} holds no {MANIFEST}{known}: expected the folder of a run, such as runs/recaption/ID")
    told = json.loads(storage.read(going))
    return Opened(path, told, is_complete=False, pieces=_newest(last_pass(path, told)))


def read_from(folder: str) -> list[str]:
    """Return the folders below which the run in ``folder`` may have rows: its own, and that of its last pass while it goes on."""
    run = open_run(folder)
    return [run.folder] if run.is_complete else [run.folder, last_pass(run.folder, run.told)]


def last_pass(folder: str, told: Mapping[str, Any]) -> str:
    """Return the folder of the fragments of the last pass of the run in ``folder``."""
    output = folder.rstrip("/").rsplit("/", 2)[0]
    return storage.join(output, *told["passes"][-1].split("/"))


def _local(folder: str) -> str:
    if not storage.is_local(folder):
        raise Refused(
            f"{folder} lies on an object store, the dashboard reads local folders: copy the run here, without samples/ if it is large"
        )
    if set(folder) & set("*?[]"):
        raise Refused(f"{folder} holds one of *?[], which DuckDB takes for a pattern; rename the folder")
    return storage.absolute(folder)


def _newest(folder: str) -> tuple[str, ...]:
    """Return of each split the fragment that was committed last: another pass over it, or more of its rows, makes another one."""
    newest: dict[str, tuple[int, str]] = {}
    for path in storage.list_files(folder):
        if path.endswith(".parquet"):
            split_id = fragments.key_of(path).split("-")[0]
            newest[split_id] = max(newest.get(split_id, (0, "")), (os.stat(path).st_mtime_ns, path))
    return tuple(path for _, path in sorted(newest.values(), key=lambda found: found[1]))


@functools.lru_cache(OPEN)
def _funnels_in(path: str) -> dict[str, bytes]:
    """Return the funnels in the footer of a fragment, whose name holds the hash of what is in it."""
    footer = fragments.footer(path)
    below = {key[len(nested.PREFIX) :].decode(): value for key, value in footer.items() if key.startswith(nested.PREFIX)}
    return {SAMPLES: footer[FUNNEL], **below}
