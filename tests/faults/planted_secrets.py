"""Gives a platform a recognizable password for everything, and searches for them where none may be.

The platform believes that it is on real markets, so it reads its passwords from the environment and
sends them; a simulator that runs beside it stands in for the markets.
"""

import base64
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import psutil

from energy_platform.market.registry import market_sources
from energy_platform.storage.landing import LandingZone
from simulator.faults import FaultKind
from simulator.world import ADDRESSES_NAME, CERTIFICATE_NAME
from tests.support.running_platform import RunningPlatform, family, started, wait_for

LISTEN_SECONDS: Final = 300.0
FLOW_SECONDS: Final = 900.0
SUFFER_SECONDS: Final = 30.0
OTHERS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Variables of secrets that no source requires, since others than the simulator do without."""
OF_THE_PLATFORM: Final = {
    "ENERGY_PLATFORM_INFLUXDB_TOKEN": "{}",
    "ENERGY_PLATFORM_OIDC_CLIENT_SECRET": "{}",
    "ENERGY_PLATFORM_ALERT_URLS": "json://user:{}@127.0.0.1:9/hook",
}
"""Settings that hold a secret, and how."""
_PAGES: Final = (
    "/", "/nothing-here", "/api/nothing-here", "/api/status?limit=x%00", "/api/latest?source=x",
    "/dagster/", "/dagster/nothing-here", "/metrics", "/docs", "/openapi.json",
)  # fmt: skip
"""Pages, most of which are errors."""


def planted(known: Iterable[str]) -> dict[str, str]:
    """Return a secret for each variable that some source requires, but for those in `known`."""
    wanted = {name for one in market_sources().values() for name in one.required_environment}
    return {
        name: str(uuid4()) for name in sorted(wanted | set(OTHERS))
        if name not in known
    }  # fmt: skip


def forms(secret: str) -> Iterator[bytes]:
    """Yield what a secret looks like as text, and within a text that is packed as base64."""
    yield secret.encode()
    for shift in range(3):
        packed = base64.b64encode(b"\0" * shift + secret.encode())
        # The first and last characters depend on what stands beside the secret.
        yield packed[4 if shift else 0 : -4]


def holding(body: bytes, wanted: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that bytes hold."""
    return [name for name, secret in wanted.items() if any(form in body for form in forms(secret))]


def in_files(folder: Path, wanted: Mapping[str, str], *, but: Sequence[Path]) -> Iterator[str]:
    """Yield each secret in a file below a folder."""
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(one) for one in but) or not path.is_file() or path.is_symlink():
            continue
        with suppress(OSError):  # gone meanwhile
            body = path.read_bytes()
            if path.suffix == ".gz":
                body = gzip.decompress(body)
            for name in holding(body, wanted):
                yield f"{name} in {path.relative_to(folder)}"


def in_landing(
    zone: LandingZone, sources: Iterable[str], wanted: Mapping[str, str]
) -> Iterator[str]:
    """Yield each secret in a landed message, its context or a cursor."""
    for source in sources:
        log = zone.log(source)
        cursor = log.tail().cursor or ""
        for message in log.read(0, log.end_offset()):
            told = f"{json.dumps(dict(message.context))}{cursor}".encode()
            for name in holding(message.body + told, wanted):
                yield f"{name} in the landing zone of {source}"


def in_lists_of_processes(
    processes: Iterable[psutil.Process], wanted: Mapping[str, str]
) -> Iterator[str]:
    """Yield each secret in what `ps` shows of processes."""
    for process in processes:
        with suppress(psutil.Error):
            for name in holding("\0".join(process.cmdline()).encode(), wanted):
                yield f"{name} in the command line of {process.name()}"


def in_pages(platform: RunningPlatform, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield each secret in a page of the dashboard or of Dagster's UI, errors before all."""
    with httpx.Client(base_url=platform.dashboard, timeout=60, follow_redirects=True) as client:
        for page in _PAGES:
            answer = client.get(page)
            told = json.dumps(dict(answer.headers)).encode()
            for name in holding(answer.content + told, wanted):
                yield f"{name} in {page}, which answers {answer.status_code}"


def in_answers(platform: RunningPlatform, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield each secret in what commands print."""
    for command in (["status", "--json"], ["history"], ["alerts"], ["quarantine"], ["catalog"]):
        answer = platform.command(*command)
        for name in holding(f"{answer.stdout}{answer.stderr}".encode(), wanted):
            yield f"{name} in the answer of {' '.join(command)}"


def found_after_a_run(home: Path) -> list[str]:
    """Run a platform with planted secrets, and return where they were found afterwards.

    Raises:
        AssertionError: The platform does not flow, or sent none of them.
    """
    home.mkdir()
    secrets = planted([])
    with simulator(home, secrets) as addresses:
        wanted = {name: secret for name, secret in secrets.items() if name not in addresses}
        of_platform = {name: (form, str(uuid4())) for name, form in OF_THE_PLATFORM.items()}
        environment = {
            **{name: value for name, value in addresses.items() if name.isupper()},
            **wanted,
            **{name: form.format(value) for name, (form, value) in of_platform.items()},
            "ENERGY_PLATFORM_MARKETS": "live",
            "ENERGY_PLATFORM_ADDRESSES": json.dumps(addresses),
            "ENERGY_PLATFORM_CA_FILE": str(home / "simulator" / CERTIFICATE_NAME),
        }
        wanted |= {name: value for name, (_, value) in of_platform.items()}
        with started(home, environment) as platform:
            said = home / "up.log"
            wait_for("the dashboard", lambda: "Dashboard: " in said.read_text(), FLOW_SECONDS)
            wait_for("rows of sources with secrets", lambda: _flow(platform, wanted), FLOW_SECONDS)
            for source in market_sources():
                for kind in (FaultKind.SERVER_ERROR, FaultKind.MALFORMED, FaultKind.CUT):
                    platform.ask_fault(source, kind)
            time.sleep(SUFFER_SECONDS)
            return [
                *in_landing(platform.batches.landing, market_sources(), wanted),
                *in_lists_of_processes(family(home), wanted),
                *in_pages(platform, wanted),
                *in_answers(platform, wanted),
                # The market knows what it was sent.
                *in_files(home, wanted, but=[home / "simulator"]),
            ]


def _flow(platform: RunningPlatform, wanted: Mapping[str, str]) -> bool:
    """Return whether every source that needs one of the secrets has rows."""
    sources = platform.sources()
    return all(
        sources[one.name].rows
        for one in market_sources().values()
        if set(one.required_environment) & set(wanted)
    )


@contextmanager
def simulator(home: Path, secrets: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Run a simulator that knows these secrets, and yield its market's addresses and variables."""
    environment = {
        **os.environ,
        "ENERGY_PLATFORM_HOME": str(home),
        "ENERGY_PLATFORM_SIMULATOR_SECRETS": json.dumps(secrets),
    }
    process = subprocess.Popen([sys.executable, "-m", "simulator"], env=environment)
    told = home / "simulator" / ADDRESSES_NAME
    try:
        wait_for("simulated market", told.exists, LISTEN_SECONDS)
        yield json.loads(told.read_bytes())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
