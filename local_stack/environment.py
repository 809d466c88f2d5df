"""What a program needs in its environment to use this stack."""

import shlex

from local_stack import credentials
from local_stack.settings import Settings


def variables(settings: Settings) -> dict[str, str]:
    """The variables by name.

    Raises
    ------
    local_stack.errors.NotSetUpError
        There is no stack here yet.
    """
    known = credentials.load(settings)
    return {
        "PULSAR_SERVICE_URL": settings.service_url,
        "PULSAR_ADMIN_URL": settings.admin_url,
        **{
            credentials.dsn_variable(service): known.dsn(service, settings.ports.postgres)
            for service in credentials.SERVICES
        },
        "PULSAR_ADMIN": str(settings.pulsar_admin),
    }


def export_lines(settings: Settings) -> str:
    """The same as lines for a shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(settings).items())
