"""Broken files of market sources, as assets that fail, so that engineers see them in the UI.

The assets of all other sources are not affected. The registry finds what is wrong.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from dagster import AssetsDefinition, Failure, asset

from energy_platform.market.registry import BrokenSource

GROUP: Final = "broken_sources"


def broken_assets(broken: Iterable[BrokenSource]) -> list[AssetsDefinition]:
    """Return one asset per broken file; materializing it fails with the reason."""
    by_name = attrgetter("name")
    return [
        _broken_asset(name, "; ".join(map(str, of_file)))
        for name, of_file in groupby(sorted(broken, key=by_name), by_name)
    ]


def _broken_asset(name: str, wrong: str) -> AssetsDefinition:
    @asset(
        name=f"{name}_broken",
        group_name=GROUP,
        description=f"This market source is left out until its file is mended. {wrong}",
        kinds={"python"},
    )
    def broken_asset() -> None:
        raise Failure(wrong, allow_retries=False)

    return broken_asset
