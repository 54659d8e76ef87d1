"""Which addresses may be asked, whatever form they come in."""

import asyncio
import socket
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pipelines.ingest.addresses import LONGEST, Networks, PrivateAddressError, PublicResolver, checked
from schemas.protocols import Failure

NOWHERE = Networks(())
PRIVATE = ("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "192.0.2.1", "192.168.0.1")
MULTICAST_AND_RESERVED = ("224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255")
PRIVATE6 = ("::", "::1", "fe80::1", "fc00::1", "ff02::1", "fec0::1", "2001:db8::1", "100::1")
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1")


def reason(text: str, networks: Networks = NOWHERE) -> str | None:
    found = checked(text, networks)
    return found.reason if isinstance(found, Failure) else None


def host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", [*PRIVATE, *MULTICAST_AND_RESERVED, *PRIVATE6])
def test_an_address_that_is_not_public_is_refused(address: str):
    assert reason(f"http://{host(address)}/a.jpg") == "private_address"
    assert not NOWHERE.hold(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_one_is_not(address: str):
    assert reason(f"https://{host(address)}:8443/a.jpg") is None


@pytest.mark.parametrize("address", [*PRIVATE, *MULTICAST_AND_RESERVED])
def test_an_address_of_ipv4_is_refused_inside_one_of_ipv6_too(address: str):
    number = int(ip_address(address))
    teredo = (0x20010000 << 96) | (int(ip_address("8.8.8.8")) << 64) | (number ^ 0xFFFFFFFF)
    for packed in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80 | 1, teredo):
        assert reason(f"http://[{ip_address(packed)}]/") == "private_address", ip_address(packed)


@given(st.sampled_from(PRIVATE), st.sampled_from(("{}", "{:#x}", "0{:o}")))
def test_an_address_in_disguise_is_refused(address: str, form: str):
    number = int(ip_address(address))
    parts = [number >> 24, number >> 16 & 255, number >> 8 & 255, number & 255]
    forms = [form.format(number), ".".join(form.format(part) for part in parts), ".".join(map(form.format, (parts[0], number & 0xFFFFFF)))]
    assert {reason(f"http://{text}/") for text in forms} == {"private_address"}


@pytest.mark.parametrize("text", ["http://134744072/", "http://0x08080808/", "http://010.8.8.8/"])
def test_a_public_address_in_disguise_is_no_address(text: str):
    assert reason(text) == "bad_url"


@pytest.mark.parametrize(
    "text",
    [
        "", "a.jpg", "//example.org/a.jpg", "ftp://example.org/a", "file:///etc/passwd", "data:image/png;base64,AA==", "http://",
        "http:///a.jpg", "http://exa mple.org/", "http://example.org:99999/", "http://example.org:x/", "http://u:p@example.org/",
        "http://u@example.org/", "http://[::1/", "gopher://example.org/", "HTTP", "http://example.org/" + "a" * LONGEST, "\x00",
        "http://example.org\\@10.0.0.1/", "http://xn--/",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(text: str):
    assert reason(text) in ("bad_url", None if text == "http://xn--/" else "bad_url")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_failure(text: str):
    for whole in (text, f"http://{text}", f"http://example.org/{text}"):
        assert isinstance(checked(whole, NOWHERE), (URL, Failure))


def test_credentials_are_in_no_error():
    found = checked("https://name:secret@example.org/a.jpg", NOWHERE)
    assert isinstance(found, Failure)
    assert "secret" not in found.error


def test_networks_of_the_job_are_allowed_and_no_others():
    networks = Networks(("127.0.0.0/30", "fd00::/8"))
    assert reason("http://127.0.0.1/", networks) is None
    assert reason("http://[fd00::7]/", networks) is None
    assert {reason(f"http://{host(a)}/", networks) for a in ("127.0.0.4", "10.0.0.1", "::1", "::ffff:10.0.0.1")} == {"private_address"}


class Fixed(AbstractResolver):
    """Answers every name with the same addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_UNSPEC) -> Any:
        return [{"hostname": host, "host": a, "port": port, "family": family, "proto": 0, "flags": 0} for a in self.addresses]

    async def close(self) -> None:
        pass


@given(st.permutations([*PRIVATE, "8.8.8.8", "fe80::1%eth0", "::ffff:127.0.0.1"]))
def test_of_a_names_addresses_only_public_ones_are_connected_to(addresses: list[str]):
    found = asyncio.run(PublicResolver(Fixed(*addresses), NOWHERE).resolve("mixed.example"))
    assert [result["host"] for result in found] == ["8.8.8.8"]


def test_a_name_with_private_addresses_alone_is_refused():
    with pytest.raises(PrivateAddressError, match=r"inside\.example resolves to addresses that are not public"):
        asyncio.run(PublicResolver(Fixed("10.0.0.1", "::1"), NOWHERE).resolve("inside.example"))
