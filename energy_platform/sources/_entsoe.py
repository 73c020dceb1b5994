"""How the ENTSO-E sources ask: one interface, one token, one rate, whatever the document.

`energy_platform.formats.entsoe` reads the documents; each source says what to ask for.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time, timedelta
from functools import partial
from typing import Final

from energy_platform.errors import RefusedError
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats.entsoe import ENTSOE, essence, is_answer
from energy_platform.formats.entsoe.codes import (
    AREAS,
    BIDDING_ZONES,
    BORDERS,
    PRODUCTION_TYPE_CODES,
)
from energy_platform.formats.entsoe.outages import LAST_OFFSET, PAGE, document_count
from energy_platform.market.publication import DailyPublication, Where

URL: Final = "https://web-api.tp.entsoe.eu/api"
TOKEN: Final = "ENTSOE_SECURITY_TOKEN"  # noqa: S105 (the variable's name)

DIRECTION: Final = {"from": "out_Domain.mRID", "to": "in_Domain.mRID"}
"""The elements with the areas that power leaves and enters."""

PER_ZONE: Final = {"bidding_zone": BIDDING_ZONES}
PER_TYPE: Final = {"bidding_zone": BIDDING_ZONES, "production_type": PRODUCTION_TYPE_CODES}
PER_BORDER: Final = {"from_zone": AREAS, "to_zone": AREAS}
"""The names that the text columns of tables take, with ENTSO-E's codes."""

FORECASTS_KNOWN: Final = (
    Where("forecast", "Day ahead", DailyPublication(at=time(18), zone="Europe/Brussels")),
    Where(
        "forecast", "Intraday", DailyPublication(at=time(8), zone="Europe/Brussels", days_ahead=0)
    ),
)

entsoe_feed = partial(
    RestFeed,
    provider=ENTSOE,
    history_chunk=timedelta(days=31),  # a year is allowed, but may exceed the size of one body
    is_answer=is_answer,
    essence=essence,
    secret_params={"securityToken": TOKEN},
)


def each_zone(asked: Mapping[str, str], *domains: str) -> list[RestRequest]:
    """Return one request per bidding zone, which the `domains` parameters name."""
    return [
        RestRequest(url=URL, params={**asked, **dict.fromkeys(domains, zone)})
        for zone in BIDDING_ZONES.values()
    ]


def each_direction(asked: Mapping[str, str]) -> list[RestRequest]:
    """Return one request per border and direction."""
    directions = [way for border in BORDERS for way in (border, border[::-1])]
    return [
        RestRequest(
            url=URL, params={**asked, "out_Domain": AREAS[out_of], "in_Domain": AREAS[into]}
        )
        for out_of, into in directions
    ]


def next_page(request: RestRequest, body: bytes) -> RestRequest | None:
    """Ask for the documents after a full page.

    Raises:
        RefusedError: There are more documents than ENTSO-E lets anyone ask for.
    """
    if document_count(body) < PAGE:
        return None
    offset = int(request.params["offset"]) + PAGE
    if offset > LAST_OFFSET:
        raise RefusedError(f"a window with more than {offset} outages")
    return replace(request, params={**request.params, "offset": str(offset)})
