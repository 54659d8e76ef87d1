"""The pages of a finished cold start: the resolved job and the dataset card."""

from dataclasses import dataclass

from pipelines.cold_start.job import Job
from pipelines.cold_start.told import telling
from pipelines.pairs.cards import front, listed
from pipelines.questions.exports import croissant, dataset_info
from pipelines.questions.report import report
from pipelines.questions.tables import names_of
from pipelines.spine.config import resolved
from pipelines.spine.finished import Finished
from schemas.questions import SFT


@dataclass(frozen=True)
class Pages:
    """Renders the pages of a run of ``job``; picklable, so that the last step of the graph can call it in a worker."""

    job: Job

    def __call__(self, run: Finished) -> dict[str, bytes]:
        """Return ``job.yaml``, the dataset card, LLaMA-Factory's registration of the samples, and their Croissant."""
        tables = dict.fromkeys(names_of(self.job.sft.styles), SFT)
        about = "Questions with a verified chain of thought each"
        return {
            "job.yaml": resolved(self.job),
            "README.md": card(self.job).encode(),
            "dataset_info.json": dataset_info(list(tables)),
            **report(self.job, telling(self.job), run, ("sft", "described")),
            "croissant.json": croissant(self.job.input.corpus, about, self.job.input.license, tables),
        }


def card(job: Job) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it."""
    lines = [
        front(job.input.license, names_of(job.sft.styles)),
        f"# {job.input.corpus}: long chains of thought",
        f"Questions with a chain of thought by {job.solver.name}, each answer held against its truth by the verifier of its domain. "
        "`source_license` holds the licence of each sample; `ledger/` tells of every question, `rollouts/` of every chain of thought, "
        "with the reason for which it left.",
        "## What samples went through",
        *listed(_said(job)),
    ]
    return "\n\n".join(lines) + "\n"


def _said(job: Job) -> list[str]:
    band = f"{job.band.min_rate:g} to {job.band.max_rate:g}"
    base = (
        f"pass rate of {job.base.name}, the model to be trained, in {job.grading.first} rollouts: {band}"
        if job.base
        else "difficulty: off, no base model was named"
    )
    tags = "a grammar on the server held the model to the tags: such samples are marked `forced=grammar`" if job.solver.force_tags else ""
    described = (
        "questions whose picture was described in words (`seen=description`) lie among the samples"
        if job.output.described_as_samples
        else "questions whose picture was described in words (`seen=description`) lie apart, in `described/`"
    )
    shares = f"shares of languages: {dict(job.languages.shares)}" if job.languages else "shares of languages: off"
    return [line for line in (base, f"{job.rollouts} rollouts a question", "format, style, verifier", tags, described, shares) if line]
