"""Runs Pulsar standalone: broker, storage, function worker and state store in one process."""

import os
import secrets
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from connection.admin import Admin
from connection.errors import PulsarError
from connection.security import CLIENT_CONF
from local_stack import conf_files, credentials, distribution, environment, java, ports, processes, state_store
from local_stack.secured import secrets as roles
from local_stack.settings import Settings

# An idle machine needs 10 to 20 s, a busy one several times that.
READY_S = 300.0
REQUEST_S = 5.0
# A graceful stop ends the functions first, which takes each up to about 10 s.
STOP_STEPS = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
# The distribution uses ZGC, which collects concurrently and so takes CPU from the application. On two cores, the first
# 20,000 orders after a start took 22 s with ZGC and 11 s with the parallel collector.
GARBAGE_COLLECTOR = ("-XX:+UseParallelGC", "-XX:+PerfDisableSharedMem", "-Xlog:gc=off")
# The distribution's own options, and Curator's session timeout. A restarted state store has no leader until the session
# of the previous one has expired, even after a graceful stop. Curator's default is 60 s.
EXTRA_OPTIONS = (
    "-Dpulsar.allocator.exit_on_oom=true",
    "-Dio.netty.recycler.maxCapacityPerThread=4096",
    "-Dcurator-default-session-timeout=10000",
)
# The CLI runs for a second or two, so it gets a small JVM that does not optimise.
CLI_OPTIONS = (
    "-Xmx128m",
    "-XX:MaxDirectMemorySize=128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dio.netty.leakDetection.level=disabled",
)
INSTANCE_ADDRESS = "ALPES_INSTANCE_ADDRESS"
"""Names the address at which functions answer their worker: see alpes_runtime._listening."""
LATER_VARIABLES = "ALPES_LATER_VARIABLES"
"""Names the file in which functions find variables that were added after Pulsar's start: see alpes_runtime.config."""
# Prefixes of variables that the shell may have set for another Pulsar.
FOREIGN_PREFIXES = ("PULSAR_", "BOOKIE_", "BOOKKEEPER_", "BK_", "PYTHONPATH", "PYTHONHOME", "CLASSPATH", "FUNCTIONS_")


def pid_file(settings: Settings) -> processes.PidFile:
    """Return the PID file of the broker."""
    return processes.PidFile(settings.home / "pulsar.pid")


def find(settings: Settings) -> int | None:
    """Return the PID of the broker while it runs."""
    mark = java.config_file_option(settings)
    return processes.find(pid_file(settings), lambda command: mark in command and java.STANDALONE in command)


def _closed(settings: Settings) -> list[str]:
    """Return the options that close what has no setting of Pulsar's.

    ZooKeeper listens at every address, so it serves only who knows the password of this start. The worker asks an
    instance for its metrics at the address of this machine's name, which is loopback by the stack's own list of hosts.
    """
    hosts = settings.home / "conf" / "hosts"
    return [
        "-Dzookeeper.sessionRequireClientSASLAuth=true",
        "-Dzookeeper.authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        *_password_options(settings),
        f"-Djdk.net.hosts.file={hosts}",
    ]


def has_data(settings: Settings) -> bool:
    """Return whether there is stored data. BookKeeper ties it to its port."""
    return (_data(settings) / "bookkeeper").exists()


def _data(settings: Settings) -> Path:
    return settings.home / "pulsar"


def configure(settings: Settings) -> None:
    """Write this stack's `pulsar-admin` and its configuration, based on the distribution's."""
    source = settings.distribution / "conf"
    target = settings.home / "conf"
    target.mkdir(parents=True, exist_ok=True)
    for name, rewrite in (
        ("standalone.conf", conf_files.standalone_conf),
        ("functions_worker.yml", conf_files.functions_worker_yml),
        ("client.conf", conf_files.client_conf),
    ):
        (target / name).write_text(rewrite((source / name).read_text(), settings))
    (target / "log4j2.yaml").write_text(conf_files.log4j_yaml((source / "log4j2.yaml").read_text()))
    # Everybody who needs this password starts with this stack's Pulsar, so each start has its own.
    credentials.write_private(_jaas(settings), conf_files.jaas_conf(secrets.token_hex(16)))
    host = socket.gethostname()
    (target / "hosts").write_text(f"127.0.0.1 localhost {host}\n" if host != "localhost" else "127.0.0.1 localhost\n")
    command = shlex.join(java.command(settings, java.ADMIN, [], _cli_options(settings)))
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in java.LOCALE.items())
    own = shlex.quote(str(target / "client.conf"))
    settings.pulsar_admin.parent.mkdir(exist_ok=True)
    settings.pulsar_admin.write_text(
        f"#!/usr/bin/env bash\n# Pulsar's CLI on this stack. Written by each `up`.\n{exports}"
        f'conf=${{{CLIENT_CONF}:-}}\n[ -n "$conf" ] || conf={own}\nexec {command} "$conf" "$@"\n'
    )
    settings.pulsar_admin.chmod(0o755)


def _jaas(settings: Settings) -> Path:
    return settings.home / "conf" / "jaas.conf"


def _password_options(settings: Settings) -> list[str]:
    """Return the options with which a JVM finds ZooKeeper's password; FIPS mode would not let it be used."""
    return [f"-Djava.security.auth.login.config={_jaas(settings)}", "-Dzookeeper.fips-mode=false"]


def _cli_options(settings: Settings) -> list[str]:
    return [*CLI_OPTIONS, f"-XX:SharedArchiveFile={distribution.class_data_archive(settings)}"]


def broker_environment(settings: Settings, known: credentials.Credentials) -> dict[str, str]:
    """Return the broker's environment. Functions inherit it: their Python from PATH, and their DSNs."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    python_folder = Path(sys.executable).parent
    environ.update(
        {
            "PATH": os.pathsep.join([str(python_folder), environ.get("PATH", os.defpath)]),
            **java.LOCALE,
            # Function instances read their log configuration from here.
            "PULSAR_HOME": str(settings.distribution),
            # Standalone has a state store that Python functions can use only with ZooKeeper.
            "PULSAR_STANDALONE_USE_ZOOKEEPER": "1",
            "PULSAR_SERVICE_URL": settings.service_url,
            "PULSAR_ADMIN_URL": settings.admin_url,
            LATER_VARIABLES: str(environment.path(settings)),
            INSTANCE_ADDRESS: ports.HOST,
            **roles.function_variables(settings),
        }
    )
    environ.update(known.dsns(settings.ports.postgres))
    return environ


def lacking(settings: Settings, known: credentials.Credentials) -> list[str]:
    """Return the DSN variables that functions of the running Pulsar can't get, since its release was an earlier one."""
    pid = pid_file(settings).running()
    try:
        environ = psutil.Process(pid).environ() if pid else None
    except psutil.Error:
        # The process is another user's, or has just ended.
        environ = None
    wanted = known.dsns(settings.ports.postgres)
    if environ is None or environ.get(LATER_VARIABLES) == str(environment.path(settings)):
        return []
    return [name for name, dsn in wanted.items() if environ.get(name) != dsn]


def start(settings: Settings, known: credentials.Credentials) -> None:
    """Start Pulsar and wait until it accepts functions and state.

    Raises
    ------
    local_stack.errors.StartError
        It can't start. Nothing of it is left running.
    """
    configure(settings)
    data = _data(settings)
    is_first = not has_data(settings)
    data.mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    output = settings.logs / "pulsar.out"
    output.unlink(missing_ok=True)
    shell = java.command(
        settings, java.ZOOKEEPER_SHELL, options=[*_cli_options(settings), *_password_options(settings)]
    )
    dead = state_store.DeadRegistration(settings, shell)
    processes.start_detached(
        java.standalone(
            settings,
            [
                "--advertised-address=127.0.0.1",
                f"--zookeeper-port={settings.ports.zookeeper}",
                f"--zookeeper-dir={data / 'zookeeper'}",
                f"--bookkeeper-port={settings.ports.bookie}",
                f"--bookkeeper-dir={data / 'bookkeeper'}",
                f"--stream-storage-port={settings.ports.state}",
                f"--functions-worker-conf={settings.home / 'conf' / 'functions_worker.yml'}",
            ],
            [*settings.memory.split(), *GARBAGE_COLLECTOR, *EXTRA_OPTIONS, *_closed(settings)],
        ),
        pid_file=pid_file(settings),
        log=output,
        environ=broker_environment(settings, known),
        cwd=settings.home,
    )
    try:
        wait_ready(settings, meanwhile=dead.remove_if_waited_for)
    except BaseException:
        stop(settings)
        if is_first:
            # This folder has no data yet, but if kept would tie the stack to its ports.
            shutil.rmtree(data, ignore_errors=True)
        raise


def wait_ready(settings: Settings, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until the running Pulsar accepts functions and state.

    Parameters
    ----------
    settings
        The stack.
    meanwhile
        Called at every check.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or was not ready in time.
    """
    processes.wait_ready(
        "Pulsar",
        pid_file(settings),
        lambda: is_ready(settings),
        within_s=READY_S,
        logs=[settings.logs / "pulsar.out", settings.logs / "pulsar.log"],
        meanwhile=meanwhile,
    )


def is_ready(settings: Settings) -> bool:
    """Return whether the broker, the function worker and the state store all answer."""
    security = roles.security(settings, roles.PLATFORM)
    admin = Admin(settings.admin_url, timeout_s=REQUEST_S, pauses_s=(), security=security)
    try:
        if admin.text("/admin/v2/brokers/ready") != "ok" or not admin.find("/admin/v2/worker/cluster"):
            return False
        # The worker's list of functions is there once it has read its metadata topic and has a leader.
        listed = admin.find("/admin/v3/functions/public/default")
    except PulsarError:
        return False
    return listed is not None and state_store.answers(settings)


def function_processes(settings: Settings) -> dict[int, list[str]]:
    """Return the command lines of this stack's function instances by PID. Each names the stack's log folder."""
    mark = str(settings.function_logs)
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        runs_instance = any(part.endswith("python_instance_main.py") for part in command[:3])
        if runs_instance and mark in command:
            found[process.pid] = command
    return found


def stop(settings: Settings) -> bool:
    """Stop Pulsar and its remaining function instances; return whether Pulsar ran."""
    ran = processes.stop(pid_file(settings), STOP_STEPS)
    # The function instances of a killed broker go on for some seconds.
    left = processes.wait_gone(list(function_processes(settings)), 0.5)
    processes.send(left, signal.SIGTERM)
    processes.send(processes.wait_gone(left, 10.0), signal.SIGKILL)
    return ran
