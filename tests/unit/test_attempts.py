"""Attempts: a message that no process survives is found, and no other is taken for it."""

from pathlib import Path

import pytest

from energy_platform.errors import UsageError
from energy_platform.pipeline.attempts import Attempts, Trouble

NAME, BY = "some_source", "batch"


def begins(attempts: Attempts, start: int, count: int) -> Trouble:
    """Begin an attempt at so many messages, or as many as may be; its process dies of them."""
    with attempts.at(NAME, start, by=BY) as attempt:
        known = attempt.trouble
        attempt.begin(min(count, known.most or count))
    return known


def fails(attempts: Attempts, error: BaseException) -> None:
    """Begin an attempt at many messages that ends with an error."""
    with attempts.at(NAME, 5, by=BY) as attempt:
        attempt.begin(min(100, attempt.trouble.most or 100))
        raise error


def test_attempts_narrow_to_the_message_that_none_survives(tmp_path: Path) -> None:
    attempts, sizes = Attempts(tmp_path), list[int]()
    fatal, stop, start = 11, 16, 0
    for _ in range(40):
        with attempts.at(NAME, start, by=BY) as attempt:
            taken = min(stop - start, attempt.trouble.most or stop)
            sizes.append(taken)
            attempt.begin(taken)
            if start + taken <= fatal:
                attempt.end(taken)
                start += taken
    assert start == fatal
    assert sizes[:4] == [16, 16, 8, 8], "the second is more careful, and later ones are shorter"
    assert sizes[-8:] == [1] * 8, "it is alone, and waits for a person"
    with attempts.at(NAME, start, by=BY) as attempt:
        attempt.begin(1)
        attempt.end(1)
    with attempts.at(NAME, stop, by=BY) as attempt:
        assert (attempt.trouble.most, attempt.trouble.is_careful) == (None, False)


def test_one_death_costs_one_careful_attempt(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    assert not begins(attempts, 3, 20).is_careful
    with attempts.at(NAME, 3, by=BY) as attempt:
        assert (attempt.trouble.is_careful, attempt.trouble.most) == (True, None)
        attempt.begin(20)
        attempt.end(20)
    assert attempts.trouble(NAME, by=BY) is None


def test_what_was_done_before_a_death_is_no_part_of_it(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    begins(attempts, 3, 20)
    with attempts.at(NAME, 23, by=BY) as attempt:  # it died after it had stored all
        assert not attempt.trouble.is_careful


def test_an_unknown_error_narrows_too(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    for _ in range(12):
        with pytest.raises(ZeroDivisionError):
            fails(attempts, ZeroDivisionError())
    with attempts.at(NAME, 5, by=BY) as attempt:
        assert attempt.trouble.most == 1


@pytest.mark.parametrize("error", [UsageError("known"), KeyboardInterrupt()])
def test_a_known_error_and_an_end_from_outside_change_nothing(
    tmp_path: Path, error: BaseException
) -> None:
    attempts = Attempts(tmp_path)
    with pytest.raises(type(error)):
        fails(attempts, error)
    assert attempts.trouble(NAME, by=BY) is None


def test_two_at_once_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    with attempts.at(NAME, 0, by=BY) as one, attempts.at(NAME, 0, by=BY) as other:
        one.begin(1)
        other.begin(1)
        with attempts.at(NAME, 0, by=BY) as third:
            assert not third.trouble.is_careful
        one.end(1)
    assert attempts.trouble(NAME, by=BY) is None


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"start": 1}', b'{"start": "1", "stop": null}', b"7", b"\xff\x00"]
)
def test_a_damaged_note_is_no_note(tmp_path: Path, text: bytes) -> None:
    attempts = Attempts(tmp_path)
    begins(attempts, 0, 4)
    (tmp_path / f"{NAME}.{BY}").write_bytes(text)
    with attempts.at(NAME, 0, by=BY) as attempt:
        assert not attempt.trouble.is_careful
