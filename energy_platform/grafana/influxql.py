"""The panels' queries in InfluxQL, which InfluxDB 1.x, 2.x and 3.x all read.

The Foundation SDK has no type for InfluxDB's queries. The one here has the form that Grafana's own
editor writes for a query in text form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from energy_platform.storage.hot_store.influxdb.line_protocol import not_null

DATA_SOURCE_UID: Final = "energy-platform-influxdb"
DATA_SOURCE: Final = DataSourceRef(type_val="influxdb", uid=DATA_SOURCE_UID)

MOST_SERIES: Final = 60
"""The greatest number of lines: more can't be told apart, and slow a browser down."""


@dataclass(frozen=True)
class InfluxQuery(Dataquery, Builder[Dataquery]):
    """One target of a panel, or of an alert rule.

    Attributes:
        ref_id: The target's letter.
        query: The InfluxQL; Grafana fills in `$timeFilter`, `$__interval` and the variables.
        alias: The name of a series in the legend, e.g. `$tag_bidding_zone`.
    """

    ref_id: str
    query: str
    alias: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the target as Grafana stores it."""
        return {
            "refId": self.ref_id,
            "datasource": DATA_SOURCE,
            "rawQuery": True,
            "query": self.query,
            "alias": self.alias,
            "resultFormat": "time_series",
        }

    def build(self) -> Self:
        """Return the query itself, since panels accept only builders."""
        return self


def lines(measurement: str, field: str, tags: Sequence[str]) -> str:
    """Ask for a field over time, one line per series, for the tag values chosen in the dashboard.

    Withdrawn values are left out.

    >>> print(lines("smard_price", "price_eur_per_mwh", ["bidding_zone"]).partition(" FROM ")[0])
    SELECT last("price_eur_per_mwh")
    """
    series = "".join(f', "{tag}"' for tag in tags)
    return " ".join(
        [
            f'SELECT last("{field}")',
            f'FROM "{measurement}"',
            f"WHERE $timeFilter AND {not_null(field)}{_chosen(tags)}",
            f"GROUP BY time($__interval){series} fill(none)",
            f"SLIMIT {MOST_SERIES}",
        ]
    )


def held_now(measurement: str, field: str, tags: Sequence[str]) -> str:
    """Ask for the value that holds now, one per series: of a curve the period that has begun.

    >>> print(held_now("smard_price", "price_eur_per_mwh", []).partition(" WHERE ")[2])
    time <= now() AND "null_fields" !~ /(^|,)price_eur_per_mwh(,|$)/ SLIMIT 60
    """
    series = ", ".join(f'"{tag}"' for tag in tags)
    return " ".join(
        [
            f'SELECT last("{field}")',
            f'FROM "{measurement}"',
            f"WHERE time <= now() AND {not_null(field)}{_chosen(tags)}",
            *([f"GROUP BY {series}"] if series else []),
            f"SLIMIT {MOST_SERIES}",
        ]
    )


def tag_values(measurements: Sequence[str], tag: str) -> str:
    """Ask for all values of a tag, for a dashboard's variable."""
    names = ", ".join(f'"{name}"' for name in measurements)
    return f'SHOW TAG VALUES FROM {names} WITH KEY = "{tag}"'


def _chosen(tags: Sequence[str]) -> str:
    """Return the condition that each tag has a value that is chosen in the dashboard."""
    return "".join(f' AND "{tag}" =~ /^${{{tag}:regex}}$/' for tag in tags)
