"""Open-Meteo on the wire: hourly forecasts of any places, by REST.

A model runs every three hours and forecasts the future anew. A reply shows the newest run of each
hour and does not name it. The values are a function of time alone, so any past can be asked for.
The world's data rate does not apply: there is one model.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.market.instants import INSTANT
from simulator.beats import beats
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.signal import Signal, at_each
from simulator.world import World

_SOURCE: Final = "open_meteo_forecast"
_PLACES: Final = """
Aachen 50.78 6.08, Alpha Ventus 54.01 6.61, Amrumbank West 54.52 7.71, Arkona 54.78 14.12
Augsburg 48.37 10.90, Aurich 53.47 7.48, Baltic 1 54.61 12.65, Bamberg 49.89 10.89
Berlin 52.52 13.41, Borkum Riffgrund 53.97 6.56, Braunschweig 52.27 10.52, Bremen 53.08 8.80
Bremerhaven 53.54 8.58, Brno 49.20 16.61, Brunsbüttel 53.90 9.14, Chemnitz 50.83 12.92
Cloppenburg 52.85 8.05, Cottbus 51.76 14.33, Cuxhaven 53.86 8.69, DanTysk 55.14 7.20
Dessau 51.84 12.24, Dortmund 51.51 7.47, Dresden 51.05 13.74, Düsseldorf 51.23 6.78
Emden 53.37 7.21, EnBW Baltic 2 54.98 13.16, Erfurt 50.98 11.03, Esbjerg 55.47 8.45
Fehmarn 54.44 11.19, Flensburg 54.78 9.44, Frankfurt am Main 50.11 8.68, Freiburg 48.00 7.85
Fulda 50.55 9.68, Gera 50.88 12.08, Gießen 50.58 8.68, Graz 47.07 15.44, Halle 51.48 11.97
Hamburg 53.55 9.99, Hannover 52.37 9.73, Heide 54.20 9.10, Heilbronn 49.14 9.22, Hof 50.32 11.92
Husum 54.48 9.05, Ingolstadt 48.76 11.42, Innsbruck 47.27 11.39, Jüterbog 51.99 13.08
Kaiserslautern 49.44 7.77, Karlsruhe 49.01 8.40, Kassel 51.31 9.48, Kempten 47.73 10.31
Kiel 54.32 10.14, Konstanz 47.66 9.18, Köln 50.94 6.96, Landshut 48.54 12.15
Leipzig 51.34 12.37, Lieberose 51.99 14.30, Lingen 52.52 7.32, Linz 48.31 14.29
Lübeck 53.87 10.69, Magdeburg 52.13 11.63, Mainz 50.00 8.27, München 48.14 11.58
Münster 51.96 7.63, Neubrandenburg 53.56 13.26, Neuruppin 52.92 12.80, Niebüll 54.79 8.83
Nienburg 52.64 9.21, Nordhausen 51.50 10.79, Nordsee Ost 54.44 7.68, Nürnberg 49.45 11.08
Oldenburg 53.14 8.21, Osnabrück 52.28 8.05, Paderborn 51.72 8.75, Parndorf 48.00 16.86
Pasewalk 53.51 13.99, Passau 48.57 13.43, Praha 50.08 14.44, Prenzlau 53.32 13.86
Regensburg 49.02 12.10, Rostock 54.09 12.14, Saarbrücken 49.24 7.00, Schweinfurt 50.05 10.23
Schwerin 53.63 11.42, Senftenberg 51.52 14.00, Siegen 50.87 8.02, Simmern 49.98 7.52
Stade 53.60 9.48, Stendal 52.61 11.86, Stralsund 54.31 13.09, Straubing 48.88 12.57
Stuttgart 48.78 9.18, Szczecin 53.43 14.55, Trier 49.75 6.64, Uelzen 52.97 10.57, Ulm 48.40 9.99
Warszawa 52.23 21.01, Wien 48.21 16.37, Wilhelmshaven 53.53 8.11, Würzburg 49.79 9.95
Zürich 47.38 8.54
"""
SITES: Final = {
    " ".join(name): (float(latitude), float(longitude))
    for place in _PLACES.strip().replace("\n", ", ").split(", ")
    for *name, latitude, longitude in [place.split()]
}
"""The places with weather, degrees north and east; elsewhere the nearest place counts."""
COLUMNS: Final = {
    "temperature_2m": "temperature_deg_c",
    "relative_humidity_2m": "relative_humidity_pct",
    "cloud_cover": "cloud_cover_pct",
    "precipitation": "precipitation_mm",
    **{f"wind_speed_{height}m": f"wind_speed_{height}m_m_per_s" for height in (10, 80, 120)},
    "wind_gusts_10m": "wind_gusts_10m_m_per_s",
    "wind_direction_80m": "wind_direction_80m_deg",
    "shortwave_radiation": "shortwave_radiation_w_per_m2",
    "direct_radiation": "direct_radiation_w_per_m2",
    "diffuse_radiation": "diffuse_radiation_w_per_m2",
}
"""The columns of the source's table that variables are journalled in."""
_RUN_EVERY: Final = timedelta(hours=3)
_OUT_AFTER: Final = timedelta(hours=1, minutes=50)
_HORIZON_DAYS: Final = 3
"""A run ends with the third day after its own; later hours are null."""
_FIRST_WINDOW: Final = timedelta(hours=6)
"""How far back the feed asks at its first poll."""
_PAST_DAYS: Final = 92
_FUTURE_DAYS: Final = 16
_HOUR: Final = 3600
_MOST_LEADS: Final = (_HORIZON_DAYS + 1) * 24
_NAP_SECONDS: Final = 0.05
_BAD_TEMPERATURE: Final = 999.9
_KILOMETRES_PER_HOUR: Final = 3.6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How a variable behaves.

    Attributes:
        mean: Its level.
        daily: Half the height of its day shape.
        noise: Half the height of its irregular part.
        spread: How far apart two runs are, a day ahead.
        lowest: What it never falls below.
        highest: What it never rises above.
        unit: As the reply calls it.
        decimals: As many as the reply gives.
    """

    mean: float
    daily: float = 0.0
    noise: float = 1.0
    spread: float = 1.0
    lowest: float = 0.0
    highest: float = np.inf
    unit: str
    decimals: int = 1


_SHAPES: Final = {
    "temperature_2m": _Shape(mean=11, daily=4, noise=9, spread=0.8, lowest=-60, unit="°C"),
    "relative_humidity_2m": _Shape(
        mean=72, daily=-12, noise=25, spread=4, lowest=5, highest=100, unit="%", decimals=0
    ),
    "cloud_cover": _Shape(mean=55, noise=80, spread=12, highest=100, unit="%", decimals=0),
    "precipitation": _Shape(mean=-0.6, noise=2.4, spread=0.3, unit="mm", decimals=2),
    "wind_speed_10m": _Shape(mean=4.5, noise=5, spread=0.6, unit="m/s", decimals=2),
    "wind_speed_80m": _Shape(mean=7.5, noise=7, spread=0.8, unit="m/s", decimals=2),
    "wind_speed_120m": _Shape(mean=8.5, noise=8, spread=0.9, unit="m/s", decimals=2),
    "wind_gusts_10m": _Shape(mean=9, noise=9, spread=1.2, unit="m/s"),
    "wind_direction_80m": _Shape(mean=200, noise=160, spread=15, highest=360, unit="°", decimals=0),
    "shortwave_radiation": _Shape(mean=130, daily=320, noise=90, spread=25, unit="W/m²"),
    "direct_radiation": _Shape(mean=60, daily=210, noise=80, spread=22, unit="W/m²"),
    "diffuse_radiation": _Shape(mean=70, daily=110, noise=30, spread=9, unit="W/m²"),
}


class _Model:
    """The weather model: runs that differ a little, more so the further they look ahead."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._signals = {
            name: [
                Signal(
                    seed=world.seed,
                    name=f"{_SOURCE} {name} {latitude} {longitude}",
                    mean=shape.mean,
                    daily=shape.daily,
                    noise=shape.noise,
                )
                for latitude, longitude in SITES.values()
            ]
            for name, shape in _SHAPES.items()
        }

    def newest_run(self, now: datetime) -> int:
        """Return the newest run that is out, as seconds since 1970."""
        every = _RUN_EVERY // timedelta(seconds=1)
        return int((now - _OUT_AFTER).timestamp()) // every * every

    def shown(self, hours: NDArray[np.int64], run: int) -> dict[str, NDArray[np.float64]]:
        """Return each variable at every site (rows) and hour (columns) once `run` is out.

        An hour before the run shows the last earlier run; an hour beyond the run's end is NaN.
        """
        every = _RUN_EVERY // timedelta(seconds=1)
        runs = np.minimum(hours // every * every, run)
        sites = len(SITES)
        numbers = np.repeat(np.arange(sites), hours.size)
        seconds = np.tile(hours.astype(float), sites)
        chances = np.empty((len(_SHAPES), sites, hours.size))
        for each in np.unique(runs):
            of_run = runs == each
            leads = np.minimum((hours[of_run] - each) // _HOUR, _MOST_LEADS - 1)
            chances[:, :, of_run] = self._chances(int(each))[:, :, leads]
        ahead = np.sqrt((hours - runs) / 86_400 + 0.05)
        found = {}
        for number, (name, shape) in enumerate(_SHAPES.items()):
            values = at_each(self._signals[name], numbers, seconds).reshape(sites, hours.size)
            moved = np.clip(
                values + shape.spread * ahead * chances[number], shape.lowest, shape.highest
            )
            rounded = np.round(moved, shape.decimals) + 0.0  # no -0.0
            rounded[:, hours >= _end(run)] = np.nan
            found[name] = rounded
        return found

    def rows(self, hours: NDArray[np.int64], run: int) -> pl.DataFrame:
        """Return what is shown as rows of the source's table, without hours that are null."""
        shown = self.shown(hours, run)
        reached = ~np.isnan(shown["temperature_2m"][0])
        valid_at = pl.from_epoch(pl.Series(hours[reached]), time_unit="s")
        instants = valid_at.dt.replace_time_zone("UTC").cast(INSTANT)
        count = int(reached.sum())
        return pl.DataFrame(
            {
                "site": pl.Series(list(SITES)).gather(np.repeat(np.arange(len(SITES)), count)),
                "valid_at": pl.concat([instants] * len(SITES)),
                **{
                    column: shown[variable][:, reached].ravel()
                    for variable, column in COLUMNS.items()
                },
            }
        )

    def _chances(self, run: int) -> NDArray[np.float64]:
        """Return how each variable of a run differs, by site and hour ahead."""
        random = np.random.default_rng([self._world.seed, run // _HOUR])
        return random.standard_normal((len(_SHAPES), len(SITES), _MOST_LEADS))


class OpenMeteo(HttpProvider):
    """Open-Meteo."""

    name = "open_meteo"
    models = frozenset({_SOURCE})
    hosts = ("https://api.open-meteo.com",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._model = _Model(world)
        self._out: int | None = None
        self._began: datetime | None
        self._last: datetime | None
        self._began, self._last = world.journal.market_times(_SOURCE) or (None, None)
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(1.0, burst=30, speed=world.request_speed),
            server_error=lambda: _error(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error"),
            malformed=lambda: HTMLResponse("<html><body>502 Bad Gateway</body></html>"),
        )
        self._locations = lru_cache(maxsize=4)(self._rendered)

    def routes(self) -> Sequence[BaseRoute]:
        """Return `/v1/forecast`."""
        return [Route("/v1/forecast", self.forecast)]

    async def run(self) -> None:
        """Let runs come out, each journalled just before it is shown."""
        last, every = self._last, self._world.beat
        self._out = None if last is None else self._model.newest_run(last)
        async for beat in beats(self._world.clock, every, last):
            newest = self._model.newest_run(beat)
            if self._out is None:
                self._began = beat
                await self._come_out(beat, _first_hour(beat), newest)
            while self._out is not None and self._out < newest:
                following = self._out + _RUN_EVERY // timedelta(seconds=1)
                await self._come_out(beat, following, following)

    async def _come_out(self, now: datetime, start: int, run: int) -> None:
        """Journal the hours of a run from `start` on, and show it."""
        hours = np.arange(start, _end(run), _HOUR)
        await asyncio.to_thread(self._journal, now, hours, run, [*SITES])
        self._out, self._last = run, now

    async def forecast(self, request: Request) -> Response:
        """Answer one question: an object for one place, an array for several."""
        params = request.query_params
        try:
            question = _Question.read(params, self._world.clock.now())
        except ValueError as error:
            refused = _error(HTTPStatus.BAD_REQUEST, str(error))
            return await self._desk.answer(_SOURCE, lambda: refused)
        run = await self._newest_out()
        await self._tell_of_the_past(question, run)
        locations = await asyncio.to_thread(self._locations, question, run)
        return await self._desk.answer(_SOURCE, lambda: self._reply(locations))

    async def _newest_out(self) -> int:
        """Return the newest run that is out; before the first one is, wait for it."""
        while self._out is None:
            await asyncio.sleep(_NAP_SECONDS)
        return self._out

    async def _tell_of_the_past(self, question: "_Question", run: int) -> None:
        """Journal the hours asked for that are before those that the journal began with."""
        if self._began is None or self._last is None:
            return
        hours = question.hours()
        past = hours[hours < _first_hour(self._began)]
        if past.size:
            sites = [[*SITES][_nearest(*place)] for place in question.places]
            await asyncio.to_thread(self._journal, self._last, past, run, sites)

    def _journal(
        self, at: datetime, hours: NDArray[np.int64], run: int, sites: Sequence[str]
    ) -> None:
        rows = self._model.rows(hours, run).filter(pl.col("site").is_in(sites))
        self._world.journal.emit(_SOURCE, at, rows.to_dicts())

    def _reply(self, locations: Sequence[tuple[str, str]]) -> Response:
        """Return a reply; it holds the duration of the request, so no two replies are equal."""
        took = np.random.default_rng().uniform(0.05, 3.0, len(locations)).tolist()
        texts = [f"{head}{ms}{tail}" for (head, tail), ms in zip(locations, took, strict=True)]
        if self._desk.bad_row(_SOURCE):
            texts[0] = texts[0].replace(
                '"temperature_2m":[', f'"temperature_2m":[{_BAD_TEMPERATURE},', 1
            )
            head, mark, values = texts[0].partition(f"[{_BAD_TEMPERATURE},")
            texts[0] = head + mark + values.partition(",")[2]
        return _json(texts[0] if len(texts) == 1 else f"[{','.join(texts)}]")

    def _rendered(self, question: "_Question", run: int) -> list[tuple[str, str]]:
        """Return each place's text before and after the duration of the request."""
        hours = question.hours()
        shown = self._model.shown(hours, run)
        stamps: list[int] | list[str] = hours.tolist()
        if not question.unix_time:
            stamps = np.datetime_as_string(hours.astype("datetime64[s]"), unit="m").tolist()
        in_kmh = {
            name: (values * _KILOMETRES_PER_HOUR).round(1)
            for name, values in shown.items()
            if _SHAPES[name].unit == "m/s" and not question.metres_per_second
        }
        columns = {name: (shown | in_kmh)[name] for name in question.variables}
        units = {
            "time": "unixtime" if question.unix_time else "iso8601",
            **{name: "km/h" if name in in_kmh else _SHAPES[name].unit for name in columns},
        }
        texts = []
        for latitude, longitude in question.places:
            site = _nearest(latitude, longitude)
            head = {"latitude": _cell(latitude), "longitude": _cell(longitude)}
            tail = {
                "utc_offset_seconds": 0,
                "timezone": "GMT",
                "timezone_abbreviation": "GMT",
                "elevation": 38.0,
                "hourly_units": units,
                "hourly": {
                    "time": stamps,
                    **{name: _with_nulls(values[site]) for name, values in columns.items()},
                },
            }
            texts.append((f'{_dumped(head)[:-1]},"generationtime_ms":', f",{_dumped(tail)[1:]}"))
        return texts


PROVIDER: Final = OpenMeteo


@dataclass(frozen=True, slots=True)
class _Question:
    """A request; hashable."""

    places: tuple[tuple[float, float], ...]
    variables: tuple[str, ...]
    first: date
    last: date
    unix_time: bool
    metres_per_second: bool

    def hours(self) -> NDArray[np.int64]:
        """Return the hours of all days asked for, as seconds since 1970."""
        return np.arange(_midnight_of(self.first), _midnight_of(self.last) + 86_400, _HOUR)

    @classmethod
    def read(cls, params: Mapping[str, str], now: datetime) -> "_Question":
        """Read a query.

        Raises:
            ValueError: It makes no sense; the message is what the service says.
        """
        latitudes, longitudes = (
            [float(text) for text in params.get(name, "").split(",")]
            for name in ("latitude", "longitude")
        )
        if len(latitudes) != len(longitudes):
            raise ValueError(
                "Parameter 'latitude' and 'longitude' must have the same number of elements"
            )
        variables = tuple(name for name in params.get("hourly", "").split(",") if name)
        if unknown := [name for name in variables if name not in _SHAPES]:
            raise ValueError(f"Cannot initialize VariableHourly from invalid value {unknown[0]}.")
        if params.get("timezone", "GMT") not in ("GMT", "UTC"):
            raise ValueError("Only GMT is simulated.")
        first = date.fromisoformat(params.get("start_date", f"{now:%Y-%m-%d}"))
        last = date.fromisoformat(params.get("end_date", f"{first + timedelta(days=6):%Y-%m-%d}"))
        earliest = now.date() - timedelta(days=_PAST_DAYS)
        latest = now.date() + timedelta(days=_FUTURE_DAYS)
        if not earliest <= first <= last <= latest:
            raise ValueError(
                f"Parameter 'start_date' is out of allowed range from {earliest} to {latest}"
            )
        return cls(
            tuple(zip(latitudes, longitudes, strict=True)),
            variables,
            first,
            last,
            unix_time=params.get("timeformat") == "unixtime",
            metres_per_second=params.get("wind_speed_unit") == "ms",
        )


def _end(run: int) -> int:
    """Return the end of the last hour that a run reaches."""
    return (run // 86_400 + 1 + _HORIZON_DAYS) * 86_400


def _first_hour(began: datetime) -> int:
    """Return the first hour that a feed asks for."""
    return _midnight_of((began - _FIRST_WINDOW).date())


def _midnight_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _nearest(latitude: float, longitude: float) -> int:
    """Return the number of the site whose weather a place has."""
    away = [abs(north - latitude) + abs(east - longitude) for north, east in SITES.values()]
    return int(np.argmin(away))


def _cell(degrees: float) -> float:
    """Return the coordinate of the model's cell that a place is in."""
    return round(round(degrees * 16) / 16 + 0.003, 6)


def _with_nulls(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 (NaN is not itself)


def _dumped(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(text: str) -> Response:
    return Response(text, media_type="application/json; charset=utf-8")


def _error(status: HTTPStatus, reason: str) -> Response:
    return JSONResponse({"error": True, "reason": reason}, status)
