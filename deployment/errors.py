"""What can keep a deployment from being done; each class says what its reader should do."""


class DeploymentError(Exception):
    """A reason to stop, told in one line.

    Attributes
    ----------
    exit_code : int
        What the command exits with.
    """

    exit_code = 1


class UsageError(DeploymentError):
    """The command line asks for what there isn't: the message names the nearest there is."""

    exit_code = 2


class TargetError(DeploymentError):
    """The environment names neither a whole cluster nor the local stack: set or unset what the message names."""

    exit_code = 2


class AdminApiError(DeploymentError):
    """Pulsar's admin API can't be reached, or refused: see the message."""


class WorkerNotReadyError(DeploymentError):
    """The function worker lacks something that the functions need: provide it, then deploy again."""


class FunctionFailedError(DeploymentError):
    """A function was created but does not run: its log says why.

    Attributes
    ----------
    function : str
        ``tenant/namespace/name``.
    """

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(f"Function {function.rpartition('/')[2]}: {reason}")
        self.function = function
