"""Writes into Pulsar's configuration what the containers need: python3 docker/pulsar_settings.py /pulsar/conf."""

import re
import sys
from pathlib import Path

SETTINGS = {
    "standalone.conf": {
        # A confirmed message is on disk.
        "journalSyncData": "true",
        # Who asks at 6650, from another container, is sent to `pulsar`; who asks at 6651, from the host, to localhost.
        "bindAddresses": "external:pulsar://0.0.0.0:6651",
        "advertisedListeners": "internal:pulsar://pulsar:6650,external:pulsar://localhost:6651",
        "internalListenerName": "internal",
    },
    "functions_worker.yml": {
        # A dead instance is noticed by the health check only; the default is 30 s.
        "instanceLivenessCheckFreqMs": "2000",
    },
}


def with_settings(text: str, settings: dict[str, str], separator: str) -> str:
    """Return a configuration file's text with each setting in its place, or at the end where it has none."""
    for name, value in settings.items():
        line = f"{name}{separator}{value}"
        text, found = re.subn(rf"^{re.escape(name)}{separator.strip()}.*$", line, text, flags=re.MULTILINE)
        if not found:
            text += f"\n{line}\n"
    return text


def main() -> None:
    """Change the files in the folder named by the first argument."""
    conf = Path(sys.argv[1])
    for name, settings in SETTINGS.items():
        path = conf / name
        separator = "=" if path.suffix == ".conf" else ": "
        path.write_text(with_settings(path.read_text(), settings, separator))


if __name__ == "__main__":
    main()
