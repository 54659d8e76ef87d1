"""Captions of a run as training data for a recaptioner: ``python -m jobs.recaptioner_data RUN --output FOLDER``.

The paper trains its recaptioner by turns (3.1): what the filters accepted and what they rejected is what the next one learns from.
"""

import argparse
import heapq
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from pipelines.readers.fetch import fetch
from pipelines.spine import fragments, storage
from pipelines.spine.commit import MANIFEST, Output, read_manifest
from pipelines.spine.config import build, read_yaml
from pipelines.spine.shards import ROW_GROUP_BYTES
from schemas import columns as c
from schemas.batches import draw, from_rows
from schemas.exits import DROPPED, KEPT, EnvironmentFault
from schemas.questions import MARKER
from schemas.records import LEDGER, RECAPTIONER_DATA, SCHEMA_VERSION, with_features
from synth.captioner import CaptionerSpec
from synth.evidence import in_words
from synth.prompt import Prompt

ROWS = 256
"""Rows whose images are fetched in one go (ours)."""
SOURCE = (c.SOURCE_PATH.name, c.SOURCE_MEMBER.name, c.SOURCE_OFFSET.name, c.SOURCE_BYTES.name)
ASKED = (c.ALT_TEXT, c.LABELS, c.OCR_TEXT, c.CAPTION, c.EXIT, c.CAPTION_FAULT)
READ = [*SOURCE, *(f.name for f in ASKED), *(name for name in RECAPTIONER_DATA.names if name in LEDGER.names)]

Row = dict[str, Any]


@dataclass
class Told:
    """What an export came to."""

    rows: Counter[str] = field(default_factory=Counter[str])
    """Rows written, by verdict or, of the rejected, by reason."""
    left_out: Counter[str] = field(default_factory=Counter[str])
    """Captioned rows that were not written, by the cause."""


@dataclass(frozen=True)
class Run:
    """A finished run, as far as an export needs it. Raises ``ValueError`` for one without a manifest."""

    folder: str
    described: bool
    """Whether captions that were written without the pixels are wanted too."""

    def __post_init__(self) -> None:
        if read_manifest(self.folder) is None:
            raise ValueError(f"{self.folder} holds no {MANIFEST}: expected the folder of a finished run, such as runs/recaption/ID")

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the run's resolved job."""
        path = storage.join(self.folder, "job.yaml")
        return read_yaml(storage.read(path).decode(), path)[name]

    def rows(self, told: Told) -> Iterator[Row]:
        """Yield the ledger's rows with a verdict on their caption and the turns that it came of, in order; ``told`` counts the others."""
        prompt = build(CaptionerSpec, self.section("captioner"), "captioner").template
        for path in storage.list_files(storage.join(self.folder, "ledger")):
            with storage.parquet(path) as file:
                for batch in file.iter_batches(ROWS, columns=READ):
                    yield from filter(None, (self._judged(row, prompt, told) for row in batch.to_pylist()))

    def _judged(self, row: Row, prompt: Prompt, told: Told) -> Row | None:
        if row["caption"] is None or row["exit"] not in (KEPT, DROPPED):
            return None
        turns = _turns(row, prompt)
        if not self.described and row["seen"] == c.SEEN_DESCRIPTION:
            told.left_out["written from a description; --described takes them along"] += 1
        elif any(MARKER in turn for turn in turns):
            told.left_out[f"holds {MARKER} itself, which a trainer would take for an image"] += 1
        else:
            reason = row["caption_fault"] or row["reason"]
            messages = [{"role": "user", "content": MARKER + turns[0]}, {"role": "assistant", "content": turns[1]}]
            return {**row, "messages": messages, "verdict": c.REJECTED if reason else c.ACCEPTED, "reason": reason}
        return None


def export(run: Run, folder: str, samples: int | None) -> Told:
    """Write the captions of ``run`` below ``folder``: all, or the ``samples`` with the smallest draws. Equal runs give equal bytes.

    Raises ``ValueError`` where ``folder`` holds files, ``EnvironmentFault`` where a source has gone or changed; then nothing is left.
    """
    if storage.list_below(folder):
        raise ValueError(f"{folder} holds files already; name an empty folder, so that no two exports are mixed")
    output = build(Output, run.section("output"), "output")
    chosen = None if samples is None else set(_smallest(run, samples, output.seed))
    told = Told()
    rows = (row for row in run.rows(told) if chosen is None or _place(row) in chosen)
    try:
        _write(_groups(_with_images(rows), told), folder, output.shard_mb * 2**20)
    except BaseException:
        storage.remove(storage.list_below(folder))
        raise
    return told


def _turns(row: Row, prompt: Prompt) -> tuple[str, str]:
    """Return what was asked for the caption of ``row``, and the caption."""
    if row["prompt_version"] != prompt.version:
        raise EnvironmentFault(
            f"captions were asked for with the prompt {row['prompt_version']!r}, and its file now says {prompt.version!r}; "
            "put the file back as it was"
        )
    evidence = in_words(row["labels"], row["ocr_text"]) if prompt.seen == c.SEEN_DESCRIPTION else ""
    return prompt.fill(row["alt_text"] or "", evidence), row["caption"]


def _place(row: Row) -> tuple[str, int]:
    return row["split_id"], row["row"]


def _smallest(run: Run, samples: int, seed: int) -> Iterator[tuple[str, int]]:
    """Yield the places of the rows with the smallest draws, salted, so that other draws over the samples are independent of it."""
    rows = run.rows(Told())
    drawn = ((draw(seed, [f"recaptioner:{row['sample_id']}"])[0], _place(row)) for row in rows)
    return (place for _, place in heapq.nsmallest(samples, drawn))


def _with_images(rows: Iterator[Row]) -> Iterator[Row]:
    while some := list(islice(rows, ROWS)):
        images = fetch(*([row[name] for row in some] for name in SOURCE))
        for row in some:
            data = _next(images, row)
            if xxhash.xxh3_128_hexdigest(data) != row["image_hash"]:
                raise EnvironmentFault(f"{_source(row)} has changed since it was captioned: its hash is another; put it back as it was")
            yield {**row, "images": [{"bytes": data, "path": row["source_member"] or os.path.basename(row["source_path"])}]}


def _next(images: Iterator[bytes], row: Row) -> bytes:
    try:
        return next(images)
    except FileNotFoundError as error:
        raise EnvironmentFault(f"{_source(row)} has gone since it was captioned; put it back ({error})") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise EnvironmentFault(f"{_source(row)} has changed since it was captioned; put it back as it was ({error})") from error


def _source(row: Row) -> str:
    return f"{row['source_path']}: {row['source_member']}" if row["source_member"] else row["source_path"]


def _groups(rows: Iterator[Row], told: Told) -> Iterator[pa.RecordBatch]:
    """Yield the rows as batches of about ``ROW_GROUP_BYTES`` of images."""
    waiting: list[Row] = []
    size = 0
    for row in rows:
        told.rows[row["reason"] or c.ACCEPTED] += 1
        length = len(row["images"][0]["bytes"])
        if waiting and size + length > ROW_GROUP_BYTES:
            yield from_rows(waiting, RECAPTIONER_DATA)
            waiting, size = [], 0
        waiting.append({name: row[name] for name in RECAPTIONER_DATA.names})
        size += length
    if waiting:
        yield from_rows(waiting, RECAPTIONER_DATA)


def _write(groups: Iterator[pa.RecordBatch], folder: str, shard_bytes: int) -> None:
    """Write each batch as a row group, into shards of about ``shard_bytes``; one without rows where there is none."""
    schema = with_features(RECAPTIONER_DATA.with_metadata({fragments.SCHEMA: str(SCHEMA_VERSION).encode()}))
    group, number = next(groups, None), 0
    while group is not None or number == 0:
        path, filled = storage.join(folder, f"recaptioner-{number:05d}.parquet"), 0
        with storage.writing(path) as file, pq.ParquetWriter(file, schema, **fragments.parquet_options(schema)) as writer:
            while group is not None and (filled == 0 or filled + group.nbytes <= shard_bytes):
                writer.write_table(pa.Table.from_batches([group]).cast(schema), row_group_size=len(group))
                filled += group.nbytes
                group = next(groups, None)
        number += 1


def main(argv: Sequence[str] | None = None) -> int:
    """Write the export and say what is in it; exit status 1 with the reason where it could not be."""
    options = _parser().parse_args(argv)
    try:
        told = export(Run(storage.absolute(options.run), options.described), storage.absolute(options.output), options.samples)
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    rejected = told.rows.total() - told.rows[c.ACCEPTED]
    print(f"{options.output}: {told.rows.total()} captions, {told.rows[c.ACCEPTED]} accepted and {rejected} rejected")
    print("".join(f"{n:8} rejected: {reason}\n" for reason, n in told.rows.most_common() if reason != c.ACCEPTED), end="")
    print("".join(f"{n:8} left out: {cause}\n" for cause, n in told.left_out.most_common()), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "Write accepted and rejected captions of a run as training data for a recaptioner."
    parser = argparse.ArgumentParser(prog="python -m jobs.recaptioner_data", description=about)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, runs/recaption/ID")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="empty folder, or one that is not there yet")
    parser.add_argument("--samples", type=_count, metavar="N", help="take only so many, by a hash draw")
    parser.add_argument("--described", action="store_true", help="take captions along that were written without the pixels")
    return parser


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
