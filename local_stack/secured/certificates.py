"""Makes a certificate authority and the certificates of servers, once, and keeps them in a folder."""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID_DAYS = 3650


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
            write_private(key, private_pem(own))
            write_private(
                certificate,
                unsigned.sign(cast("ec.EllipticCurvePrivateKey", signer), hashes.SHA256()).public_bytes(
                    serialization.Encoding.PEM
                ),
            )
        return certificate, key

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"Alpes in {self._folder.parent.name}"[:64]
        unsigned = _unsigned(name, key, _named(name), VALID_DAYS).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        write_private(self._folder / "ca.key.pem", private_pem(key))
        write_private(self.certificate, unsigned.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8, the only form that Java reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(file: Path, content: bytes) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    aside = file.with_name(f"{file.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
    aside.replace(file)


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
