"""``look.html`` in a real browser: whatever a sample says stays text, and the page tells what the ledger tells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from pipelines.pairs.report import Pages
from pipelines.recaption.job import Job
from schemas.batches import from_rows
from schemas.records import LEDGER
from tests import images, jobs
from tests.scripted_server import Call, Reply, ScriptedServer, caption, completion

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
SHOWN = 24
HOSTILE = (
    "A harbour <script>alert(1)</script> at dusk",
    'A harbour "><img src=x onerror=alert(1)> at dusk',
    "A harbour </style><style>body{display:none}</style> at dusk",
    "A harbour' onload='alert(1) at dusk",
    "A harbour &lt;b&gt; &amp;amp; {{ 7 * 7 }} {% raw %} at dusk",
    "A harbour <!-- at dusk --> </li></ul><iframe src=//evil.example></iframe>",
    "夕暮れの港に停まる小さな船 🛥️ と <b>人</b>",
    "ميناء صغير عند الغروب <i>مع</i> قوارب \u202e نقلب",
    "A harbour \U0001f9d1\u200d\U0001f680 with flags \U0001f1eb\U0001f1ee at dusk",
)
ELEMENTS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "ul", "li", "div", "span", "img", "dl", "dt", "dd", "b"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "id", "class", "src", "alt", "dir"}


def hostile(number: int) -> str:
    return f"{HOSTILE[number % len(HOSTILE)]} no {number}"


def pool(folder: Path) -> Path:
    """Write 30 samples to keep, and 40 that leave, most of them for one reason."""
    kept = [images.sample(n, hostile(n)) for n in range(30)]
    small = [{"__key__": f"{n:09d}", "jpg": images.photo(n, (150, 120)), "txt": hostile(n)} for n in range(30, 60)]
    rare = {
        "elongated": images.photo(60, (900, 210)),
        "solid": images.solid((9, 80, 90), (900, 900)).ljust(9000, b"\0"),
        "cut": images.truncated(),
        "html": images.html(),
        "twin": images.photo(0),
        "empty": b"",
    }
    broken = [{"__key__": f"<b>{name}</b>", "jpg": data, "txt": hostile(n)} for n, (name, data) in enumerate(rare.items(), 60)]
    silent = [{"__key__": f"x{n}", "jpg": images.photo(n), "txt": text} for n, text in enumerate(("IMG_0001.jpg", "ab", "<b>"), 70)]
    judged = [images.sample(80 + n, f"{word} harbour with <u>boats</u> at dusk") for n, word in enumerate(JUDGED)]
    images.write_tar(folder / "pool.tar", [*kept, *small, *broken, *silent, *judged])
    return folder


JUDGED = {"Refused": "I'm sorry, I cannot <b>describe</b> this.", "Wordless": "", "Repeated": "so <b>it</b> goes and " * 40}


def answer(call: Call) -> Reply:
    """Caption with markup of its own behind the alt text's."""
    if call.alt_text is None:
        return completion("red")
    return completion(JUDGED.get(call.alt_text.split()[0], f"{caption(call)} </dd><script>alert(2)</script> 🏝️ قارب"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the same run made twice, into two folders."""
    folder = tmp_path_factory.mktemp("look")
    pool(folder / "pool")
    for output in (folder / "first", folder / "a-second-place"):
        with ScriptedServer(answer) as server:
            jobs.run(*jobs.flags_for(folder / "pool", output, server.endpoint, "--set=output.shard_mb=256"))
    return jobs.run_folder(folder / "first"), jobs.run_folder(folder / "a-second-place")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@dataclass
class Seen:
    """A page and all that it did while it was opened."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen(browser: Browser, runs: tuple[Path, Path]) -> Seen:
    found = Seen(browser.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    found.page.goto(runs[0].joinpath("look.html").as_uri(), wait_until="load")
    found.page.wait_for_function("[...document.images].every(image => image.complete)")
    return found


def cards(page: Page, heading: str) -> list[dict[str, str | None]]:
    """Return the texts of the cards below the heading with this id, by class."""
    return page.eval_on_selector_all(
        f"#{heading} ~ ul >> nth=0 >> li",
        """cards => cards.map(card => ({exit: card.className, ...Object.fromEntries(["alt-text", "caption", "reason", "source"].map(
               name => [name, card.querySelector("." + name)?.textContent ?? null]))}))""",
    )


def ledger(run: Path) -> dict[str, dict]:
    """Return the ledger by what a card says of the source."""
    names = "alt_text", "caption", "exit", "reason", "value", "threshold"
    lines = jobs.query(run, f"select 'pool.tar/' || source_member, {', '.join(names)} from ledger")
    return {source: dict(zip(names, rest, strict=True)) for source, *rest in lines}


def test_the_page_reaches_for_nothing_and_complains_of_nothing(seen: Seen):
    assert [url[:80] for url in seen.requests if not url.startswith(("file://", "data:"))] == []
    assert sum(url.startswith("file://") for url in seen.requests) == 1
    assert seen.complaints == []


def test_no_text_of_a_sample_becomes_an_element(seen: Seen):
    tags = set(seen.page.evaluate("[...document.querySelectorAll('*')].map(e => e.localName)"))
    assert tags <= ELEMENTS - {"b"}
    attributes = set(seen.page.evaluate("[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"))
    assert attributes <= ATTRIBUTES
    assert seen.page.locator("style").count() == 1
    assert seen.page.locator("img").count() <= 2 * SHOWN
    assert (
        seen.page.evaluate("[...document.querySelectorAll('dt, dd, h1, h2, p')].filter(e => e.querySelector('img, ul, li, dl')).length")
        == 0
    )


def test_alt_texts_and_captions_are_shown_letter_for_letter(seen: Seen, runs: tuple[Path, Path]):
    told = ledger(runs[0])
    shown = cards(seen.page, "kept") + cards(seen.page, "left")
    for card in shown:
        line = told[str(card["source"])]
        assert card["exit"] == line["exit"]
        assert card["alt-text"] == (line["alt_text"] or "(none)")
        assert card["caption"] == ("(empty)" if line["caption"] == "" else line["caption"])
    texts = {card["alt-text"] for card in shown}
    assert {text for n, text in enumerate(HOSTILE) if not any(f"{text} no {m}" in texts for m in range(n, 70, len(HOSTILE)))} == set()
    assert any("<script>alert(2)</script>" in (card["caption"] or "") for card in shown)


def test_there_are_as_many_cards_as_the_ledger_has_rows_and_the_page_has_room(seen: Seen, runs: tuple[Path, Path]):
    exits = [line["exit"] for line in ledger(runs[0]).values()]
    kept, left = exits.count("kept"), len(exits) - exits.count("kept")
    assert kept > SHOWN
    assert left > SHOWN
    assert len(cards(seen.page, "kept")) == SHOWN
    assert len(cards(seen.page, "left")) == SHOWN
    assert seen.page.locator("ul").count() == 2
    assert {card["exit"] for card in cards(seen.page, "kept")} == {"kept"}
    assert "kept" not in {card["exit"] for card in cards(seen.page, "left")}


def test_every_image_that_is_shown_is_an_image_and_every_kept_sample_has_one(seen: Seen):
    kept = seen.page.evaluate("[...document.querySelectorAll('li.kept')].map(card => card.querySelector('img')?.naturalWidth ?? 0)")
    assert len(kept) == SHOWN
    assert min(kept) > 0
    assert min(seen.page.evaluate("[...document.images].map(image => image.naturalWidth)")) > 0


def test_every_card_that_left_says_why_with_the_numbers_that_decided(seen: Seen, runs: tuple[Path, Path]):
    told = ledger(runs[0])
    for card in cards(seen.page, "left"):
        line, why = told[str(card["source"])], str(card["reason"])
        assert why.startswith(line["reason"])
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", why)][:2]
        if line["value"] is not None:
            assert numbers == pytest.approx([line["value"], line["threshold"]], rel=1e-3)


def test_every_reason_of_the_ledger_is_seen(seen: Seen, runs: tuple[Path, Path]):
    reasons = {line["reason"] for line in ledger(runs[0]).values()} - {None}
    assert 10 < len(reasons) <= SHOWN
    assert {reason for reason in reasons if not any(str(card["reason"]).startswith(reason) for card in cards(seen.page, "left"))} == set()


def test_the_page_is_the_same_wherever_the_run_lies(runs: tuple[Path, Path]):
    first, second = (run.joinpath("look.html").read_bytes() for run in runs)
    assert first == second
    assert str(runs[0].parent.parent).encode() not in first


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_runs_out_of_the_page(browser: Browser, runs: tuple[Path, Path], scheme: str, width: int):
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    page.goto(runs[0].joinpath("look.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


MEASURED = (
    {
        "clip_score": 0.3127, "caption_clip_score": 0.2799, "clip_model": "ViT-B-32/openai", "echo": False,
        "names_lost": ["Fra <b>Lippi</b>"], "names_added": ["Degas", "</dd><script>alert(3)</script>"], "words_seen": ["夕暮れ", "boat"],
    },
    {"clip_score": -0.02, "clip_model": "conse", "names_lost": [], "names_added": [], "words_added": [], "words_seen": None, "echo": True},
    {},
)  # fmt: skip
NOTES = [
    ["alt text fits 0.3127 by ViT-B-32/openai", "caption fits 0.2799 by ViT-B-32/openai", "names lost Fra <b>Lippi</b>",
     "names added Degas, </dd><script>alert(3)</script>", "words seen 夕暮れ, boat"],
    ["alt text fits -0.0200 by conse", "echo adds no word"],
    [],
]  # fmt: skip


def test_a_card_tells_in_small_print_what_was_measured_where_there_is_anything(browser: Browser, tmp_path: Path):
    place = {"split_id": "0" * 32, "corpus": "c", "source_license": "x", "source_path": "/none", "source_offset": 0, "source_bytes": 1}
    rows = [{**place, "row": n, "alt_text": f"sample {n}", "exit": "kept", **more} for n, more in enumerate(MEASURED)]
    (tmp_path / "ledger").mkdir()
    pq.write_table(pa.Table.from_batches([from_rows(rows, LEDGER)]), tmp_path / "ledger" / "ledger-00000.parquet")
    (tmp_path / "look.html").write_text(Pages(Job(), "").look(str(tmp_path)), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "look.html").as_uri())
    assert page.locator("script").count() == 0
    shown = page.eval_on_selector_all(
        "li",
        "cards => cards.map(c => [c.querySelector('.alt-text').textContent, [...c.querySelectorAll('.note')].map(n => n.textContent)])",
    )
    assert sorted(shown) == [[f"sample {n}", notes] for n, notes in enumerate(NOTES)]
    sizes = page.evaluate("[...document.querySelectorAll('.note, .alt-text')].map(n => parseFloat(getComputedStyle(n).fontSize))")
    assert len(set(sizes)) == 2
    page.close()
