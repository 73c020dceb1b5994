"""A broken file of a source is an asset that fails; all others load beside it."""

import pytest
from dagster import AssetKey, Failure, materialize

from assets import broken_assets
from definitions import build_definitions
from energy_platform.market.registry import BrokenSource, market_sources

WRONG = BrokenSource("smard_price", "energy_platform/sources/smard_price.py:3", "key: is empty")
AND_MORE = BrokenSource("smard_price", "energy_platform/sources/smard_price.py", "name: is wrong")


def test_the_code_location_loads_without_the_broken_source() -> None:
    good = [source for name, source in market_sources().items() if name != "smard_price"]
    defs = build_definitions(good, [WRONG, AND_MORE])
    defs.get_repository_def().load_all_definitions()
    graph = defs.resolve_asset_graph()
    broken = graph.get(AssetKey("smard_price_broken"))
    assert broken.group_name == "broken_sources"
    assert broken.description is not None
    assert str(WRONG) in broken.description
    assert str(AND_MORE) in broken.description
    assert AssetKey("day_ahead_price") in graph.materializable_asset_keys


def test_to_materialize_it_fails_with_what_is_wrong() -> None:
    with pytest.raises(Failure, match=r"smard_price\.py:3: key: is empty"):
        materialize(broken_assets([WRONG]))
