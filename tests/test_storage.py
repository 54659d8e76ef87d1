"""Files on a store, through Beam's own client of ``gs://``: what is there, what is gone, and what could not be reached."""

import gc
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems

from pipelines.readers.listing import list_folder, stat
from pipelines.spine import fragments, storage
from schemas.exits import EnvironmentFault
from tests.gcs_server import GcsServer, Use


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer() as server:
        server.stand_in(tmp_path, monkeypatch)
        yield server


def large_parquet() -> bytes:
    """Return a Parquet file of 40 MiB: more than twice what Beam's client reads ahead."""
    sink = io.BytesIO()
    table = pa.table({"noise": [os.urandom(2**20) for _ in range(40)]}).replace_schema_metadata({"rows": "40"})
    pq.write_table(table, sink, compression="none", row_group_size=1, write_statistics=False)
    return sink.getvalue()


def test_the_footer_of_a_large_object_is_read_without_the_rest_and_the_object_is_closed(
    gcs: GcsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def note(*args, **kwargs):
        opened.append(original(*args, **kwargs))
        return opened[-1]

    original = FileSystems.open
    monkeypatch.setattr(FileSystems, "open", note)
    gcs.put("gs://b/f/key.0.parquet", large_parquet())
    assert fragments.footer("gs://b/f/key.0.parquet")[b"rows"] == b"40"
    assert 0 < sum(use.count for use in gcs.used("read")) < 200_000
    assert [file.closed for file in opened] == [True]


def test_what_is_written_is_read_back_whole_whatever_its_size(gcs: GcsServer) -> None:
    for size in (0, 1, 16 * 2**20, 40 * 2**20 + 1):
        data = os.urandom(size)
        storage.write("gs://b/file", data)
        assert gcs.objects["gs://b/file"].data == data
        assert storage.read("gs://b/file") == data


def test_a_listing_has_every_page_and_no_mark_of_a_folder(gcs: GcsServer) -> None:
    names = [f"{n:02d}" for n in range(30)]
    for name in ("", "sub/", "sub/deep", *names):
        gcs.put(f"gs://b/folder/{name}", b"x")
    gcs.put("gs://b/folder-2/other", b"x")
    assert storage.list_files("gs://b/folder") == [f"gs://b/folder/{name}" for name in names]
    assert storage.list_files("gs://b/folder", "1") == [f"gs://b/folder/{name}" for name in names[10:20]]
    assert storage.list_below("gs://b/folder/") == [f"gs://b/folder/{name}" for name in (*names, "sub/deep")]
    storage.remove(storage.list_files("gs://b/folder"))
    assert set(gcs.tree("gs://b/folder")) == {"", "sub/", "sub/deep"}


def test_a_local_listing_has_the_same_files(tmp_path: Path) -> None:
    for name in ("b", "sub/deep/a", "sub/.writing-1-a"):
        storage.write(str(tmp_path / "folder" / name), b"x")
    assert storage.list_below(str(tmp_path / "folder")) == [str(tmp_path / "folder" / name) for name in ("b", "sub/deep/a")]
    assert storage.list_below(str(tmp_path / "none")) == []


def test_what_is_gone_is_no_error_to_remove_and_is_not_found_to_read(gcs: GcsServer) -> None:
    gcs.put("gs://b/here", b"x")
    storage.remove(["gs://b/gone", "gs://b/here"])
    assert gcs.objects == {}
    assert not storage.exists("gs://b/here")
    with pytest.raises(FileNotFoundError, match="gs://b/here does not exist"):
        storage.read("gs://b/here")
    with pytest.raises(FileNotFoundError, match="gs://b/here does not exist"):
        stat("gs://b/here")


def test_a_store_that_minds_what_is_gone_is_asked_whether_it_is(gcs: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(paths):
        raise BeamIOError("Delete operation failed", dict.fromkeys(paths, "no such file"))

    monkeypatch.setattr(FileSystems, "delete", refuse)
    storage.remove(["gs://b/gone"])
    gcs.put("gs://b/here", b"x")
    with pytest.raises(EnvironmentFault, match="expected to reach gs://b/here, found BeamIOError: Delete operation failed"):
        storage.remove(["gs://b/here"])


@pytest.mark.parametrize(
    ("kind", "act"),
    [
        ("list", lambda: storage.list_files("gs://b/f")),
        ("list", lambda: list(list_folder("gs://b/f"))),
        ("look", lambda: storage.exists("gs://b/f/x")),
        ("look", lambda: stat("gs://b/f/x")),
        ("look", lambda: storage.open_file("gs://b/f/x")),
        ("read", lambda: storage.read("gs://b/f/x")),
        ("read", lambda: fragments.find("gs://b/f", "x")),
        ("write", lambda: storage.write("gs://b/f/x", b"new")),
        ("delete", lambda: storage.remove(["gs://b/f/x"])),
    ],
)
def test_a_store_that_refuses_is_a_fault_that_names_the_path(gcs: GcsServer, kind: str, act) -> None:
    gcs.put("gs://b/f/x", b"old")
    gcs.put("gs://b/f/x.0.parquet", large_parquet())
    gcs.refuse = lambda use: use.kind == kind
    with pytest.raises(EnvironmentFault, match="expected to reach gs://b/f"):
        act()
    assert gcs.objects["gs://b/f/x"].data == b"old"


def test_an_upload_that_is_given_up_half_way_leaves_what_was_there(gcs: GcsServer, tmp_path: Path) -> None:
    gcs.put("gs://b/f", b"old")
    gcs.refuse = lambda use: use == Use("write", "gs://b/f", 32 * 2**20)
    with pytest.raises(EnvironmentFault, match="expected to reach gs://b/f"):
        storage.write("gs://b/f", bytes(40 * 2**20))
    assert gcs.objects["gs://b/f"].data == b"old"
    gcs.refuse = lambda _: False
    storage.write("gs://b/f", b"new")
    assert gcs.objects["gs://b/f"].data == b"new"


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("count", [0, 3], ids=["when the upload begins", "with its last byte"])
def test_what_a_store_refused_does_not_appear_when_the_collector_closes_it(gcs: GcsServer, count: int) -> None:
    gcs.refuse = lambda use: use == Use("write", "gs://b/f", count)
    with pytest.raises(EnvironmentFault, match="expected to reach gs://b/f"):
        storage.write("gs://b/f", b"new")
    gcs.refuse = lambda _: False
    gc.collect()
    assert gcs.objects == {}


def test_an_object_whose_name_looks_like_a_pattern_is_itself(gcs: GcsServer) -> None:
    for name in ("pool [1].tar", "pool 1.tar", "pool ?.tar"):
        gcs.put(f"gs://b/{name}", name.encode())
    assert [stat(f"gs://b/{name}").path for name in ("pool [1].tar", "pool ?.tar")] == ["gs://b/pool [1].tar", "gs://b/pool ?.tar"]
    with pytest.raises(FileNotFoundError):
        stat("gs://b/pool *.tar")


@pytest.fixture
def clock() -> Iterator[None]:
    yield
    time.tzset()


def test_machines_in_summer_and_winter_time_agree_on_what_has_changed(gcs: GcsServer, clock: None, monkeypatch: pytest.MonkeyPatch) -> None:
    gcs.put("gs://b/in/0.tar", b"x")
    seen = set()
    for zone in ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        seen |= {stat("gs://b/in/0.tar"), *list_folder("gs://b/in")}
    assert len(seen) == 1
    gcs.put("gs://b/in/0.tar", b"y")
    assert stat("gs://b/in/0.tar") not in seen
