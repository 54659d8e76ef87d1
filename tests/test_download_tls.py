"""Downloads by https: whose certificate is taken, what is said of one that is not, and connections that hostile servers hold open."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.ingest.download import Downloader
from pipelines.ingest.launch import main
from tests import ingesting, jobs
from tests.certificates import Identity
from tests.hostile_server import HostileServer, picture
from tests.test_download import QUICK, only, reason, with_rules


@pytest.fixture(scope="module")
def itself(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("itself"))


@pytest.fixture(scope="module")
def server(itself: Identity) -> Iterator[HostileServer]:
    with HostileServer(tls=itself.context) as hostile:
        yield hostile


def test_a_certificate_that_signs_itself_is_refused_and_nothing_is_asked(server: HostileServer):
    with with_rules() as downloader:
        outcome = only(downloader, server.url("image/1"))
    assert (reason(outcome), outcome.attempts, outcome.status) == ("tls", 1, None)
    assert "expected a valid certificate of 127.0.0.1, found: self-signed certificate; --set download.ca_file=FILE" in str(outcome.result)
    assert server.paths["/image/1"] == 0


def test_it_is_taken_where_its_file_is_given_or_nothing_is_checked(server: HostileServer, itself: Identity):
    with with_rules(ca_file=str(itself.file)) as downloader:
        assert only(downloader, server.url("image/2")).result == picture(2)
    with with_rules(verify_tls=False) as downloader:
        assert only(downloader, server.url("image/3")).result == picture(3)


@pytest.mark.parametrize(
    ("host", "days", "said"),
    [
        ("images.example", 1, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("127.0.0.2", 1, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("127.0.0.1", -1, "certificate has expired"),
    ],
)
def test_an_authority_vouches_for_no_other_host_and_no_other_time(tmp_path: Path, host: str, days: int, said: str):
    authority = Identity(tmp_path, "authority")
    with (
        HostileServer(tls=Identity(tmp_path, host, authority, days).context) as server,
        with_rules(ca_file=str(authority.file)) as downloader,
    ):
        outcome = only(downloader, server.url("image/1"))
    assert reason(outcome) == "tls"
    assert f"found: {said}; --set" in str(outcome.result)


def test_authorities_of_the_job_stand_beside_those_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    machine, ours = Identity(tmp_path, "machine"), Identity(tmp_path, "ours")
    monkeypatch.setenv("SSL_CERT_FILE", str(machine.file))
    with with_rules(ca_file=str(ours.file)) as downloader:
        for authority in (machine, ours):
            with HostileServer(tls=Identity(tmp_path, signed_by=authority).context) as server:
                assert only(downloader, server.url("image/1")).result == picture(1)


def test_a_host_that_speaks_no_tls_is_told_from_one_whose_certificate_is_bad():
    with socket.create_server(("127.0.0.1", 0)) as listener, with_rules() as downloader:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                connection.recv(4096)

        greeting = threading.Thread(target=greet)
        greeting.start()
        outcome = only(downloader, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        greeting.join()
    assert (reason(outcome), outcome.attempts) == ("tls", 1)
    assert "expected 127.0.0.1 to speak TLS with us" in str(outcome.result)


def test_the_ledger_says_why_and_the_same_list_arrives_with_the_authority(tmp_path: Path, server: HostileServer, itself: Identity):
    ingesting.write_list(tmp_path / "a.parquet", [{"url": server.url(f"image/{n}"), "caption": f"Harbour {n}"} for n in range(4, 7)])
    flags = ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", limits__max_dead_ratio=1)
    assert main(flags) == 0
    (old,) = tmp_path.glob("out/ingest/*")
    rows = jobs.query(old, "select distinct exit, reason, error, http_status, attempts from ledger")
    assert [row[:2] for row in rows] == [("dead", "tls")]
    assert "found: self-signed certificate" in rows[0][2]
    assert main([*flags, f"--set=download.ca_file={itself.file}"]) == 0
    (new,) = set(tmp_path.glob("out/ingest/*")) - {old}
    assert jobs.query(new, "select exit, count(*) from ledger group by 1") == [("kept", 3)]
    assert f"Certificates: checked, those of {itself.file} among the good ones" in (new / "README.md").read_text()


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (None, (), "'download.ca_file': expected certificates in PEM in "),
        ("", (), "'download.ca_file': expected certificates in PEM in "),
        ("no certificate", (), "'download.ca_file': expected certificates in PEM in "),
        ("", ("--set=download.verify_tls=false",), "expected verify_tls=true beside ca_file"),
    ],
)
def test_a_file_of_no_certificates_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, more: tuple[str, ...], said: str
):
    ingesting.write_list(tmp_path / "a.parquet", [{"url": "https://h/"}])
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    flags = ingesting.flags_for(tmp_path / "a.parquet", tmp_path / "out", download__ca_file=tmp_path / "ca.pem")
    assert main([*flags, *more, "--dry_run"]) == 2
    assert said in capsys.readouterr().err


class MuteServer:
    """Says one thing to each request by https, by default that a body is too large, and then neither reads nor writes nor hangs up."""

    def __init__(self, tls: ssl.SSLContext, says: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n") -> None:
        self._tls, self._says, self._held = tls, says, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "MuteServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for one in (self._listener, *self._held):
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # the end
            while True:
                self._held.append(self._tls.wrap_socket(self._listener.accept()[0], server_side=True))
                self._held[-1].recv(4096)
                self._held[-1].sendall(self._says)

    def clients(self) -> int:
        """Return how many connections of this process to the server are open."""
        return sum(bool(one.raddr) and one.raddr.port == self.port for one in psutil.Process().net_connections("tcp"))


def test_a_server_that_takes_no_leave_holds_no_connection(itself: Identity):
    """TLS ends by a word of both sides, and asyncio waits 30 s for the other's: a host could take every file descriptor by that."""
    with MuteServer(itself.context) as mute, Downloader(replace(QUICK, verify_tls=False)) as downloader:
        outcomes = downloader.download([f"https://127.0.0.1:{mute.port}/{n}" for n in range(40)])
        assert {reason(outcome) for outcome in outcomes} == {"too_many_bytes"}
        assert mute.clients() <= 1  # the last may be about to close
        downloader.close()
        assert mute.clients() == 0


def test_the_end_lets_go_of_connections_that_a_deadline_broke_off(itself: Identity):
    with MuteServer(itself.context, b"") as mute, with_rules(verify_tls=False, read_seconds=0.1, retries=0) as downloader:
        outcomes = downloader.download([f"https://127.0.0.1:{mute.port}/{n}" for n in range(8)])
        assert {reason(outcome) for outcome in outcomes} == {"timeout"}
        downloader.close()
        assert mute.clients() == 0
