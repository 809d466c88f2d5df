"""Brings one cluster up for all of its tests, and deploys to it as a user would."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from connection.client import Client
from tests import checkouts
from tests.cluster.cluster import Cluster
from tests.e2e.tienda import Tienda, note
from tests.stack import DSNS, UNSET, deploy


@dataclass(frozen=True)
class Deployed:
    """A cluster with the functions on it.

    Attributes
    ----------
    cluster
        Its nodes.
    tienda
        The system as the other tests see theirs.
    """

    cluster: Cluster
    tienda: Tienda


@pytest.fixture(scope="session")
def deployed() -> Iterator[Deployed]:
    """Start a cluster, and deploy to it by nothing but `deploy.sh` and the variables that a user sets."""
    with Cluster() as cluster:
        note(f"the cluster was up after {cluster.up_s:.0f} s, with {cluster.memory_mb():.0f} MB of memory")
        variables = cluster.environment()
        environment = {**checkouts.JVM, **{k: v for k, v in os.environ.items() if k not in UNSET}, **variables}
        deploy("deploy", environment=environment)
        tienda = Tienda(
            variables["PULSAR_SERVICE_URL"],
            variables["PULSAR_ADMIN_URL"],
            variables["PULSAR_ADMIN"],
            {name: variables[variable] for name, variable in DSNS.items()},
            Client(variables["PULSAR_SERVICE_URL"]),
            environment,
        )
        try:
            yield Deployed(cluster, tienda)
        finally:
            tienda.client.close()
