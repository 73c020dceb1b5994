"""`energy-platform users` and `audit`: who may look at the dashboard, and who said so."""

import io
import json
import sys
from pathlib import Path

import pytest

from energy_platform.dashboard.access.sessions import Sessions
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import UserList
from energy_platform.dashboard.access.visitor import Role
from energy_platform.settings import StatePlace
from tests.support.commands import Command

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand for a pipe with a password in it."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))


def actions(command: Command) -> list[tuple[str, str]]:
    return [(one["action"], one["user"]) for one in json.loads(command("audit", "--json").out)]


def test_a_user_is_added_listed_and_removed(home: Path, command: Command) -> None:
    added = command("users", "add", "bob", "--role", "trader", "--portfolio", "wind",
                    "--portfolio", "gas")  # fmt: skip
    assert (added.code, added.out) == (0, "bob is a trader.\n")
    bob = UserList.of(home).find("bob")
    assert bob is not None
    assert (bob.role, bob.portfolios) == (Role.TRADER, ("wind", "gas"))
    assert (bob.password_hash or "").startswith("$argon2id$")
    [listed] = json.loads(command("users", "list", "--json").out)["users"]
    assert listed == {
        "name": "bob", "role": "trader", "portfolios": ["wind", "gas"], "has_password": True,
    }  # fmt: skip
    key = Sessions.of(StatePlace(home)).begin("bob", seconds=60)
    Tokens.of(StatePlace(home)).make("bob", Scope.READ, seconds=60)
    assert command("users", "remove", "bob").code == 0
    assert UserList.of(home).find("bob") is None
    assert (Sessions.of(StatePlace(home)).find(key), Tokens.of(StatePlace(home)).all()) == (
        None,
        [],
    )
    assert actions(command) == [("user removed", "bob"), ("user set", "bob")]
    assert PASSWORD not in command("audit").out


def test_a_new_password_ends_the_sessions_of_the_old_one(home: Path, command: Command) -> None:
    command("users", "add", "bob", "--no-password")
    key = Sessions.of(StatePlace(home)).begin("bob", seconds=60)
    assert Sessions.of(StatePlace(home)).find(key) is not None
    assert command("users", "add", "bob").code == 0
    assert Sessions.of(StatePlace(home)).find(key) is None


def test_a_user_of_another_login_has_no_password(home: Path, command: Command) -> None:
    assert command("users", "add", "carol@example.com", "--no-password").code == 0
    carol = UserList.of(home).find("carol@example.com")
    assert carol is not None
    assert (carol.password_hash, carol.role) == (None, Role.VIEWER)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["add", "bob", "--role", "king"], "no role 'king'"),
        (["add", " bob"], "no blank around it"),
        (["add", "bo\nb"], "printable"),
        (["remove", "bob"], "no user 'bob'"),
        (["token", "bob"], "no user 'bob'"),
        (["revoke", "bob"], "no token 'bob'"),
    ],
)
def test_what_can_not_be_is_one_line(
    home: Path, command: Command, arguments: list[str], problem: str
) -> None:
    answer = command("users", *arguments)
    assert (answer.code, answer.error.count("\n")) == (2, 1)
    assert problem in answer.error
    assert actions(command) == []


def test_a_short_password_is_refused(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hunter2\n"))
    answer = command("users", "add", "bob")
    assert (answer.code, "12 to 1024" in answer.error) == (2, True)
    assert UserList.of(home).find("bob") is None


def test_a_token_is_printed_once_and_can_be_revoked(home: Path, command: Command) -> None:
    command("users", "add", "bob", "--role", "trader")
    text = command("users", "token", "bob", "--scope", "positions", "--days", "1").out.strip()
    token = Tokens.of(StatePlace(home)).find(text)
    assert token is not None
    assert (token.user, token.scope) == ("bob", Scope.POSITIONS)
    listed = command("users", "list")
    assert token.token_id in listed.out
    assert text not in listed.out + command("audit").out
    assert command("users", "revoke", token.token_id).code == 0
    assert Tokens.of(StatePlace(home)).find(text) is None
    assert [one for one, _ in actions(command)] == ["token revoked", "token made", "user set"]
    assert command("users", "token", "bob", "--scope", "everything").code == 2
