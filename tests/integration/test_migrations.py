"""Migrations are applied in order and once each, also by two at the same time; an applied one can't change."""

import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from alpes_runtime.errors import Misconfigured
from alpes_runtime.migrations import migrate, missing
from tests.integration.conftest import MIGRATIONS
from tests.integration.server import Server


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name[1:]}.sql").write_text(text)
    return path


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_they_are_applied_in_the_order_of_their_names_whatever_is_in_them(empty_dsn: str, tmp_path: Path) -> None:
    folder(
        tmp_path,
        _0002_b="ALTER TABLE a ADD COLUMN b text DEFAULT '100%% and 50%';",
        _0001_a="CREATE TABLE a (id int); INSERT INTO a VALUES (1); -- {braces} and %s",
        _0010_c="CREATE TABLE c (id int)",
    )
    assert migrate(empty_dsn, tmp_path) == ["0001_a.sql", "0002_b.sql", "0010_c.sql"]
    assert tables(empty_dsn) == {"a", "c", "schema_migrations"}
    with psycopg.connect(empty_dsn) as connection:
        assert connection.execute("SELECT b FROM a").fetchall() == [("100%% and 50%",)]


@pytest.mark.parametrize("service", sorted(MIGRATIONS))
def test_a_second_run_changes_nothing(service: str, empty_dsn: str) -> None:
    assert migrate(empty_dsn, MIGRATIONS[service])
    assert migrate(empty_dsn, MIGRATIONS[service]) == []


def test_a_file_that_changed_after_it_was_applied_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    folder(tmp_path, _0001_a="CREATE TABLE a (id int)")
    migrate(empty_dsn, tmp_path)
    folder(tmp_path, _0001_a="CREATE TABLE a (id bigint)", _0002_b="CREATE TABLE b (id int)")
    with pytest.raises(Misconfigured, match=r"0001_a\.sql was applied and has changed since"):
        migrate(empty_dsn, tmp_path)
    assert tables(empty_dsn) == {"a", "schema_migrations"}


def test_a_file_that_comes_before_an_applied_one_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    folder(tmp_path, _0002_b="CREATE TABLE b (id int)")
    migrate(empty_dsn, tmp_path)
    folder(tmp_path, _0001_a="CREATE TABLE a (id int)")
    with pytest.raises(Misconfigured, match=r"0001_a\.sql comes before 0002_b\.sql"):
        migrate(empty_dsn, tmp_path)
    assert "a" not in tables(empty_dsn)


def test_one_that_fails_leaves_nothing_of_itself_and_all_before_it(empty_dsn: str, tmp_path: Path) -> None:
    folder(tmp_path, _0001_a="CREATE TABLE a (id int)", _0002_b="CREATE TABLE b (id int); SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_dsn, tmp_path)
    assert tables(empty_dsn) == {"a", "schema_migrations"}
    folder(tmp_path, _0002_b="CREATE TABLE b (id int)")
    assert migrate(empty_dsn, tmp_path) == ["0002_b.sql"]


def test_of_two_that_race_one_applies_and_the_other_finds_it_done(empty_dsn: str, tmp_path: Path) -> None:
    folder(tmp_path, _0001_a="SELECT pg_sleep(0.3); CREATE TABLE a (id int)", _0002_b="CREATE TABLE b (id int)")
    results: list[list[str]] = []
    racers = [threading.Thread(target=lambda: results.append(migrate(empty_dsn, tmp_path))) for _ in range(4)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert sorted(results) == [[], [], [], ["0001_a.sql", "0002_b.sql"]]


def test_it_can_be_done_by_hand(server: Server, empty_dsn: str) -> None:
    command = [sys.executable, "-m", "alpes_runtime.migrations", "A_DSN", str(MIGRATIONS["ordenes"])]
    root = Path(__file__).parents[2]
    for expected in ("0001_ordenes.sql", "up to date"):
        done = subprocess.run(
            command,
            env={"A_DSN": empty_dsn, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[0] == expected


def test_what_is_missing_is_told_and_nothing_is_changed(empty_dsn: str, tmp_path: Path) -> None:
    folder(tmp_path, _0001_a="CREATE TABLE a (id int)", _0002_b="CREATE TABLE b (id int)")
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        assert missing(connection, tmp_path) == ["0001_a.sql", "0002_b.sql"]
        assert tables(empty_dsn) == set()
        migrate(empty_dsn, tmp_path)
        assert missing(connection, tmp_path) == []
        folder(tmp_path, _0003_c="CREATE TABLE c (id int)")
        assert missing(connection, tmp_path) == ["0003_c.sql"]
        folder(tmp_path, _0001_a="CREATE TABLE other (id int)")
        with pytest.raises(Misconfigured, match="has changed since"):
            missing(connection, tmp_path)
