"""Rules on questions, before any model is asked."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from schemas import questions as q
from schemas.batches import strings
from schemas.exits import Rule, Verdict, judge


@dataclass(frozen=True, slots=True)
class QuestionRules:
    """Drops questions that nothing can be made of. Reads ``question``, ``truth``, ``domain``, ``choices``, ``image_count`` and ``seen``."""

    version: ClassVar[int] = 1

    min_chars: int = 4
    """Characters of the last turn at least (ours)."""
    max_chars: int = 8_000
    """Characters at most (ours: a quarter of the 32,768 tokens of SFT, paper 2, is for the question)."""
    max_truth_chars: int = 2_000
    """Characters of a truth at most (ours: what is longer is an essay, and no verifier's)."""
    max_images: int = 16
    """Pictures at most (ours)."""
    domains: tuple[str, ...] = ()
    """Domains that are taken; empty takes all."""
    seen: tuple[str, ...] = (q.SEEN_IMAGE, q.SEEN_TEXT, q.SEEN_DESCRIPTION)
    """What the model may have before it; a described picture is never a trainer's of images (see ``output.described_as_samples``)."""

    def __call__(self, batch: pa.RecordBatch) -> Verdict:
        """Return for each row the first rule that its question breaks."""
        text, truth, domain = (strings(batch.column(f.name)) for f in (q.QUESTION_TEXT, q.TRUTH, q.DOMAIN))
        chars, truth_chars = (np.array([len(t.strip()) for t in texts], np.float64) for texts in (text, truth))
        images = batch.column(q.IMAGE_COUNT.name).to_numpy(zero_copy_only=False).astype(np.float64)
        stated = batch.column(q.TRUTH.name).is_valid().to_numpy(zero_copy_only=False)
        choices = [found or [] for found in batch.column(q.CHOICES.name).to_pylist()]
        repeated = np.array([len({choice.strip() for choice in found}) < len(found) for found in choices], np.bool_)
        unknown = np.array([bool(self.domains) and d not in self.domains for d in domain], np.bool_)
        unwanted = np.array([s not in self.seen for s in strings(batch.column(q.SEEN.name))], np.bool_)
        return judge(
            len(batch),
            Rule("short_question", chars < self.min_chars, chars, self.min_chars),
            Rule("long_question", chars > self.max_chars, chars, self.max_chars),
            Rule("empty_truth", stated & (truth_chars == 0)),
            Rule("long_truth", truth_chars > self.max_truth_chars, truth_chars, self.max_truth_chars),
            Rule("many_images", images > self.max_images, images, self.max_images),
            Rule("repeated_choice", repeated),
            Rule("other_domain", unknown),
            Rule("other_sight", unwanted),
        )
