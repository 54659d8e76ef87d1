"""The whole story of a sample in a finished run: ``python -m jobs.why RUN SAMPLE_ID``.

Where it came from, what was measured of it, what each step said, what it was merged into or stands for, and where it lies. The tables
are read by the columns and row groups that hold the answer, and the last line says how much that was.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from pipelines.spine import forgotten, funnel
from pipelines.spine.tables import INTO, Hit, Run, open_run, place_of
from schemas import columns as c
from schemas import questions, records
from schemas.exits import KEPT, EnvironmentFault

TWINS_SHOWN = 10
"""Rows that were merged into the sample, at most (ours)."""
NUMBERS_SHOWN = 4
"""Numbers of a vector, from its first on; one of twice as many is shown whole (ours)."""
IDENTITY = tuple(field.name for field in (c.SAMPLE_ID, *records.SOURCE))
EXITS = tuple(field.name for field in records.EXITS)
ROLLOUT = tuple(field.name for field in questions.ROLLED_OUT)
OF_QUESTION: Mapping[str, Sequence[pa.Field]] = MappingProxyType(
    {"pictures": questions.IMAGES_SEEN, "made": (*questions.MADE, c.DUPLICATE_COUNT), "difficulty": questions.DIFFICULTY}
)
_PLACE = re.compile(r"[^:]+:\d+")
Row = dict[str, Any]


def stories(run: Run, hits: Sequence[Hit], twins: int = TWINS_SHOWN) -> list[dict[str, Any]]:
    """Return the story of each row of the ledger in ``hits``, with at most so many ``twins`` of the rows merged into it."""
    steps = run.funnel()
    return [_story(run, hit, row, steps, twins) for hit, row in run.rows(hits)]


def _story(run: Run, hit: Hit, row: Row, steps: Sequence[funnel.StepCount], twins: int) -> dict[str, Any]:
    place = place_of(row)
    merged = run.merged_into({place})
    return {
        "place": place,
        "exit": row[c.EXIT.name],
        "source": _present(row, IDENTITY),
        "measured": groups(row),
        "steps": list(verdicts(row, [count.step for count in steps])),
        "merged_into": list(_followed(run, row)),
        "merged_from": {"rows": len(merged), "first": [_in_short(other) for _, other in run.rows(merged[:twins])]},
        "nested": {table: list(_nested(run, table, place)) for table in run.nested},
        "lies_in": [_where(run, hit), *(_where(run, other) for table in run.tables[:-1] for other in run.by_place(table, {place}))],
    }


def _nested(run: Run, table: str, place: str) -> Iterator[dict[str, Any]]:
    """Yield the rollouts of the question at ``place`` that lie in ``table``, each with its verdict and where it lies."""
    for hit, row in run.rows(run.by_place(table, {place})):
        yield {**_present(row, ROLLOUT), "file": hit.path, "row": hit.row}


def groups(row: Row) -> dict[str, dict[str, Any]]:
    """Return what is stored of ``row`` besides its source and its exit, by the groups of ``schemas.records`` and in their order.

    A column of several groups is told in the first; those that no group knows come before all, under ``sample``. A question's are
    told by the groups of ``OF_QUESTION``.
    """
    of_records = {name.lower(): group for name, group in vars(records).items() if isinstance(group, tuple) and name.isupper()}
    known = OF_QUESTION if questions.QUESTION_TEXT.name in row else of_records
    named = {name: [field.name for field in group] for name, group in known.items()}
    grouped = {column for group in named.values() for column in group}
    told = {*IDENTITY, *EXITS}
    found: dict[str, dict[str, Any]] = {}
    for name, group in {"sample": [column for column in row if column not in grouped], **named}.items():
        found[name] = _present(row, [column for column in group if column not in told])
        told |= set(group)
    return {name: columns for name, columns in found.items() if columns}


def _present(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """Return the columns ``names`` of ``row`` that hold something."""
    return {name: brief(row[name]) for name in names if row.get(name) not in (None, [])}


def brief(value: Any) -> Any:
    """Return ``value``, a long vector by its first numbers and its length, and bytes by their length."""
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, list) and len(value) > 2 * NUMBERS_SHOWN and all(isinstance(number, (int, float)) for number in value):
        return f"[{', '.join(f'{number:.4g}' for number in value[:NUMBERS_SHOWN])}, ... {len(value):,} numbers]"
    return value


def verdicts(row: Row, steps: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what each of ``steps``, in order, said of ``row``: ``passed``, ``left`` and what the ledger has of it, or ``never reached``."""
    said = "passed"
    for step in steps:
        if step == row[c.STEP.name]:
            yield {"step": step, "said": "left", **_present(row, [name for name in EXITS if name != c.STEP.name])}
            said = "never reached"
        else:
            yield {"step": step, "said": said}


def _followed(run: Run, row: Row) -> Iterator[dict[str, Any]]:
    """Yield what ``row`` was merged into, what that was merged into, and so on to the last representative."""
    seen = {place_of(row)}
    while row.get(INTO) and (place := place_of(row[INTO])) not in seen:
        seen.add(place)
        found = [other for _, other in run.rows(run.by_place("ledger", {place}))]
        if not found:
            raise EnvironmentFault(f"{place_of(row)} was merged into {place}, which is no row of the ledger of {run.folder}; it is damaged")
        row = found[0]
        yield _in_short(row)


def _in_short(row: Row) -> dict[str, Any]:
    text = _text_of(row)
    return {"place": place_of(row), **{name: row.get(name) for name in (c.SAMPLE_ID.name, c.EXIT.name, c.REASON.name, text)}}


def _text_of(row: Mapping[str, Any]) -> str:
    """Return the column that says what ``row`` is: a question, or the alt text of an image."""
    return questions.QUESTION_TEXT.name if questions.QUESTION_TEXT.name in row else c.ALT_TEXT.name


def _where(run: Run, hit: Hit) -> dict[str, Any]:
    return {"file": hit.path, "row": hit.row, "row_group": hit.group, "xxh3_128": run.entry(hit.path)["xxh3_128"]}


def report(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that are printed."""
    rows = found["rows"]
    if len(rows) > 1:
        yield f"{len(rows)} rows bear that name\n"
    for row in rows:
        yield from _told(row)
        yield ""
    read = found["read"]
    yield (
        f"read {read['bytes']:,} of {read['of_bytes']:,} bytes: {read['row_groups']} row groups in {read['files']} files, "
        f"{read['skipped']} passed over by their statistics"
    )


def _told(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"{row['source'].get('sample_id', '(no sample_id)')}  {row['place']}  {row['exit']}"
    yield from _section("source", row["source"].items())
    for name, columns in row["measured"].items():
        yield from _section(name, columns.items())
    yield from _section("steps", ((step["said"], _verdict(step)) for step in row["steps"]))
    if row["merged_into"]:
        yield from _section("merged into", ((other["place"], _line(other)) for other in row["merged_into"]))
    merged = row["merged_from"]
    if merged["rows"]:
        yield from _section(f"merged into it: {merged['rows']} rows", ((other["place"], _line(other)) for other in merged["first"]))
    for table, rollouts in row["nested"].items():
        if rollouts:
            yield from _section(f"{table}: {len(rollouts)} rollouts", (_rollout(rollout) for rollout in rollouts))
    yield from _section("lies in", ((f["file"], f"row {f['row']} of the file (from 0), xxh3-128 {f['xxh3_128']}") for f in row["lies_in"]))


def _section(name: str, lines: Any) -> Iterator[str]:
    yield f"  {name}"
    yield from (f"    {key:24} {f'{value:.6g}' if isinstance(value, float) else value}".rstrip() for key, value in lines)


def _verdict(step: Mapping[str, Any]) -> str:
    number = "" if "value" not in step else f": {step['value']:g}"
    number += f" against {step['threshold']:g}" if "threshold" in step else ""
    into = f" into {place_of(step[INTO])}" if INTO in step else ""
    why = f"  [{step['exit']}: {step['reason']}{number}{into}]" if step["said"] == "left" else ""
    return step["step"] + why + (f" {step['error']}" if "error" in step else "")


def _rollout(rollout: Mapping[str, Any]) -> tuple[str, str]:
    """Return which rollout it is, and by which door it left with what the verifier said of it."""
    name = f"{rollout.get(questions.MODEL.name, '')} {rollout.get(questions.ROLLOUT.name, '')}"
    judged = (questions.REWARD, questions.REWARD_REASON, questions.REWARDED_BY, questions.SECOND_OPINIONS, questions.VERIFIER)
    told = (*judged, questions.FORCED, questions.ANSWER)
    said = ", ".join(f"{field.name} {_opinion(rollout[field.name])}" for field in told if field.name in rollout)
    door = KEPT if rollout[c.EXIT.name] == KEPT else f"{rollout[c.EXIT.name]}: {rollout[c.REASON.name]}"
    return name, f"[{door}] {said}".rstrip()


def _opinion(value: Any) -> str:
    return " and ".join(f"{one['by']} {one['reason']}" for one in value) if isinstance(value, list) else str(value)


def _line(other: Mapping[str, Any]) -> str:
    why = other["exit"] if other["exit"] == KEPT else f"{other['exit']}: {other['reason']}"
    return f"{other['sample_id']}  {why}  {other[_text_of(other)] or ''}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the story; exit status 1 with the reason where there is none."""
    options = _parser().parse_intermixed_args(argv)
    try:
        name, value = _asked_for(options)
        run = open_run(options.run)
        hits = run.by_place("ledger", {value}) if name == "row" else _bearing(run, name, value)
        rows = stories(run, hits, options.twins)
        missing = None if rows else _missing(run, name, value)
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    if missing:
        print(f"error: {missing}", file=sys.stderr)
        return 1
    found = {"run": run.folder, "rows": rows, "read": _read(run)}
    print(json.dumps(found, indent=1, ensure_ascii=False) if options.json else "\n".join(report(found)))
    return 0


def _bearing(run: Run, name: str, value: str) -> list[Hit]:
    """Return the rows of the ledger that bear ``value``; a question has a list of images, any of which names it."""
    names = (name, questions.IMAGE_HASHES.name) if name == c.IMAGE_HASH.name else (name,)
    return [hit for column in names for hit in run.by_value("ledger", column, {value})]


def _read(run: Run) -> dict[str, int]:
    """Return how much was read for the answer, and of how much."""
    read, of_bytes = run.reading, sum(file["bytes"] for file in run.manifest["files"])
    return {"bytes": read.bytes, "of_bytes": of_bytes, "row_groups": read.row_groups, "files": len(read.files), "skipped": read.skipped}


def _missing(run: Run, name: str, value: str) -> str:
    """Return what was searched, and whether the sample is on the list of what was taken down."""
    files = run.files("ledger")
    rows = sum(run.entry(path)["rows"] for path in files)
    gone = forgotten.read(run.output)
    named = (name == c.URL.name and forgotten.url_hash(value) in gone.urls) or value in gone.sample_ids | gone.image_hashes
    why = "; it is on the list of what was taken down (docs/take-down.md)" if named else ""
    return f"no row with {name} {value!r} among the {rows} rows in {len(files)} ledger files of {run.folder}{why}"


def _asked_for(options: argparse.Namespace) -> tuple[str, str]:
    """Return the column that is searched, or ``row``, and the value; raises ``ValueError`` unless one thing is asked for."""
    given = {name: getattr(options, name) for name in ("sample_id", "url", "image_hash", "row")}
    asked = [(name, value) for name, value in given.items() if value is not None]
    if len(asked) != 1:
        raise ValueError(f"name the sample in one way: SAMPLE_ID, --url, --image_hash or --row; found {len(asked)}")
    name, value = asked[0]
    if name == "row" and not _PLACE.fullmatch(value):
        raise ValueError(f"--row: expected SPLIT_ID:ROW, found {value!r}")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.why", description="Tell the whole story of a sample in a finished run.")
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, runs/recaption/ID")
    parser.add_argument("sample_id", metavar="SAMPLE_ID", nargs="?", help="32 hex digits; exact duplicates share it, and all are told")
    parser.add_argument("--url", metavar="U", help="the address that the image was downloaded from")
    parser.add_argument("--image_hash", metavar="H", help="xxh3-128 of the encoded image, 32 hex digits")
    parser.add_argument("--row", metavar="SPLIT_ID:ROW", help="the row's place")
    parser.add_argument("--twins", type=int, default=TWINS_SHOWN, metavar="N", help=f"merged rows that are named (default: {TWINS_SHOWN})")
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
