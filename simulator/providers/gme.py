"""GME's download server, simulated: FTP with implicit TLS, for users with a password.

The day-ahead prices of a day appear the day before at 12:58, Rome's time, in one file. It holds the
quarter-hours, and the hours as their means. On some days the file is written again in the
afternoon, with a few quarter-hours corrected. Some border zones have no prices on some days.

A file is a function of its day and edition; its rows are journalled just before it appears.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from starlette.routing import BaseRoute

from energy_platform.market.instants import INSTANT
from simulator import ftp_server
from simulator.faults import FaultKind
from simulator.ftp_server import FtpSite
from simulator.market_days import period_starts
from simulator.power_system.system import NUMBERS, power_system
from simulator.world import World

SOURCE: Final = "gme_day_ahead_price"
FOLDER: Final = "MercatiElettrici/MGP_Prezzi"

_FTPS: Final = "gme ftps"
_MARKET_TIME: Final = ZoneInfo("Europe/Rome")
_PUBLISHED: Final = time(12, 58)
_CORRECTED: Final = time(15, 10)
_CORRECTED_DAYS: Final = 3
_BEFORE_THE_START: Final = timedelta(days=3)
_KEPT_FOR: Final = timedelta(days=60)
_QUARTER_HOUR: Final = timedelta(minutes=15)
_ITALY: Final = {
    "IT-North": 0.55, "IT-Centre-North": 0.1, "IT-Centre-South": 0.155, "IT-South": 0.085,
    "IT-Calabria": 0.02, "IT-Sicily": 0.06, "IT-Sardinia": 0.03,
}  # fmt: skip
_ZONES: Final = {
    "PUN": _ITALY,
    "NAT": _ITALY,
    "CALA": {"IT-Calabria": 1.0},
    "CNOR": {"IT-Centre-North": 1.0},
    "CSUD": {"IT-Centre-South": 1.0},
    "NORD": {"IT-North": 1.0},
    "SARD": {"IT-Sardinia": 1.0},
    "SICI": {"IT-Sicily": 1.0},
    "SUD": {"IT-South": 1.0},
    "AUST": {"AT": 1.0},
    "COAC": {"IT-Sardinia": 1.0},
    "CORS": {"IT-Sardinia": 1.0},
    "FRAN": {"FR": 1.0},
    "GREC": {"GR": 1.0},
    "MALT": {"MT": 1.0},
    "MONT": {"ME": 1.0},
    "SLOV": {"SI": 1.0},
    "SVIZ": {"CH": 1.0},
    "XAUS": {"AT": 1.0},
    "XFRA": {"FR": 1.0},
}
"""The zones of a file, and the weights of the zones whose prices make up theirs."""
_PRICED_HERE_ALONE: Final = frozenset({"COAC", "CORS", "XAUS", "XFRA"})
"""Border zones that no other provider has prices of; corrections concern these alone."""
_COME_AND_GO: Final = frozenset({"COAC", "CORS", "MALT", "MONT"})
_BAD_PRICE: Final = 99_999.0


class Edition(NamedTuple):
    """One writing of a day's file."""

    at: datetime
    day: date
    number: int


def editions(after: datetime, until: datetime) -> Iterator[Edition]:
    """Yield what is written in (after, until], oldest first."""
    day = after.astimezone(_MARKET_TIME).date()
    while day <= until.astimezone(_MARKET_TIME).date():
        delivery = day + timedelta(days=1)
        times = [_PUBLISHED]
        if delivery.toordinal() % _CORRECTED_DAYS == 0:
            times.append(_CORRECTED)
        for number, at in enumerate(times):
            instant = datetime.combine(day, at, _MARKET_TIME).astimezone(UTC)
            if after < instant <= until:
                yield Edition(instant, delivery, number)
        day = delivery


def prices(world: World, day: date, edition: int) -> pl.DataFrame:
    """Return a day's prices: a row per quarter-hour (`start`), a column per zone.

    Null where a zone has none; in steps of a millionth of a euro.
    """
    starts = period_starts(day, _MARKET_TIME, _QUARTER_HOUR)
    seconds = np.array([start.timestamp() for start in starts])
    system = power_system(world.seed)
    columns: dict[str, pl.Series] = {}
    for zone, parts in _ZONES.items():
        signal = world.signal(f"{SOURCE} {zone}", mean=0, noise=12)
        values = sum(
            weight * system.price(np.full(seconds.shape, NUMBERS[name]), seconds)
            for name, weight in parts.items()
        )
        if zone in _PRICED_HERE_ALONE:
            values = values + signal.at(seconds)
            if edition:
                values = values + np.where(seconds // 900 % 17 == signal.salt % 17, 1.25, 0.0)
        there = np.ones(len(starts), dtype=bool)
        if zone in _COME_AND_GO:
            # Absent on some days, and always in the last four hours of the day.
            there &= (signal.salt + day.toordinal()) % 5 > 0
            there &= np.arange(len(starts)) < len(starts) - 16
        columns[zone] = pl.Series(np.round(values, 6) + 0.0).set(pl.Series(~there), None)
    return pl.DataFrame({"start": pl.Series(starts, dtype=INSTANT), **columns})


def hourly(quarter_hours: pl.DataFrame) -> pl.DataFrame:
    """Return the means of the hours, in the same form."""
    zones = [name for name in quarter_hours.columns if name != "start"]
    return quarter_hours.group_by_dynamic("start", every="1h").agg(pl.col(zones).mean().round(6))


def document(day: date, hours: pl.DataFrame, quarter_hours: pl.DataFrame) -> bytes:
    """Return a day's file; its schema lists every zone there ever was."""
    zones = "".join(
        f'<xs:element name="{zone}" type="xs:string" minOccurs="0" />\r\n' for zone in _ZONES
    )
    rows = "".join(
        [
            *_rows("Prezzi", day, "<Ora>{}</Ora>", hours),
            *_rows(
                "Prezzi15", day, "<Periodo>{}</Periodo><Granularity>PT15</Granularity>",
                quarter_hours,
            ),
        ]
    )  # fmt: skip
    return _DOCUMENT.format(zones=zones, rows=rows).encode()


def table_rows(hours: pl.DataFrame, quarter_hours: pl.DataFrame) -> pl.DataFrame:
    """Return the same in the columns of the source's table."""
    each = ((hours, "PT60M", timedelta(hours=1)), (quarter_hours, "PT15M", _QUARTER_HOUR))
    return pl.concat(
        frame.unpivot(index="start", variable_name="bidding_zone", value_name="price_eur_per_mwh")
        .drop_nulls()
        .select(
            delivery_start="start",
            delivery_end=pl.col("start") + length,
            market=pl.lit("MGP"),
            bidding_zone="bidding_zone",
            market_time_unit=pl.lit(unit),
            price_eur_per_mwh="price_eur_per_mwh",
        )
        for frame, unit, length in each
    )


class Gme:
    """The provider."""

    name = "gme"
    models = frozenset({SOURCE})

    def __init__(self, world: World) -> None:
        self._world = world

    def addresses(self) -> Mapping[str, str]:
        """Map the download server to the simulator's."""
        world = self._world
        return {"ftps://download.ipex.it": f"ftps://{world.host}:{world.listeners.port(_FTPS)}"}

    def routes(self) -> Sequence[BaseRoute]:
        """Return nothing: this provider isn't reached by HTTP."""
        return []

    async def run(self) -> None:
        """Serve the folder, and write its files for ever."""
        world = self._world
        root = world.folder / self.name / "ftp"
        site = FtpSite(
            world=world,
            root=root,
            source_of=lambda _file: SOURCE,
            implicit=_FTPS,
            users={world.secret("GME_FTP_USERNAME"): world.secret("GME_FTP_PASSWORD")},
        )
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(site.serve())
            tasks.create_task(_publish(world, root / FOLDER))


PROVIDER: Final = Gme


async def _publish(world: World, folder: Path) -> None:
    last = world.journal.last_market_at(SOURCE)
    if last is not None:  # the last ones may have been journalled and not written
        for edition in editions(last - _BEFORE_THE_START, last):
            await _write(world, folder, edition, journalled=True)
    while True:
        now = world.clock.now()
        for edition in editions(last or now - _BEFORE_THE_START, now):
            await _write(world, folder, edition, journalled=False)
        last = now
        if world.faults.take(SOURCE, FaultKind.MALFORMED):
            garbage = folder / f"{now:%Y%m%d}MGPPrezziErrati.xml"
            ftp_server.put(garbage, b"<NewDataSet><Errore/></NewDataSet>", now)
        await world.clock.sleep(world.pace.beat * max(1.0, world.clock.speed / 10))


async def _write(world: World, folder: Path, edition: Edition, *, journalled: bool) -> None:
    """Write a day's file, its rows journalled first unless they are."""
    quarter_hours = prices(world, edition.day, edition.number)
    hours, shown = hourly(quarter_hours), quarter_hours
    if journalled:
        # The journal has only the good rows of a file with a bad one.
        emitted = world.journal.rows_at(SOURCE, edition.at)
        is_spoiled = len(emitted) < table_rows(hours, quarter_hours).height
    else:
        is_spoiled = world.faults.take(SOURCE, FaultKind.BAD_ROW) is not None
    if is_spoiled:
        last = pl.int_range(pl.len()) == pl.len() - 1
        shown = shown.with_columns(NORD=pl.when(last).then(_BAD_PRICE).otherwise("NORD"))
        quarter_hours = quarter_hours.with_columns(NORD=pl.when(~last).then("NORD"))
    if not journalled:
        world.journal.emit(SOURCE, edition.at, table_rows(hours, quarter_hours).to_dicts())
    target = folder / f"{edition.day:%Y%m%d}MGPPrezzi.xml"
    content = document(edition.day, hours, shown)
    await ftp_server.publish(world, SOURCE, target, content, edition.at)
    await asyncio.to_thread(_drop_files, folder, before=edition.day - _KEPT_FOR)


def _drop_files(folder: Path, *, before: date) -> None:
    """Delete the files of days long ago, so that a world that runs on does not fill a disk."""
    for file in folder.glob("*.xml"):
        if file.name < f"{before:%Y%m%d}":
            file.unlink()


def _rows(kind: str, day: date, period: str, frame: pl.DataFrame) -> Iterator[str]:
    """Yield a frame's rows as elements; a zone without a price has none."""
    zones = [name for name in frame.columns if name != "start"]
    for number, row in enumerate(frame.select(zones).iter_rows(named=True), start=1):
        cells = "".join(
            f"<{zone}>{f'{price:.6f}'.replace('.', ',')}</{zone}>\r\n"
            for zone, price in row.items()
            if price is not None
        )
        yield (
            f"<{kind}>\r\n<Data>{day:%Y%m%d}</Data>\r\n<Mercato>MGP</Mercato>\r\n"
            f"{period.format(number)}\r\n{cells}</{kind}>\r\n"
        )


_DOCUMENT: Final = """\
<?xml version="1.0" encoding="utf-8" standalone="yes"?>\r
<NewDataSet>\r
<xs:schema id="NewDataSet" xmlns="" xmlns:xs="http://www.w3.org/2001/XMLSchema" \
xmlns:msdata="urn:schemas-microsoft-com:xml-msdata">\r
<xs:element name="NewDataSet" msdata:IsDataSet="true" msdata:UseCurrentLocale="true">\r
<xs:complexType>\r
<xs:choice minOccurs="0" maxOccurs="unbounded">\r
<xs:element name="Prezzi">\r
<xs:complexType>\r
<xs:sequence>\r
<xs:element name="Data" type="xs:string" minOccurs="0" />\r
<xs:element name="Mercato" type="xs:string" minOccurs="0" />\r
<xs:element name="Ora" type="xs:string" minOccurs="0" />\r
{zones}</xs:sequence>\r
</xs:complexType>\r
</xs:element>\r
</xs:choice>\r
</xs:complexType>\r
</xs:element>\r
</xs:schema>\r
{rows}</NewDataSet>\r
"""
