"""The pages of a finished run: the resolved job, the dataset card, and the report."""

from dataclasses import dataclass

import yaml

from pipelines.ingest.job import Job
from pipelines.ingest.told import telling
from pipelines.report.files import Report
from pipelines.report.pictures import FromTables
from pipelines.spine.config import resolved
from pipelines.spine.finished import Finished


@dataclass(frozen=True)
class Pages:
    """Renders the pages of a run of ``job``; picklable, so that the last step of the graph can call it in a worker."""

    job: Job

    def __call__(self, run: Finished) -> dict[str, bytes]:
        """Return ``job.yaml``, the dataset card and the report of ``run``."""
        about, config = self.job.input, resolved(self.job)
        report = Report(
            telling(self.job), "pair", about.corpus, about.license, about.path, config, self.job.decode.max_pixels,
            picture=FromTables(run.run, ("samples",)),
        )  # fmt: skip
        return {"job.yaml": config, "README.md": card(self.job).encode(), **report(run)}


def card(job: Job) -> str:
    """Return ``README.md`` of a run of ``job`` as the Hugging Face hub reads it."""
    configs = [{"config_name": "samples", "data_files": "samples/*.parquet"}]
    head = yaml.safe_dump({"license": "other", "license_name": job.input.license, "configs": configs}, sort_keys=False, allow_unicode=True)
    lines = [
        f"---\n{head}---",
        f"# {job.input.corpus}, downloaded",
        "Images from lists of addresses, each with what its list says of it. `source_license` holds the licence of each sample as the "
        "list states it; `ledger/` tells what every address came to, `funnel.json` of every step.",
        "## Manners",
        *(f"- {line}" for line in manners(job)),
        "## Images",
        f"- {_images(job)}",
    ]
    return "\n\n".join(lines) + "\n"


def manners(job: Job) -> tuple[str, ...]:
    """Return how the hosts were asked, a line for each rule; one that is off is stated as off."""
    asked = job.download
    honoured = f"images whose `X-Robots-Tag` says {', '.join(asked.opt_out)} were left alone" if asked.opt_out else "OFF"
    hashes = "downloads were held against the hashes of their lists, where there are any" if job.input.columns.verify_hash else "OFF"
    networks = ", ".join(asked.allow_networks)
    checked = f"checked, those of {asked.ca_file} among the good ones" if asked.ca_file else "checked"
    return (
        f"User agent: `{asked.user_agent}`",
        f"Opt-out: {honoured}",
        f"Hashes: {hashes}",
        f"Networks that are not public: {f'{networks} were allowed' if networks else 'none was asked'}",
        f"Certificates: {checked if asked.verify_tls else 'NOT CHECKED'}",
    )


def _images(job: Job) -> str:
    if job.resize is None:
        return "Every image is the file that came, byte for byte."
    return (
        f"Images of more than {job.resize.longer_side} pixels on their longer side were made that small and are JPEGs of quality "
        f"{job.resize.quality}; the others are the files that came, byte for byte."
    )
