"""Exits with 0 when this container is ready for functions: its broker answers and its function worker has a leader.

Of a secured system, the first argument is the folder with the authority's certificate and the broker's token.
"""

import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

PATHS = ("/admin/v2/brokers/health", "/admin/v2/worker/cluster/leader")


def main() -> int:
    """Check both addresses; print the first failure to standard error."""
    address, headers, context = "http://127.0.0.1:8080", {}, None
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        address, context = "https://127.0.0.1:8080", ssl.create_default_context(cafile=folder / "ca.pem")
        headers = {"Authorization": f"Bearer {(folder / 'tokens' / 'broker').read_text()}"}
    for path in PATHS:
        url = f"{address}{path}"
        try:
            asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - https
            with urllib.request.urlopen(asked, timeout=4, context=context) as answer:  # noqa: S310 - https
                answer.read()
        except (urllib.error.URLError, OSError) as error:
            sys.stderr.write(f"{url}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
