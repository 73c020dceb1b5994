"""Checks of the operating system: disks, limits, ports, and the clock."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from energy_platform.market.registry import market_sources
from energy_platform.operations.disk_space import disk_spaces
from energy_platform.operations.doctor.finding import Finding, Patient, note, wrong
from energy_platform.operations.supervision.ports import HOST, USUAL
from energy_platform.settings import Markets, variable

_LEAST_DESCRIPTORS: Final = 1024
_SHORT_INODES: Final = 0.1
_CLOCK_SECONDS: Final = 5.0
"""How far a clock may be off: a provider's answer says its time in whole seconds."""
_ASKED: Final = 3
"""How many providers are asked for the time, until one answers."""
_PATIENCE_SECONDS: Final = 3.0


def disks(patient: Patient) -> Iterator[Finding]:
    """Yield the disks that are nearly full."""
    for space in disk_spaces(patient.settings):
        if space.is_short:
            yield wrong(
                f"the disk is nearly full: {space.told}",
                "make room; docs/operations.md says what each folder of the home takes",
            )


def inodes(patient: Patient) -> Iterator[Finding]:
    """Yield the disks that can take few files more."""
    for space in disk_spaces(patient.settings):
        free, total = space.free_files, space.total_files
        if free is not None and total is not None and free < total * _SHORT_INODES:
            yield wrong(
                f"the disk of {space.folder} takes only {free:,} of {total:,} files more",
                "delete files there, or move the home to a disk with more inodes (see df -i)",
            )


def descriptors(_: Patient) -> Iterator[Finding]:
    """Yield that a process may open too few files."""
    try:
        import resource  # noqa: PLC0415 (Windows has none)
    except ModuleNotFoundError:
        return
    limit, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_DESCRIPTORS:
        yield wrong(
            f"a process may open {limit} files, and {_LEAST_DESCRIPTORS} are needed",
            f"raise the limit before `up`: ulimit -n {4 * _LEAST_DESCRIPTORS}",
        )


def ports(patient: Patient) -> Iterator[Finding]:
    """Yield the usual ports that another program has; none while the platform runs."""
    if patient.is_running:
        return
    usual = {**USUAL, "dashboard": patient.settings.dashboard_port}
    for name, port in usual.items():
        if _is_taken(port):
            yield note(
                f"another program listens on port {port}, so `up` will give another port to the"
                f" process {name}",
                "find the program (ss -ltnp), or go by what `up` prints"
                + (f", or set {variable('dashboard_port')}" if name == "dashboard" else ""),
            )


def clock(patient: Patient) -> Iterator[Finding]:
    """Yield that the clock is off, by what a provider says; nothing if none can be reached."""
    if patient.settings.markets is not Markets.LIVE:
        return
    for address in _provider_addresses()[:_ASKED]:
        off = seconds_off(address)
        if off is None:
            continue
        if abs(off) > _CLOCK_SECONDS:
            yield wrong(
                f"the clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}, says"
                f" {urlsplit(address).hostname}",
                "let the system set its clock (timedatectl set-ntp true, or chrony)",
            )
        return


def seconds_off(address: str) -> float | None:
    """Return how far this machine's clock is ahead of a web server's; None if it says nothing."""
    try:
        began = time.monotonic()
        answer = httpx.head(address, timeout=_PATIENCE_SECONDS)
        told: datetime = parsedate_to_datetime(answer.headers.get("Date", ""))
        took = time.monotonic() - began
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    here = datetime.now(UTC)
    return (here - told).total_seconds() - took / 2


def _provider_addresses() -> list[str]:
    """Return the web servers of the sources, without paths, in a fixed order."""
    urls = (str(getattr(source.feed, "url", "")) for source in market_sources().values())
    split = [urlsplit(url) for url in urls if url.startswith("https://") and "{" not in url]
    return list(dict.fromkeys(f"https://{one.netloc}/" for one in split))


def _is_taken(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return True
    return False
