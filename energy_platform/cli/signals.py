"""The commands about trading signals: their scores, and what they say."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, cast

import typer

from energy_platform.cli.output import console, print_json, print_table
from energy_platform.cli.platform import Json
from energy_platform.errors import UsageError
from energy_platform.market.instants import parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from energy_platform.reading.asking import Clock
    from energy_platform.signals.scores import Figure, Score
    from energy_platform.signals.signal import Signal

app = typer.Typer(no_args_is_help=True, help="Trading signals: their scores.")


def register(parent: typer.Typer) -> None:
    """Add this module's commands."""
    parent.add_typer(app, name="signals")


@app.callback()
def _signals() -> None:
    """Trading signals: their scores."""


@app.command()
def score(  # noqa: PLR0913 (a command shows its options by name)
    name: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Argument(metavar="[SIGNAL]", help="A signal, or a file that defines one; or all."),
    ] = None,
    *,
    days: Annotated[int, typer.Option(min=2, help="How many days of the past.")] = 90,
    until: Annotated[
        Optional[str],  # noqa: UP045 (typer reads it)
        typer.Option("--until", metavar="T", help="The end of the past (ISO 8601); now."),
    ] = None,
    known: Annotated[
        str, typer.Option(help='By whose clock: "received", ours, or "published", the provider\'s.')
    ] = "received",
    first: Annotated[float, typer.Option(help="Days that the first model learns from.")] = 21.0,
    every: Annotated[float, typer.Option(help="Days until the next one is trained.")] = 7.0,
    where: Annotated[
        Optional[Path],  # noqa: UP045 (typer reads it)
        typer.Option(help="The home of another platform, such as a demo's."),
    ] = None,
    json: Json = False,
) -> None:
    """Walk through the past, train as time goes by, and score what was foretold.

    Beside it stand two baselines for the same deliveries. Intervals have 90 %, by days.
    """
    from energy_platform.operations.status import market_clock
    from energy_platform.reading.platform import connect, here
    from energy_platform.settings import settings
    from energy_platform.signals.catalogue import signal, signals
    from energy_platform.signals.histories import Reader
    from energy_platform.signals.live import reader_of
    from energy_platform.signals.training import score_of
    from energy_platform.signals.walk_forward import Walk, learnable

    chosen = [signal(name)] if name is not None else [*signals().values()]
    clock = _clock(known)
    reader = reader_of(here, settings(), clock) if where is None else Reader(connect(where), clock)
    end = market_clock(settings()).now() if until is None else parse_instant(until)
    walk = Walk(first=timedelta(days=first), every=timedelta(days=every))
    for one in chosen:
        rows = learnable(one, reader, _hour(end) - timedelta(days=days), _hour(end))
        scores = score_of(one, rows, walk)
        if json:
            print_json({"signal": one.name, "scores": [each.told() for each in scores]})
        else:
            _show(one, scores)


def _clock(text: str) -> "Clock":
    if text not in ("received", "published"):
        raise UsageError(f'--known is "received" or "published", not {text!r}')
    return cast("Clock", text)


def _hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def _show(signal: "Signal", scores: "Sequence[Score]") -> None:
    costs = signal.costs
    model = scores[0]
    print_table(
        f"{signal.name}: {model.deliveries:,} deliveries of {model.days} days, gate {signal.gate}",
        ["", "hit rate %", f"pinball {signal.unit}", "EUR a day", "drawdown EUR", "traded %"],
        [
            (
                one.name,
                _told(one.hit_rate, 100, 1),
                _told(one.pinball, 1, 2),
                _told(one.money_eur_per_day, 1, 0),
                _told(one.drawdown_eur, 1, 0),
                f"{100 * one.traded:.0f}",
            )
            for one in scores
        ],
    )
    for other in model.pinball_less_by:
        less, more = model.pinball_less_by[other], model.earns_more_eur_per_day[other]
        console().print(
            f"{model.name} against {other}: loss smaller by {_told(less, 1, 2)} {signal.unit},"
            f" earns {_told(more, 1, 0)} EUR a day more",
            highlight=False,
            markup=False,
        )
    console().print(
        f"{costs.position_mw:g} MW, fees {costs.fees_eur_per_mwh:g} and slippage"
        f" {costs.slippage_eur_per_mwh:g} EUR/MWh; in brackets 90 % of 2,000 draws of days",
        highlight=False,
        markup=False,
    )


def _told(figure: "Figure", times: float, digits: int) -> str:
    value, low, high = (f"{times * one:,.{digits}f}" for one in
                        (figure.value, figure.low, figure.high))  # fmt: skip
    return f"{value} ({low} to {high})"
