"""The file of a report's page: what it lets run, what it holds, and what it refuses."""

import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path

import pytest

from pipelines.report import page as report_page
from pipelines.report.page import embedded, library, render
from schemas.exits import EnvironmentFault
from schemas.weights import CACHE_VARIABLE
from tests import reported

REPORT = reported.full()


def test_a_page_gives_its_report_back_whatever_is_in_it():
    texts = "</script><script>alert(1)</script>", "\u2028\u2029\x00\r\n\ud800", "<!-- <script>", "\\u003c", '</script type="x">'
    report = {**REPORT, "texts": texts and list(texts), "none": None, "tenth": 0.1, "large": 2**53}
    assert embedded(render(report, library())) == report
    assert embedded(render(reported.empty(), library())) == reported.empty()
    assert render(report, "x") == render(json.loads(json.dumps(report)), "x")


def test_a_page_without_a_report_says_so():
    for page, found in ((b"<html></html>", "13 bytes without one"), (render(None, "x", live=True), "live server")):
        with pytest.raises(ValueError, match=f"found.*{found}.*report.html"):
            embedded(page)


def test_a_number_that_json_does_not_know_is_refused():
    with pytest.raises(ValueError, match="JSON compliant"):
        render({**REPORT, "spent": {"seconds": float("nan")}}, "x")


def test_a_library_that_is_not_there_is_told_with_the_command_that_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"found nothing; run: python -m jobs.fetch echarts"):
        library()


@pytest.mark.parametrize("live", [False, True])
def test_the_policy_lets_run_what_is_in_the_page_and_nothing_else(live: bool):
    page = render(REPORT, library(), live=live).decode()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    rules = dict(rule.split(" ", 1) for rule in found[1].replace("&#39;", "'").split("; "))
    hashes = {kind: [f"'sha256-{b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" for body in bodies] for kind, bodies in (
        ("style-src", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)),
        ("script-src", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)),
    )}  # fmt: skip
    assert {kind: rules.pop(kind).split(" ") for kind in hashes} == hashes
    assert len(hashes["script-src"]) == 2
    own = "'self'" if live else "'none'"
    images = "data: 'self'" if live else "data:"
    nothing = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert rules == {**nothing, "img-src": images, "connect-src": own}


def test_no_source_of_the_page_makes_markup_of_text():
    folder = Path(report_page.__file__).parent / "page"
    code = "".join((folder / f"{name}.js").read_text() for name in report_page.SCRIPTS)
    assert {f"{name}.js" for name in report_page.SCRIPTS} == {path.name for path in folder.glob("*.js")}
    for maker in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "DOMParser", "setTimeout('"):
        assert maker not in code
    assert max(len(path.read_text().splitlines()) for path in folder.iterdir()) < 300
