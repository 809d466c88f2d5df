"""Errors of the local stack; each class says what the user should do."""

from terminal.errors import WRONG_USAGE, CommandError


class LocalStackError(CommandError):
    """The command stops with a message of one line."""


class SettingsError(LocalStackError):
    """An environment variable is invalid: correct it, or unset it."""

    exit_code = WRONG_USAGE


class PortTakenError(LocalStackError):
    """Another process uses a port: stop it, or let the stack choose other ports."""


class NoSpaceError(LocalStackError):
    """The disk is too full: make room, or point ALPES_HOME or ALPES_CACHE elsewhere."""


class DownloadError(LocalStackError):
    """Pulsar's distribution can't be downloaded: the message names the cause."""


class ChecksumError(LocalStackError):
    """The download differs from the pinned file: never use it."""


class StartError(LocalStackError):
    """A part did not start: its log, named in the message, says why."""


class NotSetUpError(LocalStackError):
    """There is no stack yet, or none for that service: run `up` first."""

    exit_code = WRONG_USAGE


class OtherPortsError(LocalStackError):
    """The data in this folder are tied to other ports: use those, or another folder."""

    exit_code = WRONG_USAGE
