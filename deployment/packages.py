"""Builds each function's zip: its package, the runtime and the schemas, always the same bytes from the same sources."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from deployment.function_configs import CHECKOUT, FunctionConfig

BUILD = CHECKOUT / "build"
# What a function needs to run. Protobuf sources, stubs and tests stay at home.
SHIPPED = {".py", ".sql"}
EARLIEST = (1980, 1, 1, 0, 0, 0)
READABLE = 0o100644 << 16


def sources(service: str, root: Path = CHECKOUT) -> Iterator[Path]:
    """The files that `service`'s zip holds, relative to `root`, in order."""
    yield Path("functions/__init__.py")
    for folder in ("functions/alpes_runtime", f"functions/{service}", "schemas", "wire"):
        for path in sorted((root / folder).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in SHIPPED and path.is_file() and not {"__pycache__", "tests"} & set(relative.parts):
                yield relative


def build(config: FunctionConfig, folder: Path = BUILD, root: Path = CHECKOUT) -> Path:
    """Write a function's zip.

    Pulsar's Python instance unpacks it and puts `<the zip's base name>/src` on the path.

    Returns
    -------
    Path
        ``<folder>/alpes-<service>.zip``
    """
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / f"alpes-{config.service}.zip"
    temporary = package.with_suffix(".new")
    # Stored, not compressed: what a compressor makes of the same bytes differs between its versions.
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for source in sources(config.service, root):
            entry = zipfile.ZipInfo(f"{package.stem}/src/{source.as_posix()}", EARLIEST)
            entry.external_attr = READABLE
            entry.create_system = 3
            archive.writestr(entry, (root / source).read_bytes())
    temporary.replace(package)
    return package


def fingerprint(config: FunctionConfig, package: Path) -> str:
    """SHA-256 over what a deployed function is made of: its zip and its configuration.

    Neither comments count nor the parallelism, which has a rule of its own.
    """
    values = {key: value for key, value in config.values.items() if key != "parallelism"}
    digest = hashlib.sha256(package.read_bytes())
    digest.update(json.dumps(values, sort_keys=True).encode())
    return digest.hexdigest()
