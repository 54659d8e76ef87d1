"""Evidence: what an image shows, in words, for a captioner that cannot see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from schemas import columns as c
from schemas.protocols import Classifier, Ocr, Pixels
from synth.models.ocr import OcrSpec


@dataclass(frozen=True)
class Evidence:
    """What is looked for in each image; used only where the captioner works from a description."""

    version: ClassVar[int] = 1

    ocr: OcrSpec = field(default_factory=OcrSpec)
    top: int = 3
    """Labels kept for each image (ours)."""
    min_probability: float = 0.3
    """A label below this is a guess and stays out (ours: on paintings, labels between .1 and .3 were mostly wrong)."""
    scale: int = 640
    """Longer side of the pixels that the models get (ours: text of a line's height survives)."""
    min_side: int = 64
    """Images with a smaller shorter side are not looked at: a guard in front of the models (ours)."""


def look(images: Sequence[Pixels | None], how: Evidence, classifier: Classifier, ocr: Ocr) -> dict[str, pa.Array]:
    """Return the columns ``labels`` and ``ocr_text`` for ``images``, null where there is no image or it is too small."""
    places = [i for i, image in enumerate(images) if image is not None and min(image.shape[:2]) >= how.min_side]
    seen = [image for i in places if (image := images[i]) is not None]
    labels: list[Any] = [None] * len(images)
    texts: list[Any] = [None] * len(images)
    for place, found, lines in zip(places, classifier.classify(seen, how.top), ocr.read(seen), strict=True):
        labels[place] = [{"label": name, "probability": p} for name, p in found if p >= how.min_probability]
        texts[place] = [line for line, confidence in lines if confidence >= how.ocr.min_confidence]
    return {c.LABELS.name: pa.array(labels, c.LABELS.type), c.OCR_TEXT.name: pa.array(texts, c.OCR_TEXT.type)}


def in_words(labels: Sequence[Mapping[str, Any]] | None, ocr_text: Sequence[str] | None) -> str:
    """Return the evidence as the lines that go into the prompt; `nothing was recognised` where there is none."""
    shown = ", ".join(f"{label['label']} {label['probability']:.2f}" for label in labels or ())
    text = " / ".join(ocr_text or ())
    lines = [f"labels: {shown}"] * bool(shown) + [f"text in the image: {text}"] * bool(text)
    return "\n".join(lines) or "nothing was recognised"
