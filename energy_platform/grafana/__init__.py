"""Grafana as code: data source, dashboards and alert rules, made from the catalogue.

The panels' queries are written here. The sources describe their own series, so a new source gets
its panels without a line in this folder. `energy-platform generate` writes the files to
`deploy/grafana/`, and `make check` fails when they differ.
"""

from energy_platform.grafana.provisioning import files

__all__ = ["files"]
