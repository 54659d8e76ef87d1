"""The pool of the curation demo, read back with ``tarfile`` and Pillow alone: its labels agree with what lies in it."""

import hashlib
import io
import json
import tarfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from PIL import Image, ImageOps

from filters.alt_text import AltText
from filters.vocabulary import BUILT, VocabularySpec
from jobs import curation_corpus
from jobs.curation_corpus import build
from jobs.fetch import fetch
from jobs.vocabulary import main as build_vocabulary
from schemas.weights import cache_dir, entry_of

COPIES = ("exact twin", "other encoding", "two thirds of the size", "brighter", "light crop")
TEXT_RULES = {
    "file_name",
    "web_address",
    "date_only",
    "too_short",
    "long_digit_run",
    "repeated_words",
    "no_alt_text",
}


@dataclass(frozen=True)
class Read:
    image: bytes | None
    alt_text: str
    label: dict

    @property
    def kind(self) -> str:
        return self.label["planted"]


@dataclass(frozen=True)
class Pool:
    folder: Path
    labels: Path
    samples: list[Read]

    def of(self, *kinds: str) -> list[Read]:
        return [sample for sample in self.samples if sample.kind in kinds]


@pytest.fixture(scope="module")
def museum() -> Path:
    return fetch(entry_of("museum"), cache_dir())


@pytest.fixture(scope="module")
def pool(museum: Path, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("curation") / "pool"
    labels = folder.with_name("labels.jsonl")
    build(folder, labels, museum)
    members: dict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
    for shard in sorted(folder.iterdir()):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, ending = member.name.split(".")
                members[shard.name, key][ending] = tar.extractfile(member).read()
    told = [json.loads(line) for line in labels.read_text().splitlines()]
    assert [(label["shard"], label["key"]) for label in told] == list(members)
    found = [(members[label["shard"], label["key"]], label) for label in told]
    return Pool(folder, labels, [Read(files.get("jpg"), files["txt"].decode(), label) for files, label in found])


def pixels(sample: Read, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    """The grey picture at one size, with its mean taken off: what a brighter or smaller copy leaves as it is."""
    grey = np.asarray(Image.open(io.BytesIO(sample.image)).convert("L").resize(size), np.float64)
    return (grey - grey.mean()) / grey.std()


def likeness(one: Read, other: Read) -> float:
    return float((pixels(one) * pixels(other)).mean())


def grey_mean(sample: Read) -> float:
    return float(np.asarray(Image.open(io.BytesIO(sample.image)).convert("L")).mean())


def original(pool: Pool, copy: Read) -> Read:
    (found,) = [good for good in pool.of("good") if good.label["cluster"] == copy.label["cluster"]]
    return found


def test_it_has_a_few_hundred_samples_and_every_kind_that_is_named(pool: Pool):
    assert 250 <= len(pool.samples) <= 300
    assert {sample.kind for sample in pool.samples} == set(curation_corpus.REASONS)
    assert all(sample.label["reason"] == curation_corpus.REASONS[sample.kind] for sample in pool.samples)


def test_the_label_has_the_hash_of_the_image_beside_it(pool: Pool):
    for sample in pool.samples:
        assert sample.label["image_hash"] == (None if sample.image is None else xxhash.xxh3_128_hexdigest(sample.image))


def test_the_reader_takes_no_label_for_a_sample(pool: Pool):
    assert sorted(path.name for path in pool.folder.iterdir()) == ["00000.tar", "00001.tar"]
    assert pool.labels.parent == pool.folder.parent


def test_a_second_build_has_the_same_bytes_and_leaves_the_pool_alone(pool: Pool, museum: Path, tmp_path: Path):
    before = {path.name: path.stat().st_mtime_ns for path in pool.folder.iterdir()}
    made = build(tmp_path / "again", tmp_path / "labels", museum)
    assert made == Counter(sample.kind for sample in pool.samples)
    for shard in pool.folder.iterdir():
        assert (tmp_path / "again" / shard.name).read_bytes() == shard.read_bytes()
    assert (tmp_path / "labels").read_bytes() == pool.labels.read_bytes()
    build(pool.folder, pool.labels, museum)
    assert {path.name: path.stat().st_mtime_ns for path in pool.folder.iterdir()} == before


def test_a_copy_is_its_original_edited_as_it_is_called(pool: Pool):
    sizes = {sample.label["key"]: Image.open(io.BytesIO(sample.image)).size for sample in pool.of("good", "mirrored", *COPIES)}
    for copy in pool.of(*COPIES):
        whole = original(pool, copy)
        width, height = sizes[whole.label["key"]]
        assert (copy.image == whole.image) is (copy.kind == "exact twin")
        assert copy.alt_text != whole.alt_text
        assert likeness(copy, whole) > 0.9, copy.label
        expected = {
            "two thirds of the size": (width * 2 // 3, height * 2 // 3),
            "light crop": (width - width // 50 * 2, height - height // 50 * 2),
        }
        assert sizes[copy.label["key"]] == expected.get(copy.kind, (width, height))
        light = grey_mean(copy) / grey_mean(whole)
        assert copy.kind == "light crop" or (light > 1.05) is (copy.kind == "brighter")


def test_a_mirrored_copy_is_one_and_is_in_no_cluster(pool: Pool):
    for copy in pool.of("mirrored"):
        assert copy.label["cluster"] is None
        back = io.BytesIO()
        ImageOps.mirror(Image.open(io.BytesIO(copy.image))).save(back, "PNG")
        turned = Read(back.getvalue(), "", copy.label)
        assert max(likeness(turned, good) for good in pool.of("good")) > 0.95


def test_only_what_is_to_be_merged_shares_a_cluster_and_each_cluster_has_one_original(pool: Pool):
    clusters = defaultdict(list)
    for sample in pool.samples:
        if sample.label["cluster"] is not None:
            clusters[sample.label["cluster"]].append(sample.kind)
    assert all(kinds.count("good") == 1 for kinds in clusters.values())
    merged = {"exact_duplicate", "near_duplicate_image", "near_duplicate_text"}
    assert {kind for kinds in clusters.values() for kind in kinds} == {"good"} | {
        k for k, r in curation_corpus.REASONS.items() if r in merged
    }
    assert {len(kinds) for kinds in clusters.values()} == {1, 2, 3}


def test_every_picture_that_reaches_the_merges_is_there_once_but_for_the_exact_twins(pool: Pool):
    late = {None, "near_duplicate_image", "near_duplicate_text", "irrelevant", "unmatched"}
    hashes = Counter(hashlib.sha256(sample.image).digest() for sample in pool.samples if sample.label["reason"] in late)
    assert set(hashes.values()) == {1}


def words(text: str) -> list[str]:
    return "".join(ch if ch.isalnum() else " " for ch in text.casefold()).split()


def shingles(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[place : place + 3]) for place in range(len(found) - 2)}


def test_long_alt_texts_are_almost_those_of_their_originals_and_no_other_two_are(pool: Pool):
    for copy in pool.of("almost the same long alt text"):
        whole = original(pool, copy)
        assert likeness(copy, whole) < 0.8
        assert copy.alt_text != whole.alt_text
    live = [sample for sample in pool.samples if sample.image and len(words(sample.alt_text)) >= 10]
    sets = [shingles(sample.alt_text) for sample in live]
    pairs = [(a, b) for a in range(len(live)) for b in range(a) if len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])]
    early = {"thumbnail", "strip", "tiny file", "truncated"}  # they bear the alt text of their original, and leave before
    near = {frozenset((live[a].label["key"], live[b].label["key"])) for a, b in pairs if not early & {live[a].kind, live[b].kind}}
    planted = pool.of("almost the same long alt text")
    assert near == {frozenset((copy.label["key"], original(pool, copy).label["key"])) for copy in planted}
    assert len(planted) == 8


def test_equal_short_alt_texts_stand_on_pairs_of_different_pictures(pool: Pool):
    pairs = defaultdict(list)
    for sample in pool.of("equal short alt text"):
        pairs[sample.alt_text].append(sample)
    assert [len(pair) for pair in pairs.values()] == [2] * 6
    assert all(likeness(*pair) < 0.8 and len(words(text)) < 10 for text, pair in pairs.items())


def test_alt_texts_of_other_paintings_have_changed_places(pool: Pool):
    swapped = pool.of("alt text of another painting")
    assert len({sample.alt_text for sample in swapped}) == len(swapped) == 10


def test_exactly_the_alt_texts_that_are_to_break_a_rule_break_it(pool: Pool):
    reasons = AltText()(pa.record_batch({"alt_text": pa.array([sample.alt_text for sample in pool.samples])})).reason.to_pylist()
    for sample, reason in zip(pool.samples, reasons, strict=True):
        assert reason == (sample.label["reason"] if sample.label["reason"] in TEXT_RULES else None), sample.alt_text


def test_texts_without_a_concept_have_none_in_the_vocabulary_and_common_ones_have_only_common_ones(pool: Pool):
    if not (cache_dir() / BUILT).is_file():
        assert build_vocabulary([]) == 0
    vocabulary = VocabularySpec().load()
    assert vocabulary.match([sample.alt_text for sample in pool.of("no concept")]) == [[]] * 6
    counts = Counter(entry for row in vocabulary.match([sample.alt_text for sample in pool.samples]) for entry in row)
    for found in vocabulary.match([sample.alt_text for sample in pool.of("common words")]):
        assert min(counts[entry] for entry in found) >= 8


def test_the_command_says_where_pool_and_labels_lie(museum: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert curation_corpus.main([str(tmp_path / "pool")]) == 0
    assert f"labels: {tmp_path / 'pool.labels.jsonl'}" in capsys.readouterr().out
    assert (tmp_path / "pool.labels.jsonl").is_file()
