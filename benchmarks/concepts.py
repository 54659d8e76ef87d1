"""How fast texts are matched with a vocabulary: ``python -m benchmarks.concepts --entries 500000``.

Entries are taken evenly from the vocabulary that ``python -m jobs.vocabulary`` built; texts are made of a few of them.
"""

import argparse
import random
import time
from collections.abc import Sequence

import psutil

from filters.vocabulary import Vocabulary, VocabularySpec, entries_of


def main(argv: Sequence[str] | None = None) -> None:
    """Print the seconds to build, the memory held, and texts matched a second, of wall time and of this process's CPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concepts", description="Match texts with a vocabulary.")
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--texts", type=int, default=50_000)
    arguments = parser.parse_args(argv)
    with open(VocabularySpec().path, "rb") as file:
        known = entries_of(file.read(), "vocabulary.txt")
    source = random.Random(0)  # noqa: S311 - a benchmark needs the same texts each time, and no secret
    entries = source.sample(known, min(arguments.entries, len(known)))
    texts = [" ".join(source.choices(entries, k=source.randint(2, 6))) for _ in range(arguments.texts)]

    memory, wall, cpu = psutil.Process().memory_info().rss, time.perf_counter(), time.process_time()
    vocabulary = Vocabulary(entries)
    held = (psutil.Process().memory_info().rss - memory) / 2**20
    print(f"{len(entries):,} entries: built in {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU-s, {held:,.0f} MiB")

    wall, cpu = time.perf_counter(), time.process_time()
    matched = sum(map(len, vocabulary.match(texts)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{len(texts):,} texts, {matched:,} matches: {len(texts) / wall:,.0f} texts a second, {len(texts) / cpu:,.0f} a CPU-second")


if __name__ == "__main__":
    main()
