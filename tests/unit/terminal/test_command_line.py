"""An error of the system is told in its own words, in one line."""

import pytest

from terminal import command_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("no route\nto nowhere"), "no route to nowhere."),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused."),
        (PermissionError(13, "Permission denied", "/a/b"), "Can't read or write /a/b: Permission denied."),
    ],
)
def test_an_error_of_the_system_is_one_line(error: OSError, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise error

    assert command_line.run(work, "Interrupted.") == 1
    assert capsys.readouterr().err == f"{said}\n"
