"""The command line of every pipeline: a job file, settings over it, and Beam's own flags, which are checked too."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions

from pipelines.spine import config, dataflow

LOCAL_RUNNERS = (None, "DirectRunner", "FnApiRunner")
"""DirectRunner would first look for a Go runner on the network or in a cache, so that machines disagree; it is taken as FnApiRunner."""


@dataclass(frozen=True)
class Command:
    """What the user asked for."""

    settings: dict[str, Any]
    """The job file with every override laid over it."""
    dry_run: bool
    options: PipelineOptions

    @property
    def is_local(self) -> bool:
        """Tell whether the pipeline runs on this machine."""
        return self.options.view_as(StandardOptions).runner == "FnApiRunner"

    @property
    def workers(self) -> int:
        """Processes that share a model's endpoint, each with a client of its own: local ones, else the job's upper bound of workers."""
        if self.is_local:
            return (self.options.view_as(DirectOptions).direct_num_workers or os.cpu_count() or 1) if self.has_processes else 1
        return dataflow.processes(self.options)

    @property
    def has_processes(self) -> bool:
        """Tell whether a local run starts worker processes."""
        return self.is_local and self.options.view_as(DirectOptions).direct_running_mode == "multi_processing"


def parse(argv: Sequence[str], description: str) -> Command:
    """Return what ``argv`` asks for.

    Raises ``ConfigError`` for a flag that neither we nor Beam know, or a job file that cannot be read.
    """
    own, beam_flags = _parser(description).parse_known_args(list(argv))
    values = config.override(_read_job(own.job) if own.job else {}, own.set)
    beam_flags = [*_flags_in(values.pop(BEAM, {})), *beam_flags]  # of a flag that is given twice Beam takes the last
    refuse_unknown(beam_flags)
    for key, value in {"input.path": own.input, "output.folder": own.output, "input.limit": own.limit}.items():
        values = values if value is None else config.put(values, key, value)
    options = PipelineOptions(beam_flags)
    if options.view_as(StandardOptions).runner in LOCAL_RUNNERS:
        options.view_as(StandardOptions).runner = "FnApiRunner"
    return Command(values, own.dry_run, options)


def refuse_unknown(flags: Sequence[str]) -> None:
    """Raise ``ConfigError`` for the first of ``flags`` that Beam would discard with a warning."""
    parsers: list[argparse.ArgumentParser] = []
    known = PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    _, unknown = parsers[0].parse_known_args(list(flags))
    if unknown:
        flag = unknown[0]
        names = [f"--{name}" for name in (*known, *OWN_FLAGS)]
        raise config.ConfigError(f"unknown flag {flag!r}{config.suggestion(flag.split('=')[0], names)}")


BEAM = "beam"
"""Section of a job file that holds Beam's own flags: ``max_num_workers: 32`` for ``--max_num_workers=32``, a list for a repeated one."""
OWN_FLAGS = ("job", "set", "input", "output", "limit", "dry_run")


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", help="YAML file of the job; every key has a default")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="lay one value over the job file; may be repeated")
    parser.add_argument("--input", help="folder of images, WebDataset tar, Parquet, or glob of either; same as --set input.path=")
    parser.add_argument("--output", help="folder for everything that is written; same as --set output.folder=")
    parser.add_argument("--limit", type=int, help="take only the first N samples; same as --set input.limit=")
    parser.add_argument("--dry_run", action="store_true", help="print the plan, bytes, model calls and cost, and stop")
    parser.epilog = "Beam's own flags (--runner, --direct_num_workers, --direct_running_mode, ...) are passed on."
    return parser


def _flags_in(section: Any) -> list[str]:
    if not isinstance(section, Mapping):
        raise config.ConfigError(f"{BEAM!r}: expected a mapping of flags, found {section!r}")
    given = [(name, value) for name, found in section.items() for value in (found if isinstance(found, list) else [found])]
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in given]


def _read_job(path: str) -> dict[str, Any]:
    if not Path(path).is_file():
        raise config.ConfigError(f"--job: no file {path!r}; the jobs that ship are jobs/*/*.yaml")
    return config.read_yaml(Path(path).read_text(encoding="utf-8"), path)
