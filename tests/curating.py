"""A pool with planted faults, duplicates and concepts, what curation has to make of it in plain Python, and the command itself."""

import hashlib
import io
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.copies import copy_of
from tests import images, jobs

COMMAND = [sys.executable, "-m", "pipelines.captions"]
ENTRIES = ["market", "harbour", "lighthouse", "okapi", "old town", "zeppelin"]
"""The vocabulary of the pool: two common concepts, three rare ones, and one that no text holds."""
T = 12
"""Matches up to which a concept is rare here."""

READ, DECODE = "Read the images and their alt texts", "Decode each image once"
SIZE, CONTENT = "Drop images that are too small or too elongated", "Drop solid colours and tiny files"
TEXTS, PERSONAL = "Drop alt texts that say nothing", "Drop alt texts with personal data"
EXACT, NEAR_IMAGE, NEAR_TEXT = "Merge exact duplicates", "Merge near-duplicate images", "Merge near-duplicate alt texts"
BALANCE = "Thin out samples whose concepts are all common"


def run(*flags: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *flags], cwd=jobs.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def start(*flags: str) -> subprocess.Popen[bytes]:
    """Start the job in a session of its own, so that whatever it leaves behind can be found."""
    return subprocess.Popen([*COMMAND, *flags], cwd=jobs.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def flags_for(pool: Path, output: Path, *more: str) -> list[str]:
    """Return the flags of a small job over ``pool``, whose vocabulary stands beside it, in several splits and shards."""
    settings = {
        "input.corpus": "test",
        "input.split_samples": 20,
        "output.shard_mb": 1,
        "lid": "null",
        "vocabulary.file": vocabulary(pool),
        "balance.t": T,
        "balance.tail_share": "null",
        "near.rounds": 4,
        "near.partitions": 2,
        "limits.dead_floor": 20,
    }
    return [f"--input={pool}", f"--output={output}", *(f"--set={key}={value}" for key, value in settings.items()), *more]


def vocabulary(pool: Path) -> Path:
    return pool.parent / "concepts.txt"


def run_folder(output: Path) -> Path:
    """Return the one finished run below ``output``."""
    (manifest,) = output.glob("captions/*/manifest.json")
    return manifest.parent


# The pool.


@dataclass(frozen=True)
class Planted:
    """One sample: its files, and what whoever made it knows of it."""

    name: str
    data: bytes
    text: str
    looks_like: str
    """Samples of which this is the same are copies of one picture."""
    leaves: tuple[str, str, str] | None = None
    """Exit, step and reason of what no rule lets pass."""


def picture(seed: int, size: tuple[int, int] = (480, 360)) -> bytes:
    """Return a JPEG of many soft patches under a little noise, which no other seed's is like."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 216, (9, 12, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(patches) + rng.integers(-12, 13, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    return images.encoded(Image.fromarray(noisy), "JPEG", quality=85)


_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]


def words(seed: int, count: int) -> str:
    """Return made-up words, of which no text has a concept and no two texts a run of three."""
    chance = random.Random(f"words {seed}")
    return " ".join(chance.choice(_SYLLABLES) + chance.choice(_SYLLABLES) + chance.choice(_SYLLABLES) for _ in range(count))


def samples() -> list[Planted]:
    """Return the pool: 60 ordinary samples and all that is planted among them, in an order that tells nothing."""
    concepts = ["market"] * 40 + ["harbour"] * 14 + ["market and harbour"] * 3 + ["Old  Town", "okapi", "lighthouse"]
    plain = [
        Planted(f"plain-{n}", picture(n), f"{words(n, 5 + n % 9)} {concept} {words(1000 + n, 5)}", f"p{n}")
        for n, concept in enumerate(concepts)
    ]
    found = [*plain, *_copies(plain), *_texts(plain), *_faults()]
    random.Random(4).shuffle(found)
    return found


def _copies(plain: Sequence[Planted]) -> Iterable[Planted]:
    """Copies of pictures, some in two steps, some that leave for another reason, and an alt text on each."""
    for n in range(6):
        yield Planted(f"twin-{n}", plain[n].data, f"{words(2000 + n, 9 + n)} market", f"p{n}")
    yield Planted("twin-same-text", plain[0].data, plain[0].text, "p0")
    for number, kind in enumerate(("copy", "q40", "resize", "bright", "crop2")):
        for n in (4 + number, 20 + number, 41 + number):
            yield Planted(f"{kind}-{n}", copy_of(plain[n].data, kind), f"{words(3000 + 20 * n + number, 12)} harbour", f"p{n}")
    yield Planted("q40-of-20", copy_of(plain[20].data, "q40"), f"{words(4000, 30)} lighthouse", "p20")
    yield Planted("twin-of-q40-of-20", copy_of(plain[20].data, "q40"), f"{words(4001, 12)} okapi", "p20")
    large = picture(700, (960, 720))
    half = images.encoded(Image.open(io.BytesIO(large)).resize((480, 360)), "JPEG", quality=90)
    yield Planted("large", large, f"{words(4002, 12)} market", "large")
    yield Planted("half-of-large", half, f"{words(4003, 40)} market", "large")
    yield Planted("crop10-50", copy_of(plain[50].data, "crop10"), f"{words(4004, 12)} okapi", "crop10-50")
    yield Planted("copy-that-leaves", copy_of(plain[10].data, "q40"), "", "p10", ("dropped", TEXTS, "no_alt_text"))


def _texts(plain: Sequence[Planted]) -> Iterable[Planted]:
    """Alt texts that are nearly the same over other pictures, and some that only seem so."""
    for n in range(3):
        long = f"{words(5000 + n, 14)} market"
        yield Planted(f"text-{n}", picture(500 + n), long, f"t{n}")
        yield Planted(f"text-{n}-again", picture(510 + n, (500, 360)), f"{long} {words(5100 + n, 1)}", f"t{n}-again")
        yield Planted(f"text-{n}-upper", picture(520 + n), f"{long.upper()}!", f"t{n}-upper")
        middle = long.split()
        yield Planted(f"text-{n}-other", picture(530 + n), " ".join([*middle[:6], *words(5200 + n, 2).split(), *middle[8:]]), f"t{n}-other")
    for n in range(2):
        yield Planted(f"short-{n}", picture(540 + n), "oil on canvas of a lighthouse", f"short-{n}")
    yield Planted("of-a-representative", picture(550), f"{plain[5].text} {plain[5].text.split()[0]}", "of-a-representative")
    for n in range(4):
        yield Planted(f"nothing-{n}", picture(560 + n), words(5300 + n, 11), f"nothing-{n}")
    yield Planted("inside-a-word", picture(570), f"{words(5400, 4)} supermarket harbours {words(5401, 7)}", "inside-a-word")


def _faults() -> Iterable[Planted]:
    text = [f"{words(6000 + n, 11)} market" for n in range(12)]
    dead, small = picture(600), picture(601, (120, 90))
    yield Planted("cut", images.truncated(dead), text[0], "", ("dead", DECODE, "truncated"))
    yield Planted("page", images.html(), text[1], "", ("dead", DECODE, "html"))
    yield Planted("empty", b"", text[2], "", ("dead", READ, "empty_file"))
    yield Planted("noise", b"nothing like an image" * 50, text[3], "", ("dead", DECODE, "not_an_image"))
    yield Planted("small-0", small, f"{text[4]} okapi", "small", ("dropped", SIZE, "too_small"))
    yield Planted("small-1", small, f"{text[5]} okapi", "small", ("dropped", SIZE, "too_small"))
    yield Planted("banner", picture(602, (960, 240)), text[6], "banner", ("dropped", SIZE, "too_elongated"))
    yield Planted("red", images.solid((200, 10, 10), image_format="JPEG"), text[7], "red", ("dropped", CONTENT, "solid_colour"))
    yield Planted("file-name", picture(603), "IMG_2041.jpg", "file-name", ("dropped", TEXTS, "file_name"))
    yield Planted("two-words", picture(604), "lighthouse harbour", "two-words", ("dropped", TEXTS, "too_few_words"))
    yield Planted("email", picture(605), f"{text[8]} ask jane@example.de", "email", ("dropped", PERSONAL, "email"))


def write(folder: Path, shards: int = 3) -> list[Planted]:
    """Write the pool as tars below ``folder``, the vocabulary beside it, and return what is in it."""
    found = samples()
    for shard in range(shards):
        images.write_tar(folder / f"{shard}.tar", [{"__key__": one.name, "jpg": one.data, "txt": one.text} for one in found[shard::shards]])
    vocabulary(folder).write_text("\n".join(ENTRIES) + "\n")
    return found


# What has to become of it.

Place = tuple[str, int]


@dataclass
class Fate:
    """What becomes of one sample."""

    exit: str = ""
    step: str | None = None
    reason: str | None = None
    into: str | None = None
    """Name of the sample that it was merged into."""
    alt_texts: tuple[str, ...] = ()
    alt_text_count: int = 1
    duplicate_count: int = 0
    concepts: tuple[str, ...] | None = None
    probability: float | None = None
    drawn: float | None = None


@dataclass(frozen=True)
class Expected:
    fates: dict[str, Fate]
    before: Counter[str]
    """In how many texts each concept stood before the balance."""
    after: Counter[str]


def oracle(pool: Sequence[Planted], places: dict[str, Place], ids: dict[str, str], t: int = T, but: Sequence[str] = ()) -> Expected:
    """Go through the pool as the paper does, stage by stage; rows leave by what was planted but for the reasons ``but``.

    ``places`` break ties, ``ids`` are the sample_ids that draws are made by.
    """
    fates = {one.name: Fate(alt_texts=(one.text,)) for one in pool}
    for one in pool:
        if one.leaves and one.leaves[2] not in but:
            fates[one.name].exit, fates[one.name].step, fates[one.name].reason = one.leaves

    def live() -> list[Planted]:
        return [one for one in pool if not fates[one.name].exit]

    def merge(groups: Iterable[list[Planted]], step: str, reason: str, rank: Callable[[Planted], tuple]) -> None:
        for group in groups:
            if len(group) < 2:
                continue
            best, fate = min(group, key=rank), fates[min(group, key=rank).name]
            listed = {text for one in group for text in fates[one.name].alt_texts}
            unlisted = sum(fates[one.name].alt_text_count - len(fates[one.name].alt_texts) for one in group)
            fate.alt_texts = (best.text, *sorted(listed - {best.text})[:15])
            fate.alt_text_count = len(listed) + unlisted
            fate.duplicate_count = sum(fates[one.name].duplicate_count + 1 for one in group) - 1
            for one in group:
                if one is not best:
                    fates[one.name].exit, fates[one.name].step, fates[one.name].reason = "merged", step, reason
                    fates[one.name].into = best.name

    def by_text(one: Planted) -> tuple:
        return -len(one.text), one.text, places[one.name]

    def by_quality(one: Planted) -> tuple:
        width, height = Image.open(io.BytesIO(one.data)).size
        return -width * height, -len(one.data), *by_text(one)

    merge(grouped(live(), lambda one: one.data), EXACT, "exact_duplicate", by_text)
    merge(grouped(live(), lambda one: one.looks_like), NEAR_IMAGE, "near_duplicate_image", by_quality)
    merge(connected(live()), NEAR_TEXT, "near_duplicate_text", by_quality)
    before = Counter(concept for one in live() for concept in concepts_of(one.text))
    for one in live():
        fate, held = fates[one.name], concepts_of(one.text)
        chance = 1 - prod((1 - min(Fraction(1), Fraction(t, before[concept])) for concept in held), start=Fraction(1))
        fate.concepts, fate.probability = tuple(held), round(float(chance), 9)
        fate.drawn = draw(f"0:concepts:{ids[one.name]}")
        fate.exit = "kept" if fate.drawn < fate.probability else "dropped"
        if fate.exit == "dropped":
            fate.step, fate.reason = BALANCE, "over_represented" if held else "unmatched"
    kept = [one for one in pool if fates[one.name].exit == "kept"]
    return Expected(fates, before, Counter(concept for one in kept for concept in concepts_of(one.text)))


def draw(salted: str) -> float:
    """Return the first 53 bits of a hash as a share."""
    return (int(hashlib.blake2b(salted.encode(), digest_size=8).hexdigest(), 16) >> 11) / 2**53


def concepts_of(text: str) -> list[str]:
    """Return the entries that stand in ``text`` as whole words, in their order."""
    plain = f" {' '.join(re.sub('[,.;:?!`]', ' ', text).lower().split())} "
    return [entry for entry in ENTRIES if f" {entry} " in plain]


def grouped(pool: Sequence[Planted], key: Callable[[Planted], object]) -> list[list[Planted]]:
    groups: dict[object, list[Planted]] = {}
    for one in pool:
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())


def connected(pool: Sequence[Planted]) -> list[list[Planted]]:
    """Return samples whose long alt texts share four fifths of their runs of three words, in one step or several."""
    group = {one.name: {one.name} for one in pool}
    by_name = {one.name: one for one in pool}
    for one, other in combinations(pool, 2):
        if nearly_the_same(one.text, other.text) and group[one.name] is not group[other.name]:
            whole = group[one.name] | group[other.name]
            group |= dict.fromkeys(whole, whole)
    return [[by_name[name] for name in sorted(members)] for members in {id(members): members for members in group.values()}.values()]


def nearly_the_same(one: str, other: str) -> bool:
    ours, theirs = (re.findall(r"\w+", text.lower()) for text in (one, other))
    if min(len(ours), len(theirs)) < 10:
        return False
    a, b = ({tuple(found[n : n + 3]) for n in range(len(found) - 2)} for found in (ours, theirs))
    return len(a & b) / len(a | b) >= 0.8
