"""The dataset card of a run: what its samples went through, and what they did not."""

from dataclasses import replace

from pipelines.pairs.cards import front, listed, safety
from pipelines.pairs.rules import decisions
from pipelines.recaption.job import Job, caption_steps
from schemas import columns as c


def card(job: Job, described: bool) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it; ``described`` says that the table of that name exists."""
    lines = [
        front(job.input.license, ["samples", *(["described"] if described else [])]),
        f"# {job.input.corpus}, recaptioned",
        f"Images with their alt text and a caption by {job.captioner.name} "
        f"(prompt {job.captioner.prompt_version}, from the {job.captioner.seen}). "
        "`source_license` holds the licence of each sample; `ledger/` tells of every row of the input, `funnel.json` of every step.",
        "## What samples went through",
        *listed(sentence for sentence, _ in (*decisions(job), *caption_steps(job))),
        "## Safety",
        *listed(safety(job, [replace(job.personal_data, text=field.name) for field in (c.ALT_TEXT, c.CAPTION)])),
    ]
    return "\n\n".join(lines) + "\n"
