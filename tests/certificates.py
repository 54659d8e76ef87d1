"""Certificates for servers of tests, made anew in each run: signed by themselves or by an authority of their own."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Identity:
    """A name with its key and its certificate, below a folder."""

    folder: Path
    host: str = "127.0.0.1"
    signed_by: "Identity | None" = None
    """An authority; null signs itself."""
    days: int = 1
    """Days from now on for which it holds; below 0 it has run out."""

    @cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.host)])

    @cached_property
    def file(self) -> Path:
        """Write the certificate and return its path."""
        signer, end = self.signed_by or self, datetime.now(UTC) + timedelta(days=self.days)
        address = x509.IPAddress(ip_address(self.host)) if self.host[0].isdigit() else x509.DNSName(self.host)
        made = x509.CertificateBuilder(
            signer.name, self.name, self.key.public_key(), x509.random_serial_number(), end - timedelta(days=7), end
        )
        made = made.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        made = made.add_extension(x509.BasicConstraints(ca=self.signed_by is None, path_length=None), critical=True)
        return self._write("crt", made.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    @property
    def context(self) -> ssl.SSLContext:
        """What a server of this identity speaks TLS by."""
        plain = serialization.NoEncryption()
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.file, self._write("key", key))
        return made

    def _write(self, ending: str, data: bytes) -> Path:
        path = self.folder / f"{self.host}{self.days}{'' if self.signed_by else '-self'}.{ending}"
        path.write_bytes(data)
        return path
