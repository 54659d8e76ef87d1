"""Blocklists: how a list is read, which hashes are compared, and what makes a list another one."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest

from filters.blocklist import Blocklist, digests, needed
from filters.decode import Decoder
from filters.signals import measure
from pipelines.spine.identity import digest
from schemas import columns as c
from schemas.exits import EnvironmentFault
from tests.images import photo

SHORT, LONG = "ab" * 16, "cd" * 32


def written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_list_holds_hashes_of_both_lengths_comments_and_empty_lines(tmp_path: Path):
    path = written(tmp_path / "list.txt", f"# from somewhere\n{SHORT.upper()}  # why\n\n  {LONG}\t\n#{SHORT[::-1]}\n")
    assert Blocklist(files=(path,)).load() == {SHORT, LONG}


def test_a_list_with_a_byte_order_mark_and_carriage_returns_is_read(tmp_path: Path):
    path = tmp_path / "list.txt"
    path.write_bytes(f"\ufeff{SHORT}\r\n{LONG}\r\n".encode())
    assert Blocklist(files=(str(path),)).load() == {SHORT, LONG}


@pytest.mark.parametrize("line", ["ab" * 15, "xy" * 16, f"{SHORT} {LONG}", f"{SHORT},spam", "ab" * 20])
def test_a_bad_line_is_refused_with_its_file_and_number(tmp_path: Path, line: str):
    path = written(tmp_path / "list.txt", f"{SHORT}\n# fine\n{line}\n")
    with pytest.raises(EnvironmentFault, match=r"list\.txt, line 3: expected 32 or 64 hex digits, found "):
        Blocklist(files=(path,))


def test_an_absent_list_and_one_that_is_no_text_are_refused(tmp_path: Path):
    with pytest.raises(EnvironmentFault, match=r"expected a blocklist at .*absent\.txt, found FileNotFoundError"):
        Blocklist(files=(str(tmp_path / "absent.txt"),))
    (tmp_path / "image.jpg").write_bytes(photo(0))
    with pytest.raises(EnvironmentFault, match=r"image\.jpg, found UnicodeDecodeError"):
        Blocklist(files=(str(tmp_path / "image.jpg"),))


def test_a_list_may_have_an_address(tmp_path: Path):
    path = written(tmp_path / "list.txt", SHORT)
    assert Blocklist(files=(Path(path).as_uri(),)).load() == {SHORT}


def test_what_is_listed_is_part_of_a_runs_identity_and_its_order_is_not(tmp_path: Path):
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    one = Blocklist(files=(written(first, f"{SHORT}\n{LONG}\n"), written(second, "")))
    assert one.digest == hashlib.sha256(f"{SHORT}\n{LONG}".encode()).hexdigest()
    assert digest(one) == digest(Blocklist(files=(written(first, LONG), written(second, f"{SHORT} # moved\n"))))
    assert digest(one) != digest(Blocklist(files=(written(first, LONG), str(second).replace("b.txt", "a.txt"))))


def test_a_list_that_changed_under_a_run_stops_it(tmp_path: Path):
    path = written(tmp_path / "list.txt", SHORT)
    blocklist = Blocklist(files=(path,))
    written(tmp_path / "list.txt", LONG)
    with pytest.raises(EnvironmentFault, match=r"a list has changed; run the command again"):
        blocklist.load()
    with pytest.raises(EnvironmentFault, match=r"a list has changed"):
        Blocklist(files=(path,), digest=blocklist.digest)


def test_no_list_blocks_nothing():
    assert Blocklist().load() == frozenset()
    assert Blocklist().digest == ""
    assert needed(frozenset()) == ()


@pytest.mark.parametrize("kind", ["image_hash", "md5", "sha256"])
def test_an_image_is_found_by_each_kind_of_hash(tmp_path: Path, kind: str):
    images = [photo(0), photo(1), None]
    signals, _ = measure(images, Decoder())
    listed = {
        "image_hash": signals.added[c.IMAGE_HASH.name][1].as_py(),
        "md5": hashlib.md5(photo(1)).hexdigest(),
        "sha256": hashlib.sha256(photo(1)).hexdigest(),
    }[kind]
    blocklist = Blocklist(files=(written(tmp_path / "list.txt", listed),))
    hashes = blocklist.load()
    batch = pa.record_batch({c.IMAGE_HASH.name: signals.added[c.IMAGE_HASH.name], **digests(images, needed(hashes))})
    assert blocklist(batch, hashes=hashes).reason.to_pylist() == [None, "blocklisted", None]


def test_only_the_hashes_that_a_list_is_made_of_are_computed():
    assert needed(frozenset([SHORT])) == ("image_md5",)
    assert needed(frozenset([LONG])) == ("image_sha256",)
    assert needed(frozenset([SHORT, LONG])) == ("image_md5", "image_sha256")
    assert digests([photo(0)], ()) == {}
