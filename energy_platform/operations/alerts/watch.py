"""Looks at sources, runs, machine and live bus, records the news, and sends it in a thread."""

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from filelock import FileLock, Timeout

from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.conditions import (
    conditions,
    of_disks,
    of_live_bus,
    of_resources,
    of_signals,
)
from energy_platform.operations.alerts.delivery import Address, addresses, deliver
from energy_platform.operations.alerts.incidents import Incident, News, Told, advance
from energy_platform.operations.disk_space import disk_spaces
from energy_platform.operations.live_bus import live_bus_status
from energy_platform.operations.resources import lasts, resources
from energy_platform.operations.signal_silence import silences
from energy_platform.operations.status import source_statuses
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.settings import Settings, StatePlace

_log = logging.getLogger(__name__)
_LEVELS: Final = {
    Told.OPENED: logging.WARNING,
    Told.REMINDED: logging.WARNING,
    Told.OVER: logging.INFO,
}
_sending = threading.Lock()
_SENDING_LOCK: Final = "alerts.lock"
"""Held by the process that sends: the code server and the dashboard both may."""


def look(settings: Settings, batches: MicroBatches) -> tuple[list[Incident], list[News]]:
    """Compare present conditions with what was told; return the open incidents and the news.

    The news is logged, and kept for each address until it has been sent, over restarts.

    Raises:
        UsageError: An alert address can't be used.
    """
    now = datetime.now(UTC)
    book = AlertBook(settings.state)
    to = addresses(settings.alert_urls.get_secret_value())
    found = resources(settings, Supervisor(settings.home).statuses())
    used = book.remember_used({one.key: one.used for one in found}, now)
    wrong = [
        *of_disks(disk_spaces(settings)),
        *of_resources((one, lasts(one, used.get(one.key, ()), now)) for one in found),
        *of_live_bus(live_bus_status(settings)),
        *of_signals(silences(settings.home)),
        *conditions(source_statuses(settings, batches), book.failed_runs(now), settings),
    ]
    reminder = timedelta(hours=settings.alert_reminder_hours)
    incidents, news = advance(book.incidents(), wrong, now, reminder=reminder)
    book.write(incidents, news, [address.digest for address in to])
    for one in news:
        _log.log(_LEVELS[one.told], "%s: %s", one.told, one.text)
    return incidents, news


def start_delivery(settings: Settings) -> threading.Thread | None:
    """Send waiting lines in a thread; return None if one is running or no address is set.

    The caller continues at once, so a webhook that hangs holds up only its own message.
    """
    to = addresses(settings.alert_urls.get_secret_value())
    if not to or not _sending.acquire(blocking=False):
        return None
    thread = threading.Thread(
        target=_deliver_all, args=(settings.state, to), name="alerts", daemon=True
    )
    thread.start()
    return thread


def _deliver_all(place: StatePlace, to: list[Address]) -> None:
    """Send what waits, unless another process is sending it."""
    book = AlertBook(place)
    try:
        with FileLock(place.home / _SENDING_LOCK, timeout=0, thread_local=False):
            for address in to:
                _deliver(book, address)
    except Timeout:
        pass
    finally:
        _sending.release()


def _deliver(book: AlertBook, address: Address) -> None:
    try:
        deliver(book, address)
    except Exception as error:  # noqa: BLE001 (the next look tries again)
        # Only its class, because the text may quote the address.
        _log.error("%s: sending failed: %s", address.name, type(error).__name__)
