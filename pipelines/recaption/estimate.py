"""What a run would read, ask and cost: the answer to --dry_run. No model is called and nothing is written but the plan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from filters.decode import Decoded, Decoder
from pipelines.pairs.source import first_splits
from pipelines.readers.splits import Split, read
from pipelines.recaption.plan import Plan
from pipelines.spine import progress, storage
from schemas import columns as c

PATCH = 28
"""Pixels along each side of the patch that one token stands for (paper 2, GLM-4.1V)."""
CHARS_PER_TOKEN = 4
"""Characters of text in a token (ours: a rule of thumb for English)."""
MEASURED = 64
"""Samples whose images and alt texts are looked at to estimate the rest (ours)."""
UNKNOWN_IMAGE_TOKENS = 1000
"""Taken for an image when none of those that are looked at is one (ours)."""


@dataclass(frozen=True)
class Estimate:
    """The upper bounds of a run: no sample is taken to be dropped."""

    shards: int
    splits: int
    samples: int
    bytes: int
    stored_answers: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def model_calls(self) -> int:
        """Requests at most: one for each sample whose answer is not stored."""
        return max(0, self.samples - self.stored_answers)


def estimate(plan: Plan) -> Estimate:
    """Cut the input, look at the first samples, and return what the whole would take."""
    splits = first_splits(plan.source)
    samples = sum(split.taken for split in splits)
    answers = storage.join(plan.at.answers, plan.job.captioner.digest)
    stored, _ = progress.answered(answers, {split.split_id for split in splits})
    calls = max(0, samples - stored)
    return Estimate(
        shards=len(plan.source.shards),
        splits=len(splits),
        samples=samples,
        bytes=sum(split.bytes for split in splits),
        stored_answers=stored,
        prompt_tokens=math.ceil(calls * prompt_tokens(plan, splits)),
        completion_tokens=calls * plan.job.captioner.max_tokens,
    )


def prompt_tokens(plan: Plan, splits: Sequence[Split]) -> float:
    """Return the mean tokens of a request over the first samples: instructions, alt text, and the image where it is sent."""
    rows = [row for split in islice(splits, 1) for row in read(split, plan.job.input.corpus, plan.job.input.license).to_pylist()[:MEASURED]]
    text = len(plan.job.captioner.instructions) + sum(len(row[c.ALT_TEXT.name] or "") for row in rows) / max(1, len(rows))
    return text / CHARS_PER_TOKEN + (_image_tokens(rows, plan.job.decode) if plan.job.captioner.seen == "image" else 0)


def _image_tokens(rows: Sequence[dict[str, Any]], decoder: Decoder) -> float:
    """Return the mean tokens of the images of ``rows`` that the job would decode: the others are never sent."""
    images = [decoder(row[c.IMAGE.name]["bytes"]) for row in rows if row[c.IMAGE.name]]
    tokens = [math.ceil(image.width / PATCH) * math.ceil(image.height / PATCH) for image in images if isinstance(image, Decoded)]
    return sum(tokens) / len(tokens) if tokens else UNKNOWN_IMAGE_TOKENS


def table(found: Estimate, plan: Plan) -> str:
    """Return the estimate as text, with money where the job names prices."""
    lines = [
        f"run          {plan.at.run}",
        f"annotations  {plan.annotations}",
        f"input        {found.shards:,} shards, {found.splits:,} splits, {found.samples:,} samples, {found.bytes / 2**20:,.1f} MiB",
        f"model        {plan.job.captioner.name} at {plan.job.captioner.endpoint}",
        f"model calls  at most {found.model_calls:,} ({found.stored_answers:,} answers are stored already)",
        f"tokens       about {found.prompt_tokens:,} in, at most {found.completion_tokens:,} out",
    ]
    if plan.job.prices:
        prices = plan.job.prices
        money = found.prompt_tokens * prices.per_million_prompt_tokens + found.completion_tokens * prices.per_million_completion_tokens
        lines.append(f"money        at most {money / 1e6:,.2f} {prices.currency}")
    return "\n".join(lines)
