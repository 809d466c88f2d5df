"""A distribution that the user has downloaded: named by `ALPES_PULSAR_TARBALL`, checked if a checksum is given."""

import hashlib
import io
import re
import tarfile
from pathlib import Path

import pytest

from local_stack import distribution
from local_stack.errors import ChecksumError, SettingsError
from local_stack.settings import PULSAR_VERSION, Settings, from_environment


def tarball(path: Path, name: str = "apache-pulsar-5.0.0/conf/broker.conf") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = 3
        archive.addfile(entry, io.BytesIO(b"a=b"))
    return path


def settings(folder: Path, **environ: object) -> Settings:
    places = {"ALPES_HOME": str(folder / "home"), "ALPES_CACHE": str(folder / "cache")}
    return from_environment(places | {name: str(value) for name, value in environ.items()})


def test_its_version_is_read_from_it_whatever_its_name_and_the_pinned_one_is_left_alone(tmp_path: Path) -> None:
    own = settings(tmp_path, ALPES_PULSAR_TARBALL=tarball(tmp_path / "any.tgz"))
    assert (own.version, own.sha512) == ("5.0.0", "")
    same = settings(tmp_path, ALPES_PULSAR_TARBALL=tarball(tmp_path / "b.tgz", f"./apache-pulsar-{PULSAR_VERSION}/x"))
    assert same.version == PULSAR_VERSION
    assert len({own.distribution, same.distribution, settings(tmp_path).distribution}) == 3


def test_it_is_unpacked_and_stays_and_another_file_in_its_place_is_unpacked_again(tmp_path: Path) -> None:
    path = tarball(tmp_path / "own.tgz")
    first = settings(tmp_path, ALPES_PULSAR_TARBALL=path)
    assert (distribution.ensure(first) / "conf" / "broker.conf").read_text() == "a=b"
    assert path.exists()
    tarball(path, "apache-pulsar-5.0.0/other")
    assert (distribution.ensure(settings(tmp_path, ALPES_PULSAR_TARBALL=path)) / "other").exists()


def test_a_checksum_that_is_given_is_checked_and_the_users_file_stays(tmp_path: Path) -> None:
    path = tarball(tmp_path / "own.tgz")
    wrong = settings(tmp_path, ALPES_PULSAR_TARBALL=path, ALPES_PULSAR_SHA512="ab" * 64)
    with pytest.raises(ChecksumError, match=f"{path} has the SHA-512 "):
        distribution.ensure(wrong)
    assert (path.exists(), wrong.distribution.exists()) == (True, False)
    right = hashlib.sha512(path.read_bytes()).hexdigest().upper()
    assert distribution.ensure(settings(tmp_path, ALPES_PULSAR_TARBALL=path, ALPES_PULSAR_SHA512=right)).is_dir()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "which isn't there"),
        (lambda path: path.write_bytes(b"<html>"), "which can't be read as a tar archive"),
        (lambda path: path.write_bytes(b""), "which can't be read as a tar archive"),
        (lambda path: tarball(path, "apache-kafka-4.0.0/x"), "which is no distribution of Pulsar"),
        (lambda path: path.mkdir(), "which can't be read as a tar archive"),
    ],
    ids=["no file", "a page", "an empty file", "another project", "a folder"],
)
def test_what_is_no_distribution_is_one_line_that_names_it(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "own.tgz"
    make(path)  # type: ignore[operator]
    with pytest.raises(SettingsError, match=re.escape(f"ALPES_PULSAR_TARBALL names {path}, {said}")) as caught:
        settings(tmp_path, ALPES_PULSAR_TARBALL=path)
    assert "\n" not in str(caught.value)
