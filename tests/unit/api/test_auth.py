"""Who may use the API."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.auth import Tokens, tokens_of
from api.errors import TokenFileError, UnsafeAddressError
from api.settings import Settings

Start = Callable[..., TestClient]
TOKEN, OTHER = "a" * 32, "b" * 32


def settings(host: str, token_file: Path | None = None) -> Settings:
    return Settings(
        service_url="pulsar://127.0.0.1:1", admin_url="http://127.0.0.1:1", host=host, token_file=token_file
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(f"# of the shop\n{TOKEN}\n\n")
    return path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_on_loopback_nobody_needs_a_token(host: str) -> None:
    assert tokens_of(settings(host)) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "shop.example"])  # noqa: S104 - it is refused
def test_elsewhere_it_does_not_start_without_tokens(host: str, file: Path) -> None:
    with pytest.raises(UnsafeAddressError, match="--token-file"):
        tokens_of(settings(host))
    assert tokens_of(settings(host, file)) is not None


def test_a_changed_file_counts_at_once(file: Path) -> None:
    tokens = Tokens(file)
    assert tokens.accepts(TOKEN)
    assert not tokens.accepts(OTHER)
    replacement = file.with_suffix(".new")
    replacement.write_text(OTHER)
    replacement.rename(file)
    assert tokens.accepts(OTHER)
    assert not tokens.accepts(TOKEN)


def test_a_file_that_breaks_later_leaves_the_tokens_as_they_were(file: Path) -> None:
    tokens = Tokens(file)
    file.write_text("short")
    os.utime(file, ns=(1, 1))
    assert tokens.accepts(TOKEN)
    assert not tokens.accepts("short")
    file.unlink()
    assert tokens.accepts(TOKEN)


@pytest.mark.parametrize("content", ["", "# nothing\n", "short\n", "\xff\xfe"])
def test_a_file_without_a_usable_token_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TokenFileError, match="tokens"):
        Tokens(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="can't be read"):
        Tokens(tmp_path / "none")
