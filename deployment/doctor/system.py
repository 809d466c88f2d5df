"""Checks of the running system: broker, function worker, state store, databases, contracts, functions and clocks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg

from alpes_runtime.errors import AlpesError
from alpes_runtime.migrations import missing
from connection.admin import Admin
from connection.client import connected
from connection.errors import ForbiddenError, NotFoundError, PulsarError
from deployment import gate, packages, preflight, releases, report, topology
from deployment.doctor.finding import Finding, ok, problem, skipped, warning
from deployment.doctor.place import Place
from deployment.errors import DeploymentError, WorkerNotReadyError
from deployment.function_configs import CHECKOUT
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import pulsar_admin
from operations.database import database
from operations.errors import NoDatabaseError, NotDeployedError, StateUnavailableError, UnknownOrderError
from operations.state import order_status
from terminal.errors import CommandError

OLDEST_POSTGRES = 14
NO_ORDER = "alpes-doctor"
"""A key that no order has: an answer, whatever it is, shows that the state store answers."""
SKEW_S, WRONG_S = 5.0, 60.0
"""From here on, a clock is doubtful, and wrong: a report by day would have orders in another day."""
DEPLOY = "Deploy: ./deploy.sh deploy"


def _admin(place: Place) -> Admin:
    # Half of the limit: what listens without answering is then told as that, and not as a check without an answer.
    return Admin(place.target.admin_url, timeout_s=place.limit_s / 2, pauses_s=())


def broker(place: Place) -> Iterator[Finding]:
    """Connect to the broker, and look for the topics."""
    url = place.target.service_url
    started = time.monotonic()
    try:
        with connected(url):
            took_ms = (time.monotonic() - started) * 1000
            yield ok("broker", f"answers at {url} in {took_ms:.0f} ms, and has the topics")
    except NotFoundError:
        yield problem("broker", f"answers at {url}, but has no topics of Alpes", DEPLOY)
    except PulsarError as error:
        yield problem("broker", str(error), "Start it (./deploy.sh up), or correct PULSAR_SERVICE_URL.")


def worker(place: Place) -> Iterator[Finding]:
    """Look at the function workers; at the packages and variables of the local one, too."""
    try:
        workers = len(_admin(place).get("/admin/v2/worker/cluster"))
    except ForbiddenError as error:
        yield skipped("worker", str(error))
        return
    except PulsarError as error:
        yield problem("worker", str(error), "Start it (./deploy.sh up), or correct PULSAR_ADMIN_URL.")
        return
    what = f"{workers} function worker{'s' if workers > 1 else ''} at {place.target.admin_url}"
    if not workers:
        yield problem("worker", what, "Start a function worker: docs/operations.md says what it needs.")
        return
    try:
        if place.local is None:
            preflight.check_user_configs(place.configs)
            yield ok("worker", f"{what}; what a cluster's workers lack is known when something is deployed")
            return
        with tempfile.TemporaryDirectory() as folder:
            preflight.check_local(packages.build_all(place.configs, Path(folder)), place.local, with_state=False)
    except WorkerNotReadyError as error:
        yield problem("worker", str(error).removeprefix("Nothing was created, because "), "Mend it, then deploy.")
    else:
        yield ok("worker", f"{what}; its Python has the packages, its environment the variables")


def state(place: Place) -> Iterator[Finding]:
    """Ask the state store for a key, through the function worker."""
    try:
        order_status(_admin(place), NO_ORDER)
    except UnknownOrderError:
        yield ok("state store", "answers")
    except NotDeployedError:
        yield skipped("state store", "it is asked through Ordenes, which is not deployed")
    except StateUnavailableError as error:
        yield problem("state store", str(error), "Orders go on. Read the broker's log if it lasts: it may be starting.")
    except CommandError as error:
        yield problem("state store", str(error), "Look at the broker's log.")


def databases(place: Place) -> Iterator[Finding]:
    """Connect to each service's database; look at its version, and whether its tables are this checkout's."""
    for config in place.configs:
        if config.dsn_variable:
            yield _database(place, config.service, config.dsn_variable)


def _database(place: Place, service: str, variable: str) -> Finding:
    part = f"database {service}"
    dsn = place.target.dsns.get(variable)
    if not dsn and place.local is not None:
        return skipped(part, "the local stack has no such database yet")
    if not dsn:
        return problem(part, f"{variable} is not known", "Set it to the DSN of that database.")
    try:
        with database(service, dsn, statement_timeout_s=max(1, int(place.limit_s)), read_only=True) as connection:
            version = connection.info.server_version
            if version < OLDEST_POSTGRES * 10_000:
                return problem(part, f"PostgreSQL {version // 10_000}", f"Use PostgreSQL {OLDEST_POSTGRES} or later.")
            lacking = missing(connection, CHECKOUT / "functions" / service / "sql" / "migrations")
    except (CommandError, AlpesError) as error:
        advice = f"Start it, or correct {variable}." if isinstance(error, NoDatabaseError) else ""
        return problem(part, str(error), advice)
    if lacking:
        return problem(part, f"lacks {len(lacking)} migrations of this checkout, from {lacking[0]} on", DEPLOY)
    return ok(part, f"PostgreSQL {version // 10_000}, its tables are this checkout's")


def schemas(place: Place) -> Iterator[Finding]:
    """Compare the contract of each topic with the target's, as a deployment does."""
    wanted = topology.load()
    try:
        todo = gate.check(wanted, _admin(place))
    except DeploymentError as error:
        yield problem("schemas", " ".join(str(error).split()))
        return
    new = sorted({topic.name for topic in todo.register} | set(todo.properties))
    if new:
        yield warning("schemas", f"the target doesn't have those of {', '.join(new)} yet", DEPLOY)
    else:
        yield ok("schemas", f"the contracts of all {len(wanted.topics)} topics are this checkout's")


def functions(place: Place) -> Iterator[Finding]:
    """Look at each function as `./deploy.sh status` does, and whether it is this checkout's."""
    api = _admin(place)
    cli = PulsarAdmin(pulsar_admin(place.target), api)
    with tempfile.TemporaryDirectory() as folder:
        built = packages.build_all(place.configs, Path(folder))
        releasing = {release.function.config.name: release for release in releases.plan(built, api)}
    for config, found in zip(place.configs, report.read(place.configs, api, place.target), strict=True):
        part = f"function {config.name}"
        first, *rest = report.lines(found, cli.line("start", *config.name_options))
        what = first.removeprefix(config.name).strip()
        trouble = [line.strip() for line in rest if line.strip().partition(":")[0].isupper()]
        if found.instances is None:
            yield problem(part, what, found.lacks or DEPLOY)
        elif not found.runs:
            yield problem(part, what, " ".join(trouble) or f"Its log says why: ./deploy.sh logs {config.name}")
        elif releasing[config.name].action != "unchanged":
            yield warning(part, f"{what}; it is not of this checkout", DEPLOY)
        else:
            yield ok(part, what)


def clock(place: Place) -> Iterator[Finding]:
    """Compare this machine's clock with the databases' and the broker's."""
    skews: dict[str, float] = {}
    for config in place.configs:
        dsn = place.target.dsns.get(config.dsn_variable)
        if dsn:
            try:
                with database(config.service, dsn, statement_timeout_s=5, read_only=True) as connection:
                    skews[f"the database of {config.service}"] = _skew_s(partial(_clock_s, connection))
            except CommandError:
                continue
    try:
        skews["the broker"] = _skew_s(_admin(place).clock_s)
    except PulsarError:
        if not skews:
            yield skipped("clock", "no database and no broker answers, so there is nothing to compare with")
            return
    who, skew = max(skews.items(), key=lambda item: abs(item[1]))
    what = f"{abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} {who}"
    advice = "Let NTP set the clocks: a report by day takes an order's time from its client."
    if abs(skew) < SKEW_S:
        yield ok("clock", f"within {SKEW_S:.0f} s of {', '.join(skews)}")
    else:
        yield (problem if abs(skew) >= WRONG_S else warning)("clock", what, advice)


def _clock_s(connection: psycopg.Connection) -> float:
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    return float(row[0]) if row else 0.0


def _skew_s(ask: Callable[[], float]) -> float:
    """Return how far another clock is ahead of this machine's, in seconds."""
    before = time.time()
    theirs = ask()
    return theirs - (before + time.time()) / 2
