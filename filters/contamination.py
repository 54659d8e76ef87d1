"""Questions that stand in a benchmark: by their words, by their pictures, or by what the pictures show (paper 3.1.6, 5.1).

A shared run of 13 words is no test for questions on pictures: 32 % of those of MMMU-Pro are shorter. So a question is a benchmark's when
any of these holds, and each is a reason of its own:

- ``benchmark_text``: a question without pictures has the same words, or, where it is short, nearly the same.
- ``benchmark_ngram``: it shares a run of so many words with one of a benchmark.
- ``benchmark_image``: it has a picture of a benchmark, byte for byte or by its perceptual hash, whatever is asked about it.
- ``benchmark_embedding``: a picture whose embedding is as near, where the job has an embedder.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz import fuzz, process

from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge

_WORD = re.compile(r"[㐀-鿿぀-ヿ가-힯]|[^\W_]+")
"""A word, or one character of a script without spaces."""
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Entry:
    """One question of a benchmark."""

    name: str
    """Benchmark and number, as reports name it."""
    text: str
    """The question with its options."""
    image_hashes: tuple[str, ...] = ()
    picture_hashes: tuple[int, ...] = ()
    """64 bits of what each picture shows, 0 where it shows nothing."""


@dataclass(frozen=True)
class Benchmarks:
    """What a benchmark's questions are found by; made once for each worker."""

    names: tuple[str, ...]
    texts: dict[str, int]
    """Number of the entry by its words."""
    short: tuple[str, ...]
    """Words of entries that are too short for a run; an empty string for the others."""
    runs: dict[int, int]
    """Number of the entry by the hash of a run of words."""
    images: dict[str, int]
    pictures: npt.NDArray[np.uint64]
    """Shape (p,): the perceptual hashes."""
    owners: npt.NDArray[np.int64]
    """Shape (p,): which entry each belongs to."""
    vectors: Vectors = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Shape (v, d): embeddings of the pictures, where there is an embedder."""
    vector_owners: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def words_of(text: str) -> list[str]:
    """Return the words of ``text`` as they are compared: NFKC, casefolded, without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def index(entries: Iterable[Entry], run: int, vectors: Vectors | None = None, owners: Sequence[int] = ()) -> Benchmarks:
    """Return what ``entries`` are found by, with runs of ``run`` words; where two share something the first is named."""
    listed = list(entries)
    texts: dict[str, int] = {}
    runs: dict[int, int] = {}
    images: dict[str, int] = {}
    short: list[str] = []
    for number, entry in enumerate(listed):
        words = words_of(entry.text)
        joined = " ".join(words)
        if joined and not entry.image_hashes:
            texts.setdefault(joined, number)
        short.append(joined if len(words) < run and not entry.image_hashes else "")
        for key, _ in _runs(words, run):
            runs.setdefault(key, number)
        for name in entry.image_hashes:
            images.setdefault(name, number)
    shown = [(bits, number) for number, entry in enumerate(listed) for bits in entry.picture_hashes if bits]
    pictures, at = (np.array(column) for column in zip(*shown, strict=True)) if shown else (np.zeros(0), np.zeros(0))
    own = np.asarray(owners, np.int64)
    found = vectors if vectors is not None else np.zeros((0, 0), np.float32)
    names = tuple(entry.name for entry in listed)
    return Benchmarks(names, texts, tuple(short), runs, images, pictures.astype(np.uint64), at.astype(np.int64), found, own)


@dataclass(frozen=True, slots=True)
class Contamination:
    """Drops questions that stand in a benchmark. Reads ``question``, ``choices``, ``image_hashes`` and ``picture_hashes``."""

    version: ClassVar[int] = 1

    run: int = 13
    """Words of a shared run that tell a question is a benchmark's (GPT-3; characters, in scripts without spaces)."""
    min_ratio: float = 95.0
    """Similarity of a shorter question at least, 0-100 (open-thoughts)."""
    max_distance: int = 6
    """Bits of 64 in which the perceptual hashes of two pictures may differ (ours)."""
    min_cosine: float = 0.97
    """Cosine of two pictures' embeddings from which on they are the same (ours; depends on the embedder)."""

    def __call__(self, batch: pa.RecordBatch, *, benchmarks: Benchmarks, vectors: Sequence[Vectors] | None = None) -> Verdict:
        """Return for each row the first rule that it breaks, and in ``benchmark`` whose question it is.

        ``vectors`` holds for each row the embeddings of its pictures, shape (pictures, d), where the job has an embedder.
        """
        rows = list(self._found(batch, benchmarks, vectors))
        names = [None if owner is None else benchmarks.names[owner] for _, owner, _ in rows]
        reasons = ("benchmark_text", "benchmark_ngram", "benchmark_image", "benchmark_embedding")
        rules = [Rule(reason, np.array([found == reason for found, _, _ in rows], np.bool_)) for reason in reasons]
        spans = [span for _, _, span in rows]
        added = {q.BENCHMARK.name: pa.array(names, pa.string()), q.BENCHMARK_SPAN.name: pa.array(spans, pa.string())}
        return judge(len(batch), *rules, added=added)

    def _found(
        self, batch: pa.RecordBatch, known: Benchmarks, vectors: Sequence[Vectors] | None
    ) -> Iterator[tuple[str | None, int | None, str | None]]:
        """Yield for each row the reason, the entry and the shared words."""
        texts, options = strings(batch.column(q.QUESTION_TEXT.name)), batch.column(q.CHOICES.name).to_pylist()
        hashes, pictures = (batch.column(f.name).to_pylist() for f in (q.IMAGE_HASHES, q.PICTURE_HASHES))
        for row, text in enumerate(texts):
            words = words_of(" ".join([text, *(options[row] or ())]))
            own = vectors[row] if vectors is not None else None
            yield self._of_words(words, bool(hashes[row]), known) or self._of_pictures(hashes[row] or (), pictures[row] or (), own, known)

    def _of_words(self, words: list[str], has_images: bool, known: Benchmarks) -> tuple[str, int, str] | None:
        joined = " ".join(words)
        if not has_images and joined in known.texts:
            return "benchmark_text", known.texts[joined], joined
        for key, span in _runs(words, self.run):
            if key in known.runs:
                return "benchmark_ngram", known.runs[key], span
        if has_images or not joined or len(words) >= self.run:
            return None
        near = process.extractOne(joined, known.short, scorer=fuzz.ratio, score_cutoff=self.min_ratio)
        return None if near is None else ("benchmark_text", near[2], near[0])

    def _of_pictures(
        self, hashes: Sequence[str], pictures: Sequence[int], own: Vectors | None, known: Benchmarks
    ) -> tuple[str | None, int | None, str | None]:
        for name in hashes:
            if name in known.images:
                return "benchmark_image", known.images[name], None
        for bits in pictures:
            apart = np.bitwise_count(known.pictures ^ np.uint64(bits)) if bits and len(known.pictures) else np.zeros(0)
            if len(apart) and apart.min() <= self.max_distance:
                return "benchmark_image", int(known.owners[apart.argmin()]), None
        if own is not None and len(own) and len(known.vectors):
            cosines = own @ known.vectors.T
            if round(float(cosines.max()), 4) >= self.min_cosine:
                return "benchmark_embedding", int(known.vector_owners[cosines.max(axis=0).argmax()]), None
        return None, None, None


def _runs(words: Sequence[str], size: int) -> Iterator[tuple[int, str]]:
    """Yield the hash and the words of each run of ``size`` words."""
    for start in range(len(words) - size + 1):
        span = " ".join(words[start : start + size])
        yield hash_of(span), span


def hash_of(span: str) -> int:
    """Return 64 bits of a run of words, the same in every worker."""
    return int.from_bytes(hashlib.blake2b(span.encode(), digest_size=8).digest(), "little")
