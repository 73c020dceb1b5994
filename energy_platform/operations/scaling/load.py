"""What there is to do: how far sources are behind, and which runs wait in the broker."""

from collections.abc import Sequence
from typing import Final, Protocol

from redis import Redis, RedisError

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.scaling.decision import Load
from energy_platform.operations.status import SourceState, SourceStatus

_QUEUE: Final = "dagster"
"""The queue that all workers share, as dagster-celery calls it."""
_PRIORITIES: Final = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""kombu keeps a queue in a list per priority, whose names end so."""
_WORKERS: Final = "energy_platform:worker:*"
_TAKEN: Final = "taken"
"""What a worker says of itself while it runs something (`resources/heartbeat.py`)."""
_PATIENCE_SECONDS: Final = 5.0

_OF_THE_PROVIDER: Final = {
    SourceState.NEEDS,
    SourceState.BACKING_OFF,
    SourceState.FENCED,
    SourceState.WAITING,
}
"""Why a source may be late that no collector can help."""


class BrokerUnavailableError(EnergyPlatformError):
    """The broker does not answer, so it is unknown which runs wait."""


class LoadUnknownError(EnergyPlatformError):
    """Of too many sources it is unknown how far they are."""


class Runs(Protocol):
    """The runs that the broker knows of."""

    def waiting(self) -> int:
        """Return how many no worker has taken."""

    def busy_workers(self) -> int:
        """Return how many workers run something."""


class BrokerRuns:
    """The runs in a Valkey that Celery uses as its broker.

    Args:
        url: The broker's address; `redis+socket://` is Celery's name for a Unix socket.
    """

    def __init__(self, url: str) -> None:
        self._broker = Redis.from_url(
            url.replace("redis+socket://", "unix://", 1),
            socket_timeout=_PATIENCE_SECONDS,
            socket_connect_timeout=_PATIENCE_SECONDS,
            decode_responses=True,
        )

    def waiting(self) -> int:
        """Return how many runs no worker has taken.

        Raises:
            BrokerUnavailableError: The broker does not answer.
        """
        try:
            return sum(int(self._broker.llen(_QUEUE + end)) for end in _PRIORITIES)
        except RedisError as error:
            raise BrokerUnavailableError(f"the broker does not answer: {error}") from error

    def busy_workers(self) -> int:
        """Return how many workers run something.

        Raises:
            BrokerUnavailableError: The broker does not answer.
        """
        try:
            keys = list(self._broker.scan_iter(_WORKERS, count=1_000))
            return sum(value == _TAKEN for value in (self._broker.mget(keys) if keys else []))
        except RedisError as error:
            raise BrokerUnavailableError(f"the broker does not answer: {error}") from error


def load_of(sources: Sequence[SourceStatus], runs: Runs) -> Load:
    """Return what there is to do.

    A source that is blocked, or whose state is unknown, counts nowhere: more workers would fail
    as those do that there are.

    Raises:
        LoadUnknownError: More than half of the sources are in the state UNKNOWN.
        BrokerUnavailableError: The broker does not answer.
    """
    unknown = sum(one.state is SourceState.UNKNOWN for one in sources)
    if 2 * unknown > len(sources):
        raise LoadUnknownError(f"of {unknown} sources it is unknown how far they are")
    backlogs = {
        one.name: (one.landed_offset or 0) - (one.committed_offset or 0)
        for one in sources
        if one.state not in {SourceState.BLOCKED, SourceState.UNKNOWN}
    }
    late = [one for one in sources if one.late is not None and one.name in backlogs]
    return Load(
        backlog_messages=sum(max(0, behind) for behind in backlogs.values()),
        late_with_backlog=sum(backlogs[one.name] > 0 for one in late),
        late_at_feed=sum(
            backlogs[one.name] <= 0 and one.state not in _OF_THE_PROVIDER for one in late
        ),
        waiting_runs=runs.waiting(),
        busy_workers=runs.busy_workers(),
    )
