"""*Take*: open the splits again, caption what was kept, judge the captions, and commit each split with every exit."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from apache_beam.pvalue import TaggedOutput

from pipelines.recaption.annotate import ABOUT, COMMITTED, KEY
from pipelines.recaption.decide import without_twins
from pipelines.recaption.embed import with_scores
from pipelines.recaption.images import images_of
from pipelines.spine import fragments
from pipelines.spine.coder import to_ipc
from pipelines.spine.commit import KEPT_BYTES
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step, under_way
from schemas import columns as c
from schemas.batches import conform, set_columns, undocumented
from schemas.exits import KEPT, Verdict
from schemas.protocols import Captioner
from schemas.records import DECISION, FRAGMENT
from synth.mix import Mix
from synth.recaption import Recaption

CAPTION = "Rewrite the alt text with the captioner"
MIX = "Choose between the alt text and the caption"


class CaptionerBackend(Protocol):
    """A frozen, hashable object that makes the captioner inside a worker."""

    def load(self) -> Captioner:
        """Return the captioner, ready."""
        ...


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


@dataclass(frozen=True)
class CaptionStep:
    """Sends the rows under way through the captioner of this worker."""

    recaption: Recaption
    backend: CaptionerBackend

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with captions; the captioner is loaded at the first batch that needs one."""
        return run_step(batch, CAPTION, lambda rows: self.recaption(rows, captioner=loaded(self.backend)))


@dataclass(frozen=True)
class JudgeCaptions:
    """Sends the captioned rows through one rule on captions; a row whose alt text is good may outlive its caption."""

    sentence: str
    rule: Callable[[pa.RecordBatch], Verdict]
    mix: Mix

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the exits of the captions that break the rule, or with their ``caption_fault``."""
        return run_step(batch, self.sentence, lambda rows: self.mix.spare(self.rule(rows), fault_of(rows)))


def fault_of(rows: pa.RecordBatch) -> pa.Array:
    """Return for which fault each caption of ``rows`` was set aside already, null for none."""
    name = c.CAPTION_FAULT.name
    return rows.column(name) if name in rows.schema.names else pa.nulls(len(rows), pa.string())


def take_key(decided: pa.RecordBatch) -> str:
    """Return the name of a split under exactly these decisions on exactly these annotations."""
    annotation = os.path.basename(decided.schema.metadata[ABOUT].decode())
    metadata = {**decided.schema.metadata, ABOUT: annotation.encode()}
    digest = xxhash.xxh3_128_hexdigest(to_ipc(undocumented(decided.replace_schema_metadata(metadata))))
    return f"{metadata[KEY].decode()}-{digest[:16]}"


def open_split(decided: pa.RecordBatch, key: str, scored: str | None) -> pa.RecordBatch:
    """Return annotations, scores and decisions side by side, with the images of the rows under way read again."""
    annotations = with_scores(fragments.read(decided.schema.metadata[ABOUT].decode()), decided.schema.metadata[KEY].decode(), scored)
    both = set_columns(annotations, {name: decided.column(name) for name in DECISION.names}, DECISION)
    metadata = {**decided.schema.metadata, KEY: key.encode()}
    batch = set_columns(both, without_twins(both)).replace_schema_metadata(metadata)
    return set_columns(batch, {c.IMAGE.name: _images(batch)})


def _images(batch: pa.RecordBatch) -> pa.Array:
    """Return the column of images, filled for the rows under way."""
    mask = under_way(batch)
    images: list[bytes | None] = [None] * len(batch)
    names: list[str | None] = [None] * len(batch)
    for row, data, name in images_of(batch, mask, batch.schema.metadata[ABOUT].decode()):
        images[row], names[row] = data, name
    return pa.StructArray.from_arrays(
        [pa.array(images, pa.binary()), pa.array(names, pa.string())], fields=list(c.IMAGE_TYPE), mask=pa.array(~mask)
    )


def write_fragment(batch: pa.RecordBatch, folder: str) -> str:
    """Commit ``batch``: every row with its exit, the image only where it is kept. Returns its key."""
    mask = under_way(batch)
    image = batch.column(c.IMAGE.name)
    image = image if mask.all() else pc.call_function("if_else", [pa.array(mask), image, pa.scalar(None, c.IMAGE_TYPE)])
    exits = pc.call_function("if_else", [pa.array(mask), pa.scalar(KEPT), batch.column(c.EXIT.name)])
    kept_bytes = pc.call_function("sum", [pc.call_function("binary_length", [image.field("bytes")])]).as_py() or 0
    metadata = {**batch.schema.metadata, KEPT_BYTES: str(kept_bytes).encode()}
    key = metadata.pop(KEY).decode()
    del metadata[ABOUT]
    batch = batch.drop_columns([c.IMAGE_EMBEDDING.name])
    done = conform(set_columns(batch, {c.IMAGE.name: image, c.EXIT.name: exits}), FRAGMENT).replace_schema_metadata(metadata)
    fragments.write(folder, key, done)
    return key
