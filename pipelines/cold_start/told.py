"""What the report of a cold start counts."""

from pipelines.cold_start.job import Job
from pipelines.cold_start.solve import ROLLOUTS
from pipelines.questions import told
from pipelines.questions.grade import GRADED
from pipelines.report.telling import Telling

RULES = "Drop questions that nothing can be made of"
BAND = "Drop questions that the base model finds too easy or too hard"


def telling(job: Job) -> Telling:
    """Return what is told of a run of ``job``."""
    graded = {GRADED: job.rewards} if job.base else {}
    bars = told.bars(RULES, job.questions) + (told.band(BAND, job.band) if job.base else [])
    return told.telling(job.output.seed, bars, {ROLLOUTS: job.rewards, **graded})
