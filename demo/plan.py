"""Which questions a demo puts to the simulated providers, and when.

A source is asked as soon as its provider publishes: a minute after a daily publication, each
half-hour for the balance, each hour for load and generation. So a row is received when the
market publishes it, or by the length of one interval later, and never earlier. A running platform
asks more often. The zones are Germany with its neighbours, since all of Europe would take too long.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from demo.windows import Window, local
from energy_platform.feeds.rest import RestRequest
from simulator.providers import (
    agsi,
    energy_charts,
    entsoe,
    entsog,
    jao,
    netztransparenz,
    smard,
)
from simulator.providers.entsoe.codes import AREAS, GERMAN_CONTROL_AREAS
from simulator.world import OpenProvider

_BRUSSELS: Final = ZoneInfo("Europe/Brussels")
_MINUTE: Final = timedelta(minutes=1)
_QUARTER: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)

_GERMANY: Final = frozenset({AREAS["DE-LU"]})
_NEIGHBOURS: Final = frozenset(
    AREAS[zone] for zone in ("AT", "BE", "CH", "CZ", "DK1", "FR", "NL", "PL")
)
_ZONES: Final = _GERMANY | _NEIGHBOURS
_STORING: Final = ("AT", "CZ", "DE", "FR", "NL")
_PRICED: Final = ("AT", "BE", "CH", "CZ", "DE-LU", "DK1", "FR", "NL", "PL")

Times = Callable[[Window], Iterator[datetime]]
"""Yields the instants of a window, in order, at which a provider is asked."""


def _as_it_is(request: RestRequest, _start: datetime, _end: datetime) -> RestRequest:
    return request


@dataclass(frozen=True, slots=True, kw_only=True)
class Polls:
    """Questions that one source puts to its provider again and again.

    Attributes:
        times: When they are put.
        back: How far before such an instant the window reaches that is asked for.
        ahead: How far after it.
        only: Parameters, and the values that a question may have, where None stands for none;
            other questions are not put.
        narrowed: Makes a question ask for less; as the source puts it, unless given.
    """

    times: Times
    back: timedelta = timedelta()
    ahead: timedelta = timedelta()
    only: Mapping[str, frozenset[str | None]] = field(default_factory=dict)
    narrowed: Callable[[RestRequest, datetime, datetime], RestRequest] = _as_it_is


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A source that is asked.

    Attributes:
        provider: Opens its simulated provider.
        polls: What it is asked.
    """

    provider: OpenProvider
    polls: tuple[Polls, ...]


def each_day(*at: time, zone: ZoneInfo = _BRUSSELS) -> Times:
    """Ask at local times of every day."""
    return lambda window: (local(day, each, zone) for day in window.days for each in at)


def each(interval: timedelta, after: timedelta = _MINUTE) -> Times:
    """Ask at even intervals, so long after the window's start and so on."""

    def times(window: Window) -> Iterator[datetime]:
        at = window.start_at + after
        while at < window.end_at:
            yield at
            at += interval

    return times


def of_the_last_days(days: int, times: Times) -> Times:
    """Ask in the last days of a window alone."""
    return lambda window: times(Window(max(window.first, window.end - days * _DAY), window.end))


def _entsoe(*polls: Polls) -> Asked:
    return Asked(provider=entsoe.PROVIDER, polls=polls)


_MORNING: Final = {"in_Domain": frozenset({AREAS["AT"], AREAS["DE-LU"]})}
_TO_GERMANY: Final = {"in_Domain": _ZONES, "out_Domain": _GERMANY}
_NOTICES: Final = tuple(time(hour, 18) for hour in (4, 10, 16, 22))


def _window_alone(request: RestRequest, start: datetime, end: datetime) -> RestRequest:
    """Ask netztransparenz for a window, not for the whole days that it touches."""
    address = request.url.rsplit("/", 2)[0]
    return replace(request, url=f"{address}/{start:%Y-%m-%dT%H:%M:%S}/{end:%Y-%m-%dT%H:%M:%S}")


ASKED: Final[Mapping[str, Asked]] = {
    "entsoe_day_ahead_price": _entsoe(
        Polls(times=each_day(time(10, 21)), ahead=_HOUR, only=_MORNING),
        Polls(times=each_day(time(12, 58)), ahead=_HOUR, only={"in_Domain": _ZONES}),
    ),
    "entsoe_load_forecast": _entsoe(
        Polls(times=each_day(time(9, 31)), ahead=_HOUR, only={"outBiddingZone_Domain": _ZONES})
    ),
    "entsoe_load": _entsoe(
        Polls(times=each(_HOUR), back=4 * _HOUR, only={"outBiddingZone_Domain": _GERMANY}),
        Polls(times=each(_DAY), back=28 * _HOUR, only={"outBiddingZone_Domain": _NEIGHBOURS}),
    ),
    "entsoe_generation": _entsoe(
        Polls(times=each(_HOUR), back=9 * _HOUR, only={"in_Domain": _GERMANY}),
    ),
    "entsoe_wind_solar_forecast": _entsoe(
        Polls(
            times=each_day(time(17, 31)),
            ahead=_HOUR,
            only={"in_Domain": _ZONES, "processType": frozenset({"A01"})},
        ),
        Polls(
            times=each_day(time(8, 1)),
            only={"in_Domain": _GERMANY, "processType": frozenset({"A40"})},
        ),
        Polls(
            times=each(_HOUR),
            only={"in_Domain": _GERMANY, "processType": frozenset({"A18"})},
        ),
    ),
    "entsoe_scheduled_exchange": _entsoe(
        Polls(times=each_day(time(15, 31)), ahead=_HOUR, only=_TO_GERMANY),
    ),
    "entsoe_outage": _entsoe(
        Polls(
            times=each_day(*_NOTICES, zone=ZoneInfo("UTC")),
            back=6 * _HOUR,
            only={
                "BiddingZone_Domain": frozenset(GERMAN_CONTROL_AREAS.values()),
                "documentType": frozenset({"A80"}),
                "DocStatus": frozenset({None}),
            },
        )
    ),
    "energy_charts_price": Asked(
        provider=energy_charts.PROVIDER,
        polls=(Polls(times=each_day(time(13, 45)), ahead=_DAY, only={"bzn": frozenset(_PRICED)}),),
    ),
    "netztransparenz_imbalance": Asked(
        provider=netztransparenz.PROVIDER,
        polls=(
            Polls(
                times=each(2 * _QUARTER, 8 * _MINUTE),
                back=2 * _HOUR,
                only={"product": frozenset({"NrvSaldo/NRVSaldo/Betrieblich"})},
                narrowed=_window_alone,
            ),
            Polls(
                times=each(3 * _HOUR, 8 * _MINUTE),
                back=5 * _HOUR,
                only={"product": frozenset({"NrvSaldo/AepSchaetzer/Betrieblich"})},
                narrowed=_window_alone,
            ),
            Polls(
                times=each(7 * _DAY, 11 * _HOUR),
                only={
                    "product": frozenset(
                        f"NrvSaldo/{name}/Qualitaetsgesichert" for name in ("NRVSaldo", "reBAP")
                    )
                },
            ),
        ),
    ),
    "smard_price": Asked(
        provider=smard.PROVIDER, polls=(Polls(times=each_day(time(13, 31)), ahead=_DAY),)
    ),
    "agsi_storage": Asked(
        provider=agsi.PROVIDER,
        polls=(
            Polls(times=each_day(time(20)), back=4 * _DAY, only={"country": frozenset(_STORING)}),
        ),
    ),
    "entsog_flow": Asked(
        provider=entsog.PROVIDER,
        polls=(
            Polls(
                times=of_the_last_days(7, each_day(time(9))),
                back=_DAY,
                only={"indicator": frozenset({"Physical Flow"})},
            ),
        ),
    ),
    "jao_max_exchange": Asked(
        provider=jao.PROVIDER, polls=(Polls(times=each_day(time(10, 31)), ahead=_DAY),)
    ),
}
"""The sources that are asked, by name."""
