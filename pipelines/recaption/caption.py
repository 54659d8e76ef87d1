"""The part of *take* that is of captions: write them, and judge them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step
from schemas import columns as c
from schemas.exits import Verdict
from schemas.protocols import Captioner
from synth.mix import Mix
from synth.recaption import Recaption

CAPTION = "Rewrite the alt text with the captioner"
MIX = "Choose between the alt text and the caption"


class CaptionerBackend(Protocol):
    """A frozen, hashable object that makes the captioner inside a worker."""

    def load(self) -> Captioner:
        """Return the captioner, ready."""
        ...


@dataclass(frozen=True)
class CaptionStep:
    """Sends the rows under way through the captioner of this worker."""

    recaption: Recaption
    backend: CaptionerBackend

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with captions; the captioner is loaded at the first batch that needs one."""
        return run_step(batch, CAPTION, lambda rows: self.recaption(rows, captioner=loaded(self.backend)))


@dataclass(frozen=True)
class JudgeCaptions:
    """Sends the captioned rows through one rule on captions; a row whose alt text is good may outlive its caption."""

    sentence: str
    rule: Callable[[pa.RecordBatch], Verdict]
    mix: Mix

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the exits of the captions that break the rule, or with their ``caption_fault``."""
        return run_step(batch, self.sentence, lambda rows: self.mix.spare(self.rule(rows), fault_of(rows)))


def fault_of(rows: pa.RecordBatch) -> pa.Array:
    """Return for which fault each caption of ``rows`` was set aside already, null for none."""
    name = c.CAPTION_FAULT.name
    return rows.column(name) if name in rows.schema.names else pa.nulls(len(rows), pa.string())
