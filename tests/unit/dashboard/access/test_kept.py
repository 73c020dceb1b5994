"""What is kept of users, sessions, tokens and the audit log, and that it is for this user alone."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from energy_platform.dashboard.access.audit import Action, AuditLog
from energy_platform.dashboard.access.audit_archive import AuditArchive
from energy_platform.dashboard.access.passwords import PasswordCheck, hashed
from energy_platform.dashboard.access.pauses import Pauses
from energy_platform.dashboard.access.sessions import Sessions
from energy_platform.dashboard.access.tokens import Scope, Tokens
from energy_platform.dashboard.access.user_list import User, UserList
from energy_platform.dashboard.access.visitor import Role
from energy_platform.errors import EnergyPlatformError, StateUnavailableError, UsageError
from energy_platform.settings import Settings, StatePlace

REFUSED = (sqlite3.IntegrityError, StateUnavailableError)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_every_file_is_for_this_user_alone(home: Path) -> None:
    UserList.of(home).put(User(name="alice", role=Role.ADMIN))
    Sessions.of(StatePlace(home)).begin("alice", seconds=60)
    Tokens.of(StatePlace(home)).make("alice", Scope.READ, seconds=60)
    AuditLog.of(StatePlace(home)).add(Action.USER_SET, "alice", "command line")
    folder = home / "access"
    assert folder.stat().st_mode & 0o777 == 0o700
    kept = {file.name for file in folder.iterdir() if file.suffix in {".json", ".db"}}
    assert kept == {"users.json", "sessions.db", "tokens.db", "audit.db"}
    for name in kept:
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


@pytest.mark.parametrize("name", ["users.json", "."])
def test_what_others_may_read_is_refused(home: Path, name: str) -> None:
    users = UserList.of(home)
    users.put(User(name="alice", role=Role.ADMIN))
    (home / "access" / name).chmod(0o750)
    with pytest.raises(EnergyPlatformError, match="for this user alone"):
        UserList.of(home).all()


@pytest.mark.parametrize("text", ["", "[]", '{"users": {"a": {"role": "king"}}}', '{"users": 1}'])
def test_a_damaged_user_list_lets_nobody_in(home: Path, text: str) -> None:
    users = UserList.of(home)
    users.put(User(name="alice", role=Role.ADMIN))
    users.path.write_text(text)
    with pytest.raises(EnergyPlatformError, match="is no user list"):
        users.find("alice")


def test_the_user_list_is_read_again_when_it_changes(home: Path) -> None:
    one, other = UserList.of(home), UserList.of(home)
    assert one.find("bob") is None
    bob = User(name="bob", role=Role.TRADER, portfolios=("wind",), password_hash="h")
    other.put(bob)
    assert one.find("bob") == bob
    other.remove("bob")
    assert one.find("bob") is None
    with pytest.raises(UsageError, match="no user 'bob'"):
        other.remove("bob")
    assert json.loads(one.path.read_bytes()) == {"users": {}}


async def test_a_password_is_kept_as_its_argon2_hash() -> None:
    password_hash = hashed("correct horse battery")
    assert password_hash.startswith("$argon2id$")
    check = PasswordCheck()
    assert await check.fits("correct horse battery", password_hash)
    assert not await check.fits("correct horse batter", password_hash)
    assert not await check.fits("correct horse battery", "no hash")
    assert not await check.fits("correct horse battery", None)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_has_a_decent_length(password: str) -> None:
    with pytest.raises(UsageError, match="12 to 1024"):
        hashed(password)


def test_a_session_ends_after_its_time(place: StatePlace) -> None:
    clock = Clock()
    file = Sessions.of(place)._tables
    sessions = Sessions(file, clock)
    key = sessions.begin("bob", seconds=60)
    session = sessions.find(key)
    assert session is not None
    assert (session.user, session.ends_at) == ("bob", 1_060.0)
    clock.now += 60
    assert sessions.find(key) is None
    sessions.begin("bob", seconds=60)
    with file.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM session").fetchone() == (1,)


def test_a_user_has_so_many_sessions_at_most(place: StatePlace) -> None:
    clock = Clock()
    sessions = Sessions(Sessions.of(place)._tables, clock)
    keys = []
    for _ in range(60):
        clock.now += 1
        keys.append(sessions.begin("bob", seconds=600))
    assert [sessions.find(key) is not None for key in keys] == [False] * 10 + [True] * 50


def test_sessions_outlive_a_restart(place: StatePlace) -> None:
    key = Sessions.of(place).begin("bob", seconds=60)
    assert Sessions.of(place).find(key) is not None
    assert Sessions.of(place).end_all_of("alice") == 0
    assert Sessions.of(place).find(key) is not None


def test_tokens_are_listed_without_their_keys(place: StatePlace) -> None:
    clock = Clock()
    tokens = Tokens(Tokens.of(place)._tables, clock)
    text = tokens.make("bob", Scope.POSITIONS, seconds=60)
    [token] = tokens.all()
    assert tokens.find(text) == token
    assert token.ends_at == datetime(1970, 1, 1, 0, 17, 40, tzinfo=UTC)
    assert text.split("_", 2)[2] not in repr(token)
    with pytest.raises(UsageError, match="no token 'x'"):
        tokens.revoke("x")
    clock.now += 60
    assert (tokens.find(text), tokens.all()) == (None, [])


def test_the_audit_log_is_only_added_to(place: StatePlace) -> None:
    log = AuditLog.of(place)
    log.add(Action.LOGGED_IN, "bob", "192.0.2.1")
    log.add(Action.TOKEN_MADE, "bob", "command line", scope="read")
    assert [(one.action, one.user, one.address, one.detail) for one in log.newest(5)] == [
        ("token made", "bob", "command line", {"scope": "read"}),
        ("logged in", "bob", "192.0.2.1", {}),
    ]
    for statement in ["DELETE FROM entry", "UPDATE entry SET address = 'eve'"]:
        with (
            pytest.raises(REFUSED, match="only added to"),
            log._tables.transaction() as connection,
        ):
            connection.execute(statement)
    assert len(log.newest(5)) == 2


def test_older_entries_of_the_audit_log_are_archived_and_read(place: StatePlace) -> None:
    clock = Clock()
    log = AuditLog(AuditLog.of(place)._tables, AuditArchive.of(place.home), clock, most_entries=10)
    for number in range(64):
        clock.now += 1
        log.add(Action.ALARM_SET, "bob", "192.0.2.1", rule=number)
    with log._tables.transaction("DEFERRED") as connection:
        [[kept]] = connection.execute("SELECT count(*) FROM entry")
    assert kept <= 10
    told = log.newest(100)
    assert [one.detail["rule"] for one in told] == list(range(63, -1, -1)), "none is lost"
    assert [one.number for one in told] == list(range(64, 0, -1))
    assert [one.number for one in log.newest(kept + 3)] == [one.number for one in told[: kept + 3]]
    assert told[-1].at == datetime.fromtimestamp(1_001.0, UTC)
    files = [*(place.home / "access" / "audit").iterdir()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    with (
        pytest.raises(REFUSED, match="only added to"),
        log._tables.transaction() as connection,
    ):
        connection.execute("DELETE FROM entry WHERE number = 64")


def test_an_audit_log_says_what_it_no_longer_has(place: StatePlace) -> None:
    most_bytes = 1_500
    archive = AuditArchive(place.home / "access" / "audit", most_bytes)
    log = AuditLog(AuditLog.of(place)._tables, archive, most_entries=10)
    for number in range(200):
        log.add(Action.LOGIN_REFUSED, "mallory", "203.0.113.1", reason=f"{number}" * 20)
    files = [*archive.folder.iterdir()]
    assert sum(file.stat().st_size for file in files) <= most_bytes
    told = log.newest(1_000)
    said = [one.detail for one in told if one.action == Action.AUDIT_SHORTENED]
    assert said, "what goes is told"
    gone = max(one["last"] for one in said)
    assert [one.number for one in told] == list(range(told[0].number, gone, -1))


def test_an_audit_log_that_cannot_be_archived_keeps_every_entry(place: StatePlace) -> None:
    log = AuditLog(AuditLog.of(place)._tables, AuditArchive.of(place.home), most_entries=10)
    (place.home / "access" / "audit").write_text("in the way")
    for number in range(30):
        log.add(Action.ALARM_SET, "bob", "192.0.2.1", rule=number)
    assert [one.detail["rule"] for one in log.newest(100)] == list(range(29, -1, -1))


def test_an_entry_has_so_many_characters_at_most(place: StatePlace) -> None:
    log = AuditLog.of(place)
    log.add(Action.LOGIN_REFUSED, "x" * 10_000, "y" * 10_000, reason="z" * 10_000)
    [entry] = log.newest(1)
    assert (len(entry.user), len(entry.address)) == (200, 200)
    assert len(entry.detail["cut"]) == 4_000


def test_an_audit_log_of_before_is_shortened_too(home: Path) -> None:
    """It has the trigger that forbade every deletion."""
    place = StatePlace(home)
    file = AuditLog.of(place)._tables
    log = AuditLog(file, AuditArchive.of(place.home), most_entries=10)
    with file.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry"
            " BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
        )
    file.close()
    for number in range(30):
        log.add(Action.ALARM_SET, "bob", "192.0.2.1", rule=number)
    assert len(log.newest(100)) == 30
    assert [*(place.home / "access" / "audit").iterdir()]


def test_pauses_grow_and_end() -> None:
    clock = Clock()
    pauses = Pauses(clock)
    waited = []
    for _ in range(16):
        waited.append(pauses.seconds_left("bob", "192.0.2.1"))
        pauses.tried("bob", "192.0.2.1")
    assert waited[:5] == [0.0] * 5
    assert waited[5:12] == [2.0**n for n in range(7)]
    assert pauses.seconds_left("bob", "203.0.113.1") == 60, "a stranger locks nobody out"
    clock.now += 899
    assert pauses.seconds_left("alice", "192.0.2.1") > 0
    clock.now += 3_600
    assert pauses.seconds_left("bob", "192.0.2.1") == 0


def test_an_attackers_own_login_does_not_begin_the_count_anew() -> None:
    pauses = Pauses(Clock())
    for _ in range(6):
        pauses.tried("bob", "192.0.2.1")
    pauses.tried("mallory", "192.0.2.1")
    pauses.succeeded("mallory", "192.0.2.1")
    assert pauses.seconds_left("alice", "192.0.2.1") == 2.0


def test_one_host_of_many_ipv6_addresses_is_one() -> None:
    pauses = Pauses(Clock())
    for number in range(6):
        pauses.tried(f"user {number}", f"2001:db8::{number}")
    assert pauses.seconds_left("alice", "2001:db8::ffff") > 0


def test_pauses_remember_so_many_at_most() -> None:
    pauses = Pauses(Clock())
    for number in range(20_000):
        pauses.tried(f"user {number}", f"address {number}")
    assert len(pauses._failures) == 10_000


def test_a_list_that_was_handed_in_is_read_and_never_written(home: Path) -> None:
    """A mounted secret is readable for others in its container, and belongs to somebody else."""
    UserList.of(home).put(User(name="alice", role=Role.ADMIN))
    handed_in = home / "users.json"
    bob = '{"role": "trader", "portfolios": [], "password_hash": null}'
    handed_in.write_text(f'{{"users": {{"accounts.google.com:bob@example.com": {bob}}}}}')
    handed_in.chmod(0o444)
    users = UserList.named_by(Settings(home=home, user_list=handed_in))
    assert list(users.all()) == ["accounts.google.com:bob@example.com"]
    with pytest.raises(UsageError, match="handed in"):
        users.put(User(name="eve", role=Role.ADMIN))
    assert list(UserList.named_by(Settings(home=home)).all()) == ["alice"]
