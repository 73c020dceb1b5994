"""DWD's open data server, simulated: FTP, plain and with explicit or implicit TLS.

Holds the `now` files of ten-minute wind of some stations, rewritten each ten minutes of market
time with all that was measured since yesterday. Some values are missing, and some are corrected
twenty minutes later with a higher quality level. A file appears by renaming, as a good publisher
does it; a `half_written_file` shows what a bad one does. Times of files are market time.

What was measured is a function of the instant, so a restart goes on where it was. Rows are
journalled just before the file that shows them appears.
"""

import asyncio
import io
import ipaddress
import os
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.filesystems import AbstractedFS
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer
from starlette.routing import BaseRoute

from energy_platform.simulator.faults import FaultKind
from energy_platform.simulator.journal import Row
from energy_platform.simulator.world import SimulatorPorts, World

SOURCE: Final = "dwd_wind_observation"
FOLDER: Final = "climate_environment/CDC/observations_germany/climate/10_minutes/wind/now"

_HOST: Final = "127.0.0.1"
_EVERY: Final = timedelta(minutes=10)
_CORRECTED_AFTER: Final = timedelta(minutes=20)
_STATIONS: Final = tuple(
    f"{number:05d}"
    for number in (
        *(3, 44, 183, 427, 433, 662, 880, 1048, 1270, 1420),
        *(1766, 1975, 2014, 2564, 2667, 3379, 3987, 4911, 5100, 5705),
    )
)
_NEVER_A_STATION: Final = "99999"
_HEADER: Final = "STATIONS_ID;MESS_DATUM;  QN;FF_10;DD_10;eor\r\n"


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a file says of one station's ten minutes; None where it was not measured."""

    quality_level: int
    speed: float | None
    direction: float | None


def measured(world: World, station: str, as_of: datetime) -> dict[datetime, _Measured]:
    """Return what a station's file shows at an instant, by the end of each ten minutes."""
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight - timedelta(days=1)
    ends = [first + number * _EVERY for number in range((as_of - first) // _EVERY + 1)]
    seconds = np.array([end.timestamp() for end in ends])
    speeds = world.signal(f"wind {station}", mean=5.5, daily=1.0, noise=4.0).at(seconds)
    directions = world.signal(f"wind from {station}", mean=230, noise=200).at(seconds)
    shown = {}
    for end, speed, direction in zip(ends, speeds, directions, strict=True):
        luck = zlib.crc32(f"{world.seed} {station} {end.isoformat()}".encode()) % 100
        corrected = luck < 5 and end + _CORRECTED_AFTER <= as_of  # noqa: PLR2004 (a share)
        if luck == 99:  # noqa: PLR2004 (a share)
            shown[end] = _Measured(1, None, None)
        else:
            value = max(0.0, float(speed)) + (0.3 if corrected else 0.0)
            degrees = float(round(float(direction) % 360, -1))
            shown[end] = _Measured(2 if corrected else 1, round(value, 1), degrees)
    return shown


def archive(station: str, shown: Mapping[datetime, _Measured], more: str = "") -> bytes:
    """Return a station's file: a ZIP with its text, and `more` rows at the end."""
    rows = "".join(
        f"{int(station):11d};{end:%Y%m%d%H%M};{one.quality_level:5d};"
        f"{_padded(one.speed, 6, 1)};{_padded(one.direction, 4, 0)};eor\r\n"
        for end, one in shown.items()
    )
    day = max(shown)
    name = f"produkt_zehn_now_ff_{min(shown):%Y%m%d}_{day:%Y%m%d}_{station}.txt"
    return _zipped(name, _HEADER + rows + more)


def table_rows(station: str, shown: Mapping[datetime, _Measured]) -> list[Row]:
    """Return the same in the columns of the source's table."""
    return [
        {
            "station_id": station,
            "observed_at": end,
            "product": "10_minutes/wind",
            "quality_level": one.quality_level,
            "wind_speed_m_per_s": one.speed,
            "wind_direction_deg": one.direction,
            "gust_speed_m_per_s": None,
            "lowest_mean_speed_m_per_s": None,
            "highest_mean_speed_m_per_s": None,
            "gust_direction_deg": None,
        }
        for end, one in shown.items()
    ]


@dataclass(slots=True)
class Dwd:
    """The provider."""

    name: str = "dwd"

    def addresses(self, ports: SimulatorPorts) -> Mapping[str, str]:
        """Map the three ways to the open data server to loopback."""
        return {
            "ftp://opendata.dwd.de": f"ftp://{_HOST}:{ports.ftp}",
            "ftpes://opendata.dwd.de": f"ftpes://{_HOST}:{ports.ftp}",
            "ftps://opendata.dwd.de": f"ftps://{_HOST}:{ports.ftps}",
        }

    def routes(self, world: World) -> Sequence[BaseRoute]:  # noqa: ARG002 (part of the contract)
        """Return nothing: this provider isn't reached by HTTP."""
        return []

    async def run(self, world: World) -> None:
        """Serve the folder, and rewrite its files for ever."""
        folder = world.folder / self.name / "ftp" / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        certificate(world)
        stop = threading.Event()
        serving = asyncio.create_task(asyncio.to_thread(_serve, world, stop))
        publishing = asyncio.create_task(_publish(world, folder))
        try:
            await asyncio.wait((serving, publishing), return_when=asyncio.FIRST_COMPLETED)
            for task in (serving, publishing):
                if task.done():
                    task.result()
        finally:
            publishing.cancel()
            stop.set()
            await asyncio.gather(serving, publishing, return_exceptions=True)


PROVIDER: Final = Dwd()


def certificate(world: World) -> Path:
    """Return the file of the server's own certificate, made at the first start."""
    folder = world.folder / PROVIDER.name
    public, private = folder / "certificate.pem", folder / "private.pem"
    if not public.exists():
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_HOST))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return public


async def _publish(world: World, folder: Path) -> None:
    if recorded := world.recorded(SOURCE):
        for number, file in enumerate(recorded):
            _put(folder / _file_name(f"{number:05d}"), file.read_bytes(), world.clock.now())
        await asyncio.Event().wait()
    last = world.journal.last_market_at(SOURCE)
    known = {
        station: measured(world, station, last) if last is not None else {} for station in _STATIONS
    }
    at = _ten_minutes(world.clock.now())
    while True:
        for station in _STATIONS:
            shown = measured(world, station, at)
            fresh = {end: one for end, one in shown.items() if known[station].get(end) != one}
            known[station] = shown
            world.journal.emit(SOURCE, at, table_rows(station, fresh))
            await _write(world, folder, station, shown, at)
        if world.faults.take(SOURCE, FaultKind.MALFORMED):
            garbage = _zipped("produkt_zehn_now_ff_x.txt", "this is no table")
            _put(folder / _file_name(_NEVER_A_STATION), garbage, at)
        at += _EVERY
        await world.clock.sleep_until(at)
        at = max(at, _ten_minutes(world.clock.now()))


async def _write(
    world: World, folder: Path, station: str, shown: Mapping[datetime, _Measured], at: datetime
) -> None:
    """Put a station's file in its place, well or badly."""
    more = ""
    if world.faults.take(SOURCE, FaultKind.BAD_ROW):
        more = f"{int(station):11d};{at + _EVERY:%Y%m%d%H%M};    1; 999.9; 200;eor\r\n"
    content = archive(station, shown, more)
    target = folder / _file_name(station)
    if half := world.faults.take(SOURCE, FaultKind.HALF_WRITTEN_FILE):
        target.write_bytes(content[: len(content) // 2])
        await asyncio.sleep(half.seconds)
    _put(target, content, at)
    if world.faults.take(SOURCE, FaultKind.DUPLICATE):
        os.utime(target, (at.timestamp() + 1, at.timestamp() + 1))


def _put(target: Path, content: bytes, at: datetime) -> None:
    """Write a file beside its place and rename it, dated with market time."""
    unfinished = target.with_name(f".{target.name}.part")
    unfinished.write_bytes(content)
    os.utime(unfinished, (at.timestamp(), at.timestamp()))
    unfinished.rename(target)


def _serve(world: World, stop: threading.Event) -> None:
    """Run both FTP servers in this thread, on a loop of their own."""
    loop = IOLoop()
    kept = {
        "world": world,
        "authorizer": _authorizer(world.folder / PROVIDER.name / "ftp"),
        "abstracted_fs": _Files,
        "certfile": str(certificate(world)),
        "keyfile": str(world.folder / PROVIDER.name / "private.pem"),
    }
    servers = [
        FTPServer((_HOST, port), type(handler.__name__, (handler,), dict(kept)), ioloop=loop)
        for port, handler in (
            (world.ports.ftp, _ExplicitTlsHandler),
            (world.ports.ftps, _ImplicitTlsHandler),
        )
    ]
    try:
        while not stop.is_set():
            loop.loop(timeout=0.1, blocking=False)
    finally:
        for server in servers:
            server.close_all()
        loop.close()


def _authorizer(root: Path) -> DummyAuthorizer:
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(str(root))
    authorizer.add_user("simulated", "simulated", str(root), perm="elr")
    return authorizer


class _Files(AbstractedFS):  # type: ignore[misc] # pyftpdlib has no types
    """The folder as the sessions see it; a file's end may be kept from them."""

    def open(self, filename: str, mode: str) -> BinaryIO:
        opened: BinaryIO = super().open(filename, mode)
        if not self.cmd_channel.world.faults.take(SOURCE, FaultKind.TRUNCATED):
            return opened
        with opened:
            whole = opened.read()
        half = io.BytesIO(whole[: len(whole) // 2])
        half.name = filename
        return half


class _FaultsMixin:
    """What can go wrong when a client asks for a file."""

    world: ClassVar[World]
    ioloop: Any
    respond: Any
    close: Any
    close_when_done: Any

    def ftp_RETR(self, file: str) -> object:  # noqa: N802 (the server calls it so)
        fault = self.world.faults.take(
            SOURCE, FaultKind.SERVER_ERROR, FaultKind.HANG, FaultKind.CUT
        )
        match fault.kind if fault is not None else None:
            case FaultKind.SERVER_ERROR:
                self.respond("450 File busy.")
            case FaultKind.HANG if fault is not None:
                self.ioloop.call_later(fault.seconds, self.close)
            case FaultKind.CUT:
                self.respond("150 File status okay. About to open data connection.")
                self.close_when_done()
            case _:
                return super().ftp_RETR(file)  # type: ignore[misc] # the server's own method
        return None


class _ExplicitTlsHandler(_FaultsMixin, TLS_FTPHandler):  # type: ignore[misc] # no types
    """Plain, or with TLS for who asks."""


class _ImplicitTlsHandler(_FaultsMixin, TLS_FTPHandler):  # type: ignore[misc] # no types
    """TLS before the first word."""

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        FTPHandler.handle(self)


def _file_name(station: str) -> str:
    return f"10minutenwerte_wind_{station}_now.zip"


def _ten_minutes(instant: datetime) -> datetime:
    """Return the last full ten minutes."""
    return instant.replace(minute=instant.minute // 10 * 10, second=0, microsecond=0)


def _padded(value: float | None, width: int, decimals: int) -> str:
    return f"{-999:{width}d}" if value is None else f"{value:{width}.{decimals}f}"


def _zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, text)
    return buffer.getvalue()
