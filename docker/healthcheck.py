"""Exits with 0 when this container is ready for functions: its broker answers and its function worker has a leader."""

import sys
import urllib.error
import urllib.request

PATHS = ("/admin/v2/brokers/health", "/admin/v2/worker/cluster/leader")


def main() -> int:
    """Check both addresses; print the first failure to standard error."""
    for path in PATHS:
        url = f"http://127.0.0.1:8080{path}"
        try:
            with urllib.request.urlopen(url, timeout=4) as answer:
                answer.read()
        except (urllib.error.URLError, OSError) as error:
            sys.stderr.write(f"{url}: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
