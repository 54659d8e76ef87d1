"""The code of this project as a wheel, so that workers elsewhere run the very code that launched them."""

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from importlib.metadata import version
from pathlib import Path

PROJECT = "glmv-curation"
PACKAGES = ("filters", "jobs", "pipelines", "schemas", "synth")
"""The top-level packages of the project."""


KINDS = ("*.py", "prompts/*.md", "*.html", "page/*.css", "page/*.js")
"""What workers need of them: no job file, and nothing else that may lie about in a checkout."""


def write_wheel(folder: Path) -> Path:
    """Write the code that runs here, data files included, as a wheel into ``folder`` and return its path.

    It names no dependency, which the worker image holds, so that a worker's pip asks no index; neither does this: it works in a
    checkout, in an installed package, and without a network. Equal code gives equal bytes, which Beam uploads once.
    """
    release = version(PROJECT)
    stem = f"{PROJECT.replace('-', '_')}-{release}"
    info = f"{stem}.dist-info"
    files = {
        **_code(),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: {release}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: {PROJECT}\nRoot-Is-Purelib: true\nTag: py3-none-any\n".encode(),
    }
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in files.items()) + f"{info}/RECORD,,\n"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            wheel.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # of no date: a ZipInfo without one is of 1980
    return path


def _code() -> dict[str, bytes]:
    root = Path(__file__).resolve().parents[2]
    found = (path for package in PACKAGES for kind in KINDS for path in sorted((root / package).rglob(kind)))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def _hash(data: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
