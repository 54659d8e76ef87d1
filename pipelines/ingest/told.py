"""What the report of an ingest run counts: what addresses came to, and the images that came."""

from pipelines.ingest.job import Job
from pipelines.report.measured import METRICS, PLANES
from pipelines.report.metrics import Told
from pipelines.report.telling import Telling
from schemas import columns as c

_COUNTED = ("shorter_side", "aspect", "source_bytes", "alt_text_chars", "alt_text_words", "attempts")
_LABELS = (
    (c.HTTP_STATUS.name, "Status of the last answer"),
    (c.CONTENT_TYPE.name, "What answers said of themselves"),
    (c.IMAGE_FORMAT.name, "Format of the image"),
    (c.OPTED_OUT.name, "Opted out by"),
    (c.SOURCE_LICENSE.name, "Licence"),
    (c.CORPUS.name, "Corpus"),
)


def telling(job: Job) -> Telling:
    """Return what is told of a run of ``job``."""
    return Telling({"ledger": Told((), tuple(METRICS[name] for name in _COUNTED), _LABELS, tuple(PLANES.values()))}, job.output.seed)
