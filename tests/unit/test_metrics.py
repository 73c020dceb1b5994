"""A scrape is told what `status` says, over a real socket, and asks the stores once for several."""

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from energy_platform.operations.metrics import SOURCE_GAUGES, PlatformMetrics
from energy_platform.operations.scrapes import application
from energy_platform.operations.status import SourceStatus
from tests.support.guarded_app import served
from tests.support.platform_state import LIVE_BUS, PROCESSES, source_status


class Looks:
    """Statuses, and how often they were asked for."""

    count = 0

    def __call__(self) -> list[SourceStatus]:
        self.count += 1
        return [
            source_status("smard_price"),
            source_status("ceps_load", late=True, lag_seconds=None),
        ]


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def address(looks: Looks) -> Iterator[str]:
    metrics = PlatformMetrics(looks, lambda: PROCESSES, live_bus=lambda: [LIVE_BUS])
    with served(application(metrics)) as port:
        yield f"http://127.0.0.1:{port}/metrics"


def scraped(address: str) -> dict[tuple[str, str], float]:
    """Return every sample by its name and what it is of."""
    text = httpx.get(address, timeout=60).raise_for_status().text
    return {
        (sample.name, sample.labels.get("source") or sample.labels.get("process", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_sources_are_told_as_numbers(address: str) -> None:
    told = scraped(address)
    prefix = "energy_platform_source_"
    assert told[f"{prefix}lag_seconds", "smard_price"] == 3.0
    assert told[f"{prefix}backlog_messages", "smard_price"] == 2.0
    assert told[f"{prefix}hot_backlog_messages", "smard_price"] == 4.0
    assert told[f"{prefix}quarantine_ratio", "smard_price"] == 0.1
    assert told[f"{prefix}drifted", "smard_price"] == 1.0
    assert told[f"{prefix}hot_copy_behind", "smard_price"] == 1.0
    assert told[f"{prefix}landing_damage", "smard_price"] == 3.0
    for name, late in (("smard_price", 0.0), ("ceps_load", 1.0)):
        assert told[f"{prefix}late", name] == late
        assert told[f"{prefix}flowing", name] == 1.0 - late


def test_what_is_not_known_is_left_out(address: str) -> None:
    told = scraped(address)
    assert ("energy_platform_source_lag_seconds", "ceps_load") not in told
    assert {gauge.name for gauge in SOURCE_GAUGES} <= {name for name, _ in told}


def test_processes_are_told_with_what_they_use(address: str) -> None:
    told = scraped(address)
    prefix = "energy_platform_process_"
    assert (told[f"{prefix}up", "collector"], told[f"{prefix}up", "daemon"]) == (1.0, 0.0)
    assert told[f"{prefix}restarts_total", "daemon"] == 7.0
    assert told[f"{prefix}memory_bytes", "collector"] > 10e6
    assert told[f"{prefix}cpu_seconds_total", "collector"] > 0
    assert told[f"{prefix}open_files", "collector"] > 3
    assert (f"{prefix}memory_bytes", "daemon") not in told


def test_the_live_bus_is_told(address: str) -> None:
    told = scraped(address)
    backlog = "energy_platform_source_live_bus_backlog_messages"
    assert told[backlog, "smard_price"] == 5.0
    prefix = "energy_platform_live_bus_"
    buses = [name for name, of in told if name.startswith(prefix) and not of]
    assert {name.removeprefix(prefix): told[name, ""] for name in buses} == {
        "up": 1.0,
        "published_total": 30.0,
        "publish_failures_total": 3.0,
        "entries": 40.0,
        "used_bytes": 5_000.0,
        "bound_bytes": 9_000.0,
        "followers": 2.0,
        "dropped_followers_total": 1.0,
    }


def test_scrapes_at_once_look_once(address: str, looks: Looks) -> None:
    assert scraped(address) == scraped(address)
    assert looks.count == 1
