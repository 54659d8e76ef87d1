"""The config of the recaption job: order is code, numbers are here. Every section is the frozen dataclass that uses it."""

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import ClassVar

import pyarrow as pa

from filters import duplicates
from filters.alt_text import AltText
from filters.blocklist import Blocklist, needed
from filters.caption_rules import CaptionRules
from filters.decode import Decoder
from filters.enrichment import Embed, Enrichment
from filters.facts import FactsKept
from filters.image_rules import ImageContent, ImageSize
from filters.language import Language
from filters.models.embedder import EmbedderSpec
from filters.models.faces import FaceSpec
from filters.models.labels import LabelSpec
from filters.models.lid import LidSpec
from filters.models.names import NameSpec
from filters.models.nsfw import NsfwSpec
from filters.relevance import Relevance, score_vectors
from filters.safety import Faces, NotSafe, PersonalData
from pipelines.pairs.looks import Looks
from pipelines.pairs.rules import RelevanceLimits, Step, annotate_digest, embed_digest, relevance
from pipelines.pairs.source import Input, Source
from pipelines.spine.commit import Limits, Output
from pipelines.spine.identity import digest
from pipelines.spine.loaded import loaded
from schemas import columns as c
from schemas.batches import set_columns
from schemas.columns import SEEN_DESCRIPTION
from schemas.exits import Verdict
from synth.captioner import CaptionerSpec
from synth.evidence import Evidence
from synth.mix import Mix
from synth.recaption import Recaption


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
    lid: LidSpec | None = field(default_factory=LidSpec)
    """What tells languages; null leaves the column empty."""
    nsfw: NsfwSpec | None = None
    """What scores sexual content: an empty mapping, ``{}``, switches it on with its defaults (ours: off, at 50 ms an image)."""
    face_detector: FaceSpec | None = None
    """What counts faces; off by default, as ``nsfw``."""
    embedder: EmbedderSpec | None = None
    """What scores relevance; null leaves it out. ``{}`` is ConSE, which is no CLIP (ours: off, until a model is named)."""
    gpu: str = ""
    """GPU of the machines that embed, on Dataflow: a name of ``pipelines.spine.dataflow.GPUS``; empty takes none."""
    names: NameSpec = field(default_factory=NameSpec)
    image_size: ImageSize = field(default_factory=ImageSize)
    image_content: ImageContent = field(default_factory=ImageContent)
    blocklist: Blocklist = field(default_factory=Blocklist)
    alt_text: AltText = field(default_factory=AltText)
    language: Language = field(default_factory=Language)
    personal_data: PersonalData = field(default_factory=PersonalData)
    """For alt texts and captions alike: ``text`` is set by the step."""
    not_safe: NotSafe = field(default_factory=NotSafe)
    faces: Faces = field(default_factory=Faces)
    clip: RelevanceLimits = field(default_factory=RelevanceLimits)
    captioner: CaptionerSpec = field(default_factory=CaptionerSpec)
    caption_rules: CaptionRules = field(default_factory=CaptionRules)
    facts: FactsKept | None = field(default_factory=FactsKept)
    enrichment: Enrichment = field(default_factory=Enrichment)
    """What becomes of words that the caption adds; null ``facts`` finds none."""
    mix: Mix = field(default_factory=Mix)
    limits: Limits = field(default_factory=Limits)
    output: Output = field(default_factory=Output)
    prices: Prices | None = None

    @property
    def embedders(self) -> tuple[EmbedderSpec, ...]:
        """Return what scores relevance."""
        return (self.embedder,) if self.embedder else ()

    @property
    def looks(self) -> Looks:
        """Return what each sample is put to; no evidence is gathered where the captioner sees the images itself."""
        evidence = self.evidence if self.captioner.seen == SEEN_DESCRIPTION else None
        hashes = needed(self.blocklist.load())
        return Looks(self.labels if evidence else None, evidence, self.lid, self.nsfw, self.face_detector, hashes)


NO_RULES = {
    *("input", "decode", "labels", "evidence", "lid", "nsfw", "face_detector", "embedder", "gpu", "names"),
    *("captioner", "limits", "output", "prices"),
}
"""Sections that the identity of the captioning pass holds by their own digests, or not at all; every other one is a rule in it."""


NO_CAPTION, CAPTION_FIT = "Drop captions that are no captions", "Drop captions that do not fit their image"


def caption_steps(job: Job) -> list[Step]:
    """Return what the captions go through, in order: the sentence of each step, and what judges them."""
    steps: list[Step] = [
        (NO_CAPTION, partial(job.caption_rules, instructions=job.captioner.instructions)),
        ("Drop captions with personal data", replace(job.personal_data, text=c.CAPTION.name)),
    ]
    if job.facts:
        steps.append(("Drop captions that break a fact of their alt text", partial(_facts, job.facts, job.names)))
    if job.embedder:
        fit = relevance(job.embedder, job.clip, c.CAPTION_CLIP_SCORE, "min_caption_score")
        steps.append((CAPTION_FIT, partial(_fits, job.embedder, fit)))
    if job.facts:
        steps.append(("Drop captions that add only what nothing supports", partial(_enriches, job.embedder, job.enrichment)))
    return steps


def _facts(facts: FactsKept, names: NameSpec, rows: pa.RecordBatch) -> Verdict:
    return facts(rows, names=loaded(names))


def _fits(embedder: EmbedderSpec, rule: Relevance, rows: pa.RecordBatch) -> Verdict:
    """Judge the captions by the vectors of their images, which were stored with the scores of the originals."""
    scores = score_vectors(rows.column(c.IMAGE_EMBEDDING.name).to_pylist(), _captions(embedder, rows), _texts_of(embedder))
    added = {c.CAPTION_CLIP_SCORE.name: pa.array(scores, c.CAPTION_CLIP_SCORE.type)}
    return replace(rule(set_columns(rows, added)), added=added)


def _enriches(embedder: EmbedderSpec | None, rule: Enrichment, rows: pa.RecordBatch) -> Verdict:
    """Judge the added words by the vectors of their images, but for those in a language that the embedder does not read."""
    if embedder is None:
        return rule(rows, embed=None)
    vectors = rows.column(c.IMAGE_EMBEDDING.name).to_pylist()
    read = [vector if caption else None for vector, caption in zip(vectors, _captions(embedder, rows), strict=True)]
    asked = set_columns(rows, {c.IMAGE_EMBEDDING.name: pa.array(read, c.IMAGE_EMBEDDING.type)})
    return rule(asked, embed=_texts_of(embedder))


def _captions(embedder: EmbedderSpec, rows: pa.RecordBatch) -> list[str | None]:
    """Return the captions that ``embedder`` reads, null for the others."""
    return embedder.readable(rows.column(c.CAPTION.name).to_pylist(), rows.column(c.LANGUAGE.name).to_pylist())


def _texts_of(embedder: EmbedderSpec) -> Embed:
    """Return what embeds texts; the model is loaded at the first batch that holds one."""
    return lambda texts: loaded(embedder).embed_texts(texts)


def recaption_digest(job: Job) -> str:
    """Return the identity of the pass that captions: the annotations, every threshold, the captioner."""
    versions = (job.version, Recaption.version, duplicates.VERSION)
    models = (job.facts and job.names, job.embedder and embed_digest(job))
    rules = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in NO_RULES}
    return digest("recaption", versions, annotate_digest(job), models, rules, job.captioner.digest)


def run_id(job: Job, source: Source) -> str:
    """Return the name of the run: its passes over exactly this input, laid out in exactly these shards."""
    layout = (job.output.shard_mb, job.output.seed, job.output.described_as_samples)
    return digest(recaption_digest(job), source.input, source.identity, *layout)
