"""What `jobs/worker.Dockerfile` installs of this project, built as its instructions say: no image is built here."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import jobs

LINES = (jobs.ROOT / "jobs/worker.Dockerfile").read_text().splitlines()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip makes of what the image copies, and of nothing else, unpacked."""
    copied, out = tmp_path_factory.mktemp("copied"), tmp_path_factory.mktemp("out")
    for line in (line for line in LINES if line.startswith("COPY ")):
        *sources, target = shlex.split(line)[1:]
        for source in sources:
            here, there = jobs.ROOT / source, copied / target / (source if target == "./" else "")
            _ = shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__")) if here.is_dir() else shutil.copy(here, there)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copied)], check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(out / "site")
    return out / "site"


def test_every_module_prompt_and_page_of_the_project_is_installed(installed: Path) -> None:
    tops = ("schemas", "filters", "synth", "pipelines", "jobs")
    kinds = ("*.py", "prompts/*.md", "*.html", "*.css", "*.js", "*.yaml")
    expected = {path.relative_to(jobs.ROOT) for top in tops for kind in kinds for path in (jobs.ROOT / top).rglob(kind)}
    assert expected == {path.relative_to(installed) for top in tops for kind in kinds for path in (installed / top).rglob(kind)}


def test_the_image_imports_what_it_says_from_what_it_installed(installed: Path, tmp_path: Path) -> None:
    programs = [program for line in LINES for program in re.findall(r'^RUN python -c "([^"]+)"', line)]
    assert programs
    for program in programs:
        told = f"import sys; sys.path[:1] = [{str(installed)!r}]; {program}; import pipelines; print(pipelines.__file__)"
        ran = subprocess.run([sys.executable, "-I", "-c", told], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout.strip()) == (0, str(installed / "pipelines/__init__.py")), ran.stderr


def test_what_the_image_installs_beside_it_is_what_these_tests_run_with() -> None:
    """Every pin of the lock is here and no dependency of one is missing or of another version, so pip would install nothing more."""
    options = ["--dry-run", "--no-index", "--disable-pip-version-check", "--requirement", str(jobs.ROOT / "requirements.lock")]
    ran = subprocess.run([sys.executable, "-m", "pip", "install", *options], capture_output=True, text=True, check=False)
    assert (ran.returncode, [line for line in ran.stdout.splitlines() if line.startswith("Would install")]) == (0, []), ran.stderr
