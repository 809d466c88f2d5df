"""Makes what the containers of a secured system need, and gives each its own alone: python3 -m docker.make_keys /keys.

Each folder below `/keys` is the volume of a container, but `authority`, which nobody else has. What is there is kept.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from docker.pulsar_settings import SECURED
from local_stack import services
from local_stack.conf_files import jaas_conf
from local_stack.secured import secrets
from local_stack.secured.certificates import write_private

HOSTS = {secrets.PULSAR: ("pulsar", "localhost", "127.0.0.1"), secrets.POSTGRES: ("postgres",)}
ALPES, POSTGRES = 10001, 999
"""The users of our images and of PostgreSQL's."""
FUNCTIONS = [str(config["name"]) for config in services.read_configs().values()]


def _tokens(*roles: str) -> list[Path]:
    return [secrets.token(SECURED, role) for role in roles]


PLACES = {
    "pulsar": [
        *secrets.certificate(SECURED, secrets.PULSAR),
        secrets.public_key(SECURED),
        *_tokens(secrets.BROKER, *FUNCTIONS),
    ],
    "postgres": [*secrets.certificate(SECURED, secrets.POSTGRES)],
    "prepare": _tokens(secrets.PLATFORM),
    "deploy": _tokens(secrets.DEPLOYER),
    "client": _tokens("client"),
    "api": _tokens(secrets.API),
}
FILES = {
    container: [str(place.relative_to(secrets.folder(SECURED))) for place in places]
    for container, places in PLACES.items()
}
"""What the volume of each container has, besides the authority's certificate."""


def main() -> None:
    """Make what is missing in the folder named by the first argument, and hand it out."""
    keys = Path(sys.argv[1])
    made = replace(SECURED, home=keys / "authority")
    secrets.make(made, hosts=HOSTS)
    for container, files in FILES.items():
        user = POSTGRES if container == "postgres" else ALPES
        for name in [secrets.authority(made).name, *files]:
            _hand_out(secrets.folder(made) / name, keys / container / name, user)
    # ZooKeeper's password, and the names that Pulsar's JVM knows: see docs/decisions/0049.
    for name, content in (("jaas.conf", jaas_conf(token_hex(16))), ("hosts", "127.0.0.1 localhost pulsar\n")):
        own = secrets.folder(made) / name
        if not own.exists():
            write_private(own, content.encode())
        _hand_out(own, keys / "pulsar" / name, ALPES)


def _hand_out(source: Path, target: Path, user: int) -> None:
    """Copy a file for one user alone. One that is the same already stays as it is: somebody may be reading it."""
    content = source.read_bytes()
    if target.exists() and target.read_bytes() == content:
        return
    target.parent.mkdir(exist_ok=True)
    target.parent.chmod(0o700)
    write_private(target, content)
    for path in (target.parent, target):
        os.chown(path, user, user)


if __name__ == "__main__":
    main()
