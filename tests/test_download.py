"""The downloader against a hostile server: every fault has its name, nothing hangs, nothing raises."""

import errno
import gc
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import ThreadedResolver

from pipelines.ingest.download import Downloader
from pipelines.ingest.failures import failure_of
from pipelines.ingest.outcome import REASONS, OptedOut, Outcome
from pipelines.ingest.rules import Download
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure
from tests.hostile_server import HostileServer, picture

QUICK = Download(
    allow_networks=("127.0.0.1/32",),
    max_mb=1,
    backoff_seconds=0.001,
    max_pause_seconds=0.01,
    connect_seconds=5,
    read_seconds=20,
    total_seconds=30,
    per_host=32,
)


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Let the collector tell of a socket that was left open here, and not in whichever test comes when it wakes."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as hostile:
        yield hostile


@pytest.fixture(scope="module")
def downloader() -> Iterator[Downloader]:
    with Downloader(QUICK) as client:
        yield client


def only(downloader: Downloader, url: str) -> Outcome:
    (outcome,) = downloader.download([url])
    return outcome


def reason(outcome: Outcome) -> str:
    assert isinstance(outcome.result, Failure), outcome
    assert outcome.result.reason in REASONS or outcome.result.reason.startswith("http_")
    assert outcome.result.error
    return outcome.result.reason


def with_rules(**rules: Any) -> Downloader:
    return Downloader(replace(QUICK, **rules))


@pytest.mark.parametrize(
    ("path", "seed"),
    [
        ("image/3", 3),
        ("text/4", 4),
        ("hops/4", 0),
        ("busy/2/a", 1),
        ("stumble/1/a", 1),
        ("reset/1/a", 2),
        ("gzip", 0),
        ("chunks", 0),
        ("last/5", 5),
        ("image/3#fragment", 3),
    ],
)
def test_an_image_arrives_as_it_lies_there(server: HostileServer, downloader: Downloader, path: str, seed: int):
    outcome = only(downloader, server.url(path))
    assert outcome.result == picture(seed)
    assert (outcome.status, outcome.content_type) == (200, "text/html; charset=utf-8" if path == "text/4" else outcome.content_type)


@pytest.mark.parametrize(
    ("path", "expected", "attempts"),
    [
        ("missing", "http_404", 1),
        ("forbidden", "http_403", 1),
        ("broken", "http_500", 3),
        ("busy/9/b", "http_429", 3),
        ("reset/9/b", "reset", 3),
        ("long", "reset", 3),
        ("hangup", "reset", 3),
        ("loop", "too_many_redirects", 1),
        ("hops/5", "too_many_redirects", 1),
        ("nowhere", "http_302", 1),
        ("endless", "too_many_bytes", 1),
        ("claims/1048577", "too_many_bytes", 1),
        ("claims/999999999999999", "too_many_bytes", 1),
        ("bomb", "too_many_bytes", 1),
        ("cutgzip", "bad_response", 1),
        ("notgzip", "bad_response", 1),
        ("brotli", "content_encoding", 1),
        ("badchunks", "bad_response", 1),
        ("garbage", "bad_response", 1),
    ],
)
def test_every_fault_has_its_name_and_only_passing_ones_are_tried_again(
    server: HostileServer, downloader: Downloader, path: str, expected: str, attempts: int
):
    outcome = only(downloader, server.url(path))
    assert (reason(outcome), outcome.attempts) == (expected, attempts)
    if not path.startswith(("loop", "hops")):  # the client itself asks at once again where a connection breaks before any answer
        assert attempts <= server.paths[f"/{path}"] <= attempts * (2 if path == "hangup" else 1)


@pytest.mark.parametrize(("path", "length"), [("empty", 0), ("nothing", 0), ("truncated", None)])
def test_what_arrived_whole_as_far_as_http_can_tell_is_left_to_the_decoder(
    server: HostileServer, downloader: Downloader, path: str, length: int | None
):
    outcome = only(downloader, server.url(path))
    assert isinstance(outcome.result, bytes)
    assert length is None or len(outcome.result) == length


@pytest.mark.parametrize("path", ["silent", "stalled"])
def test_a_server_that_falls_silent_is_waited_for_only_so_long_and_asked_again(server: HostileServer, path: str):
    with with_rules(read_seconds=0.1) as downloader:
        outcome = only(downloader, server.url(path))
    assert (reason(outcome), outcome.attempts, outcome.final_url) == ("timeout", 3, None)
    assert server.paths[f"/{path}"] == 3


def test_an_answer_that_only_drips_ends_with_the_total_time(server: HostileServer):
    with with_rules(total_seconds=0.2, retries=0) as downloader:
        assert reason(only(downloader, server.url("drip"))) == "timeout"


def test_the_outcome_names_the_last_address_and_its_status(server: HostileServer, downloader: Downloader):
    outcome = only(downloader, server.url("to?url=/missing"))
    assert (outcome.final_url, outcome.status) == (server.url("missing"), 404)
    assert only(downloader, server.url("hops/1")).final_url == server.url("image/0")
    nowhere = only(downloader, server.url("to?url=http://127.0.0.1:9/"))
    assert (reason(nowhere), nowhere.final_url, nowhere.status) == ("connect", server.url("to?url=http://127.0.0.1:9/"), 307)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2/", "http://10.0.0.1/a.jpg", "http://169.254.169.254/latest/meta-data", "http://[::1]/", "//192.168.1.1/x",
        "http://[::ffff:10.0.0.1]/", "http://0/", "http://2130706434/", "http://0x7f.2/", "http://0177.0.0.2/", "http://localhost.localdomain./",
        "http://224.0.0.1/", "http://255.255.255.255/", "http://[fe80::1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::]/",
    ],
)  # fmt: skip
def test_a_redirect_into_a_private_network_is_refused(server: HostileServer, downloader: Downloader, target: str, monkeypatch: Any):
    names_resolve_to(monkeypatch, "127.0.0.3")
    assert reason(only(downloader, server.url(f"to?url={target}"))) == "private_address"


@pytest.mark.parametrize(
    "target", ["ftp://example.org/a.jpg", "file:///etc/passwd", "http://me:secret@127.0.0.1/", "http://a b/", "javascript:1"]
)
def test_a_redirect_to_no_web_address_is_refused(server: HostileServer, downloader: Downloader, target: str):
    outcome = only(downloader, server.url(f"to?url={target}"))
    assert reason(outcome) == "bad_url"
    assert "secret" not in str(outcome.result)


def names_resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let each lookup of a name have the next of ``answers``, the last one for ever; return the names that were looked up."""
    asked: list[str] = []

    async def resolve(self: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
    return asked


def test_a_name_is_judged_by_the_address_that_is_connected_to(server: HostileServer, monkeypatch: pytest.MonkeyPatch):
    asked = names_resolve_to(monkeypatch, "10.0.0.1")
    with with_rules() as downloader:
        assert reason(only(downloader, server.url("image/1", "inside.example"))) == "private_address"
    assert asked == ["inside.example"]


def test_a_name_whose_address_changes_between_check_and_connection_is_looked_up_once(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
):
    """DNS rebinding: the first answer passes, any later one would be an address inside."""
    asked = names_resolve_to(monkeypatch, "127.0.0.1", "10.0.0.1")
    with with_rules() as downloader:
        assert only(downloader, server.url("last/1", "rebound.example")).result == picture(1)
    assert asked == ["rebound.example"]


def test_a_name_without_an_address_and_a_port_without_a_server_are_told_apart(downloader: Downloader):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        refused = only(downloader, f"http://127.0.0.1:{taken.getsockname()[1]}/a.jpg")
    assert (reason(refused), refused.attempts) == ("connect", 1)
    assert reason(only(downloader, "http://no-such-host.invalid/a.jpg")) == "dns"


@pytest.mark.parametrize(
    "tag", ["noai", "NoImageAI", "all, NOINDEX", "none", "glmv-curation: noai", "otherbot: nofollow, glmv-curation: noindex"]
)
def test_the_word_of_the_owner_counts(server: HostileServer, downloader: Downloader, tag: str):
    outcome = only(downloader, server.url(f"robots?tag={tag.replace(' ', '%20')}"))
    assert isinstance(outcome.result, OptedOut)
    with with_rules(opt_out=()) as deaf:
        assert only(deaf, server.url(f"robots?tag={tag.replace(' ', '%20')}")).result == picture(0)


def test_one_of_several_headers_is_enough(server: HostileServer, downloader: Downloader):
    assert only(downloader, server.url("robots?tag=nosnippet&tag=noai")).result == OptedOut("noai")
    assert only(downloader, server.url("robots?tag=nosnippet&tag=all")).result == picture(0)


def test_equal_addresses_are_asked_for_once_and_outcomes_are_in_order(server: HostileServer, downloader: Downloader):
    urls = [server.url(path) for path in ("image/31", "missing?once", "image/32", "image/31", "missing?once")]
    results = [outcome.result for outcome in downloader.download(urls)]
    assert results == [picture(31), results[1], picture(32), picture(31), results[1]]
    assert (server.paths["/image/31"], server.paths["/missing?once"]) == (1, 1)


def test_servers_are_told_who_asks_and_nothing_is_packed(server: HostileServer):
    with with_rules(user_agent="my-crawler/2 (+https://my.lab)") as downloader:
        only(downloader, server.url("image/41"))
        assert isinstance(only(downloader, server.url("robots?tag=my-crawler:noai")).result, OptedOut)
    (request,) = (request for request in server.requests if request.path == "/image/41")
    assert request.headers["user-agent"] == "my-crawler/2 (+https://my.lab)"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("most", "per_host", "workers", "expected"), [(6, 40, 1, 6), (40, 5, 1, 5), (12, 40, 4, 3), (40, 2, 4, 1)])
def test_no_more_requests_are_in_flight_than_a_process_may_have(most: int, per_host: int, workers: int, expected: int):
    with HostileServer() as server, Downloader(replace(QUICK, max_in_flight=most, per_host=per_host), workers) as downloader:
        outcomes = downloader.download([server.url(f"image/{n % 5}?{n}") for n in range(60)])
        assert server.most_in_flight <= expected
        assert server.connections <= expected
    assert all(isinstance(outcome.result, bytes) for outcome in outcomes)


def test_a_machine_without_file_descriptors_is_at_fault_and_no_server():
    key: Any = None
    with pytest.raises(EnvironmentFault, match="ulimit -n"):
        failure_of(aiohttp.ClientConnectorError(key, OSError(errno.EMFILE, "Too many open files")), QUICK)


def test_a_length_below_the_truth_never_yields_a_whole_image(server: HostileServer, downloader: Downloader):
    """The rest of the body stands where the next answer should: whether that is seen in time is chance, and dead it is in any case."""
    result = only(downloader, server.url("short")).result
    assert result == picture(0)[: len(picture(0)) // 2] or (isinstance(result, Failure) and result.reason == "bad_response")


def test_hashes_of_what_arrived_are_those_of_what_was_sent(server: HostileServer, downloader: Downloader):
    """Many at once, over few connections: no body is taken for another's."""
    seeds = [n % 16 for n in range(200)]
    outcomes = downloader.download([server.url(f"image/{seed}?{n}") for n, seed in enumerate(seeds)])
    found = [hashlib.sha256(outcome.result).digest() if isinstance(outcome.result, bytes) else b"" for outcome in outcomes]
    assert found == [hashlib.sha256(picture(seed)).digest() for seed in seeds]
