"""The command that makes a demo."""

from datetime import datetime
from typing import Annotated, Optional

import typer


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(demo)


def demo(
    *,
    days: Annotated[
        Optional[int],  # noqa: UP045 (typer reads it)
        typer.Option(min=1, max=366, help="How many days; ENERGY_PLATFORM_DEMO_DAYS or 90."),
    ] = None,
    end: Annotated[
        Optional[datetime],  # noqa: UP045 (typer reads it)
        typer.Option(formats=["%Y-%m-%d"], help="The day after the last one; a day in November."),
    ] = None,
) -> None:
    """Make a demo, months of the simulated world for notebooks, unless it is there.

    Prints its folder, which `ep.connect` takes; `ep.demo()` opens the same one.
    """
    from energy_platform.reading.demo import END
    from energy_platform.reading.demo import demo as opened

    typer.echo(opened(days=days, end=END if end is None else end.date()).place.home)
