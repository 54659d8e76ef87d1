"""The report of a run, in a real browser: its counts are those of the ledger, and whatever a sample says stays text."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pipelines.report.page import embedded
from tests import curating, images, jobs, opened
from tests.scripted_server import Call, Reply, ScriptedServer, caption, completion

HOSTILE = (
    "A harbour <script>alert(1)</script> at dusk",
    'A harbour "><img src=x onerror=alert(1)> at dusk',
    "A harbour </style><style>body{display:none}</style> at dusk",
    "A harbour &lt;b&gt; &amp;amp; {{ 7 * 7 }} {% raw %} at dusk",
    "A harbour <!-- at dusk --> </li></ul><iframe src=//evil.example></iframe>",
    "夕暮れの港に停まる小さな船 🛥️ と <b>人</b>",
    "ميناء صغير عند الغروب <i>مع</i> قوارب \u202e نقلب",
)


def pool(folder: Path) -> Path:
    """Write 60 samples to keep, and 40 that leave for reasons of many kinds."""
    kept = [images.sample(n, f"{HOSTILE[n % len(HOSTILE)]} no {n}") for n in range(60)]
    small = [{"__key__": f"{n:09d}", "jpg": images.photo(n, (150, 120)), "txt": f"{HOSTILE[0]} no {n}"} for n in range(60, 90)]
    rare = {
        "elongated": images.photo(90, (900, 210)),
        "cut": images.truncated(),
        "html": images.html(),
        "twin": images.photo(0),
        "empty": b"",
    }
    broken = [{"__key__": f"<b>{name}</b>", "jpg": data, "txt": f"{HOSTILE[1]} no {n}"} for n, (name, data) in enumerate(rare.items(), 90)]
    silent = [{"__key__": f"x{n}", "jpg": images.photo(n), "txt": text} for n, text in enumerate(("IMG_0001.jpg", "ab"), 98)]
    images.write_tar(folder / "pool.tar", [*kept, *small, *broken, *silent])
    return folder


def answer(call: Call) -> Reply:
    """Caption with markup of its own behind the alt text's."""
    return completion(f"{caption(call)} </dd></script><script>alert(2)</script> 🏝️ قارب")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the same run made twice, by one process and by two."""
    folder = tmp_path_factory.mktemp("report")
    pool(folder / "pool")
    for output, workers in (("one", 1), ("two", 2)):
        with ScriptedServer(answer) as server:
            more = [f"--direct_num_workers={workers}", *(["--direct_running_mode=multi_processing"] if workers > 1 else [])]
            jobs.run(*jobs.flags_for(folder / "pool", folder / output, server.endpoint, *more))
    return jobs.run_folder(folder / "one"), jobs.run_folder(folder / "two")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def seen(browser: Browser, runs: tuple[Path, Path]) -> Iterator[opened.Seen]:
    with opened.watched(browser) as found:
        found.page.goto((runs[0] / "report.html").as_uri())
        found.page.wait_for_selector("html[data-ready]")
        yield found


def shown(run: Path) -> dict[str, Any]:
    return embedded((run / "report.html").read_bytes())


def ledger(run: Path) -> list[tuple]:
    return jobs.query(run, "select split_id || ':' || \"row\", exit, step, reason, alt_text, caption from ledger")


def test_the_page_reaches_for_nothing_and_complains_of_nothing(seen: opened.Seen):
    opened.draw_all(seen.page)
    assert [url for url in seen.requests if not url.startswith("file://")] == []
    assert len(seen.requests) == 1
    assert seen.complaints == []
    assert seen.page.locator(".alarm").count() == 0


def test_the_doors_and_the_steps_on_the_page_are_those_of_the_ledger(seen: opened.Seen, runs: tuple[Path, Path]):
    lines = ledger(runs[0])
    doors = Counter(door for _, door, *_ in lines)
    report = shown(runs[0])
    assert {door: n for door, n in report["exits"].items() if n} == dict(doors)
    steps = [(told["step"], door, told[door]) for told in report["funnels"][0]["steps"] for door in ("dropped", "merged", "dead")]
    reasons = {(step, door, reason): rows for step, door, found in steps for reason, rows in found.items()}
    assert reasons == Counter((step, door, reason) for _, door, step, reason, *_ in lines if door != "kept")
    text = seen.page.locator("[data-funnel=samples]").inner_text()
    for (_, _, reason), rows in reasons.items():
        assert reason in text
        assert f"{rows:,}" in text


def test_every_card_says_what_the_ledger_says_letter_for_letter(seen: opened.Seen, runs: tuple[Path, Path]):
    lines = {place: rest for place, *rest in ledger(runs[0])}
    report = shown(runs[0])
    told = [card for group in report["gallery"] for card in group["cards"]]
    for card in told:
        door, step, reason, alt_text, wrote = lines[card["place"]]
        assert (card["exit"], card["step"], card["reason"]) == (door, step, reason)
        texts = {text["name"]: text["text"] for text in card["texts"]}
        assert texts["alt text"] == (alt_text or "(none)")
        assert texts.get("caption") == wrote
    assert {reason for _, _, reason, *_ in lines.values()} <= {card["reason"] for card in told}
    on_page = seen.page.evaluate("[...document.querySelectorAll('.card [data-text] .text')].map(text => text.textContent)")
    assert {text for card in told[:40] for text in (t["text"] for t in card["texts"])} <= set(on_page)
    assert seen.page.locator("script").count() == 3
    assert seen.page.locator("iframe, .card script").count() == 0


def test_groups_count_all_rows_and_show_some_and_kept_ones_have_a_picture(runs: tuple[Path, Path]):
    lines = ledger(runs[0])
    groups = {group["title"]: group for group in shown(runs[0])["gallery"]}
    kept = sum(door == "kept" for _, door, *_ in lines)
    assert groups["Kept"]["rows"] == kept > len(groups["Kept"]["cards"]) == 48
    assert all(card["thumbnail"] for card in groups["Kept"]["cards"])
    assert groups["At random"]["rows"] == len(lines)
    assert groups["too_small"]["rows"] == 30 > len(groups["too_small"]["cards"]) == 12
    near = groups["image_size.min_side"]["cards"]
    assert {card["exit"] for card in near} <= {"kept", "dropped", "merged"}


def test_one_process_or_two_make_the_same_report_but_for_the_job_that_is_told(runs: tuple[Path, Path]):
    first, second = map(shown, runs)
    assert first.pop("run")["run_id"] == second.pop("run")["run_id"]
    for told in (first, second):  # how long answers took
        told["distributions"] = [found for found in told["distributions"] if found["name"] != "answer_seconds"]
        told["spent"].pop("answer_seconds")
        told["serving"] = {model: {**asked, "seconds": 0} for model, asked in told["serving"].items()}
    assert first == second


def test_report_json_holds_the_numbers_of_the_page_and_no_word_of_a_sample(runs: tuple[Path, Path]):
    numbers, page = json.loads((runs[0] / "report.json").read_text()), shown(runs[0])
    del numbers["declared"]
    assert {**page, "gallery": [], "clusters": {"sizes": None, "largest": [], "sampled": []}} == numbers
    assert "harbour" not in (runs[0] / "report.json").read_text().replace("harbours", "")


def slide(page: Page, key: str, threshold: float, edges: list[float]) -> str:
    panel = page.locator(f"[data-bar='{key}']")
    panel.locator("input[type=range]").fill(str(edges.index(threshold)))
    return panel.locator("output").inner_text()


def test_the_slider_says_what_the_job_comes_to_that_decides_again_at_that_threshold(browser: Browser, tmp_path: Path):
    curating.write(tmp_path / "pool")
    curating.run(*curating.flags_for(tmp_path / "pool", tmp_path / "out"))
    run = curating.run_folder(tmp_path / "out")
    (bar,) = [bar for bar in shown(run)["bars"] if bar["name"] == "image_size.min_side"]
    another = min(edge for edge in bar["edges"] if edge > 1.5 * bar["threshold"])
    with opened.watched(browser) as found:
        found.page.goto((run / "report.html").as_uri())
        found.page.wait_for_selector("html[data-ready]")
        said = slide(found.page, bar["name"], another, bar["edges"])
    curating.run(*curating.flags_for(tmp_path / "pool", tmp_path / "out"), f"--set=image_size.min_side={int(another)}")
    (again,) = {path.parent for path in (tmp_path / "out").glob("captions/*/manifest.json")} - {run}
    (step,) = [step for step in json.loads((again / "funnel.json").read_text()) if step["step"] == bar["step"]]
    dropped = step["dropped"]["too_small"]
    assert dropped > sum(bar["left_here"])
    assert f"{dropped:,}" in said.split("(")[0]
