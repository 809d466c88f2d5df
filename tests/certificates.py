"""Makes an authority, certificates and tokens, once, and keeps them in a folder."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_DAYS = 3650
SIGNED_WITH = "HS256"
SECRET_BYTES = 32


class Authority:
    """A certificate authority.

    Parameters
    ----------
    folder
        Where its files are: `ca.pem`, and for each server `NAME.pem` and `NAME.key.pem`. What is there is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.certificate = folder / "ca.pem"
        if not self.certificate.exists():
            self._make()

    def server(self, name: str, hosts: Sequence[str], days: int = VALID_DAYS) -> tuple[Path, Path]:
        """Return the files of a server's certificate and its key; make them if they aren't there.

        Parameters
        ----------
        name
            The files' name.
        hosts
            The names and IP addresses under which clients connect.
        days
            How long the certificate is valid.
        """
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key.pem"
        if not certificate.exists():
            own = ec.generate_private_key(ec.SECP256R1())
            signer = serialization.load_pem_private_key((self._folder / "ca.key.pem").read_bytes(), None)
            authority = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            unsigned = _unsigned(name, own, authority.subject, days).add_extension(names, critical=False)
            _write(key, _pem(own))
            _write(
                certificate,
                unsigned.sign(cast("ec.EllipticCurvePrivateKey", signer), hashes.SHA256()).public_bytes(
                    serialization.Encoding.PEM
                ),
            )
        return certificate, key

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = "authority of the tests"
        unsigned = _unsigned(name, key, _named(name), VALID_DAYS).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        _write(self._folder / "ca.key.pem", _pem(key))
        _write(self.certificate, unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def secret(file: Path) -> bytes:
    """Return the secret with which tokens are signed; draw it if the file isn't there."""
    if not file.exists():
        _write(file, secrets.token_bytes(SECRET_BYTES))
    return file.read_bytes()


def token(role: str, signed_by: bytes, valid_for: dt.timedelta | None = None) -> str:
    """Return a token for a role of Pulsar's; without ``valid_for``, it doesn't expire."""
    claims: dict[str, object] = {"sub": role}
    if valid_for is not None:
        claims["exp"] = dt.datetime.now(dt.UTC) + valid_for
    return jwt.encode(claims, signed_by, algorithm=SIGNED_WITH)


def _unsigned(name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    # Java reads keys in PKCS #8 alone.
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    aside = file.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_bytes(content)
    aside.replace(file)
