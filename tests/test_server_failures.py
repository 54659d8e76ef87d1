"""The served model fails in every way that it can, and no sample is lost to it: the job as a process, against a real server."""

import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests import images, jobs
from tests.scripted_server import Call, Reply, Script, ScriptedServer, answer, caption, completion, die_after, error

SAMPLES = 40
IN_FLIGHT = 4
POISONED = "A small harbour at dusk, print number 17"
POISONED_MEMBER = "000000017.jpg"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    images.write_tar(folder / "pool.tar", [images.sample(n, f"A small harbour at dusk, print number {n}") for n in range(SAMPLES)])
    return folder


def flags(pool: Path, output: Path, server: ScriptedServer, *more: str) -> list[str]:
    return jobs.flags_for(pool, output, server.endpoint, f"--set=captioner.max_in_flight={IN_FLIGHT}", *more)


def stored(output: Path) -> int:
    """Count the answers on disk: every line of a segment but its first, which tells of the split."""
    return sum(len(path.read_text().splitlines()) - 1 for path in output.glob("answers/*/*/*.jsonl"))


def exits(run: Path) -> dict[str, int]:
    return dict(jobs.query(run, "select exit, count(*) from ledger group by 1"))


def for_one(poisoned: Reply) -> Script:
    """Reply so to one sample, for ever, and answer all others."""
    return lambda call: poisoned if call.alt_text == POISONED else answer(call)


def test_a_server_that_dies_stops_the_run_and_only_what_it_had_not_answered_is_asked_again(pool: Path, tmp_path: Path):
    output, answered = tmp_path / "out", SAMPLES // 2
    began = time.monotonic()
    with ScriptedServer(die_after(answered)) as server:
        done = jobs.run(*flags(pool, output, server), status=1)
    assert time.monotonic() - began < 60
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith("stopped: expected scripted to answer at http://127.0.0.1:")
    assert "start a server" in message
    assert "--set captioner.endpoint=" in message
    assert list(output.glob("recaption/*/manifest.json")) == []
    kept = stored(output)
    assert answered - server.canaries - IN_FLIGHT <= kept <= answered

    with ScriptedServer() as healthy:
        jobs.run(*flags(pool, output, healthy))
    assert exits(jobs.run_folder(output)) == {"kept": SAMPLES}
    assert len(healthy.alt_texts) == len(set(healthy.alt_texts)) == SAMPLES - kept
    assert stored(output) == SAMPLES


def test_a_server_that_is_not_there_is_told_of_before_anything_is_read(pool: Path, tmp_path: Path):
    with ScriptedServer() as server:
        pass
    began = time.monotonic()
    done = jobs.run(*flags(pool, tmp_path / "out", server), status=1)
    assert time.monotonic() - began < 60
    assert "start a server" in done.stderr
    assert list((tmp_path / "out").glob("annotate/*/*")) == []


def test_every_sample_is_captioned_by_a_server_that_throttles(pool: Path, tmp_path: Path):
    """More 429s for each request than a failing request has attempts."""
    seen: Counter[str] = Counter()
    refusals = 6

    def throttling(call: Call) -> Reply:
        seen[call.digest] += 1
        return answer(call) if call.alt_text is None or seen[call.digest] > refusals else error(429, "too many requests")

    with ScriptedServer(throttling) as server:
        jobs.run(*flags(pool, tmp_path / "out", server))
    assert exits(jobs.run_folder(tmp_path / "out")) == {"kept": SAMPLES}
    assert len(server.alt_texts) == (refusals + 1) * SAMPLES


def test_truncated_bodies_hung_up_connections_and_500s_lose_nothing(pool: Path, tmp_path: Path):
    seen: Counter[str] = Counter()

    def stumbling(call: Call) -> Reply:
        """Fail the first attempt of three requests in four, each in its own way."""
        seen[call.digest] += 1
        if call.alt_text is None or seen[call.digest] > 1:
            return answer(call)
        whole = answer(call)
        ways = (whole, error(500), Reply(body=whole.body, withheld=len(whole.body) // 2), Reply(drop=True))
        return ways[int(call.digest, 16) % 4]

    with ScriptedServer(stumbling) as server:
        jobs.run(*flags(pool, tmp_path / "out", server))
    assert exits(jobs.run_folder(tmp_path / "out")) == {"kept": SAMPLES}
    assert SAMPLES * 1.25 < len(server.alt_texts) < SAMPLES * 2


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_sample_that_no_attempt_gets_past_the_server_is_one_dead_letter(pool: Path, tmp_path: Path, status: int):
    with ScriptedServer(for_one(error(status, "cannot be captioned"))) as server:
        jobs.run(*flags(pool, tmp_path / "out", server))
    run = jobs.run_folder(tmp_path / "out")
    assert exits(run) == {"kept": SAMPLES - 1, "dead": 1}
    ((reason, path, member, message),) = jobs.query(run, "select reason, source_path, source_member, error from dead")
    assert (reason, path, member) == ("captioner_failed", str(pool / "pool.tar"), POISONED_MEMBER)
    assert str(status) in message
    assert "cannot be captioned" in message


def test_captions_that_were_cut_by_length_are_dropped_as_truncated(pool: Path, tmp_path: Path):
    def cut(call: Call) -> Reply:
        is_cut = call.alt_text is not None and int(call.alt_text.split()[-1]) % 4 == 0
        return completion(caption(call), "length") if is_cut else answer(call)

    with ScriptedServer(cut) as server:
        jobs.run(*flags(pool, tmp_path / "out", server))
    run = jobs.run_folder(tmp_path / "out")
    assert jobs.query(run, "select exit, reason, count(*) from ledger group by all order by 1") == [
        ("dropped", "truncated", SAMPLES // 4),
        ("kept", None, SAMPLES - SAMPLES // 4),
    ]
    left = jobs.query(run, "select regexp_extract(source_member, '(\\d+)', 1) from ledger where reason = 'truncated'")
    assert sorted(int(number) for (number,) in left) == list(range(0, SAMPLES, 4))


def test_the_key_reaches_the_server_and_no_file_and_no_screen(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key = "sk-harbour-7f3a91c05e"
    monkeypatch.setenv("HARBOUR_KEY", key)
    echo = error(400, f"request with Authorization: Bearer {key} refused")
    with ScriptedServer(for_one(echo)) as server:
        done = jobs.run(*flags(pool, tmp_path / "out", server, "--set=captioner.api_key_env=HARBOUR_KEY"))
    assert {call.headers["Authorization"] for call in server.calls} == {f"Bearer {key}"}
    run = jobs.run_folder(tmp_path / "out")
    assert exits(run) == {"kept": SAMPLES - 1, "dead": 1}
    assert "refused" in jobs.query(run, "select error from dead")[0][0]
    assert key not in done.stdout + done.stderr
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    tables = [path for path in files if path.suffix == ".parquet"]  # compressed, so that their bytes alone would not show it
    assert len(tables) >= 5
    assert [path for path in tables if key in str(pq.read_table(path).to_pylist())] == []


def test_a_key_that_is_refused_is_not_told_either(pool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    key = "sk-harbour-7f3a91c05e"
    monkeypatch.setenv("HARBOUR_KEY", key)
    with ScriptedServer(lambda _: error(401, f"{key} is no key of ours")) as server:
        done = jobs.run(*flags(pool, tmp_path / "out", server, "--set=captioner.api_key_env=HARBOUR_KEY"), status=1)
    assert "is no key of ours" in done.stderr
    assert key not in done.stdout + done.stderr
