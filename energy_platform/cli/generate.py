"""The command that writes the files of a checkout that follow from the catalogue."""

from pathlib import Path
from typing import Annotated, Final

import typer

from energy_platform.cli.output import console, count
from energy_platform.errors import EnergyPlatformError

_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(generate)


def generate(
    checkout: Annotated[
        Path, typer.Argument(help="The checkout; by default the one that this library is in.")
    ] = _CHECKOUT,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a file would change.")
    ] = False,
) -> None:
    """Write all that follows from the catalogue: dbt's sources, dashboards, the README's table."""
    from energy_platform.cli.generated_files import differing_files, generated_files, write_files
    from energy_platform.market.registry import broken_sources, market_sources

    if broken := broken_sources():
        raise EnergyPlatformError(f"first mend {', '.join(one.place for one in broken)}")
    wanted = generated_files(checkout, market_sources().values())
    changed = (differing_files if check else write_files)(checkout, wanted)
    for path in changed:
        console().print(f"{path} {'differs' if check else 'written or removed'}")
    if check and changed:
        raise EnergyPlatformError(
            f"{count(len(changed), 'file')} of {len(wanted)} not as the catalogue has it:"
            " run `energy-platform generate`"
        )
    console().print(f"{len(wanted)} files: {len(changed)} changed")
