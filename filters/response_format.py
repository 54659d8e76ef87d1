"""The format of a response: what its tags, its box and its end must be before anybody reads it (paper 4 and 5.2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.finish import WHOLE, finish_rules
from filters.words import measured, where
from schemas import columns as c
from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge
from schemas.response import Fault, Response, Style, parse

_CONTROL_TOKEN = re.compile(
    r"<\|(?:user|assistant|system|observation|endoftext|im_start|im_end|eot_id|image|video|(?:begin|end)_of_(?:image|video|text|audio))\|>"
)
"""Tokens of the chat formats of GLM-4.1V, Qwen and Llama that no response holds: the next turn, the end of the text, an image (ours)."""
_LATEX_BOX = re.compile(r"\\boxed\s{0,9}\{")
_SAYS_SOMETHING = re.compile(r"\w")
_FAULTS = (
    "missing_think", "unclosed_tag", "wrong_style", "nested_tags", "duplicate_tags", "box_in_thinking", "text_outside_tags", "empty_answer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """Drops responses that are not in the style of their trainer. Reads ``response`` and ``finish_reason``."""

    version: ClassVar[int] = 1

    style: Style = "glm41v"
    """Which tags there are (paper 4)."""
    thinks: bool = True
    """Whether a thought is asked for; without one it has to be empty (paper 4: ``/nothink``)."""
    max_box_chars: int = 4096
    """Characters of the box at most (inspect_ai's limit on answers that are parsed)."""
    whole: tuple[str, ...] = WHOLE
    """Finish reasons, casefolded, of a whole response; every other is ``truncated``, ``content_filter`` or ``unknown_finish``."""

    def __call__(self, batch: pa.RecordBatch, *, verifiable: npt.NDArray[np.bool_]) -> Verdict:
        """Return for each row the first rule that its response breaks.

        ``verifiable``, shape (n,), says which questions have a truth: their answers need one box, all others none (paper 4 and 5.2).
        Adds ``thinking`` and ``answer`` (of the one box, or the whole answer), strings, null where the response cannot be read.
        """
        texts = strings(batch.column(q.RESPONSE.name))
        found = [parse(text, self.style) for text in texts]
        return judge(
            len(texts),
            *finish_rules(strings(batch.column(c.FINISH_REASON.name)), self.whole),
            Rule("control_token", where(_CONTROL_TOKEN.search, texts)),
            *(Rule(name, np.array([_fault(item) == name for item in found], np.bool_)) for name in _FAULTS),
            *self._rules([item if isinstance(item, Response) else None for item in found], verifiable),
            added=_parts(found),
        )

    def _rules(self, found: Sequence[Response | None], verifiable: npt.NDArray[np.bool_]) -> list[Rule]:
        """Return the rules on responses that could be read, in order; the others break none of them."""
        read = np.array([item is not None for item in found], np.bool_)
        thinks = where(_SAYS_SOMETHING.search, [item.thinking if item else "" for item in found])
        boxes = measured(lambda item: len(item.boxes) if item else 0, found)
        chars = measured(lambda item: max(map(len, item.boxes), default=0) if item else 0, found)
        return [
            Rule("empty_thinking", read & ~thinks & self.thinks),
            Rule("thinking_where_none_may_be", where(bool, [item.thinking if item else "" for item in found]) & (not self.thinks)),
            Rule("latex_boxed", where(_LATEX_BOX.search, [item.answer if item else "" for item in found])),
            Rule("box_where_none_may_be", ~verifiable & (boxes > 0), boxes, 0),
            Rule("no_box", read & verifiable & (boxes == 0), boxes, 1),
            Rule("several_boxes", boxes > 1, boxes, 1),
            Rule("empty_box", (boxes == 1) & (chars == 0)),
            Rule("box_too_long", chars > self.max_box_chars, chars, self.max_box_chars),
        ]


def _fault(found: Response | Fault) -> str | None:
    return found.reason if isinstance(found, Fault) else None


def _parts(found: Sequence[Response | Fault]) -> dict[str, pa.Array]:
    rows = [
        (item.thinking, item.boxes[0] if len(item.boxes) == 1 else item.answer) if isinstance(item, Response) else None for item in found
    ]
    return {field.name: pa.array([row and row[i] for row in rows], field.type) for i, field in enumerate((q.THINKING, q.ANSWER))}
