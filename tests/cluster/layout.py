"""What the cluster's nodes are: their ports, their settings, and the command line and environment of each."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local_stack.conf_files import BROKER_SETTINGS, set_properties
from local_stack.java import LOCALE
from local_stack.settings import CHECKOUT

HOST = "127.0.0.1"
NAME = "alpes-cluster"
BOOKIES = 4
"""One more than an ensemble has: with one dead, the others still make a whole one."""
ENSEMBLE = 3
ACKNOWLEDGED_BY = 2
BROKERS = 2
WORKERS = 2
APART = "worker2"
"""The worker whose way to the brokers leads over links that can be stopped."""
PORTS = range(16_000, 30_000, 1_000)
"""A cluster's lowest port; it takes the next thousand."""

INSTANCE = CHECKOUT / "runtime" / "worker" / "python_instance_main.py"
"""What workers start an instance with; docs/operations.md says why."""

MEMORY = {
    "zookeeper": "-Xms64m -Xmx128m -XX:MaxDirectMemorySize=64m",
    "bookie": "-Xms96m -Xmx192m -XX:MaxDirectMemorySize=256m",
    "broker": "-Xms192m -Xmx384m -XX:MaxDirectMemorySize=384m",
    "worker": "-Xms96m -Xmx224m -XX:MaxDirectMemorySize=192m",
    "proxy": "-Xms64m -Xmx128m -XX:MaxDirectMemorySize=128m",
}
COLLECTOR = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+PerfDisableSharedMem"
"""Little memory, and a quick start on a machine with few cores."""

# Settings that docs/operations.md explains, as the cluster's tests use them.
COORDINATION = {
    "broker.conf": {"metadataStoreSessionTimeoutMillis": 15_000, "keepAliveIntervalSeconds": 10},
    "bookkeeper.conf": {"zkTimeout": 120_000},
}
"""After how much silence a node counts as dead."""
WORKER = {
    "failureCheckFreqMs": 5_000,
    "rescheduleTimeoutMs": 15_000,
    "rebalanceCheckFreqSec": 60,
    "instanceLivenessCheckFreqMs": 5_000,
    "numFunctionPackageReplicas": 2,
    "metadataStoreSessionTimeoutMillis": 15_000,
    "initialBrokerReconnectMaxRetries": 60,
}


@dataclass(frozen=True)
class Layout:
    """Where everything of one cluster is.

    Attributes
    ----------
    home
        Its folder.
    base
        The lowest of its ports.
    distribution
        Pulsar's distribution.
    links
        The ports of the links over which `APART` reaches the brokers, in the brokers' order.
    """

    home: Path
    base: int
    distribution: Path
    links: tuple[int, ...] = ()

    # -- nodes

    @property
    def bookies(self) -> tuple[str, ...]:
        return tuple(f"bookie{n + 1}" for n in range(BOOKIES))

    @property
    def brokers(self) -> tuple[str, ...]:
        return tuple(f"broker{n + 1}" for n in range(BROKERS))

    @property
    def workers(self) -> tuple[str, ...]:
        return tuple(f"worker{n + 1}" for n in range(WORKERS))

    @property
    def nodes(self) -> tuple[str, ...]:
        """All of Pulsar's nodes, in the order in which they start."""
        return ("zookeeper", *self.bookies, *self.brokers, *self.workers, "proxy")

    def folder(self, node: str) -> Path:
        """Return a node's folder: configuration, data and logs."""
        return self.home / node

    def function_logs(self, worker: str) -> Path:
        """Return where a worker's instances log."""
        return self.folder(worker) / "logs" / "functions"

    # -- ports

    def port(self, node: str, what: str = "") -> int:
        """Return the port of a node that answers once it is up, or its port for something else."""
        kind, number = kind_of(node), number_of(node)
        start = {
            "zookeeper": 181,
            "bookie": 310,
            "bookie state": 410,
            "bookie stats": 320,
            "broker": 800,
            "broker binary": 650,
            "broker apart": 670,
            "worker": 750,
            "proxy": 810,
            "proxy binary": 660,
            "postgres": 540,
        }
        return self.base + start[f"{kind} {what}".strip()] + number

    @property
    def service_url(self) -> str:
        """Both brokers, as clients and functions reach them."""
        return self._url("pulsar", [self.port(broker, "binary") for broker in self.brokers])

    @property
    def web_url(self) -> str:
        """Both brokers' admin APIs."""
        return self._url("http", [self.port(broker) for broker in self.brokers])

    @property
    def admin_url(self) -> str:
        """The proxy's admin API, which passes requests about functions on to a worker."""
        return f"http://{HOST}:{self.port('proxy')}"

    @property
    def state_url(self) -> str:
        """The state store at every bookie."""
        return self._url("bk", [self.port(bookie, "state") for bookie in self.bookies])

    @property
    def metadata_url(self) -> str:
        return f"zk:{HOST}:{self.port('zookeeper')}"

    def _url(self, scheme: str, ports: list[int]) -> str:
        return f"{scheme}://" + ",".join(f"{HOST}:{port}" for port in ports)

    # -- what a node runs

    def command(self, node: str) -> list[str]:
        """Return a node's command line: that of Pulsar's own script, which ends as the JVM."""
        words = {"worker": "functions-worker"}
        kind = kind_of(node)
        return [str(self.distribution / "bin" / "pulsar"), words.get(kind, kind)]

    def environment(self, node: str, java_home: Path, archive: Path, more: dict[str, str]) -> dict[str, str]:
        """Return a node's whole environment; ``more`` is what a worker hands on to its functions."""
        kind, folder = kind_of(node), self.folder(node)
        conf = {
            "zookeeper": "PULSAR_ZK_CONF",
            "bookie": "PULSAR_BOOKKEEPER_CONF",
            "broker": "PULSAR_BROKER_CONF",
            "worker": "PULSAR_WORKER_CONF",
            "proxy": "PULSAR_PROXY_CONF",
        }
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": os.environ.get("HOME", "/"),
            **LOCALE,
            "JAVA_HOME": str(java_home),
            "PULSAR_MEM": MEMORY[kind],
            "PULSAR_GC": f"{COLLECTOR} -XX:SharedArchiveFile={archive}",
            "PULSAR_GC_LOG": "-Xlog:gc=off",
            # Curator's session is the state store's: a killed one's ranges go to others after that.
            "PULSAR_EXTRA_OPTS": "-Dpulsar.allocator.exit_on_oom=true -Dcurator-default-session-timeout=10000",
            "PULSAR_LOG_DIR": str(folder / "logs"),
            "PULSAR_LOG_FILE": f"{node}.log",
            "PULSAR_LOG_CONF": str(folder / "conf" / "log4j2.yaml"),
            "PULSAR_ROUTING_APPENDER_DEFAULT": "RollingFile",
            "PULSAR_LOG_IMMEDIATE_FLUSH": "true",
            conf[kind]: str(folder / "conf" / self._file(node)),
            **(more if kind == "worker" else {}),
        }

    # -- what a node is configured with

    def configure(self, node: str) -> None:
        """Write a node's configuration: the distribution's, with what differs here."""
        folder, source = self.folder(node), self.distribution / "conf"
        for name in ("conf", "data", "logs"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "conf" / "log4j2.yaml").write_text((source / "log4j2.yaml").read_text())
        name = self._file(node)
        original = (source / name).read_text()
        text = self._worker_yml(node, original) if kind_of(node) == "worker" else self._conf(node, original)
        (folder / "conf" / name).write_text(text)

    def _file(self, node: str) -> str:
        files = {"bookie": "bookkeeper.conf", "worker": "functions_worker.yml"}
        kind = kind_of(node)
        return files.get(kind, f"{kind}.conf")

    def _conf(self, node: str, original: str) -> str:
        name = self._file(node)
        values = getattr(self, f"_{kind_of(node)}")(node)
        ours = yaml.safe_load(BROKER_SETTINGS.read_text(encoding="utf-8")).get(name, {})
        return set_properties(original, {**values, **ours, **COORDINATION.get(name, {})})

    def _zookeeper(self, node: str) -> dict[str, object]:
        return {
            "dataDir": self.folder(node) / "data",
            "clientPort": self.port(node),
            "clientPortAddress": HOST,
            "admin.enableServer": "false",
            "metricsProvider.className": "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
            # No limit of 60 for an address, which all nodes share here. While ZooKeeper is away, each bookie opens 15.
            "maxClientCnxns": 0,
            # Its own limit is 20 ticks of 2 s, below what the bookies ask for.
            "maxSessionTimeout": 180_000,
        }

    def _bookie(self, node: str) -> dict[str, object]:
        data = self.folder(node) / "data"
        return {
            "zkServers": f"{HOST}:{self.port('zookeeper')}",
            "bookiePort": self.port(node),
            "advertisedAddress": HOST,
            "allowLoopback": "true",
            "listeningInterface": "lo",
            "journalDirectory": data / "journal",
            "ledgerDirectories": data / "ledgers",
            "prometheusStatsHttpPort": self.port(node, "stats"),
            "prometheusStatsHttpAddress": HOST,
            "dbStorage_writeCacheMaxSizeMb": 32,
            "dbStorage_readAheadCacheMaxSizeMb": 16,
            "dbStorage_rocksDB_blockCacheSize": 8_388_608,
            "dbStorage_rocksDB_writeBufferSizeMB": 8,
            "journalPreAllocSizeMB": 4,
            "diskUsageThreshold": 0.99,
            "diskUsageWarnThreshold": 0.98,
            "extraServerComponents": "org.apache.bookkeeper.stream.server.StreamStorageLifecycleComponent",
            "storageserver.grpc.port": self.port(node, "state"),
            "storage.range.store.dirs": data / "ranges",
        }

    def _broker(self, node: str) -> dict[str, object]:
        own = f"pulsar://{HOST}:{self.port(node, 'binary')}"
        values: dict[str, object] = {
            "clusterName": NAME,
            "metadataStoreUrl": self.metadata_url,
            "configurationMetadataStoreUrl": self.metadata_url,
            "brokerServicePort": self.port(node, "binary"),
            "webServicePort": self.port(node),
            "bindAddress": HOST,
            "managedLedgerDefaultEnsembleSize": ENSEMBLE,
            "managedLedgerDefaultWriteQuorum": ENSEMBLE,
            "managedLedgerDefaultAckQuorum": ACKNOWLEDGED_BY,
        }
        if not self.links:
            return {**values, "advertisedAddress": HOST}
        # Whoever comes in over a link is also referred to the other broker over a link.
        link = f"pulsar://{HOST}:{self.links[number_of(node) - 1]}"
        return {
            **values,
            "internalListenerName": "usual",
            "advertisedListeners": f"usual:{own},apart:{link}",
            "bindAddresses": f"apart:pulsar://{HOST}:{self.port(node, 'apart')}",
        }

    def _proxy(self, node: str) -> dict[str, object]:
        return {
            "clusterName": NAME,
            "metadataStoreUrl": self.metadata_url,
            "configurationMetadataStoreUrl": self.metadata_url,
            "servicePort": self.port(node, "binary"),
            "webServicePort": self.port(node),
            "bindAddress": HOST,
            "advertisedAddress": HOST,
            "brokerProxyAllowedTargetPorts": "*",
            "brokerProxyAllowedIPAddresses": "127.0.0.0/8",
            # Pulsar's proxy takes one worker only.
            "functionWorkerWebServiceURL": f"http://{HOST}:{self.port('worker1')}",
        }

    def _worker_yml(self, node: str, original: str) -> str:
        document: dict[str, Any] = yaml.safe_load(original)
        over = [*self.links] if node == APART and self.links else None
        document.update(
            {
                "workerId": node,
                "workerHostname": HOST,
                "workerPort": self.port(node),
                "configurationMetadataStoreUrl": self.metadata_url,
                "pulsarServiceUrl": self._url("pulsar", over) if over else self.service_url,
                "pulsarWebServiceUrl": self.web_url,
                "pulsarFunctionsCluster": NAME,
                "stateStorageServiceUrl": self.state_url,
                "downloadDirectory": str(self.folder(node) / "data" / "download"),
                **WORKER,
            }
        )
        for name in ("workerPortTls", "configurationStoreServers"):
            document.pop(name, None)
        factory = document["functionRuntimeFactoryConfigs"]
        factory["logDirectory"] = str(self.folder(node) / "logs")
        factory["pythonInstanceLocation"] = str(INSTANCE)
        return yaml.safe_dump(document, sort_keys=False)


def kind_of(node: str) -> str:
    """Return what a node is: its name without its number."""
    return node.rstrip("0123456789")


def number_of(node: str) -> int:
    """Return a node's number, 0 for one that has none."""
    return int(node[len(kind_of(node)) :] or 0)
