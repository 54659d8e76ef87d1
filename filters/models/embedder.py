"""The embedder of a job: ConSE, which ships in registry packages, or any CLIP that open_clip can load."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from filters.models.clip import ClipSpec
from filters.models.conse import ConseSpec
from schemas.protocols import UNDETERMINED, Embedder

CONSE = "conse"


@dataclass(frozen=True)
class EmbedderSpec:
    """What puts images and texts into one space. Raises ``ValueError`` where weights are asked of ConSE or not named for a CLIP."""

    version: ClassVar[int] = 1

    model: str = CONSE
    """``conse``, which is no CLIP and knows 1,000 things, or an architecture of open_clip, such as ``ViT-B-32``."""
    pretrained: str | None = None
    """Tag of open_clip, such as ``openai``."""
    weights: str | None = None
    """Local file of weights in the place of a download."""
    sha256: str | None = None
    """Of that file."""
    languages: tuple[str, ...] = ("en",)
    """What the model reads, ISO 639-1; a text in another language has no score and is not judged. Empty: every language."""
    micro_batch: int = 32
    """Images or texts in each run of a CLIP (ours)."""
    scale: int = 448
    """Longer side in pixels that images are decoded at: twice a CLIP's input, so that its own resize decides (ours)."""
    conse: ConseSpec = field(default_factory=ConseSpec)

    def __post_init__(self) -> None:
        if self.model == CONSE and (self.pretrained or self.weights):
            raise ValueError("`pretrained` and `weights` belong to a CLIP: name its architecture by `model`, such as ViT-B-32")
        _ = self.backend

    @property
    def backend(self) -> ConseSpec | ClipSpec:
        """Return the spec of the model itself."""
        if self.model == CONSE:
            return self.conse
        return ClipSpec(self.model, self.pretrained, self.weights, self.sha256, self.micro_batch)

    @property
    def name(self) -> str:
        """Name under which scores and thresholds are kept, such as ``ViT-B-32/openai``."""
        return self.backend.model

    def load(self) -> Embedder:
        """Return the model; raises ``EnvironmentFault`` where package or weights are not to be had."""
        return self.backend.load()

    def readable(self, texts: Sequence[str | None], languages: Sequence[str | None]) -> list[str | None]:
        """Return ``texts`` with null for those in a ``language`` that the model does not read; an unknown language counts as read."""
        read = (not self.languages or language in (None, UNDETERMINED, *self.languages) for language in languages)
        return [text if is_read else None for text, is_read in zip(texts, read, strict=True)]
