"""ENTSOG's Transparency Platform on the wire: hourly operational data by REST.

Every point is reported by both of its operators, provisionally at first and confirmed most of a
day later. Stamps carry the local offset, whatever time zone was asked for.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.timeline import Column, Timeline, Values, after_each, run_together
from simulator.world import World

_SOURCE: Final = "entsog_flow"
_ZONE: Final = ZoneInfo("Europe/Berlin")
_GAS_DAY_STARTS: Final = timedelta(hours=6)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_REPORTED_AFTER: Final = timedelta(hours=1, minutes=40)
_CONFIRMED_AFTER: Final = timedelta(hours=20)
_ASKED_BACK: Final = timedelta(hours=25)
_POINTS: Final = 230
_COUNTRIES: Final = ("DE", "NL", "BE", "FR", "AT", "CZ", "SK", "IT", "PL", "HU")
_FLOW: Final = Values(mean=9e6, daily=2e6, noise=6e6, lowest=0, decimals=0)
_CALORIFIC_VALUE: Final = Values(mean=11.3, noise=0.3, decimals=4)
_BAD_VALUE: Final = 9.9e12
_UNITS: Final = {
    "Physical Flow": "kWh/h",
    "Nomination": "kWh/h",
    "Renomination": "kWh/h",
    "Allocation": "kWh/h",
    "GCV": "kWh/Nm3",
}
_EMPTY_FIELDS: Final = (
    "itemRemarks", "generalRemarks", "isUnlimited", "interruptionType", "restorationInformation",
    "capacityType", "capacityBookingStatus", "isCamRelevant", "isNA", "originalPeriodFrom",
    "isCmpRelevant", "bookingPlatformKey", "bookingPlatformLabel", "bookingPlatformURL",
    "interruptionCalculationRemark", "pointType", "idPointType",
)  # fmt: skip


def _sides(points: int) -> list[dict[str, Column]]:
    """Return both sides of every point: what leaves one operator's network enters the other's."""
    return [
        {
            "operator": f"{_COUNTRIES[(point + side) % len(_COUNTRIES)]}-TSO-{point % 9 + 1:04}",
            "point": f"ITP-{point:05}",
            "direction": direction,
        }
        for point in range(1, points + 1)
        for side, direction in enumerate(("exit", "entry"))
    ]


def _reports(world: World, indicator: str, points: int) -> Timeline:
    """Return the reports of one indicator."""
    shape = _CALORIFIC_VALUE if indicator == "GCV" else _FLOW
    return Timeline(
        world=world,
        source=_SOURCE,
        series=[{"indicator": indicator, **side} for side in _sides(points)],
        values=lambda _: {"value": shape},
        resolution=_HOUR,
        schedule=after_each(_REPORTED_AFTER, _CONFIRMED_AFTER),
        reach=_DAY,
        rows=partial(_rows, indicator),
        first_slot=lambda began: _gas_day_start(_gas_day(began - _ASKED_BACK)),
    )


def _rows(indicator: str, stated: pl.DataFrame) -> pl.DataFrame:
    columns = {
        "kWh/h": "energy_flow_kwh_per_h",
        "kWh/d": "energy_flow_kwh_per_d",
        "kWh/Nm3": "calorific_value_kwh_per_nm3",
    }
    return stated.select(
        indicator="indicator",
        period_type=pl.lit("hour"),
        operator_key="operator",
        point_key="point",
        direction="direction",
        delivery_start="slot",
        delivery_end=pl.col("slot") + _HOUR,
        **{
            column: pl.col("value") if unit == _UNITS[indicator] else pl.lit(None, pl.Float64)
            for unit, column in columns.items()
        },
        flow_status=_STATUS,
        published_at=pl.col("stated_at").dt.truncate("1s"),
    )


_STATUS: Final = (
    pl.when(pl.col("revision") == 0).then(pl.lit("Provisional")).otherwise(pl.lit("Confirmed"))
)


class Entsog(HttpProvider):
    """The gas transmission system operators' platform."""

    name = "entsog"
    models = frozenset({_SOURCE})
    hosts = ("https://transparency.entsog.eu",)

    def __init__(self, world: World, *, points: int = _POINTS) -> None:
        super().__init__(world)
        self.reports = {indicator: _reports(world, indicator, points) for indicator in _UNITS}
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(2.0, burst=40, speed=world.request_speed),
            server_error=partial(
                PlainTextResponse, "504 Gateway Time-out", HTTPStatus.GATEWAY_TIMEOUT
            ),
            malformed=partial(HTMLResponse, "<html><body>Service Unavailable</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return the one path that there is."""
        return [Route("/api/v1/operationalData", self.operational_data)]

    async def run(self) -> None:
        """Move the market on."""
        await run_together([*self.reports.values()])

    async def operational_data(self, request: Request) -> Response:
        """Answer `/api/v1/operationalData`."""
        return await self._desk.answer(_SOURCE, partial(self._good, request.query_params))

    def _good(self, params: Mapping[str, str]) -> Response:
        try:
            first, last = (date.fromisoformat(params[name]) for name in ("from", "to"))
            limit, offset = int(params.get("limit", "1000")), int(params.get("offset", "0"))
        except (KeyError, ValueError):
            return JSONResponse({"message": "Bad request"}, HTTPStatus.BAD_REQUEST)
        report = self.reports.get(params.get("indicator", ""))
        if report is None or params.get("periodType") != "hour":
            return _nothing()
        seen = report.visible(_gas_day_start(first), _gas_day_start(last + _DAY))
        if seen.is_empty():
            return _nothing()
        if self._desk.bad_row(_SOURCE):
            is_last = pl.int_range(pl.len()) == pl.len() - 1
            seen = seen.with_columns(value=pl.when(is_last).then(_BAD_VALUE).otherwise("value"))
        shown = seen.slice(offset, None if limit < 0 else limit)
        meta = (
            f'{{"limit":{limit},"offset":{offset},"count":{shown.height},"total":{seen.height},'
            '"timezone":"CET"}'
        )
        records = _records(shown).write_json()
        return Response(
            f'{{"meta":{meta},"operationalData":{records}}}', media_type="application/json"
        )


PROVIDER: Final = Entsog


def _records(seen: pl.DataFrame) -> pl.DataFrame:
    start = _stamp(pl.col("slot"))
    unit = pl.col("indicator").replace_strict(_UNITS)
    return seen.select(
        id=pl.format(
            "1{}hour{}{}{}{}{}", "indicator", start, "operator", "point", "direction", unit
        ),
        dataSet=pl.lit(1),
        indicator="indicator",
        periodType=pl.lit("hour"),
        periodFrom=start,
        periodTo=_stamp(pl.col("slot") + _HOUR),
        operatorKey="operator",
        tsoEicCode=pl.format("21X-{}", "operator"),
        operatorLabel="operator",
        pointKey="point",
        pointLabel="point",
        tsoItemIdentifier=pl.format("21Z-{}", "point"),
        directionKey="direction",
        unit=unit,
        value="value",
        lastUpdateDateTime=_stamp(pl.col("stated_at")),
        flowStatus=_STATUS,
        **{name: pl.lit(None) for name in _EMPTY_FIELDS},
        isArchived=pl.lit(value=False),
    )


def _nothing() -> Response:
    return JSONResponse({"message": "No result found"}, HTTPStatus.NOT_FOUND)


def _stamp(instant: pl.Expr) -> pl.Expr:
    return instant.dt.convert_time_zone(_ZONE.key).dt.strftime("%Y-%m-%dT%H:%M:%S%:z")


def _gas_day(instant: datetime) -> date:
    return (instant.astimezone(_ZONE) - _GAS_DAY_STARTS).date()


def _gas_day_start(day: date) -> datetime:
    """Return six o'clock local time, which no clock change touches."""
    return (
        datetime.combine(day, datetime.min.time(), _ZONE)
        .replace(hour=6)
        .astimezone(ZoneInfo("UTC"))
    )
