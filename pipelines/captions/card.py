"""The dataset card of a run: what its samples went through, and what they did not."""

from dataclasses import replace

from pipelines.captions.job import Job
from pipelines.pairs.cards import front, listed, safety
from pipelines.pairs.rules import decisions
from schemas import columns as c


def card(job: Job) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it."""
    moves = _moves(job)
    lines = [
        front(job.input.license, ["samples"]),
        f"# {job.input.corpus}, curated",
        "Images with the alt texts that came with them; `alt_texts` holds those of merged duplicates too. `source_license` holds the "
        "licence of each sample; `ledger/` tells of every row of the input, `funnel.json` of every step, `concepts.json` of the concepts.",
        "## What samples went through",
        *listed(sentence for sentence, _ in decisions(job) if sentence not in moves),
        *listed(f"{move}: {what or 'off'}" for move, what in moves.items()),
        "## Safety",
        *listed(safety(job, [replace(job.personal_data, text=c.ALT_TEXT.name)])),
    ]
    return "\n\n".join(lines) + "\n"


def _moves(job: Job) -> dict[str, object]:
    """Return by its sentence how each move behind the heuristics is made, null for one that is off."""
    return {
        "Drop alt texts that do not fit their image": job.embedders and f"by {', '.join(spec.name for spec in job.embedders)}",
        "Merge exact duplicates": "by the bytes of the image",
        "Merge near-duplicate images": job.near_image,
        "Merge near-duplicate alt texts": job.near_text,
        "Thin out samples whose concepts are all common": job.balance,
    }
