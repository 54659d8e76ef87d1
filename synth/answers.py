"""Answers of served models are part of a run's state: no answer that was stored is ever paid for again.

They rest in append-only segments ``<root>/<model digest>/<split_id>/*.jsonl``. Each attempt at a split adds segments of its
own and reads those of all others. A segment's first line is a header,
``{"split_id": ..., "requests": n, "stored": m}``: the distinct requests of the split, and how many of them had an answer
when the segment was begun. Each further line is one answer with its key, and where it was told, in ``of``, the ids of the
samples that it was asked for.
"""

import json
import os
import uuid
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from pydantic import TypeAdapter

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer

GROUP = 16
"""Answers in a segment where files cannot grow: an upload for each would cost more than what a killed worker loses (ours)."""

_SUFFIX = ".jsonl"
_ANSWER = TypeAdapter(Answer)
_OF = TypeAdapter(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Segment:
    """What a look at one segment tells, while it is being written or after a kill."""

    requests: int
    """Distinct requests of its split, 0 where the header cannot be read."""
    keys: frozenset[str]
    """The requests that it answers."""


class Stored(NamedTuple):
    """One answer of a segment."""

    key: str
    answer: Answer
    of: tuple[str, ...]
    """Ids of the samples that it was asked for, by which alone it is found when one is taken down; none where it was not told."""


class Storage(Protocol):
    """Where segments rest. Paths are those of the store's root with names appended by ``/``."""

    def list(self, folder: str) -> Sequence[str]:
        """Return the paths of the files directly in ``folder``, none where there is no such folder."""
        ...

    def read(self, path: str) -> bytes:
        """Return the bytes of ``path``."""
        ...

    def append(self, path: str, data: bytes) -> None:
        """Add ``data`` to the end of ``path``, which may not be there yet; at a ``scheme://`` root it never is."""
        ...


class LocalStorage:
    """Segments on this machine; what ``append`` was given survives the death of the process.

    Raises ``EnvironmentFault`` where the disk does not answer.
    """

    def list(self, folder: str) -> Sequence[str]:
        """Return the paths of the files in ``folder``."""
        with _reachable(folder):
            return [entry.path for entry in os.scandir(folder)] if os.path.isdir(folder) else []

    def read(self, path: str) -> bytes:
        """Return the bytes of ``path``."""
        with _reachable(path):
            return Path(path).read_bytes()

    def append(self, path: str, data: bytes) -> None:
        """Add ``data`` to ``path`` and hand it to the operating system."""
        with _reachable(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "ab") as file:
                file.write(data)


class AnswerStore:
    """The answers of one model below ``root``; ``remote`` serves a ``scheme://`` root and is not used for a local one."""

    def __init__(self, root: str, model_digest: str, remote: Storage | None = None) -> None:
        is_remote = "://" in root
        storage = remote if is_remote else LocalStorage()
        if storage is None:
            raise ValueError(f"answers below {root} need a storage that reaches it")
        self._folder = f"{root.rstrip('/')}/{model_digest}"
        self._storage = storage
        self._group = GROUP if is_remote else 1

    def open(self, split_id: str) -> "SplitAnswers":
        """Return the answers stored for a split, ready to take more.

        Raises ``EnvironmentFault`` with path and line for a segment that is damaged anywhere but at its very end.
        """
        return SplitAnswers(f"{self._folder}/{split_id}", split_id, self._storage, self._group)


class SplitAnswers:
    """The answers of one split. A context: leaving it stores what a group still holds back. For one thread."""

    def __init__(self, folder: str, split_id: str, storage: Storage, group: int) -> None:
        self._folder, self._split_id, self._storage, self._group = folder, split_id, storage, group
        self._stored = _read_all(storage, folder, split_id)
        self._requests: Collection[str] = ()
        self._path = ""
        self._held: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._flush()

    def expect(self, requests: Collection[str]) -> Mapping[str, Answer]:
        """Say which distinct keys the split asks for; returns the answers that are stored for them."""
        self._requests = requests
        return {key: self._stored[key] for key in requests if key in self._stored}

    def put(self, key: str, answer: Answer, of: Collection[str] = ()) -> None:
        """Store one answer: at once on this machine, with its group elsewhere. ``of`` are the samples that it was asked for."""
        self._stored[key] = answer
        self._held.append(_line_of(key, answer, of))
        if len(self._held) >= self._group:
            self._flush()

    def _flush(self) -> None:
        """Write what is held, into a segment of its own where files cannot grow."""
        if not self._held:
            return
        lines = list(self._held)
        if self._group > 1 or not self._path:
            self._path = f"{self._folder}/{uuid.uuid4().hex}{_SUFFIX}"
            lines.insert(0, self._header())
        if self._group == 1:
            self._held = []  # given up before it is written: half a line must never be followed by another
        self._storage.append(self._path, b"".join(lines))
        self._held = []

    def _header(self) -> bytes:
        answered = sum(key in self._stored for key in self._requests)
        return _line({"split_id": self._split_id, "requests": len(self._requests), "stored": answered - len(self._held)})


def split_of(path: str) -> str | None:
    """Return the split whose answers ``path`` holds, by its name alone; None where it is no segment."""
    return path.rsplit("/", 2)[-2] if path.endswith(_SUFFIX) and path.count("/") > 1 else None


def glance(data: bytes, split_id: str) -> Segment:
    """Return what ``data``, a segment of ``split_id``, holds; a line that cannot be read counts nothing, and stops no look at a run."""
    requests, keys = 0, set[str]()
    for _, found in _lines(data, split_id):
        if isinstance(found, int):
            requests = found
        elif isinstance(found, Stored):
            keys.add(found.key)
    return Segment(requests, frozenset(keys))


def without(data: bytes, path: str, split_id: str, keys: Collection[str]) -> tuple[bytes, int]:
    """Return ``data``, a segment of ``split_id``, without its answers to ``keys`` and half lines, and how many whole answers are left.

    Raises ``EnvironmentFault`` where it is damaged anywhere but at its very end.
    """
    answers = [stored for stored in _read(data, path, split_id) if stored.key not in keys]
    header = data.split(b"\n", 1)[0] + b"\n"
    return header + b"".join(_line_of(*stored) for stored in answers), len(answers)


def keys_of(data: bytes, split_id: str, sample_ids: Collection[str]) -> frozenset[str] | None:
    """Return the keys in ``data``, a segment of ``split_id``, that were asked for ``sample_ids``; None where one does not say for whom."""
    stored = [found for _, found in _lines(data, split_id) if isinstance(found, Stored)]
    if not all(one.of for one in stored):
        return None
    return frozenset(one.key for one in stored if not set(sample_ids).isdisjoint(one.of))


def _line_of(key: str, answer: Answer, of: Collection[str]) -> bytes:
    return _line({"key": key, **asdict(answer), **({"of": sorted(of)} if of else {})})


def _line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True).encode() + b"\n"


def _read_all(storage: Storage, folder: str, split_id: str) -> dict[str, Answer]:
    """Return the answers of all segments; of several to one key the smallest as canonical JSON, whatever the segments' names."""
    found: dict[str, Answer] = {}
    for path in storage.list(folder):
        if path.endswith(_SUFFIX):
            for key, answer, _ in _read(storage.read(path), path, split_id):
                found[key] = min(found.get(key, answer), answer, key=_canonical)
    return found


def _canonical(answer: Answer) -> str:
    return json.dumps(asdict(answer), sort_keys=True)


def _read(data: bytes, path: str, split_id: str) -> Iterator[Stored]:
    """Yield the answers of one segment; raises ``EnvironmentFault`` where it is damaged."""
    for number, found in _lines(data, split_id):
        if isinstance(found, ValueError):
            raise EnvironmentFault(
                f"expected a header, then one answer on each line of {path}, found on line {number}: {found}; "
                "delete that line, or the file to ask for its answers again"
            ) from found
        if isinstance(found, Stored):
            yield found


def _lines(data: bytes, split_id: str) -> Iterator[tuple[int, int | Stored | ValueError]]:
    """Yield each line's number with the requests that the header promises, an answer under its key, or what is wrong with it.

    What follows the last newline and cannot be read is an answer that a kill cut short, or nothing: it is passed over.
    """
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            yield number, _requests(values, split_id) if number == 1 else _answer(values)
        except ValueError as error:
            if number < len(lines):
                yield number, error


def _requests(values: Any, split_id: str) -> int:
    """Return what a header promises; raises ``ValueError`` where it is none, or that of another split."""
    if not isinstance(values, dict) or {"split_id", "requests", "stored"} - values.keys() or values["split_id"] != split_id:
        raise ValueError(f"no header of split {split_id}")
    if not isinstance(values["requests"], int):
        raise ValueError("a header whose requests are no number")  # noqa: TRY004 - the fault of a line, not of an argument
    return values["requests"]


def _answer(values: Any) -> Stored:
    """Return what a line holds; raises ``ValueError`` where a field is missing or of another type."""
    if not isinstance(values, dict) or not isinstance(key := values.pop("key", None), str):
        raise ValueError("no answer with a key")  # noqa: TRY004 - the fault of a line, not of an argument
    of = _OF.validate_python(values.pop("of", ()))
    return Stored(key, _ANSWER.validate_python(values), of)


@contextmanager
def _reachable(path: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentFault(
            f"expected stored answers at {path} to be readable and writable, found: {error}; mend that and run the same command again"
        ) from error
