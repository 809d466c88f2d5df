"""Makes the key pair that signs tokens, and tokens for roles of Pulsar's."""

import datetime as dt
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_stack.secured.certificates import private_pem, write_private
from local_stack.secured.secrets import ALGORITHM


class Signer:
    """What signs tokens. Whoever checks them needs the public key alone.

    Parameters
    ----------
    folder
        Where its files are: `token.key.pem` and `token.public.der`. What is there is kept.
    """

    def __init__(self, folder: Path) -> None:
        private, self.public = folder / "token.key.pem", folder / "token.public.der"
        if not self.public.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write_private(private, private_pem(key))
            # As Pulsar reads it: the bare bytes.
            form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
            write_private(self.public, key.public_key().public_bytes(*form))
        self._key = private.read_bytes()

    def token(self, role: str, valid_for: dt.timedelta | None = None) -> str:
        """Return a token for a role; without ``valid_for``, it doesn't expire."""
        claims: dict[str, object] = {"sub": role}
        if valid_for is not None:
            claims["exp"] = dt.datetime.now(dt.UTC) + valid_for
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)
