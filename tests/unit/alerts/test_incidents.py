"""What is news: told once it has lasted, again after hours, and once more when it is over."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from energy_platform.operations.alerts.conditions import Condition, Trouble
from energy_platform.operations.alerts.incidents import CALM, Incident, News, Told, advance

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(seconds=30)
REMINDER = timedelta(hours=4)


def late(name: str, *, patience: timedelta = timedelta()) -> Condition:
    return Condition(
        trouble=Trouble.LATE,
        subject=name,
        text=f"{name} is late",
        over=f"{name} is on time",
        patience=patience,
    )


class Desk:
    """Sees conditions every tick, and notes what it is told."""

    def __init__(self) -> None:
        self.now = NOON
        self.open: list[Incident] = []
        self.told: list[News] = []

    def see(self, *wrong: Condition, lasting: timedelta = timedelta()) -> list[News]:
        """See the same for so long; return what was told meanwhile."""
        before = len(self.told)
        until = self.now + lasting
        while True:
            self.tick(wrong)
            if self.now > until:
                return self.told[before:]

    def tick(self, wrong: Iterable[Condition]) -> None:
        self.open, news = advance(self.open, wrong, self.now, reminder=REMINDER)
        self.told += news
        self.now += TICK


def test_an_incident_is_told_once_and_when_it_is_over() -> None:
    desk = Desk()
    assert desk.see(late("a"), lasting=timedelta(hours=3)) == [News(Told.OPENED, "a is late")]
    assert desk.see(lasting=CALM - 2 * TICK) == []
    assert desk.see(lasting=3 * TICK) == [News(Told.OVER, "a is on time")]
    assert desk.see(lasting=timedelta(hours=9)) == []
    assert desk.open == []


def test_one_that_goes_on_is_told_again_after_hours() -> None:
    told = Desk().see(late("a"), lasting=timedelta(hours=9))
    assert [one.told for one in told] == [Told.OPENED, Told.REMINDED, Told.REMINDED]


def test_what_does_not_last_is_not_told_at_all() -> None:
    desk = Desk()
    patient = late("a", patience=timedelta(minutes=10))
    assert desk.see(patient, lasting=timedelta(minutes=9)) == []
    assert desk.see(lasting=timedelta(hours=1)) == []
    assert desk.see(patient, lasting=timedelta(minutes=9)) == []
    assert desk.see(patient, lasting=timedelta(minutes=2)) == [News(Told.OPENED, "a is late")]


def test_what_flutters_is_one_incident() -> None:
    desk = Desk()
    told = [
        news
        for _ in range(50)
        for news in (*desk.see(late("a")), *desk.see(lasting=CALM - 3 * TICK))
    ]
    assert [one.told for one in told] == [Told.OPENED]


def test_incidents_do_not_disturb_each_other() -> None:
    desk = Desk()
    desk.see(late("a"))
    assert desk.see(late("a"), late("b")) == [News(Told.OPENED, "b is late")]
    assert desk.see(late("b"), lasting=CALM + TICK) == [News(Told.OVER, "a is on time")]
    assert [incident.key for incident in desk.open] == ["late:b"]


def test_an_incident_says_what_is_true_now() -> None:
    desk = Desk()
    desk.see(late("a"))
    [incident] = desk.open
    assert (incident.opened_at, incident.seen_at, incident.told_at) == (NOON, NOON, NOON)
    renewed = Condition(trouble=Trouble.LATE, subject="a", text="a is later", over="")
    desk.see(renewed)
    assert desk.open[0].text == "a is later"
    assert desk.open[0].seen_at == NOON + TICK
    assert desk.open[0].told_at == NOON
