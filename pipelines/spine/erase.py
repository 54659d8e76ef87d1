"""Take rows out of what lies on disk: of the fragments of passes, and of the tables, sums and pages of a finished run.

Every file is replaced whole, and what was done once is found done: after a kill the same call goes on where it stopped.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.words import normalised
from pipelines.report.files import DATA, REPORT, retold
from pipelines.report.sketches import Sketch
from pipelines.spine import forgotten, fragments, funnel, shards, storage
from pipelines.spine.commit import CARD, FUNNEL_FILE, KEPT_BYTES, nested_funnel, write_manifest
from pipelines.spine.finished import Finished
from pipelines.spine.forgotten import Forgotten
from pipelines.spine.steps import under_way
from pipelines.spine.tables import PLACE, Run, places_of
from schemas import columns as c
from schemas.batches import set_columns, take_rows
from schemas.exits import KEPT
from schemas.records import TWINS

JOURNAL = "taking-down.json"
"""Lies in a run from the first file that is rewritten until the manifest stands: what is still to be done, with nothing of what goes."""
LOOKED_AT = (*forgotten.NAMES, *PLACE, c.EXIT.name, c.REASON.name, c.ALT_TEXT.name, *(about.name for about in TWINS))
"""Columns that tell whether a row has to go, or has to lose an alt text."""
_EXIT = (c.EXIT.name, c.STEP.name, c.REASON.name)


@dataclass(frozen=True)
class Twins:
    """What a representative stands for, once rows that were merged into it are gone: the columns of ``TWINS``."""

    alt_texts: tuple[str, ...]
    alt_text_count: int
    duplicate_count: int


@dataclass(frozen=True)
class Erasure:
    """What is taken out, wherever it lies."""

    listed: Forgotten
    places: frozenset[str] = frozenset()
    """``split_id:row`` of rows that go, for tables and passes that name no sample."""
    twins: Mapping[str, Twins] = field(default_factory=dict[str, Twins])
    """What representatives that stay stand for from now on, by their place."""
    texts: frozenset[str] = frozenset()
    """Alt texts of the rows that go, normalised."""
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By place, those of ``texts`` that a row keeps: others that stay have them too."""

    def names(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return which rows of ``batch`` go, shape (n,)."""
        return self.listed.names(batch) | forgotten.is_in(places_of(batch), self.places)

    def concerns(self, batch: pa.RecordBatch) -> bool:
        """Tell whether a row of ``batch``, which holds some of ``LOOKED_AT``, is to be changed."""
        going = self.names(batch)
        if c.REASON.name in batch.schema.names:
            going &= ~forgotten.is_taken_down(batch)
        return bool(going.any()) or any(True for _ in self._changed_twins(batch))

    def scrubbed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with nothing but hashes and exits in the rows that go."""
        return forgotten.take_down(self._with_twins(batch), self.names(batch))

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` without the rows that go."""
        return take_rows(self._with_twins(batch), ~self.names(batch))

    def _with_twins(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        changed = dict(self._changed_twins(batch))
        if not changed:
            return batch
        columns: dict[str, pa.Array] = {}
        for about in (about for about in TWINS if about.name in batch.schema.names):
            values = batch.column(about.name).to_pylist()
            for row, twins in changed.items():
                values[row] = getattr(twins, about.name)
            columns[about.name] = pa.array(values, about.type)
        return set_columns(batch, columns, batch.schema)

    def _changed_twins(self, batch: pa.RecordBatch) -> Iterator[tuple[int, Twins]]:
        """Yield the rows that stay and lose an alt text, each with what it has from now on."""
        if c.DUPLICATE_COUNT.name not in batch.schema.names or not (self.twins or self.texts):
            return
        places = places_of(batch)
        # annotations are not decided: the twins in them came along from an earlier run
        decided = ~under_way(batch) if c.EXIT.name in batch.schema.names else np.ones(len(batch), np.bool_)
        suspect = forgotten.is_in(places, self.twins) & decided
        if c.ALT_TEXTS.name in batch.schema.names:  # a question that stands for others has none
            suspect |= forgotten.any_in(batch.column(c.ALT_TEXTS.name), self.texts)
        for row in np.flatnonzero(suspect & ~self.names(batch)).tolist():
            place = places[row].as_py()
            twins = (self.twins.get(place) if decided[row] else None) or self._superseded(batch, row, self.allowed.get(place, frozenset()))
            if twins != _twins_in(batch, row):
                yield row, twins

    def _superseded(self, batch: pa.RecordBatch, row: int, allowed: Collection[str]) -> Twins:
        """Return what is left to a row of a fragment that decisions of another time stand in: the run's ledger knows no such twins."""
        own = normalised(batch.column(c.ALT_TEXT.name)[row].as_py() or "")
        known = _twins_in(batch, row)
        kept = tuple(text for text in known.alt_texts if text not in self.texts or text == own or text in allowed)
        return replace(known, alt_texts=kept, alt_text_count=known.alt_text_count - len(known.alt_texts) + len(kept))


def _twins_in(batch: pa.RecordBatch, row: int) -> Twins:
    return twins_of({about.name: batch.column(about.name)[row].as_py() for about in TWINS if about.name in batch.schema.names})


def twins_of(row: Mapping[str, Any]) -> Twins:
    """Return the columns of ``TWINS`` in ``row``, nothing where it has none of one."""
    texts, *numbers = (row.get(about.name) for about in TWINS)
    return Twins(tuple(texts or ()), *(number or 0 for number in numbers))


def lessened(known: Twins, going: Sequence[str], staying: Iterable[str]) -> Twins:
    """Return what is left of ``known`` once rows with the alt texts ``going`` have left it; ``staying`` are those of all others."""
    lost = {normalised(text) for text in going} - {normalised(text) for text in staying}
    kept = tuple(text for text in known.alt_texts if text not in lost)
    return Twins(kept, known.alt_text_count - len(known.alt_texts) + len(kept), known.duplicate_count - len(going))


def erase_in_pass(folder: str, what: Erasure) -> int:
    """Rewrite the fragments in ``folder`` that hold something of ``what``, and return how many; half files of killed writers go too."""
    storage.remove(storage.temporaries(folder))
    rewritten = 0
    for path in storage.list_files(folder):
        if not path.endswith(".parquet") or not concerned(path, what):
            continue
        old = fragments.read(path)
        new = _with_kept_bytes(what.scrubbed(old))
        if not new.equals(old, check_metadata=True):
            fragments.replace(path, new)
            rewritten += 1
    return rewritten


def concerned(path: str, what: Erasure) -> bool:
    """Tell whether the fragment ``path`` may hold something of ``what``; a file that is none is removed."""
    try:
        with storage.parquet(path) as file:
            names = [name for name in LOOKED_AT if name in file.schema_arrow.names]
            return what.concerns(fragments.one_batch(file.read(names, use_threads=False)))
    except pa.ArrowInvalid:  # what a killed writer left half is no fragment, and nobody can say what it holds
        storage.remove([path])
        return False


def _with_kept_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` with its footer's sum of image bytes brought up to date, where it has one."""
    metadata = dict(batch.schema.metadata or {})
    if KEPT_BYTES not in metadata:
        return batch
    return batch.replace_schema_metadata({**metadata, KEPT_BYTES: str(int(shards.image_bytes(batch).sum())).encode()})


def files_concerned(run: Run, what: Erasure) -> list[str]:
    """Return the files of ``run`` that hold something of ``what``, those of the ledger last: it alone tells what remains to be done."""
    parts = ((part.path, what.concerns(part.batch)) for table in run.tables for part in run.scan(table, LOOKED_AT))
    return list(dict.fromkeys(path for path, is_concerned in parts if is_concerned))


def erase_in_run(run: Run, what: Erasure, files: Iterable[str], adds: Callable[[Mapping[str, int]], str]) -> None:
    """Rewrite ``files`` of ``run``, then its sums and pages, and its manifest last; ``adds`` is what the card says of the kept captions."""
    entries = {entry["path"]: entry for entry in run.manifest["files"]}
    for path in files:
        if any(what.concerns(part.batch) for part in run.parts(path, LOOKED_AT)):
            entries[path] = asdict(shards.rewrite(run.folder, path, what.scrubbed if _is_ledger(path) else what.without))
        else:  # rewritten before a kill
            entries[path] = asdict(shards.describe(run.folder, path))
    for table in run.tables:
        storage.remove(storage.temporaries(storage.join(run.folder, table)))
    now = _recount(run)
    _write_pages(run, now, adds)
    ordered = [entries[entry["path"]] for entry in run.manifest["files"]]
    sums = {name: {key: sum_.get(key, 0) for key in run.manifest[name]} for name, sum_ in now.sums.items() if name in run.manifest}
    write_manifest(run.folder, {**run.manifest, **sums, "exits": funnel.exits(now.funnel), "files": ordered})


@dataclass(frozen=True)
class Recount:
    """What the tables of a run say."""

    nested: Mapping[str, funnel.Funnel]
    """The funnel of each table of nested rows."""
    funnel: list[funnel.StepCount]
    places: frozenset[str]
    """Of the rows that were taken down."""
    sums: Mapping[str, Mapping[str, float]]
    """``spent`` and ``captions``, as the manifest has them."""


def _recount(run: Run) -> Recount:
    exits, places, spent, captions = Counter[funnel.Exit](), set[str](), Counter[str](), Counter[str]()
    for part in run.scan("ledger", [*PLACE, *_EXIT, *shards.SPENT, *shards.TOLD_BY]):
        exits.update(forgotten.exits_of(part.batch))
        places.update(places_of(take_rows(part.batch.select(PLACE), forgotten.is_taken_down(part.batch))).to_pylist())
        spent.update(shards.spent_in(part.batch))
        captions.update(shards.captions_in(take_rows(part.batch, forgotten.is_in(part.batch.column(c.EXIT.name), [KEPT]))))
    nested = {table: _recount_nested(run, table, spent) for table in run.nested}
    whole = _told_again(run.funnel(), exits, run.folder)
    return Recount(nested, whole, frozenset(places), {"spent": {name: round(n, 3) for name, n in spent.items()}, "captions": captions})


def _recount_nested(run: Run, table: str, spent: Counter[str]) -> list[funnel.StepCount]:
    """Return the funnel that the rows of ``table`` tell, and add to ``spent`` what they cost."""
    exits = Counter[funnel.Exit]()
    for part in run.scan(table, [*_EXIT, *shards.SPENT]):
        exits.update(forgotten.exits_of(part.batch))
        spent.update(shards.spent_in(part.batch))
    return _told_again(run.funnel(table), exits, f"{run.folder}, {table}")


def _told_again(before: funnel.Funnel, exits: Mapping[funnel.Exit, int], where: str) -> list[funnel.StepCount]:
    whole = funnel.recount([count.step for count in before], exits)
    funnel.check(whole, where)
    return whole


def _write_pages(run: Run, now: Recount, adds: Callable[[Mapping[str, int]], str]) -> None:
    whole, before = now.funnel, run.manifest.get("captions")
    for name, told in ((FUNNEL_FILE, whole), *((nested_funnel(table), told) for table, told in now.nested.items())):
        storage.write(storage.join(run.folder, name), funnel.dumps(told) + b"\n")
    card = storage.join(run.folder, CARD)
    if storage.exists(card):
        text = storage.read(card).decode()
        text = text.replace(adds(before), adds({kind: int(n) for kind, n in now.sums["captions"].items()})) if before else text
        storage.write(card, forgotten.stated(text.encode(), funnel.taken_down(whole)))
    for name, data in _retold(run, now).items():
        storage.write(storage.join(run.folder, name), data)
    storage.remove(storage.temporaries(run.folder))


def _retold(run: Run, now: Recount) -> dict[str, bytes]:
    """Return the report of ``run`` as its tables tell it now; a run without one gets none."""
    page, data = (storage.join(run.folder, name) for name in (REPORT, DATA))
    if not (storage.exists(page) and storage.exists(data)):
        return {}
    funnels = {"ledger": now.funnel, **now.nested}
    finished = Finished(run.folder, run.manifest, funnels, Sketch(), {}, now.sums["spent"])
    tables = {table: (part.batch for part in run.scan(table, None)) for table in funnels}
    return retold(finished, tables, storage.read(page), storage.read(data))


def _is_ledger(path: str) -> bool:
    return path.split("/")[0] == "ledger"


def read_journal(run: Run) -> dict[str, Any]:
    """Return what a take-down that did not come to its end still has to do in ``run``; empty where there is none."""
    path = storage.join(run.folder, JOURNAL)
    return json.loads(storage.read(path)) if storage.exists(path) else {"answered": [], "files": [], "twins": {}}
