"""Whether a process that runs alone does its work, for the health checks of containers.

Servers are asked where they listen. A collector, the hot lane, a worker and the daemon serve
nobody: what they do is in `energy-platform status` and its alerts.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from energy_platform.errors import UsageError
from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.operations.supervision.ports import (
    HOST,
    answers,
    code_server_at,
    webserver_at,
)
from energy_platform.settings import Address, Settings

_PATIENCE_SECONDS: Final = 2.0
_EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 (nothing listens here)


def is_healthy(process: str, settings: Settings) -> bool:
    """Return whether a process answers.

    Raises:
        UsageError: Nothing can be asked of it.
    """
    if process not in _CHECKS:
        raise UsageError(f"{process!r} can't be asked; these can: {', '.join(_CHECKS)}")
    return _CHECKS[process](settings)


def _simulator(settings: Settings) -> bool:
    market = SimulatedMarket.of(settings)
    served = {urlsplit(one).netloc for one in market.addresses().values()} if market else set()
    listening = [one for one in served if one.startswith(f"{settings.simulator_host}:")]
    ports = [Address.of(one) for one in listening if not one.endswith(":0")]
    return bool(ports) and all(answers(one) for one in ports)


def _listens(host: str, port: int) -> bool:
    return answers(Address(HOST if host in _EVERY_ADDRESS else host, port))


def _pings(url: str | None) -> bool:
    if url is None:
        return False
    try:
        with _connected(url) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False


def _connected(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=_PATIENCE_SECONDS,
        socket_connect_timeout=_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


_CHECKS: Final[Mapping[str, Callable[[Settings], bool]]] = {
    "simulator": _simulator,
    "broker": lambda chosen: _pings(chosen.broker_url),
    "live-bus": lambda chosen: _pings(chosen.live_bus),
    "code-server": lambda chosen: answers(code_server_at(chosen)),
    "webserver": lambda chosen: answers(webserver_at(chosen)),
    "dashboard": lambda chosen: _listens(chosen.dashboard_host, chosen.dashboard_port),
    "metrics": lambda chosen: _listens(chosen.metrics_host, chosen.metrics_port),
}
