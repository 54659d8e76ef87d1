"""What stands before every request: this machine's own names, GET alone, and headers that keep other pages out."""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""On every answer. Nothing is stored by the browser: a sample that is taken down is gone from here with the next request."""
CLOSED = b"default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of every answer that does not bring its own."""


def guarded(app: App, port: int) -> App:
    """Return ``app`` behind a check of the Host header, without which a page elsewhere could rebind its name to 127.0.0.1 and read all."""
    hosts = hosts_of(port)

    async def guard(scope: Message, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _with_headers(message.get("headers", []))}
            await send(message)

        refused = _refused(scope, hosts) if scope["type"] == "http" else None
        await (refused or app)(scope, receive, with_headers)

    return guard


def hosts_of(port: int) -> frozenset[str]:
    """Return what a Host header may be on ``port``: 80 is left out by browsers."""
    names = ("127.0.0.1", "localhost")
    return frozenset([f"{name}:{port}" for name in names] + ([*names] if port == 80 else []))


def _refused(scope: Message, hosts: Collection[str]) -> JSONResponse | None:
    host = b",".join(value for name, value in scope["headers"] if name == b"host").decode("latin-1").lower()
    if host not in hosts:
        return JSONResponse({"error": f"Host: expected {' or '.join(sorted(hosts))}, found {host[:100]!r}"}, 403)
    if scope["method"] != "GET":
        return JSONResponse({"error": f"method: expected GET, found {scope['method'][:20]}"}, 405, {"Allow": "GET"})
    return None


def _with_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    has_policy = any(name.lower() == b"content-security-policy" for name, _ in headers)
    return [*headers, *HEADERS, *([] if has_policy else [(b"content-security-policy", CLOSED)])]
