"""Which addresses may be asked: http and https, without credentials, on hosts of the public internet.

A list of URLs is written by strangers. Whoever puts ``http://169.254.169.254/`` into it, or a name that resolves there, asks
for the secrets of the machine that downloads (SSRF). So a literal address is judged as it stands, and a name by what it
resolves to, in the resolver whose answer is then connected to: there is no second lookup in between.
"""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from schemas.protocols import Failure

Address = IPv4Address | IPv6Address

LONGEST = 8192
"""Characters of an address at most (ours: servers take about as many)."""
_NO_HOST = re.compile(r"[\s\\<>^`{|}]")
_NAT64 = IPv6Network("64:ff9b::/96")
_ALLOW = "--set 'download.allow_networks=[NETWORK/BITS]' allows it"


class PrivateAddressError(OSError):
    """A name resolves to addresses that are not public."""


class Networks:
    """The public internet, and further networks that the job allows."""

    def __init__(self, allowed: Sequence[str]) -> None:
        """Take further networks such as ``10.1.0.0/16``; raises ``ValueError`` for one that is none."""
        self._allowed = [ip_network(text) for text in allowed]

    def hold(self, address: Address) -> bool:
        """Tell whether ``address`` may be connected to; an IPv6 address that carries an IPv4 one is judged by that as well."""
        if any(address.version == network.version and address in network for network in self._allowed):
            return True
        return all(
            one.is_global and not one.is_multicast and not one.is_reserved and not getattr(one, "is_site_local", False)
            for one in _meant(address)
        )


class PublicResolver(AbstractResolver):
    """Resolves by ``inner`` and answers only addresses that ``networks`` hold."""

    def __init__(self, inner: AbstractResolver, networks: Networks) -> None:
        self._inner, self._networks = inner, networks

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of ``host`` that may be connected to; raises ``PrivateAddressError`` where it has others only."""
        found = await self._inner.resolve(host, port, family)
        public = [result for result in found if self._networks.hold(ip_address(result["host"]))]
        if found and not public:
            raise PrivateAddressError(f"{host} resolves to addresses that are not public; {_ALLOW}")
        return public

    async def close(self) -> None:
        """Close the resolver behind this one."""
        await self._inner.close()


def checked(text: str, networks: Networks) -> URL | Failure:
    """Return the address ``text`` if it may be asked; failures: ``bad_url``, ``private_address``."""
    if len(text) > LONGEST:
        return Failure("bad_url", f"expected at most {LONGEST} characters, found {len(text)}")
    try:
        url = URL(text)
        host, port = url.host, url.port
        asked = host and _literal(host)
    except ValueError as error:
        return Failure("bad_url", f"{text!r} is no address: {error}")
    if url.scheme not in ("http", "https") or not host or not port or _NO_HOST.search(host):
        return Failure("bad_url", f"expected http://HOST or https://HOST, found {text!r}")
    if url.user is not None or url.password is not None:
        return Failure("bad_url", f"expected an address without credentials, found some for {host}")
    if asked and not networks.hold(asked):
        return Failure("private_address", f"{host} is not a public address; {_ALLOW}")
    if isinstance(asked, IPv4Address) and str(asked) != host:
        return Failure("bad_url", f"{host} is the address {asked} in disguise")
    return url.with_fragment(None)


def _literal(host: str) -> Address | None:
    """Return the address that ``host`` spells, in decimal, octal and hexadecimal forms too; None for a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def _meant(address: Address) -> list[Address]:
    """Return what ``address`` leads to: an IPv4 address that is mapped or behind a NAT64, or itself, with what 6to4 and Teredo carry."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped or address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, *filter(None, (address.sixtofour, *(address.teredo or ())))]
