"""Names that follow from contents: of a pass, of a decision, of a run."""

import dataclasses
import json
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import xxhash


def digest(*parts: object) -> str:
    """Return 16 hex digits over ``parts``: dataclasses with their class name and ``version``, mappings, scalars, bytes.

    Everything that can change a pass's result goes in: its config, model specs, prompt digests, step versions.
    """
    return xxhash.xxh3_128_hexdigest(json.dumps([canonical(p) for p in parts], sort_keys=True, ensure_ascii=False).encode())[:16]


def canonical(value: object) -> Any:
    """Return ``value`` as JSON-able data that is equal for equal values; raises ``TypeError`` for anything that has no such form."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: canonical(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"": type(value).__name__, "version": getattr(value, "version", 1), **fields}
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if isinstance(value, bytes):
        return xxhash.xxh3_128_hexdigest(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"a {type(value).__name__} has no place in a digest: pass its config instead")


def code_version() -> str:
    """Return the version of the package, with the git commit of the checkout that it runs from; recorded, never hashed."""
    here = Path(__file__).parent
    git = shutil.which("git")
    if git is None:
        return version("glmv-curation")
    commit = subprocess.run([git, "rev-parse", "--short=12", "HEAD"], cwd=here, capture_output=True, text=True, check=False)  # noqa: S603  fixed words
    return version("glmv-curation") + (f"+{commit.stdout.strip()}" if commit.returncode == 0 else "")


def order(seed: int, key: str) -> str:
    """Return the sort key by which shards are ordered: hash(seed, split), so that sources mix."""
    return xxhash.xxh3_128_hexdigest(f"{seed}:{key}".encode())
