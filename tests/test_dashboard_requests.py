"""What a request may ask of the rows, against plain Python over the same rows, and what it may not."""

import math
import operator
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.dashboard_ledger import write
from jobs.dashboard.guard import hosts_of
from tests import finished
from tests.jobs import ROOT
from tests.serving_runs import Served, command, serving

ROWS = 600
COMPARED = ("lt", "le", "gt", "ge", "eq", "ne")
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {name: getattr(operator, name) for name in COMPARED}
OPERATORS["has"] = lambda value, words: words.lower() in value.lower()
WORDS = ["Größe: 'quoted'", 'a "b" -- c; drop', "grün", "", None, "50 % of_it\\", "日本の港"]
STRANGE: dict[str, tuple[pa.DataType, list[Any]]] = {
    "clip_score": (pa.float32(), [math.nan, math.inf, -math.inf, -0.25, 0.0, 0.28, 0.3, None, 7.0]),
    "concept_probability": (pa.float64(), [math.nan, 0.1, None, 1 / 3]),
    "source_offset": (pa.int64(), [2**53, 2**53 + 1, -5, 0]),
    "animated": (pa.bool_(), [True, False, None]),
    "alt_text": (pa.string(), WORDS),
}
"""What those columns hold, again and again."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("it's") / "captions" / "bench"
    write(folder, ROWS)
    (path,) = (folder / "ledger").glob("*.parquet")
    table = pq.read_table(path)
    for name, (kind, some) in STRANGE.items():
        at = table.schema.get_field_index(name)
        values = pa.array([some[n % len(some)] for n in range(ROWS)], kind, from_pandas=False)
        table = table.set_column(at, table.schema.field(name), values)
    pq.write_table(table, path, row_group_size=100)
    return folder


@pytest.fixture(scope="module")
def served(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(run, scratch=tmp_path_factory.mktemp("scratch")) as found:
        yield found


def places(served: Served, *where: str, **asked: Any) -> set[str]:
    found = served.get("/api/runs/0/samples", where=list(where), limit=500, **asked)
    assert found["rows"] <= 500
    assert len(found["samples"]) == found["rows"]
    return {card["place"] for card in found["samples"]}


def expected(run: Path, column: str, name: str, value: Any) -> set[str]:
    """Return the places where the operator holds: never of null or NaN."""
    meets = OPERATORS[name]
    rows = [row for row in finished.rows(run) if row[column] is not None and row[column] == row[column]]
    return {f"{row['split_id']}:{row['row']}" for row in rows if meets(row[column], value)}


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("clip_score", "0.28", pa.scalar(0.28, pa.float32()).as_py()),
        ("clip_score", "0", 0.0),
        ("clip_score", "-1e9", -1e9),
        ("concept_probability", "0.3333333333333333", 1 / 3),
        ("source_offset", str(2**53 + 1), 2**53 + 1),
        ("source_offset", "-0.5", -0.5),
        ("height", "1200", 1200),
        ("alt_text", "grün", "grün"),
        ("alt_text", "", ""),
        ("language", "en", "en"),
    ],
)
def test_a_comparison_finds_what_python_finds(served: Served, run: Path, column: str, name: str, text: str, value: Any):
    wanted = expected(run, column, name, value)
    whole = served.get("/api/runs/0/samples", where=f"{column}:{name}:{text}", limit=0)["rows"]
    assert whole == len(wanted)
    if whole <= 500:
        assert places(served, f"{column}:{name}:{text}") == wanted


@pytest.mark.parametrize(("name", "text"), [("eq", "true"), ("ne", "true"), ("eq", "false")])
def test_what_is_true_or_false_is_found(served: Served, run: Path, name: str, text: str):
    assert places(served, f"animated:{name}:{text}") == expected(run, "animated", name, text == "true")


@pytest.mark.parametrize("words", ["GRÜN", "größe: 'QUOTED'", '"b" -- c; drop', "% of_", "%", "_", "\\", "港", ":", "zz", ""])
def test_words_are_found_as_they_stand_and_in_any_case(served: Served, run: Path, words: str):
    wanted = expected(run, "alt_text", "has", words)
    assert served.get("/api/runs/0/samples", where=f"alt_text:has:{words}", limit=0)["rows"] == len(wanted)
    if words:
        assert places(served, f"alt_text:has:{words}") == wanted


def test_all_conditions_have_to_be_met_and_an_order_leaves_them(served: Served, run: Path):
    wanted = expected(run, "width", "ge", 600) & expected(run, "language", "ne", "en") & expected(run, "exit", "eq", "kept")
    assert places(served, "width:ge:600", "language:ne:en", exit="kept", sort="clip_score", descending=1) == wanted
    assert len(wanted) > 0


@pytest.mark.parametrize(
    "where",
    [
        'width" or 1=1 --:ge:0',
        "width; drop table ledger:ge:0",
        "1=1) or (width:ge:0",
        "width:>=:0",
        "width:ge:0 or 1=1",
        "width:ge:1); drop table ledger_0; --",
        "width:ge:(select 1)",
        "width:ge:nan",
        "width:ge:inf",
        "width:ge:",
        "width:ge",
        "width",
        "",
        "width:or:1",
        "width:has:1",
        "animated:lt:true",
        "animated:eq:1",
        "concepts:has:a",
        "merged_into.row:eq:1",
        "nothing:eq:1",
        "rowid:ge:0",
        "filename:has:a",
        f"width:ge:{2**63}",
    ],
)
def test_a_condition_that_is_none_is_refused_and_changes_nothing(served: Served, where: str):
    before = served.get("/api/runs/0/samples", limit=1)
    said = served.refused("/api/runs/0/samples", where=where)
    assert "expected" in said or "looks for words" in said
    assert served.get("/api/runs/0/samples", limit=1) == before
    assert before["rows"] == ROWS


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("samples", {"sort": 'width"; drop table x; --'}),
        ("samples", {"sort": "width desc"}),
        ("samples", {"sort": "width", "descending": "2"}),
        ("samples", {"exit": "kept' or '1'='1"}),
        ("samples", {"limit": "501"}),
        ("samples", {"limit": "-1"}),
        ("samples", {"limit": "1e2"}),
        ("samples", {"offset": "99999999999"}),
        ("samples", {"limt": "5"}),
        ("samples", {"where": ["width:ge:0"] * 21}),
        ("histogram", {"column": "width) from ledger; --"}),
        ("histogram", {"column": "alt_text"}),
        ("histogram", {"column": ""}),
        ("histogram", {"column": "width", "bins": "0"}),
        ("histogram", {"column": "width", "bins": "1001"}),
        ("histogram", {"column": "width", "exit": "x"}),
        ("sample/0:1", {}),
        (f"sample/{'0' * 32}:1 or 1=1", {}),
        (f"sample/{'0' * 32}:-1", {}),
        (f"sample/{'A' * 32}:1", {}),
        ("image/..:1", {}),
        (f"image/{'0' * 32}", {}),
        (f"image/{'0' * 32}:0", {"side": "4096"}),
    ],
)
def test_a_request_that_is_none_says_what_was_expected(served: Served, path: str, asked: dict[str, Any]):
    assert "expected" in served.refused(f"/api/runs/0/{path}", **asked) or path == "histogram"


def test_a_value_is_never_sql_though_it_is_written_like_it(served: Served):
    for name in ("step", "reason"):
        assert served.get("/api/runs/0/samples", **{name: "x' or '1'='1"})["rows"] == 0
    assert served.get("/api/runs/0/samples", where="language:eq:en' or '1'='1")["rows"] == 0


@pytest.mark.parametrize(
    "path",
    ["/api/runs/0/image/../../../../etc/passwd", "/api/runs/0/image/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/etc/passwd", "/api/runs/-1/report"],
)
def test_no_path_leads_out_of_the_runs(served: Served, path: str):
    request = httpx.Request("GET", str(served.client.base_url).rstrip("/") + "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    found = served.client.send(request)
    assert found.status_code in (400, 404)
    assert "root:" not in found.text
    assert found.json().keys() == {"error"}


def test_a_run_that_is_not_served_and_an_endpoint_that_is_none_are_not_there(served: Served):
    assert "runs 0 to 0" in served.refused("/api/runs/1/samples", 404)
    assert "docs/dashboard.md" in served.refused("/api/rows", 404)


def test_only_this_machines_names_are_answered(served: Served):
    port = served.client.base_url.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert served.client.get("/api/runs", headers={"Host": host}).status_code == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}", f"127.0.0.1.evil.example:{port}", ""):
        found = served.client.get("/api/runs", headers={"Host": host})
        assert found.status_code == 403, host
        assert "Host: expected" in found.json()["error"]
    assert hosts_of(80) >= {"localhost", "127.0.0.1:80"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_nothing_but_get_is_answered(served: Served, method: str):
    found = served.client.request(method, "/api/runs", headers={"Origin": "https://evil.example"})
    assert (found.status_code, found.headers["allow"]) == (405, "GET")
    assert not [name for name in found.headers if name.startswith("access-control")]


def test_every_answer_keeps_other_pages_out(served: Served):
    for path in ("/", "/api/runs", "/nothing", "/metrics"):
        headers = served.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_ledger_that_changed_is_read_anew(served: Served, run: Path):
    """As after a take-down: the files and the manifest are others, the server is the same."""
    (path,) = (run / "ledger").glob("*.parquet")
    manifest, data = (run / "manifest.json").read_bytes(), path.read_bytes()
    assert served.get("/api/runs/0/samples", limit=0)["rows"] == ROWS
    pq.write_table(pq.read_table(path).slice(0, 10), path)
    (run / "manifest.json").write_bytes(manifest + b" ")
    assert served.get("/api/runs/0/samples", limit=0)["rows"] == 10
    path.write_bytes(data)
    (run / "manifest.json").write_bytes(manifest)
    assert served.get("/api/runs/0/samples", limit=0)["rows"] == ROWS


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["/nosuch"], 1, "error: /nosuch holds no manifest.json: expected the folder of a run"),
        (["no/such/run"], 1, "under-way/such-run.json is not there"),
        (["gs://a/b/c"], 1, "lies on an object store"),
        (["no/such/run", "--port=99999"], 2, "expected a port from 0 to 65535, found '99999'"),
        (["no/such/run", "--port=-1"], 2, "expected a port from 0 to 65535, found '-1'"),
    ],
)
def test_a_word_that_is_no_run_or_no_port_is_refused_in_one_line(words: list[str], status: int, said: str):
    ended = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
