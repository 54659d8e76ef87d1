"""Where answers rest when the output is on an object store: the storage that ``synth.answers`` asks for, on Beam's filesystems."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from pipelines.spine import storage
from schemas.exits import EnvironmentFault


class ObjectStorage:
    """Segments that are written whole, each by one upload; an object store has no append."""

    def list(self, folder: str) -> Sequence[str]:
        """Return the paths of the segments in ``folder``."""
        with _reaching(folder):
            return storage.list_files(folder)

    def read(self, path: str) -> bytes:
        """Return the bytes of ``path``."""
        with _reaching(path):
            return storage.read(path)

    def append(self, path: str, data: bytes) -> None:
        """Write ``data`` as the new segment ``path``; a fault rather than the loss of one that is there."""
        with _reaching(path):
            if storage.exists(path):
                raise FileExistsError("an object of that name, and an object store cannot append to it")
            storage.write(path, data)


@contextmanager
def _reaching(path: str) -> Generator[None]:
    """Turn what ``storage`` raises besides faults into one: no sample is to blame for it, and none may be dead of it."""
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"expected to reach the answers at {path}, found {type(error).__name__}: {error}; run the same command again"
        ) from error
