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

    made = {folder / path: text for path, text in files().items()}
    stale = {path: text for path, text in made.items() if _text(path) != text}
    left = [path for path in folder.rglob("*.*") if path.suffix != ".md" and path not in made]
    if check and (stale or left):
        raise EnergyPlatformError(f"{len(stale) + len(left)} of {len(made)} files have drifted")
    for path in left:
        path.unlink()
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    console().print(f"{len(made)} files in {folder}: {len(stale)} written, {len(left)} removed")


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
