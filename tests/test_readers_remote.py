"""Other filesystems: the same rows as from local files, a tar by one stream and never by one request for each member."""

import io
import tarfile
from pathlib import Path

import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

from pipelines.readers.fetch import fetch
from pipelines.readers.splits import list_shards, read
from pipelines.spine import storage
from schemas.exits import EnvironmentFault
from tests.images import photo, sample, write_file, write_folder, write_tar
from tests.reading import CORPUS, LICENSE, rows_of, splits_of


class Watched(io.BytesIO):
    """A remote file that notes how it is used."""

    def __init__(self, path: str, data: bytes) -> None:
        super().__init__(data)
        self.path = path

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        MemoryFiles.used.append(("read", self.path, len(data)))
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        MemoryFiles.used.append(("seek", self.path, offset))
        return super().seek(offset, whence)


class Upload(io.BytesIO):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def close(self) -> None:
        if not self.closed:
            MemoryFiles.files[self.path] = self.getvalue()
        super().close()


class MemoryFiles(FileSystem):
    """An object store in memory, reached through Beam like any other."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    used: list[tuple[str, str, int]] = []  # noqa: RUF012

    @classmethod
    def scheme(cls) -> str:
        return "memtest"

    def join(self, basepath, *paths):
        return "/".join((basepath.rstrip("/"), *paths))

    def split(self, path):
        return path.rpartition("/")[::2]

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        return (self.metadata(path) for path in self.files if path.startswith(dir_or_prefix))

    def create(self, path, mime_type="", compression_type=""):
        return Upload(path)

    def open(self, path, mime_type="", compression_type=""):
        self.used.append(("open", path, 0))
        if path not in self.files:
            raise BeamIOError("no such object", {path: 404})
        return Watched(path, self.files[path])

    def exists(self, path):
        return path in self.files

    def size(self, path):
        return len(self.files[path])

    def last_updated(self, path):
        return 1.5

    def checksum(self, path):
        return ""

    def metadata(self, path):
        return FileMetadata(path, len(self.files[path]), 1.5)

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    rename = copy

    def delete(self, paths):
        raise NotImplementedError


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> type[MemoryFiles]:
    monkeypatch.setattr(MemoryFiles, "files", {})
    monkeypatch.setattr(MemoryFiles, "used", [])
    return MemoryFiles


def test_a_remote_tar_is_cut_by_one_stream_and_never_again(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    local = write_tar(tmp_path / "0.tar", [sample(n) for n in range(40)])
    data = remote.files["memtest://bucket/0.tar"] = Path(local).read_bytes()
    splits = splits_of("memtest://bucket/0.tar", max_samples=15)
    assert [use for use in remote.used if use[0] == "open"] == [("open", "memtest://bucket/0.tar", 0)]
    assert [use for use in remote.used if use[0] == "seek"] == []
    assert sum(count for kind, _, count in remote.used if kind == "read") == len(data)
    remote.used.clear()
    assert splits_of("memtest://bucket/0.tar", max_samples=15) == splits
    assert {path for _, path, _ in remote.used} == {path for path in remote.files if path.startswith("memtest://plan/")}


def test_a_split_of_a_remote_tar_is_read_by_one_stream_from_its_first_byte(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    local = write_tar(tmp_path / "0.tar", [sample(n) for n in range(9)])
    remote.files["memtest://bucket/0.tar"] = Path(local).read_bytes()
    splits = splits_of("memtest://bucket/0.tar", max_samples=4)
    remote.used.clear()
    middle = read(splits[1], CORPUS, LICENSE)
    assert [use[0] for use in remote.used if use[0] != "read"] == ["open", "seek"]
    assert sum(count for kind, _, count in remote.used if kind == "read") == splits[1].last - splits[1].first
    here = read(splits_of(local, max_samples=4)[1], CORPUS, LICENSE)
    for name in ("sample_id", "image", "alt_text", "url", "source_offset", "source_bytes"):
        assert middle.column(name).equals(here.column(name))


def test_a_header_that_claims_to_be_long_is_damage_and_not_read(remote: type[MemoryFiles]) -> None:
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**33
    remote.files["memtest://bucket/0.tar"] = name.tobuf(tarfile.GNU_FORMAT) + bytes(5_000_000)
    (row,) = rows_of("memtest://bucket/0.tar")
    assert (row["reason"], row["source_offset"]) == ("truncated_shard", 0)
    assert max(count for kind, _, count in remote.used if kind == "read") <= 2**20


def test_a_remote_folder_gives_the_rows_of_a_local_one(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    write_folder(tmp_path / "in", [sample(n) for n in range(5)])
    write_file(tmp_path / "in" / "sub" / "metadata.jsonl", '{"file_name": "a.jpg", "text": "x"}\n{"file_name": "gone.jpg"}')
    write_file(tmp_path / "in" / "sub" / "a.jpg", photo(9))
    for path in (tmp_path / "in").rglob("*.*"):
        remote.files[f"memtest://bucket/in/{path.relative_to(tmp_path / 'in')}"] = path.read_bytes()
    remote.files["memtest://bucket/in-between/b.jpg"] = photo(1)
    here, there = rows_of(tmp_path / "in"), rows_of("memtest://bucket/in")
    for name in ("sample_id", "image", "alt_text", "url", "reason"):
        assert [row[name] for row in there] == [row[name] for row in here]
    assert there[0]["source_path"] == "memtest://bucket/in/000000000.jpg"


def test_an_object_that_vanished_is_a_row_and_a_store_that_fails_stops_the_run(
    remote: type[MemoryFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.files = {"memtest://b/in/a.jpg": photo(1), "memtest://b/in/b.jpg": photo(2)}
    (split,) = splits_of("memtest://b/in")
    del remote.files["memtest://b/in/a.jpg"]
    assert read(split, CORPUS, LICENSE).column("reason").to_pylist() == ["missing_file", None]

    def down(self, path, *_):
        raise ConnectionError("endpoint unreachable")

    monkeypatch.setattr(remote, "open", down)
    monkeypatch.setattr(remote, "exists", lambda *_: True)
    with pytest.raises(EnvironmentFault, match=r"memtest://b/in/a.jpg.*endpoint unreachable"):
        read(split, CORPUS, LICENSE)


def test_remote_tars_are_found_by_folder_and_by_glob(remote: type[MemoryFiles]) -> None:
    remote.files = {f"memtest://b/set/{n}.tar": b"" for n in (1, 0)}
    for pattern in ("memtest://b/set", "memtest://b/set/", "memtest://b/set/*.tar"):
        assert [(shard.path, shard.etag) for shard in list_shards(pattern)] == [(f"memtest://b/set/{n}.tar", "1.500000") for n in (0, 1)]


def test_fetch_opens_a_file_once_for_rows_that_follow_one_another(remote: type[MemoryFiles]) -> None:
    remote.files = {"memtest://b/0.tar": bytes(range(100)), "memtest://b/1.tar": bytes(100)}
    paths = ["memtest://b/0.tar", "memtest://b/0.tar", "memtest://b/1.tar"]
    assert list(fetch(paths, ["a.jpg", "b.jpg", "a.jpg"], [90, 5, 0], [2, 3, 1])) == [b"\x5a\x5b", b"\5\6\7", b"\0"]
    assert [path for kind, path, _ in remote.used if kind == "open"] == ["memtest://b/0.tar", "memtest://b/1.tar"]


def write_half(path: str) -> None:
    with storage.writing(path) as file:
        file.write(b"half")
        raise RuntimeError("half way")


def test_a_file_that_was_not_written_to_its_end_never_appears_on_a_store(remote: type[MemoryFiles]) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        write_half("memtest://bucket/shard.parquet")
    assert remote.files == {}
    storage.write("memtest://bucket/shard.parquet", b"whole")
    assert remote.files == {"memtest://bucket/shard.parquet": b"whole"}
