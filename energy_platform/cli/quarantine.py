"""Commands about failed rows and messages: look at them, and run them again after a fix."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from energy_platform.cli.market import SourceName
from energy_platform.cli.output import console, count, one_line, print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError

if TYPE_CHECKING:
    from energy_platform.pipeline.quarantine import QuarantineSample


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (quarantine, redrive):
        app.command()(command)


def quarantine(
    source_name: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Argument(metavar="[SOURCE]", help="Of this source alone, with samples."),
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Samples at most, one per reason.")] = 20,
    skip: Annotated[
        Optional[tuple[str, int]],  # noqa: UP045 (typer reads it)
        typer.Option(metavar="SOURCE OFFSET", help="Set the message at an offset aside."),
    ] = None,
    json: Json = False,
) -> None:
    """List what failed: how often, why, since when; with samples for one source.

    With --skip, set aside the message that blocks a source: no batch parses it, and those behind it
    go on. It goes to quarantine, and a redrive tries it again.
    """
    if skip is not None:
        _set_aside(*skip)
        return
    from energy_platform.market.registry import market_source, market_sources
    from energy_platform.pipeline.quarantine import quarantine_reasons, quarantine_samples
    from energy_platform.pipeline.stores import micro_batches

    sources = [market_source(source_name)] if source_name else list(market_sources().values())
    warehouse, landing = micro_batches().warehouse, micro_batches().landing
    reasons = quarantine_reasons(warehouse, sources)
    samples = quarantine_samples(warehouse, landing, sources[0], limit=limit) if source_name else []
    if json:
        told = {"samples": [asdict(sample) for sample in samples]} if source_name else {}
        print_json({"reasons": reasons.to_dicts(), **told})
        return
    if reasons.is_empty():
        console().print("Nothing is in quarantine.")
        return
    print_table("Quarantine", [name.replace("_", " ") for name in reasons.columns],
                ([one_line(value) if isinstance(value, str) else value for value in row]
                 for row in reasons.iter_rows()))  # fmt: skip
    for sample in samples:
        _tell(sample)


def _set_aside(source_name: str, offset: int) -> None:
    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.set_aside import BY_HAND
    from energy_platform.pipeline.stores import micro_batches
    from energy_platform.pipeline.tables import market_table

    source, batches = market_source(source_name), micro_batches()
    end = batches.landing.log(source.name).end_offset()
    if not 0 <= offset < end:
        raise UsageError(f"{source.name} has no message at offset {offset:,}: {end:,} have landed")
    batches.set_aside.add(source.name, offset, BY_HAND)
    console().print(f"The message at offset {offset:,} of {source.name} is set aside.")
    if offset < batches.warehouse.committed_offset(market_table(source)):
        console().print("Its rows stay: only a replay from that offset leaves them out.")


def redrive(source_name: SourceName) -> None:
    """Run a source's quarantine again after a fix of its parser or its checks.

    Rows that are good now are stored as if the fix had always been there; what still fails stays. A
    second run changes nothing more.
    """
    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.redrive import redrive as run_again
    from energy_platform.pipeline.stores import micro_batches

    done = run_again(micro_batches(), market_source(source_name))
    before = count(done.lines_before, "line")
    if done.replay is None:
        told = f"{before} in quarantine, failing as before; nothing was changed"
        console().print(told if done.lines_before else "Nothing is in quarantine.")
        return
    console().print(
        f"{before} in quarantine before, {done.lines_after:,} after; "
        f"{count(done.replay.messages, 'message')} replayed, "
        f"{count(done.replay.rows, 'row')} stored"
    )


def _tell(sample: "QuarantineSample") -> None:
    """Print one sample in a few lines."""
    said = sample.row if sample.row is not None else sample.beginning or "(empty)"
    lines = {
        "reason": f"{sample.reason} ({count(sample.times, 'line')} like it)",
        "message": f"{sample.landing_offset:,}, received {sample.received_at:%Y-%m-%d %H:%M:%S}",
        "context": " ".join(f"{key}={value}" for key, value in sorted(sample.context.items())),
        "row" if sample.row is not None else "begins": said,
    }
    console().print()
    for name, text in lines.items():
        console().print(f"{name:>8}  {one_line(text)}", soft_wrap=True)
