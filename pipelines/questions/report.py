"""The report of a finished run over questions."""

from typing import Protocol

from filters.decode import Decoder
from pipelines.questions.models import Models
from pipelines.questions.source import QuestionInput
from pipelines.report.files import Report
from pipelines.report.pictures import FromTables
from pipelines.report.telling import Telling
from pipelines.spine.config import resolved
from pipelines.spine.finished import Finished


class QuestionJob(Protocol):  # each section is documented by its own class
    """The sections that every job over questions has."""

    # ruff: noqa: D102

    @property
    def input(self) -> QuestionInput: ...
    @property
    def decode(self) -> Decoder: ...
    @property
    def models(self) -> Models: ...


def report(job: QuestionJob, telling: Telling, run: Finished, tables: tuple[str, ...]) -> dict[str, bytes]:
    """Return the files of the report of ``run``; ``tables`` hold the pictures of the kept questions, in the order of looking."""
    models = tuple((role, spec.name) for role, spec in sorted(job.models.items()))
    about, seen = job.input, FromTables(run.run, tables)
    sections = about.corpus, about.license, about.path, resolved(job), job.decode.max_pixels
    return Report(telling, "question", *sections, models, seen)(run)
