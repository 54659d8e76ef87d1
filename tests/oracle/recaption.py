"""What the recaption job promises, row by row: read, decode, drop, merge, caption, drop again.

A row leaves at the first step, and there by the first rule, that it breaks. Images are decoded whole, at full resolution; the
job may decode a reduced one, so a corpus must keep clear of the threshold on colour (``tests.oracle.corpus`` does).
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from PIL import Image, UnidentifiedImageError

from tests.oracle.text_rules import alt_text_fault, caption_fault, clean, similarity, without_tags

READ = "Read the images and their alt texts"
DECODE = "Decode each image once"
SIZE = "Drop images that are too small or too elongated"
CONTENT = "Drop solid colours and tiny files"
ALT_TEXT = "Drop alt texts that say nothing"
MERGE = "Merge exact duplicates"
WRITE = "Rewrite the alt text with the captioner"
CAPTION = "Drop captions that are no captions"
STEPS = (READ, DECODE, SIZE, CONTENT, ALT_TEXT, MERGE, WRITE, CAPTION)

KEPT, DROPPED, MERGED, DEAD = "kept", "dropped", "merged", "dead"
IMAGE_EXTENSIONS = {"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"}

Place = tuple[str, str | None]
"""(source_path, source_member): where a row comes from."""


@dataclass
class Row:
    """One sample and the door that it left by. Rows begin as kept and are kept unless something happens to them."""

    corpus: str
    source_path: str
    source_member: str | None
    """Name of the image in the tar; None where the sample has no image."""
    source_offset: int | None
    image: bytes = field(repr=False)
    alt_text: str | None = None
    width: int = 0
    """As stored (a quarter turn changes no rule); 0 where the image was never decoded, as are ``height`` and ``colour_std``."""
    height: int = 0
    colour_std: float = 0.0
    image_hash: str | None = None
    """None where the image was never decoded."""
    exit: str = KEPT
    step: str | None = None
    reason: str | None = None
    value: float | None = None
    merged_into: Place | None = None
    tied_with: frozenset[Place] = frozenset()
    """Rows with the same image and the same longest alt text, this one among them: any may be the representative."""
    alt_texts: list[str] | None = None
    """Own alt text first; None on a row that is no representative."""
    alt_text_count: int | None = None
    duplicate_count: int | None = None
    caption: str | None = None
    copy_similarity: float | None = None

    @property
    def place(self) -> Place:
        """Where the row comes from."""
        return self.source_path, self.source_member

    def leave(self, door: str, step: str, reason: str, value: float | None = None) -> None:
        """Send the row out by ``door``."""
        self.exit, self.step, self.reason, self.value = door, step, reason, value


def run(
    source: Path | Sequence[Path],
    *,
    corpus: str,
    caption_of: Callable[[str, bytes], str | None],
    finish_reason_of: Callable[[str, bytes], str | None] = lambda *_: "stop",
    instructions: str = "",
    max_pixels: int = 100_000_000,
) -> list[Row]:
    """Return every sample of the WebDataset tars in ``source``, a folder or the tars themselves, with its exit.

    ``caption_of`` and ``finish_reason_of`` play the served model: alt text and encoded image in, caption and finish reason out;
    a caption of None is a request that failed for good. ``instructions`` is the prompt that captions must not echo.
    A tar that is itself damaged raises ``tarfile.ReadError``.
    """
    tars = sorted(source.glob("*.tar")) if isinstance(source, Path) else source
    rows = [row for tar in tars for row in read(tar, corpus)]
    for row in under_way(rows):
        decode(row, max_pixels)
    for row in under_way(rows):
        check_size(row)
    for row in under_way(rows):
        check_content(row)
    for row in under_way(rows):
        check_alt_text(row)
    merge_duplicates(under_way(rows))
    for row in under_way(rows):
        write_caption(row, caption_of)
    for row in under_way(rows):
        check_caption(row, finish_reason_of, instructions)
    return rows


def under_way(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that nothing has happened to yet."""
    return [row for row in rows if row.exit == KEPT]


def read(tar: Path, corpus: str) -> list[Row]:
    """Return one row for each key of a tar, in order; a sample without image, bytes or readable metadata is dead already."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            key, _, extension = name.partition(".")
            samples.setdefault(f"{folder}/{key}", {})[extension.lower()] = member
        return [read_sample(archive, members, corpus, str(tar)) for members in samples.values()]


def read_sample(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], corpus: str, path: str) -> Row:
    """Return the row of one sample, given its members by extension."""
    content = {extension: bytes_of(archive, member) for extension, member in members.items()}
    extension = next((extension for extension in members if extension in IMAGE_EXTENSIONS), None)
    row = Row(corpus, path, None, None, b"")
    if extension is not None:
        row.source_member, row.source_offset = members[extension].name, members[extension].offset_data
        row.image = content[extension]
    try:
        row.alt_text = clean(alt_text_in(content) or "") or None
    except ValueError:
        row.leave(DEAD, READ, "bad_metadata")
    if extension is None:
        row.leave(DEAD, READ, "no_image")
    elif not row.image:
        row.leave(DEAD, READ, "empty_file")
    return row


def bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """Return what a file of the tar holds."""
    stream = archive.extractfile(member)
    assert stream is not None, f"{member.name} in {archive.name} is no file"
    return stream.read()


def alt_text_in(content: dict[str, bytes]) -> str | None:
    """Return the alt text: the .txt, else ``caption`` in the .json. Bytes that are no UTF-8 or no JSON raise ``ValueError``."""
    metadata = json.loads(content["json"]) if "json" in content else {}
    return content["txt"].decode() if "txt" in content else metadata.get("caption")


def decode(row: Row, max_pixels: int) -> None:
    """Decode the whole image and note its hash, size and colour spread; what cannot be decoded is dead."""
    fault = "html" if row.image[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html")) else measure(row, max_pixels)
    if fault:
        row.leave(DEAD, DECODE, fault)
    else:
        row.image_hash = xxhash.xxh3_128_hexdigest(row.image)


def measure(row: Row, max_pixels: int) -> str | None:
    """Note size and colour spread, or return why the image cannot be decoded."""
    try:
        with any_size(), Image.open(io.BytesIO(row.image)) as picture:
            if picture.width * picture.height > max_pixels:
                return "too_many_pixels"
            row.width, row.height, row.colour_std = *picture.size, colour_std(picture)
    except UnidentifiedImageError:
        return "not_an_image"
    except (OSError, SyntaxError) as error:
        return "truncated" if "truncated" in str(error).lower() else "undecodable"
    return None


@contextmanager
def any_size() -> Generator[None]:
    """Let Pillow open a header of any size, so that the job's own limit is the one that speaks."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def colour_std(picture: Image.Image) -> float:
    """Return the largest standard deviation of a colour channel of the first frame, on a scale of 0 to 255."""
    if picture.mode.startswith("I"):  # 16 bits: Pillow would clip, not scale, and show a white image
        return float((np.asarray(picture) / 257.0).std())
    return float(np.asarray(picture.convert("RGB"), np.float64).reshape(-1, 3).std(axis=0).max())


def check_size(row: Row) -> None:
    """Drop an image whose short side is below 200 pixels, or whose long side is more than 3 times the short one."""
    short, long = sorted((row.width, row.height))
    if short < 200:
        row.leave(DROPPED, SIZE, "too_small", short)
    elif long / short > 3.0:
        row.leave(DROPPED, SIZE, "too_elongated", long / short)


def check_content(row: Row) -> None:
    """Drop an image of one colour, then a file of less than 5 KB."""
    if row.colour_std < 5.0:
        row.leave(DROPPED, CONTENT, "solid_colour", row.colour_std)
    elif len(row.image) < 5120:
        row.leave(DROPPED, CONTENT, "tiny_file", len(row.image))


def check_alt_text(row: Row) -> None:
    """Drop a sample whose alt text says nothing."""
    fault = alt_text_fault(row.alt_text or "")
    if fault:
        row.leave(DROPPED, ALT_TEXT, *fault)


def merge_duplicates(rows: list[Row]) -> None:
    """Merge rows of one image into the row with the longest alt text, the first in code-point order among equals."""
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.image_hash, []).append(row)
    for group in groups.values():
        texts = {row.alt_text or "" for row in group}
        own = min(texts, key=lambda text: (-len(text), text))
        tied = [row for row in group if row.alt_text == own]
        representative = min(tied, key=lambda row: row.place)
        representative.alt_texts = [own, *sorted(texts - {own})][:16]
        representative.alt_text_count = len(texts)
        representative.duplicate_count = len(group) - 1
        for row in group:
            if row is not representative:
                row.leave(MERGED, MERGE, "exact_duplicate")
                row.merged_into = representative.place
        if len(tied) > 1:
            for row in tied:
                row.tied_with = frozenset(other.place for other in tied)


def write_caption(row: Row, caption_of: Callable[[str, bytes], str | None]) -> None:
    """Ask for the caption and measure how much of a copy it is; no answer is a dead row."""
    alt_text = row.alt_text or ""
    answer = caption_of(alt_text, row.image)
    if answer is None:
        row.leave(DEAD, WRITE, "captioner_failed")
    else:
        row.caption = clean(without_tags(answer))
        row.copy_similarity = similarity(row.caption, alt_text)


def check_caption(row: Row, finish_reason_of: Callable[[str, bytes], str | None], instructions: str) -> None:
    """Drop a sample whose caption is no caption."""
    finish_reason = finish_reason_of(row.alt_text or "", row.image)
    fault = caption_fault(row.caption or "", finish_reason, instructions, row.copy_similarity or 0.0)
    if fault:
        row.leave(DROPPED, CAPTION, *fault)


def funnel(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return for each step how many rows came in, went on, and left by which door for which reason."""
    table, arriving = [], len(rows)
    for step in STEPS:
        left = [row for row in rows if row.step == step]
        doors = {door: Counter(row.reason for row in left if row.exit == door) for door in (DROPPED, MERGED, DEAD)}
        kept = arriving - len(left)
        entry = {"step": step, "in": arriving, "kept": kept}
        table.append({**entry, "dropped": dict(doors[DROPPED]), "merged": doors[MERGED].total(), "dead": dict(doors[DEAD])})
        arriving = kept
    return table
