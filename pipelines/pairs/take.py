"""*Take*: open a split again with its signals, its decisions and the images that are still under way, and commit it with every exit."""

import os
from collections.abc import Iterator, Sequence
from typing import Literal

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from apache_beam.pvalue import TaggedOutput

from pipelines.pairs.annotate import ABOUT, COMMITTED, KEY
from pipelines.pairs.duplicates import without_twins
from pipelines.pairs.embed import with_scores
from pipelines.pairs.images import images_of
from pipelines.spine import forgotten, fragments
from pipelines.spine.coder import to_ipc
from pipelines.spine.commit import KEPT_BYTES
from pipelines.spine.shards import image_bytes
from pipelines.spine.steps import under_way
from schemas import columns as c
from schemas.batches import conform, image_column, set_columns, undocumented
from schemas.exits import KEPT


class OpenSplits(beam.DoFn):
    """Yields each split with its signals, decisions and the images that are still under way.

    Its key covers the decisions, so that a split is done again when one of them changes and skipped when none did.
    """

    def __init__(self, folder: str, scored: str | None) -> None:
        self._folder, self._scored = folder, scored

    def process(self, decided: pa.RecordBatch) -> Iterator[pa.RecordBatch | TaggedOutput[Literal["committed"], str]]:
        """Open the split that ``decided`` is about unless its fragment is there."""
        key = take_key(decided)
        if fragments.find(self._folder, key):
            yield TaggedOutput(COMMITTED, key)
        else:
            yield open_split(decided, key, self._scored)


def take_key(decided: pa.RecordBatch) -> str:
    """Return the name of a split under exactly these decisions on exactly these annotations."""
    annotation = os.path.basename(decided.schema.metadata[ABOUT].decode())
    metadata = {**decided.schema.metadata, ABOUT: annotation.encode()}
    digest = xxhash.xxh3_128_hexdigest(to_ipc(undocumented(decided.replace_schema_metadata(metadata))))
    return f"{metadata[KEY].decode()}-{digest[:16]}"


def open_split(decided: pa.RecordBatch, key: str, scored: str | None) -> pa.RecordBatch:
    """Return annotations, scores and decisions side by side, with the images of the rows under way read again."""
    annotations = with_scores(fragments.read(decided.schema.metadata[ABOUT].decode()), decided.schema.metadata[KEY].decode(), scored)
    both = set_columns(annotations, dict(zip(decided.schema.names, decided.columns, strict=True)), decided.schema)
    both = both.replace_schema_metadata({**decided.schema.metadata, KEY: key.encode()})
    both = forgotten.take_down(both, forgotten.is_taken_down(both))  # annotations and scores on disk may be older than the list
    batch = set_columns(both, without_twins(both))
    return set_columns(batch, {c.IMAGE.name: _images(batch)})


def _images(batch: pa.RecordBatch) -> pa.Array:
    """Return the column of images, filled for the rows under way."""
    mask = under_way(batch)
    images: list[bytes | None] = [None] * len(batch)
    names: list[str | None] = [None] * len(batch)
    for row, data, name in images_of(batch, mask, batch.schema.metadata[ABOUT].decode()):
        images[row], names[row] = data, name
    return image_column(images, names)


def write_fragment(batch: pa.RecordBatch, folder: str, schema: pa.Schema, of_kept: Sequence[str] = (c.IMAGE.name,)) -> str:
    """Commit ``batch`` and return its key: every row with its exit and the columns of ``schema``, those ``of_kept`` only where it is kept.

    Signals that ``schema`` lacks end here.
    """
    batch = forgotten.leave(batch, folder)
    mask = under_way(batch)
    kept = {name: where(mask, batch.column(name)) for name in of_kept}
    exits = pc.call_function("if_else", [pa.array(mask), pa.scalar(KEPT), batch.column(c.EXIT.name)])
    whole = set_columns(batch, {**kept, c.EXIT.name: exits})
    metadata = {**batch.schema.metadata, KEPT_BYTES: str(int(image_bytes(whole).sum())).encode()}
    key = metadata.pop(KEY).decode()
    metadata.pop(ABOUT, None)
    done = conform(whole.select([name for name in whole.schema.names if name in schema.names]), schema).replace_schema_metadata(metadata)
    fragments.write(folder, key, done)
    return key


def where(mask: npt.NDArray[np.bool_], column: pa.Array) -> pa.Array:
    """Return ``column`` with null in the rows where ``mask``, shape (n,), is false; itself where it is true throughout."""
    return column if mask.all() else column.take(pa.array(np.arange(len(column)), mask=~mask))
