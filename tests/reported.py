"""A report with every section in it, made of raw values that are binned here, and of the worst texts that a sample may hold."""

import base64
import io
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from PIL import Image

HOSTILE = (
    "A harbour <img src=x onerror=alert(1)> at dusk",
    "A harbour </script><script>alert(2)</script> at dusk",
    "A harbour \u2028 at \u2029 dusk <!-- <script>",
    "ميناء صغير عند الغروب <i>مع</i> قوارب \u202e نقلب",
    "夕暮れの港に停まる小さな船 🛥️ と <b>人</b>",
    "A harbour' onload='alert(3) & &amp; {{ 7 * 7 }} javascript:alert(4)",
)
FUNNEL = (
    ("Read the images and their alt texts", {}, {}, {"empty_file": 2, "no_image": 1}),
    ("Decode each image once", {}, {}, {"truncated": 4, "html": 2}),
    ("Drop images that are too small or too elongated", {"too_small": 80, "too_elongated": 61}, {}, {}),
    ("Drop alt texts that say nothing", {"file_name": 12, "no_alt_text": 31, "<img src=x onerror=alert(9)>": 5}, {}, {}),
    ("Drop alt texts in other languages", {}, {}, {}),
    ("Drop alt texts that do not fit their image", {"irrelevant": 223}, {}, {}),
    ("Merge exact duplicates", {}, {"exact_duplicate": 70}, {}),
    ("Rewrite the alt text with the captioner", {}, {}, {"no_answer": 3}),
    ("Drop captions that break a fact of their alt text", {"name_changed": 40, "name_lost": 51}, {}, {}),
)
ROLLOUTS = (
    ("Ask the model", {}, {}, {"timeout": 7}),
    ("Hold each rollout to the format", {"no_answer": 33, "unclosed_thought": 21, "truncated": 40}, {}, {}),
    ("Judge the answer", {"wrong": 301}, {}, {}),
)


def funnel(name: str, title: str, entered: int, steps: Sequence[tuple[str, dict[str, int], dict[str, int], dict[str, int]]]) -> dict:
    told = []
    for step, dropped, merged, dead in steps:
        kept = entered - sum(dropped.values()) - sum(merged.values()) - sum(dead.values())
        told.append({"step": step, "entered": entered, "kept": kept, "dropped": dropped, "merged": merged, "dead": dead})
        entered = kept
    return {"name": name, "title": title, "steps": told}


def exits(told: dict) -> dict[str, int]:
    left = {door: sum(sum(step[door].values()) for step in told["steps"]) for door in ("dropped", "merged", "dead")}
    return {"kept": told["steps"][-1]["kept"], **left} if told["steps"] else {"kept": 0, **left}


def binned(values: Sequence[float], edges: Sequence[float], side: str = "min") -> list[int]:
    """Count ``values`` into m + 1 bins, closed below for "min" and above for "max"."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[(bisect_right if side == "min" else bisect_left)(edges, value)] += 1
    return counts


SCORES = {
    "clip.min_score": [round(random.Random(n).gauss(0.26, 0.05), 3) for n in range(1000)],
    "image.max_aspect": [round(1 + random.Random(5000 + n).expovariate(1.1), 2) for n in range(1000)],
    "image.min_pixels": [float(int(10 ** random.Random(9000 + n).gauss(5.2, 0.5))) for n in range(1000)],
}
"""The values of the rows that met each threshold, raw: what the page says of a slider is counted again from these."""


def bar(name: str, title: str, unit: str, side: str, threshold: float, scale: str, edges: list[float], step: str, reason: str) -> dict:
    edges = sorted({*edges, threshold})
    stays = [value >= threshold if side == "min" else value <= threshold for value in SCORES[name]]
    later = [n % 7 == 0 for n in range(len(stays))]
    piles = {
        "kept": [v for v, s, gone in zip(SCORES[name], stays, later, strict=True) if s and not gone],
        "left_here": [v for v, s in zip(SCORES[name], stays, strict=True) if not s],
        "left_later": [v for v, s, gone in zip(SCORES[name], stays, later, strict=True) if s and gone],
    }
    where = {"name": name, "title": title, "unit": unit, "of": "samples", "step": step, "reason": reason}
    rule = {"side": side, "threshold": threshold, "scale": scale, "edges": edges}
    return {**where, **rule, **{pile: binned(values, edges, side) for pile, values in piles.items()}, "unmeasured": 12}


def thumbnail(number: int, size: tuple[int, int] = (160, 120)) -> str:
    """Return a picture of two colours as a data address."""
    picture = Image.new("RGB", size, ((37 * number) % 200 + 30, (91 * number) % 200 + 30, (53 * number) % 200 + 30))
    picture.paste(((number * 7) % 255, 200, 120), (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=60)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def card(number: int, exit_: str = "kept", **more: Any) -> dict:
    """Return a card; one of an odd number has null wherever null may stand."""
    text = f"{HOSTILE[number % len(HOSTILE)]} no {number}"
    bare = {"thumbnail": None, "width": None, "height": None, "step": None, "reason": None, "value": None, "threshold": None}
    full = {
        "thumbnail": thumbnail(number),
        "width": 640,
        "height": 480,
        "step": FUNNEL[5][0] if exit_ != "kept" else None,
        "reason": "irrelevant" if exit_ != "kept" else None,
        "value": 0.18 + number / 1e4,
        "threshold": 0.2,
    }
    told = {
        "place": f"{number:032x}:{number}",
        "sample_id": f"{number:064x}",
        "exit": exit_,
        **(bare if number % 2 else full),
        "error": f"expected a JPEG, found {text}" if exit_ == "dead" else None,
        "into": f"{number + 1:032x}:{number + 1}" if exit_ == "merged" else None,
        "source": f"pool-<b>{number}</b>.tar/{number:09d}",
        "boxes": [],
        "texts": [{"name": "alt_text", "text": text, "marks": [], "is_long": False}],
        "notes": [["alt text fits", "0.3127 by ViT-B-32/<i>openai</i>"], ["names lost", "Fra <b>Lippi</b>"]],
    }
    return {**told, **more}


BOXED = {
    "thumbnail": thumbnail(4, (160, 120)),
    "width": 640,
    "height": 480,
    "boxes": [
        {"x1": 64, "y1": 48, "x2": 320, "y2": 240, "label": "boat <b>", "kind": "truth"},
        {"x1": 96, "y1": 72, "x2": 352, "y2": 288, "label": "boat", "kind": "answer"},
    ],
}
MARKED = "🛥️ Portrait by Fra Filippo Lippi, 夕暮れ, <b>oil</b>"
MARKS = [("kept", "Portrait"), ("lost", "Fra Filippo Lippi"), ("added", "<b>oil</b>")]


def marked() -> dict:
    marks = [{"start": MARKED.index(piece), "end": MARKED.index(piece) + len(piece), "kind": kind} for kind, piece in MARKS]
    return {"name": "caption", "text": MARKED, "marks": marks, "is_long": False}


def gallery() -> list[dict]:
    long = {"name": "thought", "text": "so it goes <b>and</b> 夕 " * 300, "marks": [], "is_long": True}
    kept = [card(0, **BOXED), card(2, texts=[*card(2)["texts"], marked(), long]), *(card(n) for n in range(3, 24))]
    left = [card(100 + n, "dropped") for n in range(8)]
    rest = [card(200, "dead"), card(201, "dead"), card(202, "merged")]
    group = {"step": None, "reason": None}
    near = {"step": FUNNEL[5][0], "reason": "irrelevant"}
    return [
        {"name": "kept", "title": "Kept", "kind": "kept", **group, "rows": 414, "cards": kept},
        {"name": "random", "title": "At random", "kind": "random", **group, "rows": 1000, "cards": [card(n) for n in range(30, 42)]},
        {
            "name": "near:clip",
            "title": "clip.min_score, near 0.2",
            "kind": "near",
            **near,
            "rows": 61,
            "cards": [card(n) for n in range(50, 56)],
        },
        {"name": "left:irrelevant", "title": "irrelevant", "kind": "left", **near, "rows": 223, "cards": left},
        {"name": "left:<b>", "title": "<img src=x onerror=alert(5)>", "kind": "left", **group, "rows": 3, "cards": rest},
        {"name": "left:none", "title": "none shown", "kind": "left", **group, "rows": 2, "cards": []},
    ]


def run(**more: Any) -> dict:
    told = {
        "pipeline": "recaption",
        "run_id": "5f1c0d9a",
        "corpus": "harbour <b>photos</b>",
        "license": "CC0",
        "input": "/pools/harbour/*.tar",
        "code": "eec2f54",
        "passes": ["annotate", "near", "caption"],
        "seconds": 4512.5,
        "started": "2026-11-25T18:53:11Z",
        "models": [["captioner", "Qwen2.5-Coder-1.5B"], ["embedder", "ViT-B-32/openai"]],
        "config": "input:\n  path: pool/*.tar\nclip:\n  min_score: 0.2 # </script>\n",
        "is_complete": True,
    }
    return {**told, **more}


def bars() -> list[dict]:
    linear = [round(0.1 + 0.005 * n, 3) for n in range(61)]
    aspects = [round(1 + 0.25 * n, 2) for n in range(20)]
    pixels = [float(round(10 ** (4 + n / 20))) for n in range(41)]
    small, relevance = FUNNEL[2][0], FUNNEL[5][0]
    return [
        bar("clip.min_score", "Alt text fits its image", "cosine", "min", 0.22, "linear", linear, relevance, "irrelevant"),
        bar("image.max_aspect", "Longer side to shorter", "", "max", 3.1, "linear", aspects, small, "too_elongated"),
        bar("image.min_pixels", "Size of the image", "pixels", "min", 40000.0, "log", pixels, small, "too_small"),
    ]


def distributions() -> list[dict]:
    lengths = [int(10 ** random.Random(n).gauss(1.2, 0.4)) for n in range(900)]
    edges = [float(2**n) for n in range(12)]
    told = {"name": "words", "title": "Words of the alt text", "unit": "words", "of": "samples", "scale": "log", "edges": edges}
    none = {"name": "faces", "title": "Faces", "unit": "", "of": "samples", "scale": "linear", "edges": [], "kept": [0], "left": [0]}
    return [
        {**told, "kept": binned(lengths[:400], edges), "left": binned(lengths[400:], edges), "missing": {"kept": 14, "left": 86}},
        {**none, "missing": {"kept": 414, "left": 586}},
    ]


def reasoning() -> dict:
    tiers = {"very_easy": 4, "easy": 11, "medium": 21, "hard": 17, "very_hard": 6, "ungraded": 1}
    said = {"right": 300, "partial": 12, "wrong": 140, "undecided": 9, "timeout": 2}
    rates = [
        {
            "domain": domain,
            "model": model,
            "questions": 60,
            "rollouts": 480,
            "passed": 100 + 31 * n,
            "histogram": [9, 2, 3, 4, 5, 6, 7, 8, 5, 4, 7],
        }
        for n, (domain, model) in enumerate((d, m) for d in ("maths", "charts <b>", "计数") for m in ("small", "large"))
    ]
    return {
        "pass_rates": rates,
        "tiers": [{"domain": domain, "tiers": tiers} for domain in ("maths", "计数")],
        "verdicts": [{"domain": "maths", "by": by, **said} for by in ("rule", "judge <i>")],
        "forced": {"answer": 31, "thought": 4},
        "hopeless": {"never_right": 5},
        "agreement": [
            {"first": first, "second": second, "said": outcome, **dict(zip(said, counts, strict=True))}
            for first, second, outcome, counts in (
                ("rule", "math_verify", "right", (40, 0, 2, 1, 0)),
                ("rule", "math_verify", "wrong", (3, 0, 44, 0, 0)),
                ("math_verify", "judge", "right", (5, 0, 0, 0, 0)),
            )
        ],
    }


def clusters() -> dict:
    sizes = {"edges": [2.0, 3.0, 5.0, 9.0, 17.0], "rows": [0, 31, 22, 11, 5, 1]}
    members = [card(n, "merged") for n in (310, 311, 312)]
    largest = [{"rows": 41, "card": card(302)}, {"rows": 9, "card": card(303)}]
    return {"sizes": sizes, "largest": largest, "sampled": [{"card": card(308), "members": members}]}


def plane() -> dict:
    x, y = ({"title": title, "unit": "px", "edges": [64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0]} for title in ("width", "height"))
    counts = [[xi, yi, 3 + xi * yi * 4, 20 if xi + yi < 4 else 2] for xi in range(1, 7) for yi in range(1, 7) if abs(xi - yi) < 3]
    return {"name": "size", "title": "Resolution", "x": x, "y": y, "counts": counts}


def concepts() -> dict:
    head = {"head_entries": 1200, "head_share_before": 0.61, "head_share_after": 0.23}
    tail = {"tail_entries": 44000, "tail_entries_kept": 43100, "tail_matches_kept": 91234}
    return {"t": 20, "entries": 765000, "matched_before": 402311, **head, **tail}


def full() -> dict:
    """Return a report with all that the contract knows."""
    samples = funnel("samples", "Samples", 1000, FUNNEL)
    funnels = [
        samples,
        funnel("rollouts", "Rollouts", 1920, ROLLOUTS),
        funnel("graded", "Graded questions", 240, [("Grade", {"easy": 100}, {}, {})]),
    ]
    values = [["en", 300, 200], ["zh", 90, 210], ["<b>ar</b>", 20, 130], ["", 4, 26]]
    shares = [
        {"name": "language", "title": "Language", "of": "samples", "values": values, "others": {"kept": 0, "left": 20}},
        {"name": "source", "title": "Source", "of": "rollouts", "values": [["pool.tar", 414, 586]], "others": {"kept": 0, "left": 0}},
    ]
    dead = [
        {
            "step": FUNNEL[1][0],
            "reason": "truncated",
            "error": "expected 8,192 bytes, found <img src=x onerror=alert(6)>",
            "rows": 4,
            "example": "pool.tar/000000012",
        },
        {"step": FUNNEL[7][0], "reason": "no_answer", "error": "", "rows": 3, "example": "</td><script>alert(7)</script>"},
    ]
    served = {
        "requests": 512,
        "prompt_tokens": 240111,
        "completion_tokens": 25200,
        "seconds": 3320.5,
        "finish": {"stop": 500, "length": 12},
    }
    return {
        "version": 1,
        "run": run(),
        "exits": exits(samples),
        "funnels": funnels,
        "spent": {"prompt_tokens": 240111.0, "completion_tokens": 25200.0, "answer_seconds": 3320.5},
        "serving": {"Qwen2.5 <b>": served, "idle": {**served, "requests": 0, "seconds": 0.0, "completion_tokens": 0, "finish": {}}},
        "bars": bars(),
        "distributions": distributions(),
        "shares": shares,
        "planes": [plane()],
        "dead": dead,
        "clusters": clusters(),
        "concepts": concepts(),
        "reasoning": reasoning(),
        "gallery": gallery(),
    }


def empty(**more: Any) -> dict:
    """Return the report of a run that read nothing."""
    nothing: dict[str, Any] = {name: [] for name in ("bars", "distributions", "shares", "planes", "dead", "gallery")}
    steps = [(step, {}, {}, {}) for step, *_ in FUNNEL]
    samples = funnel("samples", "Samples", 0, steps)
    told = {
        "version": 1,
        "run": run(seconds=None, started=None, models=[], passes=[], config=""),
        "exits": exits(samples),
        "funnels": [samples],
        "spent": {},
        "serving": {},
        "clusters": {"sizes": None, "largest": [], "sampled": []},
        "concepts": None,
        "reasoning": None,
    }
    return {**told, **nothing, **more}
