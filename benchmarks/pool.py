"""Pools of images to measure on: JPEGs of smoothed noise, as large and as hard to decode as photographs of the web."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

DISTINCT = 64
_SHAPES = ((640, 480), (480, 640), (640, 427), (600, 600), (800, 450))


def build(folder: Path, samples: int, side: int = 640) -> Path:
    """Write ``samples`` samples of (side, side * 3/4) pixels into one tar below ``folder`` and return its path."""
    return _built(folder / f"pool-{samples}-{side}.tar", samples, lambda seed: _photo(seed, (side, side * 3 // 4)))


def build_mixed(folder: Path, samples: int) -> Path:
    """Write ``samples`` samples of which an eighth breaks a rule on images, and return the path of their tar.

    Most are about 640x480. In each 32 one is small, one elongated, one of a single colour, and one a file of less than 5 KB.
    """
    return _built(folder / f"mixed-{samples}.tar", samples, _mixed)


def _built(path: Path, samples: int, picture: Callable[[int], bytes]) -> Path:
    if path.exists():
        return path
    images = [picture(seed) for seed in range(DISTINCT)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in range(samples):
            # A comment after the end of the image makes equal pictures different files, so that none is a duplicate.
            _add(tar, f"{number:09d}.jpg", images[number % DISTINCT] + f"{number:09d}".encode())
            _add(tar, f"{number:09d}.txt", f"A harbour at dusk with boat number {number} under a red sky".encode())
    return path


def _mixed(seed: int) -> bytes:
    if seed % 32 == 21:
        return _encoded(Image.new("RGB", (1200, 900), (180, 40, 90)), quality=85)
    faults = {5: ((180, 240), 85), 13: ((1000, 300), 85), 29: ((240, 240), 10)}
    return _photo(seed, *faults.get(seed % 32, (_SHAPES[seed % len(_SHAPES)], 85)))


def _photo(seed: int, size: tuple[int, int], quality: int = 85) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return _encoded(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.2)), quality)


def _encoded(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
