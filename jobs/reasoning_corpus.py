"""Build the demo corpus of questions: ``python -m jobs.reasoning_corpus [FOLDER]`` writes two Parquet shards and what is planted in them.

Pictures are drawn here, each from the numbers that its truth is computed from; those of easy-VQA are Victor Zhou's. A question with
pictures comes twice: with them, and with their description, for a model that cannot see. Beside the folder lie ``FOLDER.labels.jsonl``,
a line for each row with its place, what is planted in it and its right truth, and ``FOLDER-benchmark``, questions of which some leak
into the corpus on purpose. The same seed gives the same bytes.
"""

import argparse
import hashlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.demo_corpus import put_files
from jobs.exam import charts, geometry, planted, screens, shapes, vqa, written
from jobs.exam.item import EN, ZH, Generator, Item
from jobs.exam.row import SCHEMA, Row, described, turns_of
from schemas.exits import EnvironmentFault
from schemas.questions import MARKER
from schemas.weights import cache_dir, path_of

CORPUS = "reasoning-corpus"
"""Folder of the corpus in the cache."""
SHARDS = ("questions-0.parquet", "questions-1.parquet")
BENCHMARK_FILE = "questions.jsonl"
PER_KIND = 7
ROW_GROUP = 64
"""Rows of a row group: about 2 MiB of pictures, so that a demo has several splits (ours)."""
ATTEMPTS = 40
"""How often a generator may draw what it has drawn before, until it counts as exhausted."""
PICTURED: Mapping[str, Generator] = MappingProxyType(
    {
        "bar": charts.bar,
        "line": charts.line,
        "pie": charts.pie,
        "table": charts.table,
        "counting": shapes.counting,
        "spatial": shapes.spatial,
        "grounding": shapes.grounding,
        "compare": shapes.compare,
        "geometry": geometry.figure,
        "ocr": screens.ocr,
        "gui": screens.gui,
    }
)
"""What draws a picture."""
WRITTEN: Mapping[str, Generator] = MappingProxyType(
    {
        "arithmetic": written.arithmetic,
        "equation": written.equation,
        "physics": written.physics,
        "chemistry": written.chemistry,
        "choice": written.choice,
        "dialogue": written.dialogue,
        "planning": written.planning,
        "writing": written.writing,
    }
)
"""What asks in words alone."""
GOOD = "good"


def build(out: Path, seed: int = 0, per_kind: int = PER_KIND) -> dict[str, int]:
    """Write corpus, labels and benchmark to ``out`` and beside it, and return the rows by what is planted in them.

    A corpus that is there and the same is left alone. Raises ``EnvironmentFault`` where ``out`` holds anything else, or the font or
    easy-VQA have not been fetched.
    """
    asked = planted.benchmark(_draw(seed))
    placed = place(make_rows(seed, per_kind, asked))
    put_files(lambda folder: _write(placed, folder), out, SHARDS, "a corpus of questions")
    labels = ({"shard": shard, "row": number, **row.label()} for shard, number, row in placed)
    text = "".join(f"{json.dumps(label, ensure_ascii=False)}\n" for label in labels)
    out.with_name(f"{out.name}.labels.jsonl").write_text(text, encoding="utf-8")
    lines = "".join(one.line() for one in asked)
    beside = out.with_name(f"{out.name}-benchmark")
    put_files(lambda folder: _write_lines(folder, lines), beside, (BENCHMARK_FILE,), "a benchmark of questions")
    return dict(Counter(row.planted or GOOD for _, _, row in placed))


def make_rows(seed: int, per_kind: int, asked: Sequence[planted.Asked]) -> list[Row]:
    """Return the rows of the corpus: ``per_kind`` questions of each kind, every second one Chinese, and what is planted."""
    good = [*_pictured(seed, per_kind), *_asked_in_words(seed, per_kind), *_foreign(seed, per_kind)]
    copies = {row.twin: row for row in planted.copies(good)}
    originals = [replace(row, cluster=row.twin) if _is_copied(row, copies.get(row.twin)) else row for row in good]
    return [*originals, *copies.values(), *planted.faults(_draw(seed)), *planted.leaks(asked)]


def place(rows: Sequence[Row]) -> list[tuple[str, int, Row]]:
    """Return ``rows`` with shard and row, mixed by a hash of their content."""
    mixed = sorted(rows, key=lambda row: (_hash(row), row.planted or ""))
    parts = [(name, mixed[shard :: len(SHARDS)]) for shard, name in enumerate(SHARDS)]
    return [(name, number, row) for name, part in parts for number, row in enumerate(part)]


def _is_copied(row: Row, copy: Row | None) -> bool:
    return copy is not None and row.item.images == copy.item.images


def _pictured(seed: int, per_kind: int) -> Iterator[Row]:
    for kind, generator in PICTURED.items():
        for number, (language, item) in enumerate(_drawn(seed, kind, generator, per_kind)):
            row = Row(replace(item, description=""), language, kind, f"{kind}-{number}")
            yield row
            yield replace(row, item=described(item, MARKER))


def _asked_in_words(seed: int, per_kind: int) -> Iterator[Row]:
    for kind, generator in WRITTEN.items():
        for number, (language, item) in enumerate(_drawn(seed, kind, generator, per_kind)):
            yield Row(item, language, kind, f"{kind}-{number}")


def _foreign(seed: int, per_kind: int) -> Iterator[Row]:
    for number, item in enumerate(vqa.questions(path_of("easy_vqa"), seed, per_kind)):
        yield Row(item, EN, "vqa", f"vqa-{number}", license=vqa.LICENSE)


def _drawn(seed: int, kind: str, generator: Generator, count: int) -> Iterator[tuple[str, Item]]:
    """Yield ``count`` questions of one kind with their languages, no two of them equal; fewer where the generator has no more."""
    seen = set[object]()
    for number in range(count):
        language = (EN, ZH)[number % 2]
        for attempt in range(ATTEMPTS):
            item = generator(_draw(seed)(f"{kind}:{number}:{attempt}"), language)
            told = (turns_of(item)[0][1].split("\n")[0], item.images)
            if told not in seen:
                seen.add(told)
                yield language, item
                break


def _draw(seed: int) -> planted.Draw:
    return lambda name: random.Random(f"{seed}:{name}")  # noqa: S311  a draw that is to be the same each time


def _hash(row: Row) -> bytes:
    said = json.dumps([row.item.question, row.item.truth, row.twin], ensure_ascii=False).encode()
    return hashlib.blake2b(said + b"".join(row.item.images)).digest()


def _write(placed: Sequence[tuple[str, int, Row]], folder: Path) -> None:
    """Write the shards into ``folder``."""
    for name in SHARDS:
        rows = [row.columns() for shard, _, row in placed if shard == name]
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / name, row_group_size=ROW_GROUP, compression="zstd")


def _write_lines(folder: Path, lines: str) -> None:
    (folder / BENCHMARK_FILE).write_text(lines, encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Build the corpus and print what is in it; exit status 1 with the reason where it cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m jobs.reasoning_corpus", description="Build the demo corpus of questions.")
    parser.add_argument("out", nargs="?", type=Path, metavar="FOLDER", help=f"folder of the corpus; {CORPUS} in the cache by default")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another one gives other questions (0)")
    parser.add_argument("--per-kind", type=int, default=PER_KIND, metavar="N", help=f"questions of each kind ({PER_KIND})")
    asked = parser.parse_args(argv)
    if asked.per_kind < 7:
        parser.error(f"argument --per-kind: expected 7 at least, since copies are planted of what is there, found {asked.per_kind}")
    out = asked.out or cache_dir() / CORPUS
    try:
        made = build(out, asked.seed, asked.per_kind)
    except EnvironmentFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print(f"{out}: {sum(made.values())} questions in {len(SHARDS)} shards; labels: {out}.labels.jsonl; benchmark: {out}-benchmark")
    print("\n".join(f"{count:4}  {kind}" for kind, count in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
