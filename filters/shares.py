"""Languages held to shares of what stays (paper 4: mainly Chinese and English, a small share of others)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import columns as c
from schemas.batches import draw, strings
from schemas.exits import Rule, Verdict, judge


@dataclass(frozen=True)
class LanguageShares:
    """How the languages of the questions are to stand to each other. Reads ``language`` and ``sample_id``."""

    version: ClassVar[int] = 1

    shares: Mapping[str, float]
    """Share of each language in what stays, such as ``{zh: 0.5, en: 0.45}``; what is left to 1 is for all the others."""

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        if min(self.shares.values(), default=1.0) <= 0 or sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError(f"shares: expected numbers above 0 that sum to 1 at most, found {dict(self.shares)}")

    def __call__(self, batch: pa.RecordBatch, *, counts: Mapping[str, int], seed: int) -> Verdict:
        """Drop, by a draw that every rerun repeats, questions of the languages of which ``counts`` says that there are too many."""
        probability = self.probabilities(counts)
        chance = np.array([probability.get(name, probability[""]) for name in strings(batch.column(c.LANGUAGE.name))], np.float64)
        drawn = draw(seed, batch.column(c.SAMPLE_ID.name).to_pylist())
        return judge(len(batch), Rule("language_share", drawn >= chance, drawn, chance))

    def probabilities(self, counts: Mapping[str, int]) -> dict[str, float]:
        """Return with which probability a question of each language, or of ``""`` for all others, stays; rounded to 9 decimals.

        As many stay as the scarcest language allows; without one that is asked for, the others keep their ratio.
        """
        wanted = {**self.shares, "": round(1 - sum(self.shares.values()), 9)}
        found = Counter(dict.fromkeys(wanted, 0))
        for name, count in counts.items():
            found[name if name in self.shares else ""] += count
        sizes = [found[name] / share for name, share in wanted.items() if share > 0 and found[name]]
        whole = min(sizes, default=0.0)
        return {name: round(min(1.0, share * whole / found[name]), 9) if found[name] else 0.0 for name, share in wanted.items()}
