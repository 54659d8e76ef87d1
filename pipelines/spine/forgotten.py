"""What was taken down on request: hashes by which no run below an output folder takes such a sample in again.

The list lies in ``<output>/forgotten/``, beside the passes, and holds no content. It is state of the folder, as the answers are, and in
no identity: a pass, a fragment and a run keep their names, and whatever is opened under them has left by ``funnel.TAKE_DOWN``.
"""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipelines.spine import funnel, nested, storage
from pipelines.spine.steps import FUNNEL, counts
from schemas import columns as c
from schemas.exits import DROPPED
from schemas.questions import IMAGE_HASHES
from schemas.records import SOURCE

FOLDER = "forgotten"
TAKEN_DOWN = "taken_down"
"""Reason of a sample that was taken down, and what stands where its source may not be null."""
PROOF = frozenset(field.name for field in (c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.CORPUS, c.IMAGE_HASH, IMAGE_HASHES))
"""What a row that was taken down keeps: its place, and the hashes that prove what it was."""
NAMED_BY: Mapping[str, tuple[pa.Field, ...]] = MappingProxyType(
    {"sample_ids": (c.SAMPLE_ID,), "image_hashes": (c.IMAGE_HASH, IMAGE_HASHES), "urls": (c.URL,)}
)
"""For each field of ``Forgotten`` the columns that are held against it; of a question's list of pictures any one names it."""
NAMES = tuple(field.name for about in NAMED_BY.values() for field in about)
"""Columns by which a row is found to be on the list."""
_NEVER_NULL = frozenset(field.name for field in SOURCE if not field.nullable)
"""A batch on its way does not always say so of them."""
_HEADING = "\n## Taken down\n"


@dataclass(frozen=True)
class Forgotten:
    """Hashes of samples; a row is named by any one of them."""

    sample_ids: frozenset[str] = frozenset()
    image_hashes: frozenset[str] = frozenset()
    urls: frozenset[str] = frozenset()
    """SHA-256 of each address, so that the list gives none away."""

    def __or__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(*(getattr(self, f.name) | getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))

    def names(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return which rows of ``batch`` are named, shape (n,); of the columns ``NAMES`` those that it has are looked at."""
        found = np.zeros(len(batch), np.bool_)
        for name in NAMED_BY:
            if known := getattr(self, name):
                for values in _columns(batch, name):
                    found |= any_in(values, known)
        return found


def names_in(batch: pa.RecordBatch) -> Forgotten:
    """Return everything that names a row of ``batch``."""
    return Forgotten(*(frozenset(_texts(_columns(batch, name))) for name in NAMED_BY))


def _texts(columns: Iterable[pa.Array]) -> Iterator[str]:
    for values in columns:
        flat = values.flatten() if pa.types.is_list(values.type) else values
        yield from flat.drop_null().to_pylist()


def _columns(batch: pa.RecordBatch, name: str) -> Iterator[pa.Array]:
    """Yield the columns of ``batch`` that are held against the field ``name``, addresses by their hashes."""
    for field in NAMED_BY[name]:
        if field.name in batch.schema.names:
            values = batch.column(field.name)
            yield hashed(values) if field == c.URL else values


def any_in(values: pa.Array, known: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Return in which rows of ``values``, strings or lists of them, one of ``known`` is, shape (n,)."""
    if not pa.types.is_list(values.type):
        return is_in(values, known)
    found = np.zeros(len(values), np.bool_)
    parents = pc.call_function("list_parent_indices", [values]).to_numpy(zero_copy_only=False)
    found[parents[is_in(values.flatten(), known)]] = True
    return found


def is_in(values: pa.Array, known: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Return which of the strings ``values`` are in ``known``, shape (n,); null never is."""
    found = pc.call_function("is_in", [values], pc.SetLookupOptions(pa.array(sorted(known), values.type), skip_nulls=True))
    return found.to_numpy(zero_copy_only=False)


def hashed(urls: pa.Array) -> pa.Array:
    """Return the hash of each of ``urls``, null where there is none."""
    return pa.array([None if url is None else url_hash(url) for url in urls.to_pylist()], pa.string())


def url_hash(url: str) -> str:
    """Return 64 hex digits of SHA-256 over an address, as it stands in the source."""
    return hashlib.sha256(url.encode()).hexdigest()


def read(output: str) -> Forgotten:
    """Return everything that is on the list below the folder ``output``."""
    return _read(tuple(storage.list_files(storage.join(output, FOLDER))))


def add(output: str, more: Forgotten) -> None:
    """Put ``more`` on the list: one new file, named by its content, with what is not there yet."""
    storage.remove(storage.temporaries(storage.join(output, FOLDER)))
    new = more - read(output)
    if new:
        data = json.dumps({f.name: sorted(getattr(new, f.name)) for f in fields(new)}, indent=1).encode() + b"\n"
        storage.write(storage.join(output, FOLDER, f"{xxhash.xxh3_128_hexdigest(data)}.json"), data)


@functools.lru_cache(maxsize=4)
def _read(paths: tuple[str, ...]) -> Forgotten:
    """Return what the files ``paths`` list; a file never changes, since its name is made from what it holds."""
    listed: list[Mapping[str, list[str]]] = [json.loads(storage.read(path)) for path in paths]
    return Forgotten(*(frozenset(name for names in listed for name in names[f.name]) for f in fields(Forgotten)))


def leave(batch: pa.RecordBatch, folder: str) -> pa.RecordBatch:
    """Return ``batch``, which a pass into ``folder`` wrote or is about to write, after everything on the list has left."""
    listed = read(folder.rstrip("/").rsplit("/", 2)[0])
    return take_down(batch, listed.names(batch) & ~is_taken_down(batch)) if listed else batch


def is_taken_down(batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Return which rows of ``batch`` have been taken down, shape (n,)."""
    return is_in(batch.column(c.REASON.name), [TAKEN_DOWN])


def take_down(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    """Return ``batch`` with nothing left of the rows of ``mask``, shape (n,), but ``PROOF`` and their exit.

    A column that may not be null holds ``taken_down`` or 0. The rows leave by ``funnel.TAKE_DOWN`` in the funnel too, whatever step they
    had left by; a batch without exits, such as scores, is left the same number of rows and no more.
    """
    if not mask.any():
        return batch
    said = {c.EXIT.name: DROPPED, c.STEP.name: funnel.TAKE_DOWN, c.REASON.name: TAKEN_DOWN}
    chosen = pa.array(mask)
    arrays = [
        column if field.name in PROOF else pc.call_function("if_else", [chosen, _blank(field, said.get(field.name)), column])
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return recounted(pa.RecordBatch.from_arrays(arrays, schema=batch.schema))


def recounted(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` with the funnel that its rows tell, over the steps of the one that it carries."""
    metadata = dict(batch.schema.metadata or {})
    if FUNNEL not in metadata or c.EXIT.name not in batch.schema.names:
        return batch
    steps = [count.step for count in counts(batch)]
    told = {**metadata, FUNNEL: funnel.dumps(funnel.recount(steps, exits_of(batch)))}
    return nested.recounted(batch.replace_schema_metadata(told))


def exits_of(batch: pa.RecordBatch) -> Counter[funnel.Exit]:
    """Count the rows of ``batch`` by exit, step and reason."""
    return Counter(zip(*(batch.column(f.name).to_pylist() for f in (c.EXIT, c.STEP, c.REASON)), strict=True))


def _blank(field: pa.Field, said: str | None) -> pa.Scalar:
    if said or (field.nullable and field.name not in _NEVER_NULL):
        return pa.scalar(said, field.type)
    return pa.scalar(TAKEN_DOWN if pa.types.is_string(field.type) else 0, field.type)


def stated(card: bytes, rows: int) -> bytes:
    """Return the dataset card ``card`` with a last section that says how many ``rows`` were taken down; none where none was."""
    text = card.decode().partition(_HEADING)[0]
    if rows:
        said = f"{rows} rows were taken down on request. Of them `ledger/` keeps the hashes alone, with the reason `{TAKEN_DOWN}`."
        text = f"{text.rstrip()}\n{_HEADING}\n{said}\n"
    return text.encode()
