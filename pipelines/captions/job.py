"""The config of caption curation: order is code, numbers are here. Every section is the frozen dataclass that uses it."""

from dataclasses import dataclass, field, fields
from typing import ClassVar

from filters import duplicates, minhash, perceptual
from filters.alt_text import AltText
from filters.blocklist import Blocklist, needed
from filters.concepts import ConceptBalance
from filters.decode import Decoder
from filters.image_rules import ImageContent, ImageSize
from filters.language import Language
from filters.models.embedder import EmbedderSpec
from filters.models.faces import FaceSpec
from filters.models.lid import LidSpec
from filters.models.nsfw import NsfwSpec
from filters.near_image import NearImage
from filters.near_text import NearText
from filters.safety import Faces, NotSafe, PersonalData
from filters.vocabulary import VocabularySpec
from pipelines.pairs.looks import Looks
from pipelines.pairs.near import Shuffle
from pipelines.pairs.rules import RelevanceLimits, annotate_digest, embed_digest
from pipelines.pairs.source import Input, Source
from pipelines.spine.commit import Limits, Output
from pipelines.spine.identity import digest


@dataclass(frozen=True)
class Job:
    """One curation job; the defaults are those of docs/captions.md."""

    version: ClassVar[int] = 1

    input: Input = field(default_factory=Input)
    decode: Decoder = field(default_factory=Decoder)
    lid: LidSpec | None = field(default_factory=LidSpec)
    """What tells languages; null leaves the column empty."""
    nsfw: NsfwSpec | None = None
    """What scores sexual content: an empty mapping, ``{}``, switches it on with its defaults (ours: off, at 50 ms an image)."""
    face_detector: FaceSpec | None = None
    """What counts faces; off by default, as ``nsfw``."""
    embedder: EmbedderSpec | None = None
    """What scores relevance; null leaves it out. ``{}`` is ConSE, which is no CLIP (ours: off, until a model is named)."""
    multilingual: EmbedderSpec | None = None
    """What scores the alt texts whose language ``embedder`` does not read, by a threshold of its own (LAION-5B: mCLIP at 0.26)."""
    gpu: str = ""
    """GPU of the machines that embed, on Dataflow: a name of ``pipelines.spine.dataflow.GPUS``; empty takes none."""
    image_size: ImageSize = field(default_factory=ImageSize)
    image_content: ImageContent = field(default_factory=ImageContent)
    blocklist: Blocklist = field(default_factory=Blocklist)
    alt_text: AltText = field(default_factory=AltText)
    language: Language = field(default_factory=Language)
    personal_data: PersonalData = field(default_factory=PersonalData)
    """``text`` is set by the step."""
    not_safe: NotSafe = field(default_factory=NotSafe)
    faces: Faces = field(default_factory=Faces)
    clip: RelevanceLimits = field(default_factory=RelevanceLimits)
    near_image: NearImage | None = field(default_factory=NearImage)
    """Which images are nearly the same; null merges exact duplicates alone."""
    near_text: NearText | None = field(default_factory=NearText)
    """Which alt texts are nearly the same, whatever their images; null merges none for its text."""
    near: Shuffle = field(default_factory=Shuffle)
    vocabulary: VocabularySpec | None = None
    """What concepts are; null takes the vocabulary that ``python -m jobs.vocabulary`` builds."""
    balance: ConceptBalance | None = field(default_factory=ConceptBalance)
    """How common concepts are thinned out; null leaves the pool as it is."""
    limits: Limits = field(default_factory=Limits)
    output: Output = field(default_factory=Output)

    @property
    def embedders(self) -> tuple[EmbedderSpec, ...]:
        """Return what scores relevance, in the order in which they are asked."""
        return tuple(filter(None, (self.embedder, self.multilingual)))

    @property
    def looks(self) -> Looks:
        """Return what each sample is put to."""
        hashes = needed(self.blocklist.load())
        versions = (self.near_image and perceptual.VERSION, self.near_text and minhash.VERSION)
        return Looks(None, None, self.lid, self.nsfw, self.face_detector, hashes, *versions)


NO_RULES = {"input", "decode", "lid", "nsfw", "face_detector", "embedder", "multilingual", "gpu", "near", "limits", "output"}
"""Sections that the identity of the last pass holds by the digests of earlier ones, or not at all; every other one is a rule in it."""


def take_digest(job: Job) -> str:
    """Return the identity of the last pass: the signals, and every rule on them."""
    rules = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in NO_RULES}
    scored = embed_digest(job) if job.embedders else None
    return digest("captions", (job.version, duplicates.VERSION), annotate_digest(job), scored, rules)


def run_id(job: Job, source: Source) -> str:
    """Return the name of the run: its passes over exactly this input, laid out in exactly these shards."""
    return digest(take_digest(job), source.input, source.identity, job.output.shard_mb, job.output.seed)
