"""*Annotate*: read each split once, decode each image once or read its header, and leave every signal on disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from filters.decode import Decoder
from filters.signals import measure
from pipelines.pairs.looks import Looks
from pipelines.readers.splits import Split, read
from pipelines.spine import forgotten, fragments
from pipelines.spine.steps import run_step, start, under_way
from schemas import columns as c
from schemas.batches import conform, image_views, set_columns
from schemas.exits import Addition, EnvironmentFault
from schemas.records import ANNOTATION

READ = "Read the images and their alt texts"
DECODE = "Decode each image once"
HEADERS = "Read the header of each image, no pixels"
COMMITTED = "committed"
Reader = Callable[[Split, str, str], pa.RecordBatch]
"""Returns every row of a split, given corpus and licence, with ``reason`` and ``error``."""
KEY = b"key"
"""Metadata key of a batch: the key of the split that it is."""
ABOUT = b"annotation"
"""Metadata key of a batch that was made from annotations: the fragment that holds them."""
MICRO_BATCH = 32
"""Images that are decoded at a time: their pixels are the largest thing in a worker's memory (ours)."""


class ReadSplits(beam.DoFn):
    """Yields each split as one batch; a split that has a fragment goes to the output ``committed`` by its key alone."""

    def __init__(self, folder: str, corpus: str, source_license: str, reader: Reader = read, sentence: str = READ) -> None:
        self._folder, self._corpus, self._license = folder, corpus, source_license
        self._reader, self._sentence = reader, sentence

    def process(self, split: Split) -> Iterator[pa.RecordBatch | TaggedOutput[Literal["committed"], str]]:
        """Read ``split`` unless its fragment is there."""
        if fragments.find(self._folder, split.key):
            yield TaggedOutput(COMMITTED, split.key)
        else:
            yield read_split(split, self._corpus, self._license, self._reader, self._sentence)


@dataclass(frozen=True)
class Annotator:
    """What each decoded image is put to."""

    decoder: Decoder
    looks: Looks

    @property
    def sentence(self) -> str:
        """What the step does, as the funnel tells it."""
        return DECODE if self.decoder.pixels else HEADERS

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the signals of the decode and what the looks found."""
        done = run_step(batch, self.sentence, self._annotate)
        known = pc.call_function("if_else", [pa.array(under_way(done)), done.column(c.IMAGE_HASH.name), pa.scalar(None, pa.string())])
        return set_columns(done, {c.IMAGE_HASH.name: known})  # what is no image has none, whatever the reader hashed

    def _annotate(self, rows: pa.RecordBatch) -> Addition:
        parts = [self._micro_batch(rows.slice(first, MICRO_BATCH)) for first in range(0, len(rows), MICRO_BATCH)]
        added = {name: pa.concat_arrays([part.added[name] for part in parts]) for name in parts[0].added}
        return Addition(added, pa.concat_arrays([p.reason for p in parts]), pa.concat_arrays([p.error for p in parts]))

    def _micro_batch(self, rows: pa.RecordBatch) -> Addition:
        decoder = replace(self.decoder, scale=max(self.decoder.scale, self.looks.scale))
        images, hashes = rows.column(c.IMAGE.name).field("bytes"), rows.column(c.IMAGE_HASH.name)
        signals, pixels = measure(image_views(images), decoder, hashes.to_pylist())
        return replace(signals, added={**signals.added, **self.looks(rows, pixels)})


def read_split(split: Split, corpus: str, source_license: str, reader: Reader = read, sentence: str = READ) -> pa.RecordBatch:
    """Return every planned row of ``split`` as ``reader`` has it; what could not be read is dead already, at the step ``sentence``."""
    rows = reader(split, corpus, source_license)
    reason, error = rows.column("reason"), rows.column("error")
    batch = start(rows.drop_columns(["reason", "error"]).replace_schema_metadata({KEY: split.key.encode()}))
    return run_step(batch, sentence, lambda _: Addition({}, reason, error))


def write_annotations(batch: pa.RecordBatch, folder: str) -> str:
    """Commit ``batch`` without its images, and without anything of what was taken down, and return its key."""
    key = batch.schema.metadata[KEY].decode()
    fragments.write(folder, key, forgotten.leave(conform(batch.drop_columns([c.IMAGE.name]), ANNOTATION), folder))
    return key


def open_annotations(key: str, folder: str) -> pa.RecordBatch:
    """Return the annotations of the split ``key``; what was taken down since they were written has left."""
    path = fragments.find(folder, key)
    if path is None:
        raise EnvironmentFault(
            f"no annotations of split {key} in {folder}: they were removed while the run was going; run the same command again"
        )
    batch = forgotten.leave(fragments.read(path), folder)
    return batch.replace_schema_metadata({**batch.schema.metadata, KEY: key.encode(), ABOUT: path.encode()})
