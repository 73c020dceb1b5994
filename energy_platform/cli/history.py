"""The command about what the platform's batches did."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Optional

import typer

from energy_platform.cli.output import console, count, one_line, print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.market.instants import parse_instant
from energy_platform.settings import settings

_A_DAY: Final = timedelta(days=1)


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(history)


def history(
    source_name: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Argument(metavar="[SOURCE]", help="A market source's name; all, if not given."),
    ] = None,
    *,
    since: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Option("--from", metavar="T", help="From T on (ISO 8601); the last 24 hours."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest lines to show.")] = 100,
    json: Json = False,
) -> None:
    """Show what the batches did: line by line for one source, one line per source for all.

    Each batch has a line for three days; older ones are summed by the hour, for ninety days.
    """
    from energy_platform.operations.batch_history import BatchHistory, by_source
    from energy_platform.reading.dataset import dataset

    if source_name is not None:
        dataset(source_name)
    begin = datetime.now(UTC) - _A_DAY if since is None else parse_instant(since)
    lines = BatchHistory(settings().state).lines(source_name, since=begin)
    shown = by_source(lines) if source_name is None else lines.tail(limit)
    if json:
        print_json(shown.to_dicts())
        return
    print_table(
        f"Batches since {begin:%Y-%m-%d %H:%M} UTC",
        ["finished", "source", "batches", "failed", "offsets", "messages", "parsed", "new",
         "quarantined", "seconds", "remarks"],
        [_row(line) for line in shown.iter_rows(named=True)],
    )  # fmt: skip
    if source_name is not None and lines.height > limit:
        console().print(f"{count(lines.height - limit, 'line')} before these; --limit shows more.")


def _row(line: Mapping[str, Any]) -> tuple[object, ...]:
    start, stop = line["start_offset"], line["stop_offset"]
    remarks = [
        *([f"layout: {line['drift']}"] if line["drift"] else []),
        *([line["error"]] if line["error"] else []),
    ]
    return (
        line["finished_at"],
        line["source"],
        line["batches"],
        line["failed"],
        "" if start is None else f"[{start}, {stop})",
        line["messages"],
        line["rows_parsed"],
        line["rows_new"],
        line["quarantined"],
        round(line["seconds"], 3),
        one_line("; ".join(remarks)),
    )
