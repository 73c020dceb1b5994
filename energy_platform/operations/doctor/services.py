"""Checks of what listens elsewhere: the stores, the live bus, and the platform's own processes."""

import socket
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx

from energy_platform.errors import EnergyPlatformError
from energy_platform.operations.doctor.finding import Finding, Patient, wrong
from energy_platform.operations.supervision.supervisor import Supervisor
from energy_platform.pipeline.stores import open_live_bus
from energy_platform.settings import HotStoreKind, InfluxApi, WarehouseKind, variable
from energy_platform.storage.state import state_tables

_PATIENCE_SECONDS: Final = 3.0
_BUCKET_KEY: Final = "GOOGLE_SERVICE_ACCOUNT_KEY"
"""The variable with a key for the landing zone alone."""
_RUNNING: Final = frozenset({"RUNNING", "STARTING"})


def processes(patient: Patient) -> Iterator[Finding]:
    """Yield the platform's processes that do not run."""
    supervisor = Supervisor(patient.settings.home)
    for one in supervisor.statuses():
        if one.state not in _RUNNING:
            yield wrong(
                f"the process {one.name} is {one.state}", f"see {supervisor.logs / one.name}.log"
            )


def influxdb(patient: Patient) -> Iterator[Finding]:
    """Yield that InfluxDB does not answer, or not to this user."""
    chosen = patient.settings
    if chosen.hot_store is not HotStoreKind.INFLUXDB or chosen.influxdb_url is None:
        return
    url = chosen.influxdb_url.rstrip("/")
    is_v2 = chosen.influxdb_api is InfluxApi.V2
    token = chosen.influxdb_token.get_secret_value() if is_v2 and chosen.influxdb_token else ""
    password = chosen.influxdb_password
    try:
        httpx.get(f"{url}/ping", timeout=_PATIENCE_SECONDS).raise_for_status()
        if is_v2:
            # The one of its addresses that asks for a token and that every token may ask.
            asked = httpx.get(f"{url}/api/v2/buckets", params={"limit": 1},
                              headers={"Authorization": f"Token {token}"},
                              timeout=_PATIENCE_SECONDS)  # fmt: skip
        else:
            who = (chosen.influxdb_user or "", password.get_secret_value() if password else "")
            asked = httpx.get(f"{url}/query", params={"q": "SHOW DATABASES"}, auth=who,
                              timeout=_PATIENCE_SECONDS)  # fmt: skip
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield wrong(
            f"InfluxDB does not answer at {_without_user(url)}: {error}",
            f"start it, or correct {variable('influxdb_url')}; no row is lost meanwhile",
        )
        return
    if asked.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        lets_in = variable("influxdb_token" if is_v2 else "influxdb_password")
        yield wrong(f"InfluxDB at {_without_user(url)} refuses this user", f"correct {lets_in}")


def google(patient: Patient) -> Iterator[Finding]:
    """Yield that there are no credentials for Google's services, or no emulator where one is."""
    chosen = patient.settings
    emulators = (
        (chosen.warehouse is WarehouseKind.BIGQUERY, "bigquery_emulator"),
        (chosen.has_pubsub_bus, "pubsub_emulator"),
    )
    is_in_a_bucket = (chosen.landing or "").startswith("gs://")
    needs_credentials = is_in_a_bucket and _BUCKET_KEY not in patient.environment
    for is_used, emulator in emulators:
        address = getattr(chosen, emulator)
        if is_used and address is not None and not _listens(address):
            yield wrong(
                f"nothing listens at {address}, which {variable(emulator)} names",
                f"start the emulator, or unset {variable(emulator)}",
            )
        needs_credentials |= is_used and address is None
    if needs_credentials:
        yield from _credentials()


def state_database(patient: Patient) -> Iterator[Finding]:
    """Yield that the database of the shared state does not answer, or not to this user."""
    if patient.settings.state_url is None:
        return
    try:
        state_tables(patient.settings.state, "provider_limits.sqlite", "").is_begun()
    except EnergyPlatformError as error:
        yield wrong(str(error), f"start it, or correct {variable('state_url')}")


def live_bus(patient: Patient) -> Iterator[Finding]:
    """Yield that the live bus does not answer: one elsewhere, or that of a running platform."""
    chosen = patient.settings
    if chosen.has_pubsub_bus or not (patient.is_running or chosen.has_redis_bus):
        return
    try:
        open_live_bus(patient.settings).figures()
    except EnergyPlatformError as error:
        log = f"see {chosen.home / 'logs' / 'live-bus.log'}"
        yield wrong(str(error), f"correct {variable('live_bus')}" if chosen.has_redis_bus else log)


def _credentials() -> Iterator[Finding]:
    try:
        import google.auth  # noqa: PLC0415 (only who uses Google's services has it)
        from google.auth.exceptions import DefaultCredentialsError  # noqa: PLC0415
    except ModuleNotFoundError:
        yield wrong(
            "Google's client is not installed",
            "pip install 'energy-platform[bigquery]', or [pubsub]",
        )
        return
    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        said = str(error).splitlines()[0]
        yield wrong(
            f"there are no credentials for Google's services: {said}",
            "gcloud auth application-default login, or name a service account's file in"
            " GOOGLE_APPLICATION_CREDENTIALS",
        )


def _without_user(url: str) -> str:
    """Return a URL without a user and a password.

    >>> _without_user("http://me:secret@influx.example:8086")
    'http://influx.example:8086'
    """
    place = urlsplit(url)
    return place._replace(netloc=place.netloc.rpartition("@")[2]).geturl()


def _listens(address: str) -> bool:
    """Return whether something listens at a URL or at `host:port`."""
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection(
            (place.hostname or "", place.port or 80), timeout=_PATIENCE_SECONDS
        ):
            return True
    except (OSError, ValueError):
        return False
