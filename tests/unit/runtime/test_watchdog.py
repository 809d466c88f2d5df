"""A thread that dies or hangs ends the instance; a thread that is done does not."""

import threading
from collections.abc import Callable

import pytest

from alpes_runtime._watchdog import CHECK_EVERY_S, HANG_LIMIT_S, Watchdog, Worker
from alpes_runtime.testing import FakeClock, instance_context


class Ended(list[str]):
    def __call__(self, reason: str) -> None:
        self.append(reason)


def worker(step: Callable[[], object], clock: FakeClock, stop: threading.Event) -> Worker:
    made = Worker("commit", step, stop.is_set, clock)
    made.start()
    return made


def test_a_thread_that_died_ends_the_instance_with_its_error() -> None:
    clock, stop, ended = FakeClock(), threading.Event(), Ended()

    def die() -> None:
        raise ZeroDivisionError("one over zero")

    dead = worker(die, clock, stop)
    dead.join(5)
    Watchdog([dead], ended, clock, stop).check()
    assert ended == ["thread commit died: ZeroDivisionError: one over zero"]


def test_a_thread_that_hangs_ends_the_instance() -> None:
    clock, stop, ended, release = FakeClock(), threading.Event(), Ended(), threading.Event()
    hanging = worker(lambda: release.wait(20), clock, stop)
    watchdog = Watchdog([hanging], ended, clock, stop)
    clock.now += HANG_LIMIT_S - 1
    watchdog.check()
    assert ended == []
    clock.now += 2
    watchdog.check()
    stop.set()
    release.set()
    hanging.join(5)
    assert ended == ["thread commit hangs for 121 s"]


def test_a_sign_of_life_within_a_long_step_is_enough() -> None:
    clock, stop, ended, release = FakeClock(), threading.Event(), Ended(), threading.Event()
    busy = worker(lambda: release.wait(20), clock, stop)
    clock.now += HANG_LIMIT_S + 1
    busy.heartbeat()
    Watchdog([busy], ended, clock, stop).check()
    stop.set()
    release.set()
    busy.join(5)
    assert ended == []


def test_a_thread_that_is_done_is_no_trouble_however_long_ago() -> None:
    clock, stop, ended = FakeClock(), threading.Event(), Ended()
    stop.set()
    done = worker(lambda: None, clock, stop)
    done.join(5)
    clock.now += 10 * HANG_LIMIT_S
    Watchdog([done], ended, clock, stop).check()
    assert (done.finished, ended) == (True, [])


def test_a_thread_that_was_never_started_is_missed() -> None:
    clock, ended = FakeClock(), Ended()
    Watchdog([Worker("intake 0", lambda: None, lambda: False, clock)], ended, clock, threading.Event()).check()
    assert ended == ["thread intake 0 is gone"]


def test_one_look_ends_the_instance_once() -> None:
    clock, ended = FakeClock(), Ended()
    workers = [Worker(f"w{n}", lambda: None, lambda: False, clock) for n in range(3)]
    Watchdog(workers, ended, clock, threading.Event()).check()
    assert len(ended) == 1


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_it_looks_every_second_until_the_stop(looks: int) -> None:
    stopping, ended = threading.Event(), Ended()
    clock = FakeClock()
    clock.on_wait = lambda _seconds: stopping.set() if len(clock.waits) > looks else None
    Watchdog([Worker("w", lambda: None, lambda: False, clock)], ended, clock, stopping).watch()
    assert clock.waits == [CHECK_EVERY_S] * (looks + 1)
    assert len(ended) == looks


def test_a_worker_steps_until_told_to_stop() -> None:
    steps: list[int] = []
    clock = FakeClock()
    counting = Worker("w", lambda: steps.append(1), lambda: len(steps) == 3, clock)
    counting.start()
    counting.join(5)
    assert (len(steps), counting.finished, counting.error) == (3, True, None)


def test_a_heartbeat_is_that_of_the_thread_that_sends_it() -> None:
    clock, context = FakeClock(), instance_context()

    def work() -> None:
        clock.now += 100
        context.heartbeat()

    busy, other = (Worker(name, work, iter([False, True]).__next__, clock) for name in ("busy", "other"))
    context.heartbeat()  # from a thread that isn't watched
    busy.start()
    busy.join(5)
    assert (busy.error, busy.last_heartbeat, other.last_heartbeat) == (None, 1100, 1000)
