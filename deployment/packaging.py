"""`./deploy.sh package`: writes the functions' zips, for those who deploy them in another way or on other workers."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from deployment import function_configs, packages, wheels
from deployment.errors import UsageError
from deployment.function_configs import CHECKOUT
from deployment.wheels import Interpreter
from terminal import progress

SELF_CONTAINED = packages.BUILD / "self-contained"
VERSION = re.compile(r"3\.\d{1,2}")


def wheel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which packages zips bring."""
    for option in (
        click.option(
            "--platform",
            "platforms",
            multiple=True,
            metavar="NAME",
            help="Their platform, for the wheels, such as manylinux_2_28_x86_64; may be given again.",
        ),
        click.option("--python", "python", metavar="3.N", help="The workers' Python, for the wheels (this machine's)."),
        click.option("--self-contained", is_flag=True, help="The zips bring the packages that functions import."),
    ):
        command = option(command)
    return command


def fetched(folder: Path, *, self_contained: bool, python: str | None, platforms: Sequence[str]) -> list[Path]:
    """Return the wheels that the options ask for, fetched into a folder; none without `self_contained`.

    Raises
    ------
    deployment.errors.DeploymentError
        The options are wrong, or a package can't be had.
    """
    if not self_contained and (python or platforms):
        raise UsageError("--python and --platform are for the wheels of --self-contained.")
    if python and not VERSION.fullmatch(python):
        raise UsageError(f"--python is {python!r}; it must be like 3.12.")
    if not self_contained:
        return []
    interpreter = Interpreter(python or Interpreter.version, tuple(platforms))
    with progress.step(f"Fetching packages for {interpreter}", f"Packages for {interpreter} fetched"):
        found = wheels.fetch(folder / "wheels", interpreter)
    own = ", ".join(wheels.versions(wheels.LOCK.read_text(encoding="utf-8")))
    progress.say(f"The workers' Python must have what any Pulsar function needs, as new as here: {own}.")
    return found


@click.command("package")
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@wheel_options
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where they go.")
def package(functions: Sequence[str], *, output: Path | None, **options: Any) -> None:
    """Write the zips of the functions named, or of all, each with its configuration beside it."""
    folder = (output or (SELF_CONTAINED if options["self_contained"] else packages.BUILD)).absolute()
    found = fetched(folder, **options)
    for config in function_configs.select(function_configs.load(), functions):
        path = packages.build(config, folder, wheels=found)
        packages.write_config(config, path)
        print(f"{_shown(path)}  {path.stat().st_size / 1e6:.1f} MB")


def _shown(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path
