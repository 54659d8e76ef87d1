"""The rules on what was measured of a pair, in the paper's order, and the identities of the passes that measure it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.alt_text import AltText
from filters.blocklist import Blocklist
from filters.decode import Decoder
from filters.image_rules import ImageContent, ImageSize
from filters.language import Language
from filters.models.embedder import EmbedderSpec
from filters.models.faces import FaceSpec
from filters.models.lid import LidSpec
from filters.models.nsfw import NsfwSpec
from filters.relevance import Relevance
from filters.safety import Faces, NotSafe, PersonalData
from pipelines.pairs.looks import Looks
from pipelines.pairs.source import Input
from pipelines.readers import splits
from pipelines.spine.commit import Output
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import digest
from pipelines.spine.loaded import loaded
from schemas import columns as c
from schemas.batches import scatter, take_rows
from schemas.exits import Verdict
from schemas.records import SCHEMA_VERSION

Rule = Callable[[pa.RecordBatch], Verdict]
Step = tuple[str, Rule]
"""The sentence of a step, and what judges the rows under way."""
SIZE = "Drop images that are too small or too elongated"
CONTENT = "Drop solid colours and tiny files"
CONTENT_OF_HEADERS = "Drop tiny files (solid colours are not judged: decode.pixels is false)"
NOT_SAFE, FACES = "Drop images that show sexual content", "Drop images that show faces"
ALT_TEXT, LANGUAGE = "Drop alt texts that say nothing", "Drop alt texts in other languages"
RELEVANCE = "Drop alt texts that do not fit their image"


@dataclass(frozen=True)
class RelevanceLimits:
    """What a score has to reach; null takes the threshold that belongs to the embedder."""

    min_score: float | None = None
    """Of image and alt text."""
    min_multilingual_score: float | None = None
    """Likewise, where a second embedder scored because the first does not read the language."""
    min_caption_score: float | None = None
    """Of image and caption."""
    require_score: bool = False
    """Whether a text that the embedder does not read leaves (ours)."""


class PairJob(Protocol):  # each section is documented by its own class
    """The sections that every job over image-text pairs has."""

    # ruff: noqa: D102

    @property
    def input(self) -> Input: ...
    @property
    def decode(self) -> Decoder: ...
    @property
    def lid(self) -> LidSpec | None: ...
    @property
    def nsfw(self) -> NsfwSpec | None: ...
    @property
    def face_detector(self) -> FaceSpec | None: ...
    @property
    def embedders(self) -> tuple[EmbedderSpec, ...]: ...
    @property
    def gpu(self) -> str: ...
    @property
    def image_size(self) -> ImageSize: ...
    @property
    def image_content(self) -> ImageContent: ...
    @property
    def blocklist(self) -> Blocklist: ...
    @property
    def alt_text(self) -> AltText: ...
    @property
    def language(self) -> Language: ...
    @property
    def personal_data(self) -> PersonalData: ...
    @property
    def not_safe(self) -> NotSafe: ...
    @property
    def faces(self) -> Faces: ...
    @property
    def clip(self) -> RelevanceLimits: ...
    @property
    def looks(self) -> Looks: ...
    @property
    def output(self) -> Output: ...


def decisions(job: PairJob) -> list[Step]:
    """Return the rules on the stored signals, in order: the sentence of each step, and its filter. A rule without a signal is left out."""
    steps: list[tuple[object, str, Rule]] = [
        (True, SIZE, job.image_size),
        (True, CONTENT if job.decode.pixels else CONTENT_OF_HEADERS, job.image_content),
        (job.blocklist.files, "Drop images that are on a blocklist", partial(_listed, job.blocklist)),
        (job.nsfw, NOT_SAFE, job.not_safe),
        (job.face_detector, FACES, job.faces),
        (True, ALT_TEXT, job.alt_text),
        (job.lid, LANGUAGE, job.language),
        (True, "Drop alt texts with personal data", replace(job.personal_data, text=c.ALT_TEXT.name)),
    ]
    keys = ("min_score", "min_multilingual_score")
    fits = [relevance(embedder, job.clip, c.CLIP_SCORE, key) for embedder, key in zip(job.embedders, keys, strict=False)]
    steps.append((fits, RELEVANCE, partial(_by_model, fits)))
    return [(sentence, rule) for is_on, sentence, rule in steps if is_on]


def relevance(embedder: EmbedderSpec, limits: RelevanceLimits, score: pa.Field, key: str) -> Relevance:
    """Return the rule on ``score`` by the limit ``key``; raises ``ValueError`` where the embedder has no threshold and none is given."""
    return Relevance(embedder.name, getattr(limits, key), score.name, limits.require_score, f"clip.{key}")


def refuse_blind_looks(job: PairJob) -> None:
    """Raise ``ConfigError`` where ``decode.pixels`` is false and something of the job looks at pixels."""
    looking = {
        "embedder": job.embedders,
        "nsfw": job.nsfw,
        "face_detector": job.face_detector,
        "near_image": job.looks.perceptual,
        "a captioner that works from a description": job.looks.evidence,
    }
    if not job.decode.pixels and (found := [name for name, look in looking.items() if look]):
        raise ConfigError(f"'decode.pixels' is false, but {' and '.join(found)} look at pixels: set it to true, or leave them out")


def annotate_digest(job: PairJob) -> str:
    """Return the identity of the annotate pass: what is read, how it is decoded, what is looked for."""
    return digest("annotate", SCHEMA_VERSION, splits.VERSION, job.input.corpus, job.input.license, job.decode, job.looks)


def embed_digest(job: PairJob) -> str:
    """Return the identity of the embed pass: the annotations, and the models in the order in which they are asked."""
    return digest("embed", annotate_digest(job), job.embedders)


def _listed(blocklist: Blocklist, rows: pa.RecordBatch) -> Verdict:
    return blocklist(rows, hashes=loaded(blocklist))


def _by_model(fits: Sequence[Relevance], rows: pa.RecordBatch) -> Verdict:
    """Hold each score against the threshold of the model that gave it; what has none is judged by the first."""
    models = rows.column(c.CLIP_MODEL.name).to_pylist()
    masks = [np.array([model == fit.model or (model is None and fit is fits[0]) for model in models], np.bool_) for fit in fits]
    said = [(fit(take_rows(rows, mask)), mask) for fit, mask in zip(fits, masks, strict=True)]
    names = ("reason", "value", "threshold")
    parts = {name: [scatter(getattr(verdict, name), mask) for verdict, mask in said if mask.any()] for name in names}
    kinds = {"reason": pa.string(), "value": pa.float64(), "threshold": pa.float64()}
    return Verdict(*(pc.call_function("coalesce", parts[name]) if parts[name] else pa.nulls(len(rows), kinds[name]) for name in names))
