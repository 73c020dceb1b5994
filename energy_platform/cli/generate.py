"""Commands that write files of the checkout from the catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from energy_platform.cli.output import console
from energy_platform.errors import EnergyPlatformError


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(grafana)


def grafana(
    folder: Annotated[Path, typer.Argument(help="Where Grafana's files are.")] = Path(
        "deploy/grafana"
    ),
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a file would change.")
    ] = False,
) -> None:
    """Write Grafana's data source, dashboards and alert rules as the catalogue has them now."""
    from energy_platform.grafana import files
    from energy_platform.marts import generated

    wanted = files()
    there = [path for path in folder.rglob("*.*") if path.suffix != ".md"]
    if check and (differing := generated.differing(folder, wanted, there)):
        raise EnergyPlatformError(f"{len(differing)} of {len(wanted)} files have drifted")
    written = [] if check else generated.write(folder, wanted, there)
    console().print(f"{len(wanted)} files in {folder}: {len(written)} written or removed")
