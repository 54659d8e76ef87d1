"""Files, on this machine or wherever Beam's filesystems reach.

A file appears whole or not at all: locally by a unique temporary and ``os.replace``, on an object store by one upload.
Of a store, what is gone raises ``FileNotFoundError`` and everything else that its client raises is an ``EnvironmentFault``.
"""

import fcntl
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import BeamIOError, CompressionTypes, FileMetadata
from apache_beam.io.filesystems import FileSystems

from schemas.exits import EnvironmentFault

LINE_BUFFER = 2**20
TEMPORARY = ".writing-"
"""Prefix of a file that is being written; nothing reads such a name."""


def is_local(path: str) -> bool:
    """Tell whether ``path`` names a file of this machine rather than ``scheme://...``."""
    return "://" not in path


def join(folder: str, *names: str) -> str:
    """Return the path of ``names`` below ``folder``."""
    return str(Path(folder, *names)) if is_local(folder) else "/".join((folder.rstrip("/"), *names))


def absolute(path: str) -> str:
    """Return ``path`` so that it means the same file from every working directory."""
    return os.path.abspath(path) if is_local(path) else path


def list_files(folder: str, prefix: str = "") -> list[str]:
    """Return the sorted paths of the finished files directly in ``folder`` whose names begin with ``prefix``."""
    if is_local(folder):
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return sorted(join(folder, n) for n in names if n.startswith(prefix) and not n.startswith(TEMPORARY))
    return sorted(m.path for m in match(join(folder, prefix + "*")))


def list_below(folder: str) -> list[str]:
    """Return the sorted paths of the finished files at any depth below ``folder``; of a store by one listing."""
    if is_local(folder):
        found = (join(parent, name) for parent, _, names in os.walk(folder) for name in names if not name.startswith(TEMPORARY))
        return sorted(found)
    return sorted(m.path for m in match(join(folder, "**")))


def match(pattern: str) -> list[FileMetadata]:
    """Return the objects of a store that match ``pattern``; a name that ends in ``/`` only marks a folder and is none."""
    with _reaching(pattern):
        return [m for m in FileSystems.match([pattern])[0].metadata_list if not m.path.endswith("/")]


def exists(path: str) -> bool:
    """Tell whether the file ``path`` is there."""
    if is_local(path):
        return os.path.exists(path)
    with _reaching(path):
        return bool(FileSystems.exists(path))


def open_file(path: str) -> BinaryIO:
    """Open ``path`` for reading bytes as they are stored, whatever its extension says of compression.

    A store is asked for the ranges that are read; Beam's client of ``gs://`` reads ahead by up to 16 MiB.
    """
    if is_local(path):
        return open(path, "rb")
    with _reaching(path):
        try:
            return cast(BinaryIO, _Remote(path, FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)))
        except Exception as error:
            if FileSystems.exists(path):
                raise
            raise FileNotFoundError(f"{path} does not exist") from error


@contextmanager
def open_lines(path: str) -> Generator[BinaryIO]:
    """Open ``path`` for reading bytes line by line; of a store, ``LINE_BUFFER`` bytes are read at a time."""
    with open_file(path) as file:
        yield file if is_local(path) else cast(BinaryIO, io.BufferedReader(cast(Any, file), LINE_BUFFER))


def read(path: str) -> bytes:
    """Return the bytes of ``path``."""
    with open_file(path) as file:
        return file.read()


def buffer(path: str) -> pa.Buffer:
    """Return the bytes of ``path``, mapped and not copied where it is local; the file must be one that never changes."""
    if is_local(path):
        with pa.memory_map(path) as mapped:
            return mapped.read_buffer()
    return pa.py_buffer(read(path))


def write(path: str, data: bytes | pa.Buffer) -> None:
    """Write ``data`` to ``path`` in one piece, replacing what was there."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: str) -> Generator[BinaryIO]:
    """Yield a file that becomes ``path`` when the block ends well, and nothing when it does not."""
    if not is_local(path):
        with tempfile.TemporaryFile() as whole:
            yield whole
            whole.seek(0)
            with _reaching(path):
                _upload(path, whole)
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f"{TEMPORARY}{uuid.uuid4().hex}-{name}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    except FileNotFoundError:  # of a file that the block reads: what it writes has just been made
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _upload(path: str, whole: BinaryIO) -> None:
    """Make the object ``path`` of ``whole``; one that failed is given up for good."""
    file: Any = FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED)
    try:
        shutil.copyfileobj(whole, file)
        file.close()
    except BaseException:
        # a close is what makes the object, and the collector closes what was left open: it would appear at any time later
        getattr(file, "raw", file).close = lambda: None
        raise


@contextmanager
def locked(path: str) -> Generator[None]:
    """Hold the local file ``path`` for this process alone while the block runs; its end, also by ``kill -9``, lets go of it.

    An object store has no such lock: there, two runs of one job cost double answers and no data. Raises ``EnvironmentFault``
    where another process holds it.
    """
    if not is_local(path):
        yield
        return
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = open(path, "ab")  # noqa: SIM115  closed below, and its lock with it
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentFault(f"another run of this job holds {path}; wait for its end, or give another --output") from error
        except OSError as error:
            raise EnvironmentFault(f"expected to lock {path}, found: {error}; give an --output on a disk that has locks") from error
        yield


def _unwritable(path: str, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(f"expected to write {path}, found: {error}; free the disk or mend its rights, then run the command again")


def remove(paths: Iterable[str]) -> None:
    """Remove files; one that is already gone, or goes in the meantime, is no error."""
    for path in paths:
        if is_local(path):
            Path(path).unlink(missing_ok=True)
            continue
        with _reaching(path):
            try:
                FileSystems.delete([path])
            except BeamIOError:
                if FileSystems.exists(path):
                    raise


def temporaries(folder: str, keys: Collection[str] | None = None) -> list[str]:
    """Return what killed writers left behind in the local ``folder``: of the files whose name begins with one of ``keys``, or all."""
    if not is_local(folder) or not os.path.isdir(folder):
        return []
    wanted = None if keys is None else set(keys)
    left = (n for n in os.listdir(folder) if n.startswith(TEMPORARY))
    return [join(folder, n) for n in left if wanted is None or n.split("-", 2)[-1].split(".")[0] in wanted]


@contextmanager
def parquet(path: str) -> Generator[pq.ParquetFile]:
    """Open ``path`` as Parquet; of a store, only the ranges that are asked for are read."""
    if is_local(path):
        with pq.ParquetFile(path) as file:
            yield file
        return
    with open_file(path) as remote, pq.ParquetFile(remote) as file:
        yield file


class _Remote(io.BufferedIOBase):
    """An object of a store that is being read."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self._path, self._file = path, file

    def read(self, size: int | None = -1, /) -> bytes:
        with _reaching(self._path):
            return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def _reaching(path: str) -> Generator[None]:
    """Turn what a store's client raises into a fault: no sample is to blame for it."""
    try:
        yield
    except (FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise EnvironmentFault(
            f"expected to reach {path}, found {type(error).__name__}: {error}; mend that, then run the same command again"
        ) from error
