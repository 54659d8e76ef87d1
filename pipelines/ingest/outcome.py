"""What an address came to: the bytes behind it, a failure by name, or the word of its owner."""

from dataclasses import dataclass

from schemas.protocols import Failure

REASONS = frozenset(
    (
        "bad_url",
        "private_address",
        "dns",
        "connect",
        "tls",
        "timeout",
        "reset",
        "bad_response",
        "too_many_redirects",
        "content_encoding",
        "too_many_bytes",
        "hash_mismatch",
    )
)
"""Every reason of a failed download, besides ``http_NNN`` for the status of an answer that is no image (``docs/ingest.md``).

What the bytes are is told by their decoding (``filters.decode``): ``html``, ``not_an_image``, ``truncated``, ``empty_file``, ..."""
UNREACHED = frozenset(("dns", "connect", "timeout"))
"""Reasons that may as well lie on this side of the network."""


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The owner of the image asks not to have it used this way; the body was not read."""

    directive: str
    """As it stood in ``X-Robots-Tag``, lower case."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one address came to, after every redirect and retry."""

    result: bytes | Failure | OptedOut
    final_url: str | None = None
    """The address that gave the last answer, null where none did."""
    status: int | None = None
    """HTTP status of the last answer."""
    content_type: str | None = None
    """What the last answer said of itself; the bytes decide."""
    attempts: int = 1
    """How often the download was begun, redirects not counted; 0 where the address itself is refused."""
