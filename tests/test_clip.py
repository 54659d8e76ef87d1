"""CLIP against open_clip's own loop, one image and one text at a time, on random weights that each test run makes for itself."""

import io
import itertools
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from filters.models.clip import Clip, ClipSpec, import_open_clip
from filters.relevance import cosines
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure, Pixels
from schemas.weights import sha256_of
from tests.images import photo

ROOT = Path(__file__).parents[1]
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}
"""A CLIP of 1.6 million weights, nearly all of them in its vocabulary."""
PREPARED_AS = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear", "resize_mode": "squash"}
TEXTS = [
    "a red door",
    "two boats on a lake, 1884",
    "梅斯蒂亚 山间村庄",
    "x",
    "a very long story " * 40,
    "",
    "Oil on canvas; 32 x 40 in.",
    "café",
]


@pytest.fixture(scope="module")
def open_clip() -> Any:
    return import_open_clip()[0]


@pytest.fixture(scope="module")
def folder(open_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``local-dir:`` wants it: the tiny model with seeded weights and a preparation that is no default."""
    folder = tmp_path_factory.mktemp("tiny-clip")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": PREPARED_AS}))
    torch.manual_seed(7)
    torch.save(open_clip.CLIP(**TINY).state_dict(), folder / "open_clip_pytorch_model.bin")
    return folder


@pytest.fixture(scope="module")
def name(open_clip: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model among the architectures that open_clip knows by name."""
    config = tmp_path_factory.mktemp("configs") / "tiny-for-tests.json"
    config.write_text(json.dumps(TINY))
    open_clip.add_model_config(config)
    return config.stem


@pytest.fixture(scope="module")
def weights(folder: Path) -> str:
    return str(folder / "open_clip_pytorch_model.bin")


@pytest.fixture(scope="module")
def images() -> list[Pixels]:
    sizes = [(64, 48), (40, 200), (300, 90), (32, 32), (57, 31), (128, 128), (33, 47), (90, 60)]
    return [pixels_of(photo(seed, size)) for seed, size in enumerate(sizes)]


def pixels_of(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def reference(open_clip: Any, name: str, pretrained: str | None, images: list[Pixels], texts: list[str], **how: Any) -> list[float]:
    """Cosines as open_clip's README computes them, one pair at a time."""
    model, _, preprocess = open_clip.create_model_and_transforms(name, pretrained=pretrained, **how)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    scores = []
    with torch.no_grad():
        for pixels, text in zip(images, texts, strict=True):
            image_features = model.encode_image(preprocess(Image.fromarray(pixels)).unsqueeze(0))
            text_features = model.encode_text(tokenizer([text]))
            image_features /= image_features.norm(dim=-1, keepdim=True)
            text_features /= text_features.norm(dim=-1, keepdim=True)
            scores.append(round(float((image_features @ text_features.T).item()), 4))
    return scores


def scores(clip: Clip, images: list[Pixels], texts: list[str]) -> list[float]:
    return cosines(clip.embed_images(images), clip.embed_texts(texts)).tolist()


def test_scores_are_those_of_open_clips_own_loop(open_clip: Any, folder: Path, name: str, weights: str, images: list[Pixels]) -> None:
    expected = reference(open_clip, name, weights, images, TEXTS)
    assert np.ptp(expected) > 0.05
    found = scores(ClipSpec(name, weights=weights, micro_batch=3, device="cpu").load(), images, TEXTS)
    assert found == pytest.approx(expected, abs=1.0001e-4)
    local = f"local-dir:{folder}"
    expected_otherwise_prepared = reference(open_clip, local, None, images, TEXTS)
    assert np.abs(np.subtract(expected, expected_otherwise_prepared)).max() > 0.01
    assert scores(ClipSpec(local, device="cpu").load(), images, TEXTS) == pytest.approx(expected_otherwise_prepared, abs=1.0001e-4)


def test_a_file_under_the_openai_tag_is_run_as_the_openai_weights_are(open_clip: Any, images: list[Pixels], tmp_path: Path) -> None:
    """OpenAI's weights want another activation than the architecture of that name has; open_clip only warns of it."""
    torch.manual_seed(11)
    file = tmp_path / "b32.pt"
    torch.save(open_clip.create_model("ViT-B-32", require_pretrained=False).half().state_dict(), file)
    pairs = images[:3], TEXTS[:3]
    expected = reference(open_clip, "ViT-B-32-quickgelu", str(file), *pairs)
    spec = ClipSpec("ViT-B-32", "openai", str(file), micro_batch=2, device="cpu")
    assert scores(spec.load(), *pairs) == pytest.approx(expected, abs=1.0001e-4)
    plain = scores(replace(spec, pretrained=None).load(), *pairs)
    assert np.abs(np.subtract(plain, expected)).max() > 0.00025


def test_scores_do_not_depend_on_the_size_of_the_batch_or_of_the_micro_batch(name: str, weights: str, images: list[Pixels]) -> None:
    clip = ClipSpec(name, weights=weights, micro_batch=4, device="cpu").load()
    whole = scores(clip, images, TEXTS)
    for size in (1, 3, 4, 5, 8):
        parts = [scores(clip, images[i : i + size], TEXTS[i : i + size]) for i in range(0, len(images), size)]
        assert [*itertools.chain(*parts)] == whole
    for micro_batch in (1, 5, 64):
        other = ClipSpec(name, weights=weights, micro_batch=micro_batch, device="cpu").load()
        assert scores(other, images, TEXTS) == pytest.approx(whole, abs=1.0001e-4)


def test_vectors_are_unit_float32_and_none_for_nothing(name: str, weights: str, images: list[Pixels]) -> None:
    clip = ClipSpec(name, weights=weights, device="cpu").load()
    for vectors in (clip.embed_images(images), clip.embed_texts(TEXTS)):
        assert (vectors.shape, vectors.dtype) == ((8, 16), np.float32)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(8), abs=1e-5)
    for empty in (clip.embed_images([]), clip.embed_texts([])):
        assert (empty.shape, empty.dtype) == ((0, 16), np.float32)


def test_bf16_as_on_a_gpu_moves_a_score_in_the_third_place(open_clip: Any, name: str, weights: str, images: list[Pixels]) -> None:
    network, prepare = open_clip.create_model_from_pretrained(name, weights, precision="bf16")
    half = Clip(network.eval(), prepare, open_clip.get_tokenizer(name), 4, "cpu", torch.bfloat16)
    found, exact = scores(half, images, TEXTS), scores(ClipSpec(name, weights=weights, device="cpu").load(), images, TEXTS)
    assert found != exact
    assert found == pytest.approx(exact, abs=0.02)


def test_the_name_of_a_model_holds_what_its_threshold_depends_on(name: str) -> None:
    assert ClipSpec(pretrained="openai").model == ClipSpec("ViT-B-32-quickgelu", "openai").model == "ViT-B-32/openai"
    assert ClipSpec(pretrained="openai", weights="/models/b32.safetensors").model == "ViT-B-32/openai"
    assert ClipSpec("ViT-L-14", weights="/models/mine.pt").model == "ViT-L-14/mine.pt"
    assert ClipSpec("hf-hub:org/repository").model == "hf-hub:org/repository"


def test_a_spec_travels_and_its_fields_are_its_identity() -> None:
    spec = ClipSpec(pretrained="openai")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(replace(spec)) == hash(spec)
    assert replace(spec, micro_batch=8) != spec


def test_a_spec_without_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ViT-B-32: name the weights by `pretrained` .* or `weights`"):
        ClipSpec()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ClipSpec(weights="/nowhere/b32.pt"), r"ViT-B-32/b32.pt at /nowhere/b32.pt.*name a local file by `weights`.*no such file"),
        (ClipSpec(pretrained="opena"), r"no weights 'opena' of ViT-B-32; known are openai, "),
        (ClipSpec("ViT-Z", "openai"), r"no weights 'openai' of ViT-Z; known are none"),
        (ClipSpec("local-dir:/nowhere"), r"local-dir:/nowhere.*FileNotFoundError"),
    ],
    ids=["no file", "no tag", "no architecture", "no folder"],
)
def test_weights_that_are_not_there_are_a_fault_that_says_what_to_do(open_clip: Any, spec: ClipSpec, said: str) -> None:
    with pytest.raises(EnvironmentFault, match=said):
        spec.load()


def test_a_hub_out_of_reach_is_a_fault_that_says_what_to_do(open_clip: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    for spec in (ClipSpec(pretrained="openai"), ClipSpec("hf-hub:nobody/nothing")):
        with pytest.raises(EnvironmentFault, match=r"from the hub.*local file by `weights`.*HF_HUB_OFFLINE"):
            spec.load()


def test_a_file_of_another_hash_or_architecture_is_a_fault(name: str, weights: str, tmp_path: Path) -> None:
    assert ClipSpec(name, weights=weights, sha256=sha256_of(Path(weights)), device="cpu").load()
    with pytest.raises(EnvironmentFault, match=r"SHA-256 00, found [0-9a-f]{64}"):
        ClipSpec(name, weights=weights, sha256="00").load()
    with pytest.raises(EnvironmentFault, match=r"RN50/open_clip_pytorch_model.bin.*text pos_embed width changed"):
        ClipSpec("RN50", weights=weights, device="cpu").load()
    cut = tmp_path / "cut.pt"
    cut.write_bytes(Path(weights).read_bytes()[:10_000])
    with pytest.raises(EnvironmentFault, match=r"cut.pt, which could not be loaded"):
        ClipSpec(name, weights=str(cut), device="cpu").load()


def of_mean(run: Callable[[torch.Tensor], None] = lambda _: None, micro_batch: int = 4) -> Clip:
    """A Clip whose vectors are the mean colour of an image, after ``run`` was shown what the network was."""

    def encode(inputs: torch.Tensor) -> torch.Tensor:
        run(inputs)
        return inputs.mean(dim=(2, 3)) + 0.01

    network: Any = SimpleNamespace(encode_image=encode, encode_text=lambda tokens: torch.ones(len(tokens), 3))

    def prepare(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()

    return Clip(network, prepare, lambda texts: torch.zeros(len(texts), 2, dtype=torch.long), micro_batch, "cpu", torch.float32)


def plain(*reds: int) -> list[Pixels]:
    return [np.full((2, 2, 3), (red, 50, 100), np.uint8) for red in reds]


def test_every_run_of_the_network_has_the_shape_of_one_micro_batch() -> None:
    shapes: list[tuple[int, ...]] = []
    of_mean(lambda inputs: shapes.append(tuple(inputs.shape))).embed_images(plain(*range(9)))
    assert shapes == [(4, 3, 2, 2)] * 3


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("can't allocate memory: 9 bytes")]
)
def test_out_of_memory_halves_the_micro_batch_and_changes_no_answer(error: Exception) -> None:
    sizes: list[int] = []

    def run(inputs: torch.Tensor) -> None:
        sizes.append(len(inputs))
        if len(inputs) > 2:
            raise error

    images = plain(*range(0, 250, 23))
    small = of_mean(run, micro_batch=8)
    assert small.embed_images(images).tolist() == of_mean().embed_images(images).tolist()
    assert sizes[:3] == [8, 4, 2]
    assert set(sizes[2:]) == {2}


def test_out_of_memory_with_one_row_is_a_fault_of_the_environment() -> None:
    sizes: list[int] = []

    def run(inputs: torch.Tensor) -> None:
        sizes.append(len(inputs))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(EnvironmentFault, match="one image or text alone does not fit the memory of cpu"):
        of_mean(run).embed_images(plain(1, 2, 3))
    assert sizes == [4, 2, 1]


def test_an_error_that_is_not_about_memory_goes_on() -> None:
    def run(_: torch.Tensor) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        of_mean(run).embed_images(plain(1))


def by_first_byte(data: bytes) -> Pixels | Failure:
    return Failure("truncated", "expected more") if data[0] % 5 == 3 else plain(data[0])[0]


def test_encoded_images_come_back_in_order_with_failures_in_their_places() -> None:
    encoded = [bytes([number]) for number in range(23)]
    found = list(of_mean().embed_encoded(encoded, by_first_byte))
    assert [isinstance(outcome, Failure) for outcome in found] == [number % 5 == 3 for number in range(23)]
    good = [number for number in range(23) if number % 5 != 3]
    expected = of_mean().embed_images(plain(*good))
    assert np.array_equal(np.stack([outcome for outcome in found if isinstance(outcome, np.ndarray)]), expected)
    assert list(of_mean().embed_encoded([b"\x03"] * 9, by_first_byte)) == [Failure("truncated", "expected more")] * 9
    assert list(of_mean().embed_encoded([], by_first_byte)) == []


def test_the_next_micro_batch_is_decoded_while_the_model_runs() -> None:
    decoded = [threading.Event() for _ in range(12)]

    def decode(data: bytes) -> Pixels:
        decoded[data[0]].set()
        return plain(data[0])[0]

    runs = itertools.count()

    def run(_: torch.Tensor) -> None:
        following = range(4 * next(runs) + 4, 12)[:4]
        assert all(decoded[number].wait(10) for number in following)

    assert len(list(of_mean(run).embed_encoded((bytes([number]) for number in range(12)), decode))) == 12


def test_no_more_than_two_micro_batches_are_taken_from_the_source_at_a_time() -> None:
    taken: list[int] = []

    def source() -> Iterator[bytes]:
        for number in range(200):
            taken.append(number)
            yield bytes([number])

    outcomes = of_mean().embed_encoded(source(), lambda data: plain(data[0])[0])
    for done, _ in enumerate(outcomes):
        assert len(taken) <= done // 4 * 4 + 8
    assert len(taken) == 200


def test_an_exception_of_the_decoder_goes_on() -> None:
    def decode(_: bytes) -> Pixels:
        raise MemoryError

    with pytest.raises(MemoryError):
        list(of_mean().embed_encoded([b"a"], decode))


def test_a_model_loads_in_a_process_of_its_own_without_a_word(folder: Path) -> None:
    """Without the cure for torchvision this ends at ``operator torchvision::nms does not exist`` where torch is for the CPU alone."""
    code = "import sys; from filters.models.clip import ClipSpec; print(ClipSpec(sys.argv[1]).load().embed_texts(['a']).shape)"
    command = [sys.executable, "-W", "error", "-c", code, f"local-dir:{folder}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("(1, 16)\n", "")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filters.models.clip.find_spec", lambda _: None)
    with pytest.raises(EnvironmentFault, match=r"open_clip_torch, found none; run: python -m pip install 'glmv-curation\[clip\]'"):
        ClipSpec(pretrained="openai").load()
