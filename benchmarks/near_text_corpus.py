"""The corpus of ``benchmarks.near_text``, and the truth about it, which shares no code with any contestant."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

COPIES = 5
"""One text in five is a copy of another."""
EDITS = (0.0, 0.01, 0.02, 0.04, 0.08, 0.15)
"""Shares of its words that a copy has replaced, deleted or given a neighbour, in turns."""
RUN = 3
"""Words of a shingle, for every contestant."""

Ints = npt.NDArray[np.int64]


class Corpus(NamedTuple):
    """Texts of lower-case words with single spaces: all contestants cut them into the same words."""

    texts: list[str]
    planted: Ints
    """Shape (n,): the original that each text comes from."""
    edits: npt.NDArray[np.float64]
    """Shape (n,): the share of words that was edited, NaN for an original."""
    words: list[Ints]
    """The words of each text, by number."""


class Truth(NamedTuple):
    """All pairs whose shingles have at least the Jaccard similarity asked for."""

    left: Ints
    right: Ints


def build(count: int, seed: int = 0) -> Corpus:
    """Return ``count`` texts of 150 to 400 words from a vocabulary whose frequencies fall as those of a language do."""
    random = np.random.default_rng(seed)
    vocabulary = _vocabulary(random)
    share = np.cumsum(1 / np.arange(1, len(vocabulary) + 1) ** 0.9)
    originals = count - count // COPIES
    words = [_draw(random, share, int(random.integers(150, 401))) for _ in range(originals)]
    source = np.append(np.arange(originals), random.integers(0, originals, count - originals))
    rates = np.append(np.full(originals, np.nan), np.resize(EDITS, count - originals))
    words += [_edited(random, share, words[source[row]], rates[row]) for row in range(originals, count)]
    order = random.permutation(count)
    words = [words[row] for row in order]
    return Corpus([" ".join(vocabulary[text]) for text in words], source[order], rates[order], words)


def write(corpus: Corpus, path: Path) -> None:
    """Write the texts as JSON lines with their number."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": row, "text": text}) + "\n" for row, text in enumerate(corpus.texts))


def all_pairs(corpus: Corpus, least: float) -> Truth:
    """Return every pair of at least that similarity: by an inverted index of the shingles, exactly, with nothing hashed."""
    base = 1 + max(int(text.max()) for text in corpus.words)
    sets = [np.unique((text[:-2] * base + text[1:-1]) * base + text[2:]) for text in corpus.words]
    sizes = np.array([len(one) for one in sets])
    shingle, row = np.concatenate(sets), np.repeat(np.arange(len(sets)), sizes)
    order = np.lexsort((row, shingle))
    shingle, row = shingle[order], row[order]
    pairs: list[Ints] = []
    for ahead in range(1, len(sets)):
        together = np.flatnonzero(shingle[ahead:] == shingle[:-ahead])
        if not len(together):
            break
        pairs.append(row[together] * len(sets) + row[together + ahead])
    pair, shared = np.unique(np.concatenate(pairs), return_counts=True)
    left, right = np.divmod(pair, len(sets))
    near = shared / (sizes[left] + sizes[right] - shared) >= least
    return Truth(left[near], right[near])


def _vocabulary(random: np.random.Generator) -> npt.NDArray[np.object_]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = {"".join(random.choice(letters, size)) for size in random.integers(2, 11, 30_000)}
    return np.array(sorted(words), dtype=object)[random.permutation(len(words))]


def _draw(random: np.random.Generator, share: npt.NDArray[np.float64], size: int) -> Ints:
    return np.searchsorted(share, random.random(size) * share[-1])


def _edited(random: np.random.Generator, share: npt.NDArray[np.float64], text: Ints, rate: float) -> Ints:
    """Replace, delete or double up ``rate`` of the words, each of the three as often as the others."""
    edit = np.where(random.random(len(text)) < rate, random.integers(1, 4, len(text)), 0)
    replaced = np.where(edit == 1, _draw(random, share, len(text)), text)
    copies = np.select([edit == 2, edit == 3], [0, 2], 1)
    result = np.repeat(replaced, copies)
    second = np.cumsum(copies)[edit == 3] - 1
    result[second] = _draw(random, share, len(second))
    return result
