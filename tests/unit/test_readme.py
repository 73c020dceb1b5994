"""The README is true of what it lists."""

import re
from pathlib import Path

from energy_platform.market.registry import market_sources

README = Path(__file__).parents[2] / "README.md"


def test_every_source_is_listed_with_its_group_and_protocol() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", README.read_text(), re.MULTILINE)
    there = [(name, s.group.value, s.feed.protocol.value) for name, s in market_sources().items()]
    assert sorted(listed) == sorted(there)
