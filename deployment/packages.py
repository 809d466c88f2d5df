"""Builds each function's zip: its package, the runtime and the schemas. The same sources give the same bytes."""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from deployment.function_configs import CHECKOUT, PulsarFunctionConfig
from terminal.output import writing

BUILD = CHECKOUT / "build"
SHIPPED = {".py", ".sql", ".jinja"}
LEFT_OUT = {"__pycache__", "operations", "testing.py"}
"""Folders and files that no zip holds. A change to an operator's statement or to a fake must not restart a function."""
EARLIEST = (1980, 1, 1, 0, 0, 0)
READABLE = 0o100644 << 16


@dataclass(frozen=True)
class Packaged:
    """A function and its zip."""

    config: PulsarFunctionConfig
    package: Path


def sources(service: str, root: Path = CHECKOUT) -> Iterator[tuple[Path, str]]:
    """Yield the files of a service's zip in their order, each with its name in the zip."""
    yield root / "functions" / "__init__.py", "functions/__init__.py"
    runtime = root / "runtime"
    for top, folder in (
        (root, f"functions/{service}"),
        (root, "schemas"),
        (runtime, "alpes_runtime"),
        (runtime, "alpes_wire"),
    ):
        for path in sorted((top / folder).rglob("*")):
            relative = path.relative_to(top)
            if path.suffix in SHIPPED and path.is_file() and not LEFT_OUT & set(relative.parts):
                yield path, relative.as_posix()


def build(
    config: PulsarFunctionConfig, folder: Path = BUILD, root: Path = CHECKOUT, wheels: Sequence[Path] = ()
) -> Path:
    """Write a function's zip.

    Pulsar's Python instance unpacks it, and puts `<the zip's base name>/src` on its path. Whoever reads it meanwhile,
    such as a deployment to another cluster, finds it whole.

    Parameters
    ----------
    config
        The function.
    folder
        Where the zip goes.
    root
        The checkout.
    wheels
        Packages that the zip brings; see `deployment.wheels`.

    Returns
    -------
    Path
        ``<folder>/alpes-<service>.zip``
    """
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / f"alpes-{config.service}.zip"
    # Stored, not compressed: two versions of a compressor may make different bytes of the same file.
    with writing(package) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        files = [(source, f"src/{name}") for source, name in sources(config.service, root)]
        for source, name in [*files, *((wheel, f"deps/{wheel.name}") for wheel in wheels)]:
            entry = zipfile.ZipInfo(f"{package.stem}/{name}", EARLIEST)
            entry.external_attr = READABLE
            entry.create_system = 3
            archive.writestr(entry, source.read_bytes())
    return package


def write_config(config: PulsarFunctionConfig, package: Path) -> Path:
    """Write a function's configuration beside its zip, as Pulsar takes it; return the file."""
    path = package.with_name(config.path.name)
    with writing(path) as file:
        file.write(yaml.safe_dump(config.pulsar_values, sort_keys=False, allow_unicode=True).encode())
    return path


def build_all(
    configs: Sequence[PulsarFunctionConfig], folder: Path | None = None, wheels: Sequence[Path] = ()
) -> list[Packaged]:
    """Write the zips of several functions; see `build`."""
    where = {} if folder is None else {"folder": folder}
    return [Packaged(each, build(each, wheels=wheels, **where)) for each in configs]


def fingerprint(function: Packaged) -> str:
    """Return the SHA-256 of a function's zip."""
    return hashlib.sha256(function.package.read_bytes()).hexdigest()


def config_fingerprint(config: PulsarFunctionConfig) -> str:
    """Return the SHA-256 of a function's configuration.

    Comments don't count. Neither does the parallelism, since `deployment.releases` compares it on its own.
    """
    values = config.without_parallelism.pulsar_values
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
