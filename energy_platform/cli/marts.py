"""The command that builds the marts."""

from typing import Annotated

import typer

from energy_platform.cli.output import complain, console, print_json, print_table
from energy_platform.cli.platform import Json


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(marts)


def marts(
    *,
    wholly: Annotated[
        bool, typer.Option("--wholly", help="Make every mart anew, not only what has changed.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring the marts up to date: rebuild the days for which sources have new rows.

    Exits with 1 if a mart could not be built.
    """
    from energy_platform.marts.dbt_run import build_marts
    from energy_platform.pipeline.stores import micro_batches
    from energy_platform.settings import settings

    built = build_marts(settings(), micro_batches().warehouse, wholly=wholly)
    if json:
        print_json(built)
    elif not built:
        console().print("Every mart is up to date.")
    else:
        print_table(
            "Marts",
            ["name", "days", "seconds", "tests that failed"],
            [
                (one.name, "all" if one.days is None else one.days, one.seconds,
                 ", ".join(one.failed_tests))
                for one in built
                if one.error is None
            ],
        )  # fmt: skip
    failed = [one for one in built if one.error is not None]
    for one in failed:
        complain(f"{one.name}: {one.error}")
    if failed:
        raise typer.Exit(1)
