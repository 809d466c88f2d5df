"""Entry point of the command `alpes`."""

from typing import NoReturn

from terminal.entry import enter


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    enter("client.cli", name="alpes", outlives_reader=True)


if __name__ == "__main__":
    main()
