"""The command that asks a provider for the past."""

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from energy_platform.cli.market import SourceName
from energy_platform.cli.output import bars, complain, console, count, one_line
from energy_platform.errors import UsageError
from energy_platform.ingest.simulated_market import SimulatedMarket
from energy_platform.market.instants import parse_instant
from energy_platform.settings import Settings, settings

if TYPE_CHECKING:
    from energy_platform.ingest.backfill import BackfillReport, BackfillWindow


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(backfill)


def backfill(
    source_name: SourceName,
    *,
    start: Annotated[str, typer.Option(metavar="T", help="From T on (ISO 8601; a date is UTC).")],
    end: Annotated[str, typer.Option(metavar="T", help="To T, itself not included.")],
    again: Annotated[
        bool, typer.Option("--again", help="Ask for all of it anew, whatever has landed.")
    ] = False,
) -> None:
    """Ask a provider for the past, land it beside the collector, and store its rows.

    After an interruption, the same command continues. Rows count as known from now on, when they
    were received here. Exits with 1 if a part could not be had; the next run asks for it again.
    """
    from energy_platform.ingest.backfill import BackfillRecord, BackfillWindow, stored_rows
    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.stores import micro_batches

    chosen, source = settings(), market_source(source_name)
    _check_that_the_market_is_reached(chosen)
    window = BackfillWindow(source=source, start=parse_instant(start), end=parse_instant(end))
    if again:
        BackfillRecord(chosen.state).forget(window)
    try:
        report = _run(window, chosen)
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on where it was")
        raise typer.Exit(1) from None
    rows, failures = stored_rows(micro_batches(), source, [*report.offsets, *report.set_aside])
    console().print(
        f"{report.landed:,} of {count(report.chunks, 'chunk')} landed"
        f" ({report.earlier:,} by an earlier run, {report.empty:,} empty):"
        f" {count(report.messages, 'message')}, {rows:,} new rows, {failures:,} quarantined"
    )
    if report.earlier == report.chunks:
        console().print("It was finished before; --again asks for all of it anew.")
    _report_left(report)


def _run(window: "BackfillWindow", chosen: Settings) -> "BackfillReport":
    """Run a backfill and the micro-batches of what it landed, with a bar for each."""
    from rich.logging import RichHandler

    from energy_platform.ingest.backfill import Backfiller, catch_up
    from energy_platform.pipeline.hot_lane.lane import bring_up
    from energy_platform.pipeline.stores import micro_batches

    screen = console(stderr=True)
    batches = micro_batches()
    with bars(screen) as progress:
        if screen.is_terminal:  # log lines go above the bars, not through them
            logging.basicConfig(
                force=True, format="%(message)s", handlers=[RichHandler(console=screen)]
            )
        asking = progress.add_task(f"asking {window.source.provider.name}", total=None)
        backfiller = Backfiller(
            window,
            chosen,
            batches.landing,
            lambda done, of: progress.update(asking, completed=done, total=of),
        )
        report = asyncio.run(backfiller.run())
        storing = progress.add_task("storing", total=None)
        catch_up(
            batches,
            window.source,
            report.stop,
            lambda done, of: progress.update(storing, completed=done, total=of),
        )
        behind = bring_up(batches, window.source)
    if behind:
        console(stderr=True).print("note: the hot copy comes later:", one_line(behind))
    return report


def _check_that_the_market_is_reached(chosen: Settings) -> None:
    """Check that a simulated market listens; nothing for a real one.

    Raises:
        UsageError: It does not listen.
    """
    simulated = SimulatedMarket.of(chosen)
    if simulated is not None and not simulated.listens() and not chosen.addresses:
        raise UsageError(f"no simulated market runs from {chosen.home}; `up` starts one")


def _report_left(report: "BackfillReport") -> None:
    """Print the chunks that could not be had, and exit with 1 if there are any."""
    if report.is_complete:
        return
    for chunk, error in report.left.items():
        complain(f"{chunk}: {error}")
    complain(
        f"{count(report.chunks - report.landed, 'chunk')} left;"
        " the same command asks for the rest again"
    )
    raise typer.Exit(1)
