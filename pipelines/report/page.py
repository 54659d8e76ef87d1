"""The page of a report: one file that holds its data, its styles, its code and its charts, and asks nobody for anything.

The sources lie beside this module in ``page/``. The same page serves a finished run, as ``report.html``, and the live server.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from schemas.weights import path_of

LIBRARY = "echarts"
"""Name of the charts' library in ``schemas.weights``."""
SCRIPTS = (
    "dom",
    "figures",
    "tables",
    "charts",
    "histogram",
    "header",
    "funnel",
    "thresholds",
    "cards",
    "gallery",
    "losses",
    "mix",
    "reasoning",
    "serving",
    "browse",
    "compare",
    "live",
    "main",
)
"""The files of our own code, in the order in which they make one script."""
API = "/api"
"""Where the page of the live server asks."""

_DATA = re.compile(rb'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)
_UNSAFE = re.compile("[<\u2028\u2029\ud800-\udfff]")
"""What could end the element of the data, a line of JavaScript, or the encoding: half of a surrogate pair has no UTF-8."""


def render(report: Mapping[str, Any] | None, library: str, *, live: bool = False) -> bytes:
    """Return the page that shows ``report`` with the charts of ``library``, the text that ``library()`` returns.

    None is the page of a live server, which asks for its data below ``API``; only one rendered with ``live`` may ask. Equal reports
    give equal bytes. Raises ``ValueError`` for a number that JSON does not know (NaN, infinity).
    """
    style, code = _sources()
    run: Mapping[str, Any] = (report or {}).get("run", {})
    return (
        _template()
        .render(
            title=f"{run['corpus']}: {run['pipeline']} {run['run_id']}" if run else "Runs",
            policy=_policy(style, (library, code), live),
            style=Markup(style),  # noqa: S704 - our own file
            data=Markup(_json(report)),  # noqa: S704 - no `<` is left in it
            library=Markup(library),  # noqa: S704 - the pinned file
            code=Markup(code),  # noqa: S704 - our own files
            api=API if live else None,
        )
        .encode()
    )


def embedded(page: bytes) -> dict[str, Any]:
    """Return the report that ``page`` was rendered of.

    Raises ``ValueError`` where it holds none: it is no page of ``render``, or that of a live server.
    """
    found = _DATA.search(page)
    report: dict[str, Any] | None = json.loads(found[1]) if found else None
    if report is None:
        raise ValueError(
            f"expected a page with a report in it, found {'that of a live server' if found else f'{len(page):,} bytes without one'}; "
            "the page of a run is its report.html"
        )
    return report


def library() -> str:
    """Return the code of the charts' library from the cache folder.

    Raises ``EnvironmentFault`` where it is absent or not the pinned one, with the command that fetches it.
    """
    return path_of(LIBRARY).read_text(encoding="utf-8")


def _json(report: Mapping[str, Any] | None) -> str:
    text = json.dumps(report, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _policy(style: str, scripts: tuple[str, ...], live: bool) -> str:
    """Return the Content-Security-Policy: what is in the page may run, by its hash, and nothing may be fetched or sent anywhere."""
    images, asked = ("img-src data: 'self'", "'self'") if live else ("img-src data:", "'none'")
    return "; ".join(
        (
            "default-src 'none'",
            images,
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            f"connect-src {asked}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _sources() -> tuple[str, str]:
    """Return the style sheet and the script, each as it stands in its element."""
    folder = files("pipelines.report") / "page"
    style = (folder / "page.css").read_text(encoding="utf-8")
    parts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return style, '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


@cache
def _template() -> Any:
    loader = PackageLoader("pipelines.report", "page")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True).get_template("page.html")
