"""What can keep the local stack from running; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class LocalStackError(CommandError):
    """A reason to stop, told in one line."""


class SettingsError(LocalStackError):
    """A variable of the environment says something that can't be: set it right, or unset it."""

    exit_code = WRONG_USAGE


class PortTakenError(LocalStackError):
    """Somebody else listens on a port: stop them, or let the stack choose."""


class NoSpaceError(LocalStackError):
    """The disk is too full: make room, or point ALPES_HOME or ALPES_CACHE elsewhere."""


class DownloadError(LocalStackError):
    """Pulsar's distribution can't be had: the message names the cause."""


class ChecksumError(LocalStackError):
    """What was downloaded is not what is pinned: never use it."""


class StartError(LocalStackError):
    """A part did not come up: its log, named in the message, says why."""


class NotSetUpError(LocalStackError):
    """There is no stack here yet, or not for that service: run `up` first."""

    exit_code = WRONG_USAGE


class OtherPortsError(LocalStackError):
    """The data in this folder are known by other ports: use those, or another folder."""

    exit_code = WRONG_USAGE
