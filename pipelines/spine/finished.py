"""What a run came to, as the pages of the run are told it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.report.sketches import Sketch
from pipelines.spine import funnel


@dataclass(frozen=True)
class Finished:
    """A run whose shards are written, and whose manifest is not."""

    run: str
    """Its folder."""
    identity: Mapping[str, Any]
    """What the manifest says of the run: its id, its pipeline, its passes, the commit of the code."""
    funnels: Mapping[str, funnel.Funnel]
    """By table: ``ledger`` first, then those of nested columns."""
    sketch: Sketch
    captions: Mapping[str, int]
    """Kept captions by what they add."""
    spent: Mapping[str, float]
    started: float | None = None
    """When the launch began, in seconds since 1970, UTC; null where nobody noted it."""
    further: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Files that the graph has computed, by name."""
    is_complete: bool = True

    @property
    def seconds(self) -> float | None:
        """Return the wall seconds since the launch."""
        return None if self.started is None else round(time.time() - self.started, 1)
