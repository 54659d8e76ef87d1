"""The page of a report that is out of the ordinary: nothing read, nearly nothing left, hardly an edge, a view that fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import reported
from tests.opened import Seen, chromium, draw_all, rows, show, watched

REPORT = reported.full()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Seen]:
    with watched(browser) as found:
        yield found
        assert found.complaints == []


@pytest.mark.parametrize("steps", [True, False])
def test_a_run_that_read_nothing_has_a_page(fresh: Seen, tmp_path: Path, steps: bool):
    report = reported.empty() if steps else reported.empty(funnels=[reported.funnel("samples", "Samples", 0, [])])
    page = show(fresh, tmp_path, report)
    assert page.eval_on_selector_all("main > section", "sections => sections.map(section => section.id)") == ["run", "funnel"]
    assert page.locator(".figure b").all_text_contents() == ["0"] * 4
    said = page.locator("#funnel [role=status]").inner_text()
    assert said.startswith("All sums add up" if steps else "No step has counted a row")


def test_a_share_that_is_nearly_none_or_all_is_not_called_so(fresh: Seen, tmp_path: Path):
    samples = reported.funnel("samples", "Samples", 100_000, [("Read", {"small": 3}, {}, {}), ("Decode", {}, {}, {})])
    page = show(fresh, tmp_path, reported.empty(funnels=[samples], exits=reported.exits(samples)))
    assert [row[4] for row in rows(page.locator("#funnel table"))] == ["> 99.9 %", "< 0.1 %", "100.0 %"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"edges": [], "kept": [0], "left_here": [0], "left_later": [0]}, "No value was measured"),
        ({"edges": [0.22], "kept": [0, 5], "left_here": [3, 0], "left_later": [0, 1]}, "3 of 21 rows would leave here"),
        (
            {"edges": [0.0, 0.22], "scale": "log", "kept": [0, 0, 5], "left_here": [0, 3, 0], "left_later": [0, 0, 1]},
            "3 of 21 rows would leave",
        ),
        (
            {"edges": [0.22, 9.0], "kept": [0, 0, 5], "left_here": [3, 1, 0], "left_later": [0, 0, 0]},
            "3 rows should have left here.*but 4 did",
        ),
    ],
)
def test_few_edges_are_enough_and_a_row_on_the_wrong_side_is_told_of(fresh: Seen, tmp_path: Path, change: dict, said: str):
    page = show(fresh, tmp_path, {**REPORT, "bars": [{**REPORT["bars"][0], **change}]})
    draw_all(page)
    assert re.search(said, page.locator("[data-bar]").inner_text(), re.DOTALL)


def test_a_view_that_cannot_be_drawn_does_not_take_the_others_with_it(browser: Browser, tmp_path: Path):
    with watched(browser) as found:
        page = show(found, tmp_path, {**REPORT, "dead": [None]})
        assert page.locator("main > section").count() == 12
        assert "could not be drawn" in page.locator("#dead").inner_text()
        assert len(found.complaints) == 1
