"""The commands that the documentation gives are understood by this vLLM and by this project."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from pipelines.recaption.job import Job
from pipelines.spine import config, flags
from synth.captioner import CaptionerSpec
from tests import jobs
from tests.serving import vllm_server

PARSE = """
import sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser(allow_abbrev=False))
for line in sys.stdin.read().splitlines():
    options = parser.parse_args(line.split("\\t"))
    print(options.model_tag, options.served_model_name, sep="\\t")
"""


def commands(program: str) -> list[list[str]]:
    """Return the arguments of each call of ``program`` in the documentation's code blocks."""
    return [words[len(program.split()) :] for words in map(shlex.split, _lines()) if words[: len(program.split())] == program.split()]


def _lines() -> Iterator[str]:
    for page in ("README.md", "jobs/serving.md"):
        for block in re.findall(r"^```\n(.*?)^```", (jobs.ROOT / page).read_text(), re.MULTILINE | re.DOTALL):
            yield from block.replace("\\\n", " ").splitlines()


def test_every_vllm_command_is_understood_by_vllm():
    given = commands("vllm serve")
    assert len(given) == 4
    lines = "\n".join("\t".join(words) for words in given)
    done = subprocess.run(
        [vllm_server.PYTHON, "-c", PARSE], input=lines, capture_output=True, text=True, env=vllm_server.environment(), timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[0] for line in done.stdout.splitlines() if "\t" in line] == [words[0] for words in given]


@pytest.mark.parametrize("words", [words for words in commands("python -m pipelines.recaption") if "--limit" not in words])
def test_every_job_at_a_server_is_understood_by_the_job(words: list[str]):
    captioner = config.build(Job, flags.parse(words, "").settings).captioner
    assert captioner != CaptionerSpec()
    assert captioner.endpoint.endswith(":8000/v1")
