"""Build the pool of the curation demo: ``python -m jobs.curation_corpus [OUT]`` writes two tars, and beside them what was planted.

The photographs are those of ``jobs.demo_corpus``, each a picture of the pool once. What is planted is a copy of one, an alt text that
is not its own, or a fault of the web. ``OUT.labels.jsonl`` has a line for each sample: ``shard``, ``key``, ``image_hash``, ``planted``
(its kind), ``reason`` (why it is to leave, null where it is to stay), ``cluster`` (equal for samples that are to be merged). The same
museum file gives the same bytes.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from types import MappingProxyType

import xxhash
from PIL import Image

from jobs.demo_corpus import (
    ERROR_PAGE,
    GOOD,
    PLACEHOLDERS,
    SHARDS,
    Photograph,
    Sample,
    filled,
    jpeg,
    keyed,
    put,
    read_museum,
    spread,
    strip,
    thumbnail,
    web_alt_text,
)
from jobs.image_edits import brighter, cropped, cut_off, encoded_again, mirrored, opened, smaller, tiny
from schemas.exits import EnvironmentFault
from schemas.weights import cache_dir, path_of

POOL = "curation-pool"
"""Folder of the pool in the cache."""
GOOD_PHOTOGRAPHS = 80
COPIED = 56
"""Good photographs of which copies are made; the others lend their alt texts."""
COPIES = 10
"""Copies of each kind."""
Edit = Callable[[bytes], bytes]

REASONS: Mapping[str, str | None] = MappingProxyType(
    {
        GOOD: None,
        "exact twin": "exact_duplicate",
        "other encoding": "near_duplicate_image",
        "two thirds of the size": "near_duplicate_image",
        "brighter": "near_duplicate_image",
        "light crop": "near_duplicate_image",
        "mirrored": None,
        "almost the same long alt text": "near_duplicate_text",
        "equal short alt text": None,
        "alt text of another painting": "irrelevant",
        "alt text of a shop": "irrelevant",
        "Chinese alt text": None,
        "no concept": "unmatched",
        "common words": None,
        "thumbnail": "too_small",
        "strip": "too_elongated",
        "solid colour": "solid_colour",
        "tiny file": "tiny_file",
        "file name": "file_name",
        "web address": "web_address",
        "date": "date_only",
        "one word": "too_short",
        "digits": "long_digit_run",
        "one word again and again": "repeated_words",
        "no alt text": "no_alt_text",
        "e-mail address": "email",
        "phone number": "phone",
        "truncated": "truncated",
        "error page": "html",
        "zero bytes": "empty_file",
        "no image": "no_image",
    }
)
"""Every kind, and the reason for which it is to leave; null where it is to stay, or concept balance may draw it."""

FAULTY_TEXTS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "file name": ("IMG_2041.jpg", "{file}"),
        "web address": ("{page}", "more at www.metmuseum.org"),
        "date": ("12 March 2015", "Dec 31, 2019"),
        "one word": ("Art", "pic"),
        "digits": ("scan 20150312184455 of a painting", "order no. 884120094417 art print"),
        "one word again and again": ("art art art art print", "sale sale sale sale sale"),
        "no alt text": ("", "  "),
        "e-mail address": ("{title}, ask for prints: orders@oldmasters.de", "{title}. Contact: j.miller [at] prints.co.uk"),
        "phone number": ("{title}, call (650) 253-0000", "{title} - tel. +44 20 7946 0958"),
    }
)
COPY_TEXTS = ("{title} - {object}, {tags}", "{object} by {artist}: {tags}")
COMMON = (
    "Oil on canvas painting, The Metropolitan Museum of Art",
    "Painting, oil on canvas, museum of art",
    "Oil on canvas - stock photo, free download",
    "Art print poster of an oil painting",
)
"""Alt texts of few words, which stand in a great part of the pool; of less than ten, for equal ones of ten are near-duplicates."""
SHOP = (
    "Red sports car for sale, low mileage",
    "Cheeseburger with fries and a cola",
    "Wireless headphones, noise cancelling, black",
    "Mountain bike with disc brakes, 29 inch",
    "Gaming laptop with a backlit keyboard",
    "Stainless steel washing machine, 8 kg",
    "Golden retriever puppy on a lawn",
    "Running shoes for women, size 38",
    "Espresso machine with milk frother",
    "School bus parked in front of a stadium",
)
"""Alt texts of things that no painting of the pool shows."""
CHINESE = (
    "大都会艺术博物馆收藏的油画",
    "欧洲古典油画高清图片",
    "一幅十七世纪的人物肖像",
    "纽约博物馆里的名画欣赏",
    "荷兰画家笔下的乡村风光",
    "圣母与圣婴, 木板油画",
    "艺术史上著名的女性肖像",
    "法国印象派风景油画",
)
NO_CONCEPT = (
    "РџРѕСЂС‚СЂРµС‚ РјРѕР»РѕРґРѕР№ РґР°РјС‹",
    "РЎС‚Р°СЂР°СЏ РєР°СЂС‚РёРЅР° РІ СЂР°РјРµ",
    "Старинная картина маслом в раме",
    "Портрет молодой дамы в платье",
    "xqzvv 0xk19 wqqpt jjkzz",
    "aaq1 bbq2 ccq3 ddq4",
)
"""Texts without an entry of the vocabulary: Russian read as another encoding, Russian, and codes."""
EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "exact twin": bytes,
        "other encoding": encoded_again,
        "two thirds of the size": smaller,
        "brighter": brighter,
        "light crop": cropped,
        "mirrored": mirrored,
    }
)
"""What makes a copy of each kind."""


def build(out: Path, labels: Path, museum: Path) -> dict[str, int]:
    """Write the pool made from the archive ``museum`` to ``out``, its labels to ``labels``, and return its samples by kind.

    A pool that is there and the same is left alone. Raises ``EnvironmentFault`` where ``out`` holds anything that is no pool.
    """
    samples = list(make_samples(read_museum(museum)))
    put(samples, out)
    labels.write_text("".join(f"{json.dumps(label, ensure_ascii=False)}\n" for label in labels_of(samples)), encoding="utf-8")
    return dict(Counter(sample.planted or GOOD for sample in samples))


def labels_of(samples: Sequence[Sample]) -> Iterator[dict[str, object]]:
    """Yield what is written of each sample, in the order of the pool."""
    for shard, key, sample in keyed(samples):
        kind = sample.planted or GOOD
        image_hash = None if sample.image is None else xxhash.xxh3_128_hexdigest(sample.image)
        yield {"shard": shard, "key": key, "image_hash": image_hash, "planted": kind, "reason": REASONS[kind], "cluster": sample.like}


def make_samples(photographs: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield the samples of the pool: every photograph once, copies of the good ones, and faults that leave before any merge."""
    good = spread(photographs, GOOD_PHOTOGRAPHS)
    ids = {_id(photograph) for photograph in good}
    for place, photograph in enumerate(good):
        yield _sample(photograph, GOOD, web_alt_text(photograph, place), like=_id(photograph))
    yield from _copies(good[:COPIED])
    yield from _other_texts(good, [photograph for photograph in photographs if _id(photograph) not in ids])
    yield from _faults(good)


def _copies(good: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield ``COPIES`` of each kind; some photographs have two of them, so that clusters are of two and of three."""
    roomy = [photograph for photograph in good if min(opened(photograph.image).size) >= 300]
    for number, (kind, edit) in enumerate(EDITS.items()):
        for photograph in roomy[number * (COPIES - 2) :][:COPIES]:
            copy = replace(photograph, image=edit(photograph.image))
            yield _sample(copy, kind, filled(COPY_TEXTS[number % 2], photograph), like=_id(photograph) if REASONS[kind] else None)


def _other_texts(good: Sequence[Photograph], rest: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield what is planted by alt texts, on pictures of their own: each of ``rest`` once."""
    pairs = list(islice(_sharing_a_tag(rest), 6))
    for tag, *pair in pairs:
        yield from (_sample(photograph, "equal short alt text", f"{tag}, old master painting") for photograph in pair)
    taken = {_id(photograph) for _, *pair in pairs for photograph in pair}
    pictures = iter([photograph for photograph in rest if _id(photograph) not in taken])
    texts = [(web_alt_text(original, place), _id(original)) for place, original in enumerate(good) if place >= COPIED]
    for (alt_text, like), photograph in zip([text for text in texts if len(text[0].split()) >= 14][:8], pictures, strict=False):
        yield _sample(photograph, "almost the same long alt text", f"{alt_text} - poster", like=like)
    yield from _swapped(list(islice(pictures, 10)))
    written = {"alt text of a shop": SHOP, "Chinese alt text": CHINESE, "no concept": NO_CONCEPT, "common words": cycle(COMMON)}
    for kind, alt_texts in written.items():
        # Alt texts before pictures: zip takes from the first before it finds the second spent, and no picture is to be lost.
        yield from (_sample(photograph, kind, alt_text) for alt_text, photograph in zip(alt_texts, pictures, strict=False))


def _sharing_a_tag(photographs: Sequence[Photograph]) -> Iterator[tuple[str, Photograph, Photograph]]:
    """Yield two photographs for each tag that two have as their first."""
    waiting = dict[str, Photograph]()
    done = set[str]()
    for photograph in photographs:
        tag = photograph.words["tags"].partition(",")[0]
        if tag in waiting and tag not in done:
            done.add(tag)
            yield tag, waiting[tag], photograph
        waiting.setdefault(tag, photograph)


def _swapped(photographs: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield each of ``photographs`` with the alt text of another that shares as few tags as may be, all moved on by the same number."""
    tags = [set(photograph.words["tags"].split(", ")) for photograph in photographs]
    by = min(range(1, len(tags)), key=lambda step: sum(len(tags[place] & tags[place - step]) for place in range(len(tags))))
    for place, photograph in enumerate(photographs):
        yield _sample(photograph, "alt text of another painting", filled("{title} by {artist}: {tags}", photographs[place - by]))


def _faults(good: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield what leaves before any merge, so that its pictures may be those of good samples."""
    pictures = cycle(reversed(good))
    edits: dict[str, tuple[int, Edit]] = {
        "thumbnail": (6, thumbnail),
        "strip": (6, strip),
        "tiny file": (3, tiny),
        "truncated": (4, cut_off),
    }
    for kind, (number, edit) in edits.items():
        for place, photograph in zip(range(number), pictures, strict=False):
            yield _sample(replace(photograph, image=edit(photograph.image)), kind, web_alt_text(photograph, place))
    for kind, templates in FAULTY_TEXTS.items():
        for template, photograph in zip(templates, pictures, strict=False):
            yield _sample(photograph, kind, filled(template, photograph))
    for colour, alt_text in PLACEHOLDERS:
        yield Sample(jpeg(Image.new("RGB", (640, 480), colour)), alt_text, "solid colour")
    for alt_text in ("Autumn landscape with a river and two boats", "Portrait of a lady in a green dress"):
        yield Sample(ERROR_PAGE, alt_text, "error page")
        yield Sample(b"", alt_text, "zero bytes")
    yield Sample(None, "View of a harbour in the morning", "no image")


def _sample(photograph: Photograph, kind: str, alt_text: str, like: int | None = None) -> Sample:
    return Sample(photograph.image, alt_text, None if kind == GOOD else kind, photograph.facts, like)


def _id(photograph: Photograph) -> int:
    return photograph.facts["objectID"]


def main(argv: Sequence[str] | None = None) -> int:
    """Build pool and labels and print what is in them; exit status 1 with the reason where they cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m jobs.curation_corpus", description="Build the pool of the curation demo.")
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help=f"folder of the pool; {POOL} in the cache by default")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="what was planted; OUT.labels.jsonl by default")
    arguments = parser.parse_args(argv)
    out = arguments.out or cache_dir() / POOL
    labels = arguments.labels or out.with_name(f"{out.name}.labels.jsonl")
    try:
        made = build(out, labels, path_of("museum"))
    except EnvironmentFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print(f"{out}: {sum(made.values())} samples in {len(SHARDS)} shards; labels: {labels}")
    print("\n".join(f"{count:4}  {kind}" for kind, count in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
