"""Commands about what goes wrong: alerts, layouts that drift, and damaged files."""

from typing import Annotated, Final, Optional

import typer

from energy_platform.cli.market import SourceName
from energy_platform.cli.output import console, count, one_line, print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.errors import EnergyPlatformError, UsageError
from energy_platform.settings import settings

_LOOKED_AT_BYTES: Final = 256 * 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (alerts, layout, verify):
        app.command()(command)


def alerts(
    *,
    test: Annotated[
        bool, typer.Option("--test", help="Send a trial message to every alert address.")
    ] = False,
    json: Json = False,
) -> None:
    """List what is wrong at the moment; ENERGY_PLATFORM_ALERT_URLS says where alerts are sent."""
    from energy_platform.operations.alerts.book import AlertBook

    if test:
        _try_addresses()
        return
    # A trouble that may pass by itself has not been told yet, and so is not listed.
    incidents = [one for one in AlertBook(settings().state).incidents() if one.told_at is not None]
    if json:
        print_json(incidents)
    elif not incidents:
        console().print("Nothing is wrong.")
    else:
        print_table(
            "Alerts",
            ["since", "told", "what"],
            [(one.opened_at, one.told_at, one.text) for one in incidents],
        )


def _try_addresses() -> None:
    from apprise import NotifyType

    from energy_platform.operations.alerts.delivery import addresses, send

    to = addresses(settings().alert_urls.get_secret_value())
    if not to:
        raise UsageError("ENERGY_PLATFORM_ALERT_URLS names no address")
    failed = [
        address.name
        for address in to
        if not send(address, "Energy Platform", "This is a trial of alerts.", NotifyType.INFO)
    ]
    if failed:
        raise EnergyPlatformError(f"not reached: {', '.join(failed)}")
    console().print(f"sent to {count(len(to), 'address').replace('addresss', 'addresses')}")


def layout(
    source_name: SourceName,
    *,
    accept: Annotated[
        bool, typer.Option("--accept", help="Make the new layout the accepted one.")
    ] = False,
    messages: Annotated[
        int, typer.Option(min=1, help="How many of the newest messages to look at.")
    ] = 1_000,
    json: Json = False,
) -> None:
    """Show how a provider's messages differ from the accepted layout; exit with 1 if they do.

    With --accept the newest messages' layout is accepted, and the check passes from then on.
    """
    from energy_platform.market.registry import market_source
    from energy_platform.operations.batch_history import BatchHistory
    from energy_platform.pipeline.layouts import watch
    from energy_platform.pipeline.stores import micro_batches
    from energy_platform.pipeline.tables import market_table

    source, batches = market_source(source_name), micro_batches()
    # Messages that no batch has taken yet have not been compared.
    stop = batches.warehouse.committed_offset(market_table(source))
    log = batches.landing.log(source.name)
    log.end_offset(taken=stop)
    newest = log.read(max(0, stop - messages), stop, limit_bytes=_LOOKED_AT_BYTES)
    look = watch.accept if accept else watch.pending
    differences = look(batches.landing.notes, source, newest)
    if accept:
        BatchHistory(settings().state).forget_drift(source.name)
    if json:
        print_json({"differences": differences, "accepted": accept})
    else:
        for difference in differences:
            console().print(difference)
        looked_at = f"in {count(len(newest), 'message')}"
        said = "Accepted" if accept else "Differs"
        console().print(f"{said if differences else 'No difference'} {looked_at}.")
    if differences and not accept:
        raise typer.Exit(1)


def verify(
    source_name: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Argument(metavar="[SOURCE]", help="Of this source alone."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Read all that is stored, and name every damaged file; exit with 1 if there is one.

    Raw messages have checksums. Tables are read to their last row, and databases are checked.
    """
    from energy_platform.market.registry import market_source, market_sources
    from energy_platform.operations.verification import of_side_files, of_sources
    from energy_platform.pipeline.stores import micro_batches

    sources = [market_source(source_name)] if source_name else list(market_sources().values())
    found = list(of_sources(settings(), micro_batches(), sources))
    if source_name is None:
        found += of_side_files(settings().home)
    if json:
        print_json(found)
    elif not found:
        console().print("No file is damaged.")
    else:
        print_table(
            "Damaged",
            ["source", "file", "what is wrong", "next"],
            [(one.source, one.place, one_line(one.why), one.next_step) for one in found],
        )
    if found:
        raise typer.Exit(1)
