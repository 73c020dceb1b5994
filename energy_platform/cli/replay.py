"""The commands that make a source's table again from the landing zone: all of it, or step by step.

`replay SOURCE` is the whole. `replay plan`, `stage` and `merge` are its steps, for an engine that
runs the middle one on many machines.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Optional

import typer
from typer.core import TyperGroup

from energy_platform.cli.market import SourceName
from energy_platform.cli.output import bars, complain, console, count, print_json
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError
from energy_platform.market.instants import parse_instant
from energy_platform.settings import ReplayRunner, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from energy_platform.market.source import MarketSource
    from energy_platform.pipeline.micro_batch import MicroBatches
    from energy_platform.pipeline.replay.stager import Tell

_WHOLE: Final = "whole"

Since = Annotated[
    Optional[str],  # noqa: UP045 (typer reads it)
    typer.Option("--from", metavar="T", help="From messages received at T on (ISO 8601)."),
]
Runner = Annotated[
    Optional[ReplayRunner],  # noqa: UP045 (typer reads it)
    typer.Option(help="What parses; ENERGY_PLATFORM_REPLAY_RUNNER, or processes."),
]


class _OrSource(TyperGroup):
    """Takes a first argument that is no step for a source, of which all steps are wanted."""

    otherwise: Final = _WHOLE
    """The command that takes it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer has its own click)
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [self.otherwise, *args]
        return super().parse_args(ctx, args)


steps = typer.Typer(
    cls=_OrSource,
    help="Rebuild a source's table and hot copy from the landing zone: replay SOURCE.",
    no_args_is_help=True,
    subcommand_metavar="SOURCE | COMMAND [ARGS]...",
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    steps.command(_WHOLE, hidden=True)(whole)
    for command in (plan, stage, merge):
        steps.command()(command)
    app.add_typer(steps, name="replay")


def whole(source_name: SourceName, *, since: Since = None, runner: Runner = None) -> None:
    """Rebuild a source's table and hot copy from the landing zone.

    Micro-batches may run meanwhile. An interrupted replay continues when it is run again.
    """
    from energy_platform.pipeline.replay import replay
    from energy_platform.pipeline.replay.runners.choice import open_stager

    source, batches = _opened(source_name)
    start = _start(batches, source, since)
    try:
        with _progress() as tell:
            stager = open_stager(settings(), batches.landing, runner, tell=tell)
            done = replay(batches, source, start=start, stager=stager)
    except KeyboardInterrupt:
        complain("interrupted; the same command goes on where it was")
        raise typer.Exit(1) from None
    replayed = count(done.messages, "message")
    console().print(f"{replayed} replayed, {count(done.rows, 'row')} stored")


def plan(source_name: SourceName, *, since: Since = None, json: Json = False) -> None:
    """Cut what a replay would read into ranges, and print the plan's id and their number.

    A plan that an interrupted replay has left is taken up. There is none for what one range holds.
    """
    from energy_platform.pipeline.replay.merge import Merge
    from energy_platform.pipeline.replay.runners.choice import open_stager
    from energy_platform.pipeline.tables import market_table

    source, batches = _opened(source_name)
    stop = batches.warehouse.committed_offset(market_table(source))
    first = Merge(batches, source).first(_start(batches, source, since))
    made = open_stager(settings(), batches.landing).plan(source, range(first, stop))
    if json:
        print_json({"plan": made and made.plan_id, "ranges": len(made.ranges) if made else 0})
    elif made is None:
        console().print("Nothing to stage: `replay merge` does it all.")
    else:
        console().print(f"{made.plan_id}: {count(len(made.ranges), 'range')}")


def stage(
    source_name: SourceName,
    plan_id: Annotated[str, typer.Option("--plan", help="The plan's id.")],
    *,
    task: Annotated[
        int, typer.Option(min=0, envvar="CLOUD_RUN_TASK_INDEX", help="The number of this task.")
    ] = 0,
    of: Annotated[
        int, typer.Option(min=1, envvar="CLOUD_RUN_TASK_COUNT", help="How many tasks there are.")
    ] = 1,
) -> None:
    """Parse and check one task's ranges of a plan into staged files; safe to run twice."""
    from energy_platform.pipeline.replay.plan import Share
    from energy_platform.pipeline.replay.stage import stage as stage_ranges
    from energy_platform.pipeline.stores import open_landing

    if task >= of:
        raise UsageError(f"of {of} tasks, none has the number {task}: they count from 0")
    staged = stage_ranges(
        open_landing(settings()),
        source_name,
        plan_id,
        Share(task, of),
        most_bytes=settings().replay_staged_bytes,
    )
    console().print(f"{count(staged, 'range')} staged")


def merge(source_name: SourceName, *, since: Since = None) -> None:
    """Bring what is staged to the tables, parse the rest here, and catch up with what landed."""
    from energy_platform.pipeline.replay import replay
    from energy_platform.pipeline.replay.stager import Stager

    source, batches = _opened(source_name)
    start = _start(batches, source, since)
    most_bytes = settings().replay_staged_bytes
    stager = Stager(zone=batches.landing, runner=None, most_bytes=most_bytes)
    done = replay(batches, source, start=start, stager=stager)
    replayed = count(done.messages, "message")
    console().print(f"{replayed} replayed, {count(done.rows, 'row')} stored")


def _opened(source_name: str) -> "tuple[MarketSource, MicroBatches]":
    from energy_platform.market.registry import market_source
    from energy_platform.pipeline.stores import micro_batches

    return market_source(source_name), micro_batches()


def _start(batches: "MicroBatches", source: "MarketSource", since: str | None) -> int:
    """Return the first landing offset of messages received at an instant or later."""
    if since is None:
        return 0
    return batches.landing.log(source.name).offset_at(parse_instant(since))


@contextmanager
def _progress() -> "Iterator[Tell]":
    """Show a bar of the staged ranges, where there is a terminal."""
    with bars(console(stderr=True)) as progress:
        staging = progress.add_task("staging", total=None, visible=False)
        yield lambda staged, of: progress.update(staging, completed=staged, total=of, visible=True)
