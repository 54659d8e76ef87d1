"""Where a run keeps what it makes, below the folder that all runs share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.spine import storage
from pipelines.spine.identity import code_version


@dataclass(frozen=True)
class Places:
    """The folders of one run of a pipeline."""

    output: str
    """The folder below which everything is written."""
    pipeline: str
    """Name of the pipeline, and of the folder of its runs."""
    source: str
    """Name of the input as it is listed, whatever its files hold."""
    run_id: str

    def folder(self, *names: str) -> str:
        """Return a path below the output folder."""
        return storage.join(self.output, *names)

    @property
    def answers(self) -> str:
        """Folder of the models' answers, shared by all runs below the output folder."""
        return self.folder("answers")

    @property
    def lock(self) -> str:
        """File that one run over this input holds: two at once would pay for the same answers, and sweep up each other's half files."""
        return self.folder("locks", self.source)

    @property
    def runs(self) -> str:
        """Folder of the runs of this pipeline."""
        return self.folder(self.pipeline)

    @property
    def run(self) -> str:
        """Folder of the finished run."""
        return storage.join(self.runs, self.run_id)

    def described(self, passes: Sequence[str | None], **more: Any) -> dict[str, Any]:
        """Return what the manifest says of the run besides its files; ``passes`` are the folders of its fragments, null for none."""
        below = [folder[len(self.folder()) :].strip("/") for folder in passes if folder]
        return {"run_id": self.run_id, "pipeline": self.pipeline, "passes": below, **more, "code": code_version()}
