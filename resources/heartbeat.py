"""What living workers say in the broker: that they live, whether they are free, and what they run.

A worker that dies falls silent, and its keys expire. Callers ask; they decide what to do about a
dead worker, and which worker gets a run.
"""

import contextlib
import threading
from collections.abc import Iterator
from functools import cache
from typing import Final

from redis import Redis, RedisError

from energy_platform.settings import settings

_BEAT_SECONDS: Final = 1.0
_FADE_SECONDS: Final = 5
"""A worker that missed this many seconds of beats is taken for dead."""

_USUAL: Final = "redis://127.0.0.1:6379/0"
"""Where a process asks that nobody told where the broker is."""
_FREE: Final = "free"
_TAKEN: Final = "taken"
_LAST_WORKERS: Final = "energy_platform:last_workers"


@cache
def broker() -> Redis:
    """Return this process's client of the broker."""
    return Redis.from_url(
        # Celery and its client have different names for a Unix socket.
        (settings().broker_url or _USUAL).replace("redis+socket://", "unix://", 1),
        socket_timeout=2.0,
        socket_connect_timeout=2.0,
        decode_responses=True,
    )


def is_alive(run_id: str) -> bool:
    """Return whether a worker has recently beaten for this run.

    Raises:
        redis.RedisError: The broker does not answer, so it is unknown.
    """
    return bool(broker().exists(_run_key(run_id)))


def living_workers() -> list[str]:
    """Return the names of the workers that have run something and have recently beaten.

    Raises:
        redis.RedisError: The broker does not answer, so it is unknown.
    """
    known = {str(name) for name in broker().hvals(_LAST_WORKERS)}
    return [name for name in sorted(known) if broker().exists(_worker_key(name))]


def take_last_worker(job: str) -> str | None:
    """Take the worker that last ran a job, if it is free; return its name.

    It stays taken until it has ended a run, so no two callers get it for the same time.

    Raises:
        redis.RedisError: The broker does not answer.
    """
    worker = broker().hget(_LAST_WORKERS, job)
    if worker is None:
        return None
    name = str(worker)
    before = broker().set(_worker_key(name), _TAKEN, xx=True, get=True, keepttl=True)
    return name if before == _FREE else None


@contextlib.contextmanager
def beating(run_id: str) -> Iterator[None]:
    """Beat for a run for as long as the context lasts."""
    with _beat_of(_run_key(run_id), "1"):
        yield


class WorkerBeat:
    """A worker's own beat, and what it says of itself.

    Args:
        worker: The worker's name.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._context = _beat_of(_worker_key(worker), _FREE)

    def begin(self) -> None:
        """Beat from now on, free."""
        self._context.__enter__()

    def end(self) -> None:
        """Say that the worker is gone."""
        self._context.__exit__(None, None, None)

    def take(self, job: str) -> None:
        """Say that the worker runs a job now."""
        with contextlib.suppress(RedisError), broker().pipeline(transaction=False) as together:
            together.set(_worker_key(self._worker), _TAKEN, ex=_FADE_SECONDS)
            together.hset(_LAST_WORKERS, job, self._worker)
            together.execute()

    def free(self) -> None:
        """Say that the worker has nothing to do."""
        with contextlib.suppress(RedisError):
            broker().set(_worker_key(self._worker), _FREE, ex=_FADE_SECONDS)


@contextlib.contextmanager
def _beat_of(key: str, first: str) -> Iterator[None]:
    """Keep a key from expiring, whatever others make of its value meanwhile."""
    ended = threading.Event()
    _beat(key, first)
    thread = threading.Thread(target=_keep_beating, args=(key, first, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(RedisError):
            broker().delete(key)


def _keep_beating(key: str, first: str, ended: threading.Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        _beat(key, first)


def _beat(key: str, first: str) -> None:
    # A restart of the broker must not end a run that it has already delivered.
    with contextlib.suppress(RedisError):
        if not broker().expire(key, _FADE_SECONDS):
            broker().set(key, first, ex=_FADE_SECONDS)


def _run_key(run_id: str) -> str:
    return f"energy_platform:run:{run_id}"


def _worker_key(worker: str) -> str:
    return f"energy_platform:worker:{worker}"
