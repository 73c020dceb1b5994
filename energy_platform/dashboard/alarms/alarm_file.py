"""Rules and alarms of all users, kept together."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from energy_platform.dashboard.access.private_files import private_tables
from energy_platform.dashboard.alarms.rules import Kind, Rule
from energy_platform.dashboard.alarms.tracks import Change
from energy_platform.errors import UsageError
from energy_platform.settings import StatePlace
from energy_platform.storage.state import StateTables

MOST_RULES: Final = 50
"""How many rules a user may have."""
KEPT: Final = 200
"""How many alarms of a user are kept, the newest."""
KEPT_FOR: Final = timedelta(days=1)
"""How long a cleared alarm is kept."""
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS rule (
    id TEXT PRIMARY KEY, "user" TEXT NOT NULL, said TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm (
    id TEXT PRIMARY KEY, "user" TEXT NOT NULL, since REAL NOT NULL, said TEXT NOT NULL
) WITHOUT ROWID;
"""


class Alarm(BaseModel):
    """One alarm, as pages get it."""

    model_config = ConfigDict(frozen=True)

    id: str
    rule: Annotated[str, Field(description="The rule's id.")]
    name: str
    kind: Kind
    topic: str
    row: Annotated[str, Field(description="The id of the topic's row that it is about.")]
    state: Change
    since: datetime
    cleared_at: datetime | None = None
    value: float
    text: str
    sound: bool
    seen_by: str | None = None
    seen_at: datetime | None = None


class AlarmFile:
    """The rules and alarms of one platform's users."""

    def __init__(self, tables: StateTables) -> None:
        self._tables = tables

    @classmethod
    def of(cls, place: StatePlace) -> Self:
        """Return the file of a platform."""
        return cls(private_tables(place, "alarms.db", _LAYOUT))

    def rules(self) -> dict[str, list[Rule]]:
        """Return each user's rules; one that this version can't read is left out."""
        with self._tables.transaction("DEFERRED") as statements:
            found = statements.execute(
                'SELECT "user", said FROM rule ORDER BY "user", id'
            ).fetchall()
        rules: dict[str, list[Rule]] = {}
        for user, said in found:
            try:
                rules.setdefault(user, []).append(Rule.model_validate_json(said))
            except ValidationError:
                continue
        return rules

    def put_rule(self, user: str, rule: Rule) -> None:
        """Keep a rule, in place of the user's own one of the same id.

        Raises:
            UsageError: The user has too many, or the rule of this id is none of theirs.
        """
        with self._tables.transaction() as statements:
            owner = statements.execute('SELECT "user" FROM rule WHERE id = ?', [rule.id]).fetchone()
            [count] = statements.execute(
                'SELECT COUNT(*) FROM rule WHERE "user" = ?', [user]
            ).fetchone()
            if owner is not None and owner[0] != user:
                raise UsageError(f"id: there is no rule {rule.id!r} of yours")
            if owner is None and count >= MOST_RULES:
                raise UsageError(f"there are {MOST_RULES} rules; remove one first")
            statements.execute(
                "INSERT INTO rule VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET said = excluded.said",
                [rule.id, user, rule.model_dump_json()],
            )

    def remove_rule(self, user: str, rule: str) -> Rule | None:
        """Remove a rule; return what it was, or None if the user has no such rule."""
        with self._tables.transaction() as statements:
            found = statements.execute(
                'DELETE FROM rule WHERE id = ? AND "user" = ? RETURNING said', [rule, user]
            ).fetchone()
        return None if found is None else Rule.model_validate_json(found[0])

    def alarms(self) -> dict[str, list[Alarm]]:
        """Return each user's alarms, the oldest first."""
        with self._tables.transaction("DEFERRED") as statements:
            found = statements.execute(
                'SELECT "user", said FROM alarm ORDER BY since, id'
            ).fetchall()
        alarms: dict[str, list[Alarm]] = {}
        for user, said in found:
            alarms.setdefault(user, []).append(Alarm.model_validate_json(said))
        return alarms

    def keep(self, alarms: Iterable[tuple[str, Alarm]], forgotten: Iterable[str]) -> None:
        """Keep users' alarms as they are now, and forget others by their ids."""
        with self._tables.transaction() as statements:
            statements.executemany(
                "INSERT INTO alarm VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " since = excluded.since, said = excluded.said",
                [
                    (alarm.id, user, alarm.since.timestamp(), alarm.model_dump_json())
                    for user, alarm in alarms
                ],
            )
            statements.executemany("DELETE FROM alarm WHERE id = ?", [(one,) for one in forgotten])
