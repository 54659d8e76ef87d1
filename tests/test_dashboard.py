"""The live dashboard over finished runs of the real job, asked over HTTP and held against the Parquet of the runs."""

import io
import json
import random
import shutil
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from pipelines.report import page
from tests import finished, jobs
from tests.finished import CUT, SMALL
from tests.scripted_server import Call, Reply, ScriptedServer
from tests.serving_runs import Served, command, serving

STRANGE = [float("nan"), float("inf"), -0.25, 0.0, 0.28, 0.28, 0.3, None]
"""What the column ``clip_score`` of a third run holds, again and again: the job has no embedder, so that of the others is empty."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a run, another of the same pool with fewer samples, and a copy of the first with strange numbers and a report."""
    folder = tmp_path_factory.mktemp("dashboard")
    pool = finished.write_pool(folder / "pool")
    told: list[dict[str, Any]] = []

    def reply(call: Call) -> Reply:
        told.extend(json.loads(path.read_text()) for path in (folder / "one").glob("under-way/recaption-*.json"))
        return finished.reply(call)

    with ScriptedServer(reply) as server:
        jobs.run(*finished.flags(pool, folder / "one", server.endpoint))
        jobs.run(*finished.flags(pool, folder / "two", server.endpoint, "--limit=12"))
    one, two = (jobs.run_folder(folder / name) for name in ("one", "two"))
    manifest = json.loads((one / "manifest.json").read_text())
    assert told, "the launcher says of a run that it is under way"
    assert {name: told[0][name] for name in ("pipeline", "run_id", "passes", "code")}.items() <= manifest.items()
    assert list((folder / "one" / "under-way").iterdir()) == []
    for name in ("report.html", "report.json"):
        (two / name).unlink()
    return [one, two, strange(one, folder / "three" / "recaption" / "three")]


def strange(run: Path, copy: Path) -> Path:
    """Copy ``run`` with STRANGE numbers in its ledger, and give it a report."""
    shutil.copytree(run, copy)
    for path in sorted((copy / "ledger").glob("*.parquet")):
        table = pq.read_table(path)
        column = pa.array([STRANGE[n % len(STRANGE)] for n in range(len(table))], pa.float32(), from_pandas=False)
        pq.write_table(table.set_column(table.schema.get_field_index("clip_score"), table.schema.field("clip_score"), column), path)
    report = {"version": 1, "run": {"corpus": "</script><b>", "pipeline": "recaption", "run_id": "three"}, "bars": [], "distributions": []}
    (copy / "report.html").write_bytes(page.render({**report, "gallery": ["a picture"]}, ""))
    (copy / "report.json").write_text(json.dumps(report))
    return copy


@pytest.fixture(scope="module")
def served(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(*runs, scratch=tmp_path_factory.mktemp("scratch")) as found:
        yield found


def place(row: dict[str, Any]) -> str:
    return f"{row['split_id']}:{row['row']}"


def paged(served: Served, index: int, limit: int, **asked: Any) -> list[str]:
    """Return the places of all pages, in order."""
    places: list[str] = []
    while True:
        found = served.get(f"/api/runs/{index}/samples", offset=len(places), limit=limit, **asked)
        if not found["samples"]:
            assert len(places) == found["rows"]
            return places
        places += [card["place"] for card in found["samples"]]


def test_the_page_is_that_of_the_live_server_under_its_own_policy(served: Served):
    found = served.client.get("/")
    assert served.client.get("/?run=1").content == found.content
    assert found.status_code == 200
    assert found.content == page.render(None, page.library(), live=True)
    policy = found.headers["content-security-policy"]
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in found.headers


def test_runs_are_told_with_their_doors(served: Served, runs: list[Path]):
    for told, run in zip(served.get("/api/runs"), runs, strict=True):
        doors = Counter(row["exit"] for row in finished.rows(run))
        assert told["exits"] == {door: doors[door] for door in ("kept", "dropped", "merged", "dead")}
        assert (told["pipeline"], told["corpus"], told["is_complete"]) == ("recaption", "test", True)
        assert told["run_id"] == json.loads((run / "manifest.json").read_text())["run_id"]


def test_a_report_is_that_of_the_page_and_where_there_is_none_that_is_said(served: Served, runs: list[Path]):
    for index in (0, 2):
        assert served.get(f"/api/runs/{index}/report") == page.embedded((runs[index] / "report.html").read_bytes())
    assert f"{runs[1]}/report.html is gone" in served.refused("/api/runs/1/report", 404)


def test_columns_are_the_scalar_ones_of_the_ledger_with_what_they_mean(served: Served, runs: list[Path]):
    kinds = {"string": "text", "bool": "bool", "float": "number", "double": "number", "int32": "number", "int64": "number"}
    schema = pq.read_schema(next((runs[0] / "ledger").iterdir()))
    expected = [
        {"name": f.name, "type": kinds[str(f.type)], "doc": f.metadata[b"doc"].decode(), "unit": f.metadata[b"unit"].decode()}
        for f in schema
        if str(f.type) in kinds
    ]
    assert served.get("/api/runs/0/columns") == expected
    assert {f.name for f in schema} - {column["name"] for column in expected} >= {"merged_into", "alt_texts", "labels"}


def test_pages_of_every_order_hold_each_row_once_and_in_that_order(served: Served, runs: list[Path]):
    rows = {place(row): row for row in finished.rows(runs[2])}
    in_place = sorted(rows, key=lambda at: (at.split(":")[0], int(at.split(":")[1])))
    assert paged(served, 2, 7) == in_place
    for column in ("width", "clip_score", "caption", "reason", "animated", "exit"):
        for descending in (0, 1):
            values = {at: row[column] for at, row in rows.items() if row[column] is not None and row[column] == row[column]}
            have = sorted((at for at in in_place if at in values), key=lambda at: values[at], reverse=bool(descending))
            expected = [*have, *(at for at in in_place if at not in values)]
            if descending:  # Python's reversed sort keeps equal rows in their order, as the server does
                assert [values.get(at) for at in expected] == [values.get(at) for at in paged(served, 2, 5, sort=column, descending=1)]
            assert paged(served, 2, 4, sort=column, descending=descending) == expected, column


def test_filters_by_door_step_and_reason_find_what_the_ledger_has(served: Served, runs: list[Path]):
    rows = finished.rows(runs[0])
    for name in ("exit", "step", "reason"):
        for value, count in Counter(row[name] for row in rows if row[name] is not None).items():
            found = served.get("/api/runs/0/samples", limit=500, **{name: value})
            assert found["rows"] == count == len(found["samples"])
            assert {card["place"] for card in found["samples"]} == {place(row) for row in rows if row[name] == value}


def test_a_card_shows_what_the_row_holds(served: Served, runs: list[Path]):
    rows = {place(row): row for row in finished.rows(runs[0])}
    for card in served.get("/api/runs/0/samples", limit=500)["samples"]:
        row = rows[card["place"]]
        for name in ("sample_id", "exit", "step", "reason", "value", "threshold", "error", "width", "height"):
            assert card[name] == row[name], name
        assert card["into"] == (place(row["merged_into"]) if row["merged_into"] else None)
        texts = {text["name"]: text["text"] for text in card["texts"]}
        twins = "\n".join(text for text in row["alt_texts"] or () if text != row["alt_text"])
        expected = {"alt text": row["alt_text"] or "(none)", "caption": row["caption"], "alt texts of its twins": twins or None}
        assert texts == {name: text for name, text in expected.items() if text is not None}
        assert card["image"] == (None if row["exit"] == "dead" else f"/api/runs/0/image/{card['place']}")


def test_a_sample_is_every_column_of_its_row(served: Served, runs: list[Path]):
    for row in random.Random(1).sample(finished.rows(runs[0]), 8):
        told = served.get(f"/api/runs/0/sample/{place(row)}")
        assert told == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
    strange = {served.get(f"/api/runs/2/sample/{place(row)}")["clip_score"] for row in finished.rows(runs[2])[:8]}
    assert {"nan", "inf", None} <= strange
    assert "no row" in served.refused(f"/api/runs/0/sample/{'0' * 32}:1", 404)


@pytest.mark.parametrize(("number", "side"), [(0, 256), (SMALL, 256), (0, 16), (1, 1024)])
def test_a_picture_of_a_kept_and_of_a_dropped_row_is_that_of_its_sample(served: Served, runs: list[Path], number: int, side: int):
    (row,) = [row for row in finished.rows(runs[0]) if row["alt_text"] == finished.text(number)]
    assert row["exit"] == ("dropped" if number == SMALL else "kept")
    found = served.client.get(f"/api/runs/0/image/{place(row)}", params={"side": side})
    assert found.headers["content-type"] == "image/webp"
    assert found.content == served.client.get(f"/api/runs/0/image/{place(row)}", params={"side": side}).content
    shown, whole = (Image.open(io.BytesIO(data)) for data in (found.content, finished.picture(number)))
    assert (shown.format, max(shown.size)) == ("WEBP", min(side, max(whole.size)))
    small = [picture.convert("RGB").resize((4, 3), Image.Resampling.BOX).tobytes() for picture in (shown, whole)]
    assert max(abs(a - b) for a, b in zip(*small, strict=True)) < (40 if side == 16 else 16)


def test_a_row_without_a_picture_says_why(served: Served, runs: list[Path]):
    (cut,) = [row for row in finished.rows(runs[0]) if row["alt_text"] == finished.text(CUT)]
    assert "dead" in served.refused(f"/api/runs/0/image/{place(cut)}", 404)


@pytest.mark.parametrize(
    "asked", [("width", 7, ""), ("width", 1, "kept"), ("clip_score", 5, ""), ("clip_score", 60, "dropped"), ("row", 3, "")]
)
def test_a_histogram_counts_every_value_in_its_bin(served: Served, runs: list[Path], asked: tuple[str, int, str]):
    column, bins, door = asked
    found = served.get("/api/runs/2/histogram", column=column, bins=bins, exit=door)
    rows = [row for row in finished.rows(runs[2]) if door in ("", row["exit"])]
    edges, finite = found["edges"], lambda value: value is not None and abs(value) < float("inf")
    values = [row[column] for row in rows if finite(row[column])]
    assert len(edges) == bins + 1 == len(found["kept"]) - 1 == len(found["left"]) - 1
    assert (edges[0], edges[-1]) == (min(values), pytest.approx(max(values) if len(set(values)) > 1 else values[0] + 1))
    for name, kept in (("kept", True), ("left", False)):
        mine = [row[column] for row in rows if (row["exit"] == "kept") == kept]
        assert found["missing"][name] == sum(not finite(value) for value in mine)
        counts = [0] * (bins + 2)
        for value in filter(finite, mine):
            counts[min(sum(edge <= value for edge in edges), bins)] += 1
        assert found[name] == counts
    assert served.get("/api/runs/0/histogram", column="clip_score")["edges"] == []


def test_two_runs_are_compared_by_their_kept_samples_and_funnels(served: Served, runs: list[Path]):
    found = served.get("/api/compare", a=0, b=1)
    a, b = ({row["sample_id"] for row in finished.rows(run) if row["exit"] == "kept"} for run in runs[:2])
    assert found["sets"] == {"both": len(a & b), "only_a": len(a - b), "only_b": len(b - a)}
    assert len(a - b) > 0
    steps = [{step["step"]: step for step in json.loads((run / "funnel.json").read_text())} for run in runs[:2]]
    assert {row["step"]: (row["a_entered"], row["a_kept"], row["b_entered"], row["b_kept"]) for row in found["funnel"]} == {
        step: (steps[0][step]["entered"], steps[0][step]["kept"], steps[1][step]["entered"], steps[1][step]["kept"]) for step in steps[0]
    }
    assert (found["metrics"], found["without_report"]) == ([], [1])


def test_metrics_are_read_by_prometheus_own_parser_and_add_up(served: Served, runs: list[Path]):
    text = served.client.get("/metrics")
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family.samples for family in text_string_to_metric_families(text.text)}
    for index, run in enumerate(runs):
        rows, told = finished.rows(run), json.loads((run / "manifest.json").read_text())
        mine = {name: [s for s in samples if s.labels["index"] == str(index)] for name, samples in families.items()}
        expected = Counter((row["exit"], row["step"] or "", row["reason"] or "") for row in rows)
        assert {(s.labels["door"], s.labels["step"], s.labels["reason"]): s.value for s in mine["glmv_rows"]} == expected
        assert {s.labels["kind"]: s.value for s in mine["glmv_tokens"]} == {
            kind: told["spent"][f"{kind}_tokens"] for kind in ("prompt", "completion")
        }
        assert mine["glmv_answers"][0].value == sum(row["completion_tokens"] is not None for row in rows)
        assert mine["glmv_answer_seconds"][0].value == pytest.approx(told["spent"]["answer_seconds"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_leaves_nothing_behind(runs: list[Path], tmp_path: Path, number: int):
    with serving(runs[0], scratch=tmp_path) as found:
        found.get("/api/runs/0/samples")
        assert list(tmp_path.iterdir())
        children, port = psutil.Process(found.process.pid).children(recursive=True), found.client.base_url.port
        found.process.send_signal(number)
        assert found.process.wait(timeout=30) == 0
        assert found.process.stderr is not None
        assert found.process.stderr.read() == ""
    assert not any(child.is_running() for child in children)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/api/runs")


def test_what_is_no_run_and_a_port_that_is_taken_are_told_with_what_to_do(runs: list[Path], tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for words, said in (
            ([tmp_path], "expected the folder of a run"),
            (["gs://bucket/runs/recaption/ID"], "copy the run here"),
            ([tmp_path / "a[b]"], "rename the folder"),
            ([runs[0], f"--port={port}"], "in use"),
        ):
            done = subprocess.run(command(*words), cwd=jobs.ROOT, capture_output=True, text=True, timeout=120)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("error: ")
            assert said in done.stderr
