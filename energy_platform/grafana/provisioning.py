"""The files that Grafana reads at its start: data sources, dashboards and alert rules.

They hold no addresses and no secrets. Grafana fills in variables of its environment, the same ones
that the platform reads.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from energy_platform.grafana.alert_rules import alert_rules
from energy_platform.grafana.api_dashboard import api_dashboard
from energy_platform.grafana.dashboards import market_dashboards
from energy_platform.grafana.infinity import API, API_UID
from energy_platform.grafana.influxql import DATA_SOURCE_UID
from energy_platform.grafana.platform_dashboard import platform_dashboard
from energy_platform.market.source import MarketSource

_GENERATED: Final = (
    "# Made by `energy-platform generate`; change energy_platform/grafana instead.\n"
)
_FOLDER: Final = "Energy Platform"

_DATA_SOURCE: Final[Mapping[str, Any]] = {
    "apiVersion": 1,
    "prune": True,
    "datasources": [
        {
            "name": "Energy Platform",
            "uid": DATA_SOURCE_UID,
            "type": "influxdb",
            "access": "proxy",
            "url": "$ENERGY_PLATFORM_INFLUXDB_URL",
            "user": "$ENERGY_PLATFORM_INFLUXDB_USER",
            "editable": False,
            "jsonData": {
                "version": "InfluxQL",
                "dbName": "$ENERGY_PLATFORM_INFLUXDB_BUCKET",
                "httpMode": "POST",
                "timeInterval": "1s",
                # InfluxDB 2.x and 3.x take a token; 1.x without authentication ignores it.
                "httpHeaderName1": "Authorization",
            },
            "secureJsonData": {
                "password": "$ENERGY_PLATFORM_INFLUXDB_PASSWORD",
                "httpHeaderValue1": "Token $ENERGY_PLATFORM_INFLUXDB_TOKEN",
            },
        },
        {
            "name": "Energy Platform API",
            "uid": API_UID,
            "type": API.type_val,
            "access": "proxy",
            "url": "$ENERGY_PLATFORM_DASHBOARD_URL",
            "editable": False,
            "jsonData": {
                # Sent as `Authorization: Bearer …`, to this address alone.
                "auth_method": "bearerToken",
                "allowedHosts": ["$ENERGY_PLATFORM_DASHBOARD_URL"],
            },
            "secureJsonData": {"bearerToken": "$ENERGY_PLATFORM_GRAFANA_TOKEN"},
        },
    ],
}

_DASHBOARDS: Final[Mapping[str, Any]] = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "Energy Platform",
            "folder": _FOLDER,
            "folderUid": "energy-platform",
            "type": "file",
            "disableDeletion": True,
            "allowUiUpdates": False,
            "options": {"path": "/etc/grafana/energy-platform/dashboards"},
        }
    ],
}


def files(sources: Collection[MarketSource]) -> dict[Path, str]:
    """Return every file's text for these sources, by its path below `deploy/grafana`."""
    dashboards = {
        "platform": platform_dashboard(),
        "api": api_dashboard(sources),
        **market_dashboards(sources),
    }
    return {
        Path("provisioning/datasources/energy_platform.yaml"): _yaml(_DATA_SOURCE),
        Path("provisioning/dashboards/energy_platform.yaml"): _yaml(_DASHBOARDS),
        Path("provisioning/alerting/energy_platform.yaml"): _escaped(_yaml(alert_rules(_FOLDER))),
        **{Path(f"dashboards/{name}.json"): _json(made) for name, made in dashboards.items()},
    }


def _yaml(content: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(content, cls=JSONEncoder))
    return _GENERATED + yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _escaped(text: str) -> str:
    """Escape a rule's own variables, so that Grafana does not fill in its environment's."""
    return text.replace("$", "$$")


def _json(content: object) -> str:
    return json.dumps(content, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"
