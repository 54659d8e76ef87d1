"""What the client raises, as reasons. No text holds a port, an address in memory, or anything else that changes from run to run."""

import errno
import socket
import ssl
import zlib

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, TransferEncodingError

from pipelines.ingest.addresses import PrivateAddressError
from pipelines.ingest.rules import Download
from schemas.exits import EnvironmentFault
from schemas.protocols import Failure

_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
"""What this machine has run out of."""


def failure_of(error: Exception, rules: Download) -> tuple[Failure, bool]:
    """Return the failure that ``error`` stands for, and whether another attempt may end otherwise.

    Raises ``EnvironmentFault`` where this machine and no server is at fault.
    """
    if isinstance(error, (EnvironmentFault, MemoryError)):
        raise error
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, OSError) and inner.errno in _EXHAUSTED:
        raise EnvironmentFault(
            f"expected a connection, found {inner}; raise `ulimit -n`, or ask for less at once: --set download.max_in_flight=16"
        ) from error
    if isinstance(error, TimeoutError):
        return _timeout(error, rules), True
    if isinstance(error, aiohttp.ClientConnectorError):
        return _unconnected(error, inner), isinstance(inner, socket.gaierror) and inner.errno == socket.EAI_AGAIN
    if isinstance(error, ValueError) and isinstance(error, aiohttp.InvalidURL):
        return Failure("bad_url", f"the client refuses it: {error}"), False
    if _is_malformed(error):
        return Failure("bad_response", "expected an answer by the rules of HTTP, found one that breaks them"), False
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError)):
        return Failure("reset", "expected the whole answer, found that the server hung up"), True
    return Failure("bad_response", f"expected an answer by the rules of HTTP, found {type(error).__name__}"), False


def _timeout(error: TimeoutError, rules: Download) -> Failure:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure("timeout", f"expected a connection within {rules.connect_seconds:g} s")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return Failure("timeout", f"expected more of the answer within {rules.read_seconds:g} s")
    return Failure("timeout", f"expected the whole answer within {rules.total_seconds:g} s")


def _unconnected(error: aiohttp.ClientConnectorError, inner: BaseException) -> Failure:
    if isinstance(inner, PrivateAddressError):
        return Failure("private_address", str(inner))
    if isinstance(inner, ssl.SSLCertVerificationError):
        mend = "--set download.ca_file=FILE takes those of an authority of yours, --set download.verify_tls=false any"
        return Failure("tls", f"expected a valid certificate of {error.host}, found: {inner.verify_message.rstrip('.')}; {mend}")
    if isinstance(error, aiohttp.ClientSSLError):
        return Failure("tls", f"expected {error.host} to speak TLS with us, found that it does not")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Failure("dns", f"expected {error.host} to have an address, found none")
    return Failure("connect", f"expected a connection to {error.host}, found that it refuses or cannot be reached")


def _is_malformed(error: Exception) -> bool:
    """Tell whether the server speaks no HTTP: a bad status line or header, chunks or packed data that make no sense."""
    if isinstance(error, aiohttp.ClientPayloadError):
        return isinstance(error.__cause__, TransferEncodingError)
    return isinstance(error, (aiohttp.ClientResponseError, HttpProcessingError, zlib.error))
