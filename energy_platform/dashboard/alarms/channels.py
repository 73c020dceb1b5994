"""Alarms for the alert channels: they wait in the alerts' book, and are sent as alerts are."""

from collections.abc import Sequence

from energy_platform.operations.alerts.book import AlertBook
from energy_platform.operations.alerts.incidents import News
from energy_platform.settings import Settings


class AlertChannels:
    """The channels of `ENERGY_PLATFORM_ALERT_URLS`. One thread at a time uses it.

    Args:
        settings: The home's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._book = AlertBook(settings.state)
        self._may_wait = bool(settings.alert_urls.get_secret_value())

    def tell(self, news: Sequence[News]) -> None:
        """Keep lines for each address, and send what waits in a thread, unless it is too early.

        Raises:
            UsageError: An alert address can't be used.
        """
        urls = self._settings.alert_urls.get_secret_value()
        if not urls or not (news or self._may_wait):
            return
        # Apprise takes a while to import, and who sets no address does without.
        from energy_platform.operations.alerts.delivery import addresses  # noqa: PLC0415
        from energy_platform.operations.alerts.watch import start_delivery  # noqa: PLC0415

        digests = [address.digest for address in addresses(urls)]
        self._book.add(news, digests)
        self._may_wait = any(self._book.waiting(digest) for digest in digests)
        if self._may_wait:
            start_delivery(self._settings)
