"""`status`: how every market source is doing, with the reasons of the newest quarantined rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.stores import Stores
from energy_platform.dashboard.topics.topic import Loaded, NewRows
from energy_platform.market.registry import market_source
from energy_platform.operations.status import SourceStatus, source_statuses
from energy_platform.pipeline.tables import quarantine_table

_LATELY: Final = timedelta(hours=24)
_REASONS: Final = 5
"""How many reasons are told of one source, the most frequent first."""


@dataclass(slots=True)
class Status:
    """The topic."""

    stores: Stores
    sources: tuple[str, ...] = ()
    every_seconds: float = 1.0
    refresh_seconds: float | None = 5.0
    shared: tuple[()] = ()
    moment: str | None = None
    _reasons: dict[str, tuple[int, Sequence[str]]] = field(default_factory=dict)

    def load(self) -> Loaded:
        """Ask every store and log, as `energy-platform status` does."""
        statuses = source_statuses(self.stores.settings, self.stores.batches)
        return Loaded([self._row(status) for status in statuses])

    def changed_by(self, new: NewRows) -> Changes:
        """Return nothing: no row of a source says how the source is."""
        del new
        return Changes()

    def _row(self, status: SourceStatus) -> Row:
        source = market_source(status.name)
        return {
            "id": status.name,
            "source": status.name,
            "protocol": status.protocol,
            "provider": source.provider.name,
            "group": status.group,
            "state": status.state,
            "detail": status.detail,
            "late": status.late.missing if status.late else None,
            "late_since": status.late.since if status.late else None,
            "rows": status.rows,
            "quarantined": status.quarantined,
            "reasons": self._reasons_of(status),
            "drift": status.drift,
            "needs": status.needs,
            "batch_error": status.batch_error,
            "hot_copy_behind": status.hot_copy_behind,
            "last_event_at": status.last_event_at,
            "last_received_at": status.last_received_at,
            "lag_seconds": status.lag_seconds,
            "expected_lag_seconds": status.expected_lag_seconds,
            "next_expected_at": status.next_expected_at,
            "dagster_url": dagster_url(status.name),
        }

    def _reasons_of(self, status: SourceStatus) -> Sequence[str]:
        """Return why rows are in quarantine lately; asked again when there are more.

        Reasons can name a portfolio, and all viewers share this topic, so those of a source of
        portfolios are told by its lineage alone.
        """
        if not status.quarantined or market_source(status.name).entitlement is not None:
            return ()
        counted, reasons = self._reasons.get(status.name, (0, ()))
        if counted != status.quarantined:
            table = quarantine_table(market_source(status.name))
            newest = pl.col("received_at").max() - _LATELY
            said = self.stores.batches.warehouse.scan(table).filter(pl.col("received_at") >= newest)
            counts = said.group_by("reason").len().sort("len", "reason", descending=[True, False])
            reasons = counts.head(_REASONS).collect()["reason"].to_list()
            self._reasons[status.name] = (status.quarantined, reasons)
        return reasons


def dagster_url(source_name: str) -> str:
    """Return the address of a source's asset in the Dagster UI, on this server."""
    return f"/dagster/assets/{source_name}"
