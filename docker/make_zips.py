"""Writes the functions' zips while the runner image is built: `python -m docker.make_zips FOLDER`."""

import sys
from pathlib import Path

from deployment import function_configs, packages


def main() -> None:
    """Write a zip for each function."""
    for config in function_configs.load().values():
        packages.build(config, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
