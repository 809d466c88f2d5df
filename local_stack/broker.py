"""Pulsar standalone: broker, storage, function worker and state store in one process."""

import json
import os
import shlex
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from local_stack import conf_files, credentials, distribution, processes, state_store
from local_stack.errors import StartError
from local_stack.settings import Settings

# A quiet machine takes 10 to 20 s, one with other work several times that.
READY_SECONDS = 300.0
POLL_SECONDS = 0.2
REQUEST_SECONDS = 5.0
# A graceful stop ends the functions first; each has about 10 s.
STOP_STEPS = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
# The distribution's choice is ZGC, which works beside the application and so takes from its cores: on two of them, the
# first 20,000 orders after a start took 22 s with it and 11 s with the parallel collector.
GARBAGE_COLLECTOR = "-XX:+UseParallelGC -XX:+PerfDisableSharedMem"
# The distribution's own, and Curator's session time-out: a restarted state store has no leader until the session of
# the one before has expired, which takes Curator's default of 60 s, also after a graceful stop.
EXTRA_OPTIONS = (
    "-Dpulsar.allocator.exit_on_oom=true -Dio.netty.recycler.maxCapacityPerThread=4096"
    " -Dcurator-default-session-timeout=10000"
)
# The CLI lives for a second or two: a small JVM that does not optimise.
CLI_MEMORY = "-Xmx128m -XX:MaxDirectMemorySize=128m"
CLI_COMPILER = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
# What a shell may have set for another Pulsar.
FOREIGN_PREFIXES = ("PULSAR_", "BOOKIE_", "BOOKKEEPER_", "BK_", "PYTHONPATH", "PYTHONHOME", "CLASSPATH", "FUNCTIONS_")


def pid_file(settings: Settings) -> processes.PidFile:
    """The note of the broker's process."""
    return processes.PidFile(settings.home / "pulsar.pid")


def configure(settings: Settings) -> None:
    """Write this stack's configuration from the distribution's, and its `pulsar-admin`."""
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
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in _of_cli(settings).items())
    command = shlex.quote(str(settings.distribution / "bin" / "pulsar-admin"))
    settings.pulsar_admin.parent.mkdir(exist_ok=True)
    settings.pulsar_admin.write_text(
        f'#!/usr/bin/env bash\n# Pulsar\'s CLI on this stack. Written by each `up`.\n{exports}exec {command} "$@"\n'
    )
    settings.pulsar_admin.chmod(0o755)


def _of_cli(settings: Settings) -> dict[str, str]:
    """What the distribution's CLI needs in its environment."""
    return {
        "JAVA_HOME": str(distribution.java_home()),
        "PULSAR_CLIENT_CONF": str(settings.home / "conf" / "client.conf"),
        "PULSAR_MEM": CLI_MEMORY,
        "PULSAR_GC": f"{CLI_COMPILER} -XX:SharedArchiveFile={distribution.class_data_archive(settings)}",
        "PULSAR_LOG_LEVEL": "warn",
    }


def broker_environment(settings: Settings, known: credentials.Credentials) -> dict[str, str]:
    """The broker's environment, which its functions inherit: PATH decides their Python, and the DSNs are in it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    python_folder = Path(sys.executable).parent
    environ.update(
        {
            "PATH": os.pathsep.join([str(python_folder), environ.get("PATH", os.defpath)]),
            "JAVA_HOME": str(distribution.java_home()),
            # Without ZooKeeper standalone has no state store that Python functions can use.
            "PULSAR_STANDALONE_USE_ZOOKEEPER": "1",
            "PULSAR_STANDALONE_CONF": str(settings.home / "conf" / "standalone.conf"),
            "PULSAR_MEM": settings.memory,
            "PULSAR_GC": GARBAGE_COLLECTOR,
            "PULSAR_GC_LOG": "-Xlog:gc=off",
            "PULSAR_EXTRA_OPTS": EXTRA_OPTIONS,
            "PULSAR_LOG_CONF": str(settings.home / "conf" / "log4j2.yaml"),
            "PULSAR_LOG_DIR": str(settings.logs),
            "PULSAR_LOG_FILE": "pulsar.log",
            "PULSAR_ROUTING_APPENDER_DEFAULT": "RollingFile",
            "PULSAR_LOG_IMMEDIATE_FLUSH": "true",
            "PULSAR_SERVICE_URL": settings.service_url,
            "PULSAR_ADMIN_URL": settings.admin_url,
        }
    )
    for service in credentials.SERVICES:
        environ[credentials.dsn_variable(service)] = known.dsn(service, settings.ports.postgres)
    return environ


def start(settings: Settings, known: credentials.Credentials) -> None:
    """Start Pulsar and wait until it can take functions and state.

    Raises
    ------
    local_stack.errors.StartError
        It can't; nothing of it is left running.
    """
    configure(settings)
    data = settings.home / "pulsar"
    data.mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    output = settings.logs / "pulsar.out"
    output.unlink(missing_ok=True)
    dead = state_store.DeadRegistration(settings, {"PATH": os.environ.get("PATH", os.defpath), **_of_cli(settings)})
    processes.start_detached(
        [
            settings.distribution / "bin" / "pulsar",
            "standalone",
            "--advertised-address=127.0.0.1",
            f"--zookeeper-port={settings.ports.zookeeper}",
            f"--zookeeper-dir={data / 'zookeeper'}",
            f"--bookkeeper-port={settings.ports.bookie}",
            f"--bookkeeper-dir={data / 'bookkeeper'}",
            f"--stream-storage-port={settings.ports.state}",
            f"--functions-worker-conf={settings.home / 'conf' / 'functions_worker.yml'}",
        ],
        pid_file=pid_file(settings),
        log=output,
        environ=broker_environment(settings, known),
        cwd=settings.home,
    )
    try:
        wait_ready(settings, meanwhile=dead.remove_if_waited_for)
    except BaseException:
        stop(settings)
        raise


def wait_ready(settings: Settings, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until the Pulsar that runs can take functions and state.

    Parameters
    ----------
    settings
        The stack.
    meanwhile
        Called again and again.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or takes too long.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(settings):
        ended = pid_file(settings).running() is None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"was not ready after {READY_SECONDS:.0f} s"
            log = settings.logs / "pulsar.log"
            words = processes.tail(settings.logs / "pulsar.out") or processes.tail(log)
            raise StartError(f"Pulsar {what}. Its log is {log}; its last words:\n{words}")
        meanwhile()
        time.sleep(POLL_SECONDS)


def _get(settings: Settings, path: str) -> bytes | None:
    """What the admin REST API answers, or None."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{settings.admin_url}{path}", timeout=REQUEST_SECONDS) as response:
            return bytes(response.read())
    except (urllib.error.URLError, OSError):
        return None


def is_ready(settings: Settings) -> bool:
    """Whether the broker, the function worker and the state store all answer."""
    if _get(settings, "/admin/v2/brokers/ready") != b"ok":
        return False
    # The worker's list of functions is there once it has read its metadata topic and has a leader.
    workers = json.loads(_get(settings, "/admin/v2/worker/cluster") or b"[]")
    listed = _get(settings, "/admin/v3/functions/public/default")
    return bool(workers) and listed is not None and state_store.answers(settings)


def _function_processes(settings: Settings) -> list[int]:
    """Function instances of this stack: they name its log folder on their command line."""
    mark = str(settings.logs)
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        runs_instance = any(part.endswith("python_instance_main.py") for part in command[:3])
        if runs_instance and any(part.startswith(mark) for part in command):
            found.append(process.pid)
    return found


def stop(settings: Settings) -> bool:
    """End Pulsar and what function instances it leaves; returns whether it ran."""
    ran = processes.stop(pid_file(settings), STOP_STEPS)
    # A broker that was killed leaves its function instances behind for some seconds.
    left = processes.wait_gone(_function_processes(settings), 0.5)
    processes.send(left, signal.SIGTERM)
    processes.send(processes.wait_gone(left, 10.0), signal.SIGKILL)
    return ran
