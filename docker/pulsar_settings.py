"""Changes Pulsar's configuration for the containers: python3 -m docker.pulsar_settings /pulsar/conf.

The files of a secured system go to its folder `secured`.
"""

import re
import sys
from pathlib import Path

import yaml

from local_stack.conf_files import broker_settings, set_properties
from local_stack.secured import conf
from local_stack.settings import LIVENESS_CHECK_MS, Ports, Settings

SECURED = Settings(home=Path("/run/alpes"), cache=Path("/nowhere"), ports=Ports(), secure=True)
"""Where a secured system's container finds its keys: in the folder `secrets` of this home."""
BROKER, ADMIN = "pulsar+ssl://pulsar:6650", "https://pulsar:8080"


def standalone_conf(original: str) -> str:
    """Return the distribution's `standalone.conf`, changed for a container called `pulsar`."""
    return set_properties(original, {**broker_settings(), **_listeners("pulsar"), "webSocketServiceEnabled": "false"})


def functions_worker_yml(original: str) -> str:
    """Return the distribution's `functions_worker.yml`, with the interval at which dead instances are noticed."""
    changed, found = re.subn(
        r"^instanceLivenessCheckFreqMs:.*$",
        f"instanceLivenessCheckFreqMs: {LIVENESS_CHECK_MS}",
        original,
        flags=re.MULTILINE,
    )
    if found != 1:
        raise SystemExit("functions_worker.yml has no instanceLivenessCheckFreqMs: it is not Pulsar's own file.")
    return changed


def secured_standalone_conf(plain: str) -> str:
    """Return the same for a secured system."""
    return set_properties(
        plain, {**conf.standalone_conf(SECURED), **_listeners("pulsar+ssl"), "listeningInterface": "lo"}
    )


def secured_functions_worker_yml(plain: str) -> str:
    """Return the same for a secured system."""
    document = yaml.safe_load(plain) | conf.functions_worker_yml(SECURED)
    return yaml.safe_dump({**document, "pulsarServiceUrl": BROKER, "pulsarWebServiceUrl": ADMIN}, sort_keys=False)


def _listeners(scheme: str) -> dict[str, object]:
    """Return where the broker sends its clients: of 6650 (containers) to `pulsar`, of 6651 (the host) to localhost."""
    return {
        "bindAddresses": f"external:{scheme}://0.0.0.0:6651",
        "advertisedListeners": f"internal:{scheme}://pulsar:6650,external:{scheme}://localhost:6651",
        "internalListenerName": "internal",
    }


def main() -> None:
    """Change the files in the folder named by the first argument."""
    folder = Path(sys.argv[1])
    (folder / "secured").mkdir(exist_ok=True)
    for name, change, secure in (
        ("standalone.conf", standalone_conf, secured_standalone_conf),
        ("functions_worker.yml", functions_worker_yml, secured_functions_worker_yml),
    ):
        plain = change((folder / name).read_text())
        (folder / name).write_text(plain)
        (folder / "secured" / name).write_text(secure(plain))


if __name__ == "__main__":
    main()
