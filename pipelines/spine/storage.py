"""Files, on this machine or wherever Beam's filesystems reach.

A file appears whole or not at all: locally by a unique temporary and ``os.replace``, on an object store by one upload.
"""

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from schemas.exits import EnvironmentFault

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
    found = FileSystems.match([join(folder, prefix + "*")])[0].metadata_list
    return sorted(m.path for m in found)


def list_folders(folder: str) -> list[str]:
    """Return the sorted names of the folders directly in the local ``folder``, none if it does not exist."""
    return sorted(e.name for e in os.scandir(folder) if e.is_dir()) if os.path.isdir(folder) else []


def exists(path: str) -> bool:
    """Tell whether the file ``path`` is there."""
    return os.path.exists(path) if is_local(path) else bool(FileSystems.exists(path))


def open_file(path: str) -> BinaryIO:
    """Open ``path`` for reading bytes as they are stored, whatever its extension says of compression."""
    if is_local(path):
        return open(path, "rb")
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


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
        with tempfile.TemporaryFile() as whole:  # a stream to a store becomes a file when it closes, also after an error
            yield whole
            whole.seek(0)
            with FileSystems.create(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
                shutil.copyfileobj(whole, file)
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f"{TEMPORARY}{uuid.uuid4().hex}-{name}")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise EnvironmentFault(
            f"expected to write {path}, found: {error}; free the disk or mend its rights, then run the command again"
        ) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


@contextmanager
def locked(path: str) -> Generator[None]:
    """Hold the local file ``path`` for this process alone while the block runs; its end, also by ``kill -9``, lets go of it.

    An object store has no such lock: there, two runs of one job cost double answers and no data. Raises ``EnvironmentFault``
    where another process holds it.
    """
    if not is_local(path):
        yield
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentFault(f"another run of this job holds {path}; wait for its end, or give another --output") from error
        yield


def remove(paths: Iterable[str]) -> None:
    """Remove files; one that is already gone is no error."""
    for path in paths:
        if is_local(path):
            Path(path).unlink(missing_ok=True)
        elif FileSystems.exists(path):
            FileSystems.delete([path])


def temporaries(folder: str, keys: Collection[str] | None = None) -> list[str]:
    """Return what killed writers left behind in the local ``folder``: of the files whose name begins with one of ``keys``, or all."""
    if not is_local(folder) or not os.path.isdir(folder):
        return []
    wanted = None if keys is None else set(keys)
    left = (n for n in os.listdir(folder) if n.startswith(TEMPORARY))
    return [join(folder, n) for n in left if wanted is None or n.split("-", 2)[-1].split(".")[0] in wanted]


def parquet(path: str) -> pq.ParquetFile:
    """Open ``path`` as Parquet; the caller closes it."""
    return pq.ParquetFile(path if is_local(path) else open_file(path))
