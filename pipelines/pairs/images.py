"""Open a split a second time: the images of some of its rows, held against the hashes that they were annotated with."""

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipelines.readers.fetch import fetch
from schemas import columns as c
from schemas.batches import take_rows
from schemas.exits import EnvironmentFault


class Found(NamedTuple):
    """One encoded image, the row that it belongs to, and its name in the source."""

    row: int
    data: bytes
    name: str


def images_of(batch: pa.RecordBatch, mask: npt.NDArray[np.bool_], annotation: str) -> Iterator[Found]:
    """Yield the images of the rows of ``mask``, shape (n,), in order.

    Raises ``EnvironmentFault`` where the source has changed since ``annotation``, the fragment that tells its hashes, was written.
    """
    rows = take_rows(batch, mask)
    paths, members, offsets, lengths, hashes = (
        rows.column(f.name).to_pylist() for f in (c.SOURCE_PATH, c.SOURCE_MEMBER, c.SOURCE_OFFSET, c.SOURCE_BYTES, c.IMAGE_HASH)
    )
    images = _still_there(fetch(paths, members, offsets, lengths))
    for row, data, path, member, expected in zip(np.flatnonzero(mask), images, paths, members, hashes, strict=True):
        if xxhash.xxh3_128_hexdigest(data) != expected:
            raise EnvironmentFault(
                f"{path} has changed since it was annotated: {member or 'the image'} has another hash; run the command again, and if this "
                f"comes back, the file bears its old size and time: remove {annotation}"
            )
        yield Found(int(row), data, member or os.path.basename(path))


def _still_there(images: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from images
    except FileNotFoundError as error:
        raise EnvironmentFault(
            f"the source has gone since it was annotated ({error}); put it back, or run the same command again"
        ) from error
