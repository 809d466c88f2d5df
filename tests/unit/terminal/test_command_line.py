"""Each error that ends a command is told in one line, and has its exit code."""

import click
import pytest

from connection.errors import AdminUnreachableError
from terminal.command_line import Group
from terminal.errors import CommandError


def program(error: BaseException | None = None, *, prefix: str = "", help_command: str = "") -> Group:
    """Return a program whose one subcommand fails, or prints."""

    def work(number: int) -> int:
        if error:
            raise error
        click.echo("done")
        return number

    command = click.Command("work", callback=work, params=[click.Argument(["number"], type=int)])
    return Group(name="prog", interrupted="Interrupted.", commands=[command], prefix=prefix, help_command=help_command)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError("no route\nto nowhere"), 1, "no route to nowhere."),
        (ConnectionRefusedError(111, "Connection refused"), 1, "Connection refused."),
        (PermissionError(13, "Permission denied", "/a/b"), 1, "Can't read or write /a/b: Permission denied."),
        (CommandError("So it is.", exit_code=7), 7, "So it is."),
        (click.Abort(), 1, "Nothing was done."),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (
            AdminUnreachableError("None."),
            2,
            "None. Start the local stack with ./deploy.sh up, or correct PULSAR_ADMIN_URL.",
        ),
    ],
    ids=repr,
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(error).run(["work", "0"]) == code
    assert capsys.readouterr().err == f"{said}\n"
    assert program(error, prefix="prog: ").run(["work", "0"]) == code
    assert capsys.readouterr().err == f"prog: {said}\n"


def test_ctrl_c_at_a_question_is_an_interruption(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask() -> None:
        click.confirm("Sure?", abort=True)

    def pressed(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    asking = Group(name="prog", commands=[click.Command("work", callback=ask)])
    monkeypatch.setattr("click.termui.visible_prompt_func", pressed)
    assert asking.run(["work"]) == 130
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "no")
    assert asking.run(["work"]) == 1
    assert capsys.readouterr().err.count("Nothing was done.\n") == 2


def test_a_reader_that_has_seen_enough_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert program(BrokenPipeError()).run(["work", "0"]) == 0
    assert capsys.readouterr().err == ""


def test_what_a_subcommand_returns_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert program().run(["work", "3"]) == 3
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    ("arguments", "prefix", "help_command", "said"),
    [
        (["wrk", "1"], "", "", "prog: No such command 'wrk'. Did you mean 'work'? See prog --help."),
        (["work"], "", "", "prog work: Missing argument 'NUMBER'. See prog work --help."),
        (["work"], "p: ", "", "p: Missing argument 'NUMBER'. See prog work --help."),
        (["work"], "", "./x", "prog work: Missing argument 'NUMBER'. See ./x --help."),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_help(
    arguments: list[str], prefix: str, help_command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program(prefix=prefix, help_command=help_command).run(arguments) == 2
    assert capsys.readouterr().err == f"{said}\n"
