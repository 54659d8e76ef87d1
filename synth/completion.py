"""One chat completion on the wire: what a user says, and the answer that a response holds, or why it holds none."""

import hashlib
import io
import json
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

import httpx
from PIL import Image
from pydantic import BaseModel, Field, ValidationError

from schemas.protocols import Answer

EXCERPT = 200
"""Characters of a response that an error message quotes (ours)."""
OVERLOADED = frozenset({429, 503})
"""HTTP statuses of a server that has too much to do."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a user says: encoded images, each after its MIME type, and then a text."""

    text: str
    images: tuple[tuple[str, bytes], ...] = ()

    def key(self, identity: Mapping[str, Any]) -> str:
        """Return 32 hex digits over the whole request, each image by its own hash; ``identity`` is all that is not in the turn."""
        images = [(mime, hashlib.blake2b(data, digest_size=16).hexdigest()) for mime, data in self.images]
        request = json.dumps([identity, images, self.text], sort_keys=True)
        return hashlib.blake2b(request.encode(), digest_size=16).hexdigest()

    def messages(self) -> list[dict[str, Any]]:
        """Return the turn as OpenAI messages, images as data URLs."""
        urls = [f"data:{mime};base64,{b64encode(data).decode()}" for mime, data in self.images]
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": self.text}] if parts else self.text}]


def red_square() -> bytes:
    """Return a PNG of 56 x 56 pixels: four patches of 28, so that no model finds it too small."""
    file = io.BytesIO()
    Image.new("RGB", (56, 56), "red").save(file, "PNG")
    return file.getvalue()


class NoAnswer(Exception):
    """An attempt that brought no answer; the message says what was found instead."""

    def __init__(
        self,
        kind: Literal["throttled", "broken", "refused"],
        found: str,
        status: int = 0,
        retry_after: float = 0.0,
        *,
        overload: bool = False,
    ) -> None:
        super().__init__(found)
        self.kind = kind
        self.overload = overload
        """Whether the server has too much to do, and fewer requests should be in flight."""
        self.status = status
        """HTTP status, 0 where no response came."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""


class _Message(BaseModel):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage


def read(response: httpx.Response, seconds: float, secret: str) -> tuple[Answer, ...]:
    """Return the choices in ``response``, which took so many ``seconds``; no message quotes ``secret``.

    ``finish_reason`` is empty where the server states none. What the request cost is the first choice's; the tokens of the answers are
    shared out by their length, since servers tell the sum alone. Raises ``NoAnswer``.
    """
    if not response.is_success:
        raise _no_answer(response, secret)
    try:
        completion = _Completion.model_validate_json(response.content)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        found = f"a body that is no chat completion ({'.'.join(map(str, fault['loc']))}: {fault['msg']}): {excerpt(response, secret)}"
        # The validation error stays out of the chain: it quotes the body as it came.
        raise NoAnswer("broken", found, response.status_code) from None
    answers = [_answer(choice) for choice in completion.choices]
    tokens = _shares(completion.usage.completion_tokens, [len(answer.text) + len(answer.reasoning) for answer in answers])
    first = replace(answers[0], prompt_tokens=completion.usage.prompt_tokens, seconds=round(seconds, 3))
    return tuple(replace(answer, completion_tokens=n) for answer, n in zip((first, *answers[1:]), tokens, strict=True))


def _answer(choice: _Choice) -> Answer:
    message = choice.message
    reasoning = message.reasoning or message.reasoning_content or ""
    return Answer(message.content or "", choice.finish_reason or "", 0, 0, 0.0, reasoning)


def _shares(total: int, weights: Sequence[int]) -> list[int]:
    """Return ``total`` shared out by ``weights``, in whole numbers that sum to it."""
    whole = sum(weights) or len(weights)
    ends = [total * sum(weights[: n + 1]) // whole for n in range(len(weights))]
    ends[-1] = total
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def excerpt(response: httpx.Response, secret: str) -> str:
    """Return the beginning of the body, without ``secret``."""
    text = response.text.replace(secret, "***") if secret else response.text
    return text[:EXCERPT]


def _no_answer(response: httpx.Response, secret: str) -> NoAnswer:
    status = response.status_code
    kind = "throttled" if status == 429 else "broken" if response.is_server_error else "refused"
    return NoAnswer(kind, f"HTTP {status}: {excerpt(response, secret)}", status, _retry_after(response), overload=status in OVERLOADED)


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of a Retry-After header, whichever of its two forms it has (RFC 9110), 0 where it says nothing."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0.0
