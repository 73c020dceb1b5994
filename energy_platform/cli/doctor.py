"""The command that looks at a home and a configuration, and says what is wrong."""

from dataclasses import asdict

import typer

from energy_platform.cli.output import console, count, one_line, print_json
from energy_platform.cli.platform import Json


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(doctor)


def doctor(*, json: Json = False) -> None:
    """Look at the configuration, the machine and the home, and say what is wrong and what to do.

    It changes nothing. Exits with 1 if something is wrong, also while the platform does not run.
    """
    from energy_platform.operations.doctor.finding import Weight
    from energy_platform.operations.doctor.look import CHECKS, look

    found = look()
    if json:
        print_json({"checks": len(CHECKS), "findings": [asdict(one) for one in found]})
    else:
        for one in found:
            told = f"{one.weight}: {one_line(one.what)}\n    {one_line(one.step)}"
            console().print(told, soft_wrap=True)
        if not found:
            checks = count(len(CHECKS), "check")
            console().print(f"Nothing is wrong, as far as {checks} can tell.")
    if any(one.weight is Weight.WRONG for one in found):
        raise typer.Exit(1)
