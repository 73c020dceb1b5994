"""AGSI+ on the wire: gas in storage by country and gas day, by REST with a key.

Yesterday's gas day appears in the evening as an estimate, is confirmed a day later, and is revised
now and then. Levels follow the season, and change by what goes in and out. The world's data rate
does not apply: storages report once a day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.market.instants import INSTANT
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.timeline import Column, Corrections, Timeline, Values, day_after
from simulator.world import World

_SOURCE: Final = "agsi_storage"
_NO_KEY: Final = {"error": "access denied", "message": "Invalid or missing API key"}
_ZONE: Final = "Europe/Brussels"
_LOCAL: Final = ZoneInfo(_ZONE)
_PUBLICATION: Final = time(19, 30)
_DAY: Final = timedelta(days=1)
_ASKED_BACK: Final = timedelta(days=14)
_MOST_RECORDS: Final = 300
_BAD_PERCENT: Final = "612.5"
_AGGREGATES: Final = ("EU", "NE")
_VOLUMES_TWH: Final = {
    "AT": 101.0,
    "BE": 7.6,
    "BG": 6.3,
    "CZ": 45.1,
    "DE": 246.5,
    "DK": 9.9,
    "ES": 35.9,
    "FR": 124.6,
    "GB": 26.9,
    "HR": 4.8,
    "HU": 67.7,
    "IT": 203.4,
    "LV": 24.8,
    "NL": 143.8,
    "PL": 38.3,
    "PT": 3.9,
    "RO": 33.9,
    "SE": 0.1,
    "SK": 38.6,
    "UA": 328.4,
    "EU": 1143.0,
    "NE": 355.3,
}
_COUNTRIES: Final = [code for code in _VOLUMES_TWH if code not in _AGGREGATES]
_VOLUMES: Final = np.array([*_VOLUMES_TWH.values()])
_OUTSIDE_EU: Final = ("GB", "UA")


def _shares(code: str) -> list[float]:
    """Return which part of a series' gas each country has."""
    is_part = {
        "EU": [one not in _OUTSIDE_EU for one in _COUNTRIES],
        "NE": [one in _OUTSIDE_EU for one in _COUNTRIES],
    }.get(code, [one == code for one in _COUNTRIES])
    parts = [_VOLUMES_TWH[one] * part for one, part in zip(_COUNTRIES, is_part, strict=True)]
    return [part / sum(parts) for part in parts]


_SHARES: Final = np.array([_shares(code) for code in _VOLUMES_TWH])
_YEAR_DAYS: Final = 365.25
_FULLEST_DAY: Final = float(date(1970, 10, 25).toordinal() - date(1970, 1, 1).toordinal())
"""The day since 1970 on which storages are fullest; withdrawal begins after it."""
_WEATHER: Final = 0.005
"""How much of the room a cold or mild spell draws or spares, and how long it comes and goes."""
_WEATHER_DAYS: Final = 23.0
_ERRORS: Final = (8e-4, 1e-4, 0.0)
"""How wrong the first, second and third statements are, as a share of the room."""
_LEAST_VOLUME_TWH: Final = 2.0
"""Errors of smaller storages are as large as of one of this size, so that four digits show them."""
_TURNOVER_GWH_PER_TWH: Final = 0.8
"""What goes both in and out on a day."""
_FIELDS: Final = {
    "gas_in_storage_twh": "gasInStorage",
    "injection_gwh_per_d": "injection",
    "withdrawal_gwh_per_d": "withdrawal",
    "net_withdrawal_gwh_per_d": "netWithdrawal",
    "working_gas_volume_twh": "workingGasVolume",
    "injection_capacity_gwh_per_d": "injectionCapacity",
    "withdrawal_capacity_gwh_per_d": "withdrawalCapacity",
    "trend_pct": "trend",
    "full_pct": "full",
}
_UNKNOWN: Final = {"SE": "trend_pct", "PT": "injection_gwh_per_d"}
"""A field that is unknown for a country: sent as a dash for the one, left out for the other."""


def _values(_: Mapping[str, Column]) -> Mapping[str, Values]:
    return {"gas_in_storage_twh": Values(decimals=4), "injection_gwh_per_d": Values(),
            "withdrawal_gwh_per_d": Values()}  # fmt: skip


@dataclass(frozen=True)
class _Storages:
    """The gas in each series' storages: full in autumn, low in spring, half a point a day.

    Attributes:
        seed: The world's seed.
    """

    seed: int

    def stated(self, column: str, statements: pl.DataFrame) -> NDArray[np.float64]:
        """Return the stated values of a column; the level changes by what went in and out."""
        numbers = statements["series"].to_numpy()
        days = statements["slot"].dt.epoch("d").to_numpy().astype(float)
        volumes = _VOLUMES[numbers]
        error = self._error(statements) * np.maximum(volumes, _LEAST_VOLUME_TWH)
        gas = np.maximum(volumes * self._full(numbers, days) + error, 0.0)
        if column == "gas_in_storage_twh":
            return np.asarray(gas, dtype=float)
        net = 1_000 * (volumes * self._full(numbers, days - 1) - gas)
        drawn = net if column == "withdrawal_gwh_per_d" else -net
        beside: NDArray[np.float64] = _TURNOVER_GWH_PER_TWH * volumes + np.maximum(drawn, 0.0)
        return beside

    def _full(self, numbers: NDArray[np.int64], days: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how full (0 to 1) series are at the end of gas days; an aggregate is a mean."""
        levels, widths, delays, starts = self._countries
        seasons = widths * np.cos(2 * np.pi * (days[:, None] - _FULLEST_DAY - delays) / _YEAR_DAYS)
        weather = _WEATHER * np.sin(2 * np.pi * (days[:, None] / _WEATHER_DAYS + starts))
        full: NDArray[np.float64] = ((levels + seasons + weather) * _SHARES[numbers]).sum(axis=1)
        return full

    def _error(self, statements: pl.DataFrame) -> NDArray[np.float64]:
        """Return how wrong each statement is: an estimate more than what is confirmed."""
        chance = statements.select(
            pl.struct("series", "slot", "revision").hash(seed=self.seed) / 2.0**64
        ).to_series()
        sizes = np.array(_ERRORS)[statements["revision"].clip(0, len(_ERRORS) - 1).to_numpy()]
        error: NDArray[np.float64] = sizes * (2 * chance.to_numpy() - 1)
        return error

    @cached_property
    def _countries(self) -> tuple[NDArray[np.float64], ...]:
        """Level, half the height of the season, its delay in days, and the weather's phase."""
        random = np.random.default_rng([self.seed, len(_COUNTRIES)])
        bounds = ((0.56, 0.62), (0.24, 0.3), (-12.0, 12.0), (0.0, 1.0))
        return tuple(random.uniform(*each, len(_COUNTRIES)) for each in bounds)


def _rows(statements: pl.DataFrame) -> pl.DataFrame:
    """Return statements as rows of the source's table; the first is an estimate."""
    volume = statements["code"].replace_strict(_VOLUMES_TWH, return_dtype=pl.Float64)
    day = pl.col("slot").dt.date()
    lacking = {column: code for code, column in _UNKNOWN.items()}
    values: dict[str, pl.Expr] = {
        "gas_in_storage_twh": pl.col("gas_in_storage_twh"),
        "working_gas_volume_twh": pl.lit(volume),
        "full_pct": (100 * pl.col("gas_in_storage_twh") / volume).round(2),
        # A TWh of room is filled by a point with 10 GWh.
        "trend_pct": (
            (pl.col("injection_gwh_per_d") - pl.col("withdrawal_gwh_per_d")) / (10 * volume)
        ).round(2)
        + 0.0,
        "injection_gwh_per_d": pl.col("injection_gwh_per_d"),
        "withdrawal_gwh_per_d": pl.col("withdrawal_gwh_per_d"),
        "net_withdrawal_gwh_per_d": (
            pl.col("withdrawal_gwh_per_d") - pl.col("injection_gwh_per_d")
        ).round(2)
        + 0.0,
        "injection_capacity_gwh_per_d": pl.lit((17.4 * volume).round(2)),
        "withdrawal_capacity_gwh_per_d": pl.lit((28.7 * volume).round(2)),
    }
    return statements.select(
        code=pl.col("code"),
        url=pl.col("code"),
        delivery_start=_starts(day),
        delivery_end=_starts(day.dt.offset_by("1d")),
        published_at=pl.col("stated_at").dt.truncate("1s"),
        status=pl.when(pl.col("revision") == 0).then(pl.lit("E")).otherwise(pl.lit("C")),
        **{
            column: pl.when(pl.col("code") != lacking.get(column, "")).then(value)
            for column, value in values.items()
        },
    )


def _schedule(slot: pl.Expr) -> pl.Expr:
    """State a gas day in the evening of the next day, and again a day later."""
    evenings = [day_after(_PUBLICATION, _ZONE, days=days)(slot) for days in (1, 2)]
    return pl.concat_list(*evenings)


class Agsi(HttpProvider):
    """GIE's AGSI+."""

    name = "agsi"
    models = frozenset({_SOURCE})
    hosts = ("https://agsi.gie.eu",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._storage = Timeline(
            world=world,
            source=_SOURCE,
            series=[{"code": code} for code in _VOLUMES_TWH],
            values=_values,
            sayings=_Storages(world.seed).stated,
            resolution=_DAY,
            schedule=_schedule,
            reach=timedelta(days=4),
            first_slot=lambda began: _slot(_gas_day(began - _ASKED_BACK)),
            rows=_rows,
            corrections=Corrections(share=0.05, after=timedelta(hours=20)),
        )
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(1.0, burst=60, speed=world.request_speed),
            server_error=lambda: HTMLResponse(
                "<html><body>Bad gateway</body></html>", HTTPStatus.BAD_GATEWAY
            ),
            # The real service repeats the key in its error; no client may log it.
            malformed=lambda: JSONResponse(
                {"error": "service unavailable", "message": "no answer for key simulated"}
            ),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return `/api`."""
        return [Route("/api", self.storage)]

    async def run(self) -> None:
        """Let gas days be reported."""
        await self._storage.run()

    async def storage(self, request: Request) -> Response:
        """Answer one page."""
        if request.headers.get("x-key") != self._world.secret("GIE_API_KEY"):
            return JSONResponse(_NO_KEY)
        country = request.query_params.get("country", "").upper()
        return await self._desk.answer(_SOURCE, lambda: self._page(country, request.query_params))

    def _page(self, country: str, params: Mapping[str, str]) -> Response:
        newest = _gas_day(self._world.clock.now())
        first, last = (
            min(date.fromisoformat(params.get(name, newest.isoformat())), newest)
            for name in ("from", "to")
        )
        wanted = _AGGREGATES if country in _AGGREGATES else (country,)
        found = [
            self._storage.visible(_slot(first), _slot(last + _DAY), code=code)
            for code in wanted
            if code in _VOLUMES_TWH
        ]
        rows = pl.concat([_rows(each) for each in found]) if found else pl.DataFrame()
        reports = (
            [_record(row) for row in rows.sort("delivery_start", descending=True).to_dicts()]
            if not rows.is_empty()
            else []
        )
        if reports and self._desk.bad_row(_SOURCE):
            reports[0]["full"] = _BAD_PERCENT
        size = min(int(params.get("size", "30")), _MOST_RECORDS)
        page = int(params.get("page", "1"))
        return JSONResponse(
            {
                "last_page": max(1, -(-len(reports) // size)),
                "total": len(reports),
                "dataset": "",
                "gas_day": newest.isoformat(),
                "data": reports[(page - 1) * size : page * size],
            }
        )


PROVIDER: Final = Agsi


def _gas_day(instant: datetime) -> date:
    return (instant.astimezone(_LOCAL).replace(tzinfo=None) - timedelta(hours=6)).date()


def _slot(day: date) -> datetime:
    """Return the slot of a gas day: midnight of its date, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _starts(day: pl.Expr) -> pl.Expr:
    local = (day.cast(pl.Datetime("us")) + timedelta(hours=6)).dt.replace_time_zone(_ZONE)
    return local.dt.convert_time_zone("UTC").cast(INSTANT)


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report in the form of the wire: numbers are texts, and may be a dash or absent."""
    day = row["delivery_start"].astimezone(_LOCAL).date()
    nothing = "-" if row["code"] == "SE" else ""
    return {
        "name": row["code"],
        "code": row["code"],
        "url": row["url"],
        "updatedAt": f"{row['published_at'].astimezone(_LOCAL):%Y-%m-%d %H:%M:%S}",
        "gasDayStart": day.isoformat(),
        "gasDayEnd": (day + _DAY).isoformat(),
        **{
            field: nothing if row[column] is None else str(row[column])
            for column, field in _FIELDS.items()
        },
        "status": row["status"],
        "info": [],
    }
