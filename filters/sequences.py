"""Sequences of words: how often one comes back, and how long a run two texts share.

Measured is in words, of which a character of an unspaced script by itself is half a one (``filters.words.weights``).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from operator import eq

from filters.words import weights, words


def folded_words(text: str) -> list[str]:
    """Return the words of ``text``, casefolded."""
    return [word.casefold() for word in words(text)]


def sequences(terms: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield, from each place on, the shortest sequence of at least ``size`` words, as long as there is one."""
    before = [0.0, *accumulate(weights(terms))]
    for start, skipped in enumerate(before):
        end = bisect_left(before, skipped + size)
        if end == len(before):
            return
        yield tuple(terms[start:end])


def most_frequent(terms: Sequence[str], size: int) -> int:
    """Return how often the most frequent sequence of ``size`` words occurs, overlaps included; 0 where there is none."""
    return max(Counter(sequences(terms, size)).values(), default=0)


def longest_run(terms: Sequence[str]) -> float:
    """Return the length in words of the longest run of one word."""
    shares = weights(terms)
    if not any(map(eq, terms, terms[1:])):
        return max(shares, default=0.0)
    return max(sum(share for _, share in run) for _, run in groupby(zip(terms, shares, strict=True)))


def longest_common_run(left: Sequence[str], right: Sequence[str]) -> float:
    """Return the length in words of the longest sequence that stands in both; their lengths multiply in its time."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(right):
        places[word].append(place)
    longest, ending = 0.0, dict[int, float]()
    for word, share in zip(left, weights(left), strict=True):
        ending = {place: ending.get(place - 1, 0.0) + share for place in places.get(word, ())}
        longest = max(longest, *ending.values(), 0.0)
    return longest
