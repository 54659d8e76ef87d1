"""The state of a curriculum as bytes, and as a file that a trainer keeps beside its checkpoint."""

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from synth.curriculum import Curriculum, Mixture, Prompts, State
from synth.pass_rate import Grading

VERSION = 1
"""Raised when the file changes its form."""


def dumps(state: State) -> bytes:
    """Return ``state`` as JSON in one line: the same state is always the same bytes, since floats are written so that they read back."""
    p = state.prompts
    columns = {"domain": p.domain, "tier": p.tier, "n": p.n, "correct": p.correct, "asked": p.asked}
    found = {
        "version": VERSION,
        "settings": asdict(state.settings),
        "iteration": state.iteration,
        "expansion": state.expansion,
        "tier_n": state.tier_n.tolist(),
        "tier_correct": state.tier_correct.tolist(),
        "prompts": {"ids": p.ids, **{name: column.tolist() for name, column in columns.items()}},
    }
    return json.dumps(found, ensure_ascii=False, allow_nan=False, sort_keys=True).encode() + b"\n"


def loads(data: bytes) -> State:
    """Return the state that ``dumps`` wrote; raises ``ValueError`` for another version, ``KeyError`` for a value that is missing."""
    found = json.loads(data)
    if found["version"] != VERSION:
        raise ValueError(f"a curriculum's state of version {VERSION} is read here, found {found['version']}: use the release that wrote it")
    prompts = found["prompts"]
    return State(
        settings=_settings(found["settings"]),
        iteration=found["iteration"],
        expansion=found["expansion"],
        tier_n=np.array(found["tier_n"], np.float64),
        tier_correct=np.array(found["tier_correct"], np.float64),
        prompts=Prompts(
            ids=tuple(prompts["ids"]),
            domain=np.array(prompts["domain"], np.int64),
            tier=np.array(prompts["tier"], np.int64),
            n=np.array(prompts["n"], np.float64),
            correct=np.array(prompts["correct"], np.float64),
            asked=np.array(prompts["asked"], np.int64),
        ),
    )


def _settings(found: dict[str, Any]) -> Curriculum:
    plain = {name: value for name, value in found.items() if name not in ("mixture", "grading")}
    shares = tuple((domain, share) for domain, share in found["mixture"]["shares"])
    edges = tuple(found["grading"]["edges"])
    rest = {name: value for name, value in found["grading"].items() if name != "edges"}
    return Curriculum(mixture=Mixture(shares), grading=Grading(edges=edges, **rest), **plain)


def save(state: State, path: str | Path) -> None:
    """Write ``state`` to ``path``, whole or not at all: a kill leaves the file of before."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(dumps(state))
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def load(path: str | Path) -> State:
    """Return the state at ``path``."""
    return loads(Path(path).read_bytes())
