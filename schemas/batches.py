"""Helpers on ``pa.RecordBatch``: columns in and out, rows in and out, a draw that every worker agrees on."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.columns import IMAGE_TYPE


def from_rows(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch of ``rows``; a key that the schema lacks raises ``ValueError``, a missing key is null."""
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"rows carry columns that the schema lacks: {sorted(unknown)}; declare them in schemas/columns.py")
    return pa.RecordBatch.from_arrays([pa.array([row.get(f.name) for row in rows], f.type) for f in schema], schema=schema)


def image_column(images: Sequence[bytes | memoryview | None], names: Sequence[str | None]) -> pa.StructArray:
    """Return encoded images and their names as a column of ``IMAGE_TYPE``, null where there is no image.

    Views that lie in one array, one behind the other from its start, are not copied: the column holds their array.
    """
    missing = np.array([image is None for image in images], dtype=bool)
    present = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    ends = np.cumsum([0, *(len(image or b"") for image in images)], dtype=np.int32)
    data = _array_of(images, ends) or pa.py_buffer(_joined(images, ends))
    encoded = pa.BinaryArray.from_buffers(pa.binary(), len(images), [present, pa.py_buffer(ends), data])
    named = pa.array([None if is_missing else name for is_missing, name in zip(missing, names, strict=True)], pa.string())
    return pa.StructArray.from_arrays([encoded, named], fields=list(IMAGE_TYPE), mask=pa.array(missing))


def image_views(images: pa.BinaryArray) -> list[memoryview | None]:
    """Return a view of each encoded image, None where there is none: ``to_pylist`` would copy them all."""
    if not len(images):
        return []
    _, places, data = images.buffers()
    ends: list[int] = np.frombuffer(places, np.int32, len(images) + 1, images.offset * 4).tolist()
    whole = memoryview(data or b"").cast("B")
    present = images.is_valid().to_pylist()
    return [whole[first:last] if here else None for first, last, here in zip(ends, ends[1:], present, strict=False)]


def _array_of(images: Sequence[bytes | memoryview | None], ends: npt.NDArray[np.int32]) -> pa.Buffer | None:
    """Return the array that all ``images`` are views of, where they lie in it as the offsets ``ends`` say, shape (n + 1,)."""
    owner = next((image.obj for image in images if isinstance(image, memoryview)), None)
    if not isinstance(owner, np.ndarray):
        return None
    whole = pa.py_buffer(owner)
    places = [(image, whole.address + start) for image, start in zip(images, ends.tolist(), strict=False) if image is not None]
    lie_there = (isinstance(i, memoryview) and i.obj is owner and pa.py_buffer(i).address == place for i, place in places)
    return whole if all(lie_there) else None


def _joined(images: Sequence[bytes | memoryview | None], ends: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return the bytes of ``images`` one behind the other, up to the offsets ``ends``."""
    data = np.empty(ends[-1], dtype=np.uint8)  # numpy asks for huge pages: half the time of a builder goes into faults of small ones
    for image, end in zip(images, ends[1:].tolist(), strict=True):
        data.data[end - len(image or b"") : end] = image or b""
    return data


def set_columns(batch: pa.RecordBatch, added: Mapping[str, pa.Array], schema: pa.Schema | None = None) -> pa.RecordBatch:
    """Return ``batch`` with the columns ``added`` or replaced, keeping its metadata; types come from ``schema`` if given."""
    fields = {f.name: f for f in batch.schema}
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, array in added.items():
        fields[name] = schema.field(name) if schema is not None else pa.field(name, array.type)
        arrays[name] = array
    return pa.RecordBatch.from_arrays(list(arrays.values()), schema=pa.schema(list(fields.values()), batch.schema.metadata))


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return ``batch`` with exactly the columns of ``schema``, in its order; missing columns are null.

    Raises ``ValueError`` for a column that the schema lacks: nothing is dropped in silence.
    """
    extra = set(batch.schema.names) - set(schema.names)
    if extra:
        raise ValueError(f"batch carries columns that the schema lacks: {sorted(extra)}; drop them where they end")
    arrays = [column_or_nulls(batch, field) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema.with_metadata(batch.schema.metadata))


def undocumented(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return ``batch`` without the documentation of its columns: what is hashed, or sent in great numbers, is the data alone."""
    schema = pa.schema([pa.field(f.name, f.type, f.nullable) for f in batch.schema], batch.schema.metadata)
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def take_rows(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    """Return the rows where ``mask``, shape (n,), is true; without a copy where it is true throughout."""
    return batch if bool(mask.all()) else batch.filter(pa.array(mask))


def is_equal(batch: pa.RecordBatch, name: str, value: str) -> npt.NDArray[np.bool_]:
    """Return in which rows the column ``name`` is ``value``, shape (n,); null never is."""
    return np.array([found == value for found in batch.column(name).to_pylist()], np.bool_)


def scatter(values: pa.Array, mask: npt.NDArray[np.bool_]) -> pa.Array:
    """Spread ``values`` (one for each true place of ``mask``) over ``len(mask)`` rows, null elsewhere."""
    if bool(mask.all()):
        return values
    places = np.cumsum(mask) - 1
    return values.take(pa.array(places, pa.int64(), mask=~mask))


def column_or_nulls(batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
    """Return the column as ``field`` types it, null throughout where the batch has none of that name."""
    return batch.column(field.name).cast(field.type) if field.name in batch.schema.names else pa.nulls(len(batch), field.type)


def numbers(array: pa.Array) -> npt.NDArray[np.float64]:
    """Return a numeric column as float64, shape (n,), nulls as NaN."""
    return pc.cast(array, pa.float64()).to_numpy(zero_copy_only=False)


def strings(array: pa.Array) -> list[str]:
    """Return a string column as a list, nulls as the empty string."""
    return pc.fill_null(array, "").to_pylist()


def draw(seed: int, sample_ids: Iterable[str]) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each sample, shape (n,): the same one in every worker, retry and rerun.

    It is the first 53 bits of BLAKE2b over seed and sample_id, so no worker holds a random state (ours).
    """
    digests = (hashlib.blake2b(f"{seed}:{sample_id}".encode(), digest_size=8).digest() for sample_id in sample_ids)
    return np.array([(int.from_bytes(d, "big") >> 11) / 2**53 for d in digests], dtype=np.float64)
