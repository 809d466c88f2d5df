"""Shows settings without their secrets."""

from __future__ import annotations

import re

from psycopg import pq
from psycopg.conninfo import make_conninfo

from alpes_wire.dsn import parameters
from alpes_wire.errors import InvalidDsn

_IN_ADDRESS = re.compile(r"(?<=://)\S*(?=@)")
_NAMED = re.compile(
    r"((?:password|passwd|pwd|secret|token|passfile)\s*=\s*)('(?:\\.|[^'\\])*'?|(?:\\\s|\S)+)", re.IGNORECASE
)
_SECRET_NAME = re.compile(r"(PASSWORD|SECRET|TOKEN)(?!_FILE)", re.IGNORECASE)
MASK = "***"


def masked(variable: str, value: str) -> str:
    """Return a setting's value with its secrets replaced: passwords in addresses and DSNs, and tokens.

    A DSN is shown as libpq reads it, and one that libpq can't read isn't shown at all.

    Examples
    --------
    >>> masked("ALPES_PAGOS_DSN", "postgresql://pagos:abc@db/pagos?sslpassword=def")
    'user=pagos password=*** dbname=pagos host=db sslpassword=***'
    >>> masked("PULSAR_SERVICE_URL", "pulsar://pagos:a/b@pulsar:6650")
    'pulsar://pagos:***@pulsar:6650'
    """
    if variable.lower().endswith("dsn"):
        return _masked_dsn(value)
    if _SECRET_NAME.search(variable) and value:
        return MASK
    value = _IN_ADDRESS.sub(lambda found: _user(found[0]), value)
    return _NAMED.sub(rf"\1{MASK}", value)


def _masked_dsn(dsn: str) -> str:
    secret = {option.keyword.decode() for option in pq.Conninfo.get_defaults() if option.dispchar}
    try:
        found = parameters(dsn)
    except InvalidDsn:
        return MASK
    return make_conninfo("", **{name: MASK if name in secret else value for name, value in found.items()})


def _user(user_and_password: str) -> str:
    user, colon, _ = user_and_password.partition(":")
    return f"{user}:{MASK}" if colon else user
