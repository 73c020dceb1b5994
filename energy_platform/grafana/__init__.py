"""Grafana as code: data source, dashboards and alert rules, made from the catalogue.

What a panel asks is written here; what there is to ask for is what the sources say of themselves,
so that a new source has its panels without a line in this folder. `deploy/grafana/` holds what
comes of it; `energy-platform generate` writes it, and `make check` says when the two differ.
"""

from energy_platform.grafana.provisioning import files

__all__ = ["files"]
