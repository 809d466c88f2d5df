"""The options that several subcommands have."""

from __future__ import annotations

import click

service_url_option = click.option(
    "--service-url",
    envvar="PULSAR_SERVICE_URL",
    default="pulsar://127.0.0.1:6650",
    metavar="URL",
    show_default=True,
    show_envvar=True,
    help="Address of the Pulsar broker.",
)

admin_url_option = click.option(
    "--admin-url",
    envvar="PULSAR_ADMIN_URL",
    default="http://127.0.0.1:8080",
    metavar="URL",
    show_default=True,
    show_envvar=True,
    help="Address of Pulsar's admin API.",
)
