"""Opens the stores that the settings name. Only this module knows which systems there are.

A system's client is imported when it is chosen, so the clients of other systems need not be
installed.
"""

from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from energy_platform.errors import LiveBusUnavailableError, MissingExtraError
from energy_platform.pipeline.attempts import Attempts
from energy_platform.pipeline.hot_lane.announcer import Announcer
from energy_platform.pipeline.hot_lane.turns import HotTurns
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import (
    HotStoreKind,
    InfluxApi,
    Markets,
    Settings,
    WarehouseKind,
    settings,
)
from energy_platform.storage.hot_store.protocol import HotStore
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from energy_platform.storage.landing import LEASES, LandingNews, LandingZone
from energy_platform.storage.landing.news import Tell, tell_all
from energy_platform.storage.leases import Cells, open_cells
from energy_platform.storage.live_bus.protocol import LiveBus
from energy_platform.storage.pubsub_address import PubSubAddress
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.protocol import Warehouse

if TYPE_CHECKING:
    from energy_platform.storage.landing.landed_topic import LandedListener
    from energy_platform.storage.warehouse.bigquery.client import Clients

_SIMULATED_ALONE: Final = "landing_is_simulated"
"""This file marks a home whose raw messages all came from simulated markets and may be deleted."""

_RECENT_DAYS: Final = 2
"""How many days of a remote warehouse's rows are kept in the home, for batches to compare with."""


def open_micro_batches(chosen: Settings) -> MicroBatches:
    """Open the landing zone and both stores that these settings name."""
    return MicroBatches(
        landing=open_landing(chosen),
        warehouse=open_warehouse(chosen),
        hot_store=_hot_store(chosen),
        hot_turns=HotTurns(chosen.home / "hot_turns"),
        attempts=Attempts(chosen.home / "run" / "attempts"),
        batch_messages=chosen.batch_messages,
        hot_days=chosen.hot_days,
        announcer=_announcer(chosen),
    )


def open_landing(chosen: Settings) -> LandingZone:
    """Open the landing zone that these settings name, and record whether it is only simulated."""
    zone = LandingZone.open(chosen.landing_url, _tell(chosen))
    note = chosen.home / _SIMULATED_ALONE
    if chosen.markets is Markets.LIVE:
        note.unlink(missing_ok=True)
    elif chosen.landing is None and zone.is_empty():
        note.touch()
    return zone


def open_leases(chosen: Settings) -> Cells:
    """Open what collectors agree on: which of them owns which source."""
    return open_cells(chosen.leases_url or f"{chosen.landing_url.rstrip('/')}/{LEASES}")


def _tell(chosen: Settings) -> Tell:
    """Return who is told of landings: the hot lane of this machine, and that of another."""
    here, address = LandingNews(landing_pipe(chosen)), _pubsub_address(chosen)
    return here if address is None else tell_all(here, _landed_topic().LandedTopic(address))


def open_landed_listener(chosen: Settings) -> "LandedListener | None":
    """Open the hot lane's subscription to what lands on other machines; None without Pub/Sub.

    Raises:
        UsageError: Pub/Sub's client is not installed.
    """
    address = _pubsub_address(chosen)
    if address is None:
        return None
    opened: LandedListener = _landed_topic().LandedListener(address)
    return opened


def _landed_topic() -> ModuleType:
    try:
        from energy_platform.storage.landing import landed_topic
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "", "pubsub") from error
    return landed_topic


def _pubsub_address(chosen: Settings) -> PubSubAddress | None:
    """Return where the live bus is in Pub/Sub; None if it is in a Valkey."""
    if chosen.live_bus is None or not chosen.has_pubsub_bus:
        return None
    return PubSubAddress.of(chosen.live_bus, emulator=chosen.pubsub_emulator)


def landing_pipe(chosen: Settings) -> Path:
    """Return the pipe that notifies the hot lane of landings."""
    return chosen.home / "run" / "landed"


def open_live_bus(chosen: Settings) -> LiveBus:
    """Open the live bus of these settings, which need not run yet.

    Raises:
        UsageError: Its client is not installed.
    """
    address = _pubsub_address(chosen)
    if address is None:
        return _valkey(chosen)
    try:
        from energy_platform.storage.live_bus.pubsub import PubSubBus
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "", "pubsub") from error
    return PubSubBus(address)


def _valkey(chosen: Settings) -> LiveBus:
    try:
        from energy_platform.storage.live_bus.valkey import ValkeyBus
    except ModuleNotFoundError as error:
        raise MissingExtraError.of(error) from error

    if chosen.live_bus is not None:
        follower = chosen.live_bus
        publisher = chosen.live_bus_publisher or follower
        return ValkeyBus(lambda: follower, publisher=lambda: publisher)

    def address(file: Path) -> str:
        try:
            said = file.read_text()
            urlsplit(said).port  # noqa: B018 (a ValueError if it is no address)
        except OSError as error:
            raise LiveBusUnavailableError(f"no platform has run from {chosen.home}") from error
        except ValueError as error:
            raise _no_address(file) from error
        if not said.startswith(("unix://", "redis://")):
            raise _no_address(file)
        return said

    return ValkeyBus(
        partial(address, chosen.live_bus_file),
        publisher=partial(address, chosen.live_bus_publisher_file),
    )


def _no_address(file: Path) -> LiveBusUnavailableError:
    return LiveBusUnavailableError(
        f"{file} is damaged: the next start of `energy-platform up` writes it anew"
    )


def _announcer(chosen: Settings) -> Announcer | None:
    """Return what announces on the live bus, if there is one."""
    has_bus = chosen.live_bus is not None or chosen.live_bus_file.exists()
    return Announcer(partial(open_live_bus, chosen)) if has_bus else None


def is_simulated_alone(chosen: Settings) -> bool:
    """Return whether the home's landing zone was only ever opened for simulated markets."""
    return chosen.landing is None and (chosen.home / _SIMULATED_ALONE).exists()


@cache
def micro_batches() -> MicroBatches:
    """Return this process's micro-batches, opened once."""
    return open_micro_batches(settings())


def warehouse() -> Warehouse:
    """Return the warehouse that this process's settings name, and open nothing else.

    Nothing is created on disk, so a reader needs no permission to write.
    """
    return open_warehouse(settings())


def open_warehouse(chosen: Settings) -> Warehouse:
    """Open the warehouse that these settings name."""
    match chosen.warehouse:
        case WarehouseKind.DELTA:
            return DeltaWarehouse(chosen.home / "warehouse")
        case WarehouseKind.BIGQUERY:
            from energy_platform.storage.warehouse.bigquery.queries import ReadBudget
            from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
            from energy_platform.storage.warehouse.mirrored import MirroredWarehouse

            budget = ReadBudget(
                warn_bytes=chosen.bigquery_warn_bytes, max_bytes=chosen.bigquery_max_bytes
            )
            far = BigQueryWarehouse(bigquery_clients(chosen), budget)
            return MirroredWarehouse(far, chosen.home / "recent", days=_RECENT_DAYS)


def bigquery_clients(chosen: Settings) -> "Clients":
    """Return this process's BigQuery clients for these settings, opened once."""
    return _bigquery_clients(
        chosen.bigquery_project or "",
        chosen.bigquery_dataset,
        chosen.bigquery_location,
        chosen.bigquery_emulator,
        chosen.bigquery_emulator_grpc,
    )


@cache
def _bigquery_clients(
    project: str, dataset: str, location: str, emulator: str | None, emulator_grpc: str | None
) -> "Clients":
    from energy_platform.storage.warehouse.bigquery.client import Clients

    return Clients.open(
        project=project,
        dataset=dataset,
        location=location,
        emulator=emulator,
        emulator_grpc=emulator_grpc,
    )


def _hot_store(chosen: Settings) -> HotStore:
    match chosen.hot_store:
        case HotStoreKind.SQLITE:
            return SqliteHotStore(chosen.home / "hot.sqlite")
        case HotStoreKind.INFLUXDB:
            return _influxdb(chosen)


def _influxdb(chosen: Settings) -> HotStore:
    from energy_platform.storage.hot_store.influxdb.server import InfluxServer, Login
    from energy_platform.storage.hot_store.influxdb.store import InfluxHotStore

    login = Login(
        url=chosen.influxdb_url or "",
        api=chosen.influxdb_api,
        bucket=chosen.influxdb_bucket,
        organisation=chosen.influxdb_org,
        token=_influxdb_token(chosen),
        plain=chosen.influxdb_plain,
        ca_file=chosen.ca_file,
    )
    # One more day, so that a difference of clocks refuses no point at the edge.
    server = InfluxServer(login, days=chosen.hot_days + 1)
    return InfluxHotStore(server, locks=chosen.home / "hot_locks")


def _influxdb_token(chosen: Settings) -> str | None:
    """Return the token; for a v1 server, user and password."""
    if chosen.influxdb_api is InfluxApi.V1 and chosen.influxdb_password is not None:
        return f"{chosen.influxdb_user}:{chosen.influxdb_password.get_secret_value()}"
    return chosen.influxdb_token.get_secret_value() if chosen.influxdb_token else None
