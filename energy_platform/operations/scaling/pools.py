"""The worker pools of Cloud Run: how many instances each has, read and set over its REST API.

A pool is sent back with the fingerprint that it was read with. If somebody has deployed to it
meanwhile, Cloud Run refuses the new count, and the next look decides anew.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from energy_platform.errors import EnergyPlatformError

CLOUD_RUN: Final = "https://run.googleapis.com"
_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_CALL_SECONDS: Final = 20.0
_SAID_AT_MOST: Final = 300


class PoolsUnavailableError(EnergyPlatformError):
    """A pool's count could not be read or set; nothing was changed, or the next look finds out."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as it was read: how many instances it has, and the fingerprint of that state."""

    name: str
    count: int
    etag: str


class Pools(Protocol):
    """The worker pools that are scaled."""

    def read(self, name: str) -> Pool:
        """Return a pool.

        Raises:
            PoolsUnavailableError: It can't be read.
        """

    def set_count(self, pool: Pool, count: int) -> None:
        """Set how many instances a pool has.

        Raises:
            PoolsUnavailableError: It could not be set, or the pool has changed since it was read.
        """


class CloudRunPools:
    """Worker pools of Cloud Run.

    Args:
        prefix: What the pools' full names begin with:
            `projects/…/locations/…/workerPools/energy-`.
        session: Who asks; by default Google's default credentials.
        endpoint: Where the API is.
    """

    def __init__(
        self, prefix: str, session: requests.Session | None = None, endpoint: str = CLOUD_RUN
    ) -> None:
        self._prefix = prefix
        self._session = session
        self._endpoint = endpoint

    def read(self, name: str) -> Pool:
        """Return a pool; see `Pools`."""
        said = self._call("GET", name)
        try:
            return Pool(name, int(said["scaling"]["manualInstanceCount"]), str(said["etag"]))
        except (KeyError, TypeError, ValueError) as error:
            raise PoolsUnavailableError(f"{name} does not say its count: {error!r}") from error

    def set_count(self, pool: Pool, count: int) -> None:
        """Set how many instances a pool has; see `Pools`."""
        self._call(
            "PATCH",
            pool.name,
            params={"updateMask": "scaling.manualInstanceCount"},
            json={"scaling": {"manualInstanceCount": count}, "etag": pool.etag},
        )

    def _call(self, method: str, name: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        try:
            answer = self._opened().request(
                method,
                f"{self._endpoint}/v2/{self._prefix}{name}",
                timeout=_CALL_SECONDS,
                allow_redirects=False,
                **request,
            )
            if answer.status_code != requests.codes.ok:
                said = " ".join(answer.text[:_SAID_AT_MOST].split())
                raise PoolsUnavailableError(f"{method} {name}: {answer.status_code} {said}")
            said_of_it: dict[str, Any] = answer.json()
        except (requests.RequestException, GoogleAuthError) as error:
            raise PoolsUnavailableError(f"{method} {name}: {error}") from error
        return said_of_it

    def _opened(self) -> requests.Session:
        if self._session is None:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            self._session = AuthorizedSession(credentials)
        return self._session
