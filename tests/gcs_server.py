"""Google Cloud Storage as its client speaks it: the JSON API from memory, so that the code of Beam's ``gs://`` really runs.

``stand_in`` points a process at it: the client's own variable for emulators, and credentials whose tokens it gives out.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c
import pytest
from apache_beam.internal.gcp import auth

PAGE = 7
"""Objects on a page of a listing: few, so that every listing has pages."""
OBJECT = re.compile(r"/storage/v1/b/([^/]+)/o/?(.*)")
TOKEN_TYPE = "urn:ietf:params:oauth:token-type"
TOKEN = {"access_token": "token", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": f"{TOKEN_TYPE}:access_token"}
PART = re.compile(rb"(?m)^DELETE (\S+) HTTP/1\.1")


@dataclass(frozen=True)
class Use:
    """One request: ``list``, ``look`` (metadata), ``read``, ``write`` or ``delete``, of a path."""

    kind: str
    path: str
    count: int = 0
    """Bytes that are read, or that are written by now."""


@dataclass(frozen=True)
class Reply:
    """What the server says to one request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Object:
    """One version of one object."""

    data: bytes
    generation: int
    """Counts the writes to the store, one second apart."""

    def resource(self, path: str) -> dict[str, Any]:
        bucket, _, name = path.removeprefix("gs://").partition("/")
        when = (datetime(2025, 7, 1, 12, tzinfo=UTC) + timedelta(seconds=self.generation)).isoformat().replace("+00:00", "Z")
        crc = base64.b64encode(google_crc32c.value(self.data).to_bytes(4, "big")).decode()
        md5 = base64.b64encode(hashlib.md5(self.data).digest()).decode()
        return {
            "kind": "storage#object", "bucket": bucket, "name": name, "size": str(len(self.data)), "generation": str(self.generation),
            "updated": when, "timeCreated": when, "crc32c": crc, "md5Hash": md5, "contentType": "application/octet-stream",
        }  # fmt: skip


NOT_FOUND = Reply(404, b'{"error": {"code": 404, "message": "No such object"}}')


class GcsServer:
    """Serves the objects of ``files`` on a free port of 127.0.0.1 while its context is open."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.uses: list[Use] = []
        self.refuse: Callable[[Use], bool] = lambda _: False
        """Tells which requests are refused with 403, as a store does whose rights were taken away."""
        self._uploads: dict[str, tuple[str, bytes]] = {}
        self._writes = 0
        self._lock = threading.RLock()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.store = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stand_in(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this process and those that it starts take this server for the cloud; their credentials go into ``folder``."""
        token, account = folder / "token", folder / "account.json"
        token.write_text("subject")
        source = {"audience": "test", "subject_token_type": f"{TOKEN_TYPE}:jwt", "credential_source": {"file": str(token)}}
        account.write_text(json.dumps({"type": "external_account", "token_url": f"{self.url}/token", **source}))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", self.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        monkeypatch.setattr(auth._Credentials, "_credentials_init", False)

    def put(self, path: str, data: bytes) -> None:
        with self._lock:
            self._writes += 1
            self.objects[path] = Object(data, self._writes)

    def tree(self, folder: str) -> dict[str, bytes]:
        """Return the objects below ``folder`` by their names in it."""
        with self._lock:
            return {path[len(folder) + 1 :]: o.data for path, o in sorted(self.objects.items()) if path.startswith(folder + "/")}

    def used(self, kind: str) -> list[Use]:
        return [use for use in self.uses if use.kind == kind]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Return the answer to one request."""
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            if parts.path == "/token":
                return _json(TOKEN)
            if headers.get("authorization") != "Bearer token":
                return Reply(401)
            if parts.path == "/batch/storage/v1":
                return self._batch(body)
            if (found := OBJECT.search(parts.path)) is None:
                return _json({"kind": "storage#bucket", "name": parts.path.rpartition("/")[2]})
            bucket, name = found.groups()
            path = f"gs://{bucket}/{unquote(name)}"
            if parts.path.startswith("/upload/"):
                return self._upload(method, path, query, headers, body)
            return self._object(method, path, query, headers)

    def _object(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        if path.endswith("/") and "alt" not in query and method == "GET":
            return self._list(path, query)
        found = self.objects.get(path)
        if method == "DELETE":
            if not self._note("delete", path):
                return Reply(403)
            return Reply(204) if self.objects.pop(path, None) else NOT_FOUND
        if query.get("alt") == "media":
            return self._media(path, found, headers.get("range", "bytes=0-"))
        if not self._note("look", path):
            return Reply(403)
        return _json(found.resource(path)) if found else NOT_FOUND

    def _list(self, bucket: str, query: Mapping[str, str]) -> Reply:
        prefix = bucket + query.get("prefix", "")
        if not self._note("list", prefix):
            return Reply(403)
        names = sorted(path for path in self.objects if path.startswith(prefix) and path > query.get("pageToken", ""))
        page = {"items": [self.objects[path].resource(path) for path in names[:PAGE]]}
        return _json(page if len(names) <= PAGE else {**page, "nextPageToken": names[PAGE - 1]})

    def _media(self, path: str, found: Object | None, wanted: str) -> Reply:
        if found is None:
            return NOT_FOUND
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()  # type: ignore[union-attr]
        data = found.data[int(first) : int(last) + 1 if last else None]
        if not self._note("read", path, len(data)):
            return Reply(403)
        end = f"bytes {first}-{int(first) + len(data) - 1}/{len(found.data)}"
        return Reply(206, data, {"Content-Range": end}) if data else Reply(416)

    def _upload(self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Reply:
        """Begin, go on with, or give up a resumable upload: the object is there with its last byte and not before."""
        if method == "POST":
            path += json.loads(body)["name"]
            if not self._note("write", path):
                return Reply(403)
            upload = str(len(self._uploads))
            self._uploads[upload] = (path, b"")
            return Reply(200, headers={"Location": f"{self.url}/upload/storage/v1/b/any/o?upload_id={upload}"})
        path, data = self._uploads.pop(query["upload_id"])
        data += body
        if method == "DELETE" or not self._note("write", path, len(data)):
            return Reply(499 if method == "DELETE" else 403)
        if headers["content-range"].endswith("/*"):
            self._uploads[query["upload_id"]] = (path, data)
            return Reply(308, headers={"Range": f"bytes=0-{len(data) - 1}"})
        assert headers["content-range"].endswith(f"/{len(data)}")
        self.put(path, data)
        return _json(self.objects[path].resource(path))

    def _batch(self, body: bytes) -> Reply:
        replies = [self.answer("DELETE", url.decode(), {"authorization": "Bearer token"}, b"") for url in PART.findall(body)]
        part = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n\r\n"
        text = "".join(part.format(reply.status) for reply in replies)
        return Reply(200, (text + "--b--").encode(), {"Content-Type": "multipart/mixed; boundary=b"})

    def _note(self, kind: str, path: str, count: int = 0) -> bool:
        use = Use(kind, path, count)
        self.uses.append(use)
        return not self.refuse(use)


def _json(values: Mapping[str, Any]) -> Reply:
    return Reply(200, json.dumps(values).encode(), {"Content-Type": "application/json"})


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    store: GcsServer


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self.server.store.answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
