"""The steps of ingest, each on one split: read its addresses, download, leave alone what opts out, decode."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput

from filters.resize import Resize, Sized, sized
from pipelines.ingest import lists
from pipelines.ingest.download import DownloaderSpec
from pipelines.ingest.lists import Stretch
from pipelines.ingest.outcome import UNREACHED, OptedOut, Outcome
from pipelines.ingest.rows import batch_of
from pipelines.pairs import take
from pipelines.pairs.annotate import COMMITTED, KEY
from pipelines.readers.samples import identity
from pipelines.spine import forgotten, fragments
from pipelines.spine.loaded import loaded
from pipelines.spine.steps import run_step, start
from schemas import columns as c
from schemas.batches import set_columns
from schemas.exits import Addition, EnvironmentFault, Rule, Verdict, judge
from schemas.protocols import Failure
from schemas.records import INGESTED_FRAGMENT

READ = "Read the addresses"
DOWNLOAD = "Download the images"
OPT_OUT = "Drop images whose owners opt out"
DECODE = "Decode each image once"
RESIZE = "Decode each image once and make the larger ones smaller"
_SIGNALS = (
    *(c.IMAGE, c.SAMPLE_ID, c.IMAGE_HASH, c.IMAGE_FORMAT, c.WIDTH, c.HEIGHT),
    *(c.ORIGINAL_WIDTH, c.ORIGINAL_HEIGHT, c.ANIMATED),
)


class ReadLists(beam.DoFn):
    """Yields each split of a stretch as one batch; one that has a fragment goes to the output ``committed`` by its key alone."""

    def __init__(self, folder: str, corpus: str, source_license: str) -> None:
        self._folder, self._corpus, self._license = folder, corpus, source_license

    def process(self, stretch: Stretch) -> Iterator[pa.RecordBatch | TaggedOutput[Literal["committed"], str]]:
        """Read the splits of ``stretch`` whose fragments are not there."""
        done = {split.key for split in stretch.splits if fragments.find(self._folder, split.key)}
        yield from (TaggedOutput(COMMITTED, key) for key in sorted(done))
        for split, rows in lists.read(stretch, [split for split in stretch.splits if split.key not in done]):
            read = batch_of(split, rows, stretch.shard.path, stretch.columns, self._corpus, self._license)
            yield forgotten.leave(read_step(read, split.key), self._folder)  # what was taken down is asked for no more


def read_step(read: pa.RecordBatch, key: str) -> pa.RecordBatch:
    """Return the rows ``read`` as a batch that has begun; what could not be read is dead already."""
    reason, error = read.column(c.REASON.name), read.column(c.ERROR.name)
    batch = start(read.drop_columns([c.REASON.name, c.ERROR.name]).replace_schema_metadata({KEY: key.encode()}))
    return run_step(batch, READ, lambda _: Addition({}, reason, error))


@dataclass(frozen=True)
class DownloadStep:
    """Sends the rows under way through the downloader of this worker."""

    spec: DownloaderSpec

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the images, and with what each address came to."""
        return run_step(batch, DOWNLOAD, self._download)

    def _download(self, rows: pa.RecordBatch) -> Addition:
        urls = rows.column(c.URL.name).to_pylist()
        outcomes = loaded(self.spec).download(urls)
        refuse_cut_off(urls, outcomes, self.spec.rules.cut_off_hosts)
        return told(urls, rows.column(c.LISTED_HASH.name).to_pylist(), outcomes)


def told(urls: Sequence[str], hashes: Sequence[str | None], outcomes: Sequence[Outcome]) -> Addition:
    """Return the columns of the download of n addresses, each held against its hash where it has one."""
    results = [verified(outcome.result, listed) for outcome, listed in zip(outcomes, hashes, strict=True)]
    images = [{"bytes": r, "path": url} if isinstance(r, bytes) else None for r, url in zip(results, urls, strict=True)]
    failures = [r if isinstance(r, Failure) else None for r in results]
    added = {
        c.IMAGE: images,
        c.SOURCE_BYTES: [len(r) if isinstance(r, bytes) else 0 for r in results],
        c.OPTED_OUT: [r.directive if isinstance(r, OptedOut) else None for r in results],
        c.FINAL_URL: [outcome.final_url for outcome in outcomes],
        c.HTTP_STATUS: [outcome.status for outcome in outcomes],
        c.CONTENT_TYPE: [outcome.content_type for outcome in outcomes],
        c.ATTEMPTS: [outcome.attempts for outcome in outcomes],
    }
    return _addition(added, failures)


def verified(result: bytes | Failure | OptedOut, listed: str | None) -> bytes | Failure | OptedOut:
    """Return ``result``, or ``hash_mismatch`` where it is not the image whose hash is ``listed`` as ``sha256:...`` or ``md5:...``."""
    if not isinstance(result, bytes) or listed is None:
        return result
    name, _, expected = listed.partition(":")
    found = hashlib.new(name, result, usedforsecurity=False).hexdigest()
    if found == expected:
        return result
    return Failure("hash_mismatch", f"expected {listed}, found {name}:{found} over {len(result)} bytes that begin {result[:16]!r}")


def refuse_cut_off(urls: Sequence[str], outcomes: Sequence[Outcome], least: int) -> None:
    """Raise ``EnvironmentFault`` where at least ``least`` hosts were asked and none answered: then this machine has no network."""
    asked = {urlsplit(url).netloc for url, outcome in zip(urls, outcomes, strict=True) if outcome.attempts}
    reached = any(outcome.attempts and not _is_unreached(outcome) for outcome in outcomes)
    if least and not reached and len(asked) >= least:
        reasons = sorted({outcome.result.reason for outcome in outcomes if isinstance(outcome.result, Failure)})
        raise EnvironmentFault(
            f"expected an answer from one of {len(asked)} hosts at least, found none ({', '.join(reasons)}): this machine seems to be cut "
            "off, and nothing of the split is kept; mend that and run the same command again, or, if they are all gone, "
            "--set download.cut_off_hosts=0"
        )


def _is_unreached(outcome: Outcome) -> bool:
    return outcome.status is None and isinstance(outcome.result, Failure) and outcome.result.reason in UNREACHED


def drop_opted_out(rows: pa.RecordBatch) -> Verdict:
    """Return which rows leave because their owners ask for it: ``opted_out``."""
    fails = rows.column(c.OPTED_OUT.name).is_valid().to_numpy(zero_copy_only=False)
    return judge(len(rows), Rule("opted_out", fails))


@dataclass(frozen=True)
class DecodeStep:
    """Decodes each image once, and re-encodes the larger ones where the job asks for it."""

    corpus: str
    max_pixels: int
    resize: Resize | None

    @property
    def sentence(self) -> str:
        """What the step is called."""
        return RESIZE if self.resize else DECODE

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return ``batch`` with the sizes and hashes of its images, and with smaller ones in the place of larger ones."""
        return run_step(batch, self.sentence, self._decode)

    def _decode(self, rows: pa.RecordBatch) -> Addition:
        images = rows.column(c.IMAGE.name)
        names = images.field("path").to_pylist()
        found = [sized(data.as_py(), self.max_pixels, self.resize) for data in images.field("bytes")]
        signals = [None if isinstance(one, Failure) else self._signals(one, name) for one, name in zip(found, names, strict=True)]
        added = {field: [s and s[place] for s in signals] for place, field in enumerate(_SIGNALS)}
        return _addition(added, [one if isinstance(one, Failure) else None for one in found])

    def _signals(self, one: Sized, name: str) -> tuple[object, ...]:
        """Return the signals of one image in the order of ``_SIGNALS``."""
        image = {"bytes": one.data, "path": name}
        names = identity(one.data, self.corpus)
        return image, *names, one.image_format, one.width, one.height, one.original_width, one.original_height, one.animated


def write_fragment(batch: pa.RecordBatch, folder: str) -> str:
    """Commit ``batch``: every row with its exit, the image only where it is kept. Returns its key."""
    lengths = pc.fill_null(batch.column(c.SOURCE_BYTES.name), 0)
    return take.write_fragment(set_columns(batch, {c.SOURCE_BYTES.name: lengths}), folder, INGESTED_FRAGMENT)


def _addition(added: Mapping[pa.Field, Sequence[object]], failures: Sequence[Failure | None]) -> Addition:
    return Addition(
        added={field.name: pa.array(values, field.type) for field, values in added.items()},
        reason=pa.array([f and f.reason for f in failures], pa.string()),
        error=pa.array([f and f.error for f in failures], pa.string()),
    )
