"""What an image shows, in the 1,000 classes of ImageNet-1k: EfficientNet-lite2 on the CPU."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.protocols import Classifier, Pixels
from schemas.weights import TABLE, path_of

INPUT_SIDE = 260
"""Pixels of the model's square input (EfficientNet-Lite, lite2)."""
CROP = INPUT_SIDE / (INPUT_SIDE + 32)
"""Share of the shorter side that the central crop keeps (EfficientNet-Lite, evaluation)."""
MEAN, SCALE = 127.0, 128.0
"""Pixel values enter as (value - 127) / 128, the same for each channel (EfficientNet-Lite)."""


@dataclass(frozen=True)
class LabelSpec:
    """EfficientNet-lite2 with the class names of OpenAI's CLIP, both fetched by ``jobs.fetch efficientnet``."""

    version: ClassVar[int] = 1

    name: str = "efficientnet-lite2"
    weights: str = "efficientnet"
    """Entry of the cache that holds the weights."""
    sha256: str = TABLE["efficientnet"].sha256
    names_sha256: str = TABLE["imagenet"].sha256
    micro_batch: int = 8
    """Images in each run of the model; a batch is padded to it, so that no result depends on its neighbours (ours)."""

    def load(self) -> Classifier:
        """Return the model; raises ``EnvironmentFault`` where the weights have not been fetched."""
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        network: Any = EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(path_of(self.weights, self.sha256), map_location="cpu", weights_only=True))
        # Channels last is how the pixels lie in memory, and a third faster on one thread (45 against 72 ms an image).
        network.eval().to(memory_format=torch.channels_last)
        names = json.loads(path_of("imagenet", self.names_sha256).read_text(encoding="utf-8"))
        return EfficientNetLite(network, tuple(names), self.micro_batch)


class EfficientNetLite:
    """A loaded classifier; see ``schemas.protocols.Classifier``."""

    def __init__(self, network: Any, names: Sequence[str], micro_batch: int) -> None:
        """Classify with ``network``, whose output ``i`` stands for ``names[i]``."""
        self._network = network
        self._micro_batch = micro_batch
        # Two pairs of classes share a name ("missile", "sunglasses"): they are one label, with the sum of both.
        self._names, self._label_of_class = np.unique(np.array(names), return_inverse=True)

    def classify(self, images: Sequence[Pixels], top: int) -> list[list[tuple[str, float]]]:
        """Return for each image its ``top`` (label, probability), best first, probabilities rounded to 4 decimals."""
        parts = [images[start : start + self._micro_batch] for start in range(0, len(images), self._micro_batch)]
        return [self._best(row, top) for part in parts for row in self._probabilities(part)]

    def _best(self, probabilities: npt.NDArray[np.float64], top: int) -> list[tuple[str, float]]:
        rounded = np.bincount(self._label_of_class, weights=probabilities).round(4)
        best = np.argsort(-rounded, kind="stable")[:top]
        return [(str(self._names[i]), float(rounded[i])) for i in best]

    def _probabilities(self, part: Sequence[Pixels]) -> npt.NDArray[np.float64]:
        """Return the softmax of up to one micro-batch of images, shape (n, 1000)."""
        import torch

        inputs = np.zeros((self._micro_batch, INPUT_SIDE, INPUT_SIDE, 3), np.float32)
        inputs[: len(part)] = [_model_input(image) for image in part]
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(inputs).permute(0, 3, 1, 2))[: len(part)]
        return torch.softmax(logits.double(), dim=1).numpy()


def _model_input(image: Pixels) -> npt.NDArray[np.float32]:
    """Return the central square of ``image``, resized and scaled, shape (260, 260, 3), float32."""
    height, width = image.shape[:2]
    side = CROP * min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    square = Image.fromarray(image).resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return (np.asarray(square, np.float32) - np.float32(MEAN)) / np.float32(SCALE)
