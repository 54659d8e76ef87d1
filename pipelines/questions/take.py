"""*Take*: open a split of questions again with its decisions and pictures, and commit it with every exit."""

from collections.abc import Iterator
from typing import Literal

import apache_beam as beam
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from apache_beam.pvalue import TaggedOutput

from pipelines.pairs import take as pairs
from pipelines.pairs.annotate import ABOUT, COMMITTED, KEY
from pipelines.readers import questions
from pipelines.readers.splits import Split
from pipelines.spine import forgotten, fragments
from pipelines.spine.steps import under_way
from schemas import columns as c
from schemas import questions as q
from schemas.batches import set_columns
from schemas.exits import EnvironmentFault


class OpenQuestions(beam.DoFn):
    """Yields each split with what was found, what was decided, and the prompts and pictures of what is still under way.

    Its key covers the decisions, so that a split is done again when one of them changes and skipped when none did.
    """

    def __init__(self, folder: str, corpus: str, source_license: str) -> None:
        self._folder, self._corpus, self._license = folder, corpus, source_license

    def process(self, found: tuple[Split, pa.RecordBatch]) -> Iterator[pa.RecordBatch | TaggedOutput[Literal["committed"], str]]:
        """Open the split unless its fragment is there."""
        split, decided = found
        key = pairs.take_key(decided)
        if fragments.find(self._folder, key):
            yield TaggedOutput(COMMITTED, key)
        else:
            yield open_split(split, decided, key, self._corpus, self._license)


def open_split(split: Split, decided: pa.RecordBatch, key: str, corpus: str, source_license: str) -> pa.RecordBatch:
    """Return annotations and decisions side by side, with the rows under way read again.

    Raises ``EnvironmentFault`` where the source has changed since it was annotated.
    """
    annotations = fragments.read(decided.schema.metadata[ABOUT].decode())
    both = set_columns(annotations, dict(zip(decided.schema.names, decided.columns, strict=True)), decided.schema)
    both = both.replace_schema_metadata({**decided.schema.metadata, KEY: key.encode()})
    both = forgotten.take_down(both, forgotten.is_taken_down(both))  # annotations on disk may be older than the list
    mask = under_way(both)
    rows = questions.read(split, corpus, source_license)
    _refuse_changed(split, both, rows, mask)
    return set_columns(both, {field.name: pairs.where(mask, rows.column(field.name)) for field in (q.PROMPT, q.IMAGES, *q.BROUGHT)})


def write_fragment(batch: pa.RecordBatch, folder: str, schema: pa.Schema) -> str:
    """Commit ``batch`` and return its key: every question with its exit, prompt and pictures only where it is kept."""
    return pairs.write_fragment(batch, folder, schema, (q.PROMPT.name, q.IMAGES.name))


def _refuse_changed(split: Split, annotated: pa.RecordBatch, rows: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> None:
    was, now = annotated.column(c.SAMPLE_ID.name).to_pylist(), rows.column(c.SAMPLE_ID.name).to_pylist()
    changed = [row for row in np.flatnonzero(mask).tolist() if was[row] != now[row]]
    if changed:
        raise EnvironmentFault(
            f"{split.path} has changed since it was annotated: row {changed[0]} of split {split.split_id} is another question now; "
            "run the same command again"
        )
