"""The secrets of a stack: where each file is, and who of the stack's processes connects as which role."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

from connection.security import CA_FILE, TOKEN_FILE, Security, from_environment
from local_stack import services
from local_stack.ports import HOST
from local_stack.settings import CHECKOUT, Settings

PERMISSIONS = CHECKOUT / "deployment" / "permissions.yaml"
"""Says which roles there are besides the functions', and what each may do."""
BROKER, PLATFORM = "broker", "platform"
"""The superusers: Pulsar itself, and who prepares the tenant and looks whether Pulsar is ready."""
DEPLOYER, OPERATOR, API = "deployer", "operator", "api"
"""As whom `./deploy.sh`, `alpes` and the HTTP API connect."""
PULSAR, POSTGRES = "pulsar", "postgres"
"""The servers that have a certificate."""
HOSTS: Mapping[str, Sequence[str]] = {PULSAR: (HOST, "localhost"), POSTGRES: (HOST, "localhost")}
ALGORITHM = "ES256"
"""With which tokens are signed, by its name in JWTs and in Pulsar's `tokenPublicAlg`."""
API_TOKEN_BYTES = 32


def folder(settings: Settings) -> Path:
    """Return the folder that holds them, which only its owner can enter."""
    return settings.home / "secrets"


def authority(settings: Settings) -> Path:
    """Return the certificate of the authority that signed those of the stack's servers."""
    return folder(settings) / "ca.pem"


def public_key(settings: Settings) -> Path:
    """Return the key with which Pulsar checks tokens."""
    return folder(settings) / "token.public.der"


def certificate(settings: Settings, server: str) -> tuple[Path, Path]:
    """Return a server's certificate and its key."""
    return folder(settings) / f"{server}.pem", folder(settings) / f"{server}.key.pem"


def token(settings: Settings, role: str) -> Path:
    """Return the file with a role's token."""
    return folder(settings) / "tokens" / role


def api_tokens(settings: Settings) -> Path:
    """Return the file with the token that callers of the HTTP API show."""
    return folder(settings) / "api.token"


def roles() -> list[str]:
    """Return all roles: Pulsar's own, the functions', and those of `deployment/permissions.yaml`."""
    others = yaml.safe_load(PERMISSIONS.read_text(encoding="utf-8"))["roles"]
    functions = [str(config["name"]) for config in services.read_configs().values() if config.get("name")]
    return [BROKER, PLATFORM, DEPLOYER, *functions, *others]


def make(settings: Settings, wanted: Iterable[str] | None = None, hosts: Mapping[str, Sequence[str]] = HOSTS) -> None:
    """Make what a secured stack lacks. What is there is kept: programs that run know it.

    Parameters
    ----------
    settings
        The stack's.
    wanted
        The roles that get tokens; by default all.
    hosts
        The names under which clients connect to each of its servers.
    """
    if not settings.secure:
        return
    # Only a secured stack needs these packages, which take a while to load.
    from local_stack.secured.certificates import Authority, write_private  # noqa: PLC0415
    from local_stack.secured.tokens import Signer  # noqa: PLC0415

    signs = Authority(folder(settings))
    for server, names in hosts.items():
        signs.server(server, names)
    signer = Signer(folder(settings))
    token(settings, "").mkdir(exist_ok=True, mode=0o700)
    for role in wanted or roles():
        if not token(settings, role).exists():
            write_private(token(settings, role), signer.token(role).encode())
    if not api_tokens(settings).exists():
        write_private(api_tokens(settings), f"{secrets.token_hex(API_TOKEN_BYTES)}\n".encode())


def variables(settings: Settings, role: str) -> dict[str, str]:
    """Return the variables with which a process connects as a role; none for a stack that asks nobody who he is."""
    if not settings.secure:
        return {}
    return {CA_FILE: str(authority(settings)), TOKEN_FILE: str(token(settings, role))}


def security(settings: Settings, role: str) -> Security:
    """Return how this process connects as a role, whatever its own environment says."""
    return from_environment(variables(settings, role))


def function_variables(settings: Settings) -> dict[str, str]:
    """Return the variables that name the functions' tokens, as the runtime looks for them."""
    if not settings.secure:
        return {}
    names = [str(config["name"]) for config in services.read_configs().values() if config.get("name")]
    return {f"ALPES_{name.upper().replace('-', '_')}_TOKEN_FILE": str(token(settings, name)) for name in names}
