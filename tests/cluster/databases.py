"""Two PostgreSQL servers for the cluster: a primary, and a standby that has confirmed whatever is committed."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from local_stack import postgres
from local_stack.credentials import SUPERUSER, Credentials, load_or_make
from local_stack.processes import send, start_detached, wait_gone
from local_stack.settings import Ports, Settings
from tests.cluster.layout import HOST

READY_S = 60.0
USUAL_PORT = Ports().postgres


class Databases:
    """A primary and its synchronous standby, each in a folder of its own.

    Parameters
    ----------
    cache
        Where downloads are kept.
    home
        Their folder.
    ports
        Of the primary and of the standby.
    """

    def __init__(self, cache: Path, home: Path, ports: tuple[int, int]) -> None:
        self._primary, self._standby = (
            Settings(home / name, cache, Ports(port - USUAL_PORT))
            for name, port in zip(("primary", "standby"), ports, strict=True)
        )
        self._ports = ports
        self._credentials = Credentials({})
        self._primary.home.mkdir(parents=True)
        self._credentials = load_or_make(self._primary)

    def dsn(self, role: str) -> str:
        """Return a DSN with both servers: libpq takes the one that can be written to."""
        hosts = ",".join(f"{HOST}:{port}" for port in self._ports)
        options = "target_session_attrs=read-write&connect_timeout=3"
        return f"postgresql://{role}:{self._credentials.passwords[role]}@{hosts}/{role}?{options}"

    def start(self) -> None:
        """Start the primary, copy it, and let it confirm nothing that the copy doesn't have."""
        postgres.start(self._primary, self._credentials)
        data = _data(self._primary)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        self._run("SELECT pg_reload_conf()")
        self._copy()
        self._run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._run("SELECT pg_reload_conf()")
        deadline = time.monotonic() + READY_S
        while not self._run("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"):
            assert time.monotonic() < deadline, "the standby follows"
            time.sleep(0.2)

    def kill_primary(self) -> None:
        """Kill the primary, all its processes at once."""
        pid = postgres.pid_file(self._primary).running()
        assert pid is not None, "the primary runs"
        everyone = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
        send([pid, *map(int, everyone)], signal.SIGKILL)
        wait_gone([pid], 10)

    def promote(self) -> None:
        """Make the standby the primary, as an operator or a tool of his does."""
        with psycopg.connect(self._superuser(self._standby), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def close(self) -> None:
        """Stop both, and remove their data."""
        for settings in (self._standby, self._primary):
            postgres.stop(settings)
            postgres.remove(settings)

    def _copy(self) -> None:
        """Make the standby a copy that follows the primary; it itself waits for no other server."""
        source, target = _data(self._primary), _data(self._primary).with_name("standby")
        programs = _programs(self._primary)
        owner = source.stat()
        options = [
            "-h",
            HOST,
            "-p",
            str(self._ports[0]),
            "-U",
            SUPERUSER,
            "-D",
            str(target),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ]
        subprocess.run(
            [programs / "pg_basebackup", *options],
            env=os.environ | {"PGPASSWORD": self._credentials.passwords[SUPERUSER]},
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
            cwd="/",
            check=True,
            capture_output=True,
        )
        self._standby.home.mkdir(parents=True)
        (self._standby.home / "logs").mkdir()
        start_detached(
            [programs / "postgres", "-D", target, "-p", str(self._ports[1]), "-c", "synchronous_standby_names="],
            pid_file=postgres.pid_file(self._standby),
            log=self._standby.home / "logs" / "postgres.log",
            environ={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
            user=None if os.geteuid() else postgres.SYSTEM_USER,
        )

    def _run(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self._superuser(self._primary), autocommit=True) as connection:
            cursor = connection.execute(sql.SQL(statement))
            return cursor.fetchall() if cursor.description else []

    def _superuser(self, settings: Settings) -> str:
        return self._credentials.dsn(SUPERUSER, settings.ports.postgres)


def _data(settings: Settings) -> Path:
    return postgres.folder(settings).resolve() / "data"


def _programs(settings: Settings) -> Path:
    """Return the programs that the running server is one of."""
    pid = postgres.pid_file(settings).running()
    return Path(f"/proc/{pid}/exe").resolve().parent
