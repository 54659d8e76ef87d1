"""The parts of the dashboard that need no server: distances of distributions, what is held, what DuckDB may read, labels."""

import bisect
import math
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.dashboard_ledger import write
from jobs.dashboard import drift, pictures, store
from jobs.dashboard.comparison import funnels, metrics
from jobs.dashboard.prometheus import escaped
from jobs.dashboard.refusals import Missing
from jobs.dashboard.runs import open_run
from pipelines.report.cards import TEXTS, card
from pipelines.spine.funnel import StepCount
from tests import images

COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=12)


def test_psi_is_what_it_is_by_hand():
    # Shares .2 .3 .5 and .4 .4 .2: (.2 ln 2) + (.1 ln 4/3) + (-.3 ln .4) = 0.138629 + 0.028768 + 0.274887.
    assert drift.psi([20, 30, 50], [8, 8, 4]) == pytest.approx(0.442285, abs=1e-6)
    assert drift.psi([1, 0], [1, 1]) == pytest.approx((0.5 - 1) * math.log(0.5) + (0.5 - 1e-4) * math.log(0.5 / 1e-4))
    assert drift.psi([5, 5], [70, 70]) == 0
    assert drift.psi([0, 0], [1, 2]) == 0


@given(COUNTS, st.randoms(use_true_random=False))
def test_psi_is_symmetric_never_negative_and_blind_to_size(a: list[int], rng):
    b = rng.sample(a, len(a))
    assert drift.psi(a, b) == pytest.approx(drift.psi(b, a))
    assert drift.psi(a, b) >= 0
    assert drift.psi(a, [7 * n for n in a]) == pytest.approx(0, abs=1e-12)


def test_ks_is_what_it_is_by_hand():
    # Distribution functions .2 .5 1 and .4 .8 1.
    assert drift.ks([20, 30, 50], [8, 8, 4]) == pytest.approx(0.3)
    assert drift.ks([1, 0, 0], [0, 0, 9]) == 1
    assert drift.ks([0], [5]) == 0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_ks_of_bins_that_tell_all_values_apart_is_that_of_the_values(a: list[int], b: list[int]):
    def share(values: list[int], at: int) -> float:
        return bisect.bisect_right(sorted(values), at) / len(values)

    expected = max(abs(share(a, at) - share(b, at)) for at in range(10))
    assert drift.ks([a.count(n) for n in range(10)], [b.count(n) for n in range(10)]) == pytest.approx(expected)


@given(st.lists(st.integers(-20, 20), max_size=60), st.sets(st.integers(-15, 15)), st.sets(st.integers(-15, 15)))
def test_bins_on_common_edges_count_the_same_values(values: list[int], a: set[int], b: set[int]):
    def binned(edges: list[int]) -> list[int]:
        return [sum(bisect.bisect_right(edges, value) == n for value in values) for n in range(len(edges) + 1)]

    common = drift.common(sorted(a), sorted(b))
    assert common == sorted(a & b)
    assert drift.rebinned(sorted(a), binned(sorted(a)), common) == binned(common)
    with pytest.raises(ValueError, match="expected"):
        drift.rebinned([1, 2], [3, 4], [1])


def bar(name: str, edges: list[float], kept: list[int], left: list[int], side: str = "min") -> dict:
    return {
        "name": name,
        "title": name.upper(),
        "side": side,
        "edges": edges,
        "kept": kept,
        "left_here": left,
        "left_later": [1] * len(kept),
    }


def test_measurements_of_two_reports_are_held_by_their_common_edges_the_furthest_first():
    a = {
        "bars": [bar("x", [0, 1, 2], [0, 5, 5, 0], [1, 1, 1, 1]), bar("y", [0, 1], [1, 1, 1], [0, 0, 0]), bar("only", [0], [1, 1], [0, 0])]
    }
    b = {"bars": [bar("x", [0, 1.5, 2], [9, 0, 0, 0], [1, 1, 1, 1]), bar("y", [0, 1], [1, 1, 1], [0, 0, 0])]}
    for report in (a, b):
        report["bars"] += [bar("far", [len(report["bars"])], [1, 1], [0, 0])]
        report["distributions"] = [{"name": "z", "title": "Z", "edges": [1], "kept": [1, 2], "left": [3, 4]}]
    found = metrics(a, b)
    assert [(told["name"], told["title"]) for told in found] == [("x", "X"), ("y", "Y"), ("z", "Z")]
    x = found[0]
    assert (x["a"], x["b"]) == ({"edges": [0, 1, 2], "rows": [2, 7, 7, 2]}, {"edges": [0, 1.5, 2], "rows": [11, 2, 2, 2]})
    assert (x["psi"], x["ks"]) == (pytest.approx(drift.psi([2, 14, 2], [11, 4, 2])), pytest.approx(drift.ks([2, 14, 2], [11, 4, 2])))
    assert [(told["psi"], told["ks"]) for told in found[1:]] == [(0, 0), (0, 0)]
    assert metrics({"bars": [bar("x", [0], [1, 1], [0, 0])]}, {"bars": [bar("x", [0], [1, 1], [0, 0], "max")]}) == []


def test_the_steps_of_two_funnels_stand_side_by_side_in_order():
    a = [StepCount("read", 9, 8), StepCount("mine", 8, 7), StepCount("last", 7, 6)]
    b = [StepCount("read", 5, 5), StepCount("theirs", 5, 4), StepCount("last", 4, 3), StepCount("after", 3, 3)]
    found = [(row["step"], row["a_entered"], row["a_kept"], row["b_entered"], row["b_kept"]) for row in funnels(a, b)]
    assert found == [
        ("read", 9, 8, 5, 5),
        ("mine", 8, 7, None, None),
        ("theirs", None, None, 5, 4),
        ("last", 7, 6, 4, 3),
        ("after", None, None, 3, 3),
    ]


def test_what_is_held_stays_within_its_bytes_and_the_oldest_goes_first():
    held = pictures.Held(10)
    for key in "abc":
        held.put(key, b"1234")
    assert [held.get(key) for key in "abc"] == [None, b"1234", b"1234"]
    assert held.get("b") is not None
    held.put("d", b"1234")
    assert [held.get(key) for key in "bcd"] == [b"1234", None, b"1234"]
    held.put("d", b"12")
    held.put("e", b"1234")
    assert [held.get(key) for key in "bde"] == [b"1234", b"12", b"1234"]
    held.put("large", b"x" * 11)
    assert [held.get(key) for key in ("b", "d", "e", "large")] == [None] * 4


def test_what_is_no_image_or_a_bomb_has_no_thumbnail():
    for data in (b"", images.html(), images.truncated(), images.bomb_png()):
        with pytest.raises(Missing):
            pictures.small(data, 64)


@pytest.mark.parametrize("text", ["", "plain", 'a "b"', "a\\b", "a\nb", '\\"\n\\n', "größe ☃"])
def test_a_label_comes_back_as_it_was_from_prometheus_own_parser(text: str):
    (family,) = text_string_to_metric_families(f'# TYPE x gauge\nx{{a="{escaped(text)}"}} 1\n')
    assert family.samples[0].labels == {"a": text}


def test_marks_stand_in_code_points_whatever_their_case_and_never_overlap():
    names = ("sample_id", "step", "reason", "value", "threshold", "error", "width", "height", "merged_into", "source_member")
    row = dict.fromkeys(names) | {"split_id": "s", "row": 1, "exit": "kept", "source_path": "/a/b.jpg"}
    row |= {"alt_text": "😀 Old Town, old town of RIGA (a+b)"}
    row |= {"names_kept": ["riga", "(a+b)", "Old Town, old"], "names_lost": ["old town", "nowhere"]}
    (text,) = card(row, TEXTS["pair"])["texts"]
    assert [(text["text"][mark["start"] : mark["end"]], mark["kind"]) for mark in text["marks"]] == [
        ("Old Town, old", "kept"),
        ("RIGA", "kept"),
        ("(a+b)", "kept"),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to '{out}/x.csv'",
        "attach '{out}/x.db'",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set lock_configuration = false",
        "install httpfs",
        "load httpfs",
        "select * from read_parquet('https://127.0.0.1:1/x.parquet')",
    ],
)
def test_duckdb_itself_reads_the_runs_and_nothing_else(tmp_path: Path, sql: str):
    run, scratch, out = tmp_path / "it's a run" / "captions" / "one", tmp_path / "scratch", tmp_path / "out"
    write(run, 20)
    scratch.mkdir()
    out.mkdir()
    with store.opened([str(run)], [str(run)], str(scratch)) as found:
        store.warm(found)
        opened = open_run(str(run))
        rows = store.parquet(opened.files())
        assert found.query(f"select count(*) as n from {rows.sql}", rows.values) == [{"n": 20}]
        with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException, duckdb.IOException)):
            found.query(sql.format(out=out), {})
    assert list(out.iterdir()) == []
