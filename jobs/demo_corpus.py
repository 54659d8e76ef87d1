"""Build the demo pool: ``python -m jobs.demo_corpus [OUT]`` writes two WebDataset tars as img2dataset would.

The good part is 40 photographs of public-domain works from the Metropolitan Museum of Art, with alt texts as web pages
have them: facts joined in various ways, a third of them with the noise that recaptioning is to remove. The rest are
planted faults, each named under ``planted`` in the sample's ``.json``, so that a run over the pool shows what a raw pool does.
The same museum file gives the same bytes.
"""

import argparse
import filecmp
import hashlib
import io
import json
import sys
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from PIL import Image

from schemas.exits import EnvironmentFault
from schemas.weights import cache_dir, path_of

POOL = "demo-pool"
"""Folder of the pool in the cache."""
GOOD = "good"
PHOTOGRAPHS = 40
SHARDS = ("00000.tar", "00001.tar")
LICENSE = "CC0 (Metropolitan Museum of Art Open Access, isPublicDomain)"
OWN_LICENSE = "CC0 (made for this demo)"

JOINS = (
    "{title}, {artist} ({date})",
    "{title} | {artist} | {medium} - The Metropolitan Museum of Art",
    "{artist}: {title}, {date}, {medium}",
    "{title} by {artist}, {medium}",
    "{artist} - {title} ({date}). {medium}. {department}, The Metropolitan Museum of Art, New York",
)
NOISE = (
    "{alt} - stock photo HD free download",
    "{uploaded} | {alt}",
    "Buy {alt} - art print poster, free shipping!!!",
    "Free wallpaper 1920x1080: {alt}",
    "{alt} | Pin on Art History",
)
SAY_NOTHING = ("IMG_2041.jpg", "{file}", "{page}", "12 March 2015", "Art", "art art art art print", "", "scan 20150312184455 of a painting")
"""Alt texts that say nothing; ``file`` and ``page`` are the real file name and address of the photograph."""
PLACEHOLDERS = (
    ("#ffffff", "White background image placeholder"),
    ("#1e3c78", "Plain blue banner for a web page"),
    ("#808080", "Image not available yet"),
)
ERROR_PAGE = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph of the museum and what its record says."""

    image: bytes
    facts: Mapping[str, Any]

    @property
    def words(self) -> dict[str, str]:
        """What the templates of alt texts may name."""
        facts = self.facts
        return {
            "title": facts["title"],
            "artist": facts["artistDisplayName"],
            "date": facts["objectDate"],
            "medium": facts["medium"],
            "department": facts["department"],
            "object": facts["objectName"],
            "tags": ", ".join(tag["term"] for tag in facts["tags"]),
            "uploaded": facts["metadataDate"][:10],
            "file": facts["primaryImageSmall"].rsplit("/", 1)[-1],
            "page": facts["objectURL"],
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a pool before it has a key: null ``image`` is a sample without one, null ``planted`` a good one."""

    image: bytes | None
    alt_text: str
    planted: str | None
    facts: Mapping[str, Any] | None = None
    like: int | None = None
    """The ``objectID`` that it shares with the samples it is to be merged with; no part of the pool."""


def build(out: Path, museum: Path) -> dict[str, int]:
    """Write the pool made from the archive ``museum`` to the folder ``out`` and return its samples by kind.

    A pool that is there and the same is left alone, another one is replaced as a whole. Raises ``EnvironmentFault`` where
    ``out`` holds anything that is no pool.
    """
    samples = list(make_samples(read_museum(museum)))
    put(samples, out)
    return dict(Counter(sample.planted or GOOD for sample in samples))


def put(samples: Sequence[Sample], out: Path) -> None:
    """Write ``samples`` as a pool to the folder ``out``, as ``build`` does."""
    put_files(lambda folder: _write(samples, folder), out, SHARDS, "a demo pool")


def put_files(write: Callable[[Path], None], out: Path, names: Sequence[str], what: str) -> None:
    """Make the folder ``out`` of the files ``names``, which ``write`` writes into the empty folder that it is given.

    A folder of the same bytes is left alone, another one of the same names is replaced as a whole. Raises ``EnvironmentFault``
    where ``out`` holds anything else than ``what``.
    """
    _refuse_other_content(out, names, what)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        made = Path(folder) / "made"
        made.mkdir()
        write(made)
        _put_in_place(made, out, Path(folder) / "replaced", names)


def read_museum(archive: Path) -> list[Photograph]:
    """Return the photographs in ``archive`` that a good sample needs, by object id: all four facts, sides, aspect and bytes in order."""
    with zipfile.ZipFile(archive) as museum:
        folder = next(name for name in museum.namelist() if name.endswith("/objects.json")).removesuffix("objects.json")
        records = json.loads(museum.read(f"{folder}objects.json"))["objects"]
        found = [Photograph(museum.read(f"{folder}{facts['objectID']}.jpg"), facts) for facts in records if facts["isPublicDomain"]]
    return sorted(filter(_is_good, found), key=lambda photograph: photograph.facts["objectID"])


def _is_good(photograph: Photograph) -> bool:
    short, long = sorted(Image.open(io.BytesIO(photograph.image)).size)
    told = all(photograph.words[name] for name in ("title", "artist", "date", "medium"))
    return told and short >= 200 and long <= 3 * short and len(photograph.image) >= 5 * 1024


def make_samples(photographs: Sequence[Photograph]) -> Iterator[Sample]:
    """Yield the samples of the pool: the good ones and their twins from one part of the museum, the other faults from the rest."""
    good = spread(photographs, PHOTOGRAPHS)
    rest = iter(spread([photograph for photograph in photographs if photograph not in good], 26))
    for place, photograph in enumerate(good):
        yield Sample(photograph.image, web_alt_text(photograph, place), None, photograph.facts)
    for photograph in good[::5]:
        yield Sample(photograph.image, filled("{object}, {department}: {tags}", photograph), "twin", photograph.facts)
    for place, photograph in zip(range(8), rest, strict=False):
        yield Sample(thumbnail(photograph.image), web_alt_text(photograph, place), "thumbnail", photograph.facts)
    for place, photograph in zip(range(6), rest, strict=False):
        yield Sample(strip(photograph.image), web_alt_text(photograph, place), "strip", photograph.facts)
    for template, photograph in zip(SAY_NOTHING, rest, strict=False):
        yield Sample(photograph.image, filled(template, photograph), "says nothing", photograph.facts)
    for place, photograph in zip(range(4), rest, strict=False):
        yield Sample(photograph.image[: len(photograph.image) * 2 // 5], web_alt_text(photograph, place), "truncated", photograph.facts)
    yield from _without_museum()


def _without_museum() -> Iterator[Sample]:
    for colour, alt_text in PLACEHOLDERS:
        yield Sample(jpeg(Image.new("RGB", (640, 480), colour)), alt_text, "solid colour")
    for alt_text in ("Autumn landscape with a river and two boats", "Portrait of a lady in a green dress"):
        yield Sample(ERROR_PAGE, alt_text, "error page")
        yield Sample(b"", alt_text, "zero bytes")
    yield Sample(None, "View of a harbour in the morning", "no image")


def spread(photographs: Sequence[Photograph], count: int) -> list[Photograph]:
    """Return ``count`` of ``photographs`` at even distances."""
    return [photographs[place * len(photographs) // count] for place in range(count)]


def web_alt_text(photograph: Photograph, place: int) -> str:
    """Return an alt text for ``photograph`` as web pages have them; ``place`` says which join of facts, and whether there is noise."""
    alt_text = filled(JOINS[place % len(JOINS)], photograph)
    return filled(NOISE[place // 3 % len(NOISE)], photograph, alt=alt_text) if place % 3 == 1 else alt_text


def filled(template: str, photograph: Photograph, **more: str) -> str:
    """Return ``template`` with the words of ``photograph`` in their places."""
    return template.format(**photograph.words, **more)


def thumbnail(image: bytes) -> bytes:
    """Return ``image`` with 160 pixels on its longer side."""
    small = Image.open(io.BytesIO(image)).convert("RGB")
    small.thumbnail((160, 160))
    return jpeg(small)


def strip(image: bytes) -> bytes:
    """Return a banner of 960 x 240 pixels, cut from the middle of ``image``."""
    whole = Image.open(io.BytesIO(image)).convert("RGB")
    top = (whole.height - whole.width / 4) / 2
    return jpeg(whole.resize((960, 240), box=(0, top, whole.width, top + whole.width / 4)))


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """Return ``image`` as the bytes of a JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


def keyed(samples: Sequence[Sample]) -> Iterator[tuple[str, str, Sample]]:
    """Yield ``samples`` with shard and key, in the order of the pool: mixed by a hash of their content as a crawl would mix them."""
    mixed = sorted(samples, key=lambda sample: hashlib.blake2b((sample.image or b"") + sample.alt_text.encode()).digest())
    for shard, name in enumerate(SHARDS):
        yield from ((name, f"{shard:05d}{index:04d}", sample) for index, sample in enumerate(mixed[shard :: len(SHARDS)]))


def _write(samples: Sequence[Sample], folder: Path) -> None:
    """Write ``samples`` into the shards below ``folder``."""
    for name, placed in groupby(keyed(samples), key=itemgetter(0)):
        with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
            for _, key, sample in placed:
                for ending, data in _members(key, sample):
                    member = tarfile.TarInfo(ending)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def _members(key: str, sample: Sample) -> Iterator[tuple[str, bytes]]:
    facts = sample.facts
    record: dict[str, Any] = {
        "caption": sample.alt_text,
        "key": key,
        "license": LICENSE if facts else OWN_LICENSE,
        "objectID": facts["objectID"] if facts else None,
        "sha256": None if sample.image is None else hashlib.sha256(sample.image).hexdigest(),
        "url": facts["primaryImageSmall"] if facts else f"https://images.example/{key}.jpg",
        **({"planted": sample.planted} if sample.planted else {}),
    }
    if sample.image is not None:
        yield f"{key}.jpg", sample.image
    yield f"{key}.json", json.dumps(record, ensure_ascii=False).encode()
    yield f"{key}.txt", sample.alt_text.encode()


def _refuse_other_content(out: Path, names: Sequence[str], what: str) -> None:
    if not out.exists():
        return
    others = sorted(path.name for path in out.iterdir() if path.name not in names) if out.is_dir() else [out.name]
    if others:
        raise EnvironmentFault(f"expected nothing or {what} at {out}, found {', '.join(others[:3])}; give the command another folder")


def _put_in_place(made: Path, out: Path, replaced: Path, names: Sequence[str]) -> None:
    """Rename ``made`` to ``out``, unless that holds the same bytes: their times are part of the identity of a run's input."""
    if out.exists():
        if not any(filecmp.cmpfiles(made, out, names, shallow=False)[1:]):
            return
        out.rename(replaced)
    made.rename(out)


def main(argv: Sequence[str] | None = None) -> int:
    """Build the pool and print what is in it; exit status 1 with the reason where it cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m jobs.demo_corpus", description="Build the demo pool.")
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help=f"folder of the pool; {POOL} in the cache by default")
    out = parser.parse_args(argv).out or cache_dir() / POOL
    try:
        made = build(out, path_of("museum"))
    except EnvironmentFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print(f"{out}: {sum(made.values())} samples in {len(SHARDS)} shards")
    print("\n".join(f"{count:4}  {kind}" for kind, count in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
