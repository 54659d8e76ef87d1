"""Where answers rest when the output is on an object store: the storage that ``synth.answers`` asks for, on Beam's filesystems."""

from collections.abc import Sequence

from pipelines.spine import storage


class ObjectStorage:
    """Segments that are written whole, each by one upload; an object store has no append."""

    def list(self, folder: str) -> Sequence[str]:
        """Return the paths of the segments in ``folder``."""
        return storage.list_files(folder)

    def read(self, path: str) -> bytes:
        """Return the bytes of ``path``."""
        return storage.read(path)

    def append(self, path: str, data: bytes) -> None:
        """Write ``data`` as the new segment ``path``; raises ``FileExistsError`` rather than lose one that is there."""
        if storage.exists(path):
            raise FileExistsError(f"{path} is there already, and an object store cannot append to it")
        storage.write(path, data)
