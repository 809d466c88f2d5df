"""Reads the file of `alpes`: where the system is, and the options that a command shall have without being told."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from client.errors import ConfigFileError
from terminal.settings import CONFIG_FILE, OF_SYSTEM

TZ = "tz"
SYSTEM_KEYS = {setting.key: setting.variable for setting in OF_SYSTEM}
DSN_END = "-dsn"
"""Any service may have a database: `envios-dsn` is that of a service Envios."""


def path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return where the file is or would be; None where there is no home."""
    if named := environ.get(CONFIG_FILE.variable):
        return Path(named)
    try:
        folder = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    except RuntimeError:
        return None
    return folder / "alpes" / "config.toml"


def load(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Read the file; empty if there is none.

    Raises
    ------
    ConfigFileError
        If it isn't TOML, can't be read, or is missing though `ALPES_CONFIG` names it.
    """
    file = path(environ)
    if file is None or not (environ.get(CONFIG_FILE.variable) or _exists(file)):
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigFileError(f"{file} can't be read: {error.strerror}. Mend it, or unset ALPES_CONFIG.") from error
    except ValueError as error:
        raise ConfigFileError(f"{file} is not valid TOML: {' '.join(str(error).split())}.") from error


def _exists(file: Path) -> bool:
    # In a home that this user may not look into there is none.
    with suppress(OSError):
        return file.exists()
    return False


def system(content: Mapping[str, Any], file: Path | None) -> dict[str, str]:
    """Return what the file says of where the system is, by environment variable."""
    found = {}
    for key, value in content.items():
        variable = SYSTEM_KEYS.get(key) or (_dsn_variable(key) if key.endswith(DSN_END) else "")
        if variable:
            if not isinstance(value, str):
                raise ConfigFileError(f"{file}: {key} must be a text, not {value!r}.")
            found[variable] = value
    return found


def defaults(
    content: Mapping[str, Any], group: click.Group, ctx: click.Context, file: Path | None, *, only: str | None
) -> dict[str, Any]:
    """Return the options that the file sets, in the form of click's ``default_map``.

    Parameters
    ----------
    content
        The file's content.
    group
        The command `alpes`.
    ctx
        A context of it.
    file
        The file's name, for errors.
    only
        The subcommand that is used: the tables of others aren't looked into, since that imports them. None for all.

    Raises
    ------
    ConfigFileError
        If a key names no setting, no command or no option.
    """
    commands = group.list_commands(ctx)
    known = [*SYSTEM_KEYS, TZ, *commands]
    found: dict[str, Any] = {}
    for key, value in content.items():
        if key in commands:
            if only in {None, key}:
                command = group.get_command(ctx, key)
                if command is not None:
                    found[key] = _of_command(command, ctx, value, key, file)
        elif key not in known and not key.endswith(DSN_END):
            raise ConfigFileError(f"{file}: there is no setting {key!r}. {_nearest(key, known)}")
    if TZ in content and not os.environ.get("TZ"):
        zone = _value(content[TZ], f"{file}: {TZ}")
        for name in commands if only is None else [only]:
            command = group.get_command(ctx, name)
            if command is not None:
                found[name] = _merged(_with_zone(command, ctx, zone), found.get(name, {}))
    return found


def _of_command(command: click.Command, ctx: click.Context, table: Any, name: str, file: Path | None) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigFileError(f"{file}: {name} is a command, so it must be a table of options: [{name}].")
    options = {
        option.removeprefix("--"): param
        for param in command.get_params(ctx)
        if isinstance(param, click.Option) and param.expose_value
        for option in param.opts
        if option.startswith("--")
    }
    below = command.list_commands(ctx) if isinstance(command, click.Group) else []
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(command, click.Group) and key in below:
            subcommand = command.get_command(ctx, key)
            if subcommand is not None:
                found[key] = _of_command(subcommand, ctx, value, f"{name}.{key}", file)
        elif key in options:
            found[str(options[key].name)] = _value(value, f"{file}: {name}.{key}", options[key])
        else:
            raise ConfigFileError(
                f"{file}: alpes {name.replace('.', ' ')} has no option {key!r}. {_nearest(key, [*options, *below])}"
            )
    return found


def _with_zone(command: click.Command, ctx: click.Context, zone: Any) -> dict[str, Any]:
    """Return the time zone for a command that shows times, or for the subcommands that do."""
    found: dict[str, Any] = {
        str(param.name): zone for param in command.params if isinstance(param, click.Option) and "--tz" in param.opts
    }
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            subcommand = command.get_command(ctx, name)
            if subcommand is not None and (below := _with_zone(subcommand, ctx, zone)):
                found[name] = below
    return found


def _merged(general: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return both, subcommands merged likewise; what is a command's own goes before."""
    below = {key: _merged(value, own.get(key, {})) for key, value in general.items() if isinstance(value, dict)}
    return general | own | below


def _value(value: Any, where: str, option: click.Option | None = None) -> Any:
    """Return a value as the command line would have it, where a flag has none and an option may come several times."""
    if option is not None and option.multiple:
        return [_value(each, where) for each in (value if isinstance(value, list) else [value])]
    if option is not None and option.is_flag:
        if not isinstance(value, bool):
            raise ConfigFileError(f"{where} must be true or false.")
        return value
    if isinstance(value, bool | list | dict):
        raise ConfigFileError(f"{where} must be a text or a number.")
    return str(value)


def _dsn_variable(key: str) -> str:
    return f"ALPES_{key.upper().replace('-', '_')}"


def _nearest(key: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
