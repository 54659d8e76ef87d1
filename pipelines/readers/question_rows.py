"""One question as a row: its cells checked one by one, and the first that does not fit named as the reason."""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import xxhash

from pipelines.readers.question_columns import CHOICES, IMAGES, LICENSE, NUMBERS, PROMPT, QUESTION, RESPONSES
from pipelines.readers.samples import MAX_FILE_BYTES, check_text
from schemas import columns as c
from schemas import questions as q
from schemas.protocols import Failure

USER = "user"
ROLES = ("system", USER, "assistant")
_SIGNATURES = {
    b"\x89PNG": ("png", "image/png"),
    b"\xff\xd8\xff": ("jpg", "image/jpeg"),
    b"GIF8": ("gif", "image/gif"),
    b"RIFF": ("webp", "image/webp"),
    b"BM": ("bmp", "image/bmp"),
    b"II*\0": ("tif", "image/tiff"),
    b"MM\0*": ("tif", "image/tiff"),
}
"""How an encoded image begins, the ending of its name, and its MIME type."""
_UNKNOWN = ("bin", "application/octet-stream")
Load = Callable[[Any], bytes | Failure]
"""Returns the encoded image of an entry of the images, or why there is none."""


class Numeral(str):
    """A number as JSON has it written: the text of a truth, and nothing else."""

    __slots__ = ()


class Unfit(ValueError):
    """What is wrong with a question."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


def row_of(cells: Mapping[str, Any] | Failure, load: Load, corpus: str, source_license: str) -> dict[str, Any]:
    """Return a row of ``questions.READ`` but for its place; one that does not fit has a reason, no id and no images.

    ``cells`` are the values by role: bytes or ``str`` where text is expected. What is known of a row that does not fit stays with it.
    """
    row: dict[str, Any] = {c.CORPUS.name: corpus, c.SOURCE_LICENSE.name: source_license, c.SOURCE_BYTES.name: 0, q.IMAGES.name: []}
    if isinstance(cells, Failure):
        return {**row, c.REASON.name: cells.reason, c.ERROR.name: cells.error}
    try:
        row |= _words(cells, source_license)
        turns = row[q.PROMPT.name] = _turns(cells)
        images = _images(cells.get(IMAGES), load)
        turns = row[q.PROMPT.name] = _marked(turns, len(images))
        row[q.HUMAN_TIER.name] = _tier(row[q.HUMAN_TIER.name])
        row[q.SEEN.name] = _seen(row[q.SEEN.name], len(images))
    except Unfit as unfit:
        return {**row, c.REASON.name: unfit.reason, c.ERROR.name: str(unfit)}
    row[c.SAMPLE_ID.name] = identity(turns, row[q.CHOICES.name] or (), images, corpus)
    row[c.SOURCE_BYTES.name] = sum(map(len, images))
    row[q.IMAGES.name] = [{"bytes": image, "path": name_of(image)} for image in images]
    return row


def identity(turns: Sequence[Mapping[str, str]], choices: Sequence[str], images: Sequence[bytes], corpus: str) -> str:
    """Return 32 hex digits of xxh3-128 over prompt, choices, the images' lengths and bytes, a zero byte and the corpus."""
    said = [[[turn["role"], turn["content"]] for turn in turns], list(choices), [len(image) for image in images]]
    state = xxhash.xxh3_128(json.dumps(said, ensure_ascii=False).encode())
    for image in images:
        state.update(image)
    state.update(b"\0" + corpus.encode())
    return state.hexdigest()


def name_of(image: bytes) -> str:
    """Return content hash and ending of an encoded image; what no signature tells ends in ``bin``."""
    return f"{xxhash.xxh3_128_hexdigest(image)}.{_kind(image)[0]}"


def mime_of(image: bytes) -> str:
    """Return the MIME type that the first bytes of an encoded image tell."""
    return _kind(image)[1]


def _kind(image: bytes) -> tuple[str, str]:
    return next((kind for start, kind in _SIGNATURES.items() if image.startswith(start)), _UNKNOWN)


def text_of(role: str, value: Any) -> str | None:
    """Return a text in Unicode NFC without outer whitespace, null where it says nothing; raises ``Unfit``."""
    if value is None:
        return None
    if not isinstance(value, (bytes, str)) or (isinstance(value, Numeral) and role not in NUMBERS):
        raise Unfit("wrong_type", f"expected text in {role}, found {type(value).__name__}: {str(value)[:80]!r}")
    try:
        text = value.decode() if isinstance(value, bytes) else str(value)
        check_text(text)
    except ValueError as error:
        raise Unfit("bad_text", f"{role}: {error}") from error
    return unicodedata.normalize("NFC", text).strip() or None


def _words(cells: Mapping[str, Any], source_license: str) -> dict[str, Any]:
    known = (q.TRUTH, q.DOMAIN, c.LANGUAGE, q.HUMAN_TIER, q.SEEN, q.RESPONSES_BY)
    texts = {about.name: text_of(about.name, cells.get(about.name)) for about in known}
    license_ = text_of(LICENSE, cells.get(LICENSE)) or source_license
    return {**texts, c.SOURCE_LICENSE.name: license_, **{role: _listed(role, cells.get(role)) for role in (CHOICES, RESPONSES)}}


def _listed(role: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise Unfit("wrong_type", f"expected a list of texts in {role}, found {type(value).__name__}: {str(value)[:80]!r}")
    found = [text_of(role, one) for one in value]
    if None in found:
        raise Unfit("wrong_type", f"expected a text in every place of {role}, found none in place {found.index(None)}")
    return [one for one in found if one is not None] or None


def _turns(cells: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the turns of a question, the last of them the user's, each of a known role and none empty."""
    prompt = cells.get(PROMPT)
    if not isinstance(prompt, list):
        text = text_of(PROMPT, prompt) or text_of(QUESTION, cells.get(QUESTION))
        turns = [] if text is None else [{"role": USER, "content": text}]
    else:
        turns = [_turn(number, turn) for number, turn in enumerate(prompt)]
    if not turns:
        raise Unfit("no_question", "expected a question, found null or an empty text")
    if turns[-1]["role"] != USER:
        raise Unfit("last_turn_not_user", f"expected the last turn to be the user's, found the role {turns[-1]['role']!r}")
    return turns


def _turn(number: int, turn: Any) -> dict[str, str]:
    if not isinstance(turn, dict):
        raise Unfit("wrong_type", f"expected role and content in turn {number} of {PROMPT}, found {type(turn).__name__}")
    role, content = (text_of(f"{key} of turn {number}", turn.get(key)) for key in ("role", "content"))
    if role not in ROLES:
        raise Unfit("unknown_role", f"expected one of the roles {', '.join(ROLES)} in turn {number}, found {role!r}")
    if content is None:
        raise Unfit("no_question", f"expected a text in turn {number} ({role}), found null or an empty text")
    return {"role": role, "content": content}


def _images(value: Any, load: Load) -> list[bytes]:
    """Return the encoded images of a question; one entry stands for a list of it."""
    images: list[bytes] = []
    for number, entry in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        found = load(entry)
        if isinstance(found, Failure):
            raise Unfit(found.reason, f"image {number}: {found.error}")
        images.append(found)
    if sum(map(len, images)) > MAX_FILE_BYTES:
        raise Unfit("too_many_bytes", f"the images hold {sum(map(len, images))} bytes, more than {MAX_FILE_BYTES}")
    return images


def _marked(turns: list[dict[str, str]], images: int) -> list[dict[str, str]]:
    """Return ``turns`` with a marker for each image: if there is none at all, they are put in front of the user's first turn."""
    markers = sum(turn["content"].count(q.MARKER) for turn in turns)
    if markers not in (0, images):
        raise Unfit("marker_count", f"expected a {q.MARKER} for each of {images} images, found {markers}")
    if markers == images:
        return turns
    first = next(number for number, turn in enumerate(turns) if turn["role"] == USER)
    front = {"role": USER, "content": q.MARKER * images + turns[first]["content"]}
    return [*turns[:first], front, *turns[first + 1 :]]


def _tier(label: str | None) -> str | None:
    tier = label and label.lower().replace("-", "_").replace(" ", "_")
    if tier is not None and tier not in q.TIERS:
        raise Unfit("unknown_tier", f"expected one of the tiers {', '.join(q.TIERS)}, found {label!r}")
    return tier


def _seen(said: str | None, images: int) -> str:
    """Return what the model has before it, from the images where the corpus does not say."""
    seen = said or (q.SEEN_IMAGE if images else q.SEEN_TEXT)
    if seen not in (q.SEEN_IMAGE, q.SEEN_TEXT, q.SEEN_DESCRIPTION):
        raise Unfit("unknown_seen", f"expected {q.SEEN_IMAGE}, {q.SEEN_TEXT} or {q.SEEN_DESCRIPTION}, found {said!r}")
    if (seen == q.SEEN_IMAGE) != (images > 0):
        raise Unfit("seen_mismatch", f"expected images where seen is {q.SEEN_IMAGE!r} and nowhere else, found {said!r} with {images}")
    return seen
