"""What is counted of questions and rollouts: who passed, who decided, what it cost."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.report.sketches import Labels, Name, Sums, labelled
from schemas import columns as c
from schemas import questions as q
from schemas.exits import KEPT
from synth.second_opinion import kind_of

OUTCOMES = ("right", "partial", "wrong", "undecided", "timeout")
TIERS = (*q.TIERS, "ungraded")
SPENT = ("requests", "prompt_tokens", "completion_tokens", "milliseconds")


def labels(table: str, batch: pa.RecordBatch) -> Iterator[tuple[Name, Labels]]:
    """Yield the counts by model, domain and judge that the columns of ``batch`` allow."""
    names = set(batch.schema.names)
    model = q.MODEL.name if q.MODEL.name in names else c.CAPTION_MODEL.name
    if {model, c.COMPLETION_TOKENS.name} <= names:
        yield from _served(table, _columns(batch, model, c.PROMPT_TOKENS, c.COMPLETION_TOKENS, c.ANSWER_SECONDS, c.FINISH_REASON))
    if {q.REWARD.name, q.REWARDED_BY.name, q.DOMAIN.name} <= names:
        yield ("verdicts", table), _verdicts(_columns(batch, q.DOMAIN, q.REWARDED_BY, q.REWARD, q.REWARD_REASON))
        if q.SECOND_OPINIONS.name in names:
            yield ("second", table), _second(_columns(batch, q.REWARDED_BY, q.REWARD, q.REWARD_REASON, q.SECOND_OPINIONS))
        forced = [found for found in batch.column(q.FORCED.name).to_pylist() if found]
        yield ("forced", table), labelled(forced, np.ones((len(forced), 1), np.int64))
    if q.PASSES.name in names:
        yield ("passes", table), _passes(_columns(batch, q.DOMAIN, q.PASSES))
        yield ("tiers", table), _tiers([row for *row, door in _columns(batch, q.DOMAIN, q.TIER, c.EXIT) if door == KEPT])
    if q.HOPELESS.name in names:
        hopeless = [found for found in batch.column(q.HOPELESS.name).to_pylist() if found]
        yield ("hopeless", table), labelled(hopeless, np.ones((len(hopeless), 1), np.int64))


def _columns(batch: pa.RecordBatch, *fields: pa.Field | str) -> list[tuple[Any, ...]]:
    names = [field if isinstance(field, str) else field.name for field in fields]
    return list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))


def _served(table: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Name, Labels]]:
    """Yield what each model was asked; the requests of several answers share their tokens out among them."""
    asked = [row for row in rows if row[0] and row[2] is not None]
    spent = [[1, row[1] or 0, row[2], round(1000 * (row[3] or 0))] for row in asked]
    yield ("served", table), labelled([row[0] for row in asked], _array(spent, len(SPENT)))
    ends = [json.dumps([row[0], row[4] or "(none)"], ensure_ascii=False) for row in asked]
    yield ("finish", table), labelled(ends, np.ones((len(ends), 1), np.int64))


def _verdicts(rows: Sequence[tuple[Any, ...]]) -> Labels:
    told = [(domain, by or "(nobody)", outcome(reward, reason)) for domain, by, reward, reason in rows]
    counted = [[int(found == name) for name in OUTCOMES] for _, _, found in told]
    return labelled([json.dumps([domain, by], ensure_ascii=False) for domain, by, _ in told], _array(counted, len(OUTCOMES)))


def _second(rows: Sequence[tuple[Any, ...]]) -> Labels:
    """Return by both kinds of verifier and what the first said: rollouts by what the second said."""
    pairs = [(kind_of(by), outcome(reward, reason), also) for by, reward, reason, opinions in rows for also in opinions or ()]
    names = [json.dumps([first, kind_of(also["by"]), said]) for first, said, also in pairs]
    counted = [[int(outcome(also["reward"], also["reason"]) == name) for name in OUTCOMES] for *_, also in pairs]
    return labelled(names, _array(counted, len(OUTCOMES)))


def outcome(reward: float | None, reason: str | None) -> str:
    """Return which of ``OUTCOMES`` a verdict is."""
    if reward is None:
        return "timeout" if reason == "timeout" else "undecided"
    return "right" if reward >= 1 else "wrong" if reward <= 0 else "partial"


def _passes(rows: Sequence[tuple[Any, ...]]) -> Labels:
    """Return by domain and model: questions, rollouts, those that passed, and questions by pass rate: 0, then tenths up to 1."""
    told = [(domain, found) for domain, passes in rows for found in passes or () if found["n"]]
    names = [json.dumps([domain, found["model"]], ensure_ascii=False) for domain, found in told]
    counted: list[list[int]] = []
    for _, found in told:
        tenth = -(-10 * found["correct"] // found["n"])
        counted.append([1, found["n"], found["correct"], *(int(tenth == place) for place in range(11))])
    return labelled(names, _array(counted, 14))


def _tiers(rows: Sequence[Sequence[Any]]) -> Labels:
    counted = [[int((tier or TIERS[-1]) == name) for name in TIERS] for _, tier in rows]
    return labelled([domain or "(none)" for domain, _ in rows], _array(counted, len(TIERS)))


def _array(rows: Sequence[Sequence[int]], columns: int) -> Sums:
    return np.array(rows, np.int64).reshape(len(rows), columns)
