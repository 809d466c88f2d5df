"""What can prevent a deployment. Each class says what the user should do."""

from terminal.errors import WRONG_USAGE, CommandError


class DeploymentError(CommandError):
    """The deployment can't go on; the message says why in one line."""


class UsageError(DeploymentError):
    """The command line names something that doesn't exist: the message names the nearest thing that does."""

    exit_code = WRONG_USAGE


class TargetError(DeploymentError):
    """The environment names neither a whole cluster nor the local stack: set or unset the variables in the message."""

    exit_code = WRONG_USAGE


class ContractError(DeploymentError):
    """A topic's contract would be broken, or the target forbids the change: each line says what, and how to go on."""


class StoppedError(DeploymentError):
    """A function was stopped on purpose, and a deployment would start it: start it first, or leave it out."""


class WorkerNotReadyError(DeploymentError):
    """The function worker lacks something that the functions need: provide it, then deploy again."""


class FunctionFailedError(DeploymentError):
    """A function exists but does not run: its log says why.

    Attributes
    ----------
    function : str
        ``tenant/namespace/name``.
    reason : str
        What is known of it, as one or more sentences.
    """

    def __init__(self, function: str, reason: str) -> None:
        name = function.rpartition("/")[2]
        super().__init__(f"Function {name}: {reason} See ./deploy.sh logs {name}")
        self.function = function
        self.reason = reason
