"""The dataset card of a run: what its samples went through, and what they did not."""

from collections.abc import Iterator
from dataclasses import replace

from pipelines.captions.job import Job
from pipelines.pairs.cards import front, listed, safety
from pipelines.pairs.rules import decisions
from schemas import columns as c


def card(job: Job) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it."""
    lines = [
        front(job.input.license, ["samples"]),
        f"# {job.input.corpus}, curated",
        "Images with the alt texts that came with them; `alt_texts` holds those of merged duplicates too. `source_license` holds the "
        "licence of each sample; `ledger/` tells of every row of the input, `funnel.json` of every step, `concepts.json` of the concepts.",
        "## What samples went through",
        *listed([*(sentence for sentence, _ in decisions(job)), *_merges(job)]),
        "## Safety",
        *listed(safety(job, [replace(job.personal_data, text=c.ALT_TEXT.name)])),
    ]
    return "\n\n".join(lines) + "\n"


def _merges(job: Job) -> Iterator[str]:
    yield "Merge exact duplicates"
    if job.near_image:
        yield f"Merge near-duplicate images: {job.near_image}"
    if job.near_text:
        yield f"Merge near-duplicate alt texts: {job.near_text}"
    if job.balance:
        yield f"Thin out samples whose concepts are all common: {job.balance}"
