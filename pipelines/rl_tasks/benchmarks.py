"""The benchmarks that no task may come from: question files like any other, read once by each worker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.contamination import Benchmarks, Entry, index
from filters.decode import Decoder
from filters.models.embedder import EmbedderSpec
from pipelines.pairs.source import Source, first_splits
from pipelines.questions.annotate import Annotator, question_of
from pipelines.questions.source import QuestionInput, open_questions
from pipelines.readers import questions
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import start
from schemas import columns as c
from schemas import questions as q
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure


@dataclass(frozen=True)
class BenchmarkSpec:
    """The questions of benchmarks: a manifest, in the form that ``input`` takes."""

    version: ClassVar[int] = 1

    path: str = ""
    """Parquet or lines of JSON, a folder or a glob of them; the name of the file is that of the benchmark."""
    source: Source | None = None
    """What lies there, as the launcher listed it."""
    run: int = 13
    """Words of a shared run (``filters.contamination.Contamination.run``)."""
    decoder: Decoder = field(default_factory=Decoder)
    embedder: EmbedderSpec | None = None

    @property
    def identity(self) -> Any:
        """What the manifest is by its contents."""
        return [] if self.source is None else [self.source.identity, self.run, self.embedder]

    def load(self) -> Benchmarks:
        """Return what the questions are found by; raises ``EnvironmentFault`` where a benchmark has a row that cannot be read."""
        if self.source is None:
            return index([], self.run)
        found = list(_entries(self.source, Annotator(self.decoder, None)))
        entries = [entry for entry, _ in found]
        if self.embedder is None:
            return index(entries, self.run)
        pictures = [(number, image) for number, (_, images) in enumerate(found) for image in images]
        vectors = embedded(self.embedder, self.decoder, [image for _, image in pictures])
        return index(entries, self.run, vectors, [number for number, _ in pictures])


def listed(path: str, decoder: Decoder, embedder: EmbedderSpec | None, run: int, output: str) -> BenchmarkSpec:
    """Return the spec of the manifest at ``path``, empty for none; raises ``ConfigError`` where nothing is found there."""
    source = open_questions(QuestionInput(path=path, corpus="benchmarks"), output, "benchmarks") if path else None
    return BenchmarkSpec(path, source, run, decoder, embedder)


def embedded(embedder: EmbedderSpec, decoder: Decoder, images: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Return the unit vectors of ``images``, shape (n, d), rounded to 5 decimals; they have all been decoded before."""
    vectors = list(loaded(embedder).embed_encoded(images, lambda data: _pixels(decoder, data)))
    if any(isinstance(vector, Failure) for vector in vectors):
        raise EnvironmentFault("a picture that was decoded once cannot be decoded again: the files change while the job runs")
    return np.round(np.array(vectors, np.float32), 5) if vectors else np.zeros((0, 0), np.float32)


def _pixels(decoder: Decoder, data: bytes) -> Any:
    decoded = decoder(data)
    return decoded if isinstance(decoded, Failure) else decoded.pixels


def _entries(source: Source, annotator: Annotator) -> Iterator[tuple[Entry, list[bytes]]]:
    for split in first_splits(source):
        rows = questions.read(split, "benchmarks", "unknown")
        _refuse_faults(split.path, rows)
        looked = annotator(start(rows.drop_columns([c.REASON.name, c.ERROR.name])))
        _refuse_faults(split.path, looked)
        name = split.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        for row in looked.to_pylist():
            text = " ".join([question_of(row[q.PROMPT.name]), *(row[q.CHOICES.name] or ())])
            number = f"{name}:{row[c.SOURCE_MEMBER.name] or row[c.ROW.name]}"
            images = [image["bytes"] for image in row[q.IMAGES.name] or ()]
            yield Entry(number, text, tuple(row[q.IMAGE_HASHES.name]), tuple(row[q.PICTURE_HASHES.name])), images


def _refuse_faults(path: str, rows: pa.RecordBatch) -> None:
    """Raise ``EnvironmentFault`` for a row that cannot be read: a benchmark that is read in part lets the rest through."""
    said = zip(rows.column(c.REASON.name).to_pylist(), rows.column(c.ERROR.name).to_pylist(), strict=True)
    fault = next(((reason, error) for reason, error in said if reason is not None), None)
    if fault:
        raise EnvironmentFault(f"{path} is a benchmark and cannot be read in full ({fault[0]}: {fault[1]}); mend it, or take it out")
