"""Nodes, network and database of the cluster break under load: nothing is lost or paid twice, and orders go on.

The faults happen one after another in one run, which is judged once. ``ALPES_CLUSTER_FAULTS`` names those that shall.
"""

import os
import time

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Deployed
from tests.cluster.layout import APART
from tests.cluster.trial import FLOW_AGAIN_S, Fault, Trial
from tests.e2e.tienda import wait_until

AWAY_S = 71.0
"""How long ZooKeeper is away: longer than any session but a bookie's."""
CUT_S = 60.0
PROMOTED_S = 15.0


def bookie(cluster: Cluster) -> None:
    cluster.kill("bookie2")
    time.sleep(15)
    cluster.start("bookie2")


def broker(cluster: Cluster) -> None:
    owner = cluster.owner("crear-orden")
    cluster.kill(owner)
    time.sleep(25)
    cluster.start(owner)


def worker(cluster: Cluster) -> None:
    crowded = cluster.crowded()
    assert len(set(cluster.instances(crowded).values())) >= 2, "it has two functions"
    cluster.kill(crowded, with_instances=True)
    time.sleep(35)
    cluster.start(crowded)


def zookeeper(cluster: Cluster) -> None:
    cluster.kill("zookeeper")
    time.sleep(AWAY_S)
    cluster.start("zookeeper")


def postgres(cluster: Cluster) -> None:
    cluster.databases.kill_primary()
    time.sleep(PROMOTED_S)
    cluster.databases.promote()


def cut(cluster: Cluster) -> None:
    if not cluster.instances(APART):
        # The scheduler has put everything on the other worker.
        cluster.rebalance()
        time.sleep(1)
        wait_until(lambda: cluster.instances(APART), 60, f"{APART} runs a function")
    there = cluster.instances(APART)
    for link in cluster.links:
        link.stall()
    time.sleep(CUT_S)
    both = len(set(there) & set(cluster.instances(APART)))
    for link in cluster.links:
        link.resume()
    print(f"{both} of {len(there)} instances outlived the cut, beside their successors")


def rolling(cluster: Cluster) -> None:
    for node in cluster.layout.nodes[::-1]:
        cluster.stop(node)
        cluster.start(node)
        time.sleep(3)


FAULTS = {
    "bookie": Fault("a bookie is killed", bookie, "start it again"),
    "broker": Fault("the broker that owns crear-orden is killed", broker, "start it again"),
    "worker": Fault("a worker is killed with all instances of two functions", worker, "start it again"),
    "postgres": Fault(
        f"PostgreSQL's primary is killed, its synchronous standby promoted after {PROMOTED_S:.0f} s",
        postgres,
        "promote the standby",
        outage=True,
    ),
    "cut": Fault(f"a worker can't reach the brokers for {CUT_S:.0f} s", cut, outage=True),
    "zookeeper": Fault(f"ZooKeeper is away for {AWAY_S:.0f} s", zookeeper, "start it again", outage=True),
    "rolling": Fault("all nodes are restarted, one by one", rolling, "restart each node", outage=True),
}
NAMES = [name for name in os.environ.get("ALPES_CLUSTER_FAULTS", "").split(",") if name] or list(FAULTS)


def test_nothing_is_lost_or_paid_twice_and_orders_flow_again_after_each_fault(deployed: Deployed) -> None:
    lines = Trial(deployed.cluster, deployed.tienda).run([FAULTS[name] for name in NAMES])
    slow = {line.fault: line.flow_again_s for line in lines if line.flow_again_s > FLOW_AGAIN_S}
    assert not slow, f"orders flowed again too late, in seconds: {slow}"
