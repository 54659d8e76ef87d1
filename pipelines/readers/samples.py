"""What a reader makes of one sample, and the words that lie beside an image."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import xxhash

from schemas.batches import image_column
from schemas.protocols import Failure
from schemas.records import CARRIED

IMAGE_SUFFIXES = frozenset(
    (
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "png",
        "apng",
        "webp",
        "gif",
        "bmp",
        "tif",
        "tiff",
        "avif",
        "heic",
        "heif",
        "jp2",
        "jxl",
        "ico",
        "svg",
        "psd",
    )
)
"""Endings by which a file counts as an image, whatever is inside (img2dataset, LAION-400M, Wukong; ours: those from bmp on).

Some of them the decoder cannot read: such a file is a dead letter with its name, which a file that is passed over would not be."""
MAX_FILE_BYTES = 2**30
"""Bytes of one file that are read at most: half of what a binary column of Arrow can hold (ours)."""
MAX_WORDS_BYTES = 2**20
"""Bytes of a file of words, and characters of one text, at most: splits are cut by their images, and words travel with the cut (ours)."""

_ALT_TEXT_KEYS = ("caption", "TEXT", "text", "alt_text", "alt")
_URL_KEYS = ("url", "URL")
_LICENSE_KEYS = ("license", "LICENSE", "source_license")


@dataclass(frozen=True, slots=True)
class Words:
    """What the source says of an image; null where it says nothing."""

    alt_text: str | None = None
    url: str | None = None
    license: str | None = None


NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Damage:
    """Where a file stops being readable, in bytes from its start, and why."""

    offset: int
    error: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One planned row: where its image lies, what was said of it, and the encoded image or why there is none."""

    source_path: str
    source_member: str | None
    source_offset: int
    source_bytes: int
    name: str
    words: Words
    image: bytes | memoryview | Failure
    carried: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What an earlier run found out of it, by column of ``schemas.records.CARRIED``."""


def columns_of(samples: Sequence[Sample], corpus: str, source_license: str) -> dict[str, pa.Array | Sequence[Any]]:
    """Return n samples as the columns of ``readers.splits.READ``, but for their place in the split."""
    images = [None if isinstance(sample.image, Failure) else sample.image for sample in samples]
    failures = [sample.image if isinstance(sample.image, Failure) else None for sample in samples]
    words = [sample.words for sample in samples]
    names = [(None, None) if image is None else identity(image, corpus) for image in images]
    return {
        "sample_id": [sample_id for sample_id, _ in names],
        "image_hash": [image_hash for _, image_hash in names],
        "corpus": [corpus] * len(samples),
        "source_license": [found.license or source_license for found in words],
        "source_path": [sample.source_path for sample in samples],
        "source_member": [sample.source_member for sample in samples],
        "source_offset": [sample.source_offset for sample in samples],
        "source_bytes": [sample.source_bytes for sample in samples],
        "url": [found.url for found in words],
        "image": image_column(images, [sample.name for sample in samples]),
        "alt_text": [found.alt_text for found in words],
        **{about.name: _carried(samples, about) for about in CARRIED},
        "reason": [failure and failure.reason for failure in failures],
        "error": [failure and failure.error for failure in failures],
    }


def _carried(samples: Sequence[Sample], about: pa.Field) -> pa.Array | list[Any]:
    if not any(sample.carried for sample in samples):
        return pa.nulls(len(samples), about.type)
    return [sample.carried.get(about.name) for sample in samples]


def identity(image: bytes | memoryview, corpus: str) -> tuple[str, str]:
    """Return a sample's id and the hash of its image, each 32 hex digits of xxh3-128: the hash is over the encoded image alone.

    The id is over the same bytes, a zero byte and the name of the corpus (design), so that one run over the image yields both.
    """
    state = xxhash.xxh3_128(image)
    image_hash = state.hexdigest()
    state.update(b"\0" + corpus.encode())
    return state.hexdigest(), image_hash


def words_of(fields: Mapping[str, Any]) -> Words:
    """Return the words in one record of metadata; raises ``ValueError`` for text that is not Unicode."""
    return Words(_normalised(_first(fields, _ALT_TEXT_KEYS)), _first(fields, _URL_KEYS), _first(fields, _LICENSE_KEYS))


def words_beside(text: tuple[str, bytes] | None, record: tuple[str, bytes] | None) -> Words | Failure:
    """Return the words of a ``.txt`` and a ``.json`` beside an image, each (name, bytes); the text wins if it is not empty.

    The failure is ``bad_metadata`` and names the file that is no UTF-8, no JSON, or no JSON object.
    """
    name, alt_text, words = "", None, NO_WORDS
    try:
        if text is not None:
            name = text[0]
            alt_text = _normalised(text[1].decode("utf-8-sig"))
        if record is not None:
            name = record[0]
            words = words_of(parse_record(record[1]))
    except ValueError as error:
        return Failure("bad_metadata", f"{name}: {error}")
    return words if alt_text is None else Words(alt_text, words.url, words.license)


def parse_record(data: bytes | str, number: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Return the JSON object in ``data``, numbers as ``number`` makes them; raises ``ValueError`` if it holds anything else."""
    try:
        record = json.loads(data, parse_int=number, parse_float=number)
    except RecursionError as error:
        raise ValueError("nested too deeply to be metadata") from error
    if not isinstance(record, dict):
        raise ValueError(f"expected a JSON object, found {type(record).__name__}")  # noqa: TRY004  the file is at fault, not the caller
    return record


def _first(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the first of ``keys`` that says anything; raises ``ValueError`` for lone surrogates, which Arrow cannot store."""
    texts = (value.strip() for key in keys if isinstance(value := fields.get(key), str))
    found = next(filter(None, texts), None)
    if found is not None:
        check_text(found)
    return found


def check_text(text: str) -> None:
    """Raise ``ValueError`` for a text that Arrow cannot store, or that is none of a sample."""
    text.encode()
    if len(text) > MAX_WORDS_BYTES:
        raise ValueError(f"a text of {len(text):,} characters, more than {MAX_WORDS_BYTES:,}")


def _normalised(text: str | None) -> str | None:
    return None if text is None else unicodedata.normalize("NFC", text).strip() or None
