"""CLIP and its kin: any model of open_clip, by name or from a local file.

open_clip's own transform and tokenizer prepare what goes in. float32 on the CPU; on a GPU the weights are cast to bf16 as
open_clip's precision ``bf16`` casts them (no autocast), and vectors are normalised in float32. That costs a score about
three digits after the point: calibrate on the kind of machine that scores.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from schemas.exits import EnvironmentFault
from schemas.protocols import Failure, Pixels
from schemas.weights import sha256_of

Vectors = npt.NDArray[np.float32]

PREPARING_THREADS = 4
"""Threads that decode and resize the next micro-batch (ours)."""
_PREPARATION = {"mean": "image_mean", "std": "image_std", "interpolation": "image_interpolation", "resize_mode": "image_resize_mode"}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class ClipSpec:
    """One set of weights of one architecture. Raises ``ValueError`` where neither ``pretrained`` nor ``weights`` says which."""

    version: ClassVar[int] = 1

    name: str = "ViT-B-32"
    """Architecture as open_clip calls it, or `hf-hub:org/repository`, or `local-dir:/a/folder`, which bring weights of their own."""
    pretrained: str | None = None
    """open_clip's tag, such as `openai`: what the weights are. It decides how images are prepared, the activation, and the threshold."""
    weights: str | None = None
    """Local file (.safetensors, or .pt read with `weights_only`) in the place of a download."""
    sha256: str | None = None
    """Of the weights' file, checked at loading if given."""
    micro_batch: int = 32
    """Images or texts in each run of the model; a run is padded to it, so that no result depends on its neighbours (ours)."""
    device: str | None = None
    """Null takes a GPU where there is one."""

    def __post_init__(self) -> None:
        if not (self.pretrained or self.weights or ":" in self.name):
            raise ValueError(
                f"{self.name}: name the weights by `pretrained` (a tag of open_clip, such as openai) or `weights` (a local file)"
            )

    @property
    def model(self) -> str:
        """Name under which scores and thresholds are kept, such as `ViT-B-32/openai`; a file without a tag goes by its own name."""
        if ":" in self.name:
            return self.name
        return f"{self.name.removesuffix('-quickgelu')}/{self.pretrained or Path(str(self.weights)).name}"

    def load(self) -> "Clip":
        """Return the model; raises ``EnvironmentFault`` where the package or the weights are not to be had."""
        open_clip, torch = import_open_clip()
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        tag: Mapping[str, Any] = (self.pretrained and open_clip.get_pretrained_cfg(self.name, self.pretrained)) or {}
        try:
            network, prepare = open_clip.create_model_from_pretrained(
                self.name,
                self._file(open_clip, tag),
                precision="fp32" if device == "cpu" else "bf16",
                device=device,
                force_quick_gelu=bool(tag.get("quick_gelu")),
                **{argument: tag[key] for key, argument in _PREPARATION.items() if key in tag},
            )
            tokenize = open_clip.get_tokenizer(self.name)
        except EnvironmentFault:
            raise
        except Exception as error:  # whatever a library raises over a file, no sample is to blame for it
            raise EnvironmentFault(f"{self._missing()}: {type(error).__name__}: {error}") from error
        return Clip(network.eval(), prepare, tokenize, self.micro_batch, device, torch.float32 if device == "cpu" else torch.bfloat16)

    def _file(self, open_clip: Any, tag: Mapping[str, Any]) -> str | None:
        """Return the file of weights, local or downloaded, after its hash was checked; None where the name brings its own."""
        if self.weights is None and ":" in self.name:
            return None
        if self.weights is None and not tag:
            known = ", ".join(open_clip.list_pretrained_tags_by_model(self.name)) or "none: is the name right?"
            raise EnvironmentFault(f"open_clip knows no weights {self.pretrained!r} of {self.name}; known are {known}")
        file = Path(self.weights or open_clip.download_pretrained(dict(tag)))
        if not file.is_file():
            raise EnvironmentFault(f"{self._missing()}: no such file")
        if self.sha256 is not None and (found := sha256_of(file)) != self.sha256:
            raise EnvironmentFault(f"expected {file} with SHA-256 {self.sha256}, found {found}; name the right file or hash")
        return str(file)

    def _missing(self) -> str:
        where = self.weights or f"{self.name} {self.pretrained or ''} from the hub"
        return (
            f"expected weights of {self.model} at {where}, which could not be loaded (name a local file by `weights`, or a folder by "
            "`local-dir:`; for the hub: a network, HF_HUB_OFFLINE unset, or files already in HF_HOME)"
        )


class Clip:
    """A loaded embedder; see ``schemas.protocols.Embedder``. Out of memory halves its micro-batch, from then on."""

    def __init__(self, network: Any, prepare: Any, tokenize: Any, micro_batch: int, device: str, dtype: Any) -> None:
        """Embed with ``network``, on ``device`` in ``dtype``, what ``prepare`` makes of a PIL image and ``tokenize`` of texts."""
        self._network, self._prepare, self._tokenize = network, prepare, tokenize
        self._micro_batch, self._device, self._dtype = micro_batch, device, dtype

    def embed_images(self, images: Sequence[Pixels]) -> Vectors:
        """Return unit vectors, shape (n, d), float32."""
        return self._stacked(self._embed_prepared([self._prepared(image) for image in part]) for part in _parts(images, self._micro_batch))

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (n, d), float32. A text is cut at the model's context length, as open_clip cuts it."""
        return self._stacked(self._embed(self._network.encode_text, self._tokenize(part)) for part in _parts(texts, self._micro_batch))

    def embed_encoded(
        self, encoded: Iterable[bytes], decode: Callable[[bytes], Pixels | Failure], threads: int = PREPARING_THREADS
    ) -> Iterator[Vectors | Failure]:
        """Yield for each encoded image its unit vector, shape (d,), or the failure of ``decode``, in order.

        The next micro-batch is decoded and resized in ``threads`` while the model runs; no more than two are in memory.
        """

        def work(data: bytes) -> Any:
            pixels = decode(data)
            return pixels if isinstance(pixels, Failure) else self._prepared(pixels)

        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[list[Future[Any]]] = deque()
            for part in _parts(encoded, self._micro_batch):
                ahead.append([pool.submit(work, data) for data in part])
                if len(ahead) == 2:
                    yield from self._finished(ahead.popleft())
            while ahead:
                yield from self._finished(ahead.popleft())

    def _finished(self, waiting: Sequence[Future[Any]]) -> Iterator[Vectors | Failure]:
        outcomes = [future.result() for future in waiting]
        vectors = iter(self._embed_prepared([outcome for outcome in outcomes if not isinstance(outcome, Failure)]))
        yield from (outcome if isinstance(outcome, Failure) else next(vectors) for outcome in outcomes)

    def _prepared(self, image: Pixels) -> Any:
        return self._prepare(Image.fromarray(image))

    def _embed_prepared(self, images: Sequence[Any]) -> Vectors:
        import torch

        return self._embed(self._network.encode_image, torch.stack(list(images))) if images else self._stacked(())

    def _stacked(self, parts: Iterable[Vectors]) -> Vectors:
        found = list(parts)
        return np.concatenate(found) if found else np.zeros((0, self._width), np.float32)

    @functools.cached_property
    def _width(self) -> int:
        """Length of a vector: that of an empty text."""
        return self._embed(self._network.encode_text, self._tokenize([""])).shape[1]

    def _embed(self, encode: Callable[[Any], Any], inputs: Any) -> Vectors:
        """Return unit vectors of ``inputs``, shape (n, ...), in runs of the micro-batch."""
        parts: list[Vectors] = []
        done = 0
        while done < len(inputs):
            try:
                parts.append(self._run(encode, inputs[done : done + self._micro_batch]))
                done += len(parts[-1])
            except (MemoryError, RuntimeError) as error:
                self._halve(error)
        return np.concatenate(parts)

    def _run(self, encode: Callable[[Any], Any], part: Any) -> Vectors:
        import torch

        padded = torch.zeros((self._micro_batch, *part.shape[1:]), dtype=part.dtype)
        padded[: len(part)] = part
        with torch.inference_mode():
            inputs = padded.to(self._device, self._dtype if padded.is_floating_point() else None)
            vectors = encode(inputs)[: len(part)].float()
            return torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()

    def _halve(self, error: MemoryError | RuntimeError) -> None:
        """Halve the micro-batch if ``error`` says that memory was short, else raise it."""
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in _OUT_OF_MEMORY):
            raise error
        if self._micro_batch == 1:
            raise EnvironmentFault(
                f"one image or text alone does not fit the memory of {self._device}: {error}; end what else uses it or take a smaller model"
            ) from error
        self._micro_batch //= 2


def _parts(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def import_open_clip() -> tuple[Any, Any]:
    """Return the packages ``open_clip`` and ``torch``; raises ``EnvironmentFault`` where they are not installed."""
    if find_spec("open_clip") is None:
        raise EnvironmentFault("expected the package open_clip_torch, found none; run: python -m pip install 'glmv-curation[clip]'")
    import torch

    _declare_torchvision()
    import open_clip

    return open_clip, torch


@functools.cache
def _declare_torchvision() -> Any:
    """Declare torchvision's operators where its library does not fit this torch, so that it can be imported all the same.

    The torchvision of PyPI is built for CUDA; beside a torch for the CPU it cannot load its own library, and its import ends
    at an operator that no one declared. open_clip uses its transforms alone. What is returned keeps the declaration alive.
    """
    import torch

    package = find_spec("torchvision")
    if package is None or package.origin is None:
        return None
    try:
        for library in sorted(Path(package.origin).parent.glob("_C*.so")):
            torch.ops.load_library(str(library))
    except OSError:
        declared = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return declared
    return None
