"""SFT samples from chosen rollouts: the messages that a trainer reads, in the tags of either style (paper 4)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from schemas import columns as c
from schemas import questions as q
from schemas.batches import draw, from_rows
from schemas.response import NOTHINK, Response, Style, parse, render, without_thinking


@dataclass(frozen=True, slots=True)
class ToMessages:
    """Turns chosen rollouts into training samples."""

    version: ClassVar[int] = 1

    written_in: Style = "glm41v"
    """Tags that the rollouts were written in."""
    nothink_share: float = 0.2
    """Share of the samples that have a twin with ``/nothink`` and an empty thought (ours; the paper gives none)."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.nothink_share <= 1:
            raise ValueError(f"nothink_share is a share, expected 0 to 1, found {self.nothink_share}")

    def __call__(self, batch: pa.RecordBatch, style: Style) -> pa.RecordBatch:
        """Return the samples of kept rollouts in ``style``, each beside the columns of its question; a twin follows its sample."""
        rows = batch.to_pylist()
        twins = draw(self.seed, [f"{row[c.SAMPLE_ID.name]}:{row[q.MODEL.name]}:{row[q.ROLLOUT.name]}" for row in rows])
        samples = [s for row, drawn in zip(rows, twins, strict=True) for s in self._samples(row, style, drawn < self.nothink_share)]
        return from_rows(samples, q.SFT)

    def _samples(self, row: Mapping[str, Any], style: Style, has_twin: bool) -> Iterator[dict[str, Any]]:
        response = _parsed(row[q.RESPONSE.name], self.written_in)
        about = {field.name: row[field.name] for field in q.SFT if field.name in row}
        about |= {q.DATA_SOURCE.name: row[c.CORPUS.name], q.STYLE.name: style}
        prompt, answer = row[q.PROMPT.name], render(response.thinking, response.answer, style)
        yield {**about, q.MESSAGES.name: messages_of(prompt, answer, self.written_in), q.MODE.name: q.THINKING_MODE}
        if has_twin:
            asked, answer = asked_not_to_think(prompt), without_thinking(response, style)
            yield {**about, q.MESSAGES.name: messages_of(asked, answer, self.written_in), q.MODE.name: q.NOTHINK_MODE}


def _parsed(text: str, style: Style) -> Response:
    found = parse(text, style)
    if isinstance(found, Response):
        return found
    raise ValueError(f"a rollout that was kept is no response in {style}: {found.reason} at {found.at} of {text!r:.200}")


def messages_of(prompt: Sequence[Mapping[str, str]], response: str, written_in: Style) -> list[dict[str, str]]:
    """Return the turns of ``prompt`` and ``response``; of earlier answers the thought goes, as a chat template takes it out (paper 4)."""
    return [*({"role": t["role"], "content": _without_thought(t, written_in)} for t in prompt), {"role": "assistant", "content": response}]


def asked_not_to_think(prompt: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return ``prompt`` with ``/nothink`` at the end of its last turn (paper 4)."""
    *before, last = ({"role": turn["role"], "content": turn["content"]} for turn in prompt)
    return [*before, {**last, "content": last["content"] + NOTHINK}]


def _without_thought(turn: Mapping[str, str], written_in: Style) -> str:
    if turn["role"] != "assistant":
        return turn["content"]
    found = parse(turn["content"], written_in)
    return found.answer if isinstance(found, Response) else turn["content"]
