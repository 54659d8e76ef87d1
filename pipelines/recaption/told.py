"""What the report of a recaption run counts besides what every run over pairs does."""

from pipelines.pairs import told
from pipelines.pairs.rules import relevance
from pipelines.recaption.job import CAPTION_FIT, Job
from pipelines.report.telling import Telling
from schemas import columns as c


def telling(job: Job) -> Telling:
    """Return what is told of a run of ``job``.

    Where a sample may stay with its alt text when its caption is at fault, no threshold on captions decides alone, and none is told.
    """
    if job.embedder is None:
        return told.telling(job)
    rule = relevance(job.embedder, job.clip, c.CAPTION_CLIP_SCORE, "min_caption_score")
    fits = told.bar(rule.setting, "caption_clip_score", CAPTION_FIT, "irrelevant", "min", rule.threshold, ("no_score",))
    return told.telling(job, [] if job.mix.keep_original_of_dropped else [fits])
