"""The moves that every pipeline over questions makes, as Beam graphs: annotate, judge, open again."""

from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from pipelines.pairs.annotate import COMMITTED, ReadSplits, open_annotations
from pipelines.questions import annotate, take
from pipelines.questions.annotate import Annotator
from pipelines.questions.decide import beside_splits
from pipelines.questions.roll_out import Step
from pipelines.questions.source import READ, QuestionInput
from pipelines.readers import questions
from pipelines.readers.splits import Split
from pipelines.spine.steps import run_step


def annotate_splits(splits: PCollection[Split], asked: QuestionInput, annotator: Annotator, folder: str) -> PCollection[str]:
    """Read each split once and leave what was found in ``folder``; the result is the keys of the splits, all of them there."""
    reader = beam.ParDo(ReadSplits(folder, asked.corpus, asked.license, questions.read, READ))
    read: Any = splits | READ >> reader.with_output_types(pa.RecordBatch, committed=str).with_outputs(COMMITTED, main="batches")
    written = (
        read.batches
        | annotate.LOOK >> beam.Map(annotator).with_output_types(pa.RecordBatch)
        | "Write the annotations" >> beam.Map(annotate.write_annotations, folder).with_output_types(str)
    )
    return (written, read.committed) | "All annotated splits" >> beam.Flatten() | "Wait for their fragments" >> beam.Reshuffle()


def judge(annotated: PCollection[str], folder: str, steps: Sequence[Step]) -> PCollection[pa.RecordBatch]:
    """Hold the stored signals against the rules on questions."""
    judged: Any = annotated | "Open the annotations" >> beam.Map(open_annotations, folder).with_output_types(pa.RecordBatch)
    for sentence, rule in steps:
        judged = judged | sentence >> beam.Map(run_step, sentence, rule).with_output_types(pa.RecordBatch)
    return judged


def open_decided(decided: PCollection[pa.RecordBatch], splits: PCollection[Split], asked: QuestionInput, folder: str) -> Any:
    """Open again what is still under way, unless ``folder`` has it; outputs ``batches`` and ``committed``."""
    opener = beam.ParDo(take.OpenQuestions(folder, asked.corpus, asked.license))
    return beside_splits(decided, splits) | "Open the questions that go on" >> opener.with_output_types(
        pa.RecordBatch, committed=str
    ).with_outputs(COMMITTED, main="batches")
