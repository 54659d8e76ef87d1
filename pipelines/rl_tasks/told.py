"""What the report of a run of RL tasks counts."""

from pipelines.questions import told
from pipelines.questions.grade import GRADED
from pipelines.report.telling import Telling
from pipelines.rl_tasks.job import Job

RULES = "Drop questions that nothing can be made of"


def telling(job: Job) -> Telling:
    """Return what is told of a run of ``job``."""
    return told.telling(job.output.seed, told.bars(RULES, job.questions), {GRADED: job.rewards})
