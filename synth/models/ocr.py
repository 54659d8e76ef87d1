"""Text in an image: PP-OCRv6 (small) as it ships in the wheel of ``rapidocr``, on the CPU, without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from schemas.exits import EnvironmentFault
from schemas.protocols import Ocr, Pixels
from schemas.weights import sha256_of

PACKAGE = "rapidocr==3.10.0"


@dataclass(frozen=True)
class OcrSpec:
    """Detector and recogniser of PP-OCRv6 small, pinned by the hash of their files."""

    version: ClassVar[int] = 1

    min_confidence: float = 0.9
    """A line below this is more often noise than text, and stays out (ours)."""
    name: str = "PP-OCRv6-small"
    weights: str = PACKAGE
    detector_sha256: str = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
    recogniser_sha256: str = "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"
    max_side: int = 960
    """Longer side, in pixels, above which the detector scales an image down; it never scales up (ours: scaling the shorter
    side up to 736 as the package does took five times as long and found no more lines of 8 to 72 pixels)."""
    threads: int = 2

    def load(self) -> Ocr:
        """Return the reader; raises ``EnvironmentFault`` where the package or its weights are not the pinned ones."""
        detector = _weights("PP-OCRv6_det_small.onnx", self.detector_sha256)
        recogniser = _weights("PP-OCRv6_rec_small.onnx", self.recogniser_sha256)
        from rapidocr import RapidOCR

        engine: Any = RapidOCR(
            params={
                "Global.log_level": "critical",  # it logs each image without text as a warning
                "Global.text_score": 0.0,  # `min_confidence` decides, where the line is used
                "Global.use_cls": False,  # the classifier of upside-down lines turned a good line in seven of a printed page
                "Det.model_path": str(detector),
                "Det.limit_type": "max",
                "Det.limit_side_len": self.max_side,
                "Rec.model_path": str(recogniser),
                "EngineConfig.onnxruntime.intra_op_num_threads": self.threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        return RapidOcrReader(engine)


class RapidOcrReader:
    """A loaded reader; see ``schemas.protocols.Ocr``. Images are read one by one, so none depends on its neighbours."""

    def __init__(self, engine: Any) -> None:
        """Read with ``engine``, a ``rapidocr.RapidOCR``."""
        self._engine = engine

    def read(self, images: Sequence[Pixels]) -> list[list[tuple[str, float]]]:
        """Return for each image its (line, confidence), top to bottom and left to right, confidences rounded to 4 decimals."""
        return [self._lines(image) for image in images]

    def _lines(self, image: Pixels) -> list[tuple[str, float]]:
        found = self._engine(np.ascontiguousarray(image[:, :, ::-1]))  # the engine takes BGR
        return [(str(text), round(float(score), 4)) for text, score in zip(found.txts or (), found.scores or (), strict=True)]


def _weights(file: str, sha256: str) -> Path:
    """Return the path of a weight inside the installed package, without importing it."""
    package = find_spec("rapidocr")
    if package is None or package.origin is None:
        raise EnvironmentFault(f"expected the package {PACKAGE}, found none; run: python -m pip install {PACKAGE}")
    path = Path(package.origin).parent / "models" / file
    found = sha256_of(path) if path.is_file() else "no file"
    if found != sha256:
        raise EnvironmentFault(
            f"expected {file} of {PACKAGE} with SHA-256 {sha256}, found {found} at {path}; run: "
            f"python -m pip install --force-reinstall {PACKAGE}"
        )
    return path
