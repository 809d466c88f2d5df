"""Parts of a long answer are published before their message is done, and confirmed one by one."""

import threading

import pulsar
import pytest

from alpes_runtime import EarlyPublisher, Event
from alpes_runtime.errors import Refused
from alpes_runtime.testing import FakeClock
from tests.unit.runtime.parts import instance_context
from tests.unit.scripted_client import ScriptedClient

PART = [Event("t", "k", b"part")]


def test_a_part_is_published_again_until_the_broker_confirms_it() -> None:
    client = ScriptedClient()
    client.verdict = lambda entry: pulsar.Result.Timeout if entry < 3 else pulsar.Result.Ok
    publisher = EarlyPublisher(instance_context(client=client, clock=FakeClock()), {})
    assert publisher.publish(PART)
    assert client.entries == 3


def test_parts_of_several_threads_are_published_one_after_another() -> None:
    client = ScriptedClient()
    publisher = EarlyPublisher(instance_context(client=client), {})
    threads = [threading.Thread(target=publisher.publish, args=(PART,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (client.entries, len(client.stored)) == (8, 8)


def test_nothing_is_published_once_the_instance_stops() -> None:
    client = ScriptedClient()
    context = instance_context(client=client)
    context.stopping.set()
    assert not EarlyPublisher(context, {}).publish(PART)
    assert client.entries == 0


def test_a_part_that_is_too_large_for_the_broker_is_refused() -> None:
    client = ScriptedClient()
    client.verdict = lambda _entry: pulsar.Result.MessageTooBig
    with pytest.raises(Refused):
        EarlyPublisher(instance_context(client=client, clock=FakeClock()), {}).publish(PART)
