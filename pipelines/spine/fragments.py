"""Fragments: one committed split each, ``<key>.<content hash>.parquet``.

A step skips a split whose fragment is there, so retries, zombies and reruns do no harm. Where two attempts differ, all
readers take the first by name; a file that a dying writer left half is no fragment.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipelines.spine import storage
from schemas.exits import EnvironmentFault
from schemas.records import SCHEMA_VERSION

SCHEMA = b"schema_version"
"""Footer key: the version of the record schemas that the fragment was written under."""
ENCODED = frozenset({"image.bytes", "images.list.element.bytes"})
"""Leaves of encoded images, which no codec makes smaller."""
logger = logging.getLogger(__name__)


def write(folder: str, key: str, batch: pa.RecordBatch) -> str:
    """Commit ``batch`` as the fragment of ``key`` and return its path."""
    metadata = {**(batch.schema.metadata or {}), SCHEMA: str(SCHEMA_VERSION).encode()}
    data = to_parquet(batch.replace_schema_metadata(metadata))
    path = storage.join(folder, f"{key}.{xxhash.xxh3_128_hexdigest(data)}.parquet")
    storage.write(path, data)
    return path


def replace(path: str, batch: pa.RecordBatch) -> str:
    """Put ``batch`` in the place of the fragment ``path``, with the same key and metadata of its own, and return its path.

    The new one is written before the old one goes.
    """
    data = to_parquet(batch)
    folder, _, _ = path.rpartition("/")
    new = storage.join(folder, f"{key_of(path)}.{xxhash.xxh3_128_hexdigest(data)}.parquet")
    storage.write(new, data)
    if new != path:
        storage.remove([path])
    return new


def to_parquet(batch: pa.RecordBatch) -> pa.Buffer:
    """Return ``batch`` as Parquet: encoded images as they are, everything else under zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([batch]), sink, **parquet_options(batch.schema))
    return sink.getvalue()


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Return the writer's options: image leaves uncompressed and without statistics, scalars under zstd with them."""
    leaves = list(_leaves(schema))
    scalars = [leaf for leaf in leaves if "." not in leaf]
    return {
        "compression": {leaf: "NONE" if leaf in ENCODED else "ZSTD" for leaf in leaves},
        "write_statistics": scalars,
        "use_dictionary": [leaf for leaf in leaves if leaf not in ENCODED],
    }


def find(folder: str, key: str) -> str | None:
    """Return the path of the fragment of ``key``, None where the split has not been committed."""
    return _first_whole(storage.list_files(folder, f"{key}."))


def attempts(paths: Iterable[str], keys: Sequence[str]) -> list[list[str]]:
    """Return, from one listing of a folder, the files that bear each of ``keys``, in the keys' order; no file is opened."""
    by_key: dict[str, list[str]] = {}
    for path in sorted(paths):
        by_key.setdefault(key_of(path), []).append(path)
    return [by_key.get(key, []) for key in keys]


def choose(key: str, paths: Sequence[str]) -> str:
    """Return the fragment of ``key`` among its attempts; raises ``EnvironmentFault`` where none is whole."""
    path = _first_whole(paths)
    if path is None:
        raise EnvironmentFault(f"split {key} has no fragment: it was removed or damaged; run the same command again, the rest is kept")
    return path


def key_of(path: str) -> str:
    """Return the key in a fragment's name."""
    return path.rsplit("/", 1)[-1].split(".")[0]


def footer(path: str) -> dict[bytes, bytes]:
    """Return the key-value metadata of the fragment, without reading its rows."""
    with storage.parquet(path) as file:
        return dict(file.schema_arrow.metadata or {})


def read(path: str, columns: Sequence[str] = ()) -> pa.RecordBatch:
    """Return the whole fragment as one batch, or ``columns`` of it.

    Raises ``EnvironmentFault`` when its bytes are not those that its name was made from.
    """
    data = storage.buffer(path)
    if xxhash.xxh3_128_hexdigest(data) != path.rsplit(".", 2)[-2]:
        raise EnvironmentFault(
            f"fragment {path} does not match the hash in its name: it was changed or damaged; remove it and run the same command again"
        )
    return one_batch(pq.ParquetFile(pa.BufferReader(data)).read(list(columns) or None, use_threads=False))


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """Return the rows of ``table`` as one batch, also where there is none."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _first_whole(paths: Sequence[str]) -> str | None:
    for path in sorted(paths):
        if path.endswith(".parquet") and _is_whole(path):
            return path
    return None


def _is_whole(path: str) -> bool:
    try:
        with storage.parquet(path):
            return True
    except (pa.ArrowInvalid, OSError) as error:
        logger.warning("%s is no whole fragment and is passed over: %s", path, error)
        return False


def _leaves(schema: pa.Schema) -> Iterable[str]:
    for field in schema:
        yield from _leaf_paths(field.name, field.type)


def _leaf_paths(path: str, kind: pa.DataType) -> Iterable[str]:
    if pa.types.is_struct(kind):
        for child in kind:
            yield from _leaf_paths(f"{path}.{child.name}", child.type)
    elif pa.types.is_list(kind):
        yield from _leaf_paths(f"{path}.list.element", kind.value_type)
    else:
        yield path
