"""Evaluates all users' rules, once for all pages, over the rows that topics show.

A rule keeps its topic open whether or not somebody watches it. What changes is shown at once, and
written down within a second, before the alert channels are told.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from energy_platform.dashboard.alarms.alarm_file import Alarm, AlarmFile
from energy_platform.dashboard.alarms.board import AlarmBoard
from energy_platform.dashboard.alarms.rules import Rule
from energy_platform.dashboard.alarms.tracks import Change, Track
from energy_platform.dashboard.alarms.watched_rule import Turn, WatchedRule
from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.hub import Hub
from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.alerts.incidents import News, Told

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_RULES_SECONDS: Final = 5.0
"""How often rules and their owners' rights are read again."""
_MOST_NEWS: Final = 500
"""How many lines may wait for the alert channels while the file can't be written."""

MayWatch = Callable[[str, str], bool]
"""Whether a user of a name may watch a topic."""
Tell = Callable[[Sequence[News]], None]
"""Takes lines for the alert channels; called in a thread, with none to send what waits."""


@dataclass(slots=True, eq=False)
class _Ear:
    """Hears a topic's room for one rule."""

    watched: WatchedRule
    turned: Callable[[WatchedRule, list[Turn]], None]

    def hear(self, rows: Iterable[Row], gone: Sequence[str], *, is_all: bool) -> None:
        """Take what has changed in the room."""
        turns = self.watched.hear(rows, gone, time.monotonic(), is_all=is_all)
        self.turned(self.watched, turns)


class AlarmWatch:
    """All rules at work. Only the event loop's thread uses it.

    Args:
        hub: Has the topics.
        file: Keeps rules and alarms.
        board: Shows the alarms.
        may_watch: Knows users' rights.
        tell: Tells the alert channels.
    """

    def __init__(
        self, hub: Hub, file: AlarmFile, board: AlarmBoard, may_watch: MayWatch, tell: Tell
    ) -> None:
        self._hub, self._file, self._board = hub, file, board
        self._may_watch, self._tell = may_watch, tell
        self._ears: dict[str, _Ear] = {}
        self._unwritten: dict[str, tuple[str, Alarm]] = {}
        self._news: list[News] = []
        self._news_of_rules = asyncio.Event()

    async def run(self) -> None:
        """Evaluate until cancelled."""
        await self._restore()
        read_at = float("-inf")
        while True:
            try:
                if self._news_of_rules.is_set() or time.monotonic() - read_at > _RULES_SECONDS:
                    self._news_of_rules.clear()
                    self._follow(await asyncio.to_thread(self._rules))
                    read_at = time.monotonic()
                for ear in self._ears.values():
                    self._turn(ear.watched, ear.watched.look(time.monotonic()))
                await self._write()
            except Exception:  # noqa: BLE001 (tried again in a moment)
                _log.warning("alarms can't be evaluated or written", exc_info=True)
                await asyncio.sleep(_RULES_SECONDS)
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news_of_rules.wait()
            except TimeoutError:
                continue

    def rules_changed(self) -> None:
        """Read the rules again at once."""
        self._news_of_rules.set()

    def see(self, user: str, alarms: Iterable[str]) -> int:
        """Note that a user has seen alarms of theirs; return how many."""
        found = [self._board.find(user, one) for one in alarms]
        seen = [
            one.model_copy(update={"seen_by": user, "seen_at": datetime.now(UTC)})
            for one in found
            if one is not None and one.seen_by is None
        ]
        self._show(user, seen)
        return len(seen)

    async def _restore(self) -> None:
        while True:
            try:
                kept = await asyncio.to_thread(self._file.alarms)
            except Exception:  # noqa: BLE001 (tried again)
                _log.warning("alarms of before can't be read", exc_info=True)
                await asyncio.sleep(_RULES_SECONDS)
                continue
            for user, alarms in kept.items():
                self._board.put(user, alarms)
            return

    def _rules(self) -> dict[str, tuple[str, Rule]]:
        """Return the rules whose owners may watch what they are about."""
        return {
            rule.id: (user, rule)
            for user, rules in self._file.rules().items()
            for rule in rules
            if self._may_watch(user, rule.topic)
        }

    def _follow(self, rules: Mapping[str, tuple[str, Rule]]) -> None:
        for one, ear in list(self._ears.items()):
            if rules.get(one) != (ear.watched.user, ear.watched.rule):
                self._hub.unlisten(ear.watched.rule.topic, ear)
                del self._ears[one]
                self._clear_all(ear.watched.user, one)
        for user in self._board.users:
            for alarm in self._board.of(user):
                if alarm.state is Change.RAISED and alarm.rule not in rules:
                    self._clear_all(user, alarm.rule)
        for one, (user, rule) in rules.items():
            if one not in self._ears:
                self._begin(user, rule)

    def _begin(self, user: str, rule: Rule) -> None:
        try:
            watched = WatchedRule(user, rule, self._hub.topic_named(rule.topic).moment)
        except EnergyPlatformError as error:
            _log.warning("rule %s is not watched: %s", rule.id, error)
            return
        for alarm in self._board.of(user):
            if alarm.rule == rule.id and alarm.state is Change.RAISED:
                watched.tracks[alarm.row] = Track(is_raised=True, value=alarm.value)
        ear = self._ears[rule.id] = _Ear(watched, self._turn)
        self._hub.listen(rule.topic, ear)

    def _clear_all(self, user: str, rule: str) -> None:
        """Clear the alarms of a rule that is no more, or is another now."""
        raised = [
            one for one in self._board.of(user) if one.rule == rule and one.state is Change.RAISED
        ]
        self._show(user, [_cleared(one, one.value) for one in raised])

    def _turn(self, watched: WatchedRule, turns: Sequence[Turn]) -> None:
        user, rule = watched.user, watched.rule
        changed = []
        for turn in turns:
            if turn.change is Change.RAISED:
                changed.append(_raised(rule, turn))
            else:
                changed += [
                    _cleared(one, turn.value)
                    for one in self._board.of(user)
                    if (one.rule, one.row, one.state) == (rule.id, turn.row, Change.RAISED)
                ]
        if rule.channels:
            self._news += [_news(one) for one in changed]
            del self._news[:-_MOST_NEWS]
        self._show(user, changed)

    def _show(self, user: str, alarms: Sequence[Alarm]) -> None:
        if not alarms:
            return
        self._board.put(user, alarms)
        self._unwritten.update((one.id, (user, one)) for one in alarms)
        rows = [one.model_dump() for one in alarms]
        self._hub.tell(f"alarms:{user}", Changes(rows))

    async def _write(self) -> None:
        """Write down what has changed, forget what is old, and tell the channels."""
        forgotten = []
        for user in self._board.users:
            gone = self._board.forget_old(user)
            forgotten += gone
            if gone:
                self._hub.tell(f"alarms:{user}", Changes(gone=gone))
        unwritten, news = dict(self._unwritten), list(self._news)
        if unwritten or forgotten:
            await asyncio.to_thread(self._file.keep, unwritten.values(), forgotten)
            for one, said in unwritten.items():
                if self._unwritten.get(one) is said:
                    del self._unwritten[one]
        await asyncio.to_thread(self._tell, news)
        del self._news[: len(news)]


def _raised(rule: Rule, turn: Turn) -> Alarm:
    return Alarm(
        id=secrets.token_hex(8),
        rule=rule.id,
        name=rule.name,
        kind=rule.kind,
        topic=rule.topic,
        row=turn.row,
        state=Change.RAISED,
        since=datetime.now(UTC),
        value=turn.value,
        text=rule.text(turn.row, turn.value),
        sound=rule.sound,
    )


def _cleared(alarm: Alarm, value: float) -> Alarm:
    return alarm.model_copy(
        update={"state": Change.CLEARED, "cleared_at": datetime.now(UTC), "value": value}
    )


def _news(alarm: Alarm) -> News:
    if alarm.state is Change.RAISED:
        return News(Told.OPENED, alarm.text)
    return News(Told.OVER, f"{alarm.text}; now {alarm.value:g}")
