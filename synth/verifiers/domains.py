"""Which verifier judges which sub-domain: the paper's Table 1 in one place."""

from collections.abc import Mapping
from types import MappingProxyType

from synth.verifiers.chart import ChartVerifier
from synth.verifiers.choice import ChoiceVerifier
from synth.verifiers.counting import CountingVerifier
from synth.verifiers.documents import DocumentVerifier
from synth.verifiers.geo import GeoVerifier
from synth.verifiers.ocr import OcrVerifier
from synth.verifiers.reward import Verifier
from synth.verifiers.science import ScienceVerifier
from synth.verifiers.spatial import SpatialVerifier
from synth.verifiers.vqa import VqaVerifier


def verifiers_by_domain(maths: Verifier | None = None) -> Mapping[str, Verifier]:
    """Return the verifier of each sub-domain, by the name that stands in the column ``domain``.

    ``maths`` judges expressions in symbols where physics, chemistry, spatial and visual questions come down to one; None leaves
    them ``undecided``. A judge comes after all of these, in batches, for what is ``undecided``.
    """
    # A new sub-domain is a line here, a row in docs/verifiers.md and a labelled set tests/labelled/verifiers/<domain>.jsonl.
    return MappingProxyType(
        {
            "physics": ScienceVerifier(maths=maths),
            "chemistry": ScienceVerifier(maths=maths),
            "chart": ChartVerifier(),
            "ocr": OcrVerifier(),
            "vqa": VqaVerifier(maths=maths),
            "long_document": DocumentVerifier(),
            "geo": GeoVerifier(),
            "counting": CountingVerifier(),
            "choice": ChoiceVerifier(),
            "spatial": SpatialVerifier(maths=maths),
        }
    )


def name_of(verifier: Verifier) -> str:
    """Return the verifier and its version as the column ``verifier`` holds them: ``chart-1``."""
    return f"{type(verifier).__name__.removesuffix('Verifier').lower()}-{verifier.version}"
