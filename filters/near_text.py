"""Near-duplicates among alt texts: MinHash says which pairs are worth a look, the true Jaccard similarity decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.minhash import PLACES, Signatures, band_keys, banding, least_agreement, signatures, sketches
from filters.shingles import shingles, spans
from schemas import columns as c
from schemas.batches import numbers, scatter
from schemas.protocols import Buckets

AT_ONCE = 1 << 18
"""Shingles of pairs that are compared at once (ours): 2 MiB of them."""


def minhashes(texts: Sequence[str | None]) -> dict[str, pa.Array]:
    """Return ``alt_text_words``, ``shingles`` and ``minhash`` of each text.

    All are null where there is no text, the last two also where it has fewer than three words. The shingles are kept
    beside the signature to verify pairs: 4 bytes a word, where the text itself has about 6 and would have to be cut into
    shingles again for each pair.
    """
    there = np.array([text is not None for text in texts], np.bool_)
    chunks = list(shingles([text for text in texts if text is not None]))
    counts = _joined([sets.counts for sets in chunks], np.int64)
    signed = np.concatenate([np.zeros((0, PLACES), np.uint16), *map(signatures, chunks)])
    added = {
        c.ALT_TEXT_WORDS.name: pa.array(_joined([sets.words for sets in chunks], np.float32)),
        c.SHINGLES.name: _lists(_joined([sets.values for sets in chunks], np.uint32), counts),
        c.MINHASH.name: _binary(signed, counts > 0),
    }
    return {name: scatter(array, there) for name, array in added.items()}


@dataclass(frozen=True, slots=True)
class NearText:
    """Finds pairs of alt texts that are nearly the same. Reads ``minhash`` and ``alt_text_words``, then ``shingles``.

    Raises ``ValueError`` for settings under which nothing, or not enough, could be found.
    """

    version: ClassVar[int] = 1
    reason: ClassVar[str] = "near_duplicate_text"

    min_jaccard: float = 0.8
    """Least Jaccard similarity of the shingles of two near-duplicates (OmniCorpus)."""
    recall: float = 0.99
    """Share of the pairs at just that similarity which share a key (ours); of closer ones it is more. At 0.8: 16 keys."""
    min_words: float = 10.0
    """Words from which on an alt text is sought (ours). Below, equal texts are no sign of equal samples: two paintings are both
    "oil on canvas, 1890", and what merges is the sample with its image."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, value in (("min_jaccard", self.min_jaccard), ("recall", self.recall)):
            if not 0 < value < 1 and not (name == "min_jaccard" and value == 1):
                raise ValueError(f"{name} is a share above 0 and below 1, found {value}; such as 0.8 and 0.99")
        if not self.min_words >= 1:
            raise ValueError(f"min_words is 1 at least, found {self.min_words}; 10 is the default")
        banding(self.min_jaccard, self.recall)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that ``alike`` reads of both rows."""
        return (c.SHINGLES.name,)

    def buckets(self, batch: pa.RecordBatch) -> Buckets:
        """Return the keys of each row, one for each band; a text that is null or shorter than ``min_words`` has none."""
        minhash = batch.column(c.MINHASH.name)
        long = numbers(batch.column(c.ALT_TEXT_WORDS.name)) >= self.min_words
        rows = np.flatnonzero(long & minhash.is_valid().to_numpy(zero_copy_only=False))
        signed = _signatures(minhash.take(pa.array(rows)))
        bands, places = banding(self.min_jaccard, self.recall)
        return Buckets(np.repeat(rows, bands), band_keys(signed, bands, places).reshape(-1), np.repeat(sketches(signed), bands))

    def screen(self, left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return shape (p,): whether enough bits agree; of the pairs at just ``min_jaccard``, one in a thousand is lost here."""
        return np.bitwise_count(~(left ^ right)) >= least_agreement(self.min_jaccard)

    def alike(self, left: pa.RecordBatch, right: pa.RecordBatch) -> npt.NDArray[np.float64]:
        """Return shape (p,): the Jaccard similarity of the shingles of each pair, NaN where it is below ``min_jaccard``."""
        ours, theirs = left.column(c.SHINGLES.name), right.column(c.SHINGLES.name)
        sizes = _sizes(ours), _sizes(theirs)
        most = np.minimum(*sizes) / np.maximum(np.maximum(*sizes), 1)
        possible = np.flatnonzero(most >= self.min_jaccard)
        found = np.full(len(ours), np.nan)
        jaccard = _jaccard(ours.take(pa.array(possible)), theirs.take(pa.array(possible)))
        found[possible] = np.where(jaccard >= self.min_jaccard, jaccard, np.nan)
        return found


def _jaccard(left: pa.ListArray, right: pa.ListArray) -> npt.NDArray[np.float64]:
    """Return shape (p,): shared shingles over all shingles of each pair, of which neither is null or empty."""
    ours, theirs = _sizes(left), _sizes(right)
    shared = _joined([_shared(left[span], right[span]) for span in spans(ours + theirs, AT_ONCE)], np.int64)
    return shared / (ours + theirs - shared)


def _shared(left: pa.ListArray, right: pa.ListArray) -> npt.NDArray[np.int64]:
    """Return shape (p,): how many shingles each pair shares; two lists are merged by sorting, which finds both of them in order."""
    keys = np.concatenate([_numbered(left), _numbered(right)])
    keys.sort(kind="stable")
    twice = keys[1:][keys[1:] == keys[:-1]]
    return np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(left))


def _numbered(lists: pa.ListArray) -> npt.NDArray[np.uint64]:
    """Return every shingle with the number of its list above it, ascending."""
    rows = np.repeat(np.arange(len(lists), dtype=np.uint64), _sizes(lists))
    return rows << np.uint64(32) | lists.flatten().to_numpy()


def _sizes(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    """Return the length of each list, 0 where it is null."""
    return lists.value_lengths().fill_null(0).to_numpy().astype(np.int64)


def _lists(values: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64]) -> pa.ListArray:
    """Cut ``values`` into lists of ``counts``; null instead of an empty one."""
    offsets = np.append(0, np.cumsum(counts)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), mask=pa.array(counts == 0))


def _binary(signed: Signatures, there: npt.NDArray[np.bool_]) -> pa.FixedSizeBinaryArray:
    """Return the signatures as bytes, null where not ``there``."""
    bits, data = np.packbits(there, bitorder="little"), signed.astype("<u2")
    return pa.FixedSizeBinaryArray.from_buffers(c.MINHASH.type, len(signed), [pa.py_buffer(bits.tobytes()), pa.py_buffer(data.tobytes())])


def _signatures(column: pa.FixedSizeBinaryArray) -> Signatures:
    """Return the signatures of a column without nulls, shape (n, 128)."""
    start = column.offset * PLACES
    return np.frombuffer(column.buffers()[1], "<u2")[start : start + len(column) * PLACES].reshape(-1, PLACES)


def _joined(arrays: Sequence[npt.NDArray[np.generic]], kind: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the arrays end to end; an empty one where there is none."""
    return np.concatenate([np.zeros(0, kind), *arrays])
