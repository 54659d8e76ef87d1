"""The report of a run: as its files hold it or, while it goes on, counted of what is committed."""

import json
from collections.abc import Mapping
from typing import Any

from jobs.dashboard import going
from jobs.dashboard.refusals import Missing
from jobs.dashboard.runs import Opened
from pipelines.report import page
from pipelines.report.files import DATA, REPORT
from pipelines.spine import storage

Report = Mapping[str, Any]


def report(index: int, run: Opened) -> Report:
    """Return the report of ``run`` with its pictures; raises ``Missing`` where somebody has removed it."""
    path = storage.join(run.folder, REPORT)
    if not run.is_complete:
        return going.report(index, run)
    if not storage.exists(path):
        raise Missing(f"{path} is gone: the run was written with it; its samples can be browsed all the same")
    return page.embedded(storage.read(path))


def numbers(index: int, run: Opened) -> Report | None:
    """Return the numbers of ``run``; None where somebody has removed them."""
    path = storage.join(run.folder, DATA)
    if run.is_complete:
        return json.loads(storage.read(path)) if storage.exists(path) else None
    return going.report(index, run)
