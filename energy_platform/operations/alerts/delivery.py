"""Sends alerts to chats and webhooks with Apprise: one message for all lines that wait.

An address is a secret: neither it nor the text of an error that may quote it is ever logged.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType
from apprise.utils.parse import parse_urls

from energy_platform.errors import UsageError
from energy_platform.market.back_off import pause_seconds
from energy_platform.operations.alerts.book import AlertBook, Line
from energy_platform.operations.alerts.incidents import Told

_SEND_SECONDS: Final = 20.0
_FIRST_PAUSE_SECONDS: Final = 15.0
_LONGEST_PAUSE_SECONDS: Final = 600.0
_BETWEEN_MESSAGES: Final = timedelta(minutes=1)
"""Lines that come up within this time go into one message."""
_LINES: Final = 30
"""How many lines a message shows; further ones are counted."""

_log = logging.getLogger(__name__)
# Apprise writes addresses and payloads into its own log.
logging.getLogger("apprise").addHandler(logging.NullHandler())
logging.getLogger("apprise").propagate = False


@dataclass(frozen=True, slots=True)
class Address:
    """A destination of alerts.

    Attributes:
        name: A name that may be shown, e.g. "alert address 1 (Slack)".
        digest: Identifies the address without revealing it.
        service: Apprise's object for it.
    """

    name: str
    digest: str
    service: NotifyBase


def addresses(urls: str) -> list[Address]:
    """Return the addresses of a list of Apprise URLs, separated by commas or blanks.

    Raises:
        UsageError: Apprise does not know a URL; the message doesn't repeat it.
    """
    # Apprise must not create files of its own.
    asset = AppriseAsset(storage_path=None, secure_logging=True)
    found = []
    for number, url in enumerate(parse_urls(urls), start=1):
        service = Apprise.instantiate(url, asset=asset)
        if not isinstance(service, NotifyBase):
            raise UsageError(f"ENERGY_PLATFORM_ALERT_URLS: address {number} is none of Apprise's")
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        found.append(Address(f"alert address {number} ({service.service_name})", digest, service))
    return found


def deliver(book: AlertBook, address: Address) -> bool:
    """Send the waiting lines of an address, if it is time to; return whether none is left.

    Lines that can't be sent stay, are logged, and are tried again after ever longer pauses.
    """
    now = datetime.now(UTC)
    lines = book.waiting(address.digest)
    attempts = book.attempts(address.digest)
    if not lines or now < attempts.not_before:
        return not lines
    if send(address, *message(lines)):
        book.sent(address.digest, lines, not_before=now + _BETWEEN_MESSAGES)
        return True
    pause = pause_seconds(
        attempts.failures + 1,
        first_seconds=_FIRST_PAUSE_SECONDS,
        longest_seconds=_LONGEST_PAUSE_SECONDS,
    )
    book.not_sent(address.digest, not_before=now + timedelta(seconds=pause))
    _log.error("%s can't be reached; %d alerts wait", address.name, len(lines))
    return False


def send(address: Address, title: str, body: str, kind: NotifyType) -> bool:
    """Send one message within a bounded time; return whether it arrived."""
    apprise = Apprise()
    apprise.add(address.service)
    return bool(
        apprise.notify(
            title=title,
            body=body,
            notify_type=kind,
            body_format=NotifyFormat.TEXT,
            timeout=_SEND_SECONDS,
        )
    )


def message(lines: Sequence[Line]) -> tuple[str, str, NotifyType]:
    """Return title, text and kind of one message for all these lines."""
    problems = sum(line.news.told is not Told.OVER for line in lines)
    over = len(lines) - problems
    parts = [f"{problems} to look at"] * bool(problems) + [f"{over} over"] * bool(over)
    told = [f"{line.news.told.upper()}: {line.news.text}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        told.append(f"and {len(lines) - _LINES} more. Next: energy-platform alerts")
    kind = NotifyType.FAILURE if problems else NotifyType.SUCCESS
    return f"Energy Platform: {', '.join(parts)}", "\n".join(told), kind
