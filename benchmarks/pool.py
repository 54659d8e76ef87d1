"""A pool of images to measure on: JPEGs of smoothed noise, as large and as hard to decode as photographs of the web."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

DISTINCT = 64


def build(folder: Path, samples: int, side: int = 640) -> Path:
    """Write ``samples`` samples of (side, side * 3/4) pixels into one tar below ``folder`` and return its path."""
    path = folder / f"pool-{samples}-{side}.tar"
    if path.exists():
        return path
    images = [_photo(seed, side) for seed in range(DISTINCT)]
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for number in range(samples):
            # A comment after the end of the image makes equal pictures different files, so that none is a duplicate.
            _add(tar, f"{number:09d}.jpg", images[number % DISTINCT] + f"{number:09d}".encode())
            _add(tar, f"{number:09d}.txt", f"A harbour at dusk with boat number {number} under a red sky".encode())
    return path


def _photo(seed: int, side: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (side * 3 // 4, side, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.2)).save(file, "JPEG", quality=85)
    return file.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
