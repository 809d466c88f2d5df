"""What can keep the local stack from running; each class says what its reader should do."""


class LocalStackError(Exception):
    """A reason to stop, told in one line."""


class PortTakenError(LocalStackError):
    """Somebody else listens on a port: stop them, or shift all ports with ALPES_PORT_OFFSET."""


class NoSpaceError(LocalStackError):
    """The disk is too full: make room, or point ALPES_HOME or ALPES_CACHE elsewhere."""


class DownloadError(LocalStackError):
    """Pulsar's distribution can't be had: check the network, then try again."""


class ChecksumError(LocalStackError):
    """What was downloaded is not what is pinned: never use it."""


class StartError(LocalStackError):
    """A part did not come up: its log, named in the message, says why."""


class NotSetUpError(LocalStackError):
    """There is no stack here yet: run `up` first."""


class OtherPortsError(LocalStackError):
    """The stack in this folder was set up with other ports: use those, or another folder."""
