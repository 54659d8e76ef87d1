"""Copies of a picture as the web makes them, for whatever has to find them again."""

import io

from PIL import Image, ImageEnhance, ImageOps

FOUND = ("copy", "q40", "resize", "bright", "crop2")
"""Kinds that near-duplicate search has to find."""
NOT_CLAIMED = ("crop10", "flip")
"""Kinds that it need not."""


def copy_of(data: bytes, kind: str) -> bytes:
    """Return another JPEG of the JPEG ``data``, made as ``kind`` says; raises ``KeyError`` for a kind that is none."""
    if kind == "copy":
        return _commented(data)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    made = {
        "q40": lambda: image,
        "resize": lambda: image.resize((width * 2 // 3, height * 2 // 3), Image.Resampling.LANCZOS),
        "bright": lambda: ImageEnhance.Brightness(image).enhance(1.15),
        "crop2": lambda: _cropped(image, 0.02),
        "crop10": lambda: _cropped(image, 0.1),
        "flip": lambda: ImageOps.mirror(image),
    }[kind]()
    file = io.BytesIO()
    made.save(file, "JPEG", quality=40 if kind == "q40" else 85)
    return file.getvalue()


def _commented(data: bytes) -> bytes:
    """Return the same picture with a comment behind the start of the image: other bytes, equal pixels."""
    comment = b"downloaded"
    return data[:2] + b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment + data[2:]


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """Return ``image`` without ``share`` of its width on the left and the right, and of its height above and below."""
    left, top = round(image.width * share), round(image.height * share)
    return image.crop((left, top, image.width - left, image.height - top))
