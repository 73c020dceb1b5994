"""Grafana as code: data source, dashboards and alert rules, made from the catalogue.

What a panel asks is written here; what there is to ask for is what the sources say of themselves,
so that a new source has its panels without a line in this folder. `deploy/grafana/` holds what
comes of it, and a test says when the two have drifted apart.
"""

from energy_platform.grafana.provisioning import files

__all__ = ["files"]
