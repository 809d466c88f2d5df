"""`alpes serve`: runs the HTTP API."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from api.app import create_app
from api.server import listening, url_of
from api.server import serve as run
from api.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from connection.admin import Admin
from connection.client import require_address
from connection.security import from_environment
from terminal.options import admin_url_option, service_url_option


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, metavar="HOST", help="The address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    metavar="PORT",
    help="The port to listen at; 0 takes any free one, and the first line says which.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask every caller for a bearer token of this file, which has one a line. An address that other machines can "
    "reach needs it.",
)
@service_url_option
@admin_url_option
def serve(host: str, port: int, token_file: Path | None, service_url: str, admin_url: str) -> None:
    """Take orders over HTTP, follow them, and hand out reports, until Ctrl-C or SIGTERM.

    On loopback, callers need no token. Elsewhere they do, and without --token-file it refuses to
    start. At the end it answers what it has in hand. docs/http-api.md describes each request.

    \b
    Examples:
      alpes serve
      alpes serve --host 0.0.0.0 --token-file tokens.txt
    """  # noqa: D301 - \b is click's mark
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings(service_url=service_url, admin_url=admin_url, host=host, port=port, token_file=token_file)
    # Whether something answers there is found out later, again and again.
    require_address(from_environment().endpoint(service_url))
    Admin(admin_url)
    app = create_app(settings)
    with listening(settings) as bound:
        click.echo(f"The HTTP API listens at {url_of(bound)}", err=True)
        try:
            run(app, bound)
        except KeyboardInterrupt:
            # uvicorn has drained, and raises the signal again.
            click.echo("The HTTP API has ended.", err=True)
