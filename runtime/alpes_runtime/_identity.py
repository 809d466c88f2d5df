"""As whom an instance connects: by its function's own token, if the worker's environment names one.

A worker without Kubernetes gives every instance the worker's own credentials (docs/decisions/0047). With a token of its
own, a function may do at Pulsar what its role may, and the worker's credentials are never used.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulsar

from alpes_wire import options_of

from .config import variable
from .errors import Misconfigured

# As the instance's main program opens its client, in Pulsar 4.0.8.
OPERATION_S = 30
LOOKUPS = 50_000


def token_variable(function: str) -> str:
    """Return the variable of the worker that names the file with a function's token.

    Examples
    --------
    >>> token_variable("ordenes")
    'ALPES_ORDENES_TOKEN_FILE'
    """
    return f"ALPES_{function.upper().replace('-', '_')}_TOKEN_FILE"


def own_token(function: str, environment: Mapping[str, str] = os.environ) -> Callable[[], bytes] | None:
    """Return what reads a function's own token; None if the worker's environment names none.

    The file is read again for each connection. If it can't be read then, such as while it is replaced, the token before
    it is used once more.

    Raises
    ------
    Misconfigured
        The file can't be read, or is empty.
    """
    name = token_variable(function)
    named = variable(name, environment)
    if not named:
        return None
    file, known = Path(named), b""

    def read() -> bytes:
        nonlocal known
        try:
            known = file.read_bytes().strip() or known
        except OSError as error:
            if not known:
                raise Misconfigured(f"The token file {file} ({name}) can't be read: {error.strerror}") from error
        return known

    if not read():
        raise Misconfigured(f"The token file {file} ({name}) is empty: write the token of {function}'s role into it")
    return read


def client_of(arguments: Sequence[str], token: Callable[[], bytes]) -> Any:
    """Return a client like the one that Pulsar's instance opens, but with another token.

    Parameters
    ----------
    arguments
        The instance's command line.
    token
        Returns the token.
    """
    option = options_of(arguments)
    return pulsar.Client(
        option("pulsar_serviceurl"),
        authentication=pulsar.AuthenticationToken(lambda: token().decode()),
        operation_timeout_seconds=OPERATION_S,
        io_threads=1,
        message_listener_threads=1,
        concurrent_lookup_requests=LOOKUPS,
        tls_trust_certs_file_path=option("tls_trust_cert_path") or None,
        tls_allow_insecure_connection=option("tls_allow_insecure_connection") == "true",
        tls_validate_hostname=option("hostname_verification_enabled") == "true",
    )
