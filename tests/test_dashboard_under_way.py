"""A run that goes on is shown by what is committed so far, grows, and becomes the finished run."""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.report import page
from pipelines.spine import commit
from tests import finished, jobs
from tests.scripted_server import ScriptedServer
from tests.serving_runs import Served, come, serving, under_way


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("under-way")
    with ScriptedServer(finished.reply) as server:
        jobs.run(*finished.flags(finished.write_pool(folder / "pool"), folder / "runs", server.endpoint))
    return jobs.run_folder(folder / "runs")


def shown(served: Served) -> dict[str, dict[str, Any]]:
    found = served.get("/api/runs/0/samples", limit=500)
    assert len(found["samples"]) == found["rows"]
    return {card["place"]: card for card in found["samples"]}


def rows_of(fragments: list[Path]) -> dict[str, dict[str, Any]]:
    return {f"{row['split_id']}:{row['row']}": row for path in fragments for row in pq.read_table(path).to_pylist()}


def test_a_run_that_goes_on_is_incomplete_and_grows_until_it_is_finished(run: Path, tmp_path: Path):
    going, to_come = under_way(run, tmp_path / "out")
    assert len(to_come) > 3
    (tmp_path / "scratch").mkdir()
    with serving(going, scratch=tmp_path / "scratch") as served:
        assert served.get("/api/runs") == [
            {"index": 0, "pipeline": "recaption", "run_id": run.name, "corpus": "", "is_complete": False, "exits": dict.fromkeys(DOORS, 0)}
        ]
        assert shown(served) == {}
        assert served.get("/api/runs/0/columns") == []
        for number, fragment in enumerate(to_come, 1):
            come(going, fragment)
            check(served, rows_of(to_come[:number]))
        assert {place(row) for row in finished.rows(run)} == shown(served).keys()
        check_counts(served, run)
        become(going, run)
        (told,) = served.get("/api/runs")
        assert told["is_complete"]
        assert told["exits"] == json.loads((run / "manifest.json").read_text())["exits"]
        assert shown(served).keys() == {place(row) for row in finished.rows(run)}


DOORS = ("kept", "dropped", "merged", "dead")


def check(served: Served, rows: dict[str, dict[str, Any]]) -> None:
    """Hold every endpoint against the rows that are committed."""
    (told,) = served.get("/api/runs")
    doors = Counter(row["exit"] for row in rows.values())
    assert (told["is_complete"], told["corpus"]) == (False, "test")
    assert told["exits"] == {door: doors[door] for door in DOORS}
    report = served.get("/api/runs/0/report")
    assert (report["exits"], report["run"]["is_complete"], report["run"]["started"]) == (told["exits"], False, "2026-01-01T00:00:00+00:00")
    assert report["funnels"][0]["steps"][0]["entered"] == len(rows)
    assert {at: card["exit"] for at, card in shown(served).items()} == {at: row["exit"] for at, row in rows.items()}
    for door, count in doors.items():
        assert served.get("/api/runs/0/samples", exit=door, limit=0)["rows"] == count
    widths = served.get("/api/runs/0/histogram", column="width", bins=4)
    assert sum(widths["kept"]) + sum(widths["left"]) == sum(row["width"] is not None for row in rows.values())
    kept = next(at for at, row in rows.items() if row["exit"] == "kept")
    assert served.client.get(f"/api/runs/0/image/{kept}").headers["content-type"] == "image/webp"
    assert "image" not in served.get(f"/api/runs/0/sample/{kept}")
    assert served.get("/api/compare", a=0, b=0)["sets"] == {
        "both": len({row["sample_id"] for row in rows.values() if row["exit"] == "kept"}),
        "only_a": 0,
        "only_b": 0,
    }
    families = {family.name: family.samples for family in text_string_to_metric_families(served.client.get("/metrics").text)}
    assert families["glmv_run_complete"][0].value == 0
    assert sum(sample.value for sample in families["glmv_rows"]) == len(rows)
    assert families["glmv_answers"][0].value == sum(row["completion_tokens"] is not None for row in rows.values())
    assert sum(s.value for s in families["glmv_tokens"]) == sum(
        (row["completion_tokens"] or 0) + (row["prompt_tokens"] or 0) for row in rows.values()
    )


def check_counts(served: Served, run: Path) -> None:
    """Hold what is counted of all fragments against what the finished run counted while it wrote its shards."""
    told, expected = served.get("/api/runs/0/report"), json.loads((run / "report.json").read_text())
    for name in ("exits", "funnels", "serving", "bars", "distributions", "shares", "planes", "dead", "spent", "reasoning"):
        assert told[name] == expected[name], name
    (shown_,) = [group for group in told["gallery"] if group["kind"] == "kept"]
    picture = shown_["cards"][0]["thumbnail"]
    assert served.client.get(picture).headers["content-type"] == "image/webp"
    at_end = page.embedded((run / "report.html").read_bytes())
    assert [(g["title"], g["rows"], [c["place"] for c in g["cards"]]) for g in told["gallery"]] == [
        (g["title"], g["rows"], [c["place"] for c in g["cards"]]) for g in at_end["gallery"]
    ]


def become(going: Path, run: Path) -> None:
    """Finish ``going`` as the graph does: the tables, and the manifest last."""
    Path(commit.under_way(str(going))).unlink()
    for path in run.iterdir():
        if path.is_dir():
            shutil.copytree(path, going / path.name)
    for name in ("funnel.json", "report.json", "report.html", "manifest.json"):
        shutil.copy(run / name, going)


def place(row: dict[str, Any]) -> str:
    return f"{row['split_id']}:{row['row']}"


def test_of_two_fragments_of_a_split_the_later_is_shown_and_what_is_half_written_is_not(run: Path, tmp_path: Path):
    going, to_come = under_way(run, tmp_path / "out")
    (tmp_path / "scratch").mkdir()
    with serving(going, scratch=tmp_path / "scratch") as served:
        first = come(going, to_come[0])
        key, rest = first.name.split(".", 1)
        split, _, decision = key.rpartition("-")
        other = first.with_name(f"{split}-{decision[::-1]}.{rest}")
        shutil.copy(to_come[0], other)
        (first.parent / f".writing-0-{to_come[1].name}").write_bytes(b"PAR1")
        (first.parent / f"{run.name}-00000.going").write_bytes(b"[]")
        assert shown(served).keys() == rows_of([first]).keys()
