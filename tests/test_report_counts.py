"""What a report counts, against counts that are made row by row in plain Python."""

import json
import math
from collections import Counter
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report.assemble import counted
from pipelines.report.declared import telling_of
from pipelines.report.measured import METRICS, PLANES
from pipelines.report.metrics import Bar, Told, binned, decades, steps
from pipelines.report.sketches import LABELS, Labels, Pick, Picks, Sketch, labelled
from pipelines.report.telling import Telling
from pipelines.spine import funnel
from schemas.batches import from_rows
from schemas.records import CURATED_LEDGER

ORDER = ("Read", "Drop small", "Drop elongated", "Merge")
BARS = (
    Bar("size.min_side", METRICS["shorter_side"], "Drop small", "too_small", "min", 200.0),
    Bar("size.max_aspect", METRICS["aspect"], "Drop small", "too_elongated", "max", 3.0, ("too_small",)),
    Bar("clip.min_score", METRICS["clip_score"], "Drop elongated", "irrelevant", "min", 0.27),
)
TELLING = Telling(
    {"ledger": Told(BARS, tuple(METRICS.values()), (("language", "Language"),), (PLANES["resolution"],))},
    seed=3,
)
EDGE_SCORES = [0.26, 0.27, 0.28, 0.2699, 0.2701, -0.5, 1.0]

row = st.fixed_dictionaries(
    {
        "width": st.one_of(st.none(), st.integers(1, 5000)),
        "height": st.integers(1, 5000),
        "clip_score": st.one_of(st.none(), st.sampled_from(EDGE_SCORES)),
        "language": st.sampled_from([None, "en", "zh"]),
        "alt_text": st.one_of(st.none(), st.text(max_size=30)),
        "left": st.sampled_from(
            [
                None, None, ("Read", "dead", "html"), ("Drop small", "dropped", "too_small"), ("Drop small", "dropped", "too_elongated"),
                ("Drop elongated", "dropped", "irrelevant"), ("Merge", "merged", "twin"),
            ]
        ),
    }
)  # fmt: skip


def line(number: int, found: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a ledger; one that is kept or merged, with the scores that it passed by."""
    step, door, reason = found["left"] or (None, "kept", None)
    place = {"split_id": f"{number % 7:032x}", "row": number, "corpus": "c", "source_path": "/pool/a.tar", "source_member": f"{number}.jpg"}
    told = {name: found[name] for name in ("width", "height", "clip_score", "language", "alt_text")}
    error = f"expected an image, found markup at byte {number}" if door == "dead" else None
    return {**place, **told, "sample_id": f"{number:032x}", "exit": door, "step": step, "reason": reason, "error": error}


def sketch(rows: list[dict[str, Any]], telling: Telling = TELLING) -> Sketch:
    return telling({"ledger": from_rows(rows, CURATED_LEDGER)}, {"ledger": ORDER}, Sketch())


def report(found: Sketch, rows: list[dict[str, Any]]) -> dict[str, Any]:
    exits = Counter((r["exit"], r["step"], r["reason"]) for r in rows)
    return counted(TELLING, found, {"ledger": funnel.recount(ORDER, exits)}, {"ledger": "Samples"})


def value_of(bar: str, r: dict[str, Any]) -> float | None:
    if bar == "clip.min_score":
        return r["clip_score"]
    if r["width"] is None:
        return None
    shorter, longer = sorted((r["width"], r["height"]))
    return shorter if bar == "size.min_side" else longer / max(shorter, 1)


def came_to(bar: Bar, r: dict[str, Any]) -> bool:
    """Whether a row met the bar: it was kept, left at a later step, or here for this reason or one that is asked later."""
    if r["exit"] == "kept":
        return True
    here, there = ORDER.index(bar.step), ORDER.index(r["step"])
    return there > here or (there == here and r["reason"] not in bar.before)


def leaves(bar: Bar, value: float, threshold: float) -> bool:
    return value < threshold if bar.side == "min" else value > threshold


def would_leave(told: dict[str, Any], threshold: float) -> int:
    """Return what the page says of another threshold: all rows in the bins beyond its edge."""
    at = told["edges"].index(threshold)
    rows = np.sum([told[door] for door in ("kept", "left_here", "left_later")], axis=0)
    return int(rows[: at + 1].sum() if told["side"] == "min" else rows[at + 1 :].sum())


@given(st.lists(row, min_size=1, max_size=40))
def test_a_threshold_moved_to_any_edge_lets_go_of_those_that_a_count_of_the_rows_finds(found: list[dict[str, Any]]):
    rows = [line(number, each) for number, each in enumerate(found)]
    told = {bar["name"]: bar for bar in report(sketch(rows), rows)["bars"]}
    for bar in BARS:
        met = [r for r in rows if came_to(bar, r)]
        values = [value for r in met if (value := value_of(bar.key, r)) is not None]
        values = [round(float(np.float32(v)), 4) if bar.key == "clip.min_score" else v for v in values]
        about = told[bar.key]
        assert about["unmeasured"] == len(met) - len(values)
        assert about["threshold"] in about["edges"]
        for edge in about["edges"]:
            assert would_leave(about, edge) == sum(leaves(bar, value, edge) for value in values)
        assert sum(about["left_here"]) == sum(
            (r["step"], r["reason"]) == (bar.step, bar.reason) and value_of(bar.key, r) is not None for r in met
        )
        assert sum(about["kept"]) == sum(r["exit"] == "kept" and value_of(bar.key, r) is not None for r in met)


@given(st.lists(row, min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4), st.randoms())
def test_no_cut_and_no_order_of_the_parts_changes_the_sum(found: list[dict[str, Any]], cuts: list[int], chance: Any):
    rows = [line(number, each) for number, each in enumerate(found)]
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    parts = [rows[first:last] for first, last in pairwise(edges)]
    chance.shuffle(parts)
    whole = sketch(rows)
    for parted in (
        reduce(add, [sketch(part) for part in parts]),
        reduce(lambda so_far, part: TELLING({"ledger": from_rows(part, CURATED_LEDGER)}, {"ledger": ORDER}, so_far), parts, Sketch()),
    ):
        assert report(parted, rows) == report(whole, rows)
        assert parted.picks == whole.picks


@given(st.lists(row, min_size=1, max_size=40))
def test_every_row_is_in_each_distribution_once(found: list[dict[str, Any]]):
    rows = [line(number, each) for number, each in enumerate(found)]
    numbers = report(sketch(rows), rows)
    for told in numbers["distributions"]:
        assert sum(told["kept"]) + told["missing"]["kept"] == sum(r["exit"] == "kept" for r in rows)
        assert sum(told["left"]) + told["missing"]["left"] == sum(r["exit"] != "kept" for r in rows)
    (languages,) = numbers["shares"]
    counts = Counter((r["language"] or "(none)", r["exit"] == "kept") for r in rows)
    assert {label: (kept, left) for label, kept, left in languages["values"]} == {
        label: (counts[label, True], counts[label, False]) for label, _ in counts
    }
    measured = [r for r in rows if r["width"] is not None]
    assert sum(kept + left for _, _, kept, left in numbers["planes"][0]["counts"]) == len(measured)
    dead = Counter(r["reason"] for r in rows if r["exit"] == "dead")
    assert [(d["reason"], d["error"], d["rows"]) for d in numbers["dead"]] == [
        (reason, "expected an image, found markup at byte #", n) for reason, n in dead.items()
    ]


@pytest.mark.parametrize("side", ["min", "max"])
def test_the_edge_itself_stays(side: Any):
    edges = (1.0, 2.0, 3.0)
    bins = binned(np.array([0.5, 1, 1.5, 2, 3, 9, math.nan]), edges, side).tolist()
    assert bins == ([0, 1, 1, 2, 3, 3, -1] if side == "min" else [0, 0, 1, 1, 2, 3, -1])


def test_edges_are_the_decimals_that_thresholds_are_written_in():
    assert 0.27 in steps(-0.2, 1, 0.01)
    assert steps(0, 1, 0.1) == tuple(round(n / 10, 1) for n in range(11))
    assert {10.0, 100.0, 1000.0} <= set(decades(10, 20_000))
    assert list(decades(1, 1000)) == sorted(set(decades(1, 1000)))
    for metric in METRICS.values():
        assert list(metric.edges) == sorted(set(metric.edges))


@given(st.lists(st.lists(st.integers(0, 3 * LABELS), max_size=600), max_size=4))
def test_no_shown_label_has_lost_a_row_to_the_others(parts: list[list[int]]):
    made = [labelled([f"label {n}" for n in part], np.ones((len(part), 1), np.int64)) for part in parts]
    whole = reduce(add, made, Labels())
    counts = Counter(f"label {n}" for part in parts for n in part)
    assert len(whole.of) == min(len(counts), LABELS)
    assert {label: int(sums[0]) for label, sums in whole.of.items()} == {label: counts[label] for label in whole.of}
    others = 0 if whole.others is None else int(whole.others[0])
    assert others + sum(counts[label] for label in whole.of) == sum(counts.values())


@given(st.lists(st.integers(0, 1000), unique=True), st.integers(1, 5), st.integers(0, 50))
def test_the_smallest_are_picked_and_only_they_are_read(orders: list[int], most: int, cut: int):
    read: list[int] = []

    def reading(number: int) -> dict[str, Any]:
        read.append(number)
        return {"number": number}

    keyed = [((float(order), f"place {order}"), order) for order in orders]
    found = Picks(most).with_rows(keyed[:cut], reading).with_rows(keyed[cut:], reading)
    assert found == Picks(most, len(orders), tuple(Pick((float(n), f"place {n}"), {"number": n}) for n in sorted(orders)[:most]))
    assert len(read) <= 2 * most


def test_a_report_tells_what_it_was_counted_by():
    told = json.loads(json.dumps(TELLING.declared()))
    assert telling_of(told) == TELLING


def test_a_batch_without_rows_counts_nothing():
    empty = pa.RecordBatch.from_pylist([], CURATED_LEDGER)
    assert TELLING({"ledger": empty}, {"ledger": ORDER}, Sketch()) == Sketch()
