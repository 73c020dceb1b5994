"""Parses what has landed of a source, and writes the rows with polars to a new Delta table.

    python benchmarks/replay_peer.py LANDING SOURCE

This is what `replay` is compared with: no check, no comparison with known rows, no hot copy. It
imports no more than it needs, since its start is counted.
"""

import sys
import tempfile
from pathlib import Path

from energy_platform.market.registry import market_source
from energy_platform.storage.landing import LandingZone


def main(landing: Path, name: str) -> None:
    """Parse all messages at once, and write the rows in one commit."""
    log = LandingZone.open(landing.as_uri()).log(name)
    rows = market_source(name).parse(log.read(0, log.end_offset()))
    with tempfile.TemporaryDirectory() as folder:
        rows.write_delta(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
