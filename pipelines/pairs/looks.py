"""What every sample is put to besides the decode, while its pixels are at hand: each look leaves columns, and drops nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from filters import perceptual
from filters.blocklist import digests
from filters.language import label
from filters.models.faces import FaceSpec
from filters.models.labels import LabelSpec
from filters.models.lid import LidSpec
from filters.models.nsfw import NsfwSpec
from filters.near_text import minhashes
from filters.safety import face_counts, nsfw_scores
from pipelines.spine.loaded import loaded
from schemas import columns as c
from schemas.protocols import Pixels
from synth.evidence import Evidence, look


@dataclass(frozen=True)
class Looks:
    """Which looks a job takes; a null one is not taken, and its model is not loaded."""

    labels: LabelSpec | None
    evidence: Evidence | None
    """Null, as ``labels``, where the captioner sees the images itself."""
    lid: LidSpec | None
    nsfw: NsfwSpec | None
    faces: FaceSpec | None
    hashes: tuple[str, ...]
    """Columns of the hashes that a blocklist is made of, besides ``image_hash``."""
    perceptual: int | None = None
    """Version of the perceptual hashes that near-duplicates are sought by; null makes none."""
    minhash: int | None = None
    """Version of the MinHash signatures of alt texts, likewise."""

    @property
    def scale(self) -> int:
        """Longer side in pixels that the looks need, 0 where none looks at pixels."""
        hashes = perceptual.SCALE if self.perceptual else 0
        return max(hashes, *(look.scale if look else 0 for look in (self.evidence, self.nsfw, self.faces)))

    def __call__(self, rows: pa.RecordBatch, pixels: Sequence[Pixels | None]) -> Mapping[str, pa.Array]:
        """Return the columns of every look at ``rows``, whose decoded images ``pixels`` are, None where there is none."""
        added: dict[str, pa.Array] = {}
        if self.lid:
            added |= label(rows.column(c.ALT_TEXT.name).to_pylist(), loaded(self.lid))
        if self.evidence and self.labels:
            added |= look(pixels, self.evidence, loaded(self.labels), loaded(self.evidence.ocr))
        if self.nsfw:
            added |= nsfw_scores(pixels, loaded(self.nsfw))
        if self.faces:
            added |= face_counts(pixels, loaded(self.faces))
        if self.hashes:
            added |= digests(rows.column(c.IMAGE.name).field("bytes").to_pylist(), self.hashes)
        if self.perceptual:
            added |= perceptual.perceptual(pixels)
        if self.minhash:
            added |= minhashes(rows.column(c.ALT_TEXT.name).to_pylist())
        return added
