"""The pages of a finished run over pairs: the resolved job, the dataset card, and the report."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.pairs.rules import PairJob
from pipelines.report.files import Report
from pipelines.report.telling import Telling
from pipelines.spine.config import resolved
from pipelines.spine.finished import Finished


@dataclass(frozen=True)
class Pages:
    """Renders the pages of a run of ``job``; picklable, so that the last step of the graph can call it in a worker."""

    job: PairJob
    card: str
    """The dataset card, but for what the run itself tells."""
    telling: Telling
    """What was counted of the rows."""
    models: tuple[tuple[str, str], ...] = ()
    """Roles, and the models that play them."""

    def __call__(self, run: Finished) -> dict[str, bytes]:
        """Return ``job.yaml``, the dataset card and the report of ``run``."""
        added = f"\n## What the captions add\n\n{adds(run.captions)}\n" if run.captions else ""
        return {"job.yaml": resolved(self.job), "README.md": (self.card + added).encode(), **self.report(run)}

    @property
    def report(self) -> Report:
        """Return what makes the report."""
        about = self.job.input
        embedders = tuple(("embedder", spec.name) for spec in self.job.embedders)
        return Report(
            self.telling, "pair", about.corpus, about.license, about.path, resolved(self.job),
            self.job.decode.max_pixels, (*self.models, *embedders),
        )  # fmt: skip


def adds(captions: Mapping[str, int]) -> str:
    """Return in a sentence what the kept ``captions``, counted by kind, add to their alt texts (``pipelines.spine.shards.CAPTIONS``)."""
    said = {
        "enriched": "add a word that the evidence or the image supports",
        "echo": "are echoes, which add none",
        "unsupported": "add only words that nothing supports",
        "unjudged": "could not be judged",
    }
    told = ", ".join(f"{captions.get(kind, 0):,} {what}" for kind, what in said.items())
    return f"Of {sum(captions.values()):,} kept captions: {told}."
