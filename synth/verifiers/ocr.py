"""Text recognition: the share of characters that is right (paper 5.2, Table 1)."""

import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from rapidfuzz.distance import Levenshtein

from synth.verifiers.phrases import without_blanks
from synth.verifiers.reward import DIFFERENT, EQUAL, Reward, Task

EDIT = "edit"
NEARLY = 0.9999
"""Reward of the longest text with one error: 1 is for none."""


@dataclass(frozen=True, slots=True)
class OcrVerifier:
    """1 - edit distance / length of the longer text, in characters.

    Both are composed first (NFC), and each run of white space, line breaks included, counts as one blank; blanks at the ends and
    beside Chinese and Japanese characters count nothing. Case, width, punctuation and ``43`` against ``43.0`` do count. Two
    empty texts are equal. (The GLM-V repo takes all blanks out; one that is missing between words is an error here.)
    """

    longest_factor: int = 16
    """Answers with more than this many times the characters of the truth, and 1000 more, earn 0 and are not compared (ours)."""

    version: ClassVar[int] = 1

    def __call__(self, answer: str, task: Task) -> Reward:
        """Return the share, rounded to 4 decimals; ``partial`` between 0 and 1."""
        if len(answer) > self.longest_factor * len(task.truth) + 1000:
            return Reward(0.0, "too_long", EDIT)
        said, true = (without_blanks(unicodedata.normalize("NFC", text)) for text in (answer, task.truth))
        if said == true:
            return Reward(1.0, EQUAL, EDIT)
        share = 1 - Levenshtein.distance(said, true) / max(len(said), len(true))
        value = min(round(share, 4), NEARLY)
        return Reward(value, "partial" if value else DIFFERENT, EDIT)
