"""Commands that run the platform's processes, and show their state."""

import asyncio
import logging
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, Optional

import typer

from energy_platform.cli.output import console, print_broken, print_json, print_table
from energy_platform.errors import EnergyPlatformError, UsageError, WarehouseUnavailableError
from energy_platform.settings import Markets, Settings, settings

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from energy_platform.market.raw_message import RawMessage
    from energy_platform.market.source import MarketSource
    from energy_platform.operations.live_bus import LiveBusStatus
    from energy_platform.operations.status import SourceStatus
    from energy_platform.operations.supervision.supervisor import Supervisor

_log = logging.getLogger(__name__)

_FLOWING_SECONDS: Final = 120.0
_LISTENING_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 1.0
_SIMULATOR_SECONDS: Final = 60.0

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, down, run, healthy, status, metrics, collect, hot_lane, dashboard):
        app.command()(command)


def up(
    markets: Annotated[
        Optional[Markets],  # noqa: UP045 (typer reads it)
        typer.Option(help="Where data comes from; ENERGY_PLATFORM_MARKETS, or the simulator."),
    ] = None,
) -> None:
    """Run the whole platform until Ctrl-C."""
    told = threading.Event()
    _on_stop(lambda *_: told.set())

    from energy_platform.operations.supervision.plan import PROJECT, platform_plan
    from energy_platform.operations.supervision.ports import (
        HOST,
        answers,
        bound_ports,
        webserver_at,
    )
    from energy_platform.operations.supervision.supervisor import Supervisor

    chosen = settings() if markets is None else settings().model_copy(update={"markets": markets})
    supervisor = Supervisor(chosen.home)
    hosts = {"dashboard": chosen.dashboard_host, "metrics": chosen.metrics_host}
    usual = {"dashboard": chosen.dashboard_port, "metrics": chosen.metrics_port}
    with bound_ports(hosts, **usual) as (ports, kept):
        plan = platform_plan(chosen, ports, kept)
        supervisord = supervisor.start(plan, PROJECT / "dagster.yaml")
    try:
        # From here on it is safe to stop at once, even in the middle of imports.
        _on_stop(_break_off)
        if told.is_set():
            _break_off()
        console().print(f"Starting on {chosen.markets} markets; logs in {supervisor.logs}")
        address = chosen.dashboard_url or f"http://{HOST}:{ports.dashboard}"
        listens = partial(supervisor.listens, "dashboard", ports.dashboard)
        _wait_until_it_listens("dashboard", supervisor, supervisord, listens)
        console().print(f"Dashboard: {address}")
        _wait_until_flowing(supervisor, supervisord, chosen)
        listens = partial(answers, webserver_at(chosen))
        _wait_until_it_listens("webserver", supervisor, supervisord, listens)
        console().print(f"Dagster UI: {address}/dagster   (Ctrl-C stops all)")
        while True:
            time.sleep(_LOOK_SECONDS)
            _look_after(supervisor, supervisord)
    except _Stopped:
        pass
    finally:
        _on_stop(signal.SIG_IGN)
        console().print("Stopping …")
        supervisor.stop(supervisord.pid)
        console().print("Stopped.")


class _Stopped(KeyboardInterrupt):
    """The platform must stop, or has stopped cleanly."""


def _break_off(*_: object) -> NoReturn:
    raise _Stopped


def _on_stop(handler: Callable[..., object] | signal.Handlers) -> None:
    """Print what happens when this process is told to stop, by Ctrl-C or otherwise."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _look_after(supervisor: "Supervisor", supervisord: "subprocess.Popen[bytes]") -> None:
    """Check that supervisord runs.

    Raises:
        EnergyPlatformError: It has ended, and nothing runs without it.
        _Stopped: It has stopped cleanly, because `down` told it to.
    """
    status = supervisord.poll()
    if status == 0:
        _break_off()
    if status is not None:
        raise EnergyPlatformError(
            f"supervisord has ended; see {supervisor.preparation_log} and its neighbours"
        )


def _wait_until_it_listens(
    name: str,
    supervisor: "Supervisor",
    supervisord: "subprocess.Popen[bytes]",
    listens: Callable[[], bool],
) -> None:
    """Wait until this process of the platform listens.

    Raises:
        EnergyPlatformError: It took too long.
    """
    deadline = time.monotonic() + _LISTENING_SECONDS
    while not listens():
        _look_after(supervisor, supervisord)
        if time.monotonic() > deadline:
            raise EnergyPlatformError(f"{name} does not listen; see {supervisor.logs}/{name}.log")
        time.sleep(_LOOK_SECONDS / 10)


def _wait_until_flowing(
    supervisor: "Supervisor", supervisord: "subprocess.Popen[bytes]", chosen: Settings
) -> None:
    """Print sources as they begin to flow, until all do or the time is over."""
    from energy_platform.operations.status import SourceState, SourceStatus, source_statuses
    from energy_platform.pipeline.stores import micro_batches

    began, told, waiting = time.monotonic(), set[str](), list[SourceStatus]()
    while time.monotonic() - began < _FLOWING_SECONDS:
        _look_after(supervisor, supervisord)
        try:
            sources = source_statuses(chosen, micro_batches())
        except WarehouseUnavailableError as error:
            # The platform survives this, so this command keeps waiting.
            console().print(f"  {error}")
            continue
        ready = {source.name for source in sources if source.rows}
        for source in sources:
            if source.name in ready - told:
                seconds = time.monotonic() - began
                console().print(f"  {seconds:5.1f} s  {source.name} flows ({source.protocol})")
        told |= ready
        waiting = [s for s in sources if s.name not in ready and s.state is not SourceState.NEEDS]
        if not waiting:
            return
        time.sleep(_LOOK_SECONDS)
    for source in waiting:
        console().print(f"  {source.name}: {source.state} {source.detail}")


def down() -> None:
    """Stop the platform that `up` started from this home elsewhere."""
    from energy_platform.operations.supervision.supervisor import Supervisor

    supervisor = Supervisor(settings().home)
    supervisord = supervisor.pid()
    if supervisord is None:
        raise UsageError(f"nothing runs from {supervisor.home}")
    supervisor.stop(supervisord)


def run(
    process: Annotated[
        str, typer.Argument(help="Its name in `status`; `worker` for one of several, `prepare`.")
    ],
) -> None:
    """Run one process of the platform in the foreground, with its environment.

    For a container, systemd or a pool of workers, which restart it. `prepare` runs to its end
    before the others: it brings Dagster's storage to this version.
    """
    from energy_platform.operations.supervision.alone import become

    become(process, settings())


def healthy(
    process: Annotated[str, typer.Argument(help="Its name in `status`.")],
) -> None:
    """Ask a process that `run` has started whether it answers; exit code 1 if it does not."""
    from energy_platform.operations.supervision.health import is_healthy

    if not is_healthy(process, settings()):
        raise typer.Exit(1)


def status(*, json: Json = False) -> None:
    """Show each process and each market source: its lag, since when it is late, what drifts."""
    from energy_platform.market.registry import broken_sources
    from energy_platform.operations.disk_space import disk_spaces
    from energy_platform.operations.live_bus import live_bus_status
    from energy_platform.operations.status import source_statuses
    from energy_platform.operations.supervision.supervisor import Supervisor
    from energy_platform.pipeline.stores import micro_batches

    chosen = settings()
    processes = Supervisor(chosen.home).statuses()
    sources = source_statuses(chosen, micro_batches())
    disks, live_bus = disk_spaces(chosen), live_bus_status(chosen)
    if json:
        print_json(
            {"processes": processes, "sources": sources, "disks": disks,
             "live_bus": live_bus, "broken": broken_sources()}
        )  # fmt: skip
        return
    if processes:
        print_table(
            "Processes",
            ["name", "pid", "state", "restarts"],
            [(one.name, str(one.pid or ""), one.state, one.restarts) for one in processes],
        )
    else:
        console().print(
            f"No `energy-platform up` runs from {chosen.home}. Processes that `energy-platform run`"
            " started are known to their containers or services.\n"
        )
    owners = Counter(source.owner for source in sources if source.owner)
    print_table(
        "Sources",
        ["name", "protocol", "group", "landed", "committed", "rows", "last event", "lag",
         "quarantined", "last hour", "state", "since"],
        [_source_row(source, names_owner=len(owners) > 1) for source in sources],
    )  # fmt: skip
    if owners:
        print_table("Collectors", ["collector", "sources"], sorted(owners.items()))
    if live_bus is not None and processes:
        _print_live_bus(live_bus)
    print_broken(broken_sources())
    for disk in disks:
        if disk.is_short:
            console().print(f"The disk is nearly full: {disk.told}.")


def _print_live_bus(status: "LiveBusStatus") -> None:
    figures = status.figures
    print_table(
        "Live bus",
        ["published", "failures", "entries", "used bytes", "of at most", "followers", "dropped",
         "state"],
        [
            (status.published, status.failures, figures.entries, figures.used_bytes,
             figures.bound_bytes, figures.followers, figures.dropped_followers,
             status.trouble or "up")
        ],
    )  # fmt: skip


def _source_row(source: "SourceStatus", *, names_owner: bool) -> tuple[object, ...]:
    state = " ".join([source.state, *source.needs])
    said = [
        *([f"collected by {source.owner}"] if names_owner and source.owner else []),
        *([source.blocked] if source.blocked else []),
        *([source.late.missing] if source.late else []),
        *([source.detail] if source.detail else []),
        *([source.landing_damage] if source.landing_damage else []),
        *([source.told_unanswered] if source.told_unanswered else []),
        *(
            [f"{source.batch_failures} failed batches: {source.batch_error}"]
            if source.batch_failures and not source.blocked
            else []
        ),
        *(["layout: " + "; ".join(source.drift)] if source.drift else []),
        *([f"hot copy: {source.hot_copy_behind}"] if source.hot_copy_behind else []),
    ]
    return (
        source.name,
        source.protocol,
        source.group,
        source.landed_offset,
        source.committed_offset,
        source.rows,
        source.last_event_at,
        None if source.lag_seconds is None else timedelta(seconds=source.lag_seconds),
        source.quarantined,
        "" if source.quarantine_rate is None else f"{source.quarantine_rate:.1%}",
        ": ".join([state, *(["; ".join(said)] if said else [])]),
        source.late.since if source.late else None,
    )


def metrics(
    *,
    port: Annotated[
        Optional[int],  # noqa: UP045 (typer reads it)
        typer.Option(help="Where to listen; ENERGY_PLATFORM_METRICS_PORT, or 9464."),
    ] = None,
) -> None:
    """Answer scrapes of Prometheus and Telegraf with the numbers of `status`."""
    from energy_platform.operations.disk_space import disk_spaces
    from energy_platform.operations.live_bus import live_bus_status
    from energy_platform.operations.metrics import PlatformMetrics
    from energy_platform.operations.scrapes import serve
    from energy_platform.operations.status import source_statuses
    from energy_platform.operations.supervision.supervisor import Supervisor
    from energy_platform.pipeline.stores import micro_batches

    answers = PlatformMetrics(
        lambda: source_statuses(settings(), micro_batches()),
        Supervisor(settings().home).statuses,
        lambda: disk_spaces(settings()),
        lambda: [one for one in [live_bus_status(settings())] if one is not None],
    )
    serve(answers, settings().metrics_host, port or settings().metrics_port)


def collect() -> None:
    """Run the collector, which carries every market source's messages to the landing zone."""
    from energy_platform.ingest.collector import collect as run_collector
    from energy_platform.ingest.simulated_market import SimulatedMarket
    from energy_platform.market.registry import market_sources

    simulated = SimulatedMarket.of(settings())
    if simulated is not None and not settings().addresses:
        simulated.wait(_SIMULATOR_SECONDS)
    logging.getLogger("energy_platform").setLevel(settings().log_level)
    asyncio.run(run_collector(settings(), market_sources().values(), _note_dropped))


def _note_dropped(source: "MarketSource", messages: "Sequence[RawMessage]") -> None:
    """Note in the audit log the files that were dropped; a program's submission is noted already.

    A file that has landed stays landed, whether it can be noted or not.
    """
    from energy_platform.dashboard.access.audit import Action, AuditLog

    for message in messages:
        if "submission" not in message.context:
            about = {"source": source.name, "file": message.context["file"]}
            sender = message.context.get("sender", "")
            try:
                AuditLog.of(settings().state).add(Action.FILE_DROPPED, sender, "inbox", **about)
            except (EnergyPlatformError, OSError, sqlite3.Error) as error:
                _log.warning("the audit log lacks %s: %s", about, error)


def hot_lane() -> None:
    """Run the hot lane: what lands of every market source, into the hot store."""
    from energy_platform.market.registry import market_sources
    from energy_platform.pipeline.hot_lane.service import follow

    # It may be ended between any two of its writes, so it has nothing to do when it is told to.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.getLogger("energy_platform").setLevel(settings().log_level)
    asyncio.run(follow(settings(), market_sources().values()))


def dashboard(
    *,
    port: Annotated[
        Optional[int],  # noqa: UP045 (typer reads it)
        typer.Option(help="Where to listen; ENERGY_PLATFORM_DASHBOARD_PORT, or 3070."),
    ] = None,
) -> None:
    """Serve the traders' screens, and the API behind them."""
    from energy_platform.dashboard.service import serve

    logging.getLogger("energy_platform").setLevel(settings().log_level)
    serve(settings(), port or settings().dashboard_port)
