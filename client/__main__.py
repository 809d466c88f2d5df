"""Entry point of the command `alpes`."""

from client.cli import alpes


def main() -> None:
    """Run the command line."""
    alpes(prog_name="alpes")


if __name__ == "__main__":
    main()
