"""Finds runs that were launched and will never start: no worker has them, and none will get them.

Dagster only knows that a run is starting. It stays so if the worker died between taking its task
and reporting the start, or if the broker restarted and lost the task. Its market group would wait
for Dagster's timeout, which allows for a long queue.
"""

import json
import time
from collections.abc import Iterator
from typing import Final

from celery.utils import worker_direct
from kombu.transport.redis import PRIORITY_STEPS, Channel

from resources import heartbeat

_KEPT_SECONDS: Final = 60
_LOST_AFTER_SECONDS: Final = 4.0
"""How long a run must be missing: one that is just being handed over is missing for a moment."""


def is_lost(run_id: str, *, queue: str) -> bool:
    """Return whether a launched run has been found nowhere for some seconds.

    Args:
        run_id: The id of a run that has not started, and of its task.
        queue: The queue that all workers share.

    Raises:
        redis.RedisError: The broker does not answer, so it is unknown.
    """
    broker, key = heartbeat.broker(), f"energy_platform:missing:{run_id}"
    if heartbeat.is_alive(run_id) or run_id in _waiting(queue):
        broker.delete(key)
        return False
    missing_since = broker.get(key)
    if missing_since is None:
        broker.set(key, time.time(), ex=_KEPT_SECONDS)
        return False
    return time.time() - float(str(missing_since)) >= _LOST_AFTER_SECONDS


def _waiting(shared: str) -> Iterator[str]:
    """Yield the ids of the tasks that a living worker will take."""
    own = [worker_direct(name).name for name in heartbeat.living_workers()]
    for queue in (shared, *own):
        for task in _tasks(queue):
            yield json.loads(task)["headers"]["id"]


def _tasks(queue: str) -> Iterator[str]:
    """Yield the messages of a queue, which kombu keeps in a list per priority."""
    for step in PRIORITY_STEPS:
        key = f"{queue}{Channel.sep}{step}" if step else queue
        yield from map(str, heartbeat.broker().lrange(key, 0, -1))
