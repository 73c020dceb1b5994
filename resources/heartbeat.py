"""Says which runs have a living worker: a key in the broker that expires when the worker dies.

A worker beats while it executes a run. Callers ask `is_alive`; they decide what to do about a dead
worker.
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


@cache
def _broker() -> Redis:
    return Redis.from_url(settings().broker_url, socket_timeout=2.0, socket_connect_timeout=2.0)


def _key(run_id: str) -> str:
    return f"energy_platform:run:{run_id}"


def is_alive(run_id: str) -> bool:
    """Return whether a worker has recently beaten for this run.

    Raises:
        redis.RedisError: The broker does not answer, so it is unknown.
    """
    return bool(_broker().exists(_key(run_id)))


@contextlib.contextmanager
def beating(run_id: str) -> Iterator[None]:
    """Beat for a run for as long as the context lasts."""
    ended = threading.Event()
    _beat(run_id)
    thread = threading.Thread(target=_keep_beating, args=(run_id, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(RedisError):
            _broker().delete(_key(run_id))


def _keep_beating(run_id: str, ended: threading.Event) -> None:
    while not ended.wait(_BEAT_SECONDS):
        _beat(run_id)


def _beat(run_id: str) -> None:
    # A restart of the broker must not end a run that it has already delivered.
    with contextlib.suppress(RedisError):
        _broker().set(_key(run_id), 1, ex=_FADE_SECONDS)
