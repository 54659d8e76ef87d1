"""The questions of a run: what its input names, and how that is cut into splits and read."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipelines.pairs.source import Source, refuse_places
from pipelines.readers import questions
from pipelines.readers.question_columns import QuestionColumns
from pipelines.readers.splits import Shard, Split
from pipelines.spine import storage
from pipelines.spine.commit import refuse_below_one
from pipelines.spine.config import ConfigError
from schemas.exits import EnvironmentFault

READ = "Read the questions and their images"
"""Sentence of the step, for ``annotate.ReadSplits(folder, corpus, license, questions.read, READ)``."""


@dataclass(frozen=True)
class QuestionInput:
    """What is read, and what is said of it."""

    path: str = ""
    """Questions as Parquet or lines of JSON: one file, a folder or a glob of them; local or `scheme://...`."""
    corpus: str = "questions"
    """Name of the corpus; part of every sample_id."""
    license: str = "unknown"
    """Licence of questions whose source states none."""
    limit: int | None = None
    """Take only the first so many questions."""
    split_samples: int = 512
    """Questions in a split at most (design)."""
    split_mb: int = 64
    """MiB of questions and images in a split at most (design)."""
    columns: QuestionColumns = field(default_factory=QuestionColumns)
    """Which columns, or keys, hold what."""

    def __post_init__(self) -> None:
        """Refuse sizes of nothing."""
        refuse_below_one(limit=self.limit, split_samples=self.split_samples, split_mb=self.split_mb)

    def cut(self, shard: Shard, plan: str) -> Iterable[Split]:  # noqa: ARG002  nothing of questions is kept in the plan
        """Cut ``shard``, which has questions."""
        return questions.cut(shard, self.split_samples, self.split_mb * 2**20, self.columns)


def open_questions(asked: QuestionInput, output: str, key: str = "input.path") -> Source:
    """List what ``asked`` names, for a run that writes below the folder ``output``.

    ``pairs.source.splits_of`` and ``first_splits`` cut it, ``readers.questions.read`` reads a split. Raises ``ConfigError`` without an
    input path, when nothing is found there, and when its Parquet lacks the columns.
    """
    refuse_places(asked.path, output, "FILE (Parquet or JSONL of questions, a folder or a glob of them)")
    asked = replace(asked, path=storage.absolute(asked.path))
    try:
        shards = tuple(questions.list_questions(asked.path))
    except ValueError as error:
        raise ConfigError(f"{key!r}: {error}") from error
    try:
        questions.refuse_columns(shards, asked.columns)
    except EnvironmentFault as error:
        raise ConfigError(f"'input.columns': {error}") from error
    return Source(asked, shards, storage.join(output, "plan"))
