"""Grafana's files are what the catalogue makes of them, and each question is one that InfluxDB
answers.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from energy_platform.grafana import files
from energy_platform.grafana.influxql import DATA_SOURCE_UID, held_now
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WITHDRAWN
from energy_platform.operations.metrics import PlatformMetrics
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_copy import hot_points
from energy_platform.pipeline.tables import measurement
from tests.support.influx_server import MISSING, InfluxProcess, influx_process, is_installed
from tests.support.platform_state import LIVE_BUS, PROCESSES, source_status
from tests.support.testcases import case_messages

ROOT = Path(__file__).parents[3]
WRITTEN = ROOT / "deploy" / "grafana"
CASES = ROOT / "tests" / "testcases"
SHOWN = {name: one for name, one in sorted(market_sources().items()) if one.entitlement is None}
SOURCES = list(SHOWN)
LONG_AGO, FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

needs_influxdb = pytest.mark.skipif(not is_installed(), reason=MISSING)


def made_files() -> dict[Path, str]:
    return files(market_sources().values())


def dashboards() -> dict[str, Any]:
    """Return the dashboards that ask InfluxDB; `test_api_dashboard` has the other one."""
    made = {path: json.loads(text) for path, text in made_files().items() if path.suffix == ".json"}
    return {path.stem: content for path, content in made.items() if path.stem != "api"}


def targets(dashboard: Any) -> Iterator[tuple[str, str]]:
    """Yield the title of each panel with each of its queries."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["query"]


def test_every_source_has_panels_for_all_its_numbers() -> None:
    asked = [query for one in dashboards().values() for _, query in targets(one)]
    for source in SHOWN.values():
        for field in source.plotted:
            wanted = f'SELECT last("{field}") FROM "{source.name}" '
            assert [query for query in asked if query.startswith(wanted)], wanted


def test_what_not_everybody_may_see_is_not_shown() -> None:
    hidden = set(market_sources()) - set(SHOWN)
    assert "position" in hidden
    assert not [name for name in hidden for text in made_files().values() if f'"{name}' in text]


def test_what_lies_ahead_is_shown_as_it_holds_now() -> None:
    """A forward curve's last value is tomorrow's last period, and not the latest."""
    made = dashboards()
    for source in SHOWN.values():
        panels = [
            panel
            for panel in made[source.group]["panels"]
            if any(f'FROM "{source.name}" ' in one["query"] for one in panel.get("targets", []))
        ]
        kinds = {panel["type"] for panel in panels}
        ahead = not issubclass(source.rows, InstantRows)
        assert kinds == ({"timeseries", "stat"} if ahead else {"timeseries"}), source.name
        for panel in panels:
            queries = [one["query"] for one in panel["targets"]]
            if panel["type"] == "stat":
                assert all("WHERE time <= now() AND " in query for query in queries)
            elif ahead:
                assert "lastNotNull" not in panel["options"]["legend"]["calcs"]


@needs_influxdb
def test_a_curve_on_a_dashboard_shows_the_period_that_has_begun(influx: InfluxProcess) -> None:
    source = market_sources()["energy_charts_price"]
    now = datetime.now(UTC).replace(microsecond=0)
    curve = pl.DataFrame(
        {
            "bidding_zone": "a_curve",
            "delivery_start": [now + timedelta(minutes=15 * n - 5) for n in range(-4, 96)],
            "price_eur_per_mwh": [float(n) for n in range(-4, 96)],
        }
    )
    store = influx.store("energy", locks=influx.folder)
    store.write(measurement(source), curve, stop=2)
    query = held_now(source.name, "price_eur_per_mwh", ["bidding_zone"])
    answer = httpx.post(
        f"{influx.url}/query",
        params={"db": "energy"},
        data={"q": query.replace("${bidding_zone:regex}", "a_curve")},
        timeout=60,
    )
    [result] = answer.raise_for_status().json()["results"]
    [[_, value]] = result["series"][0]["values"]
    assert value == 0.0


def test_every_choice_that_a_query_names_is_there() -> None:
    for dashboard in dashboards().values():
        offered = {one["name"] for one in dashboard.get("templating", {}).get("list", [])}
        named = {
            name for _, query in targets(dashboard) for name in re.findall(r"\${(\w+):", query)
        }
        assert named == offered


def test_all_that_asks_asks_our_data_source() -> None:
    [provisioned, _] = yaml.safe_load(
        (WRITTEN / "provisioning/datasources/energy_platform.yaml").read_text()
    )["datasources"]
    assert provisioned["uid"] == DATA_SOURCE_UID
    for dashboard in dashboards().values():
        for panel in dashboard["panels"]:
            for asking in [panel, *panel["targets"]] if panel["type"] != "row" else []:
                assert asking["datasource"]["uid"] == DATA_SOURCE_UID
        for choice in dashboard.get("templating", {}).get("list", []):
            assert choice["datasource"]["uid"] == DATA_SOURCE_UID


def test_no_address_and_no_secret_is_in_a_file() -> None:
    for text in made_files().values():
        assert "http" not in re.sub(r"httpMode|httpHeader\w+", "", text)
        for secret in re.findall(r"(?:password|Token|httpHeaderValue1): *(\S.*)", text):
            assert "$ENERGY_PLATFORM_" in secret


# Every question, put to a real server that holds what the sources' test cases give.


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxProcess]:
    folder = tmp_path_factory.mktemp("influx")
    with influx_process(folder) as process:
        store = process.store("energy", locks=folder)
        for source in market_sources().values():
            store.write(measurement(source), points_of(source), stop=1)
        write_metrics(process)
        yield process


def points_of(source: MarketSource) -> pl.DataFrame:
    """Return the points of all rows that a source's test cases hold."""
    return points_named(source.name)


@cache
def points_named(name: str) -> pl.DataFrame:
    source = market_sources()[name]
    cases = sorted((CASES / name).iterdir())
    rows = pl.concat(check_messages(source, case_messages(source, case)).rows for case in cases)
    if source.whole_list is not None:
        rows = rows.with_columns(pl.lit(value=False).alias(WITHDRAWN))
    return hot_points(source, rows)


def write_metrics(process: InfluxProcess) -> None:
    """Write a scrape as deploy/telegraf has it written: labels as tags, one measurement."""
    statuses = [source_status(name) for name in ("smard_price", "ceps_load")]
    metrics = PlatformMetrics(lambda: statuses, lambda: PROCESSES, live_bus=lambda: [LIVE_BUS])
    registry = metrics.registry()
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            tags = "".join(f",{name}={value}" for name, value in sample.labels.items())
            for seconds in (1_800_000_000, 1_800_000_060):
                line = f"energy_platform{tags} {sample.name}={sample.value} {seconds}"
                answer = httpx.post(
                    f"{process.url}/write",
                    params={"db": "energy", "precision": "s"},
                    content=line,
                    timeout=60,
                )
                assert answer.status_code == 204, answer.text


def series(process: InfluxProcess, query: str) -> list[Any]:
    """Return the series that a query finds once Grafana has filled it in."""
    between = f"time >= '{LONG_AGO:%Y-%m-%dT%H:%M:%SZ}' AND time < '{FAR_AHEAD:%Y-%m-%dT%H:%M:%SZ}'"
    filled = query.replace("$timeFilter", between).replace("$__interval", "1d")
    filled = filled.replace("now()", f"'{FAR_AHEAD:%Y-%m-%dT%H:%M:%SZ}'")
    filled = re.sub(r"\${\w+:regex}", ".*", filled)
    assert not re.search(r"\$[\w{]", filled)
    answer = httpx.post(
        f"{process.url}/query", params={"db": "energy"}, data={"q": filled}, timeout=60
    )
    [result] = answer.raise_for_status().json()["results"]
    assert "error" not in result, (filled, result)
    return list(result.get("series", []))


@needs_influxdb
@pytest.mark.parametrize("name", SOURCES)
def test_the_panels_of_a_source_show_what_the_server_holds(
    influx: InfluxProcess, name: str
) -> None:
    source = market_sources()[name]
    points = points_of(source)
    drawn = 0
    for _, query in targets(dashboards()[source.group]):
        field, asked_of = re.findall(r'"(\w+)"', query)[:2]
        if asked_of != name:
            continue
        found = series(influx, query)
        drawn += len(found)
        assert bool(found) == (points[field].count() > 0), query
    assert drawn > 0


@needs_influxdb
def test_every_choice_offers_what_the_server_holds(influx: InfluxProcess) -> None:
    for dashboard in dashboards().values():
        for choice in dashboard.get("templating", {}).get("list", []):
            assert series(influx, choice["query"]), choice["query"]


@needs_influxdb
def test_the_platforms_own_panels_show_its_metrics(influx: InfluxProcess) -> None:
    asked = list(targets(dashboards()["platform"]))
    assert len(asked) > 8
    for title, query in asked:
        # A rate needs two intervals; the metrics of this test are all of one day.
        found = series(influx, query.replace("$__interval", "1m"))
        assert found, (title, query)


@needs_influxdb
def test_every_alert_rule_asks_what_there_is(influx: InfluxProcess) -> None:
    text = (WRITTEN / "provisioning/alerting/energy_platform.yaml").read_text()
    rules = yaml.safe_load(text.replace("$$", "$"))["groups"][0]["rules"]
    assert {"A source is late", "Much of a source is in quarantine"} <= {
        rule["title"] for rule in rules
    }
    for rule in rules:
        asked, reduced, beyond = (query["model"] for query in rule["data"])
        assert (reduced["expression"], beyond["expression"]) == (asked["refId"], reduced["refId"])
        assert rule["condition"] == beyond["refId"]
        assert series(influx, asked["query"]), asked["query"]
