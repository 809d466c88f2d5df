"""What the client sends is in a trace that the functions continue."""

from alpes_wire.names import TRACEPARENT
from client.tracing import traced

GIVEN = f"00-{'a' * 32}-{'b' * 16}-01"


def test_a_trace_that_is_given_is_kept() -> None:
    assert traced(GIVEN, "a", "crear-orden") == {TRACEPARENT: GIVEN}


def test_without_one_and_with_nonsense_it_is_the_one_of_the_key() -> None:
    derived = traced("", "a", "crear-orden")
    assert derived == traced("no trace", "a", "crear-orden")
    assert derived != traced("", "b", "crear-orden")
