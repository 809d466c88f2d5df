"""A command line shows an error of the connection with its own words, what to do, and an exit code."""

import pytest

from connection.errors import (
    AdminUnreachableError,
    BrokerUnreachableError,
    NotFoundError,
    PulsarError,
    RefusedError,
    UnreachableError,
)
from terminal.advice import ALPES, DEPLOYMENT, Advice, explained


@pytest.mark.parametrize(
    ("error", "advice", "code", "said"),
    [
        (BrokerUnreachableError("No."), ALPES, 2, ALPES.broker),
        (AdminUnreachableError("No."), ALPES, 2, ALPES.admin),
        (NotFoundError("No."), ALPES, 2, ALPES.missing),
        (AdminUnreachableError("No."), DEPLOYMENT, 2, DEPLOYMENT.admin),
        (NotFoundError("No."), DEPLOYMENT, 1, ""),
        (UnreachableError("No."), ALPES, 2, ""),
        (RefusedError("No.", 403, ""), ALPES, 1, ""),
        (PulsarError("No."), ALPES, 1, ""),
    ],
)
def test_each_error_has_an_exit_code_and_what_can_be_done(
    error: PulsarError, advice: Advice, code: int, said: str
) -> None:
    told = explained(error, advice)
    assert (told.exit_code, str(told)) == (code, f"No. {said}".rstrip())


def test_each_command_names_what_its_user_can_set() -> None:
    assert "--service-url or PULSAR_SERVICE_URL" in ALPES.broker
    assert "--admin-url or PULSAR_ADMIN_URL" in ALPES.admin
    assert "--" not in DEPLOYMENT.admin
    assert "PULSAR_ADMIN_URL" in DEPLOYMENT.admin
