"""A crash loop ends by itself: an entry that ended an instance twice becomes a dead letter, and the rest goes on."""

from typing import Any

import psycopg

from alpes_wire.names import ERROR_MESSAGE, ERROR_TYPE
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda, alpes, new_prefix, note, orders, wait_until

KILLS = 6
"""After two deaths, the instance takes the entries it had in ever smaller groups; it dies twice over this one alone."""


def held(stack: Tienda) -> int:
    """Return how many messages of `crear-orden` the instance holds unacknowledged."""
    stats: Any = stack.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/crear-orden-partition-0/stats")
    return sum(int(each["unackedMessages"]) for each in stats["subscriptions"]["ordenes"]["consumers"])


def at_work(connection: psycopg.Connection) -> set[int]:
    """Return the sessions of the database that wait for the lock. Those of instances that have ended wait on."""
    rows = connection.execute("SELECT pid FROM pg_locks WHERE relation = 'ordenes'::regclass AND NOT granted")
    return {pid for (pid,) in rows}


def letters(stack: Tienda, start: str) -> list[Any]:
    return [letter for letter in stack.read("crear-orden-DLQ") if letter.partition_key().startswith(start)]


def test_what_an_instance_died_over_twice_is_given_up_and_the_rest_goes_on(stack: Tienda) -> None:
    start = new_prefix("loop-")
    with psycopg.connect(stack.dsns["ordenes"]) as connection:
        # The test kills the instance while it works on the entry, as the entry would.
        connection.execute("LOCK TABLE ordenes IN ACCESS EXCLUSIVE MODE")
        stack.publish("crear-orden", orders(f"{start}deadly-", 1))
        seen: set[int] = set()
        for kill in range(KILLS):
            wait_until(lambda: held(stack) == 1 and at_work(connection) - seen, 60, f"it works on it, kill {kill + 1}")
            seen.update(at_work(connection))
            (process,) = stack.processes("ordenes")
            process.kill()
            process.wait(10)
            wait_until(lambda: held(stack) == 0, 30, "the broker knows of the death")
        connection.rollback()
    wait_until(lambda: len(letters(stack, start)) == 1, 60, "it is a dead letter")
    (letter,) = letters(stack, start)
    assert letter.properties()[ERROR_TYPE] == "unreadable"
    assert "ended 2 times while it worked on this entry" in letter.properties()[ERROR_MESSAGE]
    stack.publish("crear-orden", orders(f"{start}fine-", 100))
    stack.wait_ended(f"{start}fine-", 100, 30)
    note(f"crash loop: given up after {KILLS} deaths of the instance")

    (line,) = [line for line in alpes("dlq", "list", "--json", tienda=stack).stdout.splitlines() if start in line]
    assert alpes("dlq", "replay", line.split('"')[3], tienda=stack).returncode == 0
    stack.wait_ended(f"{start}deadly-", 1, 30)
