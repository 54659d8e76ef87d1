"""The report of a run as its files hold it."""

import json
from collections.abc import Mapping
from typing import Any

from jobs.dashboard.refusals import Missing
from jobs.dashboard.runs import Opened
from pipelines.report import page
from pipelines.spine import storage

PAGE, NUMBERS = "report.html", "report.json"
Report = Mapping[str, Any]


def report(run: Opened) -> Report:
    """Return the report of ``run``: of its page, which has pictures too, else its numbers; raises ``Missing`` where it has neither."""
    if run.is_complete and storage.exists(path := storage.join(run.folder, PAGE)):
        return page.embedded(storage.read(path))
    found = numbers(run)
    return computed(run) if found is None else found


def numbers(run: Opened) -> Report | None:
    """Return the report of ``run`` without pictures, None where its folder has none."""
    path = storage.join(run.folder, NUMBERS)
    return json.loads(storage.read(path)) if run.is_complete and storage.exists(path) else None


def computed(run: Opened) -> Report:
    """Raise ``Missing``: the report of a run that has none would be computed of its rows here (``pipelines.report``), which is not done."""
    why = "it was made before there were reports" if run.is_complete else "it goes on, and its report is written when it is finished"
    raise Missing(f"{run.folder} has neither {PAGE} nor {NUMBERS}: {why}; its rows are below samples, histogram and columns")
