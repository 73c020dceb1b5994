"""The whole asset graph as a snapshot: what changes in it is seen in review.

After a wanted change: `pytest tests/unit/dagster_layer --snapshot-update`.
"""

from typing import Any

from dagster import AssetKey, DefaultSensorStatus
from syrupy.assertion import SnapshotAssertion

from definitions import defs


def _graph() -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "upstream": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "kinds": sorted(graph.get(key).kinds),
            "checks": sorted(check.name for check in graph.get(key).check_keys),
            "external": not graph.get(key).is_materializable,
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def test_the_code_server_can_load_it_all() -> None:
    # Building the definitions looks at no two names that are the same; this does.
    defs.get_repository_def().load_all_definitions()


def test_asset_graph(snapshot: SnapshotAssertion) -> None:
    assert _graph() == snapshot


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


def test_every_market_asset_says_what_it_holds() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.freshness_policy_or_from_metadata is not None, key
        columns = node.metadata["dagster/column_schema"].columns
        is_mart = node.group_name == "marts"
        names = {column.name for column in columns}
        assert is_mart or names > {"received_at", "landing_offset"}, key
        assert any(column.tags.get("unit") for column in columns), key


def test_lineage_reads_from_market_to_mart() -> None:
    graph = defs.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(AssetKey("zone_spread"))
    assert {AssetKey("entsoe_day_ahead_price"), AssetKey("smard_price_feed")} <= upstream


def test_lineage_reads_from_market_to_dashboard() -> None:
    graph = defs.resolve_asset_graph()
    name = "energy_charts_frequency"
    hot = AssetKey(f"{name}_hot")
    assert AssetKey(f"{name}_feed") in graph.get_ancestor_asset_keys(hot)
