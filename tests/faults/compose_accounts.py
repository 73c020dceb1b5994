"""Holds the platform of compose to account, from a container of its own; prints JSON.

    python -m tests.faults.compose_accounts

It stops market time. A container reaches what the platform's processes reach, as their user.
"""

import json
import sys
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.stores import open_micro_batches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import Settings, current_settings
from simulator.journal import Journal
from tests.support.accounts import Account, accounts
from tests.support.platform_run import freeze


@dataclass(frozen=True)
class ContainedPlatform:
    """The platform whose home and settings this container shares."""

    settings: Settings
    batches: MicroBatches

    def freeze(self) -> datetime:
        return freeze(self.settings.home)

    def journal(self) -> Journal:
        return Journal(self.settings.simulator_folder / "journal")

    def stored(self, source: MarketSource) -> pl.DataFrame:
        return self.batches.warehouse.scan(market_table(source)).collect()


def told(found: Account) -> dict[str, object]:
    """Return an account as JSON has it."""
    return {
        "source": found.source.name,
        "journalled": found.journalled,
        "stored": found.stored,
        "lost": found.lost.height,
        "invented": found.invented.height,
        "doubled": len(found.doubled_at),
        "samples": [
            json.loads(json.dumps(rows.head(3).to_dicts(), default=str))
            for rows in (found.lost, found.invented)
        ],
    }


def main() -> None:
    chosen = current_settings()
    platform = ContainedPlatform(chosen, open_micro_batches(chosen))
    json.dump([told(one) for one in accounts(platform)], sys.stdout)


if __name__ == "__main__":
    main()
