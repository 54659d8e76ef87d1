"""What is broken is a dead letter with its source, what is good goes on, and the sums are equal."""

from pathlib import Path

import pytest

from tests import images, jobs
from tests.scripted_server import ScriptedServer


def run_over(samples: list[images.Sample], tmp_path: Path, *more: str, status: int = 0) -> Path | str:
    images.write_tar(tmp_path / "pool" / "pool.tar", samples)
    with ScriptedServer() as server:
        done = jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint, *more), status=status)
    return jobs.run_folder(tmp_path / "out") if status == 0 else done.stderr


def good(seed: int) -> images.Sample:
    return images.sample(seed, f"A small harbour at dusk, print number {seed}")


def bad(seed: int) -> images.Sample:
    """40 truncated, 40 HTML, 10 empty, 10 missing."""
    kind = (["truncated"] * 4 + ["html"] * 4 + ["empty", "missing"])[seed % 10]
    image = {"truncated": images.truncated(images.photo(seed)), "html": images.html(), "empty": b"", "missing": None}[kind]
    sample = {"__key__": f"{seed:09d}", "txt": f"A broken harbour, print number {seed}", "jpg": image}
    return {suffix: data for suffix, data in sample.items() if data is not None}


def test_300_good_go_on_and_100_bad_are_dead_letters_with_reason_and_source(tmp_path: Path):
    samples = sorted([good(n) for n in range(300)] + [bad(n) for n in range(300, 400)], key=lambda s: str(s["__key__"])[::-1])
    run = run_over(samples, tmp_path)
    assert jobs.query(run, "select exit, count(*) from ledger group by 1 order by 1") == [("dead", 100), ("kept", 300)]
    assert dict(jobs.query(run, "select reason, count(*) from dead group by 1")) == {
        "truncated": 40, "html": 40, "empty_file": 10, "no_image": 10,
    }  # fmt: skip
    assert jobs.query(
        run, "select count(*) from dead where error is null or source_path not like '%pool.tar' or source_member is null"
    ) == [(0,)]
    kept = {int(key) for (key,) in jobs.query(run, "select regexp_extract(source_member, '(\\d+)', 1) from samples")}
    assert kept == set(range(300))


def test_one_bad_among_301_takes_nobody_with_it(tmp_path: Path):
    run = run_over([*(good(n) for n in range(300)), bad(301)], tmp_path)
    assert jobs.query(run, "select exit, count(*) from ledger group by 1 order by 1") == [("dead", 1), ("kept", 300)]


def test_a_truncated_tar_yields_its_readable_part_and_a_dead_letter_with_file_and_offset(tmp_path: Path):
    path = Path(images.write_tar(tmp_path / "whole.tar", [good(n) for n in range(40)]))
    cut = path.stat().st_size // 2
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "cut.tar").write_bytes(path.read_bytes()[:cut])
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint))
    run = jobs.run_folder(tmp_path / "out")
    ((kept, offset, error),) = jobs.query(
        run, "select (select count(*) from samples), source_offset, error from dead where reason = 'truncated_shard'"
    )
    assert 15 < kept < 25
    assert 0 < offset <= cut
    assert "cut.tar" in error


def test_too_many_dead_letters_fail_the_run_and_keep_what_was_done(tmp_path: Path):
    message = run_over([*(good(n) for n in range(5)), *(bad(n) for n in range(10, 15))], tmp_path, "--set=limits.dead_floor=2", status=1)
    assert "5 of 10 samples are dead letters" in message
    assert "limits.max_dead_ratio=0.3" in message
    assert list((tmp_path / "out").glob("recaption/*/manifest.json")) == []
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(tmp_path / "pool", tmp_path / "out", server.endpoint, "--set=limits.max_dead_ratio=0.5"))
    assert server.alt_texts == []


def test_a_pool_without_a_good_sample_is_a_run_without_samples(tmp_path: Path):
    run = run_over([bad(n) for n in range(10)], tmp_path)
    assert jobs.query(run, "select count(*) from samples") == [(0,)]
    assert jobs.query(run, "select count(*) from dead") == [(10,)]


@pytest.mark.parametrize("metadata", ["metadata.jsonl", None])
def test_a_folder_of_images_is_read_as_well(tmp_path: Path, metadata: str | None):
    folder = tmp_path / "pool"
    for number in range(6):
        images.write_file(folder / f"{number}.jpg", images.photo(number))
        if metadata is None:
            images.write_file(folder / f"{number}.txt", f"A small harbour at dusk, print number {number}")
    if metadata:
        lines = [f'{{"file_name": "{n}.jpg", "text": "A small harbour at dusk, print number {n}", "license": "CC0"}}' for n in range(7)]
        images.write_file(folder / metadata, "\n".join(lines))
    with ScriptedServer() as server:
        jobs.run(*jobs.flags_for(folder, tmp_path / "out", server.endpoint))
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select count(*) from samples") == [(6,)]
    assert jobs.query(run, "select reason from dead") == ([("missing_file",)] if metadata else [])
    assert jobs.query(run, "select distinct source_license from samples") == [("CC0" if metadata else "unknown",)]
