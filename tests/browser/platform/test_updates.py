"""What changes in the stores changes on the screen by itself, on every page.

Where the simulated market says nothing new for hours, a provider's newest message lands once more
with other figures, as a correction would.
"""

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import energy_platform as ep
from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.stores import micro_batches
from tests.browser.platform.pages import PAGES, Place
from tests.browser.platform.stored_charts import ZONE, around, day_of
from tests.browser.platform.test_values import wait_until_agreed
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform
from tests.support.screens import Screen

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

MOVING = {"intraday": "contracts", "balance": "frequency-ce", "data": "sources"}
"""Pages whose market moves all the time, and a panel that does."""
CORRECTED = {
    "forecasts": ("load", "entsoe_load_forecast"),
    "day-ahead": ("prices", "entsoe_day_ahead_price"),
    "flows": ("borders", "entsoe_cross_border_flow"),
    "gas": ("storage", "agsi_storage"),
    "outages": ("outages", "entsoe_outage"),
}
"""Pages that wait for news for long: a panel, and the source that is corrected."""
_FIGURE = re.compile(
    rb'(<(?:quantity|price\.amount)>|"(?:full|gasInStorage)":\s?"?)(-?\d+)(\.\d+)?'
)


@pytest.mark.parametrize("page", MOVING)
def test_what_moves_moves_on_the_screen(
    screen: Screen, platform: RunningPlatform, page: str
) -> None:
    place, panel = Place.known_at(None), MOVING[page]
    screen.open(place.address(page))
    screen.until(screen.has_answers)
    before = screen.taken_away(panel)
    screen.until(lambda: screen.taken_away(panel) != before)
    wait_until_agreed(screen, panel, PAGES[page][panel], place)


@pytest.mark.parametrize("page", CORRECTED)
def test_a_correction_arrives(screen: Screen, platform: RunningPlatform, page: str) -> None:
    place, (panel, source) = Place.known_at(None), CORRECTED[page]
    screen.open(place.address(page))
    wait_until_agreed(screen, panel, PAGES[page][panel], place)
    before = screen.taken_away(panel)
    batches = micro_batches()
    offset = offset_of(source, place)
    [message] = batches.landing.log(source).read(offset, offset + 1)
    batches.landing.guest(source).append([corrected(message)])
    screen.until(lambda: screen.taken_away(panel) != before, RECOVERY_SECONDS)
    wait_until_agreed(screen, panel, PAGES[page][panel], place)


def offset_of(source: str, place: Place) -> int:
    """Return which message has said last what a page shows of a source."""
    start, end = day_of(None) if source == "entsoe_day_ahead_price" else around(None, 18, 6)
    shown = ep.load(source, start=start, end=end)
    if source == "agsi_storage":
        shown = ep.load(source).filter(code=place.store[0], url=place.store[1]).tail(1)
    elif "bidding_zone" in shown.columns and source != "entsoe_outage":
        shown = shown.filter(bidding_zone=ZONE)
    return int(shown["landing_offset"][-1])


def corrected(message: RawMessage) -> RawMessage:
    """Return a message with its figures one higher, as if received now."""
    body = message.body
    if zipfile.is_zipfile(io.BytesIO(body)):
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(packed, "w") as new:
            for name in old.namelist():
                new.writestr(name, higher(old.read(name)))
        body = packed.getvalue()
    else:
        body = higher(body)
    assert body != message.body
    return replace(message, body=body, received_at=datetime.now(UTC), landing_offset=-1)


def higher(text: bytes) -> bytes:
    return _FIGURE.sub(
        lambda found: found[1] + str(int(found[2]) + 1).encode() + (found[3] or b""), text
    )
