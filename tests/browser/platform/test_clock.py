"""Times are said in the zone of the viewer's choice, and days have the hours that they have."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.browser.platform import stored_market as market
from tests.browser.platform.stored_charts import midnight
from tests.browser.platform.stored_tables import storages
from tests.support.running_platform import RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

OWN = "America/New_York"
"""The zone of the browser that the tests drive."""


def choose(screen: Screen, words: str, title: str) -> None:
    """Choose a time zone as a viewer does: Z, its name, Enter."""
    screen.key("z")
    screen.until(lambda: screen.page.locator("#command:focus").count())
    screen.page.keyboard.type(words)
    screen.until(lambda: screen.texts("#command-list .entry")[:1] == [title])
    screen.key("Enter")


@pytest.mark.parametrize(
    ("words", "title", "zone"),
    [("UTC", "UTC", "UTC"), ("London", "London", "Europe/London"),
     ("machine", f"This machine: {OWN}", OWN)],
)  # fmt: skip
def test_a_chosen_zone_holds_on_every_page_until_another_is_chosen(
    screen: Screen, platform: RunningPlatform, words: str, title: str, zone: str
) -> None:
    contract = market.traded(None).row(3, named=True)
    start = contract["delivery_start"]

    def shown() -> str:
        return screen.cell("contracts", contract["contract_id"], "contract")[:5]

    screen.open(f"intraday?area=DE-LU&product=QH&contract={contract['contract_id']}")
    screen.until(lambda: shown() == market.clock(start))
    choose(screen, words, title)
    local = start.astimezone(ZoneInfo(zone))
    screen.until(lambda: shown() == local.strftime("%H:%M"))
    assert zone in screen.text("footer")
    screen.key("8")
    screen.until(lambda: screen.page.locator(".page-outages").count())
    assert zone in screen.text("footer")
    now = datetime.now(UTC).astimezone(ZoneInfo(zone))
    minutes = {(now + timedelta(minutes=one)).strftime("%H:%M") for one in (-1, 0, 1)}
    assert screen.text(".clock b")[:5] in minutes
    assert screen.text(".clock").split()[-1] not in {"CET", "CEST"}


@pytest.mark.parametrize(
    ("day", "periods"),
    [(date(2026, 3, 29), 92), (date(2026, 11, 30), 96), (date(2026, 10, 25), 100)],
)
def test_a_day_has_its_quarter_hours(
    screen: Screen, platform: RunningPlatform, day: date, periods: int
) -> None:
    """Each line of the day stands for its own instant; the hour that comes twice is told apart."""
    screen.open(f"day-ahead?day={day}")
    grid = screen.panel("prices").locator(".grid")
    screen.until(lambda: grid.get_attribute("aria-rowcount") == str(periods + 1))
    names = [line["Delivery"] for line in screen.lines("prices")]
    assert len(names) == len(set(names)) == periods
    start = midnight(day)
    for place, name in enumerate(names):
        at = start + place * timedelta(minutes=15)
        assert name.startswith(market.clock(at))
    assert sum("A" in name for name in names) == (5 if periods == 100 else 0)
    assert f"{periods} quarter-hours" in screen.text(".panel-curves")


def test_a_gas_day_is_that_of_brussels_in_any_zone(
    screen: Screen, platform: RunningPlatform
) -> None:
    newest = (
        storages(None).row(0, named=True)["delivery_start"].astimezone(ZoneInfo("Europe/Brussels"))
    )
    wanted = f"{newest:%a} {newest.day} {newest:%b}"
    for zone in ("", "UTC", OWN):
        screen.open(f"gas?tz={zone}")
        screen.until(lambda: screen.lines("storage"))
        assert newest.hour == 6
        assert screen.lines("storage")[0]["Gas day"] == wanted
