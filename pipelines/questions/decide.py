"""*Decide*: equal questions are merged and languages held to their shares; what crosses a shuffle is ids, places and verdicts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsList, PCollection

from filters.duplicates import EXACT_DUPLICATE, Place
from filters.shares import LanguageShares
from pipelines.pairs import near_partitions
from pipelines.pairs.duplicates import verdicts
from pipelines.readers.splits import Split
from pipelines.spine.coder import from_ipc
from pipelines.spine.steps import merge_step, run_step, under_way
from schemas import columns as c
from schemas.batches import strings, take_rows

MERGE = "Merge equal questions"
SHARE = "Hold languages to their shares"
VERDICTS, MERGES, SPLITS = "verdicts", "merges", "splits"


def merge_equal(judged: PCollection[pa.RecordBatch], schema: pa.Schema) -> PCollection[pa.RecordBatch]:
    """Merge questions with the same words and pictures into the first; the result is the decisions on each split."""
    merges = (
        judged
        | "Name each question by its content" >> beam.FlatMap(_named).with_output_types(tuple[str, tuple[str, int]])
        | "Bring equal questions together" >> beam.GroupByKey()
        | "Choose the first" >> beam.FlatMap(_merged).with_output_types(tuple[str, tuple[int, tuple[str, int]]])
    )
    told = judged | "Keep the verdicts alone" >> beam.Map(verdicts, schema).with_output_types(tuple[str, bytes])
    joined: Any = (
        {VERDICTS: told, MERGES: merges}
        | "Bring the merges to their splits" >> beam.CoGroupByKey()
        | MERGE >> beam.Map(_join).with_output_types(pa.RecordBatch)
    )
    return joined


def beside_splits(decided: PCollection[pa.RecordBatch], splits: PCollection[Split]) -> PCollection[tuple[Split, pa.RecordBatch]]:
    """Bring the decisions back to the splits that they are about, which are read again."""
    told = decided | "Name the decisions" >> beam.Map(near_partitions.verdicts).with_output_types(tuple[str, bytes])
    keyed = splits | "Name the splits" >> beam.Map(_by_id).with_output_types(tuple[str, Split])
    both: Any = (
        {VERDICTS: told, SPLITS: keyed}
        | "Bring the decisions back to their splits" >> beam.CoGroupByKey()
        | "Open the decisions" >> beam.Map(_beside).with_output_types(tuple[Split, pa.RecordBatch])
    )
    return both


def hold_shares(decided: PCollection[pa.RecordBatch], shares: LanguageShares, seed: int) -> PCollection[pa.RecordBatch]:
    """Drop questions of the languages of which there are too many, by a draw that every rerun repeats."""
    counts: Any = (
        decided
        | "Count the languages" >> beam.FlatMap(_languages).with_output_types(tuple[str, int])
        | "Sum them" >> beam.CombinePerKey(sum)
    )
    held: Any = decided | SHARE >> beam.Map(_share, shares, seed, AsList(counts)).with_output_types(pa.RecordBatch)
    return held


def _by_id(split: Split) -> tuple[str, Split]:
    return split.split_id, split


def _named(batch: pa.RecordBatch) -> Iterator[tuple[str, tuple[str, int]]]:
    live = take_rows(batch.select([c.SAMPLE_ID.name, c.SPLIT_ID.name, c.ROW.name]), under_way(batch))
    for sample_id, split_id, row in zip(*(column.to_pylist() for column in live.columns), strict=True):
        yield sample_id, (split_id, row)


def _merged(group: tuple[str, Iterable[tuple[str, int]]]) -> Iterator[tuple[str, tuple[int, tuple[str, int]]]]:
    """Yield, under its split, what each member but the first is merged into; the group is streamed twice."""
    _, places = group
    first = min(places)
    for split_id, row in places:
        if (split_id, row) != first:
            yield split_id, (row, first)


def _join(split: tuple[str, Mapping[str, Iterable[Any]]]) -> pa.RecordBatch:
    _, found = split
    (told,) = found[VERDICTS]
    batch = from_ipc(told)
    into = {row: Place(*first)._asdict() for row, first in found[MERGES]}
    return merge_step(batch, MERGE, EXACT_DUPLICATE, pa.array([into.get(row) for row in range(len(batch))], c.PLACE_TYPE))


def _beside(split: tuple[str, Mapping[str, Iterable[Any]]]) -> tuple[Split, pa.RecordBatch]:
    _, found = split
    (told,), (cut,) = found[VERDICTS], found[SPLITS]
    return cut, from_ipc(told)


def _languages(batch: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    yield from Counter(strings(take_rows(batch, under_way(batch)).column(c.LANGUAGE.name))).items()


def _share(batch: pa.RecordBatch, shares: LanguageShares, seed: int, counts: Sequence[tuple[str, int]]) -> pa.RecordBatch:
    return run_step(batch, SHARE, partial(shares, counts=dict(counts), seed=seed))
