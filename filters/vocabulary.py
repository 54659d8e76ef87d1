"""The vocabulary of concepts: which of its entries stand in a text, by MetaCLIP's rule for matching.

A text is padded with spaces, and so are its marks, so that an entry with a space at either end matches whole words only. Scripts
without spaces are searched as they stand.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import ahocorasick_rs
from pyarrow import fs

from schemas.exits import EnvironmentFault
from schemas.weights import cache_dir

BUILT = "vocabulary.txt"
"""Name in the cache folder of the vocabulary that ``python -m jobs.vocabulary`` builds."""
UNSPACED = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs and kana
    "\u0e00-\u0e7f\u0e80-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
)
"""Character ranges of scripts that put no spaces between words, for use inside ``[]`` (MetaCLIP 2; kana are ours). Hangul has spaces."""

_MARKS = re.compile(r"([,.;:?!`])")
_SEAM = re.compile(rf"(?<=[{UNSPACED}])(?=[^\s{UNSPACED}])|(?<=[^\s{UNSPACED}])(?=[{UNSPACED}])")
_NO_PADDING = re.compile(rf"^ (?=[{UNSPACED}])|(?<=[{UNSPACED}]) $")


@dataclass(frozen=True, slots=True)
class VocabularySpec:
    """Which entries concepts are, by a file; what it holds is part of a run's identity by ``sha256``, not its name alone.

    Raises ``EnvironmentFault`` where the file is absent, or is another one than ``sha256`` says.
    """

    version: ClassVar[int] = 1

    file: str = ""
    """A JSON list of strings (`.json`, as MetaCLIP's metadata.json), else a text of one entry a line; local or ``scheme://...``.
    Empty takes the one that ``python -m jobs.vocabulary`` built in the cache."""
    sha256: str = ""
    """SHA-256 of the file, filled in where it is empty; one that is given must be its."""

    def __post_init__(self) -> None:
        """Read the file once, so that a changed one stops a run before its first sample."""
        object.__setattr__(self, "sha256", hashlib.sha256(self._bytes()).hexdigest())

    @property
    def path(self) -> str:
        """Where the file lies."""
        return self.file or str(cache_dir() / BUILT)

    def load(self) -> "Vocabulary":
        """Return the vocabulary; some seconds for 500,000 entries. Raises ``EnvironmentFault`` for a file that is no list of entries."""
        return Vocabulary(entries_of(self._bytes(), self.path))

    def _bytes(self) -> bytes:
        data = _read(self.path)
        found = hashlib.sha256(data).hexdigest()
        if self.sha256 not in ("", found):
            raise EnvironmentFault(
                f"expected a vocabulary with SHA-256 {self.sha256} at {self.path}, found {found}: the file has changed; put the old one "
                "back, or run the command again without `sha256`, which counts every text anew"
            )
        return data


class Vocabulary:
    """Finds the entries that stand in texts, by Aho-Corasick: one run over a text, however many entries there are."""

    entries: Sequence[str]
    """The entries, in their order; of those that match the same texts, such as `Paris` and `paris`, the first (ours)."""

    def __init__(self, entries: Sequence[str]) -> None:
        """Build for ``entries``; raises ``ValueError`` for one that holds nothing but spaces."""
        first = dict[str, str]()
        for entry in entries:
            first.setdefault(pattern_of(entry), entry)
        self.entries = tuple(first.values())
        # Without `store_patterns` the automaton keeps no second copy of the entries.
        self._automaton: Any = ahocorasick_rs.AhoCorasick(list(first), store_patterns=False)

    def match(self, texts: Sequence[str | None]) -> list[list[int]]:
        """Return for each text the positions in ``entries`` of those that stand in it, ascending, each once; overlaps all count."""
        return [self._one(text) if text else [] for text in texts]

    def _one(self, text: str) -> list[int]:
        found = self._automaton.find_matches_as_indexes(spaced(text), overlapping=True)
        return sorted({position for position, _, _ in found})


def folded(text: str) -> str:
    """Return ``text`` as it is compared: NFKC, casefolded, one space for any run of white space (MetaCLIP compares as it stands)."""
    if text.isascii():
        return " ".join(text.lower().split())
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(plain.split())


def spaced(text: str) -> str:
    """Return ``text`` folded and padded, which is what patterns are looked for in.

    Marks ``, . ; : ? ! ` `` get a space at either side, and so has the text (MetaCLIP). So has every place where a script without
    spaces meets another one, for `iphone` to be found in ``新款iphone手机壳`` (ours).
    """
    plain = folded(text)
    if not plain.isascii():
        plain = _SEAM.sub(" ", plain)
    words = _MARKS.sub(r" \1 ", plain).split()
    return f" {' '.join(words)} "


def pattern_of(entry: str) -> str:
    """Return what is looked for in a ``spaced`` text: ``entry``, spaced alike, without the space at an end in an unspaced script.

    Raises ``ValueError`` for an entry that holds nothing but spaces.
    """
    pattern = _NO_PADDING.sub("", spaced(entry))
    if not pattern.strip():
        raise ValueError(f"an entry of a vocabulary holds at least one character, found {entry!r}; take it out")
    return pattern


def entries_of(data: bytes, path: str) -> list[str]:
    """Return the entries in ``data``, the content of the file at ``path``; a name in ``.json`` is JSON, any other a text.

    Raises ``EnvironmentFault`` with the place of what is no entry, and for a file without one.
    """
    try:
        text = data.decode("utf-8-sig")
        entries: Any = json.loads(text) if path.endswith(".json") else text.splitlines()
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EnvironmentFault(f"{path}: expected a vocabulary in UTF-8, found {type(error).__name__}: {error}; {_FORMATS}") from error
    if not isinstance(entries, list) or not entries:
        raise EnvironmentFault(f"{path}: expected entries, found {'none' if entries == [] else type(entries).__name__}; {_FORMATS}")
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, str) or not folded(entry):
            raise EnvironmentFault(f"{path}: expected a string that is not empty as entry {number}, found {entry!r}; {_FORMATS}")
    return entries


_FORMATS = "give a list of strings where the name ends in .json, else one entry a line"


def _read(path: str) -> bytes:
    try:
        system, inner = fs.FileSystem.from_uri(path) if "://" in path else (fs.LocalFileSystem(), path)
        with system.open_input_stream(inner, compression=None) as file:
            return file.read()
    except OSError as error:
        raise EnvironmentFault(
            f"expected a vocabulary at {path}, found {type(error).__name__}: {error}; name one in `file`, or build ours with: "
            "python -m jobs.vocabulary"
        ) from error
