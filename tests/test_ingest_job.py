"""The ingest job from its command line: planted faults are counted, every address is in the ledger, and recaptioning goes on from there."""

import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from pipelines.ingest.launch import main
from schemas import records
from tests import images, ingesting, jobs
from tests.hostile_server import HostileServer, picture
from tests.scripted_server import ScriptedServer

PLANTED = {
    "missing": "http_404", "forbidden": "http_403", "broken": "http_500", "busy/9/x": "http_429", "hangup": "reset", "reset/9/x": "reset",
    "silent": "timeout", "stalled": "timeout", "loop": "too_many_redirects", "to?url=http://10.0.0.1/": "private_address",
    "to?url=ftp://h/": "bad_url", "endless": "too_many_bytes", "claims/99999999": "too_many_bytes", "bomb": "too_many_bytes",
    "brotli": "content_encoding", "garbage": "bad_response", "badchunks": "bad_response", "empty": "empty_file", "html": "html",
    "bytes": "not_an_image", "truncated": "truncated", "robots?tag=noai": "opted_out", "robots?tag=none": "opted_out",
}  # fmt: skip
GOOD = ("text/1", "hops/2", "busy/1/y", "stumble/1/y", "reset/1/y", "gzip", "chunks", "last/2", "robots?tag=all")


def alt_text(path: str) -> str:
    return f"A small harbour at dusk, behind {path}"


def row(server: HostileServer, path: str, **more: str | None) -> dict[str, str | None]:
    return {"url": server.url(path), "caption": alt_text(path), "license": "CC0", **more}


def test_every_planted_fault_is_counted_and_every_address_is_in_the_ledger(tmp_path: Path):
    with HostileServer() as server:
        rows = [row(server, path) for path in (*PLANTED, *GOOD, *(f"image/{n}" for n in range(20)))]
        rows += [{"url": None, "caption": "no address"}, {"url": "http://me:pw@h/", "caption": "credentials"}]
        ingesting.write_list(tmp_path / "lists" / "a.parquet", rows)
        done = ingesting.run(*ingesting.flags_for(tmp_path / "lists", tmp_path / "out"))
    run = ingesting.run_folder(tmp_path / "out")
    reasons = Counter([*PLANTED.values(), "no_url", "bad_url"])
    assert dict(jobs.query(run, "select reason, count(*) from ledger where reason is not null group by 1")) == dict(reasons)
    told = {
        reason: n
        for step in json.loads((run / "funnel.json").read_text())
        for door in ("dropped", "dead")
        for reason, n in step[door].items()
    }
    assert told == dict(reasons)
    by_url = dict(jobs.query(run, "select url, reason from ledger"))
    assert {path: by_url[server.url(path)] for path in PLANTED} == PLANTED
    assert jobs.query(run, "select count(*), count(distinct url) from ledger") == [(len(rows), len(rows) - 1)]
    assert jobs.query(run, "select count(*) from samples") == [(len(GOOD) + 20,)]
    assert jobs.query(run, "select count(*) from dead where error is null or source_member is null") == [(0,)]
    facts = {url: rest for url, *rest in jobs.query(run, "select url, http_status, attempts, final_url from ledger")}
    assert facts[server.url("hops/2")] == [200, 1, server.url("image/0")]
    assert facts[server.url("busy/1/y")] == [200, 2, server.url("busy/1/y")]
    assert facts[server.url("missing")] == [404, 1, server.url("missing")]
    assert facts[server.url("silent")] == [None, 2, None]
    assert facts["http://me:pw@h/"] == [None, 0, None]
    assert "2 dropped: opted_out" in done.stdout


def test_images_lie_in_the_samples_as_they_came_with_what_their_list_says(tmp_path: Path):
    with HostileServer() as server:
        rows = [row(server, f"image/{n}", similarity=f"0.{n}") for n in range(7)]
        ingesting.write_list(tmp_path / "a.parquet", rows)
        ingesting.run(*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", input__columns__metadata="[similarity]"))
    run = ingesting.run_folder(tmp_path / "out")
    said = "alt_text, url, source_license, metadata, width, height, original_width, image_format, source_bytes"
    found = jobs.query(run, f"select image.bytes, {said} from samples")
    sizes = 320, 240, 320, "JPEG"
    expected = [
        (picture(n), alt_text(f"image/{n}"), server.url(f"image/{n}"), "CC0", f'{{"similarity": "0.{n}"}}', *sizes, len(picture(n)))
        for n in range(7)
    ]
    assert sorted(found) == sorted(expected)
    assert jobs.query(run, "select count(*) from samples where image_hash is null or sample_id is null or corpus <> 'test'") == [(0,)]
    assert "noai, noimageai, noindex, noimageindex" in (run / "README.md").read_text()
    assert yaml.safe_load((run / "job.yaml").read_text())["limits"]["max_dead_ratio"] == 0.7
    for table, schema in (("samples", records.INGESTED), ("ledger", records.INGESTED_LEDGER), ("dead", records.INGESTED_DEAD)):
        (path,) = (run / table).iterdir()
        assert pq.read_schema(path).equals(schema)


def test_recaptioning_reads_the_shards(tmp_path: Path):
    with HostileServer() as server:
        paths = [*(f"image/{n}" for n in range(12)), "missing", "image/3?again"]
        ingesting.write_list(tmp_path / "a.parquet", [row(server, path) for path in paths])
        ingesting.run(*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out"))
    samples = ingesting.run_folder(tmp_path / "out") / "samples"
    with ScriptedServer() as captioner:
        jobs.run(*jobs.flags_for(samples, tmp_path / "out", captioner.endpoint))
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select exit, count(*) from ledger group by 1 order by 1") == [("kept", 12), ("merged", 1)]
    assert sorted(text.removesuffix("?again") for text in captioner.alt_texts) == sorted(alt_text(f"image/{n}") for n in range(12))
    assert jobs.query(run, "select count(*) from samples where url is null or source_license <> 'CC0'") == [(0,)]


def test_an_address_that_stands_thrice_in_a_split_is_asked_for_once_and_each_row_has_its_exit(tmp_path: Path):
    wrong, right = "0" * 64, hashlib.sha256(picture(1)).hexdigest()
    with HostileServer() as server:
        rows = [row(server, "image/1", sha256=digest) for digest in (right, wrong, None)] + [row(server, "missing", sha256=None)] * 2
        ingesting.write_list(tmp_path / "a.parquet", rows)
        ingesting.run(*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out"))
        assert server.paths == {"/image/1": 1, "/missing": 1}
    found = jobs.query(ingesting.run_folder(tmp_path / "out"), "select row, exit, reason, listed_hash from ledger order by row")
    assert found == [
        (0, "kept", None, f"sha256:{right}"), (1, "dead", "hash_mismatch", f"sha256:{wrong}"), (2, "kept", None, None),
        (3, "dead", "http_404", None), (4, "dead", "http_404", None),
    ]  # fmt: skip


def test_larger_images_are_made_smaller(tmp_path: Path):
    with HostileServer() as server:
        ingesting.write_list(tmp_path / "a.parquet", [row(server, f"image/{n}") for n in range(4)])
        ingesting.run(*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", resize__longer_side=160))
    run = ingesting.run_folder(tmp_path / "out")
    columns = "image.bytes, width, height, original_width, original_height, image_format"
    found = jobs.query(run, f"select {columns} from samples")
    assert {size for _, *sizes in found for size in [tuple(sizes)]} == {(160, 120, 320, 240, "JPEG")}
    assert {Image.open(io.BytesIO(data)).size for data, *_ in found} == {(160, 120)}
    assert "Images of more than 160 pixels" in (run / "README.md").read_text()
    assert json.loads((run / "funnel.json").read_text())[-1]["step"] == "Decode each image once and make the larger ones smaller"


def test_csv_and_parquet_lists_with_a_limit_are_one_input(tmp_path: Path):
    with HostileServer() as server:
        ingesting.write_list(tmp_path / "lists" / "b.parquet", [row(server, f"image/{n}") for n in range(10, 40)])
        images.write_file(tmp_path / "lists" / "a.csv", "url,text\n" + "".join(f'{server.url(f"image/{n}")},"A, {n}"\n' for n in range(10)))
        ingesting.run(*ingesting.flags_for(tmp_path / "lists", tmp_path / "out", "--limit=17"))
        assert sorted(server.paths) == sorted(f"/image/{n}" for n in range(17))
    assert jobs.query(ingesting.run_folder(tmp_path / "out"), "select count(*), count(alt_text) from samples") == [(17, 17)]


def test_too_many_dead_fail_the_run_and_are_not_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with HostileServer() as server:
        rows = [row(server, f"image/{n}") for n in range(3)] + [row(server, f"missing?{n}") for n in range(17)]
        ingesting.write_list(tmp_path / "a.parquet", rows)
        assert main(ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", limits__dead_floor=2)) == 1
        assert "17 of 20 samples are dead letters ({'http_404': 17}), more than limits.max_dead_ratio=0.7 allows" in capsys.readouterr().err
        assert list(tmp_path.glob("out/ingest/*/manifest.json")) == []
        assert main(ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", limits__max_dead_ratio=0.9)) == 0
        assert len(server.requests) == 20
    assert jobs.query(ingesting.run_folder(tmp_path / "out"), "select count(*) from samples") == [(3,)]


def test_a_machine_that_reaches_nobody_stops_the_run_and_nothing_is_dead(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ingesting.write_list(tmp_path / "a.parquet", [{"url": f"http://127.0.0.{host}:9/a.jpg"} for host in range(2, 20)])
    flags = ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", input__split_urls=20, download__allow_networks="[127.0.0.0/8]")
    assert main(flags) == 1
    assert "expected an answer from one of 18 hosts at least, found none (connect)" in capsys.readouterr().err
    assert list(tmp_path.glob("out/download/*/*.parquet")) == []
    assert main([*flags, "--set=download.cut_off_hosts=0", "--set=limits.max_dead_ratio=1"]) == 0
    assert jobs.query(ingesting.run_folder(tmp_path / "out"), "select reason, count(*) from dead group by 1") == [("connect", 18)]


def test_a_dry_run_counts_and_asks_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with HostileServer() as server:
        ingesting.write_list(tmp_path / "a.parquet", [row(server, f"image/{n}") for n in range(25)])
        assert main(ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", "--dry_run")) == 0
        assert server.requests == []
    told = capsys.readouterr().out
    assert "1 lists, 25 rows, 3 splits (0 are downloaded already)" in told
    assert "10 MiB of images in a split at most" in told
    assert list((tmp_path / "out").rglob("*.parquet")) == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("--set=download.retrys=1", "unknown key 'download.retrys'; did you mean 'retries'?"),
        ("--set=download.allow_networks=[10.0.0.1/8]", "'download': allow_networks: 10.0.0.1/8 has host bits set"),
        ("--set=download.max_mb=2000", "is 20000 MiB, and a split holds at most 1792: --set input.split_urls=1"),
        ("--set=download.total_seconds=0", "'download': total_seconds: expected more than 0"),
        ("--set=download.retries=-1", "'download': retries: expected at least 0, found -1"),
        ("--set=resize.quality=101", "'resize': expected longer_side >= 1, gap >= 1 and quality 1 to 95"),
        ("--set=input.columns.url=link", "'input.columns': "),
        ("--set=input.columns.metadata=similarity", "'input.columns.metadata': expected tuple[str, ...]"),
        ("--input=nowhere/*.parquet", "'input.path': no input"),
        ("--input=", "missing key 'input.path'"),
    ],
)
def test_a_config_that_is_wrong_is_refused_by_its_key(tmp_path: Path, more: str, message: str, capsys: pytest.CaptureFixture[str]):
    ingesting.write_list(tmp_path / "a.parquet", [{"url": "http://h/"}])
    assert main([*ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out"), more]) == 2
    assert message in capsys.readouterr().err
