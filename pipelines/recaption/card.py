"""The dataset card of a run: what its samples went through, and what they did not."""

from dataclasses import replace

import yaml

from filters.safety import card_lines
from pipelines.pairs.rules import decisions
from pipelines.recaption.job import Job, caption_steps
from schemas import columns as c


def card(job: Job, described: bool) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it; ``described`` says that the table of that name exists."""
    tables = ["samples", *(["described"] if described else [])]
    configs = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in tables]
    head = yaml.safe_dump({"license": "other", "license_name": job.input.license, "configs": configs}, sort_keys=False, allow_unicode=True)
    lines = [
        f"---\n{head}---",
        f"# {job.input.corpus}, recaptioned",
        f"Images with their alt text and a caption by {job.captioner.name} "
        f"(prompt {job.captioner.prompt_version}, from the {job.captioner.seen}). "
        "`source_license` holds the licence of each sample; `ledger/` tells of every row of the input, `funnel.json` of every step.",
        "## What samples went through",
        *(f"- {sentence}" for sentence, _ in (*decisions(job), *caption_steps(job))),
        "## Safety",
        *(f"- {line}" for line in safety_lines(job)),
    ]
    return "\n\n".join(lines) + "\n"


def safety_lines(job: Job) -> tuple[str, ...]:
    """Return a line for each safety filter; one that is off is stated as off."""
    return card_lines(
        job.language if job.lid else None,
        [replace(job.personal_data, text=field.name) for field in (c.ALT_TEXT, c.CAPTION)],
        job.not_safe if job.nsfw else None,
        job.faces if job.face_detector else None,
        job.blocklist,
    )
