"""Checks of the variables: unknown ones, those that contradict each other, those that are missing.

A variable with a value that can't be used is reported by `settings` itself.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from energy_platform.ingest.session import missing_environment
from energy_platform.market.registry import market_sources
from energy_platform.operations.doctor.finding import Finding, Patient, note, wrong
from energy_platform.settings import (
    HotStoreKind,
    Login,
    Markets,
    Settings,
    WarehouseKind,
    is_loopback,
    variable,
)

PREFIX: Final = "ENERGY_PLATFORM_"
OTHERS: Final = frozenset(
    PREFIX + name
    for name in (
        # of the simulator
        "SIMULATOR_ORIGIN", "SIMULATOR_RATE", "SIMULATOR_REPLAY", "SIMULATOR_SECRETS",
        "SIMULATOR_SEED", "SIMULATOR_SPEED",
        # of programs that ask the dashboard
        "GRAFANA_TOKEN", "TOKEN",
        # of the tests
        "RECORDED",
        # that processes of the platform tell each other
        "CODE_SERVER_HOST", "CODE_SERVER_PORT", "CODE_SERVER_SOCKET", "DAGSTER_STORAGE",
        "MART_DAYS", "SUPERVISED", "SUPERVISED_BY",
    )
)  # fmt: skip
"""The variables that are no settings of the library."""
_UNUSED: Final = (
    ("influxdb_url", "hot_store", HotStoreKind.INFLUXDB),
    ("influxdb_token", "hot_store", HotStoreKind.INFLUXDB),
    ("bigquery_project", "warehouse", WarehouseKind.BIGQUERY),
    ("bigquery_emulator", "warehouse", WarehouseKind.BIGQUERY),
    ("oidc_issuer", "login", Login.OIDC),
)
"""Settings that only count if another one has this value."""


def known_variables() -> frozenset[str]:
    """Return every variable of this platform."""
    return OTHERS | {variable(field) for field in Settings.model_fields}


def unknown_variables(patient: Patient) -> Iterator[Finding]:
    """Yield the variables that nothing reads, such as misspelt ones."""
    known = sorted(known_variables())
    for name in sorted(patient.environment):
        if name.startswith(PREFIX) and name not in known:
            yield wrong(
                f"{name} is no setting of the platform, so its value counts for nothing",
                f"unset it{_meant(name, known)}",
            )


def unused_settings(patient: Patient) -> Iterator[Finding]:
    """Yield the settings that are given and don't count, because another one is not set."""
    for given, other, value in _UNUSED:
        name = variable(given)
        if name in patient.environment and getattr(patient.settings, other) is not value:
            yield note(
                f"{name} is set and not used: {variable(other)} is"
                f" {getattr(patient.settings, other)}",
                f"set {variable(other)}={value.value}, or unset {name}",
            )


def missing_variables(patient: Patient) -> Iterator[Finding]:
    """Yield the sources of real markets that lack a variable, such as a token."""
    lacking: dict[str, list[str]] = {}
    for source in market_sources().values():
        for name in missing_environment(source, patient.settings):
            lacking.setdefault(name, []).append(source.name)
    for name, sources in sorted(lacking.items()):
        yield note(
            f"{name} is missing, so {_listed(sources)} can't be asked for",
            f"set it if you have access to this provider{_meant(name, list(patient.environment))}",
        )


def nobody_told(patient: Patient) -> Iterator[Finding]:
    """Yield that nobody hears of troubles of real markets."""
    chosen = patient.settings
    if chosen.markets is Markets.LIVE and not chosen.alert_urls.get_secret_value():
        yield note(
            "alerts are sent nowhere", f"set {variable('alert_urls')}; docs/alerts.md says how"
        )


def nobody_let_in(patient: Patient) -> Iterator[Finding]:
    """Yield that those who should look at the dashboard can't."""
    chosen = patient.settings
    named = urlsplit(chosen.dashboard_url or "").hostname
    if chosen.login is Login.NONE and named and not is_loopback(named):
        yield wrong(
            f"{variable('dashboard_url')} is {chosen.dashboard_url}, and nobody can come from"
            f" there: {variable('login')} is none, so only this machine may look",
            f"set {variable('login')}; docs/access.md says how",
        )
    if chosen.login is not Login.NONE and not (chosen.home / "access" / "users.json").exists():
        yield wrong(
            f"{variable('login')} is {chosen.login}, and the user list is empty: nobody can log in",
            "add a user: energy-platform users add NAME --role admin",
        )


def missing_certificates(patient: Patient) -> Iterator[Finding]:
    """Yield that the file of certificates is not there."""
    file = patient.settings.ca_file
    if file is not None and not file.is_file():
        yield wrong(
            f"{variable('ca_file')} names {file}, which is no file: feeds can't connect",
            "correct the path, or unset it",
        )


def _meant(name: str, known: Sequence[str]) -> str:
    """Return which variable may have been meant, as the end of a sentence."""
    near = get_close_matches(name, known, n=1, cutoff=0.85)
    return f"; did you mean {near[0]}?" if near else ""


def _listed(sources: Sequence[str]) -> str:
    shown = ", ".join(sources[:3])
    return f"{shown} and {len(sources) - 3} more" if len(sources) > 3 else shown  # noqa: PLR2004
