"""What the dataset cards of runs over pairs share."""

from collections.abc import Iterable, Iterator, Sequence

import yaml

from filters.safety import PersonalData, card_lines
from pipelines.pairs.rules import PairJob


def front(license_name: str, tables: Sequence[str]) -> str:
    """Return the head of a card: the licence, and which files each of ``tables`` is made of, as the Hugging Face hub reads it."""
    configs = [{"config_name": name, "data_files": f"{name}/*.parquet"} for name in tables]
    head = yaml.safe_dump({"license": "other", "license_name": license_name, "configs": configs}, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---"


def listed(lines: Iterable[str]) -> Iterator[str]:
    """Yield ``lines`` as points of a list."""
    return (f"- {line}" for line in lines)


def safety(job: PairJob, personal_data: Sequence[PersonalData]) -> tuple[str, ...]:
    """Return a line for each safety filter; one that is off is stated as off."""
    return card_lines(
        job.language if job.lid else None,
        personal_data,
        job.not_safe if job.nsfw else None,
        job.faces if job.face_detector else None,
        job.blocklist,
    )
