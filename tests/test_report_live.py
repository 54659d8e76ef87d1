"""The page of a live server, against a server of fixed answers: runs to choose from, rows page by page, two runs side by side."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from pipelines.report.page import library, render
from tests import images, reported
from tests.opened import Seen, chromium, draw_all, watched

ROWS = 120
COLUMNS = [
    {"name": "clip_score", "type": "number", "doc": "Cosine of image and alt text.", "unit": "cosine"},
    {"name": "alt_text", "type": "text", "doc": "The alt text.", "unit": ""},
    {"name": "echo", "type": "bool", "doc": "Whether the caption adds nothing.", "unit": ""},
]
COMPARED = {
    "metrics": [
        {
            "name": name,
            "title": title,
            "psi": psi,
            "ks": 0.12,
            "a": {"edges": [0.0, 1.0, 2.0], "rows": [1, 20, 30, 4]},
            "b": {"edges": [0.0, 1.0], "rows": [0, 44, 12]},
        }
        for name, title, psi in (("clip", "Fit <b>", 0.31), ("words", "Words", 0.14), ("faces", "Faces", 0.002))
    ],
    "funnel": [
        {"step": "Read", "a_entered": 1000, "a_kept": 997, "b_entered": 1000, "b_kept": 990},
        {"step": "Only in B", "a_entered": None, "a_kept": None, "b_entered": 990, "b_kept": 412},
    ],
    "sets": {"both": 301, "only_a": 114, "only_b": 111},
}


def running(**more: Any) -> dict:
    """Return the report of a run that goes on: one step of two, no gallery yet."""
    report = reported.empty(run=reported.run(is_complete=False, run_id="running"))
    report["funnels"] = [reported.funnel("samples", "Samples", 40, [("Read", {"small": 10}, {}, {})])]
    return {**report, "exits": reported.exits(report["funnels"][0]), **more}


@dataclass
class Server:
    """What a live server answers, and what it was asked."""

    reports: list[dict] = field(default_factory=lambda: [reported.full(), running()])
    asked: list[str] = field(default_factory=list)
    broken: str = ""
    """A path that is answered with status 500."""
    address: str = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> Any:
        if path == "/api/runs":
            return [
                {"index": i, **{k: r["run"][k] for k in ("pipeline", "run_id", "corpus", "is_complete")}, "exits": r["exits"]}
                for i, r in enumerate(self.reports)
            ]
        if path == "/api/compare":
            return COMPARED
        _, _, _, index, what, *rest = path.split("/", 5)
        if what == "report":
            return self.reports[int(index)]
        if what == "columns":
            return COLUMNS
        if what == "histogram":
            return {"edges": [0.1, 0.2], "kept": [0, 7, 9], "left": [4, 2, 0]}
        if what == "sample":
            return {
                "place": unquote(rest[0]),
                "alt_text": "<img src=x onerror=alert(1)>",
                "names": ["Fra <b>"],
                "caption": None,
                "echo": True,
            }
        return samples(query)


def samples(query: dict[str, list[str]]) -> dict:
    offset, limit = int(query["offset"][0]), int(query["limit"][0])
    rows = ROWS if "where" not in query else 1
    cards = [reported.card(n, query.get("exit", ["kept"])[0], thumbnail=None) for n in range(offset, min(offset + limit, rows))]
    return {
        "rows": rows,
        "samples": [{**card, "image": f"/api/runs/0/image/{card['place']}" if n % 2 == 0 else None} for n, card in enumerate(cards)],
    }


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            address = urlsplit(self.path)
            if address.path == "/":
                return self.send(200, "text/html", render(None, library(), live=True))
            if server.broken and address.path.endswith(server.broken):
                return self.send(500, "text/plain", b"broken")
            if "/image/" in address.path:
                return self.send(200, "image/jpeg", images.photo(1))
            return self.send(200, "application/json", json.dumps(server.answer(address.path, parse_qs(address.query))).encode())

        def send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = Thread(target=http.serve_forever)
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_port}/"
    yield server
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as served:
        yield served


@pytest.fixture
def seen(browser: Browser, server: Server) -> Iterator[Seen]:
    with watched(browser, online=server.address) as found:
        found.page.clock.install()
        found.page.goto(server.address)
        found.page.wait_for_selector("#browse .card, #browse .alarm")
        yield found
        assert [url for url in found.requests if not url.startswith(server.address)] == []


def last(server: Server, what: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit([path for path in server.asked if what in path][-1]).query)


def test_the_views_of_a_run_are_those_of_its_report_and_another_run_can_be_chosen(seen: Seen, server: Server):
    page = seen.page
    assert page.locator("#run .figure b").all_text_contents() == [f"{n:,}" for n in server.reports[0]["exits"].values()]
    assert page.eval_on_selector_all("nav a", "links => links.map(link => link.textContent)")[-2:] == ["All rows", "Compare"]
    expect(page.locator(".live [role=status]")).to_have_text("This run has ended.")
    page.get_by_label("run", exact=True).select_option("1")
    expect(page.locator("#run .figure b").first).to_have_text("30")
    expect(page.locator(".live [role=status]")).to_contain_text("This run goes on")
    assert "goes on" in page.locator("h1").inner_text()
    assert page.url.endswith("?run=1")
    page.reload()
    expect(page.locator("#run .figure b").first).to_have_text("30")
    expect(page.locator("#compare .panel")).to_have_count(3)
    draw_all(page)
    assert seen.complaints == []


def test_a_run_that_goes_on_is_looked_at_every_five_seconds_until_it_has_ended(seen: Seen, server: Server):
    page = seen.page
    page.get_by_label("run", exact=True).select_option("1")
    expect(page.locator(".live [role=status]")).to_contain_text("every 5 seconds")
    before = len([path for path in server.asked if path == "/api/runs/1/report"])
    page.evaluate("document.querySelector('#run').mark = 'the same'")
    page.clock.run_for(4900)
    assert len([path for path in server.asked if path == "/api/runs/1/report"]) == before
    with page.expect_response("**/runs/1/report"):
        page.clock.run_for(200)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.querySelector('#run').mark") == "the same"
    server.reports[1] = running(exits={"kept": 31, "dropped": 9, "merged": 0, "dead": 0})
    server.reports[1]["run"]["is_complete"] = True
    with page.expect_response("**/runs/1/report"):
        page.clock.run_for(5000)
    expect(page.locator("#run .figure b").first).to_have_text("31")
    expect(page.get_by_role("alert")).to_contain_text("2 sums do not add up")
    expect(page.locator(".live [role=status]")).to_have_text("This run has ended.")
    asked = len(server.asked)
    page.clock.run_for(20_000)
    assert len(server.asked) == asked
    assert seen.complaints == []


def test_rows_are_filtered_sorted_and_paged_by_the_server(seen: Seen, server: Server):
    page, browse = seen.page, seen.page.locator("#browse")
    expect(browse.locator(".pager")).to_contain_text(f"1 to 50 of {ROWS} rows")
    assert browse.locator(".card").count() == 50
    assert last(server, "/samples") == {"descending": ["0"], "offset": ["0"], "limit": ["50"]}
    for shown, here in (("51 to 100", 50), ("101 to 120", 20)):
        browse.get_by_role("button", name="Next").click()
        expect(browse.locator(".pager")).to_contain_text(shown)
        assert browse.locator(".card").count() == here
    assert browse.get_by_role("button", name="Next").is_disabled()
    browse.get_by_label("exit", exact=True).select_option("dropped")
    browse.get_by_label("step", exact=True).select_option(reported.FUNNEL[5][0])
    browse.get_by_label("reason", exact=True).select_option("irrelevant")
    browse.get_by_label("sort by", exact=True).select_option("clip_score")
    browse.get_by_label("descending").check()
    expect(browse.locator(".pager")).to_contain_text("1 to 50")
    browse.locator("[name=column]").select_option("alt_text")
    assert browse.locator("[name=operator] option").all_text_contents() == ["contains", "=", "≠"]
    browse.locator("[name=column]").select_option("clip_score")
    browse.get_by_label("is", exact=True).select_option("lt")
    browse.get_by_label("value", exact=True).fill("0.2 & <b>: 夕")
    browse.get_by_role("button", name="Add filter").click()
    expect(browse.locator(".pager")).to_contain_text("1 to 1 of 1 rows")
    doors = {"exit": ["dropped"], "step": [reported.FUNNEL[5][0]], "reason": ["irrelevant"], "where": ["clip_score:lt:0.2 & <b>: 夕"]}
    assert last(server, "/samples") == {**doors, "sort": ["clip_score"], "descending": ["1"], "offset": ["0"], "limit": ["50"]}
    browse.get_by_role("button", name="Remove the filter").click()
    expect(browse.locator(".pager")).to_contain_text(f"of {ROWS} rows")
    browse.get_by_label("as a table").check()
    expect(browse.locator(".rows tbody tr")).to_have_count(50)
    assert page.evaluate("[...document.images].every(image => !image.src.includes('/api/') || image.src.endsWith('?side=256'))")
    assert seen.complaints == []


@pytest.mark.parametrize("by", ["button", "picture"])
def test_a_card_opens_every_column_of_its_row(seen: Seen, server: Server, by: str):
    card = seen.page.locator("#browse .card").first
    card.get_by_role("button").click() if by == "button" else card.locator("figure").click()
    dialog = seen.page.get_by_role("dialog")
    expect(dialog.locator("tbody tr")).to_have_count(5)
    told = dialog.locator("table").evaluate("table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))")
    place = reported.card(0)["place"]
    expected = {"place": place, "alt_text": "<img src=x onerror=alert(1)>", "names": '["Fra <b>"]', "caption": "null", "echo": "true"}
    assert dict(told) == expected
    assert [path for path in server.asked if "/sample/" in path] == [f"/api/runs/0/sample/{place}"]
    seen.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert seen.complaints == []


def test_any_number_of_the_ledger_has_a_distribution(seen: Seen, server: Server):
    browse = seen.page.locator("#browse")
    assert browse.get_by_label("distribution of").locator("option").all_text_contents() == ["choose a column", "clip score"]
    browse.get_by_label("distribution of").select_option("clip_score")
    expect(browse.locator(".panel details tbody tr")).to_have_count(3)
    assert last(server, "/histogram") == {"column": ["clip_score"], "bins": ["60"]}
    draw_all(seen.page)
    assert seen.complaints == []


def test_two_runs_stand_side_by_side_with_the_largest_drift_first(seen: Seen, server: Server):
    compare = seen.page.locator("#compare")
    expect(compare.locator(".panel")).to_have_count(3)
    tables = [
        table.evaluate("table => [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))")
        for table in compare.locator("table").all()
    ]
    assert [row[:2] for row in tables[0]] == [["both", "301"], ["only A", "114"], ["only B", "111"]]
    assert tables[1] == [["Fit <b>", "0.31", "shifted", "0.12"], ["Words", "0.14", "moved", "0.12"], ["Faces", "0.002", "steady", "0.12"]]
    assert tables[-1] == [["Read", "1,000", "997", "99.7 %", "1,000", "990", "99.0 %"], ["Only in B", "", "", "", "990", "412", "41.6 %"]]
    assert [[row[1] for row in table] for table in tables[2:4]] == [["1", "20", "30", "4"], ["44", "12"]]
    draw_all(seen.page)
    compare.get_by_label("run A", exact=True).select_option("1")
    with seen.page.expect_response("**/compare?a=1&b=0"):
        compare.get_by_label("run B", exact=True).select_option("0")
    assert seen.complaints == []


def test_a_server_that_fails_is_told_of_with_what_was_asked(seen: Seen, server: Server):
    server.broken = "/samples"
    seen.page.get_by_role("button", name="Next").click()
    expect(seen.page.locator("#browse .alarm")).to_contain_text(
        "expected an answer to /api/runs/0/samples?descending=0&offset=50&limit=50, got 500"
    )
    server.broken = ""
    seen.page.get_by_role("button", name="Next").click()
    expect(seen.page.locator("#browse .alarm")).to_have_count(0)
    assert all("500" in complaint for complaint in seen.complaints)
