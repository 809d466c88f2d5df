"""What can keep the API from starting; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class UnsafeAddressError(CommandError):
    """The address can be reached from other machines, and no token is asked for: name a file of tokens."""

    exit_code = WRONG_USAGE


class TokenFileError(CommandError):
    """The file of tokens can't be used: correct it."""

    exit_code = WRONG_USAGE


class AddressTakenError(CommandError):
    """The API can't listen at this address: stop what does, or choose another one."""
