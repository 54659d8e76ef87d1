"""From a command line to a finished run: what every pipeline's launcher does alike."""

import logging
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam

from pipelines.report import page
from pipelines.spine import commit, dataflow, flags, funnel, storage
from pipelines.spine.config import ConfigError
from pipelines.spine.reaper import reaping
from schemas.exits import EnvironmentFault

_FAULT = re.compile(
    r"^(?:schemas\.exits\.EnvironmentFault|pipelines\.spine\.\w+\.\w+|\w*OSError|FileNotFoundError|PermissionError): (.+)$",
    re.MULTILINE,
)
_STEP = re.compile(r" \[while running '[^']*'\]$")


def run_command(argv: Sequence[str] | None, description: str, carry_out: Callable[[flags.Command], int]) -> int:
    """Parse ``argv`` and ``carry_out`` what it asks for.

    Returns the exit status: 2 for a config that is refused, 1 for a run that stopped, else what ``carry_out`` returns.
    """
    try:
        return carry_out(flags.parse(sys.argv[1:] if argv is None else argv, description))
    except ConfigError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 2
    except (EnvironmentFault, OSError) as fault:
        print(f"stopped: {fault}", file=sys.stderr)
        return 1


def execute(build: Callable[[beam.Pipeline], Any], name: str, command: flags.Command) -> None:
    """``build`` the graph of the job ``name`` and run it to its end; raises ``EnvironmentFault`` where a worker met one."""
    if command.is_local:
        page.library()  # missing, it would stop the last step, hours later
        # Beam logs each error at every level that it passes; the exception that arrives here holds them all
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        with reaping() if command.has_processes else dataflow.staging(command.options, name):
            pipeline = beam.Pipeline(options=command.options)
            build(pipeline)
            pipeline.run().wait_until_finish()
    except (RuntimeError, EnvironmentFault) as error:
        raise _fault_in(error) from error


def finished(run: str) -> tuple[dict[str, Any], list[funnel.StepCount]]:
    """Return manifest and funnel of the finished ``run``; raises ``EnvironmentFault`` where it has no manifest."""
    manifest = commit.read_manifest(run)
    if manifest is None:
        raise EnvironmentFault(f"the pipeline ended, but {run} has no manifest; run the same command again")
    return manifest, funnel.loads(storage.read(storage.join(run, commit.FUNNEL_FILE)))


def _fault_in(error: Exception) -> Exception:
    """Return the fault that a worker raised: Beam adds the step to its text, or brings it back as text in an error of its own."""
    found = _FAULT.findall(str(error))
    if found or isinstance(error, EnvironmentFault):
        return EnvironmentFault(_STEP.sub("", found[-1] if found else str(error)))
    return error
