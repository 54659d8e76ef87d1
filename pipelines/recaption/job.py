"""The config of the recaption job: order is code, numbers are here. Every section is the frozen dataclass that uses it."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import pyarrow as pa

from filters import duplicates
from filters.alt_text import AltText
from filters.caption_rules import CaptionRules
from filters.decode import Decoder
from filters.image_rules import ImageContent, ImageSize
from filters.models.labels import LabelSpec
from pipelines.readers import splits
from pipelines.readers.parquet_columns import ParquetColumns
from pipelines.spine.commit import Limits, Output
from pipelines.spine.identity import digest
from schemas.columns import SEEN_DESCRIPTION
from schemas.exits import Verdict
from schemas.records import SCHEMA_VERSION
from synth.captioner import CaptionerSpec
from synth.evidence import Evidence
from synth.recaption import Recaption


@dataclass(frozen=True)
class Input:
    """What is read, and what is said of it."""

    path: str = ""
    """Folder of images, or tars or Parquet files: one, a folder or a glob of them; local or `scheme://...`."""
    corpus: str = "corpus"
    """Name of the corpus; part of every sample_id."""
    license: str = "unknown"
    """Licence of samples whose source states none."""
    limit: int | None = None
    """Take only the first so many samples."""
    split_samples: int = 512
    """Samples in a split at most (design)."""
    split_mb: int = 64
    """MiB of images in a split at most (design)."""
    columns: ParquetColumns = field(default_factory=ParquetColumns)
    """Which columns of a Parquet input hold what."""


@dataclass(frozen=True)
class Prices:
    """What a token costs, for the estimate of --dry_run."""

    per_million_prompt_tokens: float
    per_million_completion_tokens: float
    currency: str = "USD"


@dataclass(frozen=True)
class Job:
    """One recaptioning job; the defaults are those of the README."""

    version: ClassVar[int] = 1

    input: Input = field(default_factory=Input)
    decode: Decoder = field(default_factory=Decoder)
    labels: LabelSpec = field(default_factory=LabelSpec)
    evidence: Evidence = field(default_factory=Evidence)
    image_size: ImageSize = field(default_factory=ImageSize)
    image_content: ImageContent = field(default_factory=ImageContent)
    alt_text: AltText = field(default_factory=AltText)
    captioner: CaptionerSpec = field(default_factory=CaptionerSpec)
    caption_rules: CaptionRules = field(default_factory=CaptionRules)
    limits: Limits = field(default_factory=Limits)
    output: Output = field(default_factory=Output)
    prices: Prices | None = None


NO_RULES = {"input", "decode", "labels", "evidence", "captioner", "limits", "output", "prices"}
"""Sections that the identity of the captioning pass holds by their own digests, or not at all; every other one is a rule in it."""


def decisions(job: Job) -> list[tuple[str, Callable[[pa.RecordBatch], Verdict]]]:
    """Return the rules on the stored signals, in order: the sentence of each step, and its filter."""
    return [
        ("Drop images that are too small or too elongated", job.image_size),
        ("Drop solid colours and tiny files", job.image_content),
        ("Drop alt texts that say nothing", job.alt_text),
    ]


def annotate_digest(job: Job) -> str:
    """Return the identity of the annotate pass: what is read, how it is decoded, what is looked for."""
    return digest("annotate", SCHEMA_VERSION, splits.VERSION, job.input.corpus, job.input.license, job.decode, _looked_for(job))


def recaption_digest(job: Job) -> str:
    """Return the identity of the pass that captions: the annotations, every threshold, the captioner."""
    versions = (job.version, Recaption.version, duplicates.VERSION)
    rules = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in NO_RULES}
    return digest("recaption", versions, annotate_digest(job), rules, job.captioner.digest)


def run_id(job: Job, shards: Any) -> str:
    """Return the name of the run: its passes over exactly this input, laid out in exactly these shards."""
    return digest(recaption_digest(job), job.input, shards, job.output.shard_mb, job.output.seed, job.output.described_as_samples)


def _looked_for(job: Job) -> tuple[object, ...]:
    evidence = evidence_of(job)
    return () if evidence is None else (job.labels, evidence)


def evidence_of(job: Job) -> Evidence | None:
    """Return what is to be looked for in the images; nothing where the captioner sees them itself."""
    return job.evidence if job.captioner.seen == SEEN_DESCRIPTION else None
