"""The recaption job over Parquet: the same samples as from a tar, damage on record, and its own output as its input."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import images, jobs
from tests.reading import rows_of
from tests.scripted_server import ScriptedServer
from tests.test_bad_input import bad, good

PLACES = {"split_id", "row", "source_path", "source_member", "source_offset", "merged_into", "answer_seconds"}


def run_over(pool: Path, output: Path, *more: str) -> Path:
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(pool, output, server.endpoint, *more))
    return jobs.run_folder(output)


def told(run: Path, table: str, but: set[str]) -> list[tuple]:
    """Return the rows of a table without the columns ``but``, in an order of their own, with a merged row's target by its alt text."""
    names = [name for name, *_ in jobs.query(run, f"describe {table}") if name not in but | {"image"}]
    rows = [jobs.query(run, f"select {', '.join(names)} from {table}")]
    if table == "ledger":
        into = "a.merged_into.split_id = b.split_id and a.merged_into.row = b.row"
        rows.append(jobs.query(run, f"select a.sample_id, a.alt_text, b.alt_text from ledger a join ledger b on {into}"))
    if table == "samples":
        rows.append(jobs.query(run, "select sample_id, image.bytes from samples"))
    return sorted((row for part in rows for row in part), key=repr)


def test_the_same_samples_leave_by_the_same_doors_as_from_a_tar(tmp_path: Path) -> None:
    twins = [{**good(3), "__key__": "twin", "txt": "Another harbour, of which this says much more than the first one did"}, good(3)]
    samples = [*(good(n) for n in range(50)), *(bad(n) for n in range(50, 60)), images.sample(60, "IMG_2041"), *twins]
    images.write_tar(tmp_path / "tar" / "pool.tar", samples)
    for number in range(3):
        images.write_parquet(tmp_path / "parquet" / f"{number}.parquet", samples[number * 30 :][:30], rows_in_a_group=12)
    runs = [run_over(tmp_path / kind, tmp_path / f"{kind}-out") for kind in ("tar", "parquet")]
    counts = [jobs.query(run, "select exit, reason, count(*) from ledger group by all order by all") for run in runs]
    assert counts[0] == counts[1]
    assert {(door, reason) for door, reason, _ in counts[0]} >= {("kept", None), ("merged", "exact_duplicate"), ("dropped", "file_name")}
    assert sum(count for _, _, count in counts[0]) == 63
    for table, but in (("samples", PLACES), ("ledger", PLACES | {"source_bytes", "error"})):
        from_tar, from_parquet = (told(run, table, but) for run in runs)
        assert from_tar == from_parquet
    assert jobs.query(runs[1], "select distinct regexp_replace(source_member, '\\d+', 'N') from ledger") == [("row N of image",)]
    assert jobs.query(runs[1], "select count(*) from samples where image.path <> source_member") == [(0,)]
    assert "row 0 of image" in (runs[1] / "report.html").read_text()


def test_a_truncated_file_and_a_spoilt_page_are_dead_letters_and_the_rest_goes_on(tmp_path: Path) -> None:
    whole = Path(images.write_parquet(tmp_path / "whole.parquet", [good(n) for n in range(100, 120)]))
    for number in range(3):
        images.write_parquet(tmp_path / "pool" / f"{number}.parquet", [good(n) for n in range(number * 12, number * 12 + 12)])
    (tmp_path / "pool" / "cut.parquet").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    spoilt = tmp_path / "pool" / "1.parquet"
    data = bytearray(spoilt.read_bytes())
    at = next(chunk["dictionary_page_offset"] for chunk in pq.read_metadata(spoilt).to_dict()["row_groups"][1]["columns"])
    data[at : at + 30] = b"\xff" * 30
    spoilt.write_bytes(data)
    run = run_over(tmp_path / "pool", tmp_path / "out")
    assert jobs.query(run, "select reason, count(*) from dead group by 1 order by 1") == [("truncated_shard", 1), ("unreadable_row", 4)]
    assert jobs.query(run, "select count(*) from samples") == [(32,)]
    assert jobs.query(run, "select count(*) from ledger") == [(37,)]
    ((path, offset, error),) = jobs.query(run, "select source_path, source_offset, error from dead where reason = 'truncated_shard'")
    assert (os.path.basename(path), offset) == ("cut.parquet", 0)
    assert "no readable Parquet footer" in error
    rows = jobs.query(run, "select source_path, source_member from dead where reason = 'unreadable_row' order by 2")
    assert rows == [(str(spoilt), f"row {n} of image") for n in range(4, 8)]


def test_the_samples_of_a_run_are_the_input_of_another_one(tmp_path: Path) -> None:
    images.write_tar(tmp_path / "pool" / "pool.tar", [images.sample(n, license="CC0-1.0") for n in range(12)])
    first = run_over(tmp_path / "pool", tmp_path / "out")
    names = ("alt_text", "url", "source_license")
    again = [(*(row[name] for name in names), row["image"]["bytes"]) for row in rows_of(first / "samples")]
    assert sorted(again, key=repr) == sorted(jobs.query(first, f"select {', '.join(names)}, image.bytes from samples"), key=repr)
    assert len(again) == 12


@pytest.mark.parametrize("flags", [(), ("--dry_run",), ("--limit=3",)], ids=["run", "dry run", "limit"])
def test_a_job_whose_columns_are_not_there_is_refused_with_those_that_are(tmp_path: Path, flags: tuple[str, ...]) -> None:
    images.write_parquet(tmp_path / "pool" / "a.parquet", [good(1)])
    asked = jobs.flags_for(tmp_path / "pool", tmp_path / "out", "http://127.0.0.1:9/v1", "--set=input.columns.image=jpg", *flags)
    refused = jobs.run(*asked, status=2).stderr
    assert "refused: 'input.columns': " in refused
    assert "found alt_text (string), caption (string), image (struct<bytes: binary, path: null>), url (string)" in refused
    assert "--set input.columns.image=NAME" in refused
