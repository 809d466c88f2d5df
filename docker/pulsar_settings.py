"""Changes Pulsar's configuration for the containers: python3 -m docker.pulsar_settings /pulsar/conf."""

import re
import sys
from pathlib import Path

from local_stack.conf_files import broker_settings, set_properties
from local_stack.settings import LIVENESS_CHECK_MS


def standalone_conf(original: str) -> str:
    """Return the distribution's `standalone.conf`, changed for a container called `pulsar`."""
    return set_properties(
        original,
        {
            **broker_settings(),
            # The broker sends clients of 6650 (containers) to `pulsar`, and clients of 6651 (the host) to localhost.
            "bindAddresses": "external:pulsar://0.0.0.0:6651",
            "advertisedListeners": "internal:pulsar://pulsar:6650,external:pulsar://localhost:6651",
            "internalListenerName": "internal",
        },
    )


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


def main() -> None:
    """Change the files in the folder named by the first argument."""
    conf = Path(sys.argv[1])
    for name, change in (("standalone.conf", standalone_conf), ("functions_worker.yml", functions_worker_yml)):
        path = conf / name
        path.write_text(change(path.read_text()))


if __name__ == "__main__":
    main()
