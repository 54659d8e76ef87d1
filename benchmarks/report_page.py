"""How fast the page of a report is there: ``python -m benchmarks.report_page``.

A report whose first group has 2,000 cards, each with a thumbnail, against a plain page of as many bytes that holds the same images and
texts as markup, without a script, in turns, in Chromium without a network. Taken are the time from the start of navigation to the
event that ends it (``load`` of the plain page, ours when every card is in place) and to the first frame after that. The bar: within
2 seconds of the plain page.
"""

import argparse
import base64
import html
import io
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from pipelines.report.page import library, render

CHROMIUM = "/usr/bin/chromium"
BAR = 2.0
"""Seconds (ours)."""

FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))))"
READY = "Number(document.documentElement.dataset.ready) || performance.getEntriesByType('navigation')[0].loadEventEnd"


def thumbnail(seed: int) -> str:
    """Return a picture of large soft patches, 160 pixels wide, as a data address."""
    patches = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(patches).resize((160, 120), Image.Resampling.BICUBIC).save(file, "WEBP", quality=60)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def card(number: int) -> dict[str, Any]:
    """Return a kept sample with a thumbnail, a box, two texts and a note."""
    nothing: dict[str, Any] = dict.fromkeys(("step", "reason", "value", "threshold", "error", "into"))
    texts = (
        ("alt_text", f"Harbour no {number} at dusk, with small boats"),
        ("caption", f"Small boats lie still in harbour no {number} at dusk."),
    )
    return {
        **nothing,
        "place": f"{number:032x}:{number}",
        "sample_id": f"{number:064x}",
        "exit": "kept",
        "source": f"pool-{number // 100:05d}.tar/{number:09d}",
        "thumbnail": thumbnail(number),
        "width": 640,
        "height": 480,
        "boxes": [{"x1": 60, "y1": 60, "x2": 320, "y2": 240, "label": "boat", "kind": "truth"}],
        "texts": [{"name": name, "text": text, "marks": [], "is_long": False} for name, text in texts],
        "notes": [["alt text fits", "0.3127 by ViT-B-32/openai"]],
    }


def report(cards: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a report of one step and one group, of ``cards``."""
    kept = len(cards)
    step: dict[str, Any] = {"step": "Read", "entered": kept, "kept": kept, "dropped": {}, "merged": {}, "dead": {}}
    names = ("pipeline", "run_id", "corpus", "license", "input", "code", "config")
    run = {**dict.fromkeys(names, "bench"), "passes": [], "models": [], "seconds": None, "started": None, "is_complete": True}
    nothing: dict[str, Any] = {name: [] for name in ("bars", "distributions", "shares", "planes", "dead")}
    return {
        **nothing,
        "version": 1,
        "run": run,
        "exits": {"kept": kept, "dropped": 0, "merged": 0, "dead": 0},
        "funnels": [{"name": "samples", "title": "Samples", "steps": [step]}],
        "spent": {},
        "serving": {},
        "clusters": {"sizes": None, "largest": [], "sampled": []},
        "concepts": None,
        "reasoning": None,
        "gallery": [{"name": "kept", "title": "Kept", "kind": "kept", "step": None, "reason": None, "rows": kept, "cards": cards}],
    }


def plain(cards: list[dict[str, Any]], size: int) -> bytes:
    """Return a page of ``size`` bytes with the same images and texts, and nothing to run."""
    texts = ("".join(f"<p>{html.escape(text['text'])}</p>" for text in card["texts"]) for card in cards)
    body = "".join(f'<article><img src="{one["thumbnail"]}" alt="">{text}</article>' for one, text in zip(cards, texts, strict=True))
    page = f"<!doctype html><meta charset=utf-8><title>plain</title><style>article{{float:left;width:15rem}}</style>{body}<!--{{}}-->"
    return page.replace("{}", "x" * max(0, size - len(page.encode()) + 2)).encode()


def opened(browser: Browser, path: Path) -> tuple[float, float]:
    """Return the seconds until the page at ``path`` says that it is ready, and until it has been drawn after that."""
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    drawn = page.evaluate(FRAME)
    ready = page.evaluate(READY)
    context.close()
    return ready / 1000, drawn / 1000


def told(name: str, runs: list[tuple[float, float]]) -> tuple[float, float]:
    """Print the medians of ``runs`` and return them."""
    ready, drawn = (statistics.median(values) for values in zip(*runs, strict=True))
    print(f"{name}: ready after {ready:.2f} s, drawn after {drawn:.2f} s (medians of {len(runs)})")
    return ready, drawn


def main() -> None:
    """Open both pages in turns and print their times, the differences and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    cards = [card(number) for number in range(options.cards)]
    ours = render(report(cards), library())
    pages: Mapping[str, bytes] = {"plain page": plain(cards, len(ours)), "report": ours}
    print(f"{options.cards:,} cards; " + ", ".join(f"{name} {len(page) / 1e6:.1f} MB" for name, page in pages.items()))
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name, page in pages.items():
            (Path(folder) / f"{name}.html").write_bytes(page)
        for _ in range(options.rounds):
            for name in pages:
                runs[name].append(opened(browser, Path(folder) / f"{name}.html"))
        browser.close()
    (bare_ready, bare_drawn), (ready, drawn) = (told(name, made) for name, made in runs.items())
    print(
        f"report beyond the plain page: ready {ready - bare_ready:+.2f} s, drawn {drawn - bare_drawn:+.2f} s (bar: {BAR:g}), "
        f"{drawn / bare_drawn:.2f} times as long"
    )


if __name__ == "__main__":
    main()
