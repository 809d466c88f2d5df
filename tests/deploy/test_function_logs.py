"""The logs of all instances, shown together."""

import itertools
from pathlib import Path

import pytest

from deployment import function_logs
from deployment.cli import main
from local_stack.settings import Settings, from_environment

OURS = "[2026-11-29 08:00:0{second} +0000] [INFO] runner.py: {text}"
STARTS = "[2026-11-29 08:00:00 +0000] [INFO] python_instance_main.py: Starting Python instance with Namespace(x=1)"
FUNCTIONS = ["alpes/tienda/ordenes", "alpes/tienda/pagos"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path / "cache")})


def write(settings: Settings, instance: str, *lines: str) -> Path:
    name = instance.rpartition("-")[0]
    path = settings.function_logs / "alpes" / "tienda" / name / f"{instance}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    return path


def said(second: int, text: str) -> str:
    return OURS.format(second=second, text=text)


def shown(settings: Settings, *, last: int = 100, everything: bool = False) -> list[tuple[str, str]]:
    lines = function_logs.shown(FUNCTIONS, settings, last=last, everything=everything, follow=False)
    return [(line.instance, line.text.rpartition(": ")[2]) for line in lines]


def test_all_instances_are_shown_in_the_order_of_time_and_a_traceback_stays_whole(settings: Settings) -> None:
    write(settings, "ordenes-0", said(1, "a"), said(3, "failed"), "Traceback", "  line")
    write(settings, "pagos-1", said(2, "b"), said(4, "c"))
    assert shown(settings) == [
        ("ordenes-0", "a"),
        ("pagos-1", "b"),
        ("ordenes-0", "failed"),
        ("ordenes-0", "Traceback"),
        ("ordenes-0", "  line"),
        ("pagos-1", "c"),
    ]


def test_so_many_of_the_last_lines_of_each_are_shown(settings: Settings) -> None:
    for instance in ("ordenes-0", "pagos-0"):
        write(settings, instance, *(said(second, f"{second}") for second in range(1, 9)))
    assert shown(settings, last=2) == [
        (instance, str(second)) for second in (7, 8) for instance in ("ordenes-0", "pagos-0")
    ]
    assert shown(settings, last=0) == []


def test_what_pulsar_says_of_each_start_is_shown_when_asked_for(settings: Settings) -> None:
    write(settings, "ordenes-0", STARTS, said(1, "a"))
    assert [instance_text[1] for instance_text in shown(settings)] == ["a"]
    assert len(shown(settings, everything=True)) == 2


def test_what_is_no_utf8_and_a_line_without_an_end_are_shown(settings: Settings) -> None:
    path = write(settings, "pagos-0", said(1, "a"))
    with path.open("ab") as file:
        file.write(b"\xff half")
    assert shown(settings)[-1] == ("pagos-0", "\ufffd half")


def test_following_goes_on_over_a_log_that_is_full_and_a_new_instance(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_logs, "POLL_S", 0.01)
    path = write(settings, "pagos-0", said(1, "before"))
    lines = function_logs.shown(FUNCTIONS, settings, last=1, everything=False, follow=True)
    assert next(lines).text.endswith("before")
    write(settings, "pagos-0", said(2, "the last of it"))
    path.rename(path.with_name("pagos-0.log.1"))
    write(settings, "pagos-0", said(3, "the first of the next"))
    write(settings, "ordenes-1", said(4, "new here"))
    assert [line.text.rpartition(": ")[2] for line in itertools.islice(lines, 3)] == [
        "the last of it",
        "the first of the next",
        "new here",
    ]


@pytest.mark.parametrize("text", ["²", "-1", "some", "1000001", "9" * 20, "9" * 5000])
def test_a_number_of_lines_that_cannot_be_is_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs", f"--tail={text}"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "is not a whole number from 0 to 1000000" in told
