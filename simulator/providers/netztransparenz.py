"""netztransparenz.de on the wire: tokens by client credentials, and CSV.

The CSV is as the service writes it: decimal commas, umlauts, the day first in dates, a last period
that ends at 00:00 of the same date, and columns beside the values. Quality-assured values are
published weeks later.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import numpy as np
import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.first_slots import whole_days
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.power_system.noise import Floats, Ints
from simulator.power_system.system import NUMBERS, power_system
from simulator.timeline import (
    Corrections,
    Timeline,
    Truth,
    Values,
    after_each,
    day_after,
    run_together,
)
from simulator.world import World

_SOURCE: Final = "netztransparenz_imbalance"
_SCOPE: Final = "ntpStatistic.read_all_public"
_QUARTER: Final = timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_LONGEST_WINDOW: Final = timedelta(days=366)
_ASKED_BACK: Final = timedelta(days=2)
_ASSURED_BACK: Final = _ASKED_BACK + timedelta(weeks=9)
_ABOUT: Final = "Datum;Zeitzone;von;bis;Datenkategorie;Datentyp;Einheit"

_ZONE: Final = NUMBERS["DE-LU"]
_AREAS: Final = {"50Hertz": 0.2, "Amprion": 0.35, "TenneT TSO": 0.3, "TransnetBW": 0.15}
"""The control areas, and the share of each in Germany's balance."""
_AREAS_APART_MW: Final = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Product:
    """One product: what its lines say, and which timeline holds its values.

    Attributes:
        category: `Datenkategorie`.
        data_type: `Datentyp`, which the service spells with an umlaut.
        unit: `Einheit`.
        columns: The columns of values, and the series of each.
        flags: The columns behind them: header and constant value.
    """

    category: str
    data_type: str
    unit: str
    columns: Mapping[str, str]
    flags: Mapping[str, str]

    @property
    def is_assured(self) -> bool:
        """Whether it comes weeks later."""
        return self.data_type != "Betrieblich"


_PRODUCTS: Final = {
    "NrvSaldo/NRVSaldo/Betrieblich": _Product(
        category="NRV-Saldo",
        data_type="Betrieblich",
        unit="MW",
        columns={"Deutschland": "Deutschland"},
        flags={
            "AEP Knappheitskomponente": "N.A.",
            "Mrl-Mol-Abweichung": "0",
            "Srl-Mol-Abweichung": "0",
        },
    ),
    "NrvSaldo/RZSaldo/Betrieblich": _Product(
        category="RZ-Saldo",
        data_type="Betrieblich",
        unit="MW",
        columns={area: area for area in _AREAS},
        flags={},
    ),
    "NrvSaldo/AepSchaetzer/Betrieblich": _Product(
        category="AEP-Schätzer",
        data_type="Betrieblich",
        unit="EUR/MWh",
        columns={"AEP-Schätzer": "AEP-Schätzer"},
        flags={"Status": "0"},
    ),
    "NrvSaldo/NRVSaldo/Qualitaetsgesichert": _Product(
        category="NRV-Saldo",
        data_type="Qualitätsgesichert",
        unit="MW",
        columns={"Deutschland": "Deutschland"},
        flags={},
    ),
    "NrvSaldo/reBAP/Qualitaetsgesichert": _Product(
        category="reBAP",
        data_type="Qualitätsgesichert",
        unit="EUR/MWh",
        columns={"reBAP unterdeckt": "reBAP", "reBAP ueberdeckt": "reBAP"},
        flags={},
    ),
}


def _timeline(world: World, *, assured: bool) -> Timeline:
    """Return the values of the products that come at once, or of those that come weeks later."""
    products = {path: one for path, one in _PRODUCTS.items() if one.is_assured == assured}
    late = day_after(time_of_day(10), "Europe/Berlin", days=21)
    series = [
        {"product": path, "name": name}
        for path, product in products.items()
        for name in dict.fromkeys(product.columns.values())
    ]
    return Timeline(
        world=world,
        source=_SOURCE,
        series=series,
        values=lambda _: {"value": Values()},
        truth=_balances_and_prices(world, series),
        resolution=_QUARTER,
        schedule=late if assured else after_each(_QUARTER + timedelta(minutes=7)),
        reach=timedelta(days=23) if assured else timedelta(hours=6),
        rows=partial(_rows, products),
        corrections=Corrections(share=0.02, after=timedelta(hours=1)),
        first_slot=_first_of_month if assured else whole_days(_ASKED_BACK, UTC),
    )


def _balances_and_prices(world: World, series: Sequence[Mapping[str, str]]) -> Truth:
    """Return the balance of Germany and of each area, and the price of imbalance."""
    system = power_system(world.seed)
    names = [each["name"] for each in series]
    is_price = np.array([_PRODUCTS[each["product"]].unit != "MW" for each in series])
    part = np.array([_AREAS.get(name, 1.0) for name in names])
    area = np.array([[*_AREAS].index(name) if name in _AREAS else -1 for name in names])
    apart = [world.signal(f"{_SOURCE} {name}", mean=0.0, noise=_AREAS_APART_MW) for name in _AREAS]

    def balances(numbers: Ints, seconds: Floats) -> Floats:
        away = np.array([signal.at(seconds) for signal in apart])
        away -= away.mean(axis=0)  # the areas' own parts sum to zero
        own = np.where(area[numbers] < 0, 0.0, away[area[numbers], np.arange(numbers.size)])
        whole = system.imbalance_mw(np.full(numbers.shape, _ZONE), seconds)
        balance: Floats = part[numbers] * whole + own
        return balance

    def truth(_: str, numbers: Ints, seconds: Floats) -> Floats:
        priced = is_price[numbers]
        found = np.empty(numbers.shape)
        found[~priced] = balances(numbers[~priced], seconds[~priced])
        zone = np.full(np.count_nonzero(priced), _ZONE)
        found[priced] = system.imbalance_price(zone, seconds[priced])
        return found

    return truth


def _first_of_month(began: datetime) -> datetime:
    return whole_days(_ASSURED_BACK, UTC)(began).replace(day=1)


def _rows(products: Mapping[str, _Product], stated: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(
        stated.filter(product=path, name=series).select(
            delivery_start="slot",
            delivery_end=pl.col("slot") + _QUARTER,
            product=pl.lit(product.category),
            quality=pl.lit("quality_assured" if product.is_assured else "operational"),
            series=pl.lit(column),
            power_mw=pl.col("value") if product.unit == "MW" else pl.lit(None, pl.Float64),
            price_eur_per_mwh=pl.col("value") if product.unit != "MW" else pl.lit(None, pl.Float64),
        )
        for path, product in products.items()
        for column, series in product.columns.items()
    )


class Netztransparenz(HttpProvider):
    """The platform of Germany's transmission system operators."""

    name = "netztransparenz"
    models = frozenset({_SOURCE})
    hosts = ("https://identity.netztransparenz.de", "https://ds.netztransparenz.de")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._token_seconds = int(world.pace.token_life.total_seconds())
        self._timelines = {assured: _timeline(world, assured=assured) for assured in (False, True)}
        self._tokens: dict[str, float] = {}
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(2.0, burst=60, speed=world.request_speed),
            server_error=partial(
                PlainTextResponse, "Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR
            ),
            malformed=partial(HTMLResponse, "<html><body>Wartungsarbeiten</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return both services."""
        return [
            Route("/users/connect/token", self.token, methods=["POST"]),
            Route("/api/v1/data/{product:path}/{start}/{end}", self.data),
        ]

    async def run(self) -> None:
        """Move the market on."""
        await run_together([*self._timelines.values()])

    async def token(self, request: Request) -> Response:
        """Answer `/users/connect/token`, whatever the secret is."""
        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "client_credentials":
            return _oauth_error("unsupported_grant_type")
        if form.get("scope") != _SCOPE:
            return _oauth_error("invalid_scope")
        if not (form.get("client_id") and form.get("client_secret")):
            return _oauth_error("invalid_client")
        now = time.time()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + self._token_seconds
        return JSONResponse(
            {
                "access_token": token,
                "expires_in": self._token_seconds,
                "token_type": "Bearer",
                "scope": _SCOPE,
            }
        )

    async def data(self, request: Request) -> Response:
        """Answer `/api/v1/data/{product}/{start}/{end}`."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self._tokens.get(token, 0.0) < time.time():
            return _refusal(HTTPStatus.UNAUTHORIZED)
        asked = [request.path_params[name] for name in ("product", "start", "end")]
        return await self._desk.answer(_SOURCE, partial(self._good, *asked))

    def _good(self, path: str, *window: str) -> Response:
        product = _PRODUCTS.get(path)
        if product is None:
            return _refusal(HTTPStatus.NOT_FOUND)
        try:
            start, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in window)
        except ValueError:
            return _refusal(HTTPStatus.BAD_REQUEST)
        if end - start > _LONGEST_WINDOW:
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)
        seen = self._timelines[product.is_assured].visible(start, end, product=path)
        if seen.is_empty():
            return _refusal(HTTPStatus.NOT_FOUND)
        return _csv(_lines(product, seen, spoiled=self._desk.bad_row(_SOURCE)).encode())


PROVIDER: Final = Netztransparenz


def _lines(product: _Product, seen: pl.DataFrame, *, spoiled: bool) -> str:
    """Return a product's values as the service writes them."""
    text = pl.col("value").cast(pl.String).str.replace(".", ",", literal=True)
    wide = (
        seen.select("slot", "name", text=text)
        .pivot("name", index="slot", values="text")
        .sort("slot")
    )
    about = f"{product.category};{product.data_type};{product.unit}"
    line = pl.concat_str(
        pl.col("slot").dt.strftime("%d.%m.%Y;UTC;%H:%M"),
        (pl.col("slot") + _QUARTER).dt.strftime("%H:%M"),
        pl.lit(about),
        *(pl.col(series).fill_null("N.A.") for series in product.columns.values()),
        *(pl.lit(flag) for flag in product.flags.values()),
        separator=";",
    )
    lines = wide.select(line=line)["line"].to_list()
    if spoiled:
        fields = lines[-1].split(";")
        fields[_ABOUT.count(";") + 1] = "9999999,99"
        lines[-1] = ";".join(fields)
    header = ";".join((_ABOUT, *product.columns, *product.flags))
    return "\n".join((header, *lines, ""))


def _oauth_error(error: str) -> Response:
    return JSONResponse({"error": error}, HTTPStatus.BAD_REQUEST)


def _refusal(status: HTTPStatus) -> Response:
    return PlainTextResponse(status_code=status)


def _csv(body: bytes) -> Response:
    return Response(body, media_type="text/csv")
