"""The panels' requests to the platform's own API, in the form of Grafana's Infinity data source.

The Foundation SDK has no type for Infinity's queries. The one here has the form that the plugin's
own editor writes for a JSON document that its backend reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef

API_UID: Final = "energy-platform-api"
API: Final = DataSourceRef(type_val="yesoreyeram-infinity-datasource", uid=API_UID)

Kind = Literal["timestamp", "number", "string"]


@dataclass(frozen=True)
class InfinityQuery(Dataquery, Builder[Dataquery]):
    """One request of a panel.

    Attributes:
        path: The resource, below the data source's address.
        columns: The names that are read of each row, with their kinds.
        parameters: What is asked; Grafana fills in `${__from:date:iso}` and its like.
        rows: The name of the document's array of rows.
        is_over_time: Whether rows become lines, one for each text.
    """

    path: str
    columns: Mapping[str, Kind]
    parameters: Mapping[str, str] = field(default_factory=dict)
    rows: str = "rows"
    is_over_time: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the request as Grafana stores it."""
        return {
            "refId": "A",
            "datasource": API,
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": "timeseries" if self.is_over_time else "table",
            "url": self.path,
            "url_options": {
                "method": "GET",
                "params": [{"key": key, "value": value} for key, value in self.parameters.items()],
            },
            "root_selector": self.rows,
            "columns": [
                {"selector": name, "text": name, "type": kind}
                for name, kind in self.columns.items()
            ],
            "filters": [],
        }

    def build(self) -> Self:
        """Return the query itself, since panels accept only builders."""
        return self
