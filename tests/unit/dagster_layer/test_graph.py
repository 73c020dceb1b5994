"""The whole asset graph as a snapshot: what changes in it is seen in review.

After a wanted change: `pytest tests/unit/dagster_layer --snapshot-update`.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

import pytest
from dagster import AssetKey, AssetSpec, DefaultSensorStatus
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from syrupy.assertion import SnapshotAssertion

from assets import market_assets
from definitions import defs
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource


def _nodes(graph: BaseAssetGraph[Any], keys: Iterable[AssetKey]) -> dict[str, Any]:
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "upstream": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "kinds": sorted(graph.get(key).kinds),
            "checks": sorted(check.name for check in graph.get(key).check_keys),
            "external": not graph.get(key).is_materializable,
        }
        for key in sorted(keys)
    }


def _keys(sources: Iterable[MarketSource]) -> set[AssetKey]:
    made = market_assets(sources)
    return {key for one in made for key in ([one.key] if isinstance(one, AssetSpec) else one.keys)}


def _assets_of(source: MarketSource) -> dict[str, Any]:
    """Return a source's assets in the whole graph, with `<…>` for what is the source's own."""
    text = json.dumps(_nodes(defs.resolve_asset_graph(), _keys([source])))
    for own, placeholder in (
        (rf'"{source.name}(?=[_"])', '"<source>'),
        (rf'"group": "{source.group}"', '"group": "<group>"'),
        (rf'"{source.feed.protocol.lower()}"', '"<protocol>"'),
    ):
        text = re.sub(own, placeholder, text)
    nodes: dict[str, Any] = json.loads(text)
    for node in nodes.values():
        node["kinds"].sort()
    return nodes


def test_the_code_server_can_load_it_all() -> None:
    # Building the definitions looks at no two names that are the same; this does.
    defs.get_repository_def().load_all_definitions()


def test_the_assets_of_a_source(snapshot: SnapshotAssertion) -> None:
    """One stands for all; that they are alike is asked below, so that a new one changes nothing."""
    assert _assets_of(market_source("agsi_storage")) == snapshot


@pytest.mark.parametrize("name", market_sources())
def test_every_source_has_the_same_assets(name: str) -> None:
    assert _assets_of(market_source(name)) == _assets_of(market_source("agsi_storage"))


def test_the_assets_that_are_no_sources(snapshot: SnapshotAssertion) -> None:
    graph = defs.resolve_asset_graph()
    others = graph.get_all_asset_keys() - _keys(market_sources().values())
    assert _nodes(graph, others) == snapshot


def test_sensors_jobs_and_schedules(snapshot: SnapshotAssertion) -> None:
    repository = defs.get_repository_def()
    assert {
        "sensors": {
            sensor.name: (
                [target.job_name for target in sensor.targets],
                sensor.default_status is DefaultSensorStatus.RUNNING,
            )
            for sensor in repository.sensor_defs
            if not sensor.name.startswith("default_")
        },
        "schedules": {one.name: one.cron_schedule for one in repository.schedule_defs},
        "jobs": sorted(repository.job_names),
    } == snapshot


def test_every_asset_has_an_owner_and_says_when_it_is_stale() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.freshness_policy_or_from_metadata is not None, key


def test_every_table_says_what_it_holds() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys - {AssetKey("batch_history")}:
        node = graph.get(key)
        if node.group_name == "signals":
            continue  # what they say is in the table `trading_signal`
        columns = node.metadata["dagster/column_schema"].columns
        is_mart = node.group_name == "marts"
        names = {column.name for column in columns}
        assert is_mart or names > {"received_at", "landing_offset"}, key
        assert any(column.tags.get("unit") for column in columns), key


def test_lineage_reads_from_market_to_mart() -> None:
    graph = defs.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(AssetKey("zone_spread"))
    assert {AssetKey("entsoe_day_ahead_price"), AssetKey("smard_price_landing")} <= upstream


def test_lineage_reads_from_market_to_dashboard() -> None:
    graph = defs.resolve_asset_graph()
    name = "energy_charts_frequency"
    hot = AssetKey(f"{name}_hot")
    assert AssetKey(f"{name}_landing") in graph.get_ancestor_asset_keys(hot)
