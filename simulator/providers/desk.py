"""A desk with three portfolios, whose parks, trades and schedules come as dropped CSV files.

Forecasts of the parks follow the weather of the world and are made anew each quarter of an hour;
what was sold at day-ahead stays; a trader deals every five minutes. So each portfolio has something
open, and it changes. The world's data rate does not apply: a desk is no stream.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from starlette.routing import BaseRoute

from simulator.beats import beats
from simulator.faults import FaultKind
from simulator.journal import Row
from simulator.power_system.noise import Floats
from simulator.power_system.system import KINDS, NUMBERS, power_system
from simulator.power_system.zones import ZONES
from simulator.world import World

_SOURCE: Final = "position"
_ZONE: Final = "DE-LU"
_LOCAL: Final = ZoneInfo("Europe/Berlin")
_QUARTER: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)
_AHEAD: Final = timedelta(hours=24)
_EVERY: Final = timedelta(minutes=5)
_CAUGHT_UP: Final = timedelta(hours=2)
"""How far back a desk catches up that was away."""
_HEADER: Final = (
    "portfolio", "area", "kind", "name", "delivery_start", "delivery_end", "power_mw", "changed_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Own:
    """Something of the desk's own whose power follows that of the zone.

    Attributes:
        portfolio: Whose it is.
        name: Its name.
        follows: The kind of power that it follows.
        size_mw: Its capacity, or its mean load; below 0 for what consumes.
        of_the_zone: The zone's capacity of that kind, in parts of its mean load.
        sold: The share that was sold, or bought, at day-ahead.
    """

    portfolio: str
    name: str
    follows: str
    size_mw: float
    of_the_zone: float
    sold: float

    @property
    def kind(self) -> str:
        return "generation_forecast" if self.size_mw > 0 else "load_forecast"


_GERMANY: Final = ZONES[_ZONE]
_OWN: Final = (
    _Own("wind-north", "Windpark Nordsee", "offshore", 120.0, _GERMANY.offshore, 0.9),
    _Own("wind-north", "Windpark Börde", "onshore", 45.0, _GERMANY.onshore, 0.95),
    _Own("solar-south", "Solarpark Lausitz", "solar", 80.0, _GERMANY.solar, 0.9),
    _Own("solar-south", "Stadtwerk Süd", "load", -30.0, 1.0, 0.95),
)
_TRADER: Final = "trading"
_PORTFOLIOS: Final = ("wind-north", "solar-south", _TRADER)


class Desk:
    """The desk in one world."""

    name = "desk"
    models = frozenset({_SOURCE, "trading_signal"})  # the platform itself says its signals

    def __init__(self, world: World) -> None:
        self._world = world
        self._system = power_system(world.seed)
        self._errors = {
            own.name: world.signal(f"{_SOURCE} {own.name}", mean=0, noise=0.25) for own in _OWN
        }

    def addresses(self) -> Mapping[str, str]:
        """Return nothing: files need no address."""
        return {}

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: files need no server."""
        return []

    async def run(self) -> None:
        """Drop what there is to say every five minutes."""
        last = self._world.journal.last_market_at(_SOURCE)
        if last is not None:
            last = max(last, self._world.clock.now() - _CAUGHT_UP)
            await self._drop(last, journalled=True)  # it may have been journalled and not dropped
        is_first = last is None
        async for beat in beats(self._world.clock, _EVERY, last):
            await self._drop(beat, is_first=is_first)
            is_first = False

    async def _drop(
        self, beat: datetime, *, is_first: bool = False, journalled: bool = False
    ) -> None:
        """Drop the files of a beat, their rows journalled first unless they are."""
        rows = list(self.rows(beat, is_first=is_first))
        folder = self._world.inboxes / _SOURCE
        for portfolio in _PORTFOLIOS:
            said = [row for row in rows if row["portfolio"] == portfolio]
            if not said:
                continue
            text = _document(said)
            if self._world.faults.take(_SOURCE, FaultKind.BAD_ROW):
                text += f"{portfolio};{_ZONE};contract;a bad row;soon;later;n/a;nobody\r\n"
            if self._world.faults.take(_SOURCE, FaultKind.MALFORMED):
                await asyncio.to_thread(_put, folder, "garbage.csv", b"PK\x03\x04\n")
            if not journalled:
                self._world.journal.emit(_SOURCE, beat, said)
            name = f"{portfolio}_{beat:%Y%m%dT%H%M%SZ}.csv"
            await asyncio.to_thread(_put, folder, name, text.encode("utf-8-sig"))

    def rows(self, beat: datetime, *, is_first: bool = False) -> Iterator[Row]:
        """Yield what the desk says at a beat; at its first one all that holds."""
        quarter = _floor(beat, _QUARTER)
        if is_first or beat == quarter:
            for own in _OWN:
                yield from self._forecast(own, beat)
        if is_first or beat == _floor(beat, _HOUR):
            for own in _OWN:
                yield from self._sold(own, _floor(beat, _HOUR))
            yield from self._through_the_border(_floor(beat, _HOUR))
        yield from self._deal(beat)

    def _forecast(self, own: _Own, beat: datetime) -> Iterator[Row]:
        starts = _seconds(_floor(beat, _QUARTER), _QUARTER)
        lead = np.maximum(starts - beat.timestamp(), 0.0) / _AHEAD.total_seconds()
        wrong = self._errors[own.name].at(starts + 0.4 * beat.timestamp()) * np.sqrt(lead)
        power = np.round(self._power(own, starts) * (1.0 + wrong), 1)
        for start, mw in zip(starts.tolist(), power.tolist(), strict=True):
            yield _row(own.portfolio, own.kind, own.name, start, _QUARTER, mw, by="forecaster")

    def _sold(self, own: _Own, hour: datetime) -> Iterator[Row]:
        starts = _seconds(hour, _HOUR)
        quarters = starts[:, None] + np.arange(4) * _QUARTER.total_seconds()
        power = self._power(own, quarters.ravel()).reshape(quarters.shape).mean(axis=1)
        for start, mw in zip(starts.tolist(), (-own.sold * power).round(1).tolist(), strict=True):
            name = f"day-ahead {own.name}"
            yield _row(own.portfolio, "contract", name, start, _HOUR, mw, by="auction desk")

    @staticmethod
    def _through_the_border(hour: datetime) -> Iterator[Row]:
        """Yield what is bought in one zone and delivered in another."""
        for start in _seconds(hour, _HOUR).tolist():
            mw = 10.0 + start // 3_600 % 4 * 2.5
            for area, sign in ((_ZONE, -1.0), ("FR", 1.0)):
                yield _row(_TRADER, "schedule", "DE-LU > FR", start, _HOUR, sign * mw,
                           by="scheduler", area=area)  # fmt: skip
            yield _row(_TRADER, "contract", "base", start, _HOUR, 12.5, by="auction desk")
            yield _row(_TRADER, "contract", "Lyon", start, _HOUR, -12.0, by="sales", area="FR")

    def _deal(self, beat: datetime) -> Iterator[Row]:
        """Yield the deal that a trader makes at a beat."""
        random = Random(f"{self._world.seed} {beat.isoformat()}")  # noqa: S311 (a market's chance)
        start = _floor(beat, _QUARTER) + random.randint(2, 12) * _QUARTER
        mw = random.choice((-1, 1)) * random.randint(1, 40) / 2
        yield _row(_TRADER, "contract", "intraday", start.timestamp(), _QUARTER, mw, by="trader")

    def _power(self, own: _Own, seconds: Floats) -> Floats:
        zones = np.full(seconds.shape, NUMBERS[_ZONE])
        if own.follows == "load":  # a desk expects what everybody does
            zone = self._system.expected_load_mw(zones, seconds)
        else:
            zone = self._system.power(zones, seconds)[KINDS.index(own.follows)]
        share: Floats = zone / (own.of_the_zone * _GERMANY.load_mw)
        return own.size_mw * share


PROVIDER: Final = Desk


def _row(  # noqa: PLR0913, PLR0917 (a row has as many columns)
    portfolio: str,
    kind: str,
    name: str,
    start: float,
    lasts: timedelta,
    power_mw: float,
    *,
    by: str,
    area: str = _ZONE,
) -> Row:
    begins = datetime.fromtimestamp(start, UTC)
    values = (portfolio, area, kind, name, begins, begins + lasts, power_mw + 0.0, by)
    return dict(zip(_HEADER, values, strict=True))


def _document(rows: Sequence[Row]) -> str:
    """Return rows as a German spreadsheet writes them."""
    lines = [";".join(_HEADER), *(";".join(map(_cell, row.values())) for row in rows)]
    return "".join(f"{line}\r\n" for line in lines)


def _cell(value: object) -> str:
    match value:
        case datetime():
            return value.astimezone(_LOCAL).isoformat(timespec="minutes")
        case float():
            return str(value).replace(".", ",")
        case _:
            return str(value)


def _put(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a folder whole."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = folder / f".{name}"
    written.write_bytes(content)
    written.rename(folder / name)


def _seconds(start: datetime, every: timedelta) -> Floats:
    """Return the instants of a day ahead."""
    step = every.total_seconds()
    return start.timestamp() + np.arange(_AHEAD.total_seconds() / step) * step


def _floor(instant: datetime, unit: timedelta) -> datetime:
    return instant - (instant - datetime(1970, 1, 1, tzinfo=UTC)) % unit
