"""What can keep `alpes autoscale` from its work. Each class says what the user should do."""

from terminal.errors import WRONG_USAGE, CommandError


class NothingToScaleError(CommandError):
    """No function that was named has bounds: write `autoscale: {min: …, max: …}` into its configuration."""

    exit_code = WRONG_USAGE
