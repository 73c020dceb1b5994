"""The command that hands positions in."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from energy_platform.cli.output import complain, console, print_json
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError
from energy_platform.settings import settings

_FROM = "command line"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(positions)


def positions(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV or JSON; docs/positions.md.")
    ],
    *,
    json: Json = False,
) -> None:
    """Hand in positions of the desk's portfolios: the newest row of a name counts.

    Nothing is handed in if a line is wrong.
    """
    from datetime import UTC, datetime

    from energy_platform.dashboard.access.audit import Action, AuditLog
    from energy_platform.feeds.drop_folder.inbox import MOST_BYTES, SENDER, Inbox, new_submission
    from energy_platform.ingest.submission import examined
    from energy_platform.market.raw_message import RawMessage
    from energy_platform.market.registry import market_source

    if file.stat().st_size > MOST_BYTES:
        raise UsageError(f"{file} is larger than {MOST_BYTES:,} bytes")
    source, user, body = market_source("position"), getpass.getuser(), file.read_bytes()
    message = RawMessage(body=body, received_at=datetime.now(UTC), context={SENDER: user})
    submission = examined(source, message)
    if submission.faults:
        for fault in submission.faults:
            complain(f"{file}:{fault.line}: {fault.reason}")
        raise typer.Exit(1)
    place, number = settings().state, new_submission()
    inbox = Inbox.of(place.home, source.name)
    inbox.require_room()
    said = {"submission": number, "rows": submission.rows, "portfolios": submission.portfolios}
    AuditLog.of(place).add(Action.POSITIONS_HANDED_IN, user, _FROM, **said)
    inbox.put(body, number=number, sender=user, way="command", path=file.name)
    if json:
        print_json({"id": number, "rows": submission.rows, "portfolios": submission.portfolios})
        return
    console().print(
        f"{submission.rows} rows of {', '.join(submission.portfolios)} are handed in as {number}.",
        markup=False,
        highlight=False,
    )
