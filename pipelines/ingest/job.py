"""The config of the ingest job: every section is the frozen dataclass that uses it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from filters.resize import Resize
from pipelines.ingest import lists
from pipelines.ingest.list_columns import ListColumns
from pipelines.ingest.rules import Download
from pipelines.spine.commit import Limits, Output, refuse_below_one
from pipelines.spine.identity import digest
from schemas.records import SCHEMA_VERSION

MOST_MB = 1792
"""MiB that the images of a split may have: Arrow holds 2 GiB of them in a column (ours)."""
MOST_DEAD = 0.7
"""Of LAION-400M, 32 % of the addresses were dead in February 2024 (img2dataset #400), of LAION-115M 30 to 40 % in August 2023 (LAVIS #498),
and about 1 % more die each month (img2dataset #277)."""


@dataclass(frozen=True)
class Input:
    """What is read, and what is said of it."""

    path: str = ""
    """A list of addresses (.parquet, .csv, .tsv), a folder of them, or a glob; local or `scheme://...`."""
    corpus: str = "corpus"
    """Name of the corpus; part of every sample_id."""
    license: str = "unknown"
    """Licence of samples whose list states none."""
    limit: int | None = None
    """Take only the first so many addresses."""
    split_urls: int = 256
    """Addresses of a split, which is held in memory: at 200 KB an image 50 MB, at most this times ``download.max_mb`` (ours)."""
    columns: ListColumns = field(default_factory=ListColumns)
    """Which columns of the lists hold what."""

    def __post_init__(self) -> None:
        """Refuse sizes of nothing."""
        refuse_below_one(limit=self.limit, split_urls=self.split_urls)


@dataclass(frozen=True)
class Decode:
    """How large an image may be."""

    max_pixels: int = 89_478_485
    """Width times height at most (as ``filters.decode.Decoder``)."""


@dataclass(frozen=True)
class Job:
    """One ingest job."""

    version: ClassVar[int] = 1

    input: Input = field(default_factory=Input)
    download: Download = field(default_factory=Download)
    decode: Decode = field(default_factory=Decode)
    resize: Resize | None = None
    """What becomes of large images; null leaves all as they came, an empty mapping, ``{}``, switches it on with its defaults."""
    limits: Limits = field(default_factory=lambda: Limits(max_dead_ratio=MOST_DEAD))
    """A list of addresses is mostly alive, at best: ``limits.max_dead_ratio`` is 0.7 here."""
    output: Output = field(default_factory=Output)

    def __post_init__(self) -> None:
        """Refuse splits that no column could hold."""
        most = self.input.split_urls * self.download.max_mb
        if most > MOST_MB:
            raise ValueError(
                f"input.split_urls ({self.input.split_urls}) times download.max_mb ({self.download.max_mb}) is {most} MiB, and a split "
                f"holds at most {MOST_MB}: --set input.split_urls={max(1, MOST_MB // self.download.max_mb)}"
            )


def ingest_digest(job: Job) -> str:
    """Return the identity of the pass: how lists are read, how images are asked for, and what becomes of them."""
    return digest(
        *("ingest", SCHEMA_VERSION, job.version, lists.VERSION, job.input.corpus, job.input.license),
        *(job.download.identity, job.decode, job.resize),
    )


def run_id(job: Job, contents: Any) -> str:
    """Return the name of the run: its pass over exactly these lists, laid out in exactly these shards."""
    return digest(ingest_digest(job), job.input, contents, job.output.shard_mb, job.output.seed)
