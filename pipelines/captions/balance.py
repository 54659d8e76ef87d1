"""Concept balance in two looks at the pool: count how often each concept stands in it, then draw each sample by those counts."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsSingleton, PCollection

from filters.concepts import ConceptBalance, Counts, count, coverage
from filters.vocabulary import VocabularySpec
from pipelines.pairs.near_partitions import Signals
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step, under_way
from schemas import columns as c
from schemas.batches import set_columns, take_rows
from schemas.exits import Verdict

BALANCE = "Thin out samples whose concepts are all common"
COVERAGE = "concepts.json"


def balance(
    merged: PCollection[pa.RecordBatch], rule: ConceptBalance, vocabulary: VocabularySpec, signals: Signals
) -> tuple[PCollection[pa.RecordBatch], PCollection[tuple[str, bytes]]]:
    """Thin out what is left; returns the decisions on each split, and a page of the run that tells what became of the concepts."""
    matched: Any = merged | "Open their alt texts" >> beam.Map(_with_texts, signals).with_output_types(pa.RecordBatch)
    before = _counted(matched, "before", vocabulary)
    solved: Any = before | "Solve the threshold" >> beam.Map(rule.solved).with_output_types(ConceptBalance)
    draw = beam.Map(Draw(vocabulary), rule=AsSingleton(solved), counts=AsSingleton(before))
    drawn: Any = matched | BALANCE >> draw.with_output_types(pa.RecordBatch)
    after = _counted(drawn, "after", vocabulary)
    page: Any = (
        merged.pipeline
        | "Name the page of the concepts" >> beam.Create([COVERAGE])
        | "Tell the coverage"
        >> beam.Map(_covered, rule=AsSingleton(solved), before=AsSingleton(before), after=AsSingleton(after)).with_output_types(
            tuple[str, bytes]
        )
    )
    return drawn | "Close their alt texts" >> beam.Map(_without_texts).with_output_types(pa.RecordBatch), page


@dataclass(frozen=True)
class Draw:
    """Sends the rows under way through the balance, given the counts over the whole pool."""

    vocabulary: VocabularySpec

    def __call__(self, batch: pa.RecordBatch, rule: ConceptBalance, counts: Counts) -> pa.RecordBatch:
        """Return ``batch`` with the exits of the samples that are thinned out."""
        return run_step(batch, BALANCE, lambda rows: self._judged(rows, rule, counts))

    def _judged(self, rows: pa.RecordBatch, rule: ConceptBalance, counts: Counts) -> Verdict:
        return rule(rows, vocabulary=loaded(self.vocabulary), counts=counts)


def _counted(batches: PCollection[pa.RecordBatch], when: str, vocabulary: VocabularySpec) -> PCollection[Counts]:
    counts: Any = (
        batches
        | f"Count the concepts {when}" >> beam.Map(_count, vocabulary).with_output_types(Counts)
        | f"Add up the concepts {when}" >> beam.CombineGlobally(_added_up, vocabulary).with_output_types(Counts)
    )
    return counts


def _count(batch: pa.RecordBatch, vocabulary: VocabularySpec) -> Counts:
    known = loaded(vocabulary)
    texts = take_rows(batch.select([c.ALT_TEXT.name]), under_way(batch)).column(0).to_pylist()
    return count(known.match(texts), len(known.entries))


def _added_up(counts: Iterable[Counts], vocabulary: VocabularySpec) -> Counts:
    total = count((), len(loaded(vocabulary).entries))
    for part in counts:
        total += part
    return total


def _covered(name: str, rule: ConceptBalance, before: Counts, after: Counts) -> tuple[str, bytes]:
    found = coverage(before, after, rule.threshold(before))
    return name, json.dumps(asdict(found), indent=1).encode() + b"\n"


def _with_texts(decided: pa.RecordBatch, signals: Signals) -> pa.RecordBatch:
    names = (c.ALT_TEXT.name, c.SAMPLE_ID.name)
    about = signals.of(decided, *names)
    return set_columns(decided, {name: about.column(name) for name in names})


def _without_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.drop_columns([c.ALT_TEXT.name, c.SAMPLE_ID.name])
