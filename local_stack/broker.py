"""Pulsar standalone: broker, storage, function worker and state store in one process."""

import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from connection.admin import Admin
from connection.errors import PulsarError
from local_stack import conf_files, credentials, distribution, java, processes, state_store
from local_stack.errors import StartError
from local_stack.settings import Settings

# A quiet machine takes 10 to 20 s, one with other work several times that.
READY_SECONDS = 300.0
POLL_SECONDS = 0.2
REQUEST_S = 5.0
# A graceful stop ends the functions first; each has about 10 s.
STOP_STEPS = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
# The distribution's choice is ZGC, which works beside the application and so takes from its cores: on two of them, the
# first 20,000 orders after a start took 22 s with it and 11 s with the parallel collector.
GARBAGE_COLLECTOR = ("-XX:+UseParallelGC", "-XX:+PerfDisableSharedMem", "-Xlog:gc=off")
# The distribution's own, and Curator's session time-out: a restarted state store has no leader until the session of
# the one before has expired, which takes Curator's default of 60 s, also after a graceful stop.
EXTRA_OPTIONS = (
    "-Dpulsar.allocator.exit_on_oom=true",
    "-Dio.netty.recycler.maxCapacityPerThread=4096",
    "-Dcurator-default-session-timeout=10000",
)
# The CLI lives for a second or two: a small JVM that does not optimise.
CLI_OPTIONS = (
    "-Xmx128m",
    "-XX:MaxDirectMemorySize=128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dio.netty.leakDetection.level=disabled",
)
# What a shell may have set for another Pulsar.
FOREIGN_PREFIXES = ("PULSAR_", "BOOKIE_", "BOOKKEEPER_", "BK_", "PYTHONPATH", "PYTHONHOME", "CLASSPATH", "FUNCTIONS_")


def pid_file(settings: Settings) -> processes.PidFile:
    """The note of the broker's process."""
    return processes.PidFile(settings.home / "pulsar.pid")


def find(settings: Settings) -> int | None:
    """The broker's process while it runs."""
    mark = java.config_file_option(settings)
    return processes.find(pid_file(settings), lambda command: mark in command and java.STANDALONE in command)


def has_data(settings: Settings) -> bool:
    """Whether there are topics, which BookKeeper knows by its port."""
    return (_data(settings) / "bookkeeper").exists()


def _data(settings: Settings) -> Path:
    return settings.home / "pulsar"


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
    arguments = [target / "client.conf"]
    command = shlex.join(java.command(settings, java.ADMIN, arguments, _cli_options(settings)))
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in java.LOCALE.items())
    settings.pulsar_admin.parent.mkdir(exist_ok=True)
    settings.pulsar_admin.write_text(
        f'#!/usr/bin/env bash\n# Pulsar\'s CLI on this stack. Written by each `up`.\n{exports}exec {command} "$@"\n'
    )
    settings.pulsar_admin.chmod(0o755)


def _cli_options(settings: Settings) -> list[str]:
    return [*CLI_OPTIONS, f"-XX:SharedArchiveFile={distribution.class_data_archive(settings)}"]


def broker_environment(settings: Settings, known: credentials.Credentials) -> dict[str, str]:
    """The broker's environment, which its functions inherit: PATH decides their Python, and the DSNs are in it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}
    python_folder = Path(sys.executable).parent
    environ.update(
        {
            "PATH": os.pathsep.join([str(python_folder), environ.get("PATH", os.defpath)]),
            **java.LOCALE,
            # Where instances look for the configuration of their logs.
            "PULSAR_HOME": str(settings.distribution),
            # Without ZooKeeper standalone has no state store that Python functions can use.
            "PULSAR_STANDALONE_USE_ZOOKEEPER": "1",
            "PULSAR_SERVICE_URL": settings.service_url,
            "PULSAR_ADMIN_URL": settings.admin_url,
        }
    )
    environ.update(known.dsns(settings.ports.postgres))
    return environ


def lacking(settings: Settings, known: credentials.Credentials) -> list[str]:
    """The DSNs, by variable, that a Pulsar of before they were made has not in its environment."""
    pid = pid_file(settings).running()
    try:
        environ = psutil.Process(pid).environ() if pid else None
    except psutil.Error:
        # Of another user, or just gone.
        environ = None
    wanted = known.dsns(settings.ports.postgres)
    return [] if environ is None else [name for name, dsn in wanted.items() if environ.get(name) != dsn]


def start(settings: Settings, known: credentials.Credentials) -> None:
    """Start Pulsar and wait until it can take functions and state.

    Raises
    ------
    local_stack.errors.StartError
        It can't; nothing of it is left running.
    """
    configure(settings)
    data = _data(settings)
    is_first = not has_data(settings)
    data.mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    output = settings.logs / "pulsar.out"
    output.unlink(missing_ok=True)
    shell = java.command(settings, java.ZOOKEEPER_SHELL, options=_cli_options(settings))
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
            [*settings.memory.split(), *GARBAGE_COLLECTOR, *EXTRA_OPTIONS],
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
            # Nobody's data yet: kept, they would bind the stack to its ports.
            shutil.rmtree(data, ignore_errors=True)
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


def is_ready(settings: Settings) -> bool:
    """Whether the broker, the function worker and the state store all answer."""
    admin = Admin(settings.admin_url, timeout_s=REQUEST_S, pauses_s=())
    try:
        if admin.text("/admin/v2/brokers/ready") != "ok" or not admin.find("/admin/v2/worker/cluster"):
            return False
        # The worker's list of functions is there once it has read its metadata topic and has a leader.
        listed = admin.find("/admin/v3/functions/public/default")
    except PulsarError:
        return False
    return listed is not None and state_store.answers(settings)


def function_processes(settings: Settings) -> dict[int, list[str]]:
    """Function instances of this stack, with their command lines: these name its log folder."""
    mark = str(settings.function_logs)
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        runs_instance = any(part.endswith("python_instance_main.py") for part in command[:3])
        if runs_instance and mark in command:
            found[process.pid] = command
    return found


def stop(settings: Settings) -> bool:
    """End Pulsar and what function instances it leaves; returns whether it ran."""
    ran = processes.stop(pid_file(settings), STOP_STEPS)
    # A broker that was killed leaves its function instances behind for some seconds.
    left = processes.wait_gone(list(function_processes(settings)), 0.5)
    processes.send(left, signal.SIGTERM)
    processes.send(processes.wait_gone(left, 10.0), signal.SIGKILL)
    return ran
