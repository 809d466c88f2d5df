"""Which process used how much CPU, and what is saturated."""

import pytest

from bench.cpu import Usage, by_kind, instance_name, saturated, spent

URL = "pulsar://127.0.0.1:9950"


def command(function: str = "ordenes", url: str = URL, instance: str = "0") -> list[str]:
    return [
        "python3",
        "/x/instances/python-instance/python_instance_main.py",
        "--instance_id",
        instance,
        "--function_details",
        f'{{"tenant":"alpes","name":"{function}"}}',
        "--pulsar_serviceurl",
        url,
    ]


def test_an_instance_is_known_by_its_function_and_number() -> None:
    assert instance_name(command("pagos", instance="3"), URL) == "pagos 3"


@pytest.mark.parametrize(
    "other",
    [
        [],
        ["python3", "-m", "bench"],
        command(url="pulsar://127.0.0.1:6650"),
        command("somebodys"),
        ["vi", *command()][:3],
    ],
)
def test_everything_else_is_nobodys(other: list[str]) -> None:
    assert instance_name(other, URL) == ""


def test_what_was_spent_is_the_difference() -> None:
    before = {"broker": Usage(5.0, 1, (1,)), "ordenes 0": Usage(1.0, 1, (2,))}
    after = {"broker": Usage(7.5, 1, (1,)), "ordenes 0": Usage(1.25, 1, (2,))}
    assert spent(before, after) == ({"broker": 2.5, "ordenes 0": 0.25}, [])


def test_a_process_that_was_restarted_has_no_figure() -> None:
    before = {"pagos 0": Usage(5.0, 1, (1,)), "gone": Usage(1.0, 1, (9,))}
    after = {"pagos 0": Usage(0.1, 1, (2,)), "new": Usage(1.0, 1, (3,))}
    assert spent(before, after) == ({}, ["gone", "new", "pagos 0"])


def test_a_functions_instances_add_up() -> None:
    assert by_kind({"ordenes 0": 1.0, "ordenes 1": 2.0, "PostgreSQL": 4.0}) == {"ordenes": 3.0, "PostgreSQL": 4.0}


def test_a_function_that_uses_a_core_is_full_and_so_may_the_machine_be() -> None:
    seconds = {"ordenes 0": 9.5, "pagos 0": 3.0, "broker": 9.9}
    assert saturated(seconds, 10.0, cores=4) == ["ordenes 0"]
    assert saturated(seconds, 10.0, cores=2) == ["ordenes 0", "machine"]
    assert saturated({"ordenes 0": 2.0}, 10.0, cores=2) == []


def test_what_else_ran_on_the_machine_counts() -> None:
    assert saturated({"ordenes 0": 2.0}, 10.0, cores=2, busy_s=19.0) == ["machine"]
