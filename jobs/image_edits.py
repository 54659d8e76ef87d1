"""What the web does to an image: each edit takes the bytes of one and gives those of its copy."""

import io

from PIL import Image, ImageEnhance, ImageOps

from jobs.demo_corpus import jpeg


def opened(image: bytes) -> Image.Image:
    """Return the pixels of ``image``."""
    return Image.open(io.BytesIO(image)).convert("RGB")


def encoded_again(image: bytes) -> bytes:
    """Return ``image`` as a JPEG of quality 40."""
    return jpeg(opened(image), quality=40)


def smaller(image: bytes) -> bytes:
    """Return ``image`` at two thirds of its size."""
    whole = opened(image)
    return jpeg(whole.resize((whole.width * 2 // 3, whole.height * 2 // 3)))


def brighter(image: bytes) -> bytes:
    """Return ``image`` 15 % brighter."""
    return jpeg(ImageEnhance.Brightness(opened(image)).enhance(1.15))


def cropped(image: bytes) -> bytes:
    """Return ``image`` without 2 % of each side."""
    whole = opened(image)
    across, down = whole.width // 50, whole.height // 50
    return jpeg(whole.crop((across, down, whole.width - across, whole.height - down)))


def mirrored(image: bytes) -> bytes:
    """Return ``image`` with left and right exchanged."""
    return jpeg(ImageOps.mirror(opened(image)))


def tiny(image: bytes) -> bytes:
    """Return ``image`` at 210 pixels on the shorter side, as a JPEG of less than 5 KB."""
    return jpeg(ImageOps.fit(opened(image), (210, 210)), quality=5)


def cut_off(image: bytes) -> bytes:
    """Return the first two fifths of ``image``."""
    return image[: len(image) * 2 // 5]
