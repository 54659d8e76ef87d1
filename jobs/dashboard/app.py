"""The endpoints: what of a request goes to which function, and how it is answered. Each runs in a thread of its own."""

import html
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.dashboard import columns, pictures, prometheus, reports, samples
from jobs.dashboard.comparison import compare
from jobs.dashboard.histogram import histogram
from jobs.dashboard.pictures import Held
from jobs.dashboard.refusals import Missing, Refused
from jobs.dashboard.runs import SAMPLES, Opened, open_run
from jobs.dashboard.store import Store
from pipelines.spine import funnel
from schemas.exits import EnvironmentFault

LIMITS, BINS = (0, 500), (1, 1000)
OFFSETS = (0, 10**9)
_POLICY = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]*)"')
Answer = Callable[[Store, Request], Response]


def application(store: Store, page: bytes) -> Starlette:
    """Return the application over ``store`` that serves ``page`` at its root."""
    held = Held()
    told: Mapping[str, Answer] = {
        "/": lambda _, request: _page(request, page),
        "/favicon.ico": lambda *_: Response(status_code=204),  # which every browser asks for; the page has none
        "/api/runs": _runs,
        "/api/runs/{index:int}/report": lambda store, request: _json(reports.report(*_run(store, request))),
        "/api/runs/{index:int}/columns": lambda store, request: _json(columns.told(columns.allowed(_run(store, request)[1].schema))),
        "/api/runs/{index:int}/samples": _samples,
        "/api/runs/{index:int}/sample/{place}": _sample,
        "/api/runs/{index:int}/image/{place}": partial(_image, held),
        "/api/runs/{index:int}/histogram": _histogram,
        "/api/compare": _compare,
        "/metrics": lambda store, _: Response(prometheus.exposition(store), headers={"Content-Type": prometheus.CONTENT_TYPE}),
    }
    routes = [Route(path, _threaded(answer, store), methods=["GET"]) for path, answer in told.items()]
    return Starlette(routes=routes, exception_handlers=_handlers())


def _threaded(answer: Answer, store: Store) -> Callable[[Request], Response]:
    """Return ``answer`` over ``store``; Starlette runs what is no coroutine in a thread."""

    def endpoint(request: Request) -> Response:
        return answer(store, request)

    return endpoint


def _handlers() -> dict[Any, Any]:
    """Return how each exception is answered; what is not expected is told to the log alone."""
    changed = "the run changed while it was read, as it does when it ends or a sample is taken down; ask again"
    return {
        Refused: lambda _, error: _error(str(error), 400),
        Missing: lambda _, error: _error(str(error), 404),
        EnvironmentFault: lambda _, error: _error(str(error), 503),
        FileNotFoundError: lambda *_: _error(changed, 503),
        duckdb.IOException: lambda *_: _error(changed, 503),
        duckdb.CatalogException: lambda *_: _error(changed, 503),
        HTTPException: lambda _, error: _error(f"{error.detail}; the endpoints stand in docs/dashboard.md", error.status_code),
        Exception: lambda _, error: _error(f"the server failed with {type(error).__name__}; its log says where", 500),
    }


def _error(message: str, status: int) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def _json(value: Any) -> JSONResponse:
    return JSONResponse(value)


def _page(request: Request, page: bytes) -> Response:
    _known(request, ("run",))  # which the page itself reads
    found = _POLICY.search(page)
    policy = f"{html.unescape(found[1].decode())}; frame-ancestors 'none'" if found else ""
    return Response(page, headers={"Content-Type": "text/html; charset=utf-8", **({"Content-Security-Policy": policy} if policy else {})})


def _runs(store: Store, request: Request) -> Response:
    _known(request, ())
    return _json([_described(store, index, open_run(folder)) for index, folder in enumerate(store.runs)])


def _described(store: Store, index: int, run: Opened) -> dict[str, Any]:
    rows = store.ledger(index, run)
    corpora = store.query(f"select corpus from {rows.sql} limit 1", rows.values)  # noqa: S608  no word of a request
    told = {name: str(run.told[name]) for name in ("pipeline", "run_id")}
    corpus = corpora[0]["corpus"] if corpora else ""
    return {"index": index, **told, "corpus": corpus, "is_complete": run.is_complete, "exits": funnel.exits(run.funnels[SAMPLES])}


def _samples(store: Store, request: Request) -> Response:
    known = ("exit", "step", "reason", "sort", "descending")
    asked = _known(request, (*known, "where", "offset", "limit"))
    offset, limit = _number(asked, "offset", 0, OFFSETS), _number(asked, "limit", 50, LIMITS)
    where = request.query_params.getlist("where")
    return _json(samples.page(store, *_run(store, request), {name: asked.get(name, "") for name in known}, where, offset, limit))


def _sample(store: Store, request: Request) -> Response:
    _known(request, ())
    return _json(samples.sample(store, *_run(store, request), request.path_params["place"]))


def _image(held: Held, store: Store, request: Request) -> Response:
    side = _number(_known(request, ("side",)), "side", 256, pictures.SIDES)
    (index, run), place = _run(store, request), request.path_params["place"]
    _ = samples.parsed(place)
    selected = ", ".join(f'"{name}"' for name in pictures.NAMES if name in run.schema.names)
    row = samples.at(store, store.ledger(index, run), place, selected or "*")
    return Response(pictures.thumbnail(store, held, index, run, row, side), media_type="image/webp")


def _histogram(store: Store, request: Request) -> Response:
    asked = _known(request, ("column", "bins", "exit"))
    bins = _number(asked, "bins", 60, BINS)
    return _json(histogram(store, *_run(store, request), asked.get("column", ""), bins, asked.get("exit", "")))


def _compare(store: Store, request: Request) -> Response:
    asked = _known(request, ("a", "b"))
    a, b = (_at(store, _number(asked, name, default, (0, len(store.runs)))) for name, default in (("a", 0), ("b", 1)))
    return _json(compare(store, a, b))


def _run(store: Store, request: Request) -> tuple[int, Opened]:
    return _at(store, request.path_params["index"])


def _at(store: Store, index: int) -> tuple[int, Opened]:
    if index >= len(store.runs):
        raise Missing(f"run {index}: this server has the runs 0 to {len(store.runs) - 1}")
    return index, open_run(store.runs[index])


def _known(request: Request, names: Collection[str]) -> Mapping[str, str]:
    """Return the parameters of ``request``; raises ``Refused`` for one that is none of ``names``: a misspelt one would be passed over."""
    for name in request.query_params:
        if name not in names:
            raise Refused(f"parameter {name[:100]!r}: expected one of {', '.join(names) or 'none'}")
    return request.query_params


def _number(asked: Mapping[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    text = asked.get(name, str(default))
    number = int(text) if re.fullmatch(r"[0-9]{1,10}", text) else -1
    if not bounds[0] <= number <= bounds[1]:
        raise Refused(f"{name}: expected a number from {bounds[0]} to {bounds[1]}, found {text[:100]!r}")
    return number
