"""Take samples down: ``python -m jobs.forget RUN --url U`` leaves nothing of them below the run's output folder but hashes.

The order of the writes is what makes it safe to be killed: the list, which alone keeps a later run from taking them in again; answers; a
journal of what is still to be done; fragments, last pass first; tables, the ledger last; pages; the manifest. See docs/take-down.md.
"""

import argparse
import json
import re
import sys
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters.words import normalised
from jobs import forget_answers
from pipelines.pairs.report import adds
from pipelines.spine import erase, forgotten, fragments, merged, storage
from pipelines.spine.erase import Erasure
from pipelines.spine.forgotten import Forgotten
from pipelines.spine.tables import PLACE, Hit, Run, open_run, place_of, runs_below
from schemas import columns as c
from schemas.exits import EnvironmentFault

SHOWN = 10
"""Rows of a kind that are named (ours)."""
_HASH = re.compile(r"[0-9a-f]{32}")
Row = dict[str, Any]


@dataclass
class Told:
    """What a take-down comes to."""

    asked: int = 0
    """Rows and list entries that what was asked for names; 0 where it names nothing that is known."""
    rows: list[Row] = field(default_factory=list[Row])
    """Rows of the ledger that leave, as they stood."""
    already: int = 0
    """Rows of the ledger that had left before."""
    left_alone: list[Row] = field(default_factory=list[Row])
    """Rows that had been merged into one of those and stay as they are: near-duplicates, with another image."""
    representatives: int = 0
    """Rows that stay and stand for fewer rows from now on."""
    fragments: int = 0
    files: int = 0
    answers: forget_answers.Told = field(default_factory=forget_answers.Told)
    elsewhere: dict[str, int] = field(default_factory=dict[str, int])
    """Rows of other runs below the output folder, by run."""


def forget(run: Run, asked: Forgotten, *, dry_run: bool = False) -> Told:
    """Take what ``asked`` names out of ``run``, and out of the passes and answers that it was made of.

    With ``dry_run`` nothing is written. Raises ``EnvironmentFault`` while a run is at work below the output folder.
    """
    with nullcontext() if dry_run else _alone(run.output):
        known = forgotten.read(run.output)
        listed = known | _named(run, asked)
        hits = _hits(run, listed)
        rows = [row for _, row in run.rows(hits)]
        told = Told(_known(asked, known) + _asked(rows, asked), [row for row in rows if not _left(row)], sum(map(_left, rows)))
        journal = erase.read_journal(run)
        places = frozenset(map(place_of, rows))
        loose = _in_passes(run, listed, places)
        told.left_alone = [row for _, row in run.rows(run.merged_into(places)) if place_of(row) not in places]
        going = [row for row in told.rows if place_of(row) not in journal["answered"]]
        journal["twins"] |= {place: asdict(twins) for place, twins in merged.without(run, going, places, journal["twins"])}
        what = _erasure(run, listed, journal["twins"], [*rows, *loose])
        told.representatives = len(what.twins)
        files = erase.files_concerned(run, what)
        told.elsewhere = dict(_elsewhere(run, listed))
        told.files = len(files)
        if dry_run:
            return told
        forgotten.add(run.output, listed)
        asked_for = [row for row in (*told.rows, *loose) if place_of(row) not in journal["answered"]]
        told.answers = forget_answers.erase(run, asked_for, _images(run, hits))
        journal["answered"] = sorted({*journal["answered"], *map(place_of, asked_for)})
        journal["files"] = list(dict.fromkeys([*journal["files"], *files]))
        _carry_out(run, what, journal, told)
        return told


def _carry_out(run: Run, what: Erasure, journal: Mapping[str, Any], told: Told) -> None:
    path = storage.join(run.folder, erase.JOURNAL)
    storage.write(path, json.dumps(journal, indent=1, sort_keys=True).encode() + b"\n")
    told.fragments = sum(erase.erase_in_pass(folder, what) for folder in reversed(run.passes))
    erase.erase_in_run(run, what, [file for table in run.tables for file in run.files(table) if file in journal["files"]], adds)
    storage.remove([path])


@contextmanager
def _alone(output: str) -> Generator[None]:
    """Hold every lock that a run below ``output`` could be at work under."""
    with ExitStack() as locks:
        for path in {*storage.list_files(storage.join(output, "locks")), storage.join(output, "locks", "forget")}:
            locks.enter_context(storage.locked(path))
        yield


def _named(run: Run, asked: Forgotten) -> Forgotten:
    """Return ``asked`` with everything that names the rows it names, and the rows with their images."""
    own = _naming(run, replace(asked, image_hashes=frozenset()))
    by = asked | replace(own, urls=frozenset())
    # what shows an image of theirs goes for that one alone: the others of a question are named by nobody
    return by | own | replace(_naming(run, by), image_hashes=frozenset())


def _naming(run: Run, by: Forgotten) -> Forgotten:
    """Return everything that names a row of the ledger which ``by`` names."""
    found = Forgotten()
    for part in run.scan("ledger", forgotten.NAMES) if by else ():
        found |= forgotten.names_in(part.batch.filter(pa.array(by.names(part.batch))))
    return found


def _hits(run: Run, listed: Forgotten) -> list[Hit]:
    """Return the rows of the ledger that ``listed`` names, and those that were taken down by their address alone."""
    parts = run.scan("ledger", [*forgotten.NAMES, c.REASON.name])
    return [hit for part in parts for hit in part.hits(listed.names(part.batch) | forgotten.is_taken_down(part.batch))]


def _left(row: Row) -> bool:
    return row[c.REASON.name] == forgotten.TAKEN_DOWN


def _known(asked: Forgotten, known: Forgotten) -> int:
    """Return how many of the hashes ``asked`` are on the list."""
    return sum(len(a & k) for a, k in zip(_sets(asked), _sets(known), strict=True))


def _asked(rows: Collection[Row], asked: Forgotten) -> int:
    batch = pa.RecordBatch.from_pylist([{name: row.get(name) for name in forgotten.NAMES} for row in rows], schema=_NAMES)
    return int(asked.names(batch).sum())


_NAMES = pa.schema([pa.field(about.name, about.type) for columns in forgotten.NAMED_BY.values() for about in columns])


def _sets(listed: Forgotten) -> tuple[frozenset[str], ...]:
    return listed.sample_ids, listed.image_hashes, listed.urls


def _in_passes(run: Run, listed: Forgotten, places: Collection[str]) -> list[Row]:
    """Return rows that lie in fragments of the passes and not in the ledger: of splits that other runs read."""
    found: dict[str, Row] = {}
    what = Erasure(listed)
    for folder in run.passes:
        for path in storage.list_files(folder):
            if path.endswith(".parquet") and _is_fragment(path) and erase.concerned(path, what):
                rows = _rows_named(fragments.read(path), listed)
                found |= {place: row for row in rows if (place := place_of(row)) not in places and place not in found}
    return list(found.values())


def _is_fragment(path: str) -> bool:
    try:
        with storage.parquet(path):
            return True
    except pa.ArrowInvalid:
        return False


def _rows_named(batch: pa.RecordBatch, listed: Forgotten) -> list[Row]:
    batch = batch.drop_columns([name for name in (c.IMAGE.name, c.IMAGES.name) if name in batch.schema.names])
    return [row for row in batch.filter(pa.array(listed.names(batch))).to_pylist() if row.get(c.REASON.name) != forgotten.TAKEN_DOWN]


def _erasure(run: Run, listed: Forgotten, twins: Mapping[str, Any], rows: Collection[Row]) -> Erasure:
    """Return what is to be taken out for ``rows``, those of other runs' splits among them."""
    stay = {place: erase.twins_of(those) for place, those in twins.items()}
    texts = frozenset(normalised(row[c.ALT_TEXT.name]) for row in rows if row.get(c.ALT_TEXT.name))
    allowed = dict(_allowed(run, texts)) | {place: frozenset(those.alt_texts) for place, those in stay.items()}
    return Erasure(listed, frozenset(map(place_of, rows)), stay, texts, allowed)


def _allowed(run: Run, texts: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the places of rows that list one of ``texts``, with the texts that they list."""
    for part in run.scan("ledger", [*PLACE, c.ALT_TEXTS.name]) if texts else ():
        if c.ALT_TEXTS.name in part.batch.schema.names:
            lists = part.batch.column(c.ALT_TEXTS.name)
            parents = pc.call_function("list_parent_indices", [lists]).filter(pa.array(forgotten.is_in(lists.flatten(), texts)))
            for row in part.batch.take(parents.unique()).to_pylist():
                yield place_of(row), frozenset(row[c.ALT_TEXTS.name])


def _images(run: Run, hits: Collection[Hit]) -> dict[str, bytes]:
    """Return the images of the kept ones among the rows ``hits`` of the ledger, by their hash."""
    kept = {place_of(row) for _, row in run.rows(hits) if not _left(row)}
    found: dict[str, bytes] = {}
    for table in run.tables[:-1]:
        for _, row in run.rows(run.by_place(table, kept)):
            if row.get(c.IMAGE.name):
                found[row[c.IMAGE_HASH.name]] = row[c.IMAGE.name]["bytes"]
    return found


def _elsewhere(run: Run, listed: Forgotten) -> Iterator[tuple[str, int]]:
    """Yield the other runs below the output folder that still hold something of ``listed``."""
    for folder in runs_below(run.output):
        if folder != run.folder:
            parts = open_run(folder).scan("ledger", [*forgotten.NAMES, c.REASON.name])
            rows = sum(int((listed.names(part.batch) & ~forgotten.is_taken_down(part.batch)).sum()) for part in parts)
            if rows:
                yield folder, rows


def report(told: Told, folder: str, *, dry_run: bool) -> Iterator[str]:
    """Yield the lines that are printed."""
    doors = ", ".join(f"{sum(row[c.EXIT.name] == door for row in told.rows)} {door}" for door in ("kept", "dropped", "merged", "dead"))
    yield f"{folder}: {len(told.rows)} rows {'would be ' if dry_run else ''}taken down ({doors}), {told.already} had been before"
    yield from (f"  {row[c.SAMPLE_ID.name]}  {place_of(row)}" for row in told.rows[:SHOWN])
    yield f"  {told.files} files of the run hold them or an alt text of theirs; {told.representatives} rows stay and stand for fewer"
    if not dry_run:
        yield f"  {told.fragments} fragments were rewritten, {told.answers.removed} stored answers removed"
    yield from (f"  {line}" for line in told.answers.whole)
    if told.left_alone:
        yield f"  {len(told.left_alone)} rows with other images were merged into them and stay out; a rerun brings one in their place:"
        yield from (f"    {row[c.SAMPLE_ID.name]}  {place_of(row)}" for row in told.left_alone[:SHOWN])
    yield from (f"  {rows} such rows are in another run still: python -m jobs.forget {other} ..." for other, rows in told.elsewhere.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Take down what is named; exit status 1 with the reason where that could not be, and where nothing of that name was found."""
    options = _parser().parse_args(argv)
    try:
        asked = _asked_for(options)
        told = forget(open_run(options.run), asked, dry_run=options.dry_run)
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print("\n".join(report(told, options.run, dry_run=options.dry_run)))
    if told.asked:
        return 0
    listed = "would be" if options.dry_run else "is"
    print(f"no row of {options.run} bears that name; it {listed} on the list all the same, and no later run takes it in", file=sys.stderr)
    return 1


def _asked_for(options: argparse.Namespace) -> Forgotten:
    lines = Path(options.file).read_text(encoding="utf-8").splitlines() if options.file else []
    asked = Forgotten(*(frozenset(filter(None, [value])) for value in (options.sample_id, options.image_hash)))
    asked |= Forgotten(urls=frozenset([forgotten.url_hash(options.url)] if options.url else []))
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith("#"):
            asked |= _of_any(line, f"{options.file}, line {number}")
    for name in (*asked.sample_ids, *asked.image_hashes):
        if not _HASH.fullmatch(name):
            raise ValueError(f"expected 32 hex digits of a sample_id or image_hash, found {name!r}")
    if not asked:
        raise ValueError(f"{options.file} names nothing: expected a sample_id, an image_hash or a url on each line")
    return asked


def _of_any(word: str, where: str) -> Forgotten:
    """Return what one line of a list names: an address, or a hash, which is looked for as either kind."""
    if _HASH.fullmatch(word):
        return Forgotten(frozenset([word]), frozenset([word]))
    if ":" not in word:
        raise ValueError(f"{where}: expected a url or 32 hex digits of a sample_id or image_hash, found {word!r}")
    return Forgotten(urls=frozenset([forgotten.url_hash(word)]))


def _parser() -> argparse.ArgumentParser:
    about = "Take samples down: out of a finished run, its fragments and its answers, for good."
    parser = argparse.ArgumentParser(prog="python -m jobs.forget", description=about, allow_abbrev=False)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, runs/recaption/ID")
    names = parser.add_mutually_exclusive_group(required=True)
    names.add_argument("--url", metavar="U", help="every row that was downloaded from this address, and every row with its image")
    names.add_argument("--sample_id", metavar="S", help="every row of this sample")
    names.add_argument("--image_hash", metavar="H", help="every row with this image: xxh3-128, 32 hex digits")
    names.add_argument("--file", metavar="LIST", help="a file with a url, a sample_id or an image_hash on each line; # begins a comment")
    parser.add_argument("--dry_run", action="store_true", help="say what would leave, and write nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
