"""Makes the configuration files of a local stack's Pulsar and PostgreSQL."""

import re
from pathlib import Path
from typing import Any

import yaml

from connection import java_properties
from local_stack.settings import CHECKOUT, Settings

BROKER_SETTINGS = CHECKOUT / "deployment" / "broker.yaml"
"""Settings that any Pulsar for Alpes should have."""


def broker_settings(path: Path = BROKER_SETTINGS) -> dict[str, str]:
    """Return the settings of all files together, as `standalone.conf` holds them: bookie and broker both read it."""
    files: dict[str, dict[str, str]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: value for settings in files.values() for key, value in settings.items()}


def set_properties(text: str, values: dict[str, object]) -> str:
    """Return the text of a Java properties file with these keys set.

    A key that the file has is replaced where it stands, below the file's own comment on it. Others are appended.
    """
    for key, value in values.items():
        line = java_properties.written({key: value}).rstrip("\n")
        pattern = re.compile(rf"^{re.escape(key)}[ \t]*=.*$", re.MULTILINE)
        # A backslash in a replacement would be an escape sequence.
        text, count = pattern.subn(line.replace("\\", r"\\"), text)
        if not count:
            text = f"{text.rstrip()}\n{line}\n"
    return text


def _secured(file: str, settings: Settings) -> dict[str, Any]:
    """Return what a file has besides on a secured stack."""
    if not settings.secure:
        return {}
    # It loads Pulsar's library, which a plain stack doesn't need here.
    from local_stack.secured import conf  # noqa: PLC0415

    found: dict[str, Any] = getattr(conf, file)(settings)
    return found


def standalone_conf(original: str, settings: Settings) -> str:
    """Return the distribution's `standalone.conf`, changed for this stack."""
    return set_properties(
        original,
        {
            "brokerServicePort": settings.ports.broker,
            "webServicePort": settings.ports.http,
            "bindAddress": "127.0.0.1",
            "advertisedAddress": "127.0.0.1",
            # The bookie listens at its address alone. Without an interface, it would listen at all.
            "listeningInterface": "lo",
            **broker_settings(),
            # No limit. With one, a subscription that nobody reads would stop all producers at 10 GB.
            "backlogQuotaDefaultLimitGB": -1,
            "webSocketServiceEnabled": "false",
            "statusFilePath": "",
            **_secured("standalone_conf", settings),
        },
    )


def functions_worker_yml(original: str, settings: Settings) -> str:
    """Return the distribution's `functions_worker.yml`, changed for this stack."""
    document: dict[str, Any] = yaml.safe_load(original)
    document.update(
        {
            "workerHostname": "127.0.0.1",
            "pulsarServiceUrl": settings.service_url,
            "pulsarWebServiceUrl": settings.admin_url,
            "configurationMetadataStoreUrl": f"zk:127.0.0.1:{settings.ports.zookeeper}",
            "stateStorageServiceUrl": f"bk://127.0.0.1:{settings.state_port or settings.ports.state}",
            "instanceLivenessCheckFreqMs": settings.liveness_check_ms,
            "downloadDirectory": str(settings.home / "functions"),
        }
    )
    document["functionRuntimeFactoryConfigs"]["logDirectory"] = str(settings.logs)
    document |= _secured("functions_worker_yml", settings)
    return yaml.safe_dump(document, sort_keys=False)


def log4j_yaml(original: str) -> str:
    """Return the distribution's `log4j2.yaml`, without a log line for each REST request."""
    document: dict[str, Any] = yaml.safe_load(original)
    document["Configuration"]["Loggers"]["Logger"].append(
        {"name": "org.eclipse.jetty.server.RequestLog", "level": "warn"}
    )
    return yaml.safe_dump(document, sort_keys=False)


def client_conf(original: str, settings: Settings) -> str:
    """Return the distribution's `client.conf`, changed for `pulsar-admin` on this stack."""
    values: dict[str, object] = {
        "webServiceUrl": f"{settings.admin_url}/",
        "brokerServiceUrl": f"{settings.service_url}/",
    }
    values |= _secured("client_conf", settings)
    return set_properties(original, values)


def jaas_conf(password: str) -> str:
    """Return the JAAS configuration with which ZooKeeper, and its clients in the same JVM, know each other."""
    module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
    return (
        f'Server {{\n  {module}\n  user_pulsar="{password}";\n}};\n'
        f'Client {{\n  {module}\n  username="pulsar"\n  password="{password}";\n}};\n'
    )


def hba_conf(settings: Settings) -> str:
    """Return who may connect to PostgreSQL: all roles with their password, on a secured stack by TLS alone."""
    kind = "hostssl" if settings.secure else "host"
    return f"# Written by each `up`.\n{kind} all all 127.0.0.1/32 scram-sha-256\n"


def postgres_conf(settings: Settings, sockets: Path | None = None) -> str:
    """Return PostgreSQL's settings for this stack: a small production server's, on the loopback address alone."""
    values: dict[str, object] = {
        "listen_addresses": "'127.0.0.1'",
        "port": settings.ports.postgres,
        "unix_socket_directories": f"'{sockets or ''}'",
        "password_encryption": "'scram-sha-256'",
        "max_connections": 100,
        "shared_buffers": "'256MB'",
        "work_mem": "'8MB'",
        "maintenance_work_mem": "'128MB'",
        # A confirmed commit is on the disk: that no order is lost depends on it.
        "synchronous_commit": "on",
        "fsync": "on",
        # Few checkpoints, each spread out: after one, the first change of each page writes the whole page to the WAL.
        "max_wal_size": "'2GB'",
        "min_wal_size": "'256MB'",
        "checkpoint_timeout": "'15min'",
        "checkpoint_completion_target": 0.9,
        "random_page_cost": 1.1,
        "log_line_prefix": "'%m [%p] %u@%d '",
        "log_checkpoints": "off",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
    }
    if settings.secure:
        values |= {"ssl": "on", "ssl_cert_file": "'server.pem'", "ssl_key_file": "'server.key.pem'"}
        values |= {"ssl_min_protocol_version": "'TLSv1.2'"}
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    return f"# Written by each `up`.\n{lines}"
