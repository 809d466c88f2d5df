"""The dead letters that wait, in bounded memory."""

from api.live.letters import KEPT, MAX_REASON_CHARS, SHOWN, WaitingLetter, WaitingLetters
from operations.dlq.letters import Letter, LetterId


def letter(number: int, error: str = "invalid") -> WaitingLetter:
    return WaitingLetter(f"crear-orden:0:1:{number}", "crear-orden", error, "ordenes", f"k{number}", "why", number)


def test_letters_are_counted_by_reason_and_named_the_newest_first() -> None:
    letters = WaitingLetters()
    for number in range(3):
        letters.add(letter(number))
    letters.add(letter(9, "bug"))
    letters.add(letter(9, "bug"))
    found = letters.as_json()
    assert found["waiting"] == 4
    assert [(each["error"], each["letters"]) for each in found["reasons"]] == [("invalid", 3), ("bug", 1)]
    assert [each["since_ms"] for each in found["letters"]] == [9, 2, 1, 0]


def test_a_letter_that_was_dealt_with_waits_no_longer_whichever_was_read_first() -> None:
    letters = WaitingLetters()
    letters.add(letter(1))
    letters.dealt_with("crear-orden:0:1:1")
    letters.dealt_with("crear-orden:0:1:2")
    letters.add(letter(2))
    assert letters.as_json()["waiting"] == 0


def test_the_oldest_make_room_and_it_is_said_that_there_are_more() -> None:
    letters = WaitingLetters()
    for number in range(KEPT + 5):
        letters.add(letter(number))
    letters.pass_over(2)
    found = letters.as_json()
    assert (found["waiting"], found["passed_over"], len(found["letters"])) == (KEPT, 7, SHOWN)
    assert found["letters"][0]["since_ms"] == KEPT + 4


def test_the_reason_is_a_tracebacks_last_line_and_has_a_bound() -> None:
    properties = {"error.type": "bug", "error.message": f"Traceback\n  x\nValueError: {'y' * 1000}\n"}
    shown = WaitingLetter.of(Letter(LetterId("crear-orden", 0, 1, 2, -1), "k" * 999, b"", properties, 5))
    assert shown.why.startswith("ValueError: yyy")
    assert (len(shown.why), len(shown.key)) == (MAX_REASON_CHARS, 128)
