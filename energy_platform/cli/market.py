"""Commands that work on market sources: list them, read a payload by hand, ingest one."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Optional

import typer

from energy_platform.cli.output import (
    complain,
    console,
    count,
    one_line,
    print_broken,
    print_json,
    print_table,
)
from energy_platform.cli.platform import Json
from energy_platform.errors import ContextMissingError, MissingExtraError, UsageError
from energy_platform.market.raw_message import RawMessage

if TYPE_CHECKING:
    import polars as pl

    from energy_platform.market.registry import BrokenSource
    from energy_platform.market.source import MarketSource

_REASONS: Final = 20
"""How many reasons for failed rows are printed one by one."""

SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help="A market source's name.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Payloads as received.")]
Context = Annotated[
    Optional[list[str]],  # noqa: UP045 (typer reads it)
    typer.Option(
        "--context", "-c", metavar="KEY=VALUE", help="What the request said, e.g. bzn=AT."
    ),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (catalog, parse, ingest):
        app.command()(command)


def catalog(
    words: Annotated[
        Optional[list[str]],  # noqa: UP045 (typer reads it)
        typer.Argument(metavar="[SEARCH]", help="Words to find, e.g. wind DE."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """List market sources and marts with key, columns, units and terms; all, or matching ones."""
    from energy_platform.reading.catalogue import catalogue, listed

    search = " ".join(words or ())
    entries = catalogue(search)
    if json:
        print_json([listed(entry) for entry in entries])
        return
    if not entries:
        console().print(f"Nothing has all of: {search}")
        return
    print_table(
        "Market sources and marts",
        ["name", "kind", "provider", "protocol", "group", "key", "expected lag", "needs"],
        [
            (e.name, e.kind, e.provider, e.protocol, e.group, ", ".join(e.key),
             e.expected_lag, ", ".join(e.needs))
            for e in entries
        ],
    )  # fmt: skip
    print_broken(_broken_sources())


def _broken_sources() -> "Sequence[BrokenSource]":
    """Return the broken files of the folder; none where sources can't be imported at all."""
    try:
        from energy_platform.market.registry import broken_sources

        return broken_sources()
    except ModuleNotFoundError as error:
        MissingExtraError.of(error)  # a module that no extra brings is raised again
    except MissingExtraError:
        pass
    return ()


def parse(
    source_name: SourceName,
    files: Files,
    *,
    context: Context = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV.")] = False,
    json: Json = False,
) -> None:
    """Parse payload files by hand; print the rows and the failed checks, store nothing.

    Exits with 1 if anything failed a check.
    """
    from energy_platform.encodings.spreadsheet import spreadsheet_csv
    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.checks import check_messages

    source = market_source(source_name)
    messages = _messages(source, files, context)
    checked = check_messages(source, messages)
    if left := len(messages) - len(checked.messages):
        console(stderr=True).print(f"note: {count(left, 'file')} more than a batch takes; not read")
    if json:
        print_json({"rows": checked.rows.to_dicts(), "failed": checked.quarantined.to_dicts()})
    elif csv:
        sys.stdout.write(spreadsheet_csv(checked.rows, instants="%+"))
    else:
        print_table(
            f"{source.name}: {count(checked.rows.height, 'row')}",
            checked.rows.columns,
            checked.rows.iter_rows(),
        )
    _note_empty_columns(checked.rows)
    _report_failures(checked.quarantined)


def ingest(source_name: SourceName, files: Files, *, context: Context = None) -> None:
    """Land payload files as if the market had sent them, and process them into both stores.

    Exits with 1 if anything failed a check.
    """
    import polars as pl

    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.hot_lane.lane import bring_up
    from energy_platform.pipeline.stores import micro_batches
    from energy_platform.pipeline.tables import market_table

    source, batches = market_source(source_name), micro_batches()
    messages = _messages(source, files, context)
    taken = batches.warehouse.committed_offset(market_table(source))
    landed = batches.landing.guest(source.name, at_least=taken).append(messages)
    reports = [batches.run(source)]
    while reports[-1].stop < landed[-1].stop:
        reports.append(batches.run(source))
    behind = bring_up(batches, source)
    new, parsed = sum(r.rows_new for r in reports), sum(r.rows_parsed for r in reports)
    console().print(
        f"{count(len(messages), 'message')} landed, {count(parsed, 'row')} parsed, {new:,} new"
    )
    if behind:
        console(stderr=True).print("note: the hot copy comes later:", one_line(behind))
    _report_failures(pl.concat([report.quarantined for report in reports]))


def _messages(
    source: "MarketSource", files: Sequence[Path], context: Sequence[str] | None
) -> list[RawMessage]:
    """Read files as raw messages, received now, in the context given.

    Raises:
        UsageError: A file can't be read, or neither the file nor the context says what it is.
    """
    given = _pairs(context or ())
    received_at = datetime.now(UTC)
    messages = []
    for offset, file in enumerate(files):
        try:
            body = file.read_bytes()
        except OSError as error:
            raise UsageError(f"can't read {file}: {error.strerror}") from None
        messages.append(
            RawMessage(
                body=body,
                received_at=received_at,
                context={"file_name": file.name, **given},
                landing_offset=offset,
            )
        )
        _refuse_without_context(source, file, messages[-1])
    return messages


def _refuse_without_context(source: "MarketSource", file: Path, message: RawMessage) -> None:
    """Refuse an ambiguous payload, before a default is taken for what it is."""
    try:
        source.parse([message])
    except ContextMissingError as error:
        example = source.context.get(error.name, "VALUE")
        raise UsageError(
            f"{file} doesn't say what it is: say it with -c {error.name}=…, "
            f"e.g. -c {error.name}={example}"
        ) from None
    except Exception:  # noqa: BLE001 (the checks report what is wrong with the payload itself)
        return


def _pairs(context: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in context:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--context takes KEY=VALUE, not {pair!r}")
        pairs[key] = value
    return pairs


def _note_empty_columns(rows: "pl.DataFrame") -> None:
    """Print columns without any value: the payload lacks them, or the parser misspells them."""
    empty = [name for name in rows.columns if rows.height > 0 and rows[name].count() == 0]
    if empty:
        console(stderr=True).print(f"note: no row has a value in {', '.join(empty)}")


def _report_failures(quarantined: "pl.DataFrame") -> None:
    """Print what failed and why on standard error, and exit with 1 if anything did."""
    if quarantined.is_empty():
        return
    by_reason = quarantined.group_by("reason", maintain_order=True).len()
    for reason, times in by_reason.head(_REASONS).iter_rows():
        complain(reason if times == 1 else f"{reason} ({times} times)")
    if by_reason.height > _REASONS:
        complain(f"and {count(by_reason.height - _REASONS, 'reason')} more")
    raise typer.Exit(1)
