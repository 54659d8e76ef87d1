"""The format filter: each labelled response leaves by its reason, and hostile text changes nothing but the verdict."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.response_format import ResponseFormat
from schemas import columns as c
from schemas import questions as q
from schemas.batches import from_rows
from schemas.exits import Verdict
from schemas.response import STYLES, Style

SCHEMA = pa.schema([q.RESPONSE, c.FINISH_REASON])
ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "labelled" / "responses" / "format.jsonl").read_text(encoding="utf-8").splitlines()
]
REASONS = sorted({row["reason"] for row in ROWS if row["reason"]})


def judged(rows: list[dict[str, Any]], style: Style, thinks: bool = True) -> Verdict:
    batch = from_rows([{"response": row["response"], "finish_reason": row.get("finish_reason")} for row in rows], SCHEMA)
    return ResponseFormat(style, thinks)(batch, verifiable=np.array([row.get("verifiable", True) for row in rows], np.bool_))


def rows_of(verdict: Verdict) -> list[tuple[Any, ...]]:
    added = [verdict.added[name].to_pylist() for name in sorted(verdict.added)]
    return list(zip(verdict.reason.to_pylist(), verdict.value.to_pylist(), verdict.threshold.to_pylist(), *added, strict=True))


def said(row: dict[str, Any]) -> str | None:
    return judged([row], row["style"], row.get("thinks", True)).reason.to_pylist()[0]


def test_the_labelled_set_holds_each_reason_in_both_styles_and_enough_of_them():
    assert len(ROWS) >= 120
    assert min(Counter(row["reason"] for row in ROWS).values()) >= 3
    assert all({row["style"] for row in ROWS if row["reason"] == reason} == set(STYLES) for reason in REASONS)


@pytest.mark.parametrize("reason", [None, *REASONS])
def test_every_labelled_response_leaves_by_its_reason(reason: str | None):
    found = [(row, said(row)) for row in ROWS]
    here = [name for row, name in found if row["reason"] == reason]
    right = [row["reason"] == reason for row, name in found if name == reason]
    print(f"| {reason or 'kept'} | {len(here)} | {sum(right) / len(right):.3f} | {here.count(reason) / len(here):.3f} |")
    assert [(row["kind"], row["response"], name) for row, name in found if (row["reason"] == reason) != (name == reason)] == []


@pytest.mark.parametrize(
    ("response", "thinking", "answer"),
    [
        ("<think> a \n</think>\n<answer> It is <|begin_of_box|> 42\n<|end_of_box|>. </answer>", "a", "42"),
        ("<think>a</think>\n<answer> no box </answer>", "a", "no box"),
        ("<think>a</think>\n<answer>text", None, None),
        (None, None, None),
    ],
)
def test_the_parts_are_added_without_outer_whitespace_and_null_where_it_cannot_be_read(response: str | None, thinking: str, answer: str):
    added = judged([{"response": response}], "glm41v").added
    assert (added["thinking"].to_pylist(), added["answer"].to_pylist()) == ([thinking], [answer])


def test_a_box_of_the_length_that_is_allowed_stays_and_one_character_more_leaves_with_its_length():
    rows = [{"response": f"<think>a</think><|begin_of_box|>{'x' * n}<|end_of_box|>"} for n in (4096, 4097)]
    assert [row[:3] for row in rows_of(judged(rows, "glm45v"))] == [(None, None, None), ("box_too_long", 4097, 4096)]


PIECES = st.lists(
    st.sampled_from(
        ["<think>", "</think>", "<answer>", "</answer>", "<|begin_of_box|>", "<|end_of_box|>", "a", " ", "\\boxed{", "<|user|>"]
    )
    | st.text(max_size=4),
    max_size=12,
).map("".join)
RESPONSES = st.fixed_dictionaries(
    {
        "response": st.none() | PIECES | st.sampled_from([row["response"] for row in ROWS]),
        "finish_reason": st.sampled_from([None, "stop", "length", "abort"]),
        "verifiable": st.booleans(),
    }
)


@pytest.mark.parametrize("style", STYLES)
@settings(deadline=None, max_examples=60)
@given(rows=st.lists(RESPONSES, max_size=6), turn=st.integers(0, 5))
def test_rows_are_judged_alone_in_any_order(style: Style, rows: list[dict[str, Any]], turn: int):
    alone = [rows_of(judged([row], style))[0] for row in rows]
    order = [*range(turn, len(rows)), *reversed(range(min(turn, len(rows))))]
    assert rows_of(judged(rows, style)) == alone
    assert rows_of(judged([rows[i] for i in order], style)) == [alone[i] for i in order]


HOSTILE = [
    "<think>",
    "</think>",
    "<answer>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<",
    "<|",
    "\\boxed",
    "\\boxed ",
    "\x00",
    "\udfff".encode("utf-8", "replace").decode(),
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("style", STYLES)
def test_a_hundred_kilobytes_of_one_piece_take_no_time(style: Style, piece: str):
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    reasons = judged([{"response": text}, {"response": f"<think>{text}"}, {"response": f"<think>a</think>{text}"}], style).reason
    assert time.process_time() - began < 1
    assert reasons.null_count == 0
