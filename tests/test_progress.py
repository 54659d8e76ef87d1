"""How far a run is, read off the answers that it leaves: each counted once, wherever they rest, whatever state they are in."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.pairs.source import Input, first_splits
from pipelines.recaption.estimate import UNKNOWN_IMAGE_TOKENS, estimate, prompt_tokens
from pipelines.recaption.job import Job
from pipelines.recaption.launch import _watched
from pipelines.recaption.plan import Plan, plan_run
from pipelines.spine import progress
from pipelines.spine.commit import Output
from schemas.exits import EnvironmentFault
from synth.captioner import CaptionerSpec
from tests import images
from tests.gcs_server import GcsServer
from tests.test_decode_hostile import SEEDS, huge_headers, spoilt_tiff

ANSWER = {"text": "A boat.", "finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "seconds": 0.1}
Put = Callable[[str, bytes], None]


def header(split: str, requests: int) -> bytes:
    return json.dumps({"split_id": split, "requests": requests, "stored": 0}).encode() + b"\n"


def answers(*keys: str) -> bytes:
    return b"".join(json.dumps({"key": key, **ANSWER}).encode() + b"\n" for key in keys)


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GcsServer]:
    with GcsServer() as server:
        server.stand_in(tmp_path, monkeypatch)
        yield server


@pytest.fixture(params=["disk", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path, gcs: GcsServer) -> tuple[str, Put]:
    """A folder to write below, and what writes a file there."""
    if request.param == "store":
        return "gs://b/out", lambda name, data: gcs.put(f"gs://b/out/{name}", data)
    return str(tmp_path / "out"), lambda name, data: images.write_file(tmp_path / "out" / name, data) and None


def test_an_answer_that_is_stored_twice_counts_once(place: tuple[str, Put]) -> None:
    folder, put = place
    put("m/s1/a.jsonl", header("s1", 4) + answers("k1", "k2"))
    put("m/s1/b.jsonl", header("s1", 4) + answers("k2", "k3", "k3"))
    put("m/s2/a.jsonl", header("s2", 2) + answers("k1"))
    assert progress.answered(f"{folder}/m", {"s1", "s2"}) == (4, 6)


def test_only_segments_of_the_splits_asked_for_count(place: tuple[str, Put]) -> None:
    folder, put = place
    put("m/s1/a.jsonl", header("s1", 4) + answers("k1"))
    put("m/s1/a.jsonl.part", answers("k2"))
    put("m/s9/a.jsonl", header("s9", 4) + answers("k1", "k2"))
    put("m2/s1/a.jsonl", header("s1", 4) + answers("k1", "k2"))
    assert progress.answered(f"{folder}/m", {"s1"}) == (1, 4)


def test_splits_that_have_not_begun_are_taken_for_average_ones(place: tuple[str, Put]) -> None:
    folder, put = place
    assert progress.answered(f"{folder}/m", {"s1", "s2", "s3"}) == (0, 0)
    put("m/s1/a.jsonl", header("s1", 10))
    put("m/s2/a.jsonl", header("s2", 20))
    assert progress.answered(f"{folder}/m", {"s1", "s2", "s3"}) == (0, 45)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", (0, 0)),
        (header("s1", 3)[:20], (0, 0)),
        (header("s1", 3)[:-1], (0, 3)),
        (header("s1", 3) + answers("k1", "k2")[:-9], (1, 3)),
        (header("s1", 3) + answers("k1", "k2")[:-1], (2, 3)),
        (b"\0\0\0\n" + answers("k1"), (1, 0)),
        (b"[]\n" + answers("k1"), (1, 0)),
        (b'{"split_id": "s1", "requests": "3", "stored": 0}\n', (0, 0)),
        (header("s2", 3) + answers("k1"), (1, 0)),
        (header("s1", 3) + b"garbage\n\xff\xfe\n[1]\n\n" + answers("k1") + b'{"key": "k2"}\n', (1, 3)),
    ],
)
def test_a_torn_or_damaged_segment_is_counted_as_far_as_it_can_be_read(place: tuple[str, Put], data: bytes, found: tuple[int, int]) -> None:
    folder, put = place
    put("m/s1/a.jsonl", data)
    assert progress.answered(f"{folder}/m", {"s1"}) == found


# A run


def text_tokens(plan: Plan, samples: int) -> float:
    """Return the tokens of the instructions and of the mean alt text, at four characters each."""
    return (len(plan.job.captioner.instructions) + sum(len(f"Print number {n}") for n in range(samples)) / samples) / 4


def plan_of(tmp_path: Path, output: str, image_files: list[bytes]) -> Plan:
    samples = [{"__key__": f"{n:03d}", "jpg": data, "txt": f"Print number {n}"} for n, data in enumerate(image_files)]
    images.write_tar(tmp_path / "pool" / "0.tar", samples)
    captioner = replace(CaptionerSpec(), prompt="recaption", endpoint="http://nowhere/v1")
    return plan_run(Job(input=Input(path=str(tmp_path / "pool")), captioner=captioner, output=Output(folder=output)))


def test_an_estimate_asks_for_no_answer_that_is_stored(place: tuple[str, Put], tmp_path: Path) -> None:
    folder, put = place
    plan = plan_of(tmp_path, folder, [images.photo(n) for n in range(5)])
    (split,) = first_splits(plan.source)
    for segment in "ab":
        put(
            f"answers/{plan.job.captioner.digest}/{split.split_id}/{segment}.jsonl",
            header(split.split_id, 5) + answers("k1", "k2") + b'{"key',
        )
    found = estimate(plan)
    assert (found.stored_answers, found.model_calls, found.samples) == (2, 3, 5)


def test_a_look_reads_a_segment_on_a_store_once_and_sees_those_that_are_new(tmp_path: Path, gcs: GcsServer) -> None:
    plan = plan_of(tmp_path, "gs://b/out", [images.photo(n) for n in range(5)])
    (split,) = first_splits(plan.source)
    folder = f"gs://b/out/answers/{plan.job.captioner.digest}/{split.split_id}"
    gcs.put(f"{folder}/b.jsonl", header(split.split_id, 5) + answers("k1"))
    look = _watched(plan)
    assert look() == look() == progress.Done("captions", 1, 5)
    gcs.put(f"{folder}/a.jsonl", header(split.split_id, 5) + answers("k2"))
    assert look() == progress.Done("captions", 2, 5)
    assert sorted(use.path[-7:] for use in gcs.used("read") if use.path.startswith(folder)) == ["a.jsonl", "b.jsonl"]


def test_a_look_at_a_disk_sees_a_segment_grow(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(tmp_path / "out"), [images.photo(n) for n in range(5)])
    (split,) = first_splits(plan.source)
    segment = tmp_path / "out" / "answers" / plan.job.captioner.digest / split.split_id / "a.jsonl"
    look = _watched(plan)
    assert look() == progress.Done("splits annotated", 0, 1)
    images.write_file(segment, header(split.split_id, 5) + answers("k1"))
    assert look() == progress.Done("captions", 1, 5)
    images.write_file(segment, header(split.split_id, 5) + answers("k1", "k2"))
    assert look() == progress.Done("captions", 2, 5)


def test_a_look_that_fails_is_told_of_and_taken_again(capsys: pytest.CaptureFixture[str]) -> None:
    enough = threading.Event()
    found = iter([EnvironmentFault("503 slow down"), FileNotFoundError("gone"), progress.Done("captions", 1, 5)])

    def look() -> progress.Done | None:
        outcome = next(found, None)
        if outcome is None:
            enough.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with progress.shown(look, every=0.001):
        assert enough.wait(30)
    lines = capsys.readouterr().err.splitlines()
    assert [line.strip() for line in lines[:2]] == ["no look at the run: 503 slow down", "no look at the run: gone"]
    assert lines[2].startswith("  captions: 1 of about 5")


HOSTILE = [
    *huge_headers().values(),
    *(seed[:n] for seed in SEEDS for n in (20, 33)),
    spoilt_tiff()[:40],
    b"\x89PNG\r\n\x1a\n\0\0\0\0IHDR" + bytes(20),
    images.html(),
    images.truncated(),
    b"BM" + bytes(12) + b"\x29" + bytes(400),
]


def test_hostile_images_are_no_part_of_the_estimate_and_stop_nothing(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(tmp_path / "out"), HOSTILE)
    assert prompt_tokens(plan, first_splits(plan.source)) == pytest.approx(text_tokens(plan, len(HOSTILE)) + UNKNOWN_IMAGE_TOKENS)


def test_an_image_costs_a_token_for_each_patch(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, str(tmp_path / "out"), [*HOSTILE, images.photo(1, (320, 240)), images.photo(2, (28, 56))])
    assert prompt_tokens(plan, first_splits(plan.source)) == pytest.approx(text_tokens(plan, len(HOSTILE) + 2) + (12 * 9 + 1 * 2) / 2)
