"""The page of a report for whoever reads it: by keyboard, by ear, in the dark, on a telephone, on paper."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import reported
from tests.opened import UNDRAWN, Seen, chromium, draw_all, show, watched

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


def test_the_keyboard_reaches_the_tabs_and_moves_the_slider(fresh: Seen, tmp_path: Path):
    page = show(fresh, tmp_path, REPORT)
    active = "document.activeElement.getAttribute('role') || document.activeElement.type || document.activeElement.className"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(active))
        if reached[-1] == "range" and reached.count("range") == 1:
            before = page.locator("output").first.inner_text()
            page.keyboard.press("ArrowRight")
            assert page.locator("output").first.inner_text() != before
        if reached[-1] == "tab":
            break
    assert reached[0] == "skip"
    assert reached.count("range") == 3
    assert reached[-1] == "tab"
    width = page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
    assert width >= 2
    for key, shown in (("ArrowDown", 1), ("End", 5), ("ArrowRight", 0), ("ArrowUp", 5), ("Home", 0)):
        page.keyboard.press(key)
        assert page.locator("[role=tabpanel]:not([hidden])").get_attribute("id") == f"group-{shown}"
        assert page.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "group-0"


def test_what_a_screen_reader_needs_is_there(fresh: Seen, tmp_path: Path):
    page = show(fresh, tmp_path, REPORT)
    assert page.evaluate("[...document.querySelectorAll('.chart')].filter(c => c.role !== 'img' || !c.ariaLabel).length") == 0
    assert page.evaluate("[...document.querySelectorAll('input, select')].filter(control => !control.labels.length).length") == 0
    assert page.evaluate("[...document.querySelectorAll('table')].filter(table => !table.caption?.textContent).length") == 0
    assert page.evaluate("[...document.querySelectorAll('.text')].filter(text => text.dir !== 'auto').length") == 0
    alone = "[...document.querySelectorAll('.chart')].filter(c => !c.closest('article, .funnel').querySelector('table')).length"
    assert page.evaluate(alone) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_nothing_runs_out_of_the_page_and_every_word_can_be_read(browser: Browser, tmp_path: Path, scheme: str, width: int):
    with watched(browser, color_scheme=scheme, viewport={"width": width, "height": 900}) as found:
        page = show(found, tmp_path, REPORT)
        draw_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in ("body", ".quiet", ".text", ".figure small", "nav a", "summary", "tr.reason th"):
            assert page.locator(selector).first.evaluate(CONTRAST) >= 4.5, selector
        assert found.complaints == []


CONTRAST = """element => {
    const light = (colour) => {
        const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => linear(part / 255));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
    };
    let ground = element;
    while (getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    const pair = [light(getComputedStyle(element).color), light(getComputedStyle(ground).backgroundColor)].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
}"""


def test_a_printed_page_has_every_group_chart_and_fold_open(fresh: Seen, tmp_path: Path):
    page = show(fresh, tmp_path, REPORT)
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector(UNDRAWN, state="detached")
    assert page.locator(".card:visible").count() == sum(len(group["cards"]) for group in REPORT["gallery"]) + 3
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("nav").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen")
    page.wait_for_selector("details[open]", state="detached")
    assert page.locator("[role=tabpanel]:visible").count() == 1
