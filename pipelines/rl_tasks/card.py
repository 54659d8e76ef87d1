"""The pages of a finished run: the resolved job and the dataset card."""

from dataclasses import dataclass

from pipelines.pairs.cards import front, listed
from pipelines.questions.exports import croissant
from pipelines.questions.report import report
from pipelines.rl_tasks.job import Job
from pipelines.rl_tasks.told import telling
from pipelines.spine.config import resolved
from pipelines.spine.finished import Finished
from schemas.questions import RL


@dataclass(frozen=True)
class Pages:
    """Renders the pages of a run of ``job``; picklable, so that the last step of the graph can call it in a worker."""

    job: Job

    def __call__(self, run: Finished) -> dict[str, bytes]:
        """Return ``job.yaml``, the dataset card, and the Croissant of the tasks."""
        about = "Questions with a truth and how hard models find them"
        return {
            "job.yaml": resolved(self.job),
            "README.md": card(self.job).encode(),
            **report(self.job, telling(self.job), run, ("rl", "described")),
            "croissant.json": croissant(self.job.input.corpus, about, self.job.input.license, {"rl": RL}),
        }


def card(job: Job) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it."""
    graders = ", ".join(f"{name} ({spec.name})" for name, spec in sorted(job.graders.items()))
    lines = [
        front(job.input.license, ["rl"]),
        f"# {job.input.corpus}: graded tasks",
        "Questions with a truth that a verifier can hold an answer against, and how many rollouts of each model passed. "
        "`source_license` holds the licence of each sample; `ledger/` tells of every question, `graded/` of every rollout, `audit/` of "
        "labels that the rollouts contradict.",
        "## What tasks went through",
        *listed(_said(job, graders)),
    ]
    return "\n\n".join(lines) + "\n"


def _said(job: Job, graders: str) -> list[str]:
    return [
        f"difficulty by {graders}: {job.grading.first} rollouts each, up to {job.grading.most} where they leave it open",
        "near-duplicate questions: merged" if job.near else "near-duplicate questions: off, equal ones alone are merged",
        f"multiple choice: asked without options by {job.rewriter.name}"
        if job.rewriter
        else "multiple choice: left as it is; guessing pays",
        "benchmarks: checked" if job.benchmarks else "benchmarks: off, no manifest was named; a task may stand in one",
        "labels that rollouts contradict: set apart" if job.hope.drop_suspect else "labels that rollouts contradict: kept",
        "questions that nothing solved: dropped" if job.hope.drop_too_hard else "questions that nothing solved: kept, as very hard",
    ]
