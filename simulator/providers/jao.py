"""JAO's Publication Tool on the wire: Core's maximum bilateral exchanges by REST."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from http import HTTPStatus
from itertools import permutations
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.market.instants import INSTANT
from simulator.first_slots import whole_days
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.timeline import Corrections, Timeline, Values, day_before
from simulator.world import World

_SOURCE: Final = "jao_max_exchange"
_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_ZONES: Final = ("AT", "BE", "CZ", "DE", "FR", "HR", "HU", "NL", "PL", "RO", "SI", "SK")
_BORDERS: Final = tuple("_".join(pair) for pair in permutations(_ZONES, 2))
_HOUR: Final = timedelta(hours=1)
_LONGEST_WINDOW: Final = timedelta(days=2)
_ASKED_BACK: Final = timedelta(days=3)
_BAD_EXCHANGE: Final = 9_999_999


def _exchanges(world: World) -> Timeline:
    """Return the exchanges of every border: published before the auction, a few corrected."""
    return Timeline(
        world=world,
        source=_SOURCE,
        series=[{"border": border} for border in _BORDERS],
        values=lambda _: {"exchange": Values(mean=3_500, noise=3_000, lowest=0, decimals=0)},
        resolution=_HOUR,
        schedule=day_before(time(10, 20), _MARKET_TIME.key),
        reach=timedelta(days=2),
        rows=lambda stated: stated.select(
            "border",
            delivery_start="slot",
            delivery_end=pl.col("slot") + _HOUR,
            max_exchange_mw="exchange",
            published_at=pl.lit(None, dtype=INSTANT),
        ),
        corrections=Corrections(share=0.01, after=_HOUR),
        first_slot=whole_days(_ASKED_BACK, _MARKET_TIME),
    )


class Jao(HttpProvider):
    """The Joint Allocation Office."""

    name = "jao"
    models = frozenset({_SOURCE})
    hosts = ("https://publicationtool.jao.eu",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.exchanges = _exchanges(world)
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(2.0, burst=20, speed=world.request_speed),
            server_error=partial(
                PlainTextResponse, "Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR
            ),
            malformed=partial(HTMLResponse, "<html><body>502 Bad Gateway</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return the one dataset that there is."""
        return [Route("/core/api/data/maxExchanges", self.max_exchanges)]

    async def run(self) -> None:
        """Move the market on."""
        await self.exchanges.run()

    async def max_exchanges(self, request: Request) -> Response:
        """Answer `/core/api/data/maxExchanges`."""
        return await self._desk.answer(_SOURCE, partial(self._good, request.query_params))

    def _good(self, params: Mapping[str, str]) -> Response:
        try:
            start, end = (datetime.fromisoformat(params[name]) for name in ("FromUtc", "ToUtc"))
            skip, take = int(params.get("Skip", "0")), int(params.get("Take", "5000"))
        except (KeyError, ValueError) as error:
            return JSONResponse({"title": f"{error}"}, HTTPStatus.BAD_REQUEST)
        if end - start > _LONGEST_WINDOW:
            return JSONResponse(
                {"title": "The requested period must not exceed 2 days."}, HTTPStatus.BAD_REQUEST
            )
        records = self._records(start, end)
        return Response(
            f'{{"data":{records.slice(skip, take).write_json()},"rejected":false,"messages":[],'
            f'"totalRowsWithFilter":{records.height}}}',
            media_type="application/json",
        )

    def _records(self, start: datetime, end: datetime) -> pl.DataFrame:
        """Return one record per hour, with a field for each border."""
        seen = self.exchanges.visible(start, end)
        if seen.is_empty():
            return seen.select()
        wide = seen.select(
            "slot", border="border", exchange=pl.col("exchange").cast(pl.Int64)
        ).pivot("border", index="slot", values="exchange", maintain_order=True)
        if self._desk.bad_row(_SOURCE):
            last = pl.int_range(pl.len()) == pl.len() - 1
            border = _BORDERS[-1]
            wide = wide.with_columns(
                pl.when(last).then(_BAD_EXCHANGE).otherwise(border).alias(border)
            )
        return wide.sort("slot").select(
            id=pl.col("slot").dt.epoch("s") // 3600,
            dateTimeUtc=pl.col("slot").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{f"border_{border}": border for border in wide.columns[1:]},
        )


PROVIDER: Final = Jao
