"""Pages in a real browser that may reach nothing, and all that they do while they are open."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Request, Route, sync_playwright

from pipelines.report.page import library, render

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
UNDRAWN = ".chart:not(:has(svg))"


@dataclass
class Seen:
    """A page, what it asked for, and what it or the browser complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        yield opened
        opened.close()


@contextmanager
def watched(browser: Browser, *, online: str = "", **options: Any) -> Iterator[Seen]:
    """Yield an empty page of a browser without a network, but for addresses that begin with ``online``."""
    context = browser.new_context(offline=not online, **options)

    def decide(route: Route, request: Request) -> None:
        found.requests.append(request.url)
        _ = route.continue_() if request.url.startswith(online or "file://") else route.abort()

    found = Seen(context.new_page())
    found.page.set_default_timeout(20_000)
    found.page.route(lambda url: not url.startswith("data:"), decide)
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield found
    context.close()


def show(seen: Seen, folder: Path, report: dict) -> Page:
    """Write the page of ``report`` and open it."""
    (folder / "report.html").write_bytes(render(report, library()))
    seen.page.goto((folder / "report.html").as_uri())
    seen.page.wait_for_selector("html[data-ready]")
    return seen.page


def draw_all(page: Page) -> None:
    """Bring each chart into view in turn, as a reader does who scrolls."""
    for place in range(page.locator(".chart").count()):
        page.locator(".chart").nth(place).scroll_into_view_if_needed()
    page.wait_for_selector(UNDRAWN, state="detached")
